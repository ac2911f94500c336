package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/learngraph/learngraph/auth"
	"github.com/learngraph/learngraph/capture"
	"github.com/learngraph/learngraph/config"
	"github.com/learngraph/learngraph/gateway"
	"github.com/learngraph/learngraph/upstream"
)

// runReplay is the command replay: it runs captured operations again against the backends as they were recorded, and shows
// what differs. It exits with 0 where nothing does, 1 where something does, 2 where it cannot be told what to do.
func runReplay(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("learngraph replay", flag.ContinueOnError)
	flags.SetOutput(stderr)
	asJSON := flags.Bool("json", false, "print JSON")
	har := flags.String("har", "", "write the calls of the one capture to this file, as an HTTP Archive")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage
	case flags.NArg() == 0 || *har != "" && flags.NArg() > 1:
		fmt.Fprintln(stderr, "learngraph: usage: replay [-json] [-har FILE.har] CAPTURE..., with -har for one capture alone")
		return exitUsage
	}
	result, err := replay(ctx, flags.Args(), *har, progressTo(stderr))
	if err != nil {
		fmt.Fprintln(stderr, "learngraph:", err)
		return exitUsage
	}
	return conclude(stdout, *asJSON, result.OK, result)
}

// replayResult is what the command prints.
type replayResult struct {
	OK    bool           `json:"ok"`
	Files []replayedFile `json:"files"`
}

type replayedFile struct {
	File string `json:"file"`
	Same bool   `json:"same"`
	// DifferedAtOnce is what a replay right after the capture did not reproduce.
	DifferedAtOnce []string             `json:"differedAtOnce,omitempty"`
	Differences    []capture.Difference `json:"differences,omitempty"`
	Missing        []capture.Count      `json:"missing,omitempty"`
	Additional     []capture.Count      `json:"additional,omitempty"`
}

func replay(ctx context.Context, names []string, har string, p progress) (*replayResult, error) {
	defer p.end()
	result := &replayResult{OK: true, Files: make([]replayedFile, len(names))}
	for i, name := range names {
		p.say(fmt.Sprintf("replaying %s (%d of %d)", name, i+1, len(names)))
		f, err := readCapture(name)
		if err == nil && har != "" {
			err = writeHAR(f, har)
		}
		if err != nil {
			return nil, err
		}
		if result.Files[i], err = replayFile(ctx, f); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		result.Files[i].File = name
		result.OK = result.OK && result.Files[i].Same
		if ctx.Err() != nil {
			return nil, errors.New("interrupted")
		}
	}
	return result, nil
}

func readCapture(name string) (*capture.File, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read", name)
	}
	defer file.Close()
	f, err := capture.Read(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}

func writeHAR(f *capture.File, name string) error {
	file, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("%s cannot be written", name)
	}
	return errors.Join(f.WriteHAR(file), file.Close())
}

// replayFile holds a replay against what was recorded.
func replayFile(ctx context.Context, f *capture.File) (replayedFile, error) {
	now, err := play(ctx, f)
	if err != nil {
		return replayedFile{}, err
	}
	out := replayedFile{DifferedAtOnce: f.Differs, Missing: now.missing, Additional: now.additional,
		Differences: capture.Compare(f.Result.Body, now.result.Body)}
	if f.Result.Status != now.result.Status {
		out.Differences = append(out.Differences, capture.Difference{Path: "(status)", Recorded: fmt.Sprint(f.Result.Status), Now: fmt.Sprint(now.result.Status)})
	}
	out.Same = len(out.Differences)+len(out.Missing)+len(out.Additional) == 0
	return out, nil
}

// played is what came of running a captured operation again.
type played struct {
	result              capture.Result
	missing, additional []capture.Count
}

// play runs a captured operation in the program as it is, with the recorded calls in place of the backends: without Redis,
// without budgets, and with no other operation beside it.
func play(ctx context.Context, f *capture.File) (*played, error) {
	cfg, err := config.Load(nil, replayEnvironment(f), io.Discard)
	if err != nil {
		return nil, err
	}
	cfg.Retries = -1
	tape := capture.NewTape(f)
	s, err := newServer(cfg, tape, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	options := s.generation().repeatable(s.generation().root)
	options.Authenticate = func(*http.Request) (*auth.Caller, error) {
		return &auth.Caller{Name: "replay", Scopes: f.Caller.Scopes, Bound: f.Caller.Bound, Clients: f.Caller.Clients}, nil
	}
	r, err := replayRequest(ctx, f)
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	answer := &bufferedWriter{header: http.Header{}, status: http.StatusOK}
	gateway.New(options).ServeHTTP(answer, r)
	out := &played{result: capture.Result{Status: answer.status, Body: bytes.TrimSpace(answer.body.Bytes())},
		missing: tape.Missing(), additional: tape.Additional()}
	return out, s.close()
}

func replayRequest(ctx context.Context, f *capture.File) (*http.Request, error) {
	body, err := json.Marshal(struct {
		Query         string          `json:"query"`
		OperationName string          `json:"operationName,omitempty"`
		Variables     json.RawMessage `json:"variables,omitempty"`
	}{strings.Join(f.Request.Document, "\n"), f.Request.OperationName, f.Request.Variables})
	if err != nil {
		return nil, errors.New("the variables are no JSON")
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

// replayEnvironment is the configuration that a capture names, on backends that are nowhere. No other setting of a file is
// taken: a file must not name what to read or where to call.
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

func (r *replayResult) print(w io.Writer) {
	for _, f := range r.Files {
		verdict := "same"
		if !f.Same {
			verdict = "differs"
		}
		fmt.Fprintln(w, verdict, f.File)
		for _, d := range f.Differences {
			fmt.Fprintf(w, "  %s: recorded %s, now %s\n", d.Path, orAbsent(d.Recorded), orAbsent(d.Now))
		}
		for _, c := range f.Missing {
			fmt.Fprintf(w, "  not called: %s (%d)\n", c.Route, c.Calls)
		}
		for _, c := range f.Additional {
			fmt.Fprintf(w, "  called and not recorded: %s (%d)\n", c.Route, c.Calls)
		}
		for _, d := range f.DifferedAtOnce {
			fmt.Fprintln(w, "  note: a replay right after the capture differed too:", d)
		}
	}
}

func orAbsent(value string) string {
	if value == "" {
		return "nothing"
	}
	return value
}
