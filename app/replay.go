package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/learngraph/learngraph/auth"
	"github.com/learngraph/learngraph/capture"
	"github.com/learngraph/learngraph/config"
	"github.com/learngraph/learngraph/gateway"
	"github.com/learngraph/learngraph/upstream"
)

// ReplayResult is the outcome of running a captured operation again.
type ReplayResult struct {
	Result capture.Result
	// Missing are recorded calls that were not made, Additional calls that are not recorded.
	Missing, Additional []capture.Count
}

// Replay runs a captured operation with the recorded calls in place of the backends, without Redis, budgets and other
// operations.
func Replay(ctx context.Context, f *capture.File) (*ReplayResult, error) {
	cfg, err := config.Load(config.Sources{Getenv: replayEnvironment(f)})
	if err != nil {
		return nil, err
	}
	cfg.Retries = -1
	transport := capture.NewReplayTransport(f)
	s, err := New(cfg, Options{Transport: transport, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	now := s.credentials.generation()
	options := now.repeatable(now.root)
	options.Authenticate = func(*http.Request) (*auth.Caller, error) {
		return &auth.Caller{Name: "replay", Scopes: f.Caller.Scopes, Bound: f.Caller.Bound, Clients: f.Caller.Clients}, nil
	}
	r, err := replayRequest(ctx, f)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	answer := &bufferedWriter{header: http.Header{}, status: http.StatusOK}
	gateway.New(options).ServeHTTP(answer, r)
	out := &ReplayResult{Result: capture.Result{Status: answer.status, Body: bytes.TrimSpace(answer.body.Bytes())},
		Missing: transport.Missing(), Additional: transport.Additional()}
	return out, s.Close()
}

func replayRequest(ctx context.Context, f *capture.File) (*http.Request, error) {
	body, err := json.Marshal(struct {
		Query         string          `json:"query"`
		OperationName string          `json:"operationName,omitempty"`
		Variables     json.RawMessage `json:"variables,omitempty"`
	}{strings.Join(f.Request.Document, "\n"), f.Request.OperationName, f.Request.Variables})
	if err != nil {
		return nil, errors.New("the variables are not JSON")
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://localhost/graphql", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	for _, name := range replayedHeaders {
		if v := f.Request.Headers[name]; v != "" {
			r.Header.Set(name, v)
		}
	}
	return r, nil
}

// replayEnvironment is the configuration that a capture names, on backends that are nowhere. No other setting of a file
// is taken: a file must not name files to read or addresses to call.
func replayEnvironment(f *capture.File) func(string) string {
	env := map[string]string{"THOUGHTINDUSTRIES_RATE": "0", "COASSEMBLE_RATE": "0", "MATTR_RATE": "0"}
	for _, name := range replayed {
		env[name] = f.Settings[name]
	}
	at := func(b upstream.Backend) string { return "https://" + capture.Host(b) }
	const nothing = "replay"
	if slices.Contains(f.Backends, upstream.ThoughtIndustries) {
		env["THOUGHTINDUSTRIES_URL"], env["THOUGHTINDUSTRIES_API_KEY"] = at(upstream.ThoughtIndustries), nothing
	}
	if slices.Contains(f.Backends, upstream.Coassemble) {
		env["COASSEMBLE_URL"], env["COASSEMBLE_AUTHORIZATION"] = at(upstream.Coassemble), nothing
	}
	if slices.Contains(f.Backends, upstream.MATTR) {
		env["MATTR_URL"], env["MATTR_TOKEN"] = at(upstream.MATTR), nothing
	}
	return func(name string) string { return env[name] }
}
