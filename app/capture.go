package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/auth"
	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/capture"
	"github.com/learngraph/learngraph/config"
	"github.com/learngraph/learngraph/gateway"
	"github.com/learngraph/learngraph/gateway/middleware"
	"github.com/learngraph/learngraph/gateway/requestlog"
	"github.com/learngraph/learngraph/graph"
	"github.com/learngraph/learngraph/graph/model"
	"github.com/learngraph/learngraph/inflight"
	"github.com/learngraph/learngraph/live"
	"github.com/learngraph/learngraph/resolvers"
	"github.com/learngraph/learngraph/syntax"
	"github.com/learngraph/learngraph/upstream/thoughtindustries"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator"
)

// headerCapture asks for a capture with the value 1, and names the file in the answer.
const headerCapture = "X-Learngraph-Capture"

// The folder of captures is bounded: a capture is read soon after it was made.
const (
	maxCaptures     = 1000
	maxCaptureBytes = 1 << 30
)

// captureCacheDivisor is the part of the cache's memory that the cache of a captured operation takes while it runs.
const captureCacheDivisor = 8

// capturer captures operations into a folder. A captured operation has a cache of its own, so that every fact that it
// uses is in the file: it runs as on a server that was just started, one resolver after the other, and within the same
// budgets. The answer is sent after the capture was replayed; the replay shows whether the file holds everything that
// the answer depends on.
type capturer struct {
	*Server
	backendRoutes *capture.Routes

	// running is held by the one capture that runs: each has a whole cache and a second program for its replay.
	running sync.Mutex

	mu   sync.Mutex
	full bool
}

// withCapture answers requests that ask for a capture apart from all others.
func (s *Server) withCapture(next http.Handler) http.Handler {
	if s.cfg.CaptureDir == "" {
		return next
	}
	schema := s.credentials.generation().gateway.Schema.Schema()
	c := &capturer{Server: s, backendRoutes: capture.NewRoutes(mattrPrefix(s.cfg),
		thoughtindustries.Shapes{Client: model.Shapes.Client, Aggregation: model.Shapes.Aggregation},
		capture.UnmaskedMembers(schema))}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, asked := c.requestedBy(r)
		if !asked || !c.hasCapacity(r.Context()) {
			next.ServeHTTP(w, r)
			return
		}
		if !c.running.TryLock() {
			middleware.RefuseBusy(w, r, "another operation is being captured")
			return
		}
		defer c.running.Unlock()
		c.serve(w, r, who)
	})
}

func mattrPrefix(cfg *config.Config) string {
	if p := strings.Trim(cfg.MATTRPathPrefix, "/"); p != "" {
		return "/" + p
	}
	return ""
}

// requestedBy reports whether a request asks for a capture and its caller may see how answers are made.
func (c *capturer) requestedBy(r *http.Request) (*auth.Caller, bool) {
	if r.Header.Get(headerCapture) != "1" || r.Method != http.MethodPost && r.Method != http.MethodGet {
		return nil, false
	}
	who := auth.AllowAll
	if c.callers.authenticate != nil {
		var err error
		if who, err = c.callers.authenticate(r); err != nil {
			return nil, false
		}
	}
	return who, who.Has(auth.Explain)
}

// hasCapacity reports whether the folder takes one more file, and logs once that it does not.
func (c *capturer) hasCapacity(ctx context.Context) bool {
	entries, err := os.ReadDir(c.cfg.CaptureDir)
	bytes := int64(0)
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			bytes += info.Size()
		}
	}
	full := err != nil || len(entries) >= maxCaptures || bytes >= maxCaptureBytes
	c.mu.Lock()
	defer c.mu.Unlock()
	if full && !c.full {
		c.log.WarnContext(ctx, "no more operations are captured: CAPTURE_DIR is full or cannot be read",
			"files", len(entries), "bytes", bytes)
	}
	c.full = full
	return !full
}

// serve answers a request and keeps its operation. A failure of the capture is logged, and changes no answer.
func (c *capturer) serve(w http.ResponseWriter, r *http.Request, who *auth.Caller) {
	recorded := c.Inflight.Hold()
	defer recorded.Free()
	x := &captured{Recording: capture.NewRecording(recorded.Grow), who: who, header: r.Header}
	// The answer is compared uncompressed and complete, so these headers are dropped.
	r = r.Clone(capture.NewContext(r.Context(), x.Recording))
	r.Header.Del("Accept-Encoding")
	r.Header.Del("If-None-Match")
	answer := &bufferedWriter{to: w, header: w.Header(), status: http.StatusOK, held: c.Inflight.Hold()}
	defer answer.held.Free()
	if err := c.execute(answer, r, x); err != nil {
		c.reportFailure(r.Context(), err)
		http.Error(w, "the operation could not be started", http.StatusInternalServerError)
		return
	}
	name, err := c.save(r.Context(), x, answer)
	if err != nil {
		c.reportFailure(r.Context(), err)
	} else {
		w.Header().Set(headerCapture, name)
	}
	_ = answer.release()
}

