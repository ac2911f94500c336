// Package httpapi is GraphQL over HTTP: it reads the operations of a request and writes results and errors in the media
// type and content coding that were negotiated.
package httpapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/engine"
	"github.com/learngraph/learngraph/gateway/gqlerrors"
	"github.com/learngraph/learngraph/gateway/limits"
	"github.com/learngraph/learngraph/gateway/representation"
	"github.com/learngraph/learngraph/gateway/strictjson"
	"github.com/learngraph/learngraph/inflight"
)

// Error is a request that is not a GraphQL request at all, or not one that this path takes.
type Error struct {
	Status  int
	Code    string
	Message string
	Limit   *gqlerrors.Limit
	// RetryAfter is in seconds, 0 where waiting does not help.
	RetryAfter int
	// Allow are the methods that would be right, for 405.
	Allow string
	// AcceptEncoding are the content codings that a body may have, for 415.
	AcceptEncoding string
	// challenge asks for credentials, for 401.
	challenge bool
	// operations is the number of operations of a refused batch, 0 for any other request. The answer repeats the error for
	// each of them, since clients match answers with operations by their place.
	operations int
}

// BadRequest returns the error of a malformed request.
func BadRequest(format string, args ...any) *Error {
	return &Error{Status: http.StatusBadRequest, Code: gqlerrors.CodeBadRequest, Message: fmt.Sprintf(format, args...)}
}

// Request is one operation that a caller asks for.
type Request struct {
	graphql.RawParams
	// DocumentID names a document that the server knows, in place of its text.
	DocumentID string
	// TrustedID is the id where it names a document of the manifest.
	TrustedID string
	// Digest identifies the HTTP request that the operation is all of; zero where it is one of a batch.
	Digest [sha256.Size]byte
	// OnError is the requested treatment of the fields around one that failed; empty is the default.
	OnError string
	// FixedOnError is that of a trusted document, which goes before the caller's.
	FixedOnError string
	// VariablesSize is that of the variables as they were sent, in bytes.
	VariablesSize int
	// Timeout bounds the execution of a query or mutation.
	Timeout time.Duration
}

// PersistedQuery is the extension of Apollo's protocol: the hash of a document that the server may know.
type PersistedQuery struct{ Hash string }

const persistedVersion = 1

// Persisted reads the extension; nil where the request has none.
func (req *Request) Persisted() (*PersistedQuery, *Error) {
	raw, ok := req.Extensions["persistedQuery"]
	if !ok || raw == nil {
		return nil, nil
	}
	fields, _ := raw.(map[string]any)
	hash, _ := fields["sha256Hash"].(string)
	version, ok := fields["version"]
	n, _ := version.(json.Number)
	if v, err := n.Float64(); ok && (err != nil || v != persistedVersion) {
		return nil, BadRequest("extensions.persistedQuery.version must be 1")
	}
	if hash == "" {
		return nil, BadRequest("extensions.persistedQuery.sha256Hash must be the document's SHA-256 in hexadecimal")
	}
	return &PersistedQuery{hash}, nil
}

// Requests are the operations of one HTTP request: one, or a batch of them.
type Requests struct {
	List  []*Request
	Batch bool
}

// Raw is the part of an HTTP request that holds the parameters, as it came: one of the two.
type Raw struct {
	query string
	Body  []byte
}

// Digest identifies requests; a query string is no body.
func (r Raw) Digest() [sha256.Size]byte {
	if r.Body == nil {
		return sha256.Sum256([]byte("?" + r.query))
	}
	return sha256.Sum256(r.Body)
}

// Read returns the part of an HTTP request that Parse reads. Its error describes the mistake and repeats none of it.
func Read(x *ResponseWriter, r *http.Request, bounds limits.Limits) (Raw, *Error) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return Raw{query: r.URL.RawQuery}, nil
	}
	if err := checkContentType(r.Header); err != nil {
		return Raw{}, err
	}
	body, err := readBody(x, r, bounds)
	return Raw{Body: body}, err
}

// Parse reads the parameters of GraphQL requests, where there is room for them.
func Parse(x *ResponseWriter, r Raw, batchLimit int) (*Requests, *Error) {
	if !x.holdDecoded(r) {
		return nil, Overloaded(x.Load)
	}
	if r.Body == nil {
		return one(readQuery(r.query))
	}
	return parseBody(r.Body, batchLimit)
}

