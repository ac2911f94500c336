package provenance

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/learngraph/learngraph/auth"
	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/gateway/requestlog"
	"github.com/learngraph/learngraph/upstream"
)

// explanation is extensions.explain: the cost of an operation, call by call and fact by fact. A call that several
// operations share is listed in each; CallsMade and BytesReceived count it in the one that made it.
type explanation struct {
	Calls         []explainedCall `json:"calls"`
	Facts         []explainedFact `json:"facts"`
	CallsMade     int             `json:"callsMade"`
	CallsNaive    int64           `json:"callsNaive"`
	BytesReceived int64           `json:"bytesReceived"`
	BytesSent     int             `json:"bytesSent"`
}

type explainedCall struct {
	Backend upstream.Backend `json:"backend"`
	Route   string           `json:"route"`
	// StartMs counts from the operation's start. Of a call that was under way by then only the rest is shown.
	StartMs    float64 `json:"startMs"`
	DurationMs float64 `json:"durationMs"`
	Status     int     `json:"status"`
	Bytes      int64   `json:"bytes"`
	Retries    int     `json:"retries"`
	// Coalesced is set where another operation made the call and this one waited for it.
	Coalesced bool `json:"coalesced"`
	// BatchSize is the number of keys that the call was to answer, for any operation.
	BatchSize int `json:"batchSize"`
	// WaitMs is how long the call waited for the backend's budget before StartMs.
	WaitMs float64 `json:"waitMs"`
	// Parameters are the call's parameters.
	Parameters []explainedParameter `json:"parameters,omitempty"`
	// Paths are the places in this answer that the call served, at most maxPaths.
	Paths []string `json:"paths"`
}

// explainedParameter has the value for callers who may read every record, and for others a digest, equal for equal
// values.
type explainedParameter struct {
	Name   string `json:"name"`
	Value  string `json:"value,omitempty"`
	Digest string `json:"digest,omitempty"`
}

// longestValue bounds the part of a parameter's value that is shown, in bytes.
const longestValue = 1 << 10

// Parameters returns a function that shows the parameters of a call to the caller of ctx. digest may be nil, which
// leaves values out that the caller may not read.
func Parameters(ctx context.Context, digest func(string) string) func(upstream.Call) []explainedParameter {
	who := auth.FromContext(ctx)
	open := !who.Bound
	for _, scope := range []string{auth.ClientsRead, auth.UsersRead, auth.IdentitiesRead, auth.ClaimsRead} {
		open = open && who.Has(scope)
	}
	return func(c upstream.Call) []explainedParameter {
		list := make([]explainedParameter, len(c.Parameters))
		for i, p := range c.Parameters {
			list[i].Name = p.Name
			switch {
			case open:
				list[i].Value = requestlog.Cut(p.Value, longestValue)
			case digest != nil:
				list[i].Digest = digest(string(c.Backend) + ":" + p.Name + ":" + p.Value)
			}
		}
		return list
	}
}

// maxPaths bounds the places that are listed for one call.
const maxPaths = 100

type explainedFact struct {
	Backend    string        `json:"backend"`
	Key        string        `json:"key"`
	Verdict    cache.Verdict `json:"verdict"`
	AtMs       float64       `json:"atMs"`
	AgeSeconds int           `json:"ageSeconds"`
	Reason     cache.Reason  `json:"reason,omitempty"`
}

