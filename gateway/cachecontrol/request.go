package cachecontrol

import (
	"net/http"
	"time"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/upstream"
)

// Requested reads how fresh the caller asks the answer to be (RFC 9111, section 5.2.1). Unknown and malformed
// directives are ignored: a cache directive is a wish.
func Requested(h http.Header) (w cache.Directives, asked bool) {
	for name, value := range upstream.CacheControl(h) {
		switch name {
		case "no-cache", "no-store":
			w.NoCache = true
		case "max-age":
			w.MaxAge = age(value)
		case "max-stale":
			w.MaxStale = age(value)
			if value == "" {
				w.MaxStale = new(upstream.LongestAge)
			}
		case "only-if-cached":
			w.OnlyIfCached = true
		}
	}
	return w, w != cache.Directives{}
}

// OnlyIfCached reports whether a request has the directive only-if-cached.
func OnlyIfCached(h http.Header) bool {
	w, _ := Requested(h)
	return w.OnlyIfCached
}

func age(value string) *time.Duration {
	d, ok := upstream.Age(value)
	if !ok {
		return nil
	}
	return &d
}
