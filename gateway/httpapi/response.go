package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/gateway/cachecontrol"
	"github.com/learngraph/learngraph/gateway/gqlerrors"
	"github.com/learngraph/learngraph/gateway/incremental"
	"github.com/learngraph/learngraph/gateway/representation"
	"github.com/learngraph/learngraph/gateway/requestlog"
	"github.com/learngraph/learngraph/inflight"
)

// ResponseWriter is the answering half of one HTTP request.
type ResponseWriter struct {
	w       http.ResponseWriter
	media   string
	codings representation.Codings
	head    bool
	visit   *requestlog.Record // nil where the log has none
	// Protocol is that of answers in parts, incremental.None for a caller who wants them whole.
	Protocol incremental.Protocol
	// subscription is the protocol of a subscription's events, incremental.None for a caller who takes none.
	subscription  incremental.Protocol
	compressAbove int
	// ifNoneMatch is the If-None-Match of a GET; nil where the answer has no ETag.
	ifNoneMatch *string
	Load        *inflight.Load
	// PrivateOnly is set for a caller who is bound to clients.
	PrivateOnly bool
	// held counts the exchange's own memory: a body and a compressed answer.
	held     *inflight.Hold
	released bool // the counted memory
	// eventsOnly is set where the request accepts event streams and no JSON.
	eventsOnly bool
}

// NewResponseWriter answers r as application/json in full until Negotiate is called.
func NewResponseWriter(w http.ResponseWriter, r *http.Request) *ResponseWriter {
	return &ResponseWriter{w: w, head: r.Method == http.MethodHead, media: representation.MediaJSON,
		visit: requestlog.Of(r.Context())}
}

// Negotiate picks the media type and the content coding of the answer, which has an ETag where the request is a GET,
// and reports whether a media type can carry the answer; else it refuses the request. An answer that is not divided is
// application/json for a caller who takes answers in parts alone.
func (x *ResponseWriter) Negotiate(r *http.Request, compressAbove int) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		match := r.Header.Get("If-None-Match")
		x.ifNoneMatch = &match
	}
	media, weight := representation.NegotiateMediaType(r.Header)
	parts, events, inParts := incremental.Negotiate(r.Header["Accept"], weight)
	if !x.head {
		x.Protocol, x.subscription = parts, events
	}
	x.codings, x.compressAbove = representation.NegotiateCoding(r.Header), compressAbove
	x.eventsOnly = media == "" && x.Protocol == incremental.Events
	if media != "" {
		x.media = media
	} else if !inParts {
		x.Fail(&Error{Status: http.StatusNotAcceptable, Code: gqlerrors.CodeBadRequest,
			Message: "Accept must allow " + representation.MediaGraphQLResponse + " or " + representation.MediaJSON +
				", and for a subscription text/event-stream or multipart/mixed;subscriptionSpec=1.0"})
		return false
	}
	return true
}

// BeginEvents makes the answer the events of a subscription, and reports whether the caller takes them. They have no
// content coding unless the caller refuses them without: an encoder for each subscriber takes more memory than all else
// of it, and subscribers could not share the bytes of an event.
func (x *ResponseWriter) BeginEvents() bool {
	x.Protocol, x.codings = x.subscription, x.codings.Plain()
	return x.Protocol != incremental.None
}

// refusedStatus is the status of a well-formed request that is not executed: clients of application/json expect 200 and
// read the errors, the newer media type has its own status.
func refusedStatus(media string) int {
	if media == representation.MediaGraphQLResponse {
		return http.StatusBadRequest
	}
	return http.StatusOK
}

// Fail sends a fault.
func (x *ResponseWriter) Fail(fault *Error) {
	x.visit.Failed(fault.Code)
	if fault.operations == 0 {
		x.Send(Fail(fault))
	} else {
		x.SendBatch(slices.Repeat([]*Result{Fail(fault)}, fault.operations))
	}
}

// Send sends the answer to a single operation, unless it is sent in parts.
func (x *ResponseWriter) Send(out *Result) {
	if out.Sent {
		out.Finally(out.release)
		return
	}
	defer out.release()
	if !out.hold(x.Load) || out.failedForMemory() {
		x.Fail(Overloaded(x.Load))
		return
	}
	// An operation with @defer or @stream that has nothing left to deliver has a plain answer whatever is accepted.
	if x.eventsOnly && out.Err == nil && out.Response.Extensions[IsFinal] == nil {
		x.sendEvent(out)
		return
	}
	if out.Stored != nil && len(out.Response.Errors) == 0 && len(out.Response.Extensions) == 0 {
		x.sendStored(out)
		return
	}
	status := http.StatusOK
	switch {
	case out.Err != nil:
		status = out.Err.Status
		out.Err.setHeaders(x.w.Header())
	case out.Refused && !out.Retryable:
		status = refusedStatus(x.media)
	}
	x.setProxyStatus(out)
	frame := representation.Buffers.Get().(*bytes.Buffer)
	defer representation.Release(frame)
	parts := appendResponse(nil, frame, out.Response)
	x.write(status, out.Policy, resolve(frame, parts), out.Mutation)
}

