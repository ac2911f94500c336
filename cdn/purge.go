package cdn

import (
	"context"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/task"
)

// Options are the settings of a Purger.
type Options struct {
	// URL is where tags are purged. "{tag}" in it is replaced by a tag, one request for each; "{tags}" by those of a
	// request.
	URL string
	// Header decides the form of requests, as described at Purger.
	Header Header
	// Token returns the credential for the URL as it is now, empty for none.
	Token func() string
	// Transport carries the requests; nil is the network.
	Transport http.RoundTripper
	// Log gets one line when purging begins to fail and one when it works again.
	Log *slog.Logger
}

const (
	// gather is how long after the first drop a request is sent: one write drops several keys one after another.
	gather = 50 * time.Millisecond
	// maxPending is the most tags that wait to be purged.
	maxPending = 1 << 16
	// A request that failed is repeated after firstPause, then less and less often.
	firstPause, lastPause = time.Second, time.Minute
	// longestPause bounds a pause that the network requests by Retry-After.
	longestPause = 10 * time.Minute
	timeout      = 10 * time.Second
)

// Counters counts the events of a Purger since New.
type Counters struct {
	// Sent are the requests that were accepted, Failed those that were not.
	Sent, Failed uint64
	// Purged are the tags of accepted requests, Lost those that there was no room or no time for.
	Purged, Lost uint64
	// Pending are the tags that wait to be purged.
	Pending int
}

// Purger purges the drops of this replica from the network's caches too. Its requests are those of the vendors'
// documentation: with Surrogate-Key a POST whose header of that name has the tags (Fastly), with a header that has Tag
// in its name a POST whose body is {"tags":[…]} (Cloudflare), with any other a PURGE whose header of that name, and
// that with -Purge after it, has the tags (Varnish's xkey). It is safe for concurrent use.
type Purger struct {
	o      Options
	client *http.Client
	// ctx ends when requests under way have to end.
	ctx    context.Context
	cancel context.CancelFunc
	// closing is closed by Close, which ends pauses.
	closing chan struct{}
	running task.Group

	mu      sync.Mutex
	sending bool
	closed  bool
	pending map[string]struct{}
	counts  Counters
}

// New returns a Purger that has nothing to purge.
func New(o Options) *Purger {
	p := &Purger{o: o, closing: make(chan struct{}), pending: map[string]struct{}{}}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.client = &http.Client{Transport: o.Transport, Timeout: timeout,
		// Another host must not get the token.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return p
}

// Dropped has the tags of a drop purged soon. It does not wait, as cache.Watch requires. Each replica purges the tags
// of its own drops alone.
func (p *Purger) Dropped(d cache.Invalidation) {
	if d.Remote || len(d.Digests) == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		p.counts.Lost += uint64(len(d.Digests))
		return
	}
	p.add(d.Digests)
	if p.sending {
		return
	}
	p.sending = true
	p.running.Go(p.run, func(err error) {
		if err != nil {
			p.stop()
		}
	})
}

// add takes tags up as long as there is room; p.mu is held.
func (p *Purger) add(tags []string) {
	for _, tag := range tags {
		if _, known := p.pending[tag]; !known && len(p.pending) >= maxPending {
			p.counts.Lost++
			continue
		}
		p.pending[tag] = struct{}{}
	}
}

// stop has the next drop start another sender after a panic.
func (p *Purger) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sending = false
}

// run sends pending tags until none is left.
func (p *Purger) run() error {
	p.pause(gather)
	for failures := 0; ; {
		tags := p.take()
		if len(tags) == 0 {
			return nil
		}
		left, asked := p.send(tags)
		if len(left) == 0 {
			p.report(failures, 0)
			failures = 0
			continue
		}
		failures++
		p.report(failures-1, failures)
		p.putBack(left)
		p.pause(max(asked, backoff(failures)))
	}
}

// take returns the tags of the next request, sorted, none where nothing is left to do.
func (p *Purger) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	tags := slices.Sorted(maps.Keys(p.pending))
	tags = tags[:min(len(tags), p.o.Header.batch())]
	for _, tag := range tags {
		delete(p.pending, tag)
	}
	p.sending = len(tags) > 0
	return tags
}

// putBack keeps tags for another try. A Purger that closes makes none.
func (p *Purger) putBack(tags []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		p.counts.Lost += uint64(len(tags) + len(p.pending))
		clear(p.pending)
		return
	}
	p.add(tags)
}

// report logs that purging fails for the first time, or works again.
func (p *Purger) report(before, now int) {
	switch {
	case before == 0 && now > 0:
		p.o.Log.Warn("shared caches cannot be purged: they may serve old answers until their lifetime ends")
	case before > 0 && now == 0:
		p.o.Log.Info("shared caches are purged again")
	}
}

// backoff is how long to wait after so many failures in a row.
func backoff(failures int) time.Duration {
	d := min(firstPause<<min(failures-1, 10), lastPause)
	return d - time.Duration(rand.Float64()*float64(d)/4)
}

// pause waits, unless the Purger closes.
func (p *Purger) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.closing:
	}
}

// Counters returns a snapshot.
func (p *Purger) Counters() *Counters {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.counts
	c.Pending = len(p.pending)
	return &c
}

// Close sends the pending tags, each request once, and returns when that is done or ctx ends.
func (p *Purger) Close(ctx context.Context) {
	if p == nil {
		return
	}
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		close(p.closing)
	}
	p.mu.Unlock()
	stop := context.AfterFunc(ctx, p.cancel)
	defer stop()
	p.running.Wait()
	p.cancel()
}
