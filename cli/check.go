package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/learngraph/learngraph/config"
	"github.com/learngraph/learngraph/gateway"
	"github.com/learngraph/learngraph/gateway/documents"
	"github.com/learngraph/learngraph/gateway/limits"
	"github.com/learngraph/learngraph/graph"
	"github.com/learngraph/learngraph/reload"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

type checkCommand struct {
	Manifest string `placeholder:"PATH" help:"Manifest of documents, a .graphql file, or a folder of either; budgets.json next to it bounds their cost. The settings MAX_COST, COST_MODE and OPERATION_CALLS are those of the server."`
	Against  string `placeholder:"FILE" help:"Older schema: fail on changes that break its clients, with -manifest only on those that a document uses."`
	JSON     bool   `name:"json" help:"Write JSON."`
}

// Run validates documents against this program's schema and their budgets, and an older schema against this one. The
// result goes to stdout, progress to stderr.
func (c *checkCommand) Run(p *process) error {
	if c.Manifest == "" && c.Against == "" {
		return errors.New("check needs -manifest or -against; see learngraph help check")
	}
	cfg, err := config.Read(p.settings)
	if err != nil {
		return err
	}
	result, err := check(c.Manifest, c.Against, limitsOf(cfg), progressTo(p.Stderr))
	if err != nil {
		return err
	}
	return conclude(p.Stdout, c.JSON, result.OK, result)
}

