package app

import (
	"context"
	"log/slog"

	"github.com/learngraph/learngraph/config"
)

// TryKeys reads the API keys as a server does at its start.
func TryKeys(cfg *config.Config) error {
	_, err := newKeys(cfg, slog.New(slog.DiscardHandler))
	return err
}

// TryDocuments reads the trusted documents as a server does at its start.
func TryDocuments(cfg *config.Config) error {
	_, err := trustedDocuments(cfg, slog.New(slog.DiscardHandler))
	return err
}

// TryKeySet reads the key set of tokens, which a server does when the first token comes. Its error shows no URL.
func TryKeySet(ctx context.Context, cfg *config.Config) error {
	report := new(firstReport)
	tokens, err := newTokens(cfg, keyedHash(""), report)
	if err != nil {
		return err
	}
	if _, err = tokens.Reload(ctx); err != nil && ctx.Err() == nil && report.err != nil {
		return report.err
	}
	return err
}

// firstReport has how one read of the key set ended, set before Reload returns.
type firstReport struct{ err error }

func (r *firstReport) KeySet(err error) { r.err = err }

func (*firstReport) UnreadableClaim(string) {}
