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
	// maxPaths bounds what a Watch remembers.
	maxPaths = 200
	// maxMembers bounds the undeclared members that are counted once for an answer.
	maxMembers = 1000
	// quiet is how long a path is not reported again.
	quiet = time.Hour
)

// Finding is one way in which a backend's answers differ from the schema. It holds names, never a value.
type Finding struct {
	Backend Backend
	// Path is a type's name and a member's, such as "Client.newName", and [] for an element of a list: "Client.tags[]".
	Path string
	// Mismatch is set for a declared member of another kind than it should be, not set for an unknown member.
	Mismatch bool
	// Count is the number of values for a mismatch, and of answers for an unknown member.
	Count       int64
	First, Last time.Time
}

// WatchOptions describe a Watch.
type WatchOptions struct {
	// Report is told of a path when it is first seen, and then at most once an hour. It may be called by several
	// goroutines at once and must not call the Watch.
	Report func(Finding)
	// Ignore are the names of members that nobody should declare: finding them is no news.
	Ignore []string
}

// Watch counts where answers differ from the schema. It is safe for concurrent use, and nil counts nothing.
type Watch struct {
	report func(Finding)
	ignore map[string]bool

	mu      sync.Mutex
	paths   map[spot]*sighting
	dropped int64
}

// spot is what is counted by: the name of a type and of one of its members.
type spot struct {
	backend     Backend
	owner, name string
	mismatch    bool
}

type sighting struct {
	Finding
	reported time.Time
}

// NewWatch returns a Watch that has seen nothing.
func NewWatch(o WatchOptions) *Watch {
	w := &Watch{report: o.Report, ignore: map[string]bool{}, paths: map[spot]*sighting{}}
	for _, name := range o.Ignore {
		w.ignore[name] = true
	}
	return w
}

// speakable are the names that may be shown. A name of another form may be data: some objects use keys for values.
var speakable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,39}$`)

// unknown returns the function that a document.Reader calls for undeclared members of one answer. Each member of a shape
// is counted once per answer: a page repeats its members for every object.
func (w *Watch) unknown(b Backend) func(*document.Shape, []byte) {
	if w == nil {
		return nil
	}
	type member struct {
		shape *document.Shape
		name  string
	}
	seen := map[member]bool{}
	return func(shape *document.Shape, name []byte) {
		if seen[member{shape, string(name)}] {
			return
		}
		if len(seen) < maxMembers {
			seen[member{shape, string(name)}] = true
		}
		if w.ignore[string(name)] || !speakable.Match(name) {
			return
		}
		w.count(spot{b, shape.Name, string(name), false})
	}
}

// Mismatch counts a value that its field does not accept: owner is the name of the type, name that of the field, with []
// for each list that the value is an element of.
func (w *Watch) Mismatch(b Backend, owner, name string) {
	if w == nil || !speakable.MatchString(owner) || !speakable.MatchString(strings.TrimRight(name, "[]")) {
		return
	}
	w.count(spot{b, owner, name, true})
}

func (w *Watch) count(at spot) {
	now := time.Now()
	w.mu.Lock()
	s := w.paths[at]
	if s == nil {
		if len(w.paths) >= maxPaths {
			w.dropped++
			w.mu.Unlock()
			return
		}
		s = &sighting{Finding: Finding{Backend: at.backend, Path: at.owner + "." + at.name, Mismatch: at.mismatch, First: now}}
		w.paths[at] = s
	}
	s.Count++
	s.Last = now
	due := w.report != nil && (s.reported.IsZero() || now.Sub(s.reported) >= quiet)
	if due {
		s.reported = now
	}
	found := s.Finding
	w.mu.Unlock()
	if due {
		w.report(found)
	}
}

// Findings are all that was found, by backend and path, and how many sightings were left out because the list was
// full.
func (w *Watch) Findings() (list []Finding, dropped int64) {
	if w == nil {
		return nil, 0
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.paths {
		list = append(list, s.Finding)
	}
	slices.SortFunc(list, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Backend, b.Backend), cmp.Compare(a.Path, b.Path), cmp.Compare(a.First.UnixNano(), b.First.UnixNano()))
	})
	return list, w.dropped
}
