package cli

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"time"

	"github.com/learngraph/learngraph/app"
	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/telemetry"
)

// webhook reports when a webhook last had a delivery with a right signature. Redis has the deliveries of all replicas;
// without it the running server is asked for its own.
func (d *doctor) webhook(ctx context.Context, backend string) doctorResult {
	ctx, cancel := context.WithTimeout(ctx, redisTimeout)
	defer cancel()
	var at time.Time
	switch {
	case d.cfg.Cache.Redis != nil && d.cfg.Cache.Redis.URL != "":
		var failure cache.PingError
		if at, failure = cache.Timestamp(ctx, *d.cfg.Cache.Redis, app.WebhookTimestamp(backend)); failure != cache.PingOK {
			return doctorResult{Status: statusSkipped, Detail: "unknown: Redis, which stores it, does not answer",
				Remedy: "fix Redis first"}
		}
	case d.cfg.MetricsListen != "":
		var ok bool
		if at, ok = d.lastDelivery(ctx, backend); !ok {
			return doctorResult{Status: statusSkipped,
				Detail: "unknown: the server, which stores it, does not answer on METRICS_LISTEN", Remedy: "start the server first"}
		}
	default:
		return doctorResult{Status: statusSkipped, Detail: "unknown: neither Redis nor METRICS_LISTEN is configured",
			Remedy: "set REDIS_URL or METRICS_LISTEN"}
	}
	if at.IsZero() {
		return doctorResult{Status: statusWarning, Detail: "no delivery so far",
			Remedy: "register /webhooks/" + backend +
				" with the vendor, or send a test delivery; see docs/how-to/webhooks.md"}
	}
	return doctorResult{Status: statusOK, Detail: "last delivery at " + at.UTC().Format(time.RFC3339)}
}

// lastDelivery asks the server's /status.
func (d *doctor) lastDelivery(ctx context.Context, backend string) (at time.Time, ok bool) {
	var status struct{ Webhooks []telemetry.WebhookState }
	err := get(ctx, "http", d.cfg.MetricsListen, "/status", func(answer io.Reader) error {
		return json.NewDecoder(answer).Decode(&status)
	})
	i := slices.IndexFunc(status.Webhooks, func(w telemetry.WebhookState) bool { return w.Backend == backend })
	if err != nil || i < 0 {
		return at, false
	}
	return status.Webhooks[i].LastDelivery, true
}
