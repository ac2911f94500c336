package app

import (
	"context"
	"log/slog"

	"github.com/learngraph/learngraph/config"
)

// CheckKeys reads the API keys as a server does at its start.
func CheckKeys(cfg *config.Config) error {
	_, err := newKeys(cfg, slog.New(slog.DiscardHandler))
	return err
}

// CheckDocuments reads the trusted documents as a server does at its start.
func CheckDocuments(cfg *config.Config) error {
	_, err := trustedDocuments(cfg, slog.New(slog.DiscardHandler))
	return err
}

// CheckKeySet reads the key set of tokens, which a server does when the first token comes. Its error shows no URL.
func CheckKeySet(ctx context.Context, cfg *config.Config) error {
	report := new(reloadError)
	tokens, err := newTokens(cfg, keyedHash(""), report)
	if err != nil {
		return err
	}
	return report.read(ctx, tokens.Reload)
}

// CheckWebhookKeySet reads the key set of MATTR's webhooks likewise.
func CheckWebhookKeySet(ctx context.Context, cfg *config.Config) error {
	report := new(reloadError)
	keys, err := newWebhookKeys(cfg, report)
	if err != nil {
		return err
	}
	return report.read(ctx, keys.Reload)
}

// reloadError has how one read of the key set ended, set before Reload returns.
type reloadError struct{ err error }

func (r *reloadError) KeySet(err error) { r.err = err }

func (r *reloadError) read(ctx context.Context, reload func(context.Context) (bool, error)) error {
	_, err := reload(ctx)
	if err != nil && ctx.Err() == nil && r.err != nil {
		return r.err
	}
	return err
}

func (*reloadError) UnreadableClaim(string) {}
