package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/learngraph/learngraph/upstream/emulator"
)

func init() { parts["incremental"] = benchIncremental }

const acceptParts = "multipart/mixed;incrementalSpec=v0.2"

// deferredQuery has a client at once, its users when they come and their identities after these.
const deferredQuery = `{ clients(first: 1) { nodes { name ... @defer { users(first: 1) { nodes { name } } } } } ... @defer { identities(first: 1) { nodes { id } } } }`

// backendTimes are how long the backends take in the measurement of the first payload.
var backendTimes = map[string]time.Duration{"/incoming/": 20 * time.Millisecond, "/api/": 200 * time.Millisecond,
	"/core/": time.Second}

// slowBackends answers as the emulated backends, each after its time.
func slowBackends(times map[string]time.Duration) http.Handler {
	e := emulator.New(emulator.Options{Clients: 2, UsersPerClient: 2, Linked: true})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for prefix, wait := range times {
			if strings.HasPrefix(r.URL.Path, prefix) {
				select {
				case <-time.After(wait):
				case <-r.Context().Done():
					return
				}
			}
		}
		e.ServeHTTP(w, r)
	})
}

func benchIncremental(quick bool) (rows []row, err error) {
	dir, err := os.MkdirTemp("", "incremental")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	binary, err := buildProgram(dir)
	if err != nil {
		return nil, err
	}
	for _, measure := range []func(string, bool) (row, error){benchFirstPayload, benchFragments, benchOpenAnswers} {
		r, err := measure(binary, quick)
		if err != nil {
			return nil, err
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// partsConn is a connection on which answers are asked for one after the other.
type partsConn struct {
	conn net.Conn
	r    *bufio.Reader
}

func dialParts(address string) (*partsConn, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return &partsConn{conn, bufio.NewReaderSize(conn, 4<<10)}, nil
}

// first sends a query and returns the answer when its first byte is there.
func (c *partsConn) first(query, accept string) (*http.Response, error) {
	body, _ := json.Marshal(map[string]string{"query": query})
	_, err := fmt.Fprintf(c.conn,
		"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nAccept: %s\r\nContent-Length: %d\r\n\r\n%s", accept, len(body), body)
	if err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return nil, err
	}
	if got := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK ||
		strings.HasPrefix(accept, "multipart/") != strings.HasPrefix(got, "multipart/") {
		return nil, fmt.Errorf("status %d, %s", resp.StatusCode, got)
	}
	_, err = resp.Body.Read(make([]byte, 1))
	return resp, err
}

// all sends a query and reads the whole answer.
func (c *partsConn) all(query, accept string) error {
	resp, err := c.first(query, accept)
	if err != nil {
		return err
	}
	return errors.Join(drainBody(resp), resp.Body.Close())
}

func drainBody(resp *http.Response) error {
	buffer := make([]byte, 4<<10)
	for {
		if _, err := resp.Body.Read(buffer); err != nil {
			if err.Error() == "EOF" {
				return nil
			}
			return err
		}
	}
}

// benchFirstPayload compares the first payload with an answer that has no more.
func benchFirstPayload(binary string, quick bool) (r row, err error) {
	p, stop, err := overSlowBackends(binary, backendTimes, "CACHE_TTL=0", "COALESCE=false")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	c, err := dialParts(p.address)
	if err != nil {
		return r, err
	}
	rounds := 15
	if quick {
		rounds = 1
	}
	var fastest, firsts []time.Duration
	for range rounds {
		begun := time.Now()
		if err := c.all(`{ clients(first: 1) { nodes { name } } }`, "application/json"); err != nil {
			return r, err
		}
		fastest, begun = append(fastest, time.Since(begun)), time.Now()
		resp, err := c.first(deferredQuery, acceptParts)
		if err != nil {
			return r, err
		}
		firsts = append(firsts, time.Since(begun))
		if err := drainBody(resp); err != nil {
			return r, err
		}
	}
	slices.Sort(fastest)
	slices.Sort(firsts)
	a, b := fastest[len(fastest)/2], firsts[len(firsts)/2]
	return row{Work: "backends at 20, 200 and 1,000 ms: first payload, p50, of the fastest alone",
		Got: float64(b) / float64(a), Target: 1.15,
		Detail: fmt.Sprintf("alone %v, first payload %v", rounded(a), rounded(b))}, nil
}

// overSlowBackends starts the program over backends that take their time.
func overSlowBackends(binary string, times map[string]time.Duration,
	settings ...string) (*program, func() error, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	srv := &http.Server{Handler: slowBackends(times)}
	go func() { _ = srv.Serve(l) }()
	settings = append(settings, "AUTH=none", "MAX_INFLIGHT=5000", "OPERATION_TIMEOUT=5m", "COASSEMBLE_TIMEOUT=5m",
		"COASSEMBLE_CONCURRENCY=5000", "SHUTDOWN_DELAY=0", "SHUTDOWN_TIMEOUT=1s")
	p, err := startProgram(binary, l.Addr().String(), settings...)
	if err != nil {
		return nil, nil, errors.Join(err, srv.Close())
	}
	return p, func() error { return errors.Join(srv.Close(), p.stop()) }, nil
}

// fragmentsQuery has 25 fragments, each of them deferred or not.
func fragmentsQuery(deferral string) string {
	var b strings.Builder
	b.WriteString("{ clients(first: 1) { nodes { name")
	for i := range 25 {
		fmt.Fprintf(&b, " ... %s { u%d: users(first: 2) { nodes { name identity { sourceId } } } }", deferral, i)
	}
	return b.String() + " } } }"
}

// benchFragments compares the CPU time of an operation with deferred fragments with that of the same without. Calls
// take a moment, so that the answer has parts.
func benchFragments(binary string, quick bool) (r row, err error) {
	p, stop, err := overSlowBackends(binary, map[string]time.Duration{"/api/": 5 * time.Millisecond}, "CACHE_TTL=0",
		"COALESCE=false")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	c, err := dialParts(p.address)
	if err != nil {
		return r, err
	}
	rounds, each := 5, 200
	if quick {
		rounds, each = 1, 2
	}
	best := [2]time.Duration{time.Hour, time.Hour}
	for range rounds {
		for i, w := range [2]struct{ query, accept string }{{fragmentsQuery(""), "application/json"},
			{fragmentsQuery("@defer"), acceptParts}} {
			before := p.cpu()
			for range each {
				if err := c.all(w.query, w.accept); err != nil {
					return r, err
				}
			}
			best[i] = min(best[i], (p.cpu()-before)/time.Duration(each))
		}
	}
	return row{Work: "CPU of 25 deferred fragments, of the same without", Got: float64(best[1]) / float64(max(best[0], 1)),
		Target: 1.5, Detail: fmt.Sprintf("without %v, deferred %v", rounded(best[0]), rounded(best[1]))}, nil
}

// openQuery has an answer whose second part takes minutes.
const openQuery = `{ clients(first: 1) { nodes { name ... @defer { users(first: 1) { nodes { name } } } } } }`

// benchOpenAnswers measures the memory of answers whose first payload is sent, above that of idle connections. One more
// answer is open before: the code, plan and page that the first one loads are not memory of each.
func benchOpenAnswers(binary string, quick bool) (r row, err error) {
	// With a small GOGC nearly all of the heap is in use.
	p, stop, err := overSlowBackends(binary, map[string]time.Duration{"/api/": 4 * time.Minute}, "CACHE_TTL=1h", "GOGC=10")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	n := 1000
	if quick {
		n = 10
	}
	conns := make([]*partsConn, n)
	for i := range conns {
		if conns[i], err = dialParts(p.address); err != nil {
			return r, err
		}
		defer func() { _ = conns[i].conn.Close() }()
		if err := conns[i].all(`{ __typename }`, "application/json"); err != nil {
			return r, err
		}
	}
	first, err := dialParts(p.address)
	if err != nil {
		return r, err
	}
	defer func() { _ = first.conn.Close() }()
	if _, err := first.first(openQuery, acceptParts); err != nil {
		return r, err
	}
	if err := p.churn(); err != nil {
		return r, err
	}
	before, _ := p.memory()
	for _, c := range conns {
		if _, err := c.first(openQuery, acceptParts); err != nil {
			return r, err
		}
	}
	if err := p.churn(); err != nil {
		return r, err
	}
	after, _ := p.memory()
	return row{Work: fmt.Sprintf("%d open answers in parts, KiB each above an idle connection", n),
		Got: (after - before) * 1024 / float64(n), Target: 30,
		Detail: fmt.Sprintf("%.1f MiB with idle connections and one answer, %.1f MiB with all", before, after)}, nil
}
