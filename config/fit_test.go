package config

import (
	"io"
	"math"
	"slices"
	"testing"
)

func TestBoundsThatAreNotGivenFitTheMemory(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		memory             int64
		env                map[string]string
		kept, underWay     int64
		effective, another string
	}{
		"no limit":  {math.MaxInt64, nil, 128 << 20, 512 << 20, "CACHE_MEMORY=128MiB", "MAX_INFLIGHT_BYTES=512MiB"},
		"256 MiB":   {230 << 20, nil, 115 << 20, 230 << 18, "CACHE_MEMORY=115MiB", "MAX_INFLIGHT_BYTES=58MiB"},
		"much":      {64 << 30, nil, 128 << 20, 512 << 20, "CACHE_MEMORY=128MiB", "MAX_INFLIGHT_BYTES=512MiB"},
		"one given": {230 << 20, map[string]string{"CACHE_MEMORY": "200MiB"}, 200 << 20, 230 << 18, "CACHE_MEMORY=200MiB", "MAX_INFLIGHT_BYTES=58MiB"},
	} {
		cfg, err := Load(nil, environment(test.env), io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Fit(test.memory)
		if cfg.Cache.Memory != test.kept || cfg.InflightBytes != test.underWay || !slices.Contains(cfg.Effective, test.effective) || !slices.Contains(cfg.Effective, test.another) {
			t.Errorf("%s: got %d and %d, %v", name, cfg.Cache.Memory, cfg.InflightBytes, cfg.Effective)
		}
	}
}
