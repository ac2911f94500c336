package e2e

import (
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// callFrames returns this module's functions from the resolver of Query.user to the transport that calls it, the
// resolver first; nil where the goroutine of the call is not the resolver's.
func callFrames() []string {
	const module, resolver = "github.com/learngraph/learngraph/", "resolvers.queryResolver.User"
	counters := make([]uintptr, 256)
	frames := runtime.CallersFrames(counters[:runtime.Callers(2, counters)])
	var names []string
	for {
		frame, more := frames.Next()
		if name, ours := strings.CutPrefix(frame.Function, module); ours && !strings.HasPrefix(name, "e2e.") {
			names = append(names, name)
			if name == resolver {
				slices.Reverse(names)
				return names
			}
		}
		if !more {
			return nil
		}
	}
}

func TestTheWayOfAKeyIsShort(t *testing.T) {
	t.Parallel()
	const most = 22 // docs/explanation/architecture.md lists them
	for name, ttl := range map[string]string{"with a cache": "1m", "without one": "0"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var way atomic.Pointer[[]string]
			p := start(t, setup{Env: map[string]string{"CACHE_TTL": ttl}, Wrap: func(inner http.RoundTripper) http.RoundTripper {
				return roundTripper(func(r *http.Request) (*http.Response, error) {
					if names := callFrames(); names != nil {
						way.Store(&names)
					}
					return inner.RoundTrip(r)
				})
			}})
			user := p.backends.Users(p.backends.Clients()[0].Identifier)[0].Identifier
			a := p.post(t, `{ user(by: {sourceId: "`+user+`"}) { name } }`, nil)
			names := way.Load()
			if len(a.failures()) > 0 || names == nil {
				t.Fatalf("the call is not made where its resolver waits, the answer is %s", a.raw)
			}
			if len(*names) > most {
				t.Errorf("%d functions, want at most %d:\n%s", len(*names), most, strings.Join(*names, "\n"))
			}
		})
	}
}
