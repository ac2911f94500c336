package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/learngraph/learngraph/app"
	"github.com/learngraph/learngraph/config"
)

type purgeCommand struct {
	Type string `arg:"" help:"Client, EmbedClient, User or Identity."`
	ID   string `arg:"" name:"id" help:"The record's id, or its sourceId: its key in its own backend. Not a slug, SKU, name or email address."`
}

// Run reaches the replicas through Redis; without it each keeps its own memory, and has /purge on METRICS_LISTEN.
func (c *purgeCommand) Run(ctx context.Context, p *process) error {
	ctx, stop := untilStopped(ctx)
	defer stop()
	return p.with(func(e *environment) error { return exitWith(c.purge(ctx, e.cfg, p.Schema, e.log, p.Stdout, p.Stderr)) })
}

func (c *purgeCommand) purge(ctx context.Context, cfg *config.Config, schema string, log *slog.Logger,
	stdout, stderr io.Writer) int {
	if cfg.Cache.Redis == nil {
		fmt.Fprintln(stderr, "learngraph: REDIS_URL is missing: without it, POST to /purge on each replica's METRICS_LISTEN")
		return ExitUsage
	}
	s, err := app.New(cfg, app.Options{Schema: schema, Log: log})
	if err != nil {
		fmt.Fprintln(stderr, "learngraph:", err)
		return ExitUsage
	}
	held, err := s.Purge(ctx, c.Type, c.ID)
	failed := s.Cache.Counters().PendingDrops > 0
	if err := errors.Join(err, s.Close()); err != nil {
		fmt.Fprintln(stderr, "learngraph:", err)
		return ExitUsage
	}
	if failed {
		fmt.Fprintln(stderr, "learngraph: Redis is not reachable: nothing was purged")
		return ExitFailed
	}
	if held {
		fmt.Fprintln(stdout, "purged: there were cached values of this", c.Type)
	} else {
		fmt.Fprintf(stdout,
			"no value of this %s was cached; lists that could have it are dropped. Is the id right? See learngraph help purge\n",
			c.Type)
	}
	return ExitOK
}
