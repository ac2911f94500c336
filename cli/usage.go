package cli

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// mistakes are the parser's messages in its own terms, and the sentences in their place.
var mistakes = []struct {
	sent  *regexp.Regexp
	plain string
}{
	{regexp.MustCompile(`^(-[a-z0-9-]+): .*\(<EOL>\)$`), "$1 needs a value"},
	{regexp.MustCompile(`^(-[a-z0-9-]+): bool value must be .* but got (".*")$`), "$1 must be true or false; it is $2"},
	{regexp.MustCompile(`^(?:expected "|missing positional arguments )(<[^"]*)"?$`), "missing $1"},
	{regexp.MustCompile(`^expected one of (.*)$`), "missing one of $1"},
}

// argument is the name of an argument as the parser writes it; help has it in capitals.
var argument = regexp.MustCompile(`<([a-z]+)>`)

// usageMessage returns one line: the mistake in the arguments, a suggestion, and the help to read.
func usageMessage(err error) string {
	text, help := strings.ReplaceAll(err.Error(), "--", "-"), "learngraph help"
	if e := new(kong.ParseError); errors.As(err, &e) && e.Context != nil {
		node := e.Context.Selected()
		if node == nil {
			node = e.Context.Model.Node
		}
		help += strings.TrimPrefix(node.FullPath(), "learngraph")
		text = unknownFlag(unknownCommand(text, node), e.Context.Model.Flags)
	}
	for _, m := range mistakes {
		if m.sent.MatchString(text) {
			text = argument.ReplaceAllStringFunc(m.sent.ReplaceAllString(text, m.plain), func(name string) string {
				return strings.ToUpper(strings.Trim(name, "<>"))
			})
		}
	}
	if strings.HasSuffix(text, "?") {
		return text + " See " + help
	}
	return text + "; see " + help
}

// unknownCommand returns a suggestion for an argument in the place of a command: a name like it, or one of all.
func unknownCommand(text string, node *kong.Node) string {
	name, unexpected := strings.CutPrefix(text, "unexpected argument ")
	if !unexpected || len(node.Children) == 0 {
		return text
	}
	text = "unknown command " + name
	if strings.HasSuffix(text, "?") {
		return text
	}
	var names []string
	for _, c := range node.Children {
		names = append(names, c.Name)
	}
	return text + "; the commands are " + strings.Join(names, ", ")
}

// unknownFlag suggests the flag of a setting whose name in the environment was given.
func unknownFlag(text string, flags []*kong.Flag) string {
	name, unknown := strings.CutPrefix(text, "unknown flag -")
	name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
	if unknown && slices.ContainsFunc(flags, func(f *kong.Flag) bool { return f.Name == name }) {
		return text + ", did you mean \"-" + name + "\"?"
	}
	return text
}
