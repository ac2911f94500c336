package cli

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/learngraph/learngraph/config"
)

// settingFlags are the settings as a struct that kong makes flags of, with a field of text for each name.
type settingFlags struct {
	target any
	// names are those of the environment, by the name of the flag.
	names map[string]string
}

// switchType is the kind of a flag that needs no value.
const switchType = "switch"

func newSettingFlags() settingFlags {
	f := settingFlags{names: map[string]string{}}
	var fields []reflect.StructField
	for _, s := range config.Settings() {
		for _, name := range s.Names() {
			tag := fmt.Sprintf("name:%q group:%q", config.FlagName(name), s.Group)
			if s.Switch {
				tag += fmt.Sprintf(" type:%q", switchType)
			}
			fields = append(fields, reflect.StructField{Name: name, Type: reflect.TypeFor[string](),
				Tag: reflect.StructTag(tag)})
			f.names[config.FlagName(name)] = name
		}
	}
	f.target = reflect.New(reflect.StructOf(fields)).Interface()
	return f
}

// given returns the settings that the command line has, by their names in the environment.
func (f settingFlags) given(parsed *kong.Context) map[string]string {
	values := map[string]string{}
	for _, p := range parsed.Path {
		if p.Flag == nil {
			continue
		}
		if name, ok := f.names[p.Flag.Name]; ok {
			values[name] = p.Flag.Target.String()
		}
	}
	return values
}

// switchMapper reads a flag that needs no value as text: whether it is true or false the setting finds out, as from its
// other sources.
type switchMapper struct{}

func (switchMapper) IsBool() bool { return true }

func (switchMapper) Decode(ctx *kong.DecodeContext, target reflect.Value) error {
	text := "true"
	if ctx.Scan.Peek().Type == kong.FlagValueToken {
		text = ctx.Scan.Pop().String()
	}
	target.SetString(text)
	return nil
}

// longFlag is a flag with one dash or two, and perhaps its value.
var longFlag = regexp.MustCompile(`^--?([A-Za-z][A-Za-z0-9_-]+)(=.*)?$`)

// normalize writes flags as kong reads them: -name as --name, and the value of a flag that needs one in the same word,
// for a value may begin with a dash.
func normalize(app *kong.Application, args []string) []string {
	needsValue := map[string]bool{}
	var visit func(*kong.Node)
	visit = func(n *kong.Node) {
		for _, f := range n.Flags {
			needsValue[f.Name] = !f.IsBool()
		}
		for _, child := range n.Children {
			visit(child)
		}
	}
	visit(app.Node)
	var out []string
	for i := 0; i < len(args); i++ {
		m := longFlag.FindStringSubmatch(strings.SplitN(args[i], "\n", 2)[0])
		switch {
		case args[i] == "--":
			return append(out, args[i:]...)
		case m == nil:
			out = append(out, args[i])
		case needsValue[m[1]] && m[2] == "" && i+1 < len(args):
			i++
			out = append(out, "--"+m[1]+"="+args[i])
		default:
			out = append(out, "--"+strings.TrimLeft(args[i], "-"))
		}
	}
	return out
}
