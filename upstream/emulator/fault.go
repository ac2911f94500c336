package emulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// FaultKind is a way to fail.
type FaultKind int

// The faults. Where one needs the right body, that is the body of the answer without the fault; a write that is not
// applied has an empty object instead.
const (
	// Status in the backend's own error shape, or with Body and ContentType; RetryAfter if set
	FaultStatus       FaultKind = iota
	FaultReset                  // the connection is reset before any byte
	FaultHangHeaders            // nothing is sent until the request's context or the connection ends
	FaultHangBody               // headers and half of the body, then as FaultHangHeaders
	FaultSlowDrip               // the right body, one byte a second
	FaultTruncated              // the connection ends in the middle of the body
	FaultInvalidJSON            // half of the body, as if it were whole
	FaultHTML                   // 200 with a web page
	FaultEmpty                  // 200 without a body
	FaultContentType            // the right body as text/plain
	FaultHuge                   // 200 with 256 MiB that look like JSON and never close
	FaultRedirect               // 302 to another host
	FaultExpiredToken           // MATTR: 401 for every token issued before SetFault
	FaultErrors200              // 200 with {"errors":[…],"data":null}
)

// Fault is a fault of a route.
type Fault struct {
	Kind        FaultKind
	Status      int // of FaultStatus
	Body        string
	ContentType string // of Body; default JSON
	RetryAfter  string
	Times       int     // how many requests fail; 0 means until cleared
	Probability float64 // of each request to fail; 0 means always
	Applied     bool    // the request is carried out before its answer is lost; otherwise a faulted write changes nothing
}

// faults are the faults by route.
type faults struct {
	mu    sync.Mutex
	armed map[string]*armed
}

type armed struct {
	Fault
	left   int
	tokens int // FaultExpiredToken: how many tokens had been issued
}

// SetFault makes a route fail from now on, in place of an earlier fault of the same route. The route is "" (every
// route), a backend ("mattr", without its token route, which is on another host), a template ("/v1/headless/users"), or
// a template after a method, a backend or both ("coassemble GET /v1/headless/user/{identifier}"). The most exact fault
// wins; one that does not strike leaves the request to the next.
func (e *Emulator) SetFault(route string, f Fault) {
	e.mu.RLock()
	issued := e.mattr.issued
	e.mu.RUnlock()
	e.faults.mu.Lock()
	defer e.faults.mu.Unlock()
	if e.faults.armed == nil {
		e.faults.armed = map[string]*armed{}
	}
	e.faults.armed[route] = &armed{Fault: f, left: f.Times, tokens: issued}
}

// ClearFaults ends all faults. Requests that already hang go on hanging.
func (e *Emulator) ClearFaults() {
	e.faults.mu.Lock()
	defer e.faults.mu.Unlock()
	clear(e.faults.armed)
}

// take finds the fault that strikes the request.
func (f *faults) take(x *exchange) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.armed) == 0 {
		return Fault{}, false
	}
	rt := x.route
	backend := string(rt.backend)
	keys := []string{
		backend + " " + rt.method + " " + rt.template, backend + " " + rt.template, rt.method + " " + rt.template,
		rt.template, backend, "",
	}
	for i, key := range keys {
		if i < 5 && key == "" || i == 4 && rt.template == tokenRoute {
			continue
		}
		if a := f.armed[key]; a != nil && a.strikes(x) {
			return a.Fault, true
		}
	}
	return Fault{}, false
}

func (a *armed) strikes(x *exchange) bool {
	if a.Times > 0 && a.left == 0 || a.Probability > 0 && rand.Float64() >= a.Probability {
		return false
	}
	if a.Kind == FaultExpiredToken {
		if x.route.backend != MATTR || x.route.template == tokenRoute {
			return false
		}
		if n, ok := x.emulator.tokenNumber(x.r.Header.Get("Authorization")); ok && n > a.tokens {
			return false
		}
	}
	a.left--
	return true
}

