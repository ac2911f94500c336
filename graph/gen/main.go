// Command gen writes the executable schema: gqlgen with plugins of our own, run by `go generate .` in the module's
// root. With a configuration as its argument it writes gqlgen's code without them.
package main

import (
	"fmt"
	"os"

	"github.com/99designs/gqlgen/api"
	"github.com/99designs/gqlgen/codegen/config"
)

func main() {
	file, options := "gqlgen.yml", []api.Option{api.PrependPlugin(&content{}), api.PrependPlugin(&records{}),
		api.PrependPlugin(&subscription{}), api.AddPlugin(&bindings{})}
	if len(os.Args) > 1 {
		file, options = os.Args[1], nil
	}
	if err := generate(file, options...); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func generate(file string, options ...api.Option) error {
	cfg, err := config.LoadConfig(file)
	if err != nil {
		return err
	}
	return api.Generate(cfg, options...)
}
