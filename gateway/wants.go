package gateway

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/learngraph/learngraph/cache"
)

// wantsOf reads how fresh the caller asks the answer to be (RFC 9111, section 5.2.1). What it does not know, or cannot
// read, it leaves out: a cache directive is a wish.
func wantsOf(h http.Header) (w cache.Wants, asked bool) {
	for _, directive := range strings.Split(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "no-cache", "no-store":
			w.NoCache = true
		case "max-age":
			w.MaxAge = seconds(value)
		case "max-stale":
			w.MaxStale = seconds(value)
			if value == "" {
				forever := time.Duration(maxSeconds) * time.Second
				w.MaxStale = &forever
			}
		case "only-if-cached":
			w.OnlyIfCached = true
		}
	}
	return w, w != cache.Wants{}
}

func onlyIfCached(h http.Header) bool {
	w, _ := wantsOf(h)
	return w.OnlyIfCached
}

// maxSeconds keeps a number of seconds within what a Duration holds.
const maxSeconds = 365 * 24 * 60 * 60

func seconds(text string) *time.Duration {
	n, err := strconv.Atoi(strings.Trim(text, `"`))
	if err != nil && !errors.Is(err, strconv.ErrRange) || n < 0 {
		return nil
	}
	d := time.Duration(min(n, maxSeconds)) * time.Second
	return &d
}
