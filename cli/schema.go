package cli

import (
	"fmt"

	"github.com/learngraph/learngraph/config"
	"github.com/learngraph/learngraph/sdl"
)

type schemaCommand struct {
	Flavor string `default:"plain" enum:"plain,federation,federation-2.9,federation-open,composite,semantic-nullability,cache-control" placeholder:"NAME" help:"Flavor of the schema: plain, federation, federation-2.9, federation-open, composite, semantic-nullability or cache-control."`
}

// Run prints the GraphQL schema. Some flavors depend on settings.
func (c *schemaCommand) Run(p *process) error {
	cfg, err := config.Read(p.settings)
	if err != nil {
		return err
	}
	text, err := sdl.Write(p.Schema, sdl.Flavor(c.Flavor), sdl.Options{Lifetime: cfg.Cache.TTL,
		EachClientLinked: cfg.Link.Client == "id"})
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(p.Stdout, text)
	return err
}
