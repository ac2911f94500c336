package selection

import (
	"encoding/json"
	"strconv"

	"github.com/learngraph/learngraph/coerce"
	"github.com/vektah/gqlparser/v2/ast"
)

// DirectiveArgument returns the value of a directive's argument, nil where it has none.
func DirectiveArgument(d *ast.Directive, name string) any {
	arg := d.Arguments.ForName(name)
	if arg == nil {
		return nil
	}
	return coerce.Literal(arg.Value, nil)
}

// Strings returns the strings of a list.
func Strings(v any) []string {
	list, _ := v.([]any)
	var out []string
	for _, item := range list {
		if text, ok := item.(string); ok {
			out = append(out, text)
		}
	}
	return out
}

// IntArgument returns the value of an integer argument, which the directive must have.
func IntArgument(d *ast.Directive, name string) int64 {
	n, _ := strconv.ParseInt(d.Arguments.ForName(name).Value.Raw, 10, 64)
	return n
}

// Number returns an integer value, and whether it is one.
func Number(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case json.Number:
		n, err := v.Int64()
		return n, err == nil
	}
	return 0, false
}