// sendEvent sends a whole answer as the only event of a stream: a client of event streams that gets another media type
// fails, or connects again and again.
func (x *ResponseWriter) sendEvent(out *Result) {
	frame := representation.Buffers.Get().(*bytes.Buffer)
	defer representation.Release(frame)
	WriteResponse(frame, out.Response)
	if !x.hold(2*frame.Len(), out.Mutation) && !out.Mutation {
		x.Fail(Overloaded(x.Load))
		return
	}
	x.Protocol = incremental.Events
	w := x.Begin(out)
	defer w.Close()
	_ = w.Send(incremental.Only(frame.Bytes())) // a caller who has left needs no answer
}

// sendStored sends a whole answer as it is kept.
func (x *ResponseWriter) sendStored(out *Result) {
	f := out.Stored.Encoding(x.codings.For(len(out.Stored.WithoutExtensions.Text), x.compressAbove))
	if !out.Stored.Stores(f) && !x.hold(len(f.Text), false) {
		x.Fail(Overloaded(x.Load))
		return
	}
	x.finish(http.StatusOK, out.Policy, f.Body)
}

// SendBatch answers an array, in the order of the operations. Each has its own errors, the request has none.
func (x *ResponseWriter) SendBatch(replies []*Result) {
	frame := representation.Buffers.Get().(*bytes.Buffer)
	defer representation.Release(frame)
	var parts []part
	var policies []cachecontrol.Policy
	wrote := false
	for i, out := range replies {
		defer out.release()
		if !out.hold(x.Load) {
			out.Response = Overloaded(x.Load).response()
		}
		wrote = wrote || out.Mutation
		policies = append(policies, out.Policy)
		x.setProxyStatus(out)
		separator := byte(',')
		if i == 0 {
			separator = '['
		}
		start := frame.Len()
		frame.WriteByte(separator)
		parts = append(parts, part{from: start, to: frame.Len()})
		parts = appendResponse(parts, frame, out.Response)
	}
	start := frame.Len()
	frame.WriteByte(']')
	parts = append(parts, part{from: start, to: frame.Len()})
	x.write(http.StatusOK, cachecontrol.Worst(policies...), resolve(frame, parts), wrote)
}

// WriteResponse writes a response as it is sent.
func WriteResponse(to *bytes.Buffer, resp *graphql.Response) {
	var frame bytes.Buffer
	for _, piece := range resolve(&frame, appendResponse(nil, &frame, resp)) {
		to.Write(piece)
	}
}

// setProxyStatus adds the backends that failed to those of the answer.
func (x *ResponseWriter) setProxyStatus(out *Result) {
	if out.ProxyStatus != "" {
		x.w.Header().Add("Proxy-Status", out.ProxyStatus)
	}
}

// part is a piece of an answer: data as the executor made it, which is not copied again, or a range of the frame.
type part struct {
	data     []byte
	from, to int
}

// resolve returns the pieces as bytes, once the frame is whole.
func resolve(frame *bytes.Buffer, parts []part) [][]byte {
	pieces := make([][]byte, len(parts))
	for i, p := range parts {
		pieces[i] = p.data
		if p.data == nil {
			pieces[i] = frame.Bytes()[p.from:p.to]
		}
	}
	return pieces
}

// appendResponse adds one response: errors first, so that a reader knows of them before the data; no data where nothing
// was executed.
func appendResponse(parts []part, frame *bytes.Buffer, resp *graphql.Response) []part {
	start := frame.Len()
	separator := byte('{')
	member := func(name string, value any) {
		text, err := json.Marshal(value)
		if err != nil {
			return
		}
		writeName(frame, separator, name)
		frame.Write(text)
		separator = ','
	}
	if len(resp.Errors) > 0 {
		member("errors", resp.Errors)
	}
	if len(resp.Data) > 0 {
		writeName(frame, separator, "data")
		separator = ','
		parts = append(parts, part{from: start, to: frame.Len()}, part{data: resp.Data})
		start = frame.Len()
	}
	if len(resp.Extensions) > 0 {
		member("extensions", resp.Extensions)
	}
	if separator == '{' {
		frame.WriteByte('{')
	}
	frame.WriteByte('}')
	return append(parts, part{from: start, to: frame.Len()})
}

