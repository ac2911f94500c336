package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/auth"
	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/gateway/gqlerrors"
	"github.com/learngraph/learngraph/gateway/httpapi"
	"github.com/learngraph/learngraph/gateway/incremental"
	"github.com/learngraph/learngraph/gateway/provenance"
	"github.com/learngraph/learngraph/gateway/requestlog"
	"github.com/learngraph/learngraph/live"
	"github.com/learngraph/learngraph/upstream"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

const (
	// subscriptionBeat is the longest time without a byte on the stream of a subscription. The caller's credential is
	// checked as often.
	subscriptionBeat = 5 * time.Second
	// Subscribers of a server that shuts down come back after reconnectAfter and a random part of reconnectSpread, so that
	// they do not all reach the next replica at once.
	reconnectAfter, reconnectSpread = time.Second, 9 * time.Second
)

// busySeconds is the age in seconds past its freshness from which an event reports a fact that a busy backend did not
// renew.
const busySeconds = 10

// subscriber sends the events of one subscription.
type subscriber struct {
	g       *Gateway
	request *http.Request
	who     *auth.Caller
	x       *httpapi.ResponseWriter
	w       *httpapi.Parts
	out     *httpapi.Result
	f       *requestlog.Operation
	began   time.Time
}

// subscribe opens a subscription. The rest of its result sends the answer, and again each time that it has changed,
// until the caller leaves, may not see the answer any longer, or the server shuts down.
func (g *Gateway) subscribe(ctx context.Context, op *prepared, parts *parts, req *httpapi.Request,
	f *requestlog.Operation) *httpapi.Result {
	if parts == nil {
		return httpapi.Fail(httpapi.BadRequest("a subscription cannot be part of a batch: it has its own stream"))
	}
	if !parts.x.BeginEvents() {
		return httpapi.Fail(&httpapi.Error{Status: http.StatusNotAcceptable, Code: gqlerrors.CodeBadRequest,
			Message: "a subscription needs an Accept that allows text/event-stream or multipart/mixed;subscriptionSpec=1.0"})
	}
	who := auth.FromContext(ctx)
	s := &subscriber{g: g, f: f, began: time.Now(), request: parts.request, who: who, x: parts.x,
		out: &httpapi.Result{Sent: true, Response: &graphql.Response{}}}
	sub, err := g.hub.Subscribe(who.Name, answerKey(ctx, op), g.asker(who, op, req))
	parts.x.Leave() // an open subscription has a bound of its own
	s.w = parts.x.Begin(s.out)
	switch opened := s.w.Send(s.x.Protocol.Opening()); {
	case opened != nil:
	case err != nil:
		s.end(subscriptionsFull(err))
	default:
		s.out.Rest = func() { s.run(sub) }
	}
	if err == nil {
		s.out.Finally(sub.Close)
	}
	s.out.Finally(s.w.Close)
	return s.out
}

// subscriptionsFull is the error of a subscription that there is no room for.
func subscriptionsFull(err error) *gqlerror.Error {
	var full *live.FullError
	if !errors.As(err, &full) {
		return &gqlerror.Error{Message: gqlerrors.InternalMessage, Extensions: map[string]any{"code": gqlerrors.CodeInternal}}
	}
	return gqlerrors.OverLimit(fmt.Sprintf("%s (SUBSCRIPTIONS)", full.Error()),
		gqlerrors.Limit{Name: full.Name, Reached: int64(full.Reached), Allowed: int64(full.Allowed)})
}

