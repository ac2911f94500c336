package config

import (
	"strings"

	"github.com/dustin/go-humanize"
)

// Fit lowers the default bounds to their parts of the process's memory, which is math.MaxInt64 where there is no limit:
// a half for the cache, a quarter for requests under way, and an eighth for one body of a backend, which takes twice
// its length while it is read.
func (c *Config) Fit(memory int64) {
	for _, s := range []struct {
		name    string
		bound   *int64
		divisor int64
	}{{"CACHE_MEMORY", &c.Cache.Memory, 2}, {"MAX_INFLIGHT_BYTES", &c.InflightBytes, 4},
		{"UPSTREAM_MAX_BODY", &c.UpstreamMaxBody, 8}} {
		if c.given[s.name] || memory/s.divisor >= *s.bound {
			continue
		}
		*s.bound = memory / s.divisor
		for i, v := range c.Values {
			if v.Name == s.name {
				c.Values[i].Text, c.Values[i].Source = strings.ReplaceAll(humanize.IBytes(uint64(*s.bound)), " ", ""),
					FromMemoryLimit
			}
		}
	}
}