// conclude writes the result of a command, and returns how the run ends.
func conclude(stdout io.Writer, asJSON, ok bool, result interface{ print(io.Writer) }) error {
	var out bytes.Buffer
	if asJSON {
		encoder := json.NewEncoder(&out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		_ = encoder.Encode(result) // of texts, numbers and lists
	} else {
		result.print(&out)
	}
	if _, err := stdout.Write(out.Bytes()); err != nil || !ok {
		return exit(ExitFailed)
	}
	return nil
}

// checkResult is the command's output.
type checkResult struct {
	OK        bool              `json:"ok"`
	Documents []checkedDocument `json:"documents,omitempty"`
	Breaking  []breakingChange  `json:"breaking,omitempty"`

	compared bool
}

type checkedDocument struct {
	ID string `json:"id"`
	// Name is that of the operation, or of the first of several.
	Name  string           `json:"name,omitempty"`
	Cost  int64            `json:"cost"`
	Calls map[string]int64 `json:"calls,omitempty"`
	// Problems are why the document fails, Warnings are unexpected effects at the server.
	Problems []string `json:"problems,omitempty"`
	Warnings []string `json:"warnings,omitempty"`

	text string
}

// budget bounds the cost of a document; an absent member is not bounded.
type budget struct {
	Cost  *int64 `json:"cost"`
	Calls *int64 `json:"calls"`
}

// serverLimits are those of the server that a document can pass; 0 is none.
type serverLimits struct{ cost, calls int64 }

func limitsOf(cfg *config.Config) serverLimits {
	l := serverLimits{int64(cfg.MaxCost), int64(cfg.OperationCalls)}
	if cfg.CostMode != "enforce" {
		l.cost = 0
	}
	return l
}

func check(manifest, against string, server serverLimits, p progress) (*checkResult, error) {
	schema := graph.Schema()
	checker := gateway.NewChecker(schema, limits.Default())
	result := &checkResult{OK: true}
	defer p.end()
	if manifest != "" {
		list, budgets, err := readDocuments(manifest)
		if err != nil {
			return nil, err
		}
		for i, d := range list {
			p.count("documents", i+1, len(list))
			checked := checkDocument(checker, d, budgets, server)
			result.OK = result.OK && len(checked.Problems) == 0
			result.Documents = append(result.Documents, checked)
		}
		for _, name := range slices.Sorted(maps.Keys(budgets)) {
			if !slices.ContainsFunc(result.Documents, func(d checkedDocument) bool { return name == d.ID || name == d.Name }) {
				return nil, fmt.Errorf("%s names %q, which is not in the manifest", documents.BudgetsFile, name)
			}
		}
	}
	if against == "" {
		return result, nil
	}
	old, err := readSchema(against)
	if err != nil {
		return nil, err
	}
	p.show("comparing the schemas")
	result.Breaking = breakingChanges(old, schema, result.Documents, manifest != "")
	result.compared, result.OK = true, result.OK && len(result.Breaking) == 0
	return result, nil
}

// breakingChanges keeps those that a document uses, where there are documents.
func breakingChanges(old, schema *ast.Schema, documents []checkedDocument, onlyUsed bool) []breakingChange {
	checker := gateway.NewChecker(old, limits.Default())
	used := make([]map[string]bool, len(documents))
	for i, d := range documents {
		if doc, errs := checker.Parse(d.text); len(errs) == 0 {
			used[i] = uses(old, doc)
		}
	}
	var list []breakingChange
	for _, b := range changesOf(old, schema) {
		for i, d := range documents {
			if used[i][b.At] {
				b.Documents = append(b.Documents, d.ID)
			}
		}
		if !onlyUsed || len(b.Documents) > 0 {
			list = append(list, b)
		}
	}
	return list
}

func checkDocument(checker *gateway.Checker, d *documents.TrustedDocument, budgets map[string]budget,
	server serverLimits) checkedDocument {
	out := checkedDocument{ID: d.ID, Name: d.Name, Calls: map[string]int64{}, text: d.Text}
	operations, errs := checker.Check(d.Text)
	for _, e := range errs {
		out.Problems = append(out.Problems, placed(e))
	}
	// One request runs one operation: the dearest counts.
	for _, op := range operations {
		if out.Name == "" {
			out.Name = op.Name
		}
		out.Cost = max(out.Cost, op.Cost.Points)
		for backend, n := range op.Cost.Calls {
			out.Calls[backend] = max(out.Calls[backend], n)
		}
	}
	if server.cost > 0 && out.Cost > server.cost {
		out.Problems = append(out.Problems, fmt.Sprintf("can cost %d points and is refused by the server: MAX_COST is %d",
			out.Cost, server.cost))
	}
	if n := out.totalCalls(); server.calls > 0 && n > server.calls {
		out.Warnings = append(out.Warnings,
			fmt.Sprintf("can make %d backend calls and fails in part after %d (OPERATION_CALLS)", n, server.calls))
	}
	b, ok := budgets[d.ID]
	if !ok {
		b = budgets[out.Name]
	}
	if b.Cost != nil && out.Cost > *b.Cost {
		out.Problems = append(out.Problems, fmt.Sprintf("costs %d points, and its budget is %d", out.Cost, *b.Cost))
	}
	if n := out.totalCalls(); b.Calls != nil && n > *b.Calls {
		out.Problems = append(out.Problems, fmt.Sprintf("makes %d backend calls, and its budget is %d", n, *b.Calls))
	}
	return out
}

// placed returns an error of a document with its first place there.
func placed(e *gqlerror.Error) string {
	if len(e.Locations) == 0 {
		return e.Message
	}
	return fmt.Sprintf("line %d, column %d: %s", e.Locations[0].Line, e.Locations[0].Column, e.Message)
}

func (d checkedDocument) totalCalls() int64 {
	sum := int64(0)
	for _, n := range d.Calls {
		sum += n
	}
	return sum
}

// readDocuments reads a manifest or a folder of them, and the budgets next to it.
func readDocuments(name string) ([]*documents.TrustedDocument, map[string]budget, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, nil, fmt.Errorf("%s cannot be read: %w", name, reload.Cause(err))
	}
	folder, files := name, []string{name}
	if !info.IsDir() {
		folder = filepath.Dir(name)
	} else if files, err = filesIn(name); err != nil {
		return nil, nil, err
	}
	m := documents.NewManifest()
	var list []*documents.TrustedDocument
	for _, file := range files {
		text, err := os.ReadFile(file)
		switch {
		case err != nil:
		case isDocument(file):
			list = append(list, &documents.TrustedDocument{ID: filepath.Base(file), Text: string(text)})
		default:
			err = m.Add(reload.Text(text))
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	if list = append(m.Documents(), list...); len(list) == 0 {
		return nil, nil, fmt.Errorf("%s has no document: there was nothing to check", name)
	}
	budgets, err := readBudgets(filepath.Join(folder, documents.BudgetsFile))
	return list, budgets, err
}

// filesIn returns the manifests and documents of a folder, in order.
func filesIn(folder string) (files []string, err error) {
	for _, pattern := range []string{"*.json", "*.graphql", "*.gql"} {
		found, err := filepath.Glob(filepath.Join(folder, pattern))
		if err != nil {
			return nil, err
		}
		files = append(files, found...)
	}
	return slices.DeleteFunc(files, func(file string) bool { return filepath.Base(file) == documents.BudgetsFile }), nil
}

// isDocument reports whether a file is a document itself.
func isDocument(file string) bool {
	return slices.Contains([]string{".graphql", ".gql"}, filepath.Ext(file))
}

func readBudgets(name string) (map[string]budget, error) {
	file, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var budgets map[string]budget
	decoder := json.NewDecoder(file)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&budgets); err != nil {
		return nil, fmt.Errorf(`%s must be {"ID or name": {"cost": POINTS, "calls": NUMBER}}`, name)
	}
	return budgets, nil
}

func readSchema(name string) (*ast.Schema, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", name, reload.Cause(err))
	}
	schema, err := gqlparser.LoadSchema(&ast.Source{Name: name, Input: string(text)})
	if err != nil {
		return nil, fmt.Errorf("%s is not a schema: %w", name, err)
	}
	return schema, nil
}

