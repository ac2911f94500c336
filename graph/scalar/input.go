package scalar

import (
	"fmt"
	"strings"
)

// InputError is bad input of the caller: the argument, and the values that it takes. Its text is made to be shown.
type InputError struct {
	// Path leads to the argument, from the field's own arguments down: "by", "id". An element of a list is "[0]".
	Path []string
	// Message describes valid values, as the end of a sentence that begins with the argument's name.
	Message string
}

func (e *InputError) Error() string { return fmt.Sprintf("%s %s", dotted(e.Path), e.Message) }

// Input makes an InputError.
func Input(message string, path ...string) *InputError {
	return &InputError{Path: path, Message: message}
}

func dotted(path []string) string {
	text := ""
	for i, p := range path {
		if i > 0 && !strings.HasPrefix(p, "[") {
			text += "."
		}
		text += p
	}
	return text
}

// The bounds of `first`, and its value for null.
const (
	DefaultFirst = 25
	MaxFirst     = 100
)

// First is the page size that a caller asks for: least to MaxFirst, DefaultFirst for null.
func First(first *int, least int) (int, error) {
	if first == nil {
		return DefaultFirst, nil
	}
	if *first < least || *first > MaxFirst {
		return 0, Input(fmt.Sprintf("must be %d to %d", least, MaxFirst), "first")
	}
	return *first, nil
}

// After reads the cursor of a list; nil is the list's start.
func After(after *string, list string, bound ...string) (Cursor, error) {
	if after == nil {
		return Cursor{List: list, Bound: bound}, nil
	}
	c, err := DecodeCursor(*after, list, bound...)
	if err != nil {
		return Cursor{}, Input(err.Error(), "after")
	}
	return c, nil
}
