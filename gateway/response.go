package gateway

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/inflight"
)

// exchange is the answering half of one HTTP request.
type exchange struct {
	w             http.ResponseWriter
	media         string
	codings       codings
	head          bool
	compressAbove int
	// kept is the If-None-Match of a GET; nil where the answer has no ETag.
	kept *string
	load *inflight.Load
	// visit is what the log says of the request; nil where there is none.
	visit *visit
	// bound is set for a caller who is bound to clients.
	bound bool
	// held counts what the exchange holds by itself: a body and a packed answer.
	held *inflight.Hold
}

// refusedStatus is the status of a well-formed request that is not executed: clients of application/json expect 200 and
// read the errors, the newer media type says it in the status.
func refusedStatus(media string) int {
	if media == mediaResponse {
		return http.StatusBadRequest
	}
	return http.StatusOK
}

func (x *exchange) fail(fault *requestError) {
	x.visit.failed(fault.code)
	x.send(fail(fault))
}

func (x *exchange) send(out *reply) {
	defer out.release()
	if out.sent {
		return
	}
	if !out.hold(x.load) || out.starved() {
		x.fail(overloaded(x.load))
		return
	}
	if out.kept != nil && len(out.resp.Errors) == 0 && len(out.resp.Extensions) == 0 {
		x.sendKept(out)
		return
	}
	status := http.StatusOK
	switch {
	case out.fault != nil:
		status = out.fault.status
		out.fault.setHeaders(x.w.Header())
	case out.refused && !out.again:
		status = refusedStatus(x.media)
	}
	frame := frames.Get().(*bytes.Buffer)
	defer release(frame)
	parts := appendResponse(nil, frame, out.resp)
	x.write(status, out.policy, resolve(frame, parts), out.wrote)
}

// sendKept sends a whole answer as it is kept.
func (x *exchange) sendKept(out *reply) {
	f := out.kept.form(x.codings.of(len(out.kept.plain.text), x.compressAbove))
	if !out.kept.keeps(f) && !x.hold(len(f.text), false) {
		x.fail(overloaded(x.load))
		return
	}
	x.finish(http.StatusOK, out.policy, f.body)
}

// sendBatch answers an array, in the order of the operations. Each has its own errors, the request has none.
func (x *exchange) sendBatch(replies []*reply) {
	frame := frames.Get().(*bytes.Buffer)
	defer release(frame)
	var parts []part
	wrote := false
	for i, out := range replies {
		defer out.release()
		if !out.hold(x.load) {
			out.resp = overloaded(x.load).response()
		}
		wrote = wrote || out.wrote
		separator := byte(',')
		if i == 0 {
			separator = '['
		}
		start := frame.Len()
		frame.WriteByte(separator)
		parts = append(parts, part{from: start, to: frame.Len()})
		parts = appendResponse(parts, frame, out.resp)
	}
	start := frame.Len()
	frame.WriteByte(']')
	parts = append(parts, part{from: start, to: frame.Len()})
	x.write(http.StatusOK, cachePolicy{}, resolve(frame, parts), wrote)
}

// frames hold what is written around the data.
var frames = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// maxFrame is the largest buffer that is kept.
const maxFrame = 64 << 10

func release(frame *bytes.Buffer) {
	if frame.Cap() <= maxFrame {
		frame.Reset()
		frames.Put(frame)
	}
}

// part is a piece of an answer: data as the executor made it, which is not copied again, or a range of the frame.
type part struct {
	data     []byte
	from, to int
}

// resolve gives the pieces as bytes, once the frame is whole.
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
	valueNoStore        = []string{"no-store"}
	valuePrivateNoStore = []string{"private, no-store"}
	valueJSON           = []string{mediaJSON + "; charset=utf-8"}
	valueResponse       = []string{mediaResponse + "; charset=utf-8"}
	valueNoSniff        = []string{"nosniff"}
	valueNoReferrer     = []string{"no-referrer"}
	valueSecurityPolicy = []string{"default-src 'none'; frame-ancestors 'none'"}
	// valueVary names what of a request decides about its answer, for caches on the way.
	valueVary = []string{"Accept, Accept-Encoding, Authorization, X-API-Key"}
	// valueVaryOrigin does so where pages of other origins may call.
	valueVaryOrigin = []string{"Origin"}
	valueVaryBoth   = []string{valueVaryOrigin[0], valueVary[0]}
)

func (x *exchange) setHeaders(policy cachePolicy) http.Header {
	h := x.w.Header()
	policy.write(h, time.Now())
	h["Content-Type"] = valueJSON
	if x.media == mediaResponse {
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
func (x *exchange) write(status int, policy cachePolicy, pieces [][]byte, must bool) {
	size := sizeOf(pieces)
	coding := x.codings.of(size, x.compressAbove)
	if coding != "" {
		packed := compress(coding, pieces)
		defer release(packed)
		switch {
		case x.hold(packed.Cap(), must):
			pieces, size = [][]byte{packed.Bytes()}, packed.Len()
		case must:
			coding = "" // it is there as it is
		default:
			x.fail(overloaded(x.load))
			return
		}
	}
	x.finish(status, policy, body{pieces: pieces, size: size, coding: coding, length: []string{strconv.Itoa(size)},
		sum: func() string { return sumOf(pieces) }})
}

// body is what follows the headers, and what they say of it.
type body struct {
	pieces [][]byte
	size   int // of all pieces, in bytes
	coding string
	length []string      // the value of Content-Length
	sum    func() string // of the bytes
}

// unsaidLength is the size in bytes up to which the length of an answer is left to net/http, which tells it of "a few KB"
// by itself and beside the map of headers: that mostly holds eight then, the most that need no table.
const unsaidLength = 1 << 10

func (x *exchange) finish(status int, policy cachePolicy, b body) {
	if x.bound {
		policy = boundPolicy
	}
	h := x.setHeaders(policy)
	if b.coding != "" {
		h["Content-Encoding"] = []string{b.coding}
	}
	if x.kept != nil && policy.keep {
		tag := x.etag(b)
		h["Etag"] = []string{tag}
		if matches(*x.kept, tag) {
			x.w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	if x.head || b.size > unsaidLength {
		h["Content-Length"] = b.length
	}
	x.w.WriteHeader(status)
	if x.head {
		return
	}
	x.pour(b)
}

// etag is a strong validator: it tells media types and codings apart, whose bytes differ.
func (x *exchange) etag(b body) string {
	return fmt.Sprintf(`"%s-%c%s"`, b.sum(), x.media[len("application/")], b.coding)
}

// sumSize is how much of a digest stands in an ETag, in bytes.
const sumSize = 12

func sumOf(pieces [][]byte) string {
	sum := sha256.New()
	for _, p := range pieces {
		sum.Write(p)
	}
	return hex.EncodeToString(sum.Sum(nil)[:sumSize])
}

// matches says whether an If-None-Match names the tag (RFC 9110, section 13.1.2, which compares weakly).
func matches(header, tag string) bool {
	for _, t := range strings.Split(header, ",") {
		t = strings.TrimSpace(t)
		if t == "*" || strings.TrimPrefix(t, "W/") == tag {
			return true
		}
	}
	return false
}

// setSecurityHeaders keeps a browser from taking an answer for anything but data.
func setSecurityHeaders(h http.Header) {
	h["X-Content-Type-Options"] = valueNoSniff
	h["Referrer-Policy"] = valueNoReferrer
	h["Content-Security-Policy"] = valueSecurityPolicy
}
