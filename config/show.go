package config

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Show writes the effective settings as a configuration file, each with where it comes from. Secrets are not shown.
func (c *Config) Show(w io.Writer) error {
	var out strings.Builder
	for _, g := range Groups() {
		fmt.Fprintf(&out, "%s:\n", g.Name)
		for _, v := range c.Values {
			if v.Group == g.Name {
				fmt.Fprintf(&out, "  %s: %s # %s\n", strings.ToLower(v.Name), v.yaml(), v.Source)
			}
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// yaml returns the value as a file has it.
func (v Value) yaml() string {
	switch {
	case v.Text == hidden, v.Switch, v.number:
		return v.Text
	case v.Text == "":
		return "null"
	}
	return strconv.Quote(v.Text)
}
