package app

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/learngraph/learngraph/auth"
	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/config"
	"github.com/learngraph/learngraph/reload"
	"github.com/learngraph/learngraph/resolvers"
	"github.com/learngraph/learngraph/telemetry"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/webhook"
)

// webhookPath begins the paths of webhooks.
const webhookPath = "/webhooks/"

// webhooks is the state of the webhooks that outlives a change of their secrets.
type webhooks struct {
	once     *cache.Once
	received *telemetry.Webhooks
	// keys are those of MATTR's signatures; nil where its webhook is not served.
	keys *auth.PublicKeys
}

func (s *Server) newWebhooks() (*webhooks, error) {
	var outcomes []string
	for _, o := range webhook.Outcomes() {
		outcomes = append(outcomes, string(o))
	}
	w := &webhooks{once: cache.NewOnce(s.Cache, s.cfg.Secret("webhooks"), "webhook", webhook.Remembered),
		received: telemetry.NewWebhooks(s.metrics, s.cfg.Webhooks(), outcomes)}
	if s.cfg.MATTRWebhookJWKS == "" || s.cfg.MATTRWebhookID == "" {
		return w, nil
	}
	var err error
	w.keys, err = newWebhookKeys(s.cfg, telemetry.NewWebhookKeysReport(s.log))
	return w, err
}

func newWebhookKeys(cfg *config.Config, report auth.Reporter) (*auth.PublicKeys, error) {
	keys, err := auth.NewPublicKeys(auth.KeySetAt(cfg.MATTRWebhookJWKS), report)
	if err != nil {
		return nil, fmt.Errorf("MATTR_WEBHOOK_JWKS is %q: %w", cfg.MATTRWebhookJWKS, reload.Cause(err))
	}
	return keys, nil
}

// find returns the keys of an id.
func (w *webhooks) find(ctx context.Context, id string) ([]crypto.PublicKey, error) {
	keys, err := w.keys.Find(ctx, id)
	if errors.As(err, new(*auth.UnavailableError)) {
		return nil, &webhook.Unavailable{}
	}
	return keys, err
}

// endpoints are the webhooks under one set of secrets, by path.
func (s *Server) endpoints(cfg *config.Config, root *resolvers.Resolver) http.Handler {
	mux := http.NewServeMux()
	for _, backend := range cfg.Webhooks() {
		o := webhook.Options{First: s.webhooks.once.First, Apply: func(ctx context.Context, t webhook.Change) {
			invalidate(ctx, root, t)
		},
			Observe: func(outcome webhook.Outcome) { s.webhooks.received.Delivered(backend, string(outcome)) },
			Received: func(ctx context.Context) {
				s.webhooks.received.Received(backend)
				s.Cache.SetTimestamp(ctx, WebhookTimestamp(backend))
			}, Inflight: s.Inflight}
		var endpoint *webhook.Endpoint
		switch upstream.Backend(backend) {
		case upstream.ThoughtIndustries:
			endpoint = webhook.NewThoughtIndustries(cfg.ThoughtIndustriesWebhook, o)
		case upstream.Coassemble:
			endpoint = webhook.NewCoassemble(cfg.CoassembleWebhook, o)
		case upstream.MATTR:
			endpoint = webhook.NewMATTR(webhook.MATTR{ID: cfg.MATTRWebhookID, Keys: s.webhooks.find}, o)
		}
		mux.Handle(webhookPath+backend, endpoint)
	}
	return mux
}

// WebhookTimestamp is the name in Redis of the time of a webhook's last delivery.
func WebhookTimestamp(backend string) string { return "webhook:" + backend }

// invalidate drops the cached values of a record.
func invalidate(ctx context.Context, root *resolvers.Resolver, t webhook.Change) {
	switch t.Kind {
	case webhook.Client:
		root.InvalidateClient(ctx, t.Key)
	case webhook.EmbedClient:
		root.InvalidateEmbedClient(ctx, t.Key)
	case webhook.User:
		root.InvalidateUser(ctx, t.Key)
	case webhook.UserRecord:
		root.InvalidateUserRecord(ctx, t.Key)
	case webhook.Credentials:
		root.InvalidateCredentials(ctx, t.Key)
	}
}

// withWebhooks serves the webhooks. Their signatures identify the sender, so that neither the server's name nor an
// origin matters.
func (s *Server) withWebhooks(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, webhookPath) {
			s.credentials.generation().webhooks.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}