func writeName(frame *bytes.Buffer, separator byte, name string) {
	frame.WriteByte(separator)
	frame.WriteByte('"')
	frame.WriteString(name)
	frame.WriteString(`":`)
}

// The values of headers that most answers have. An answer that shares them allocates none; adding to one makes a copy.
var (
	valueJSON           = []string{representation.MediaJSON + "; charset=utf-8"}
	valueResponse       = []string{representation.MediaGraphQLResponse + "; charset=utf-8"}
	valueNoSniff        = []string{"nosniff"}
	valueNoReferrer     = []string{"no-referrer"}
	valueSecurityPolicy = []string{"default-src 'none'; frame-ancestors 'none'"}
	// valueVary names the headers of a request that its answer depends on, for caches on the way.
	valueVary = []string{"Accept, Accept-Encoding, Authorization, X-API-Key"}
	// VaryOrigin does so where pages of other origins may call.
	VaryOrigin    = []string{"Origin"}
	valueVaryBoth = []string{VaryOrigin[0], valueVary[0]}
)

func (x *ResponseWriter) setHeaders(policy cachecontrol.Policy) http.Header {
	h := x.w.Header()
	policy.WriteHeaders(h, time.Now())
	h["Content-Type"] = valueJSON
	if x.media == representation.MediaGraphQLResponse {
		h["Content-Type"] = valueResponse
	}
	if len(h["Vary"]) > 0 {
		h["Vary"] = valueVaryBoth
	} else {
		h["Vary"] = valueVary
	}
	setSecurityHeaders(h)
	return h
}

// write packs an answer where that is right, and sends it. must is set where it is sent whatever room there is.
func (x *ResponseWriter) write(status int, policy cachecontrol.Policy, pieces [][]byte, must bool) {
	size, plain := representation.Size(pieces), pieces
	coding := x.codings.For(size, x.compressAbove)
	if coding != "" {
		packed := representation.Compress(coding, pieces)
		defer representation.Release(packed)
		switch {
		case x.hold(packed.Cap(), must):
			pieces, size = [][]byte{packed.Bytes()}, packed.Len()
		case must:
			coding = "" // it is there as it is
		default:
			x.Fail(Overloaded(x.Load))
			return
		}
	}
	x.finish(status, policy, representation.Body{Pieces: pieces, Size: size, Coding: coding,
		Length: []string{strconv.Itoa(size)}, Digest: func() string {
			return representation.Digest(pieces)
		}, Plain: func() string { return representation.Digest(plain) }})
}

// implicitLengthMax is the size in bytes up to which the length of an answer is left to net/http, which sets it for "a
// few KB" by itself and outside the map of headers.
const implicitLengthMax = 1 << 10

func (x *ResponseWriter) finish(status int, policy cachecontrol.Policy, b representation.Body) {
	policy = x.permitted(policy)
	h := x.setHeaders(policy)
	if b.Coding != "" {
		h["Content-Encoding"] = []string{b.Coding}
	}
	if x.ifNoneMatch != nil && policy.Cacheable {
		tag := x.etag(policy, b)
		h["Etag"] = []string{tag}
		if representation.Matches(*x.ifNoneMatch, tag) {
			x.w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	if x.head || b.Size > implicitLengthMax {
		h["Content-Length"] = b.Length
	}
	x.w.WriteHeader(status)
	if x.head {
		return
	}
	x.sendBody(b)
}

// permitted is the policy that the caller may know of.
func (x *ResponseWriter) permitted(policy cachecontrol.Policy) cachecontrol.Policy {
	if x.PrivateOnly {
		return cachecontrol.PrivateNoStore
	}
	return policy
}

// etag is a strong validator where the answer goes to its caller alone: it differs for media types and codings, whose
// bytes differ. A shared cache may decode an answer and encode it in another way, and asks again with the validator of
// the one it got; so that of an answer which it may keep is weak and the same for all codings.
func (x *ResponseWriter) etag(policy cachecontrol.Policy, b representation.Body) string {
	media := x.media[len("application/")]
	if policy.Public() {
		return fmt.Sprintf(`W/"%s-%c"`, b.Plain(), media)
	}
	return fmt.Sprintf(`"%s-%c%s"`, b.Digest(), media, b.Coding)
}

// setSecurityHeaders keeps a browser from taking an answer for anything but data.
func setSecurityHeaders(h http.Header) {
	h["X-Content-Type-Options"] = valueNoSniff
	h["Referrer-Policy"] = valueNoReferrer
	h["Content-Security-Policy"] = valueSecurityPolicy
}
