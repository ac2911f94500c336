// Package capture holds one operation in a file: the request, each backend call with its answer, and the result, all
// without a credential and with pseudonyms in place of personal values. A Recording gathers the calls of an operation,
// a Masker replaces values, and a ReplayTransport answers the same calls again. It knows the backends' routes, and
// nothing of GraphQL: the caller interprets documents and opaque ids.
package capture

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/learngraph/learngraph/upstream"
)

// Version is that of the format. A file of another version is refused.
const Version = 1

// MaxSize bounds a file, in bytes.
const MaxSize = 64 << 20

// File is a captured operation.
type File struct {
	Version  int       `json:"version"`
	Captured time.Time `json:"captured"`
	// Differs is empty where an immediate replay had the same result with the same calls. Else it names where it did not:
	// results that depend on time, on a budget or on other operations cannot be replayed.
	Differs []string `json:"differs,omitempty"`
	// Settings are those that decide about an answer, by name; Backends those that were configured.
	Settings map[string]string  `json:"settings"`
	Backends []upstream.Backend `json:"backends"`
	Caller   Caller             `json:"caller"`
	Request  Request            `json:"request"`
	// Calls are the exchanges in the order in which they began.
	Calls  []Call `json:"calls"`
	Result Result `json:"result"`
}

// Caller is the caller's permissions.
type Caller struct {
	Scopes  []string `json:"scopes"`
	Bound   bool     `json:"bound,omitempty"`
	Clients []string `json:"clients,omitempty"`
}

// Request is the operation.
type Request struct {
	// Document is the text by lines.
	Document      []string        `json:"document"`
	OperationName string          `json:"operationName,omitempty"`
	Variables     json.RawMessage `json:"variables,omitempty"`
	// Headers are those that decide about the answer.
	Headers map[string]string `json:"headers,omitempty"`
}

// Call is one exchange with a backend.
type Call struct {
	Backend upstream.Backend `json:"backend"`
	Method  string           `json:"method"`
	// Route is the template of the path, Path the path below the backend's base, escaped.
	Route string `json:"route"`
	Path  string `json:"path"`
	Query string `json:"query,omitempty"`
	// Body is the request's, absent where it has none.
	Body json.RawMessage `json:"body,omitempty"`
	// Retry is how often the same call was sent before and failed.
	Retry int `json:"retry,omitempty"`
	// StartMs counts from the operation's start.
	StartMs    int64 `json:"startMs"`
	DurationMs int64 `json:"durationMs"`
	// Status is 0 where no whole answer came.
	Status  int               `json:"status,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
	// Answer is the pruned body, absent where it was empty or no JSON.
	Answer json.RawMessage `json:"answer,omitempty"`
	// NoJSON describes a body that was not JSON: "markup" or "malformed".
	NoJSON string `json:"noJson,omitempty"`
	// Failure is why no complete answer came: "timeout", "deadline", "canceled", "unavailable" or "contract". Unsent means
	// that the request never left.
	Failure string `json:"failure,omitempty"`
	Unsent  bool   `json:"unsent,omitempty"`
}

// Result is the answer to the operation.
type Result struct {
	Status int             `json:"status"`
	Body   json.RawMessage `json:"body"`
}

// failures are the ways in which no whole answer comes.
var failures = map[string]upstream.Kind{
	"timeout": upstream.Timeout, "deadline": upstream.Deadline, "canceled": upstream.Canceled,
	"unavailable": upstream.Unavailable, "contract": upstream.Contract,
}

// replacements for bodies that are no JSON.
var placeholders = map[string]string{"": "", "markup": "<", "malformed": "{"}

// Write writes the file as indented JSON.
func (f *File) Write(w io.Writer) error { return writeIndented(w, f) }

func writeIndented(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	return enc.Encode(v)
}

// Read reads a file that Write made and checks it. The error names the member that is wrong, and repeats no value.
func Read(r io.Reader) (*File, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	switch {
	case err != nil:
		return nil, errors.New("cannot be read")
	case len(data) > MaxSize:
		return nil, errors.New("is larger than a capture can be")
	}
	var head struct{ Version int }
	if json.Unmarshal(data, &head) != nil {
		return nil, errors.New("is not a capture")
	}
	if head.Version != Version {
		return nil, fmt.Errorf("is a capture of version %d, and this program reads version %d", head.Version, Version)
	}
	f := &File{}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if dec.Decode(f) != nil || dec.More() {
		return nil, errors.New("is not a capture of this version: a member has a wrong kind or is unknown")
	}
	return f, f.check()
}

var (
	methods     = []string{"GET", "POST", "PUT", "DELETE"}
	pathPattern = regexp.MustCompile(`^(/[A-Za-z0-9._~%-]+)+$`)
)

func (f *File) check() error {
	unknown := func(b upstream.Backend) bool { return !slices.Contains(upstream.Backends, b) }
	switch {
	case slices.ContainsFunc(f.Backends, unknown):
		return errors.New("backends: has an unknown backend")
	case len(f.Backends) == 0:
		return errors.New("backends: must not be empty")
	case len(f.Request.Document) == 0:
		return errors.New("request.document: must not be empty")
	}
	for i, c := range f.Calls {
		if err := c.check(f.Backends); err != nil {
			return fmt.Errorf("calls[%d].%w", i, err)
		}
	}
	return nil
}

func (c *Call) check(backends []upstream.Backend) error {
	_, isFailure := failures[c.Failure]
	_, isStand := placeholders[c.NoJSON]
	switch {
	case !slices.Contains(backends, c.Backend):
		return errors.New("backend: must be one of backends")
	case !slices.Contains(methods, c.Method):
		return errors.New("method: must be GET, POST, PUT or DELETE")
	case !pathPattern.MatchString(c.Path):
		return errors.New("path: must be an escaped path")
	case c.Failure != "" && !isFailure:
		return errors.New("failure: is unknown")
	case c.Failure == "" && (c.Status < 100 || c.Status > 599):
		return errors.New("status: must be an HTTP status, unless there is a failure")
	case !isStand:
		return errors.New("noJson: is unknown")
	}
	return nil
}

// text is the call's answer as the backend would send it.
func (c *Call) text() []byte {
	if c.Answer != nil {
		return c.Answer
	}
	return []byte(placeholders[c.NoJSON])
}

// key identifies a call.
func (c *Call) key() string {
	return string(c.Backend) + " " + c.Method + " " + c.Path + "?" + c.Query + " " + canonical(c.Body)
}

// canonical is a JSON text with its members in order and its numbers by value, so that two of one meaning are equal: a
// pseudonym such as 0.10 is sent as 0.1 when it is replayed.
func canonical(body []byte) string {
	if len(body) == 0 {
		return ""
	}
	v, err := decode(body)
	if err != nil {
		return string(body)
	}
	return string(encode(byValue(v)))
}

// byValue writes the numbers with a fraction or an exponent in a decoded JSON value in one form.
func byValue(v any) any {
	switch v := v.(type) {
	case []any:
		for i, e := range v {
			v[i] = byValue(e)
		}
	case map[string]any:
		for name, e := range v {
			v[name] = byValue(e)
		}
	case json.Number:
		if f, err := v.Float64(); err == nil && strings.ContainsAny(v.String(), ".eE") {
			return json.Number(strconv.FormatFloat(f, 'f', -1, 64))
		}
	}
	return v
}

// decode reads one JSON value with its numbers as they are written.
func decode(data []byte) (v any, err error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("something follows")
	}
	return v, nil
}

func encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // decoded values can be encoded
	return bytes.TrimSpace(b.Bytes())
}
