package cli

import (
	"context"
	"errors"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/learngraph/learngraph/app"
	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/config"
	"github.com/learngraph/learngraph/task"
	"github.com/learngraph/learngraph/telemetry"
)

type serveCommand struct{}

// Run serves until ctx ends or the process gets a signal to stop.
func (*serveCommand) Run(ctx context.Context, p *process) error {
	ctx, stop := untilStopped(ctx)
	defer stop()
	// From the beginning, for it would end a program that is starting.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	return p.with(func(e *environment) error {
		err := e.serve(ctx, p, hangups)
		if err != nil {
			e.log.Error("the server ends", "cause", err.Error())
		}
		var failed *failure
		switch {
		case err == nil:
			return nil
		case errors.As(err, &failed):
			return exit(ExitFailed)
		}
		return exit(ExitUsage)
	})
}

// failure is the error that ended a server that had begun.
type failure struct{ error }

// Unwrap returns the cause.
func (f *failure) Unwrap() error { return f.error }

func (e *environment) serve(ctx context.Context, p *process, hangups <-chan os.Signal) error {
	b := buildOf(p.Program)
	e.log.Info("starting", "version", b.Version, "commit", b.Commit+b.Modified, "go", b.Go, "schema", "sha256:"+b.Schema)
	e.log.Info("settings", slog.Attr{Key: "changed", Value: slog.GroupValue(changed(e.cfg)...)})
	for _, w := range e.cfg.Warnings {
		e.log.Warn(w)
	}
	traces, err := telemetry.NewTracer(ctx, p.Getenv, e.log)
	if err != nil {
		return err
	}
	s, err := app.New(e.cfg, app.Options{Schema: p.Schema, Version: b.Version, Transport: e.transport, Traces: traces,
		Log: e.log})
	if err != nil {
		return err
	}
	// The memory that built the server is garbage, half of the heap, which an idle server would hold for minutes.
	debug.FreeOSMemory()
	reloading, end := context.WithCancel(ctx)
	defer end()
	task.Go(func() error { return reloadAt(reloading, hangups, s) }, func(err error) {
		if err != nil {
			e.log.Error("SIGHUP no longer has an effect", "cause", err.Error())
		}
	})
	err = s.ListenAndServe(ctx, p.Stdout)
	if err := errors.Join(err, s.Close()); err != nil {
		return &failure{err}
	}
	e.log.Info("stopped")
	return nil
}

// reloadAt reloads at each hangup until ctx ends.
func reloadAt(ctx context.Context, hangups <-chan os.Signal, s *app.Server) error {
	for {
		select {
		case <-hangups:
			s.Reload(ctx)
		case <-ctx.Done():
			return nil
		}
	}
}

// AdoptStandardLog sends the lines of libraries that use the log package to the program's log, and those of the Redis
// library to its finest level: that library writes a line for each failed connection, while the cache reports an outage
// once.
func AdoptStandardLog(to *slog.Logger) {
	cache.ReportLibrary(func(line string) { telemetry.ReportLibrary(to, "go-redis", line) })
	log.SetFlags(0)
	log.SetOutput(telemetry.FromLibrary(to, "log").Writer())
}

// changed returns the settings that differ from their defaults, by name.
func changed(cfg *config.Config) []slog.Attr {
	var list []slog.Attr
	for _, v := range cfg.Values {
		if v.Text != v.Default {
			list = append(list, slog.String(v.Name, v.Text))
		}
	}
	return list
}

// untilStopped returns a context that ends with the first signal to stop. A second signal ends the process at once.
func untilStopped(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}