// run sends each state that is there when the one before it was taken by the reader.
func (s *subscriber) run(sub *live.Subscription) {
	beat := time.NewTicker(subscriptionBeat)
	defer beat.Stop()
	var sent *live.State
	var body []byte // of sent
	for {
		state, changed := sub.Latest()
		if state != sent && bytes.Equal(state.Body, body) {
			sent = state // the gap is over
			continue
		}
		if state != sent {
			if err := s.refused(); err != nil {
				s.end(err)
				return
			}
			frame := state.Frames.Get(int(s.x.Protocol), func() []byte { return s.x.Protocol.Event(state.Body) })
			if s.w.Send(frame) != nil {
				return
			}
			if sent, body = state, state.Body; s.f.Duration == 0 {
				s.f.Duration = max(time.Since(s.began), 1)
			}
			beat.Reset(subscriptionBeat)
			continue
		}
		select {
		case <-changed:
		case <-beat.C:
			if err := s.refused(); err != nil {
				s.end(err)
				return
			}
			if s.w.Send(s.x.Protocol.Beat()) != nil {
				return
			}
		case <-s.request.Context().Done():
			return
		case <-s.g.opts.Closing:
			s.reconnect()
			return
		case <-s.g.hub.Done():
			s.reconnect()
			return
		}
	}
}

// refused returns why the caller may not see the answer any longer: its credential was withdrawn or has expired, or has
// other rights by now.
func (s *subscriber) refused() *gqlerror.Error {
	if s.g.opts.Authenticate == nil {
		return nil
	}
	who, err := s.g.opts.Authenticate(s.request)
	var unavailable *auth.UnavailableError
	switch {
	case errors.As(err, &unavailable):
		return nil // a key set that cannot be fetched for a moment takes no rights away
	case err != nil:
		return &gqlerror.Error{Message: err.Error(), Extensions: map[string]any{"code": gqlerrors.CodeUnauthenticated}}
	case who.Scope() != s.who.Scope():
		return &gqlerror.Error{Message: "the credential's rights have changed: subscribe again",
			Extensions: map[string]any{"code": gqlerrors.CodeUnauthenticated}}
	}
	return nil
}

// end ends the stream with an error.
func (s *subscriber) end(err *gqlerror.Error) {
	s.out.Response.Errors = gqlerror.List{err}
	_ = s.w.Send(s.x.Protocol.End(s.out.Response.Errors))
}

// reconnect ends the stream so that the caller subscribes again, which it does at a replica that stays.
func (s *subscriber) reconnect() {
	after := reconnectAfter + time.Duration(rand.Float64()*float64(reconnectSpread))
	if s.x.Protocol == incremental.Events {
		_ = s.w.Send(incremental.Retry(after)) // a stream that ends without "complete" is opened again
		return
	}
	s.end(&gqlerror.Error{Message: "the server is shutting down: subscribe again",
		Extensions: map[string]any{"code": gqlerrors.CodeDeadline,
			"retryAfter": int((after + time.Second - 1) / time.Second)}})
}

// previousAnswer is the part of a topic's last answer that its next execution needs.
type previousAnswer struct {
	data     []byte
	errs     gqlerror.List
	at       time.Time // when this was the answer
	backends []string  // those that failed when it was made
	lasting  bool      // no part of it is missing because of a failure, so that it can be shown while backends fail
}

// asker returns the function that executes a subscription's operation once. It has the text of the document: the text
// behind a registered document's hash or a trusted document's id may be gone when the operation is executed again.
func (g *Gateway) asker(who *auth.Caller, op *prepared, req *httpapi.Request) live.Ask {
	kept := *req
	kept.Extensions = maps.Clone(req.Extensions)
	delete(kept.Extensions, "persistedQuery")
	kept.Query, kept.DocumentID = op.RawQuery, ""
	return func(ctx context.Context, last *live.Answer) *live.Answer {
		req := kept
		ctx = auth.NewContext(ctx, who)
		if last != nil {
			ctx = upstream.WithPriority(cache.WithDirectives(ctx, cache.Directives{Renew: true}), upstream.Renewal)
		}
		ctx, began := g.begin(ctx), time.Now()
		f := requestlog.Operation{Caller: who.Label()}
		answer, out := g.event(ctx, &req, last, &f)
		g.observe(ctx, &f, began, out)
		return answer
	}
}

