package cli

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/learngraph/learngraph/app"
	"github.com/learngraph/learngraph/config"
	"github.com/learngraph/learngraph/telemetry"
)

type configCommand struct {
	Check  configCheck  `cmd:"" help:"Check all settings and the files that they name without serving."`
	Show   configShow   `cmd:"" help:"Print the effective settings and their origins as a configuration file, without secrets."`
	Schema configSchema `cmd:"" help:"Print the JSON Schema of the configuration file."`
}

type configCheck struct{}

// Run wires the program without Redis, calls no backend and listens nowhere.
func (*configCheck) Run(p *process) error {
	cfg, err := config.Load(p.settings)
	if err != nil {
		return err
	}
	for _, w := range cfg.Warnings {
		fmt.Fprintln(p.Stderr, "warning:", w)
	}
	if err := telemetry.CheckEnvironment(p.Getenv); err != nil {
		return err
	}
	s, err := app.New(cfg, app.Options{Schema: p.Schema, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.Stdout, "the configuration is valid")
	return err
}

type configShow struct{}

// Run prints the settings, also where they do not fit each other: then it fails with the reason.
func (*configShow) Run(p *process) error {
	cfg, err := config.Load(p.settings)
	if cfg == nil {
		return err
	}
	if p.Prepare != nil {
		p.Prepare(cfg)
	}
	return errors.Join(cfg.Show(p.Stdout), err)
}

type configSchema struct{}

// Run prints the JSON Schema.
func (*configSchema) Run(p *process) error {
	_, err := p.Stdout.Write(config.Schema())
	return err
}