func one(req *Request, fault *Error) (*Requests, *Error) {
	return &Requests{List: []*Request{req}}, fault
}

func checkContentType(h http.Header) *Error {
	value := strings.Join(h["Content-Type"], ",")
	media, params, err := value, map[string]string(nil), error(nil)
	if value != representation.MediaJSON { // which almost all send, and which needs no parsing
		media, params, err = mime.ParseMediaType(value)
	}
	charset, named := params["charset"]
	if err != nil || media != representation.MediaJSON || named && !representation.IsUTF8(charset) {
		return &Error{Status: http.StatusUnsupportedMediaType, Code: gqlerrors.CodeBadRequest,
			Message: "the Content-Type must be application/json in UTF-8"}
	}
	if coding := strings.Join(h["Content-Encoding"], ","); coding != "" && !strings.EqualFold(coding, "identity") {
		return &Error{Status: http.StatusUnsupportedMediaType, Code: gqlerrors.CodeBadRequest, AcceptEncoding: "identity",
			Message: "the body must have no Content-Encoding"}
	}
	return nil
}

// readBody reads a body within its bounds of size and time. The time is that of the whole upload: a body that comes a
// byte at a time must not hold a connection.
func readBody(x *ResponseWriter, r *http.Request, limits limits.Limits) ([]byte, *Error) {
	start := time.Now()
	if limits.Upload > 0 {
		// A writer without a connection behind it has no deadline to set, and no slow body either. The deadline ends with
		// the body: net/http clears it before it watches the connection. Of a body that is refused net/http reads on
		// before it answers, within the deadline.
		_ = http.NewResponseController(x.w).SetReadDeadline(start.Add(limits.Upload))
	}
	data, err := readAll(x, r, limits.Body)
	switch {
	case errors.Is(err, ErrOverMemory):
		x.w.Header().Set("Connection", "close") // the rest of the body is not read
		return nil, Overloaded(x.Load)
	case int64(len(data)) > limits.Body:
		return nil, OverLimit(http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", limits.Body),
			gqlerrors.Limit{Name: "body", Reached: max(r.ContentLength, int64(len(data))), Allowed: limits.Body})
	case err == nil:
		return data, nil
	case isTimeout(err):
		return nil, OverLimit(http.StatusRequestTimeout, fmt.Sprintf("the body took longer than %s", limits.Upload),
			gqlerrors.Limit{Name: "uploadMs", Reached: time.Since(start).Milliseconds(), Allowed: limits.Upload.Milliseconds()})
	}
	return nil, BadRequest("the body could not be read to its end")
}

