package config

import (
	"math"
	"strings"
	"testing"
)

func TestBoundsThatAreNotGivenFitTheMemory(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		memory             int64
		env                map[string]string
		kept, underWay     int64
		body               int64
		effective, another string
	}{
		"no limit":  {math.MaxInt64, nil, 128 << 20, 512 << 20, 64 << 20, "CACHE_MEMORY=128MiB", "MAX_INFLIGHT_BYTES=512MiB"},
		"256 MiB":   {230 << 20, nil, 115 << 20, 230 << 18, 230 << 17, "CACHE_MEMORY=115MiB", "MAX_INFLIGHT_BYTES=58MiB"},
		"much":      {64 << 30, nil, 128 << 20, 512 << 20, 64 << 20, "CACHE_MEMORY=128MiB", "MAX_INFLIGHT_BYTES=512MiB"},
		"one given": {230 << 20, map[string]string{"CACHE_MEMORY": "200MiB"}, 200 << 20, 230 << 18, 230 << 17, "CACHE_MEMORY=200MiB", "MAX_INFLIGHT_BYTES=58MiB"},
		"a body":    {230 << 20, map[string]string{"UPSTREAM_MAX_BODY": "64MiB"}, 115 << 20, 230 << 18, 64 << 20, "UPSTREAM_MAX_BODY=64MiB", "CACHE_MEMORY=115MiB"},
		"a little":  {64 << 20, nil, 32 << 20, 16 << 20, 8 << 20, "UPSTREAM_MAX_BODY=8.0MiB", "MAX_INFLIGHT_BYTES=16MiB"},
	} {
		cfg, err := Load(Sources{Getenv: environment(test.env)})
		if err != nil {
			t.Fatal(err)
		}
		cfg.Fit(test.memory)
		if cfg.Cache.Memory != test.kept || cfg.InflightBytes != test.underWay || cfg.UpstreamMaxBody != test.body || !strings.Contains(shown(cfg), test.effective) || !strings.Contains(shown(cfg), test.another) {
			t.Errorf("%s: got %d, %d and %d, %v", name, cfg.Cache.Memory, cfg.InflightBytes, cfg.UpstreamMaxBody, shown(cfg))
		}
	}
}
