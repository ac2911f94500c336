package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"encoding/json"

	"github.com/learngraph/learngraph/gateway"
	prices "github.com/learngraph/learngraph/gateway/cost"
	"github.com/learngraph/learngraph/gateway/limits"
	"github.com/learngraph/learngraph/graph"
)

func init() { parts["hostile"] = benchHostile }

const (
	// hostileCPU is the most that refusing one hostile document may cost, in milliseconds.
	hostileCPU = 50
	// hostileAnswer is the longest answer, in KiB.
	hostileAnswer = 64
)

// hostileDocuments cost a parser, a validator or an executor much more than their length.
func hostileDocuments() map[string]string {
	bomb := "{ ...F0 }"
	for i := range 60 {
		bomb += fmt.Sprintf(" fragment F%d on Query { ...F%d ...F%d ...F%d }", i, i+1, i+1, i+1)
	}
	lists := "{"
	for i := range 500 {
		lists += fmt.Sprintf(" a%d: clients(first: 100) { nodes { name } }", i)
	}
	return map[string]string{
		"72 KB of nested inline fragments": strings.Repeat("{...", 14<<10) + "{__typename}" +
			strings.Repeat("}", 14<<10),
		"__typename 10,000 times":              "{" + strings.Repeat("__typename ", 10_000) + "}",
		"a fragment bomb":                      bomb + " fragment F60 on Query { __typename }",
		"20,000 unknown directives":            "{ __typename " + strings.Repeat("@a", 20_000) + " }",
		"an introspection cycle":               "{ __schema { types { ...T } } } fragment T on __Type { fields { type { ...T } } }",
		"500 aliased lists":                    lists + "}",
		"overlapping fields just below tokens": "{" + strings.Repeat("__typename ", 4900) + "}",
		"fields within themselves, a wide graph": "{" +
			strings.Repeat("users { nodes { embedClient { users { nodes { name } } } } } ", 300) + "}",
	}
}

// benchHostile sends each document to a gateway as it is set up by default, introspection on, and counts how many get
// as far as the validator.
func benchHostile(quick bool) ([]row, error) {
	g := gateway.New(gateway.Options{Schema: graph.NewEngine(graph.Config{}), Limits: limits.Default(),
		Timeout: time.Minute, Introspection: true, Log: slog.New(slog.DiscardHandler),
		Cost: prices.Options{Max: 10_000 * prices.CallPoints}})
	worst, longest, name := cost{}, 0, ""
	for title, query := range hostileDocuments() {
		body, err := json.Marshal(map[string]string{"query": query})
		if err != nil {
			return nil, err
		}
		size := 0
		send := func() {
			r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/graphql",
				strings.NewReader(string(body)))
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			g.ServeHTTP(w, r)
			size = w.Body.Len()
		}
		if c := compare(quick, send)[0]; c.cpu > worst.cpu {
			worst, name = c, title
		}
		longest = max(longest, size)
	}
	overloaded, err := benchOverload(quick)
	if err != nil {
		return nil, err
	}
	ms := float64(worst.cpu) / float64(time.Millisecond)
	return append([]row{
		{Work: "CPU of the dearest hostile document, ms", Got: ms, Target: hostileCPU, Detail: name},
		{Work: "longest answer to one, KiB", Got: float64(longest) / 1024, Target: hostileAnswer,
			Detail: fmt.Sprint(longest, " bytes")},
	}, overloaded...), nil
}
