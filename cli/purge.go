package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/learngraph/learngraph/app"
)

type purgeCommand struct {
	Type string `arg:"" help:"Client, EmbedClient, User or Identity."`
	ID   string `arg:"" name:"id" help:"The record's id, or its sourceId: its key in its own backend. Not a slug, SKU, name or email address."`
}

// Run reaches the replicas through Redis; without it each keeps its own memory, and has /purge on METRICS_LISTEN.
func (c *purgeCommand) Run(ctx context.Context, p *process) error {
	ctx, stop := untilStopped(ctx)
	defer stop()
	return p.with(func(e *environment) error { return c.purge(ctx, e, p) })
}

func (c *purgeCommand) purge(ctx context.Context, e *environment, p *process) error {
	if e.cfg.Cache.Redis == nil {
		return errors.New("REDIS_URL is missing: without it, POST to /purge on each replica's METRICS_LISTEN")
	}
	s, err := app.New(e.cfg, app.Options{Schema: p.Schema, Log: e.log})
	if err != nil {
		return err
	}
	held, err := s.Purge(ctx, c.Type, c.ID)
	failed := s.Cache.Counters().Redis.PendingDrops > 0
	if err := errors.Join(err, s.Close()); err != nil {
		return err
	}
	switch {
	case failed:
		fmt.Fprintln(p.Stderr, "learngraph: Redis is not reachable: nothing was purged")
		return exit(ExitFailed)
	case held:
		fmt.Fprintln(p.Stdout, "purged: there were cached values of this", c.Type)
	default:
		fmt.Fprintf(p.Stdout,
			"no value of this %s was cached; lists that could have it are dropped. Is the id right? See learngraph help purge\n",
			c.Type)
	}
	return nil
}
