package gateway

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
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/inflight"
)

// requestError is a request that is not a GraphQL request at all, or not one that this path takes.
type requestError struct {
	status  int
	code    string
	message string
	limit   *limit
	// retryAfter is in seconds, 0 where waiting does not help.
	retryAfter int
	// allow are the methods that would be right, for 405.
	allow string
	// codings are the content codings that a body may have, for 415.
	codings string
	// challenge asks for credentials, for 401.
	challenge bool
}

func badRequest(format string, args ...any) *requestError {
	return &requestError{status: http.StatusBadRequest, code: codeBadRequest, message: fmt.Sprintf(format, args...)}
}

// request is one operation that a caller asks for.
type request struct {
	graphql.RawParams
	// documentID names a document that the server knows, in place of its text.
	documentID string
	// trusted is the id where it names a document of the manifest.
	trusted string
	// raw is what the operation was read from; nothing where it is one of a batch.
	raw raw
	sum [sha256.Size]byte // of raw
	// onError is what the caller wants of the fields around one that failed; empty is the default.
	onError string
	// fixedOnError is that of a trusted document, which goes before the caller's.
	fixedOnError string
	// parts sends the answer in parts; nil where the caller wants it whole.
	parts *parts
	// variablesSize is that of the variables as they were sent, in bytes.
	variablesSize int
}

// requests are what one HTTP request holds: one operation, or a batch of them.
type requests struct {
	list  []*request
	batch bool
}

// raw is the part of an HTTP request that holds the parameters, as it came: one of the two.
type raw struct {
	query string
	body  []byte
}

func (r raw) empty() bool { return r.body == nil && r.query == "" }

// sum tells requests apart; a query string is no body.
func (r raw) sum() [sha256.Size]byte {
	if r.body == nil {
		return sha256.Sum256([]byte("?" + r.query))
	}
	return sha256.Sum256(r.body)
}

// readRaw takes out of an HTTP request what readRequests reads; what is wrong with it is named without repeating any of it.
func (g *Gateway) readRaw(x *exchange, r *http.Request) (raw, *requestError) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return raw{query: r.URL.RawQuery}, nil
	}
	if err := checkContentType(r.Header); err != nil {
		return raw{}, err
	}
	body, err := readBody(x, r, g.opts.Limits)
	return raw{body: body}, err
}

// readRequests reads the parameters of GraphQL requests.
func (g *Gateway) readRequests(r raw) (*requests, *requestError) {
	if r.body == nil {
		return one(readQuery(r.query))
	}
	return parseBody(r.body, g.opts.BatchLimit)
}

func one(req *request, fault *requestError) (*requests, *requestError) {
	return &requests{list: []*request{req}}, fault
}

func checkContentType(h http.Header) *requestError {
	value := strings.Join(h["Content-Type"], ",")
	media, params, err := value, map[string]string(nil), error(nil)
	if value != mediaJSON { // which almost all send, and which needs no parsing
		media, params, err = mime.ParseMediaType(value)
	}
	charset, named := params["charset"]
	if err != nil || media != mediaJSON || named && !isUTF8(charset) {
		return &requestError{status: http.StatusUnsupportedMediaType, code: codeBadRequest,
			message: "the Content-Type must be application/json in UTF-8"}
	}
	if coding := strings.Join(h["Content-Encoding"], ","); coding != "" && !strings.EqualFold(coding, "identity") {
		return &requestError{status: http.StatusUnsupportedMediaType, code: codeBadRequest, codings: "identity",
			message: "the body must come without a Content-Encoding"}
	}
	return nil
}

// readBody reads a body within its bounds of size and time. The time is that of the whole upload: a body that comes a
// byte at a time must not hold a connection.
func readBody(x *exchange, r *http.Request, limits Limits) ([]byte, *requestError) {
	control, start := http.NewResponseController(x.w), time.Now()
	if limits.Upload > 0 {
		// A writer without a connection behind it has no deadline to set, and no slow body either.
		_ = control.SetReadDeadline(start.Add(limits.Upload))
	}
	data, err := readAll(x, r, limits.Body)
	if limits.Upload > 0 && err == nil && int64(len(data)) <= limits.Body {
		// Of a body that is refused the server reads on before it answers. There the deadline stays.
		_ = control.SetReadDeadline(time.Time{})
	}
	switch {
	case errors.Is(err, errNoRoom):
		x.w.Header().Set("Connection", "close") // the rest of the body is not read
		return nil, overloaded(x.load)
	case int64(len(data)) > limits.Body:
		return nil, overLimit(http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", limits.Body),
			limit{"body", max(r.ContentLength, int64(len(data))), limits.Body})
	case err == nil:
		return data, nil
	case isTimeout(err):
		return nil, overLimit(http.StatusRequestTimeout, fmt.Sprintf("the body took longer than %s", limits.Upload),
			limit{"uploadMs", time.Since(start).Milliseconds(), limits.Upload.Milliseconds()})
	}
	return nil, badRequest("the body could not be read to its end")
}