// readAll reads a body to its end, or until it is longer than most. A short one gets its memory at once; the memory of
// a longer one is counted as it arrives.
func readAll(x *ResponseWriter, r *http.Request, most int64) ([]byte, error) {
	size := min(most+1, inflight.Small)
	if n := r.ContentLength; n > 0 && n <= min(most, inflight.Small) {
		data := make([]byte, n)
		read, err := io.ReadFull(r.Body, data)
		return data[:read], err
	}
	data := make([]byte, 0, size)
	for {
		n, err := r.Body.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		switch {
		case err == io.EOF:
			return data, nil
		case err != nil || int64(len(data)) > most:
			return data, err
		case len(data) < cap(data):
			continue
		}
		larger := min(2*int64(cap(data)), most+1)
		if !x.hold(int(larger), false) {
			return nil, ErrOverMemory
		}
		data = append(make([]byte, 0, larger), data...)
	}
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// OverLimit returns the error of a bound on a request that was passed.
func OverLimit(status int, message string, l gqlerrors.Limit) *Error {
	return &Error{Status: status, Code: gqlerrors.CodeLimitExceeded, Message: message, Limit: &l}
}

func parseBody(data []byte, batchLimit int) (*Requests, *Error) {
	data = bytes.TrimPrefix(data, strictjson.ByteOrderMark)
	if !utf8.Valid(data) {
		return nil, BadRequest("the body is not UTF-8")
	}
	if start := bytes.TrimLeft(data, " \t\r\n"); len(start) > 0 && start[0] == '[' && batchLimit > 0 {
		return parseBatch(data, batchLimit)
	}
	return one(parseObject(data))
}

// longestRefusal bounds the errors that a batch of too many operations gets.
const longestRefusal = 1000

// parseBatch reads an array of operations. One that is malformed refuses them all: they came as one request.
func parseBatch(data []byte, limitOfBatch int) (*Requests, *Error) {
	var items []json.RawMessage
	if err := strictjson.Unmarshal(data, &items); err != nil {
		return nil, BadRequest("the body must be one JSON array of requests")
	}
	if len(items) == 0 {
		return nil, BadRequest("the batch is empty")
	}
	if len(items) > limitOfBatch {
		fault := OverLimit(http.StatusBadRequest, fmt.Sprintf("the batch has more than %d operations", limitOfBatch),
			gqlerrors.Limit{Name: "batch", Reached: int64(len(items)), Allowed: int64(limitOfBatch)})
		fault.operations = min(len(items), longestRefusal)
		return nil, fault
	}
	all := &Requests{Batch: true, List: make([]*Request, len(items))}
	for i, item := range items {
		req, fault := parseObject(item)
		if fault != nil {
			return nil, BadRequest("operation %d of the batch: %s", i, fault.Message)
		}
		all.List[i] = req
	}
	return all, nil
}

func parseObject(data []byte) (*Request, *Error) {
	members, err := strictjson.ReadMembers(data)
	if err != nil {
		return nil, BadRequest("the body must be one JSON object with distinct members: %v", err)
	}
	return parseParams(members.Get)
}

func readQuery(rawQuery string) (*Request, *Error) {
	values, err := url.ParseQuery(rawQuery)
	if err != nil {
		return nil, BadRequest("the query string is malformed")
	}
	for _, texts := range values {
		if slices.ContainsFunc(texts, func(text string) bool { return !utf8.ValidString(text) }) {
			return nil, BadRequest("the query string is not UTF-8")
		}
	}
	for _, name := range []string{"query", "documentId", "operationName", "variables", "extensions", "onError"} {
		if len(values[name]) > 1 {
			return nil, BadRequest("the query string has %s more than once", name)
		}
	}
	return parseParams(func(name string) json.RawMessage {
		text := values.Get(name)
		if text == "" { // like a parameter that is not given (GraphQL over HTTP, "GET")
			return nil
		}
		switch name {
		case "query", "documentId", "operationName", "onError":
			quoted, _ := json.Marshal(text)
			return quoted
		}
		return json.RawMessage(text)
	})
}

// parseParams reads the parameters. A member that the specification does not name is left alone.
func parseParams(member func(name string) json.RawMessage) (*Request, *Error) {
	req := &Request{VariablesSize: len(member("variables"))}
	for _, p := range []struct {
		name, want string
		target     any
	}{
		{"query", "a string or null", &req.Query},
		{"documentId", "a string or null", &req.DocumentID},
		{"operationName", "a string or null", &req.OperationName},
		{"variables", "an object or null", &req.Variables},
		{"extensions", "an object or null", &req.Extensions},
		{"onError", "PROPAGATE, NULL or ABORT", &req.OnError},
	} {
		raw := member(p.name)
		if raw == nil || strictjson.IsNull(raw) {
			continue
		}
		if strictjson.Unmarshal(raw, p.target) != nil {
			return nil, BadRequest("%s must be %s", p.name, p.want)
		}
		if strictjson.HasLoneSurrogate(raw) {
			return nil, BadRequest("%s has an escape sequence with half of a surrogate pair", p.name)
		}
		if strings.HasPrefix(p.want, "an object") && strictjson.HasDuplicateMember(raw) {
			return nil, BadRequest("%s has a member more than once", p.name)
		}
	}
	given := member("onError")
	if _, ok := engine.ParseOnError(req.OnError); !ok || req.OnError == "" && given != nil && !strictjson.IsNull(given) {
		return nil, BadRequest("onError must be PROPAGATE, NULL or ABORT")
	}
	if req.Query == "" && req.DocumentID == "" && req.Extensions["persistedQuery"] == nil {
		return nil, BadRequest("query is missing: send the text of a GraphQL document")
	}
	return req, nil
}