func (c *capturer) reportFailure(ctx context.Context, err error) {
	c.log.WarnContext(ctx, "an operation is not captured", "requestId", requestlog.ID(ctx), "cause", err.Error())
}

// bufferedWriter holds an answer back while there is room for it.
type bufferedWriter struct {
	to       http.ResponseWriter // where it goes once there is no room; unused where held is nil
	header   http.Header
	status   int
	body     bytes.Buffer
	held     *inflight.Hold
	released bool
}

func (w *bufferedWriter) Header() http.Header    { return w.header }
func (w *bufferedWriter) WriteHeader(status int) { w.status = status }

func (w *bufferedWriter) Write(p []byte) (int, error) {
	if w.released || !w.held.Grow(2*int64(len(p))) { // the buffer doubles
		if err := w.release(); err != nil {
			return 0, err
		}
		return w.to.Write(p)
	}
	return w.body.Write(p)
}

// Flush sends nothing that is held back: an answer in parts is whole before it is sent.
func (w *bufferedWriter) Flush() {
	if w.released {
		_ = http.NewResponseController(w.to).Flush() // the next write reports the error
	}
}

// release sends the buffered response. Later writes are not held back any more.
func (w *bufferedWriter) release() error {
	if w.released {
		return nil
	}
	w.released = true
	w.to.WriteHeader(w.status)
	_, err := w.to.Write(w.body.Bytes())
	return err
}

// captured is one request while it is captured.
type captured struct {
	*capture.Recording
	who    *auth.Caller
	header http.Header

	mu         sync.Mutex
	operations []*graphql.OperationContext
}

// execute runs the request with resolvers that remember nothing.
func (c *capturer) execute(w http.ResponseWriter, r *http.Request, x *captured) error {
	o := c.cfg.Cache
	o.Redis, o.Log, o.Classify = nil, c.log, staleReason
	o.Memory /= captureCacheDivisor
	c.Cache.Reserve(o.Memory)
	defer c.Cache.Reserve(-o.Memory)
	cold, err := cache.New(o)
	if err != nil {
		return err
	}
	defer func() { _ = cold.Close() }() // without Redis there is nothing to fail
	now := c.credentials.generation()
	backends := resolvers.Options{Options: now.root.Options, AllowDeletes: now.root.AllowDeletes,
		Subgraph: now.root.Subgraph}
	backends.Cache, backends.Secondary = cold, now.root.Source
	root := resolvers.New(backends)
	options := now.repeatable(root)
	options.Schema = recordingSchema{options.Schema, x}
	options.Operation = c.operation(root)
	gateway.New(options).ServeHTTP(w, r)
	return nil
}

// repeatable are a generation's options for an operation that is to be done again: nothing is taken from whole answers,
// and no two fields race for who makes a call that serves both.
func (g *generation) repeatable(root *resolvers.Resolver) gateway.Options {
	options := g.gateway
	inOrder := graph.NewEngine(graph.Config{Resolvers: root, Schema: options.Schema.Schema()})
	inOrder.InOrder = true
	options.Schema, options.Answers = inOrder, nil
	options.Memory, options.Reserve = 0, nil // the capture is discarded with its cache
	options.Subscriptions = live.Options{}   // a capture ends
	return options
}

// recordingSchema records which operations are executed.
type recordingSchema struct {
	graphql.ExecutableSchema
	captured *captured
}

func (o recordingSchema) Exec(ctx context.Context) graphql.ResponseHandler {
	o.captured.mu.Lock()
	o.captured.operations = append(o.captured.operations, graphql.GetOperationContext(ctx))
	o.captured.mu.Unlock()
	return o.ExecutableSchema.Exec(ctx)
}

// save writes the file of a capture and returns its name.
func (c *capturer) save(ctx context.Context, x *captured, answer *bufferedWriter) (string, error) {
	if answer.released {
		return "", errors.New("the answer does not fit into the capture")
	}
	if len(x.operations) != 1 {
		return "", errors.New("a capture needs one executed operation; a batch or a refused operation cannot be captured")
	}
	f, err := c.file(x)
	if err != nil {
		return "", err
	}
	tried, err := Replay(context.WithoutCancel(ctx), f)
	if err != nil {
		return "", err
	}
	f.Result = tried.Result
	f.Differs = append(capture.ShapeDifferences(withoutExplain(answer.body.Bytes()), tried.Result.Body),
		routesOf(tried.Missing, "missing ")...)
	f.Differs = append(f.Differs, routesOf(tried.Additional, "additional ")...)
	if tried.Result.Status != answer.status {
		f.Differs = append(f.Differs, "status")
	}
	return c.write(ctx, f)
}

func routesOf(list []capture.Count, prefix string) []string {
	routes := make([]string, len(list))
	for i, c := range list {
		routes[i] = prefix + c.Route
	}
	return routes
}