// fail answers with the fault.
func (x *exchange) fail(f Fault) {
	right := jsonAnswer(http.StatusOK, []byte("{}"))
	if f.Applied || !x.route.changes() && f.needsBody() {
		right = x.emulator.answer(x)
	}
	switch f.Kind {
	case FaultStatus:
		x.send(f.status(x.route))
	case FaultReset:
		x.reset()
	case FaultHangHeaders:
		<-x.r.Context().Done()
		panic(http.ErrAbortHandler)
	case FaultHangBody:
		x.half(right)
		<-x.r.Context().Done()
		panic(http.ErrAbortHandler)
	case FaultSlowDrip:
		x.drip(right)
	case FaultTruncated:
		x.half(right)
		panic(http.ErrAbortHandler)
	case FaultHuge:
		x.huge()
	default:
		x.send(f.response(x, right))
	}
}

func (f Fault) needsBody() bool {
	switch f.Kind {
	case FaultHangBody, FaultSlowDrip, FaultTruncated, FaultInvalidJSON, FaultContentType:
		return true
	}
	return false
}

func (f Fault) status(rt route) answer {
	a := rt.failure(f.Status, http.StatusText(f.Status))
	if f.Status == http.StatusTooManyRequests {
		seconds, _ := strconv.Atoi(f.RetryAfter)
		a = tooMany(rt.backend, seconds)
	}
	if f.Body != "" {
		a = textAnswer(f.Status, jsonType, f.Body)
	}
	if f.ContentType != "" {
		a.contentType = f.ContentType
	}
	a.retryAfter = f.RetryAfter
	return a
}

// response are the faults that are complete responses.
func (f Fault) response(x *exchange, right answer) answer {
	switch f.Kind {
	case FaultInvalidJSON:
		right.parts = [][]byte{right.head(right.size() / 2)}
		return right
	case FaultHTML:
		return textAnswer(http.StatusOK, "text/html; charset=utf-8",
			"<!DOCTYPE html><html><head><title>Please sign in</title></head><body><h1>Please sign in</h1></body></html>")
	case FaultEmpty:
		return answer{status: http.StatusOK, contentType: jsonType}
	case FaultContentType:
		right.contentType = "text/plain; charset=utf-8"
		return right
	case FaultRedirect:
		return answer{status: http.StatusFound, location: "https://elsewhere.example" + x.r.URL.EscapedPath()}
	case FaultExpiredToken:
		return x.route.failure(http.StatusUnauthorized, "")
	default:
		return textAnswer(http.StatusOK, jsonType, `{"errors":[{"message":"Something went wrong on our end."}],"data":null}`)
	}
}

// reset ends the connection at once, over TCP with a reset packet.
func (x *exchange) reset() {
	conn, _, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// half promises the whole body and sends the first half of it.
func (x *exchange) half(a answer) {
	x.header(a, a.size())
	_, _ = x.w.Write(a.head(a.size() / 2))
	x.flush()
}

func (x *exchange) drip(a answer) {
	x.header(a, a.size())
	x.flush()
	for _, b := range a.head(a.size()) {
		if !pause(x.r.Context(), time.Second) {
			panic(http.ErrAbortHandler)
		}
		_, _ = x.w.Write([]byte{b})
		x.flush()
	}
}

// hugeBody is the length of FaultHuge's body in bytes.
const hugeBody = 256 << 20

func (x *exchange) huge() {
	opening := map[Backend]string{ThoughtIndustries: `{"data":{"Clients":{"clients":[`, Coassemble: `[`}[x.route.backend]
	if opening == "" {
		opening = `{"data":[`
	}
	x.header(answer{status: http.StatusOK, contentType: jsonType}, -1)
	_, err := x.w.Write([]byte(opening))
	element := []byte(`{"id":"00000000-0000-4000-8000-000000000000","name":"another one"},`)
	var chunk []byte
	for len(chunk) < 64<<10 {
		chunk = append(chunk, element...)
	}
	for sent := 0; sent < hugeBody && err == nil; sent += len(chunk) {
		_, err = x.w.Write(chunk)
	}
}

func (x *exchange) flush() {
	if err := http.NewResponseController(x.w).Flush(); errors.Is(err, http.ErrNotSupported) {
		return
	}
}

// object reads a request body that has to be a JSON object; an empty one counts as {}.
func (x *exchange) object(into any) error {
	body := bytes.TrimSpace(x.body)
	if len(body) == 0 {
		return nil
	}
	if body[0] != '{' {
		return errors.New("the body is not an object")
	}
	return json.Unmarshal(body, into)
}
