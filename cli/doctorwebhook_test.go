package cli

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/config"
)

func TestDoctorShowsTheLastDeliveryOfAWebhook(t *testing.T) {
	t.Parallel()
	backends := emulated(t)
	server := miniredis.RunT(t)
	status := func(text string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/status" {
				_, _ = w.Write([]byte(text))
			}
		}))
		t.Cleanup(s.Close)
		return strings.TrimPrefix(s.URL, "http://")
	}
	redis := func(cfg *config.Config) { cfg.Cache.Redis = &cache.RedisOptions{URL: "redis://" + server.Addr()} }
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name    string
		change  func(*config.Config)
		verdict string
		reports string
	}{
		{"no Redis, no listener", func(*config.Config) {}, "skipped", "REDIS_URL or METRICS_LISTEN"},
		{"never, in Redis", redis, "warning", "no delivery so far"},
		{"in Redis", func(cfg *config.Config) { redis(cfg); _ = server.Set("lg:at:webhook:coassemble", "1795348800") }, "ok", "2026-11-22T12:00:00Z"},
		{"Redis away", func(cfg *config.Config) { cfg.Cache.Redis = &cache.RedisOptions{URL: "redis://127.0.0.1:1"} }, "skipped", "fix Redis"},
		{"by the server", func(cfg *config.Config) {
			cfg.MetricsListen = status(`{"webhooks":[{"backend":"coassemble","lastDelivery":"` + at.Format(time.RFC3339) + `"}]}`)
		}, "ok", "2026-11-22T12:00:00Z"},
		{"never, by the server", func(cfg *config.Config) { cfg.MetricsListen = status(`{"webhooks":[{"backend":"coassemble"}]}`) }, "warning", "/webhooks/coassemble"},
		{"by a server that does not serve it", func(cfg *config.Config) { cfg.MetricsListen = status(`{}`) }, "skipped", "start the server"},
	} {
		v := examined(t, backends.Transport(), func(cfg *config.Config) { cfg.CoassembleWebhook = "s"; tt.change(cfg) })
		if got := v.verdicts["coassemble webhook"]; got != tt.verdict || !strings.Contains(v.stdout, tt.reports) {
			t.Errorf("%s: got %q\n%s", tt.name, got, v.stdout)
		}
	}
}
