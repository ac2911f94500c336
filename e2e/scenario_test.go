package e2e

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"text/template"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/upstream/emulator"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write the answers and calls of the scenarios into their files")

// TestScenarios plays every file of testdata/scenarios against the real program. A file begins with a sentence about the
// test. options.json is a setup; then each step N has N.graphql, perhaps N.variables.json and N.faults.json (faults by
// route, for this step), and the golden N.response.json and N.calls.
func TestScenarios(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/scenarios/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("there are no scenarios", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// In fake time: a retry after a pause costs none, and dates of writes are the same every time.
			synctest.Test(t, func(t *testing.T) { playScenario(t, file) })
		})
	}
}

func playScenario(t *testing.T, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(archive.Comment), ".") {
		t.Fatal("the file has to begin with a sentence of what it shows")
	}
	s := newScenario(t, archive)
	for n := 1; s.sections[fmt.Sprint(n, ".graphql")] != nil; n++ {
		s.play(t, n)
	}
	for name := range s.sections {
		if !s.used[name] {
			t.Errorf("the section %s belongs to no step", name)
		}
	}
	if *update {
		s.write(t, file, archive)
	}
}

// scenario is one file while it is played.
type scenario struct {
	*program
	sections map[string][]byte
	used     map[string]bool
	order    []string
	answers  []any
}

func newScenario(t *testing.T, archive *txtar.Archive) *scenario {
	s := &scenario{sections: map[string][]byte{}, used: map[string]bool{"options.json": true}}
	for _, f := range archive.Files {
		if s.sections[f.Name] != nil {
			t.Fatalf("the section %s is there twice", f.Name)
		}
		s.sections[f.Name] = append([]byte{}, f.Data...)
	}
	var options setup
	dec := json.NewDecoder(bytes.NewReader(s.sections["options.json"]))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&options); err != nil {
		t.Fatalf("options.json: %v", err)
	}
	s.program = start(t, options)
	return s
}

func (s *scenario) play(t *testing.T, n int) {
	query := string(s.expand(t, fmt.Sprint(n, ".graphql")))
	var variables map[string]any
	if text := s.expand(t, fmt.Sprint(n, ".variables.json")); text != nil {
		dec := json.NewDecoder(bytes.NewReader(text))
		dec.UseNumber()
		if err := dec.Decode(&variables); err != nil {
			t.Fatalf("%d.variables.json: %v\n%s", n, err, text)
		}
	}
	var faults map[string]emulator.Fault
	if text := s.expand(t, fmt.Sprint(n, ".faults.json")); text != nil {
		if err := json.Unmarshal(text, &faults); err != nil {
			t.Fatalf("%d.faults.json: %v", n, err)
		}
	}
	for route, f := range faults {
		s.backends.SetFault(route, f)
	}
	s.backends.Reset()
	a := s.post(t, query, variables)
	s.backends.ClearFaults()
	if a.status != 200 {
		t.Errorf("step %d: got status %d", n, a.status)
	}
	s.answers = append(s.answers, map[string]any{"data": a.Data})
	s.compare(t, fmt.Sprint(n, ".response.json"), pretty(t, a.raw))
	calls := strings.Join(append(s.calls(), ""), "\n")
	s.compare(t, fmt.Sprint(n, ".calls"), []byte(calls))
}

// pretty is an answer as goldens have it: indented, and with the errors in order of their paths, since fields that fail
// side by side fail in any order.
func pretty(t *testing.T, raw []byte) []byte {
	t.Helper()
	var response struct {
		Errors     []json.RawMessage `json:"errors,omitempty"`
		Data       json.RawMessage   `json:"data,omitempty"`
		Extensions json.RawMessage   `json:"extensions,omitempty"`
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&response); err != nil {
		t.Fatal(err)
	}
	slices.SortStableFunc(response.Errors, func(a, b json.RawMessage) int {
		return cmp.Compare(pathOf(a), pathOf(b))
	})
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(response); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func pathOf(raw json.RawMessage) string {
	var e answerError
	_ = json.Unmarshal(raw, &e)
	return e.String()
}

// compare holds a golden section against what came, or takes what came for it.
func (s *scenario) compare(t *testing.T, name string, got []byte) {
	t.Helper()
	s.used[name] = true
	s.order = append(s.order, name)
	want, ok := s.sections[name]
	if *update {
		s.sections[name] = got
		return
	}
	if !ok {
		t.Errorf("the section %s is missing; run the test with -update and read what it writes", name)
	} else if diff := gocmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// expand fills the places between << and >> of a section.
func (s *scenario) expand(t *testing.T, name string) []byte {
	text, ok := s.sections[name]
	if !ok {
		return nil
	}
	s.used[name] = true
	s.order = append(s.order, name)
	parsed, err := template.New(name).Delims("<<", ">>").Funcs(template.FuncMap{
		"id":     func(typ, key string) string { return scalar.EncodeID(scalar.NodeType(typ), key) },
		"json":   jsonText,
		"users":  s.backends.Users,
		"answer": s.answer,
	}).Parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, map[string]any{"Clients": s.backends.Clients(), "Provider": emulator.ProviderID}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// answer is a value of an earlier step's answer: answer 1 "data.clients.nodes.0.id".
func (s *scenario) answer(step int, path string) (any, error) {
	if step > len(s.answers) {
		return nil, fmt.Errorf("step %d was not played yet", step)
	}
	v := s.answers[step-1]
	for name := range strings.SplitSeq(path, ".") {
		if i, err := strconv.Atoi(name); err == nil {
			v = member(v, i)
		} else {
			v = member(v, name)
		}
	}
	if v == nil {
		return nil, fmt.Errorf("step %d has nothing at %s", step, path)
	}
	return v, nil
}

// write puts the sections back, each step's in order.
func (s *scenario) write(t *testing.T, file string, archive *txtar.Archive) {
	out := &txtar.Archive{Comment: archive.Comment}
	for _, name := range append([]string{"options.json"}, s.order...) {
		out.Files = append(out.Files, txtar.File{Name: name, Data: s.sections[name]})
	}
	if err := os.WriteFile(file, txtar.Format(out), 0o644); err != nil {
		t.Fatal(err)
	}
}
