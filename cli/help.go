package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/learngraph/learngraph/config"
)

const description = "One GraphQL endpoint over Thought Industries, Coassemble and MATTR."

const exitCodes = `Exit codes:
  0  success
  1  failure: a check failed, a replay differs, a server ended with an error
  2  not started: a wrong command, flag, setting or file
`

type helpCommand struct {
	Command []string `arg:"" optional:"" help:"Command to explain."`
}

// Run prints the help of a command, or that of the program.
func (h *helpCommand) Run(p *process) error {
	_, err := p.parser.Parse(append(h.Command, "--help"))
	return errors.New(usageMessage(err)) // where there is help, the parser has ended the run
}

// printHelp is kong's printer of help.
func (p *process) printHelp(_ kong.HelpOptions, ctx *kong.Context) error {
	var out strings.Builder
	node := ctx.Selected()
	if node == nil {
		node = ctx.Model.Node
	}
	h := helpWriter{&out}
	if node.Type == kong.ApplicationNode || node.Name == "serve" {
		h.program(ctx.Model)
	} else {
		h.command(node)
	}
	_, err := fmt.Fprint(p.Stdout, out.String())
	return err
}

type helpWriter struct{ out *strings.Builder }

func (h helpWriter) line(format string, args ...any) { fmt.Fprintf(h.out, format+"\n", args...) }

// program explains the program: its commands, its exit codes and its settings.
func (h helpWriter) program(app *kong.Application) {
	h.line("%s\n\nUsage: learngraph [COMMAND] [FLAGS]\n\nCommands:", description)
	for _, c := range app.Children {
		h.line("  %-8s  %s", c.Name, c.Help)
	}
	h.line("\nlearngraph help COMMAND explains a command.\n\n%s\nFlags:", exitCodes)
	h.flags(app.Flags)
	h.line("\nSettings. Flags override the environment, which overrides the file of -config:")
	for _, g := range config.Groups() {
		h.line("\n%s (%s):", g.Title, g.Name)
		for _, s := range config.Settings() {
			if s.Group == g.Name {
				h.setting(s)
			}
		}
	}
	h.line(
		"\nThe standard OTEL_* variables configure traces; GOMEMLIMIT and GOGC, if set, the memory of the process.")
}

// command explains one command.
func (h helpWriter) command(node *kong.Node) {
	h.line("%s\n\nUsage: learngraph %s", node.Help, synopsis(node))
	if len(node.Positional) > 0 {
		h.line("\nArguments:")
		for _, a := range node.Positional {
			h.line("  %-8s  %s", strings.ToUpper(a.Name), a.Help)
		}
	}
	if len(node.Children) > 0 {
		h.line("\nCommands:")
		for _, c := range node.Children {
			h.line("  %-8s  %s", c.Name, c.Help)
		}
	}
	if len(node.Flags) > 0 {
		h.line("\nFlags:")
		h.flags(node.Flags)
	}
	h.line("\nSettings are flags of every command; learngraph help lists them.\n\n%s", strings.TrimSpace(exitCodes))
}

func synopsis(node *kong.Node) string {
	text := node.Name
	for parent := node.Parent; parent != nil && parent.Type == kong.CommandNode; parent = parent.Parent {
		text = parent.Name + " " + text
	}
	if len(node.Children) > 0 {
		text += " COMMAND"
	}
	if len(node.Flags) > 0 {
		text += " [FLAGS]"
	}
	for _, a := range node.Positional {
		name := strings.ToUpper(a.Name)
		if a.IsCumulative() {
			name += "..."
		}
		if !a.Required {
			name = "[" + name + "]"
		}
		text += " " + name
	}
	return text
}

// flags lists flags that are no settings.
func (h helpWriter) flags(list []*kong.Flag) {
	for _, f := range list {
		if f.Group != nil {
			continue
		}
		name := "-" + f.Name
		if f.Short != 0 {
			name = "-" + string(f.Short) + ", " + name
		}
		if !f.IsBool() {
			name += " " + f.PlaceHolder
		}
		h.line("  %s\n        %s", name, f.Help)
	}
}

// setting explains one setting: its flag, its name in the environment, its default and its purpose.
func (h helpWriter) setting(s config.Setting) {
	flag, about := "-"+config.FlagName(s.Name), s.Name
	if !s.Switch {
		flag += " VALUE"
	}
	if s.Secret {
		about += " or " + s.Name + "_FILE"
	}
	if s.Default == "" {
		about += ", no default"
	} else {
		about += ", default " + s.Default
	}
	h.line("  %s  (%s)\n        %s", flag, about, s.Usage)
}
