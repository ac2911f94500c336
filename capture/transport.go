package capture

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/http1"
)

// Host is where a replay finds a backend: nowhere, should a call ever leave.
func Host(b upstream.Backend) string { return string(b) + ".invalid" }

// ReplayTransport is a transport that answers as the backends did, call by call: each of several equal calls gets its
// own answer, in order. A call that was sent again after a failure is one call with the answer that it got last, so
// that a replay waits for nothing; it has to be made by a client that repeats none. A call that was not recorded fails.
// ReplayTransport is safe for concurrent use.
type ReplayTransport struct {
	backends []upstream.Backend

	mu         sync.Mutex
	calls      map[string][]*Call // still to be made
	unexpected []Count
}

// Count is how many calls of a route there are.
type Count struct {
	Route string `json:"route"`
	Calls int    `json:"calls"`
}

// NewReplayTransport returns a transport that answers the calls of a file.
func NewReplayTransport(f *File) *ReplayTransport {
	t := &ReplayTransport{backends: f.Backends, calls: map[string][]*Call{}}
	for i := range f.Calls {
		c := &f.Calls[i]
		key := c.key()
		list := t.calls[key]
		if n := len(list); n > 0 && (c.Retry > 0 || list[n-1].Status == http.StatusUnauthorized) {
			list[n-1] = c
			continue
		}
		t.calls[key] = append(list, c)
	}
	return t
}

// errNotRecorded is the failure of a call that was not recorded.
var errNotRecorded = errors.New("no such call was recorded")

// RoundTrip returns the recorded answer of a call.
func (t *ReplayTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	c, err := t.callOf(r)
	if err != nil {
		return nil, err
	}
	recorded := t.take(c)
	if recorded == nil {
		return nil, &upstream.Error{Kind: upstream.Contract, Err: errNotRecorded}
	}
	if kind, failed := failures[recorded.Failure]; failed {
		err = &upstream.Error{Kind: kind, Err: errors.New("as recorded")}
		if recorded.Unsent {
			err = errors.Join(http1.ErrNotSent, err)
		}
		return nil, err
	}
	resp := &http.Response{StatusCode: recorded.Status, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
		ContentLength: -1, Body: io.NopCloser(bytes.NewReader(recorded.text())), Request: r}
	for name, value := range recorded.Headers {
		resp.Header.Set(name, value)
	}
	return resp, nil
}

// callOf is the call that a request makes.
func (t *ReplayTransport) callOf(r *http.Request) (*Call, error) {
	c := &Call{Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.Query().Encode()}
	if i := slices.IndexFunc(t.backends, func(b upstream.Backend) bool { return Host(b) == r.URL.Hostname() }); i >= 0 {
		c.Backend = t.backends[i]
	}
	if r.Body == nil {
		return c, nil
	}
	var err error
	c.Body, err = io.ReadAll(r.Body)
	return c, errors.Join(err, r.Body.Close())
}

// take returns the next recorded call that equals c, or nil, which is noted, where there is none.
func (t *ReplayTransport) take(c *Call) *Call {
	key := c.key()
	t.mu.Lock()
	defer t.mu.Unlock()
	list := t.calls[key]
	if len(list) == 0 {
		t.unexpected = add(t.unexpected, string(c.Backend)+" "+c.Method+" "+routePattern(c.Path))
		return nil
	}
	t.calls[key] = list[1:]
	return list[0]
}

// routePattern names a path that no recorded call has: an element that cannot be a part of a route becomes a place.
func routePattern(path string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if !identifierName.MatchString(s) && s != "" {
			segments[i] = "{}"
		}
	}
	return strings.Join(segments, "/")
}

func add(list []Count, route string) []Count {
	i := slices.IndexFunc(list, func(c Count) bool { return c.Route == route })
	if i < 0 {
		return append(list, Count{route, 1})
	}
	list[i].Calls++
	return list
}

// Missing are the recorded calls that were not made, Additional those that were made and not recorded, by route.
func (t *ReplayTransport) Missing() []Count {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []Count
	for _, calls := range t.calls {
		for _, c := range calls {
			list = add(list, string(c.Backend)+" "+c.Method+" "+c.Route)
		}
	}
	return sorted(list)
}

// Additional are the calls that were made and not recorded.
func (t *ReplayTransport) Additional() []Count {
	t.mu.Lock()
	defer t.mu.Unlock()
	return sorted(slices.Clone(t.unexpected))
}

func sorted(list []Count) []Count {
	slices.SortFunc(list, func(a, b Count) int { return strings.Compare(a.Route, b.Route) })
	return list
}
