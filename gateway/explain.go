package gateway

import (
	"time"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/upstream"
)

// explanation is extensions.explain: what an operation cost, call by call and fact by fact.
type explanation struct {
	Calls         []explainedCall `json:"calls"`
	Facts         []explainedFact `json:"facts"`
	CallsMade     int             `json:"callsMade"`
	CallsNaive    int64           `json:"callsNaive"`
	BytesReceived int64           `json:"bytesReceived"`
	BytesSent     int             `json:"bytesSent"`
}

type explainedCall struct {
	Backend    upstream.Backend `json:"backend"`
	Route      string           `json:"route"`
	StartMs    float64          `json:"startMs"`
	DurationMs float64          `json:"durationMs"`
	Status     int              `json:"status"`
	Bytes      int64            `json:"bytes"`
	Retries    int              `json:"retries"`
	Coalesced  bool             `json:"coalesced"`
	BatchSize  int              `json:"batchSize"`
	Paths      []string         `json:"paths"`
}

type explainedFact struct {
	Backend    string        `json:"backend"`
	Key        string        `json:"key"`
	Verdict    cache.Verdict `json:"verdict"`
	AtMs       float64       `json:"atMs"`
	AgeSeconds int           `json:"ageSeconds"`
	Reason     cache.Reason  `json:"reason,omitempty"`
}

// explain describes what was done so far for an answer of this size.
func (p *provenance) explain(bytesSent int) explanation {
	e := explanation{Calls: []explainedCall{}, Facts: []explainedFact{}, CallsNaive: p.asked.Keys(), BytesSent: bytesSent}
	for _, c := range p.made() {
		e.CallsMade++
		e.BytesReceived += c.Bytes
		e.Calls = append(e.Calls, explainedCall{Backend: c.Backend, Route: c.Method + " " + c.Route, StartMs: milliseconds(c.Start.Sub(p.began)),
			DurationMs: milliseconds(c.Duration), Status: c.Status, Bytes: c.Bytes, Retries: c.Retries,
			BatchSize: c.BatchSize, Paths: []string{c.Path}})
	}
	for _, f := range p.facts.List() {
		e.Facts = append(e.Facts, explainedFact{Backend: f.Backend, Key: f.Kind + ":" + f.Digest, Verdict: f.Verdict,
			AtMs: milliseconds(f.At.Sub(p.began)), AgeSeconds: wholeSeconds(f.Age), Reason: f.Reason})
	}
	return e
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