// readAll reads a body to its end, or until it is longer than most. A short one gets its memory before it has come; what a
// longer one takes is counted as it comes.
func readAll(x *exchange, r *http.Request, most int64) ([]byte, error) {
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
			return nil, errNoRoom
		}
		data = append(make([]byte, 0, larger), data...)
	}
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

func overLimit(status int, message string, l limit) *requestError {
	return &requestError{status: status, code: codeLimitExceeded, message: message, limit: &l}
}

// byteOrderMark may stand before a JSON text that some editors and clients write.
var byteOrderMark = []byte("\xef\xbb\xbf")

func parseBody(data []byte, batchLimit int) (*requests, *requestError) {
	data = bytes.TrimPrefix(data, byteOrderMark)
	if !utf8.Valid(data) {
		return nil, badRequest("the body is not UTF-8")
	}
	if start := bytes.TrimLeft(data, " \t\r\n"); len(start) > 0 && start[0] == '[' && batchLimit > 0 {
		return parseBatch(data, batchLimit)
	}
	return one(parseObject(data))
}

// longestRefusal bounds the errors that a batch of too many operations gets.
const longestRefusal = 1000

// parseBatch reads an array of operations. One that is malformed refuses them all: they came as one request. A batch of too
// many comes back as that many places for the error.
func parseBatch(data []byte, limitOfBatch int) (*requests, *requestError) {
	var items []json.RawMessage
	if err := decode(data, &items); err != nil {
		return nil, badRequest("the body must be one JSON array of requests")
	}
	if len(items) == 0 {
		return nil, badRequest("the batch is empty")
	}
	if len(items) > limitOfBatch {
		return &requests{batch: true, list: make([]*request, min(len(items), longestRefusal))},
			overLimit(http.StatusBadRequest, fmt.Sprintf("the batch has more than %d operations", limitOfBatch),
				limit{"batch", int64(len(items)), int64(limitOfBatch)})
	}
	all := &requests{batch: true, list: make([]*request, len(items))}
	for i, item := range items {
		req, fault := parseObject(item)
		if fault != nil {
			return nil, badRequest("operation %d of the batch: %s", i, fault.message)
		}
		all.list[i] = req
	}
	return all, nil
}

func parseObject(data []byte) (*request, *requestError) {
	members, err := objectMembers(data)
	if err != nil {
		return nil, badRequest("the body must be one JSON object with distinct members: %v", err)
	}
	return parseParams(members.get)
}

