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

// runPurge is the command purge TYPE ID. It reaches the replicas through Redis; without it each keeps its own memory, and
// has /purge on METRICS_LISTEN.
func runPurge(ctx context.Context, cfg *config.Config, schema string, log *slog.Logger, stdout, stderr io.Writer) int {
	if len(cfg.Command) != 3 {
		fmt.Fprintln(stderr, "learngraph: usage: purge TYPE ID")
		return ExitUsage
	}
	if cfg.Cache.Redis == nil {
		fmt.Fprintln(stderr, "learngraph: REDIS_URL is missing: without it, POST to /purge on each replica's METRICS_LISTEN")
		return ExitUsage
	}
	s, err := app.New(cfg, app.Options{Schema: schema, Log: log})
	if err != nil {
		fmt.Fprintln(stderr, "learngraph:", err)
		return ExitUsage
	}
	err = s.Purge(ctx, cfg.Command[1], cfg.Command[2])
	failed := s.Cache.Counters().PendingDrops > 0
	if err := errors.Join(err, s.Close()); err != nil {
		fmt.Fprintln(stderr, "learngraph:", err)
		return ExitUsage
	}
	if failed {
		fmt.Fprintln(stderr, "learngraph: Redis could not be reached: nothing was purged")
		return ExitFailed
	}
	fmt.Fprintln(stdout, "purged")
	return ExitOK
}