// event executes an operation for one event.
func (g *Gateway) event(ctx context.Context, req *httpapi.Request, last *live.Answer,
	f *requestlog.Operation) (*live.Answer, *httpapi.Result) {
	op, refusal := g.prepareText(ctx, http.MethodPost, req, req.Query)
	if refusal != nil {
		return newAnswer(refusal.Response, nil, nil), refusal
	}
	f.Name, f.Kind, f.Document = op.Operation.Name, string(op.Operation.Operation), req.TrustedID
	ctx, used := provenance.With(ctx, false)
	out := &httpapi.Result{}
	g.execute(ctx, op, out)
	out.Response.Data = slices.Clone(out.Response.Data)
	if out.Free != nil {
		out.Free() // the operation's statistics are taken after this
	}
	f.Calls = used.CallsMade()
	g.opts.Limits.TrimErrors(out.Response)
	return newAnswer(out.Response, used, last), out
}

// newAnswer returns the answer of a question. Where a backend fails it is the last one that lacked nothing, with a note
// of its age.
func newAnswer(resp *graphql.Response, used *provenance.Provenance, last *live.Answer) *live.Answer {
	a := &live.Answer{}
	if used != nil {
		a.Facts, a.Tags = used.Facts.List(), used.Facts.Tags()
	}
	failed, backends := failingBackends(resp.Errors)
	now := previousAnswer{data: resp.Data, errs: resp.Errors, at: time.Now(), lasting: !failed}
	before, ok := previousOf(last)
	keeps := failed && ok && before.lasting
	if keeps {
		now = before
	}
	now.backends = backends
	stale := staleOf(a.Facts)
	for _, s := range stale {
		now.backends = append(now.backends, s.Backend)
	}
	slices.Sort(now.backends)
	now.backends = slices.Compact(now.backends)
	if keeps {
		for _, backend := range now.backends {
			if !slices.ContainsFunc(stale, func(s provenance.Staleness) bool { return s.Backend == backend }) {
				stale = append(stale, provenance.Staleness{Backend: backend, AgeSeconds: int(time.Since(now.at) / time.Second),
					Reason: cache.Failed})
			}
		}
	}
	a.Failing = failed || len(now.backends) > 0
	a.Body, a.Fingerprint = render(now, stale)
	a.Memo = now
	return a
}

// staleOf returns the stale facts that an event reports.
func staleOf(facts []cache.Fact) (list []provenance.Staleness) {
	for _, s := range provenance.StaleFacts(facts) {
		if s.Reason == cache.Failed || s.Reason != cache.Refreshing && s.ExpiredSeconds >= busySeconds {
			list = append(list, s)
		}
	}
	return list
}

func previousOf(last *live.Answer) (previousAnswer, bool) {
	if last == nil {
		return previousAnswer{}, false
	}
	s, ok := last.Memo.(previousAnswer)
	return s, ok
}

// failingBackends reports whether an error may be gone the next time, and returns the backends that such errors are of.
func failingBackends(errs gqlerror.List) (failed bool, backends []string) {
	for _, err := range errs {
		if !gqlerrors.Transient(err) {
			continue
		}
		failed = true
		if backend, ok := err.Extensions["backend"].(upstream.Backend); ok {
			backends = append(backends, string(backend))
		}
	}
	return failed, backends
}

// render returns an answer as it is sent, and a text that is equal for two answers that are not worth two events: ages
// alone differ.
func render(now previousAnswer, stale []provenance.Staleness) (body []byte, sameness string) {
	var out bytes.Buffer
	httpapi.WriteResponse(&out, &graphql.Response{Data: now.data, Errors: withoutRetryAfter(now.errs)})
	digest := sha256.Sum256(out.Bytes())
	resp := graphql.Response{Data: now.data, Errors: now.errs}
	if len(stale) > 0 {
		resp.Extensions = map[string]any{"freshness": map[string]any{"stale": stale}}
	}
	out.Reset()
	httpapi.WriteResponse(&out, &resp)
	names, _ := json.Marshal(now.backends)
	return slices.Clip(out.Bytes()), string(digest[:]) + string(names)
}

func withoutRetryAfter(errs gqlerror.List) gqlerror.List {
	list := make(gqlerror.List, len(errs))
	for i, err := range errs {
		other := *err
		other.Extensions = maps.Clone(err.Extensions)
		delete(other.Extensions, "retryAfter")
		list[i] = &other
	}
	return list
}