func readQuery(rawQuery string) (*request, *requestError) {
	values, err := url.ParseQuery(rawQuery)
	if err != nil {
		return nil, badRequest("the query string is malformed")
	}
	for _, texts := range values {
		if slices.ContainsFunc(texts, func(text string) bool { return !utf8.ValidString(text) }) {
			return nil, badRequest("the query string is not UTF-8")
		}
	}
	for _, name := range []string{"query", "documentId", "operationName", "variables", "extensions", "onError"} {
		if len(values[name]) > 1 {
			return nil, badRequest("the query string has %s more than once", name)
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
func parseParams(member func(name string) json.RawMessage) (*request, *requestError) {
	req := &request{variablesSize: len(member("variables"))}
	for _, p := range []struct {
		name, want string
		target     any
	}{
		{"query", "a string or null", &req.Query},
		{"documentId", "a string or null", &req.documentID},
		{"operationName", "a string or null", &req.OperationName},
		{"variables", "an object or null", &req.Variables},
		{"extensions", "an object or null", &req.Extensions},
		{"onError", "PROPAGATE, NULL or ABORT", &req.onError},
	} {
		raw := member(p.name)
		if raw == nil || isNull(raw) {
			continue
		}
		if decode(raw, p.target) != nil {
			return nil, badRequest("%s must be %s", p.name, p.want)
		}
		if hasHalfCharacter(raw) {
			return nil, badRequest("%s has an escape sequence of half a character", p.name)
		}
		if strings.HasPrefix(p.want, "an object") && hasTwice(raw) {
			return nil, badRequest("%s has a member more than once", p.name)
		}
	}
	if _, ok := errorBehaviors[req.onError]; !ok {
		return nil, badRequest("onError must be PROPAGATE, NULL or ABORT")
	}
	if req.Query == "" && req.documentID == "" && req.Extensions["persistedQuery"] == nil {
		return nil, badRequest("query is missing: send the text of a GraphQL document")
	}
	return req, nil
}

func isNull(raw json.RawMessage) bool { return string(bytes.TrimSpace(raw)) == "null" }

// hasHalfCharacter reports whether a well-formed JSON text has the escape sequence of a lone surrogate, which the decoder would
// replace by another character.
func hasHalfCharacter(raw []byte) bool {
	for i := 0; ; i += len(`\u`) {
		n := bytes.IndexByte(raw[i:], '\\')
		if n < 0 {
			return false
		}
		i += n
		unit, ok := utf16Unit(raw[i:])
		if !ok || !utf16.IsSurrogate(unit) {
			continue
		}
		low, ok := utf16Unit(raw[i+unitSize:])
		if !ok || utf16.DecodeRune(unit, low) == utf8.RuneError {
			return true
		}
		i += unitSize
	}
}

const unitSize = len(`\u0000`)

// utf16Unit reads the escape sequence that a text begins with.
func utf16Unit(raw []byte) (rune, bool) {
	if len(raw) < unitSize || raw[1] != 'u' || raw[0] != '\\' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(raw[len(`\u`):unitSize]), 16, 16)
	return rune(n), err == nil
}

// decode keeps numbers as they are written: a 64-bit id in variables must not lose digits.
func decode(raw json.RawMessage, target any) error {
	if _, ok := target.(*string); ok {
		return json.Unmarshal(raw, target)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(target); err != nil {
		return err
	}
	if dec.More() {
		return errTrailing
	}
	_, err := dec.Token()
	if err != io.EOF {
		return errTrailing
	}
	return nil
}

var errTrailing = errors.New("something follows after its end")

// hasTwice says whether an object in a JSON text that is well-formed has a member twice. It reads bytes: the decoder's
// tokens cost more than decoding the text.
func hasTwice(raw []byte) bool {
	var open []map[string]bool // the names so far of each object around the place
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '{', '[':
			open = append(open, nil)
		case '}', ']':
			open = open[:len(open)-1]
		case '"':
			end := stringEnd(raw, i)
			if isName(raw[end:]) {
				inner := &open[len(open)-1]
				name := nameOf(raw[i:end])
				if (*inner)[name] {
					return true
				}
				if *inner == nil {
					*inner = map[string]bool{}
				}
				(*inner)[name] = true
			}
			i = end - 1
		}
	}
	return false
}

// stringEnd is the place after the JSON string that begins at start.
func stringEnd(raw []byte, start int) int {
	for i := start + 1; i < len(raw); i++ {
		switch raw[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(raw)
}

// isName says whether a string before rest is a member's name.
func isName(rest []byte) bool {
	rest = bytes.TrimLeft(rest, " \t\r\n")
	return len(rest) > 0 && rest[0] == ':'
}

func nameOf(quoted []byte) string {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1])
	}
	var name string
	_ = json.Unmarshal(quoted, &name) // it is well-formed
	return name
}

// members are those of one JSON object.
type members []member

type member struct {
	name string
	raw  json.RawMessage
}

// fewMembers is how many members are looked through one by one.
const fewMembers = 16

// get returns the value of a member, nil if there is none.
func (m members) get(name string) json.RawMessage {
	for i := range m {
		if m[i].name == name {
			return m[i].raw
		}
	}
	return nil
}

// objectMembers reads one JSON object and nothing after it. A repeated member is an error: which of two queries runs
// must not depend on who reads the body.
func objectMembers(data []byte) (members, error) {
	if start := bytes.TrimLeft(data, " \t\r\n"); len(start) == 0 || start[0] != '{' {
		return nil, errors.New("it is not an object")
	}
	if !json.Valid(data) {
		return nil, whyInvalid(data)
	}
	list := make(members, 0, 5)
	var seen map[string]bool // of more members than a request has
	i := bytes.IndexByte(data, '{') + 1
	for {
		i += bytes.IndexAny(data[i:], `"}`)
		if data[i] == '}' {
			return list, nil
		}
		end := stringEnd(data, i)
		name := nameOf(data[i:end])
		value := end + bytes.IndexByte(data[end:], ':') + 1
		i = valueEnd(data, value)
		if seen[name] || seen == nil && list.get(name) != nil {
			return nil, errors.New("a member is repeated")
		}
		list = append(list, member{name, bytes.TrimSpace(data[value:i])})
		if seen != nil {
			seen[name] = true
		} else if len(list) > fewMembers {
			seen = map[string]bool{}
			for _, m := range list {
				seen[m.name] = true
			}
		}
	}
}

// whyInvalid returns what is wrong with a text that begins as an object.
func whyInvalid(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	var object json.RawMessage
	if dec.Decode(&object) == nil {
		return errTrailing
	}
	return errors.New("it is not valid JSON")
}

// valueEnd returns the place after the value that begins at start or after white space, in an object that is well-formed:
// that of the comma or brace which follows.
func valueEnd(data []byte, start int) int {
	depth := 0
	for i := start; ; i++ {
		switch data[i] {
		case '"':
			i = stringEnd(data, i) - 1
		case '{', '[':
			depth++
		case ',':
			if depth == 0 {
				return i
			}
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
		}
	}
}
