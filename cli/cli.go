// Package cli is the command line: serving, which is the default, and the commands.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/alecthomas/kong"
	"github.com/learngraph/learngraph/config"
	"github.com/learngraph/learngraph/telemetry"
	"github.com/learngraph/learngraph/upstream/emulator"
)

// The exit codes of Run.
const (
	ExitOK     = 0
	ExitFailed = 1
	ExitUsage  = 2
)

// Program is the input and output of the command line.
type Program struct {
	// Schema is the text of the schema.
	Schema string
	// Version is the number of the release; without it a build is known by its module.
	Version string
	// Args are the arguments without the name of the program.
	Args   []string
	Getenv func(string) string
	// Environ is the whole environment as NAME=value; nil warns of no name that looks like a setting.
	Environ        []string
	Stdout, Stderr io.Writer
	// Prepare fits the process to the configuration; nil leaves the process as it is.
	Prepare func(*config.Config)
	// Adopt makes other lines of the process go to the log; nil leaves that where it goes.
	Adopt func(*slog.Logger)
}

// commands is the command line as kong reads it. The settings are flags of the program.
type commands struct {
	Demo    bool             `help:"Run on emulated backends; no other setting is needed."`
	File    string           `name:"config" placeholder:"FILE" help:"YAML file with settings; flags and the environment override it."`
	Version kong.VersionFlag `help:"Print version, commit, Go version and digest of the schema."`

	Serve         serveCommand   `cmd:"" default:"1" help:"Serve GraphQL; the default without a command."`
	Health        healthCommand  `cmd:"" help:"Check whether the server with the same settings on this machine is alive or ready."`
	Doctor        doctorCommand  `cmd:"" help:"Check the settings by one cheap read of each backend and Redis, and the files, servers and addresses they name."`
	Check         checkCommand   `cmd:"" help:"Check documents against the schema and their budgets, and an older schema against this one."`
	Replay        replayCommand  `cmd:"" help:"Run captured operations on their recorded calls and show the differences."`
	Purge         purgeCommand   `cmd:"" help:"Drop one record from the cache of all replicas, through Redis."`
	Schema        schemaCommand  `cmd:"" help:"Print the GraphQL schema."`
	Configuration configCommand  `cmd:"" name:"config" help:"Check or show the settings, or print the schema of their file."`
	PrintVersion  versionCommand `cmd:"" name:"version" help:"Print version, commit, Go version and digest of the schema."`
	Help          helpCommand    `cmd:"" help:"Explain a command, or list commands and settings."`
}

// process is one run of the program with its parsed arguments.
type process struct {
	Program
	settings config.Sources
	parser   *kong.Kong
}

// exit ends a run with a code. The message was already written.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// Run executes the command until it is done or ctx ends, and returns the exit code.
func Run(ctx context.Context, p Program) (code int) {
	defer func() {
		// Help and version end the parser, which can only be left like that.
		switch e := recover().(type) {
		case nil:
		case exit:
			code = int(e)
		default:
			panic(e)
		}
	}()
	var c commands
	flags := newSettingFlags()
	run := &process{Program: p}
	var err error
	run.parser, err = kong.New(&c, kong.Name("learngraph"), kong.Description(description), kong.Embed(flags.target),
		kong.NamedMapper(switchType, switchMapper{}), kong.Writers(p.Stdout, p.Stderr), kong.Help(run.printHelp),
		kong.Exit(func(code int) { panic(exit(code)) }), kong.Vars{"version": versionText(p)},
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(run))
	if err != nil {
		panic(err) // the commands do not fit kong
	}
	parsed, err := run.parser.Parse(normalize(run.parser.Model, p.Args))
	if err != nil {
		fmt.Fprintln(p.Stderr, "learngraph:", usageMessage(err))
		return ExitUsage
	}
	run.settings = config.Sources{Demo: c.Demo, File: c.File, Flags: flags.given(parsed), Getenv: p.Getenv,
		Environ: p.Environ}
	err = parsed.Run()
	var e exit
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &e):
		return int(e)
	}
	fmt.Fprintln(p.Stderr, "learngraph:", err)
	return ExitUsage
}

// lastLines is how long a program that ends waits for the reader of its log.
const lastLines = time.Second

// DemoBackends are the backends of -demo: MATTR is as its present documentation has it.
var DemoBackends = emulator.Options{ProviderInList: true}

// environment is the process environment of the commands that use the settings.
type environment struct {
	cfg *config.Config
	// transport carries the calls to the backends; nil is the network.
	transport http.RoundTripper
	lines     *telemetry.LineWriter
	log       *slog.Logger
}

// logOptions returns how the log looks: people read a terminal, machines anything else.
func logOptions(cfg *config.Config, to io.Writer) telemetry.LogOptions {
	o := telemetry.LogOptions{Text: cfg.LogFormat == "text" || cfg.LogFormat == "" && isTerminal(to)}
	_ = o.Level.UnmarshalText([]byte(cfg.LogLevel)) // its choices are slog's names
	return o
}

// with loads the settings and does something with them.
func (p *process) with(do func(*environment) error) error {
	cfg, err := config.Load(p.settings)
	if err != nil {
		return err
	}
	if p.Prepare != nil {
		p.Prepare(cfg)
	}
	e := &environment{cfg: cfg, lines: telemetry.NewLineWriter(p.Stderr)}
	defer e.lines.Flush(lastLines)
	e.log = slog.New(telemetry.NewLogHandler(e.lines, logOptions(cfg, p.Stderr)))
	if p.Adopt != nil {
		p.Adopt(e.log)
	}
	if cfg.Demo {
		backends := emulator.New(DemoBackends)
		defer backends.Close()
		e.transport = backends.Transport()
	}
	return do(e)
}
