package config

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/learngraph/learngraph/reload"
	"go.yaml.in/yaml/v3"
)

// readFile returns the settings of a configuration file by their names in the environment. A setting has its own name
// in lower case, at the top or in its group.
func readFile(path string) (map[string]string, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the configuration file %q cannot be read: %w", path, reload.Cause(err))
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(reload.Text(text), &doc); err != nil {
		return nil, fmt.Errorf("the configuration file %q is not YAML: %s", path, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	f := fileReader{path: path, values: map[string]string{}}
	if len(doc.Content) == 0 {
		return f.values, nil
	}
	return f.values, f.settings("", doc.Content[0])
}

type fileReader struct {
	path   string
	values map[string]string
}

// errorAt is an error at a place of the file.
func (f fileReader) errorAt(n *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("the configuration file %q, line %d: %s", f.path, n.Line, fmt.Sprintf(format, args...))
}

// settings reads the members of the file, or those of a group.
func (f fileReader) settings(group string, n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		return f.errorAt(n, "must be names with values, such as listen: 127.0.0.1:8080")
	}
	for i := 0; i < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if group == "" && isGroup(key.Value) {
			if err := f.settings(key.Value, value); err != nil {
				return err
			}
			continue
		}
		if err := f.setting(group, key, value); err != nil {
			return err
		}
	}
	return nil
}

func (f fileReader) setting(group string, key, value *yaml.Node) error {
	known := fileNames()
	s, ok := known[key.Value]
	switch {
	case !ok:
		return f.errorAt(key, "unknown setting %q%s", key.Value, didYouMean(group, key.Value, names(known)))
	case group != "" && s.Group != group:
		return f.errorAt(key, "%s belongs to %s, not to %s", key.Value, s.Group, group)
	}
	name := strings.ToUpper(key.Value)
	if _, twice := f.values[name]; twice {
		return f.errorAt(key, "%s is set twice", key.Value)
	}
	text, err := f.value(value, s)
	f.values[name] = text
	return err
}

// value returns a value as the environment has it.
func (f fileReader) value(n *yaml.Node, s Setting) (string, error) {
	switch {
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null":
		return "", nil
	case n.Kind == yaml.ScalarNode:
		return n.Value, nil
	case n.Kind != yaml.SequenceNode || !s.list:
		return "", f.errorAt(n, "%s must be a single value", strings.ToLower(s.Name))
	}
	var items []string
	for _, e := range n.Content {
		if e.Kind != yaml.ScalarNode {
			return "", f.errorAt(e, "%s must be a list of single values", strings.ToLower(s.Name))
		}
		items = append(items, e.Value)
	}
	return strings.Join(items, ","), nil
}

func isGroup(name string) bool {
	return slices.ContainsFunc(Groups(), func(g Group) bool { return g.Name == name })
}

// fileNames are the settings by their names in a file.
func fileNames() map[string]Setting {
	known := map[string]Setting{}
	for _, s := range Settings() {
		for _, name := range s.Names() {
			known[strings.ToLower(name)] = s
		}
	}
	return known
}
