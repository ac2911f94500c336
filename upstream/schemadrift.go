package upstream

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/learngraph/learngraph/document"
)

const (
	// maxPaths bounds the paths of a SchemaDrift.
	maxPaths = 200
	// reportInterval is how long a path is not reported again.
	reportInterval = time.Hour
)

// DriftKind is how an answer differs from the schema.
type DriftKind string

// The kinds of drift: a declared member has a value of another kind than its field's, or a member is not declared.
const (
	DriftMismatch DriftKind = "mismatch"
	DriftUnknown  DriftKind = "unknown"
)

// Drift is one way in which a backend's answers differ from the schema. It holds names, never a value. Its times are in
// UTC, to the millisecond.
type Drift struct {
	Backend Backend `json:"backend"`
	// Path is a type's name and a member's, such as "Client.newName", and [] for an element of a list: "Client.tags[]".
	Path string    `json:"path"`
	Kind DriftKind `json:"kind"`
	// Count is the number of values for a mismatch, and of answers for an unknown member.
	Count int64     `json:"count"`
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
}

// SchemaDriftOptions configure a SchemaDrift.
type SchemaDriftOptions struct {
	// Report is called with a path when it is first seen, and then at most once an hour. It may be called by several
	// goroutines at once and must not call the SchemaDrift.
	Report func(Drift)
	// Ignore are the names of members that must not be declared, and are not counted.
	Ignore []string
}

// SchemaDrift counts where answers differ from the schema. It is safe for concurrent use, and nil counts nothing.
type SchemaDrift struct {
	report func(Drift)
	ignore map[string]bool

	mu       sync.Mutex
	paths    map[driftKey]*driftEntry
	unlisted int64
}

// driftKey is the key of a counter: the name of a type and of one of its members.
type driftKey struct {
	backend     Backend
	owner, name string
	kind        DriftKind
}

type driftEntry struct {
	Drift
	reported time.Time
}

// NewSchemaDrift returns a SchemaDrift that has counted nothing.
func NewSchemaDrift(o SchemaDriftOptions) *SchemaDrift {
	d := &SchemaDrift{report: o.Report, ignore: map[string]bool{}, paths: map[driftKey]*driftEntry{}}
	for _, name := range o.Ignore {
		d.ignore[name] = true
	}
	return d
}

// identifierName are the names that may be shown. A name of another form may be data: some objects use keys for values.
var identifierName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,39}$`)

// unknown returns the function that a document.Reader calls for the undeclared members of the backend's answers, for
// each once in an answer.
func (d *SchemaDrift) unknown(b Backend) func(*document.Shape, []byte) {
	if d == nil {
		return nil
	}
	return func(shape *document.Shape, name []byte) {
		if !d.ignore[string(name)] && identifierName.Match(name) {
			d.count(driftKey{b, shape.Name, string(name), DriftUnknown})
		}
	}
}

// Mismatch counts a value that its field does not accept: owner is the name of the type, name that of the field, with
// [] for each list that the value is an element of.
func (d *SchemaDrift) Mismatch(b Backend, owner, name string) {
	if d == nil || !identifierName.MatchString(owner) || !identifierName.MatchString(strings.TrimRight(name, "[]")) {
		return
	}
	d.count(driftKey{b, owner, name, DriftMismatch})
}

func (d *SchemaDrift) count(at driftKey) {
	now := time.Now()
	d.mu.Lock()
	s := d.paths[at]
	if s == nil {
		if len(d.paths) >= maxPaths {
			d.unlisted++
			d.mu.Unlock()
			return
		}
		s = &driftEntry{Drift: Drift{Backend: at.backend, Path: at.owner + "." + at.name, Kind: at.kind, First: moment(now)}}
		d.paths[at] = s
	}
	s.Count++
	s.Last = moment(now)
	due := d.report != nil && (s.reported.IsZero() || now.Sub(s.reported) >= reportInterval)
	if due {
		s.reported = now
	}
	found := s.Drift
	d.mu.Unlock()
	if due {
		d.report(found)
	}
}

// List returns the drifts by backend and path, and how many values were not counted because the list was full.
func (d *SchemaDrift) List() (list []Drift, dropped int64) {
	if d == nil {
		return nil, 0
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.paths {
		list = append(list, s.Drift)
	}
	slices.SortFunc(list, func(a, b Drift) int {
		return cmp.Or(cmp.Compare(a.Backend, b.Backend), cmp.Compare(a.Path, b.Path),
			a.First.Compare(b.First), cmp.Compare(a.Kind, b.Kind))
	})
	return list, d.unlisted
}