// Explain describes the calls and facts so far of an answer with this data, where the operation is explained.
// parameters returns the parameters of a call.
func (p *Provenance) Explain(data []byte, parameters func(upstream.Call) []explainedParameter) explanation {
	e := explanation{Calls: []explainedCall{}, Facts: []explainedFact{}, CallsNaive: p.explanation.Keys(),
		BytesSent: len(data)}
	served := newPathIndex(data)
	at := map[uint64]int{}
	own, others := p.ended()
	for _, c := range own {
		e.CallsMade++
		e.BytesReceived += c.Bytes
		at[c.Number] = len(e.Calls)
		e.Calls = append(e.Calls, p.explainCall(c, served, parameters))
	}
	for _, c := range others {
		i, listed := at[c.Number]
		if !listed {
			at[c.Number] = len(e.Calls)
			shared := p.explainCall(c, served, parameters)
			shared.Coalesced = true
			e.Calls = append(e.Calls, shared)
			continue
		}
		// Another field of the same operation waited too.
		e.Calls[i].Paths = bounded(append(e.Calls[i].Paths, served.paths(c.Purpose)...))
	}
	slices.SortStableFunc(e.Calls, func(a, b explainedCall) int { return cmp.Compare(a.StartMs, b.StartMs) })
	for _, f := range p.Facts.List() {
		e.Facts = append(e.Facts, explainedFact{Backend: f.Backend, Key: f.Kind + ":" + f.Digest.String(), Verdict: f.Verdict,
			AtMs: milliseconds(f.At.Sub(p.began)), AgeSeconds: wholeSeconds(f.Age), Reason: f.Reason})
	}
	return e
}

func (p *Provenance) explainCall(c upstream.Call, served *pathIndex,
	parameters func(upstream.Call) []explainedParameter) explainedCall {
	start, end := c.Start.Sub(p.began), c.Start.Sub(p.began)+c.Duration
	start = max(start, 0)
	return explainedCall{Backend: c.Backend, Route: c.Method + " " + c.Route, StartMs: milliseconds(start),
		DurationMs: milliseconds(max(end-start, 0)), Status: c.Status, Bytes: c.Bytes, Retries: c.Retries,
		BatchSize: c.BatchSize, WaitMs: milliseconds(c.Wait), Parameters: parameters(c),
		Paths: bounded(served.paths(c.Purpose))}
}

// bounded takes each path once, and no more than are shown.
func bounded(paths []string) []string {
	seen, list := map[string]bool{}, []string{}
	for _, path := range paths {
		if !seen[path] && len(list) < maxPaths {
			seen[path] = true
			list = append(list, path)
		}
	}
	return list
}

// pathIndex finds the places of fields in an answer.
type pathIndex struct {
	data   any
	places map[string][]string
}

func newPathIndex(data []byte) *pathIndex {
	a := &pathIndex{places: map[string][]string{}}
	_ = json.Unmarshal(data, &a.data)
	return a
}

// paths are the places that a call served, each once.
func (a *pathIndex) paths(p upstream.Purpose) []string {
	places := p.Fields()
	slices.SortStableFunc(places, func(a, b upstream.FieldPath) int { return cmp.Compare(a.Parent, b.Parent) })
	var paths []string
	for _, place := range places {
		paths = append(paths, a.find(place)...)
	}
	return paths
}

// find adds the indexes in the answer to a field path. The parents of a field follow each other as they do there; where
// some are not in it, because they are null or were asked for twice, all that are may be meant.
func (a *pathIndex) find(p upstream.FieldPath) []string {
	all, ok := a.places[p.Path]
	if !ok {
		all = locate(a.data, strings.Split(p.Path, "."), "", nil)
		a.places[p.Path] = all
	}
	switch {
	case len(all) == 0:
		return []string{p.Path}
	case p.Parent < 0 || p.Of != len(all):
		return all
	}
	return all[p.Parent : p.Parent+1]
}

// locate adds the places below at where the names lead from v.
func locate(v any, names []string, at string, found []string) []string {
	switch v := v.(type) {
	case []any:
		for i, element := range v {
			found = locate(element, names, at+strconv.Itoa(i)+".", found)
		}
	case map[string]any:
		value, ok := v[names[0]]
		switch {
		case !ok:
		case len(names) == 1:
			found = append(found, at+names[0])
		default:
			found = locate(value, names[1:], at+names[0]+".", found)
		}
	}
	return found
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
