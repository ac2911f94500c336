package responses

import (
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/gateway/cachecontrol"
)

// heap is the bytes in use by objects.
func heap() int64 {
	runtime.GC()
	runtime.GC() // a pool frees its content at the second collection
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// keepAnswers puts n answers of about that many bytes and of so many facts into a cache, each sent once in every form that
// is asked for.
func keepAnswers(t *testing.T, n, size, facts int, codings []string) (counted, live int64) {
	t.Helper()
	c, err := cache.New(cache.Options{TTL: time.Hour, Memory: 256 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	answers, ctx := NewSpace(c, "scope"), c.Begin(t.Context())
	empty := heap()
	for i := range n {
		var used cache.Facts
		for k := range facts {
			digest := cache.Digest(fmt.Appendf(nil, "%08x%08x", i, k))
			used.Add(cache.Fact{Kind: "client", Backend: "thoughtindustries", Scope: "0123456789abcdef", Digest: digest, Found: true,
				Verdict: cache.Called, Fresh: time.Now().Add(time.Hour)})
		}
		data := fmt.Appendf(nil, `{"clients":{"nodes":[%q%s]}}`, fmt.Sprint(i), strings.Repeat(`,{"name":"x","title":null}`, size/26))
		now := time.Now()
		kept := slices.Clone(used.List()) // as the gateway keeps them
		a := New(&graphql.Response{Data: data}, kept, cachecontrol.FromFacts(used.List(), false, now), now)
		a.Policy.WriteHeaders(http.Header{}, time.Now())
		for _, coding := range codings {
			_ = a.Encoding(coding).Body.Digest()
		}
		answers.Put(ctx, fmt.Sprint(i), cache.Entry[*Answer]{Value: a, Tags: used.Tags()})
	}
	return c.Counters().MemoryBytes, heap() - empty
}

// TestMemoryCountsWholeAnswers compares the counted size of answers with their size on the heap. Room for the packed
// forms is counted from the start: a form that is compressed later is not counted again.
func TestMemoryCountsWholeAnswers(t *testing.T) {
	every := []string{"", "zstd", "br", "gzip"}
	for name, test := range map[string]struct {
		n, size, facts int
		codings        []string
		most           float64
	}{
		"short, as it is":            {4000, 200, 2, nil, 1.1},
		"short, in every form":       {4000, 200, 2, every, 1.1},
		"long, as it is":             {200, 40_000, 3, nil, 2.2},
		"long, in every form":        {200, 40_000, 3, every, 2.2},
		"of many facts, as it is":    {500, 2000, 60, nil, 1.4},
		"of many facts, every form":  {500, 2000, 60, every, 1.4},
		"of huge size, in all forms": {10, 400_000, 100, every, 2.2},
	} {
		t.Run(name, func(t *testing.T) {
			keepAnswers(t, 10, test.size, test.facts, test.codings) // the writers of the codings exist from then on
			counted, live := keepAnswers(t, test.n, test.size, test.facts, test.codings)
			if ratio := float64(counted) / float64(live); ratio < 0.95 || ratio > test.most {
				t.Errorf("counted %d bytes, the heap holds %d: %.3f", counted, live, ratio)
			}
		})
	}
}
