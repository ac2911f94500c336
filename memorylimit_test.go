package main

import (
	"io"
	"math"
	"slices"
	"testing"
	"testing/fstest"
)

func TestTheLimitOfTheContainerIsFound(t *testing.T) {
	t.Parallel()
	const none = math.MaxInt64
	for name, test := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"no control groups":          {nil, none},
		"version 2, own namespace":   {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "268435456\n"}, 256 << 20},
		"version 2, no limit":        {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, none},
		"version 2, the one above":   {map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "max\n", "sys/fs/cgroup/a/memory.max": "1000000\n"}, 1000000},
		"version 2, the lower one":   {map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "500000\n", "sys/fs/cgroup/a/memory.max": "1000000\n"}, 500000},
		"version 2, seen as root":    {map[string]string{"proc/self/cgroup": "0::/../../a\n", "sys/fs/cgroup/memory.max": "700000\n"}, 700000},
		"version 1":                  {map[string]string{"proc/self/cgroup": "5:cpu:/x\n4:memory:/a\n0::/\n", "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "300000\n"}, 300000},
		"version 1, several of one":  {map[string]string{"proc/self/cgroup": "4:hugetlb,memory:/a\n", "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "300000\n"}, 300000},
		"version 1, mounted as root": {map[string]string{"proc/self/cgroup": "4:memory:/docker/abc\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "400000\n"}, 400000},
		"version 1, no limit":        {map[string]string{"proc/self/cgroup": "4:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, none},
		"what cannot be read":        {map[string]string{"proc/self/cgroup": "4:memory\n::\nx\n0::/\n", "sys/fs/cgroup/memory.max": "much\n"}, none},
	} {
		root := fstest.MapFS{}
		for file, text := range test.files {
			root[file] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := containerLimit(root); got != test.want {
			t.Errorf("%s: got %d, want %d", name, got, test.want)
		}
	}
}

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
		cfg, err := loadConfig(nil, environment(test.env), io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		cfg.fit(test.memory)
		if cfg.Cache.Memory != test.kept || cfg.InflightBytes != test.underWay || !slices.Contains(cfg.effective, test.effective) || !slices.Contains(cfg.effective, test.another) {
			t.Errorf("%s: got %d and %d, %v", name, cfg.Cache.Memory, cfg.InflightBytes, cfg.effective)
		}
	}
}