// failed returns how many documents have problems.
func (r *checkResult) failed() (n int) {
	for _, d := range r.Documents {
		if len(d.Problems) > 0 {
			n++
		}
	}
	return n
}

// summary returns the line of a document with its cost, where it could be read.
func (d checkedDocument) summary() string {
	line := strings.TrimSuffix(d.ID+" "+d.Name, " ")
	if d.Cost == 0 && len(d.Problems) > 0 {
		return line + ": invalid"
	}
	var calls []string
	for _, backend := range slices.Sorted(maps.Keys(d.Calls)) {
		calls = append(calls, fmt.Sprintf("%s %d", backend, d.Calls[backend]))
	}
	line += fmt.Sprintf(": cost %d, calls %d", d.Cost, d.totalCalls())
	if len(calls) > 0 {
		line += fmt.Sprintf(" (%s)", strings.Join(calls, ", "))
	}
	return line
}

func (r *checkResult) print(w io.Writer) {
	for _, d := range r.Documents {
		fmt.Fprintln(w, d.summary())
		for _, p := range d.Problems {
			fmt.Fprintln(w, "  FAIL", p)
		}
		for _, p := range d.Warnings {
			fmt.Fprintln(w, "  WARN", p)
		}
	}
	if len(r.Documents) > 0 {
		counted := "documents"
		if len(r.Documents) == 1 {
			counted = "document"
		}
		fmt.Fprintf(w, "%d %s checked, %d failed\n", len(r.Documents), counted, r.failed())
	}
	for _, c := range r.Breaking {
		fmt.Fprintf(w, "BREAKING %s: %s", c.At, c.Message)
		if len(c.Documents) > 0 {
			fmt.Fprintf(w, " (used by %s)", strings.Join(c.Documents, ", "))
		}
		fmt.Fprintln(w)
	}
	if r.compared {
		fmt.Fprintf(w, "schemas compared, breaking changes: %d\n", len(r.Breaking))
	}
}
