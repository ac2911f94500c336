// Command learngraph is a GraphQL API in front of Thought Industries, Coassemble and MATTR.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/learngraph/learngraph/app"
	"github.com/learngraph/learngraph/cli"
	"github.com/learngraph/learngraph/config"
)

//go:generate go run ./graph/gen

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
}

// run is the program in a process of its own; it returns the exit code.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	// A reader of the log that ended does not end the program: writing to a closed pipe is an error of that write alone.
	signal.Ignore(syscall.SIGPIPE)
	return cli.Run(ctx, cli.Program{Schema: schemaText, Version: versionText, Args: args, Getenv: getenv,
		Environ: os.Environ(), Stdout: stdout, Stderr: stderr, Prepare: func(cfg *config.Config) {
			app.FitMemory(cfg, getenv)
			app.TuneGC(getenv)
		},
		Adopt: cli.AdoptStandardLog})
}