// withoutExplain removes the explain extension, which differs at each replay.
func withoutExplain(body []byte) json.RawMessage {
	var answer struct {
		Errors     json.RawMessage            `json:"errors,omitempty"`
		Data       json.RawMessage            `json:"data,omitempty"`
		Extensions map[string]json.RawMessage `json:"extensions,omitempty"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return body
	}
	delete(answer.Extensions, "explain")
	text, err := json.Marshal(answer)
	if err != nil {
		return body
	}
	return text
}

// file is everything but the result. The calls are recorded first, because cursors are bound to keys in their answers.
func (c *capturer) file(x *captured) (*capture.File, error) {
	m := capture.NewMasker()
	f := &capture.File{Version: capture.Version, Captured: x.Began().UTC(), Settings: c.settings(m)}
	for _, b := range c.backends {
		f.Backends = append(f.Backends, b.Backend())
	}
	var err error
	if f.Calls, err = x.Calls(m, c.backendRoutes); err != nil {
		return nil, err
	}
	f.Caller = capture.Caller{Scopes: x.who.Scopes, Bound: x.who.Bound}
	for _, client := range x.who.Clients {
		f.Caller.Clients = append(f.Caller.Clients, m.Text(client))
	}
	f.Request, err = c.request(m, x)
	return f, err
}

// replayed are the settings that affect an answer and hold no address or secret.
var replayed = []string{"LINK_CLIENT", "LINK_USER", "LINK_USER_PROVIDER", "MATTR_PATH_PREFIX", "ALLOW_DELETES",
	"INTROSPECTION", "FEDERATION", "OPERATION_TIMEOUT", "OPERATION_CALLS", "OPERATION_BYTES", "UPSTREAM_MAX_BODY",
	"CACHE_TTL", "CACHE_STALE", "CACHE_NEGATIVE", "COALESCE", "MAX_COST", "COST_MODE", "THOUGHTINDUSTRIES_CONCURRENCY",
	"COASSEMBLE_CONCURRENCY", "MATTR_CONCURRENCY"}

func (c *capturer) settings(m *capture.Masker) map[string]string {
	kept := map[string]string{}
	for _, v := range c.cfg.Values {
		if slices.Contains(replayed, v.Name) {
			kept[v.Name] = v.Text
		}
	}
	kept["LINK_USER_PROVIDER"] = m.Text(c.cfg.Link.UserProvider)
	if claim, ok := strings.CutPrefix(c.cfg.Link.User, "claims."); ok {
		kept["LINK_USER"] = "claims." + m.Key(claim)
	}
	return kept
}

// replayedHeaders are those that decide about an answer; directives matches the Cache-Control values that are copied
// into a capture.
var (
	replayedHeaders = []string{"Cache-Control", "X-Learngraph-Timeout"}
	directives      = regexp.MustCompile(`^[a-z0-9 ,=.-]{1,100}$`)
)

func (c *capturer) request(m *capture.Masker, x *captured) (capture.Request, error) {
	oc := x.operations[0]
	schema := c.credentials.generation().gateway.Schema.Schema()
	// The document that was executed is shared with other operations.
	doc, fault := syntax.Parse(oc.RawQuery)
	if fault != nil {
		return capture.Request{}, errors.New("the document could not be parsed again")
	}
	validator.Walk(schema, doc, &validator.Events{}) // it was valid, and needs its definitions alone
	variables, err := toJSONValues(oc.Variables)
	if err != nil {
		return capture.Request{}, err
	}
	lines, masked := capture.NewPseudonyms(m, schema).Request(doc, operationOf(doc, oc), variables)
	out := capture.Request{Document: lines, OperationName: oc.OperationName, Headers: map[string]string{}}
	if len(masked) > 0 {
		if out.Variables, err = json.Marshal(masked); err != nil {
			return capture.Request{}, err
		}
	}
	for _, name := range replayedHeaders {
		if v := x.header.Get(name); directives.MatchString(v) {
			out.Headers[name] = v
		}
	}
	return out, nil
}

func operationOf(doc *ast.QueryDocument, oc *graphql.OperationContext) *ast.OperationDefinition {
	if op := doc.Operations.ForName(oc.OperationName); op != nil {
		return op
	}
	return doc.Operations[0]
}

// toJSONValues are variables as they come out of JSON, with numbers as they are written.
func toJSONValues(variables map[string]any) (map[string]any, error) {
	text, err := json.Marshal(variables)
	if err != nil {
		return nil, errors.New("the variables are not JSON")
	}
	out := map[string]any{}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	return out, dec.Decode(&out)
}

const captureTime = "20060102T150405.000Z"

// write creates the file, readable by the program's user only.
func (c *capturer) write(ctx context.Context, f *capture.File) (string, error) {
	var text bytes.Buffer
	if err := f.Write(&text); err != nil || text.Len() > capture.MaxSize {
		return "", errors.New("the capture is larger than a file may be")
	}
	name := f.Captured.Format(captureTime) + "-" + requestlog.ID(ctx) + ".json"
	path := filepath.Join(c.cfg.CaptureDir, name)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", errors.New("no file can be created in CAPTURE_DIR")
	}
	_, err = io.Copy(file, &text)
	if err = errors.Join(err, file.Close()); err != nil {
		return "", errors.Join(errors.New("the file in CAPTURE_DIR cannot be written"), os.Remove(path))
	}
	return name, nil
}
