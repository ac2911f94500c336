// Package cli is the command line: serving, which is the default, and the commands.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/learngraph/learngraph/app"
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

// Program is what the command line is given.
type Program struct {
	// Schema is the text of the schema.
	Schema string
	// Args are the arguments without the name of the program.
	Args           []string
	Getenv         func(string) string
	Stdout, Stderr io.Writer
	// Prepare fits the process to the configuration; nil leaves the process as it is.
	Prepare func(*config.Config)
}

// lastLines is how long a program that ends waits for the reader of its log.
const lastLines = time.Second

// DemoBackends are what -demo emulates: MATTR as its present documentation has it.
var DemoBackends = emulator.Options{ProviderInList: true}

// Run does what the arguments say until it is done, ctx ends or the process is told to stop, and returns the exit code.
func Run(ctx context.Context, p Program) int {
	if len(p.Args) > 0 && p.Args[0] == "check" {
		return runCheck(p.Args[1:], p.Stdout, p.Stderr)
	}
	if len(p.Args) > 0 && p.Args[0] == "replay" {
		return runReplay(ctx, p.Args[1:], p.Stdout, p.Stderr)
	}
	cfg, err := config.Load(p.Args, p.Getenv, p.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return ExitOK
	case err != nil:
		fmt.Fprintln(p.Stderr, "learngraph:", err)
		return ExitUsage
	}
	if p.Prepare != nil {
		p.Prepare(cfg)
	}
	var transport http.RoundTripper
	if cfg.Demo {
		backends := emulator.New(DemoBackends)
		defer backends.Close()
		transport = backends.Transport()
	}
	lines := telemetry.NewLineWriter(p.Stderr)
	defer lines.Flush(lastLines)
	log := slog.New(telemetry.NewLogHandler(lines))
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // who signals twice does not want to wait
	switch {
	case cfg.IsCommand("doctor"):
		return runDoctor(ctx, cfg, transport, cfg.Command[1:], p.Stdout, p.Stderr)
	case cfg.IsCommand("purge"):
		return runPurge(ctx, cfg, p.Schema, log, p.Stdout, p.Stderr)
	}
	return p.serve(ctx, cfg, transport, lines, log)
}

// serve runs the server until ctx ends.
func (p Program) serve(ctx context.Context, cfg *config.Config, transport http.RoundTripper, lines io.Writer, log *slog.Logger) int {
	for _, line := range cfg.Effective {
		fmt.Fprintln(lines, line)
	}
	traces, err := telemetry.NewTracer(ctx, p.Getenv, log)
	if err != nil {
		fmt.Fprintln(lines, "learngraph:", err)
		return ExitUsage
	}
	s, err := app.New(cfg, app.Options{Schema: p.Schema, Transport: transport, Traces: traces, Log: log})
	if err != nil {
		fmt.Fprintln(lines, "learngraph:", err)
		return ExitUsage
	}
	err = s.ListenAndServe(ctx, p.Stdout)
	if err := errors.Join(err, s.Close()); err != nil {
		fmt.Fprintln(lines, "learngraph:", err)
		return ExitFailed
	}
	return ExitOK
}
