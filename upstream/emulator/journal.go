package emulator

import (
	"bytes"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Call is one request as it arrived.
type Call struct {
	Backend  Backend
	Method   string
	Route    string // the template, such as "/v1/headless/user/{identifier}"; empty for an unknown path
	Path     string // as it came, escaped
	RawQuery string
	Header   http.Header
	Body     []byte
	Status   int // 0 while unanswered, and where a fault sent no status
	At       time.Time
}

// maxCalls bounds the journal of a long demonstration: at least the latest so many.
const maxCalls = 1 << 16

// journal records calls, counts the requests in flight and enforces the limits.
type journal struct {
	limits      map[Backend][]Limit
	concurrency map[Backend]int

	mu      sync.Mutex
	calls   []*Call
	windows map[Backend][]time.Time // when the accepted requests of the longest window arrived
	present map[Backend]int
	active  map[Backend]int // present and not refused
	most    map[Backend]int
	refused map[Backend]int
}

// admission is the effect of the limits on one request.
type admission struct {
	counted    bool
	refused    bool
	retryAfter int // seconds

	shown                   bool // Thought Industries shows its limits on every answer
	limit, remaining, reset int
}

func (v admission) headers(h http.Header) {
	if v.shown {
		h.Set("X-RateLimit-Limit", strconv.Itoa(v.limit))
		h.Set("X-RateLimit-Remaining", strconv.Itoa(v.remaining))
		h.Set("X-RateLimit-Reset", strconv.Itoa(v.reset))
	}
}

func (j *journal) arrive(x *exchange) admission {
	now := time.Now()
	rt := x.route
	x.call = &Call{
		Backend: rt.backend, Method: rt.method, Route: rt.template, Path: x.r.URL.EscapedPath(), RawQuery: x.r.URL.RawQuery,
		Header: x.r.Header.Clone(), Body: x.body, At: now,
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.calls) >= 2*maxCalls {
		j.calls = append([]*Call(nil), j.calls[maxCalls:]...)
	}
	j.calls = append(j.calls, x.call)
	if rt.backend == "" || rt.template == tokenRoute {
		return admission{}
	}
	return j.admit(rt.backend, now)
}

func (j *journal) admit(b Backend, now time.Time) admission {
	if j.present == nil {
		j.windows, j.present = map[Backend][]time.Time{}, map[Backend]int{}
		j.active, j.most, j.refused = map[Backend]int{}, map[Backend]int{}, map[Backend]int{}
	}
	j.present[b]++
	j.most[b] = max(j.most[b], j.present[b])
	v := j.window(b, now)
	v.counted = true
	if most := j.concurrency[b]; most > 0 && j.active[b] >= most && !v.refused {
		v.refused, v.retryAfter = true, 1
	}
	if v.refused {
		j.refused[b]++
		return v
	}
	j.active[b]++
	if len(j.limits[b]) > 0 {
		j.windows[b] = append(j.windows[b], now)
		v.remaining = max(v.remaining-1, 0)
	}
	return v
}

// window weighs the request against every limit; the one with the least left is the one that is shown.
func (j *journal) window(b Backend, now time.Time) admission {
	var v admission
	var longest time.Duration
	for _, l := range j.limits[b] {
		longest = max(longest, l.Window)
		inside := within(j.windows[b], now.Add(-l.Window))
		left, free := l.Count-len(inside), now.Add(l.Window)
		if len(inside) > 0 {
			free = inside[max(0, len(inside)-l.Count)].Add(l.Window)
		}
		if left <= 0 {
			v.refused = true
			v.retryAfter = max(v.retryAfter, seconds(free.Sub(now)))
		}
		if v.limit == 0 || left < v.remaining {
			v.limit, v.remaining, v.reset = l.Count, max(left, 0), int(free.Add(time.Second-1).Unix())
			v.shown = b == ThoughtIndustries
		}
	}
	if longest > 0 {
		j.windows[b] = within(j.windows[b], now.Add(-longest))
	}
	return v
}

// within are the moments after the given one; moments are in order.
func within(moments []time.Time, after time.Time) []time.Time {
	for len(moments) > 0 && !moments[0].After(after) {
		moments = moments[1:]
	}
	return moments
}

func seconds(d time.Duration) int { return max(int((d+time.Second-1)/time.Second), 1) }

// leave frees the request's slot among the concurrent ones, once.
func (x *exchange) leave() {
	if x.left || !x.admission.counted {
		return
	}
	x.left = true
	j := &x.emulator.log
	j.mu.Lock()
	defer j.mu.Unlock()
	j.present[x.route.backend]--
	if !x.admission.refused {
		j.active[x.route.backend]--
	}
}

func (j *journal) answered(x *exchange, status int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	x.call.Status = status
}

// Calls are the requests since the start or the last Reset, in order of arrival; of very many, the latest 65,536 at
// least.
func (e *Emulator) Calls() []Call {
	j := &e.log
	j.mu.Lock()
	defer j.mu.Unlock()
	calls := make([]Call, len(j.calls))
	for i, c := range j.calls {
		calls[i] = *c
		calls[i].Header, calls[i].Body = c.Header.Clone(), bytes.Clone(c.Body)
	}
	return calls
}

// Reset clears the recorded calls, and the counters MaxConcurrent and Refused. Data, limits and tokens stay.
func (e *Emulator) Reset() {
	j := &e.log
	j.mu.Lock()
	defer j.mu.Unlock()
	j.calls = nil
	clear(j.most)
	clear(j.refused)
}

// MaxConcurrent is the largest number of requests that the backend had at once, refused ones included. MATTR's token
// route does not count.
func (e *Emulator) MaxConcurrent(b Backend) int {
	e.log.mu.Lock()
	defer e.log.mu.Unlock()
	return e.log.most[b]
}

// Refused is how many requests got 429 because of Limits or Concurrency.
func (e *Emulator) Refused(b Backend) int {
	e.log.mu.Lock()
	defer e.log.mu.Unlock()
	return e.log.refused[b]
}
