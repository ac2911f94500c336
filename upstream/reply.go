package upstream

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Reply is what a backend says of how long its answers hold (RFC 9111), over all calls made under one context: the
// shortest word wins. It is safe for concurrent use.
type Reply struct {
	mu      sync.Mutex
	answers int
	maxAge  time.Duration
	noStore bool
	etag    string
	flaw    error
	// outer hears too what is said under a context within its own.
	outer *Reply
}

type replyKey struct{}

// WithReply gathers into r, which serves one context, what is said of the answers to calls under it. What gathers already
// goes on.
func WithReply(ctx context.Context, r *Reply) context.Context {
	r.outer, _ = ctx.Value(replyKey{}).(*Reply)
	return context.WithValue(ctx, replyKey{}, r)
}

// MaxAge is the lifetime that the backend names, 0 where it names none. A max-age of 0, no-cache and private are what
// frameworks send unasked, and count as naming none.
func (r *Reply) MaxAge() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.maxAge
}

// NoStore says that the answer must not be kept.
func (r *Reply) NoStore() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.noStore
}

// ETag is the validator of what was read, empty where the backend sent none that is well formed, or where it took more than
// one answer: no tag names several.
func (r *Reply) ETag() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.answers != 1 {
		return ""
	}
	return r.etag
}

// Flaw returns why an answer with data may lack some of it, nil if none does.
func (r *Reply) Flaw() error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.flaw
}

// NoteFlaw adds to the Reply of ctx that an answer has data and errors. Such an answer is not stored.
func NoteFlaw(ctx context.Context, flaw error) {
	r, _ := ctx.Value(replyKey{}).(*Reply)
	r.addFlaw(flaw)
}

func (r *Reply) addFlaw(flaw error) {
	for ; r != nil && flaw != nil; r = r.outer {
		r.mu.Lock()
		r.noStore, r.flaw = true, cmp.Or(r.flaw, flaw)
		r.mu.Unlock()
	}
}

// noteReply takes what the headers of one answer say.
func noteReply(ctx context.Context, h http.Header) {
	if r, ok := ctx.Value(replyKey{}).(*Reply); ok {
		maxAge, noStore := cacheControl(h)
		r.hear(maxAge, noStore, etag(h))
	}
}

// Repeat tells what gathers under the context what r heard, as if the calls had been made under it too.
func (r *Reply) Repeat(ctx context.Context) {
	if r == nil {
		return
	}
	r.mu.Lock()
	answers, maxAge, noStore, tag, flaw := r.answers, r.maxAge, r.noStore, r.etag, r.flaw
	r.mu.Unlock()
	to, _ := ctx.Value(replyKey{}).(*Reply)
	to.addFlaw(flaw)
	for range answers {
		to.hear(maxAge, noStore, tag)
	}
}

// hear notes what one answer says, here and in all that gather around; a nil Reply hears nothing.
func (r *Reply) hear(maxAge time.Duration, noStore bool, tag string) {
	for ; r != nil; r = r.outer {
		r.note(maxAge, noStore, tag)
	}
}

func (r *Reply) note(maxAge time.Duration, noStore bool, tag string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers++
	r.etag = tag
	r.noStore = r.noStore || noStore
	if maxAge > 0 && (r.maxAge == 0 || maxAge < r.maxAge) {
		r.maxAge = maxAge
	}
}

// maxAgeBound keeps a number of seconds within what a Duration holds.
const maxAgeBound = 365 * 24 * 60 * 60

func cacheControl(h http.Header) (maxAge time.Duration, noStore bool) {
	for directive := range strings.SplitSeq(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "no-store":
			noStore = true
		case "max-age":
			seconds, ok := wholeNumber(strings.Trim(value, `"`))
			if ok && seconds > 0 {
				maxAge = time.Duration(min(seconds, maxAgeBound)) * time.Second
			}
		}
	}
	return maxAge, noStore
}
