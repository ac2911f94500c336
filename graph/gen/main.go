// Command gen writes the executable schema: gqlgen with plugins of our own, run by `go generate .` in the module's root.
package main

import (
	"fmt"
	"os"

	"github.com/99designs/gqlgen/api"
	"github.com/99designs/gqlgen/codegen/config"
)

func main() {
	if err := generate("gqlgen.yml"); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func generate(file string) error {
	cfg, err := config.LoadConfig(file)
	if err != nil {
		return err
	}
	return api.Generate(cfg, api.PrependPlugin(&content{}), api.AddPlugin(&bindings{}))
}
