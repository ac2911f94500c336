package upstream

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// The most that a backend's wish for a pause is followed, after a 429 and else.
	maxRefused = time.Hour
	maxPause   = time.Minute
	// firstRefusal is how long a 429 without a time closes the backend, each further one in a row for twice as long.
	firstRefusal = time.Second
)

// pauses are a backend's own limits, as its answers show them.
type pauses struct {
	closed   time.Time // the backend asked us not to call before
	closedBy Kind
	refusals int // 429s in a row

	known   bool      // the backend reports the remaining calls
	low     int       // the least that it reported: of answers that overtake each other that is the latest
	missing int       // calls without an answer since
	limit   int       // 0 if not reported
	until   time.Time // there is more then
}

// left returns the remaining calls by the backend's reports: calls under way may not be counted in them.
func (p *pauses) left(underway int) int { return p.low - underway - p.missing }

// open reports whether the backend accepts calls; if not, also from when on, the zero time if only an answer can end
// the pause.
func (p *pauses) open(now time.Time, underway int) (until time.Time, open bool) {
	if p.closed.After(now) {
		return p.closed, false
	}
	if !p.known || p.left(underway) > 0 {
		return time.Time{}, true
	}
	if p.until.After(now) {
		if p.low > p.missing {
			return time.Time{}, false // calls under way may take all that remain
		}
		return p.until, false
	}
	// How much is left is unknown, so one call at a time finds out.
	return time.Time{}, underway == 0
}

// apply reads the limits from an answer, so that we slow down before the backend refuses. pause is that of its
// Retry-After.
func (p *pauses) apply(resp *http.Response, pause time.Duration, now time.Time) {
	if resp.StatusCode == http.StatusTooManyRequests {
		if !p.closed.After(now) {
			p.refusals++ // of calls that were sent together only the first counts
		}
		if pause == 0 {
			pause = min(firstRefusal<<min(max(p.refusals-1, 0), 10), maxPause)
		}
		p.close(now.Add(pause), RateLimited)
	} else {
		p.refusals = 0
		if pause > 0 {
			p.close(now.Add(pause), Unavailable)
		}
	}
	remaining, limit, reset, ok := remainder(resp.Header, now)
	fresh := !p.known || !now.Before(p.until)
	p.known = ok
	if !ok {
		return
	}
	until := now.Add(min(reset, maxRefused))
	const rounding = time.Second / 2
	switch {
	case fresh, until.After(p.until.Add(rounding)):
		p.low, p.missing, p.limit, p.until = remaining, 0, limit, until
	case !until.Before(p.until.Add(-rounding)):
		p.low = min(p.low, remaining)
	}
}

func (p *pauses) close(until time.Time, by Kind) {
	if until.After(p.closed) {
		p.closed, p.closedBy = until, by
	}
}

// remainder reads X-RateLimit-Remaining, -Limit (0 if absent) and -Reset: Unix seconds, or seconds from now.
func remainder(h http.Header, now time.Time) (remaining, limit int, reset time.Duration, ok bool) {
	remaining, ok = count(h, "X-Ratelimit-Remaining")
	at, known := count(h, "X-Ratelimit-Reset")
	if !ok || !known {
		return 0, 0, 0, false
	}
	limit, _ = count(h, "X-Ratelimit-Limit")
	const year = 365 * 24 * 60 * 60
	if at < year {
		return remaining, limit, time.Duration(at) * time.Second, true
	}
	// The backend's clock need not be ours.
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return remaining, limit, max(time.Unix(int64(min(at, 1<<40)), 0).Sub(now), 0), true
}

func count(h http.Header, name string) (int, bool) {
	n, ok := wholeNumber(strings.TrimSpace(h.Get(name)))
	return n, ok && n >= 0
}

// wholeNumber reads a number that a backend sent. One that an int cannot hold is the nearest that it can.
func wholeNumber(s string) (int, bool) {
	if s == "" {
		return 0, false // as most are, and an error would have to be made of it
	}
	n, err := strconv.Atoi(s)
	return n, err == nil || errors.Is(err, strconv.ErrRange)
}
