package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/learngraph/learngraph/engine"
	"github.com/learngraph/learngraph/graph"
)

func init() { parts["engine"] = benchEngine }

func benchEngine(quick bool) ([]row, error) {
	m, err := newMemory()
	if err != nil {
		return nil, err
	}
	cfg := graph.Config{Resolvers: m}
	stock, ours := newServer(graph.NewExecutableSchema(cfg)), newServer(graph.NewEngine(cfg))
	work := func(s server, query string) func() {
		ctx := engine.WithBuffer(context.Background(), new(engine.Buffer))
		return func() { must(s.execute(ctx, query)) }
	}
	large := compare(quick, work(stock, leavesQuery), work(ours, leavesQuery))
	users := compare(quick, work(stock, usersQuery), work(ours, usersQuery))
	small := compare(quick, work(stock, smallQuery), work(ours, smallQuery))
	rows := []row{
		{Work: "execute 3,050 leaves of documents, CPU, of stock", Got: ratio(large[1], large[0]), Target: 1.0 / 8,
			Detail: detail(large)},
		{Work: "the same, allocations, of stock", Got: large[1].allocs / large[0].allocs, Target: 1.0 / 40,
			Detail: fmt.Sprintf("stock %.0f, engine %.0f", large[0].allocs, large[1].allocs)},
		{Work: "execute 3,050 leaves of structs behind a batch, CPU, of stock", Got: ratio(users[1], users[0]),
			Target: 1.0 / 8, Detail: detail(users)},
		{Work: "small query of 5 leaves, CPU in process, of stock", Got: ratio(small[1], small[0]), Target: 0.7,
			Detail: detail(small)},
	}
	http, err := overHTTP(quick, stock, ours)
	if err != nil {
		return nil, err
	}
	return append(rows, http, threeLevels(quick)), nil
}

func detail(c []cost) string { return fmt.Sprintf("stock %v, engine %v", c[0].cpu, c[1].cpu) }

// overHTTP loads a handler like gqlgen's and a plain one over the engine, in this process, which also is the client.
func overHTTP(quick bool, stock, ours server) (row, error) {
	var best [2]float64
	rounds := 5
	if quick {
		rounds = 1
	}
	for range rounds {
		for i, h := range []http.Handler{stockHTTP{stock}, ours} {
			rate, err := load(h, leavesQuery, 16, quick)
			if err != nil {
				return row{}, err
			}
			best[i] = max(best[i], rate)
		}
	}
	return row{Work: "100 KB answer over HTTP, 16 connections, answers a second, of stock", Got: best[1] / best[0],
		Target: 8, AtLeast: true, Detail: fmt.Sprintf("stock %.0f/s, engine %.0f/s", best[0], best[1])}, nil
}

// load serves h on a loopback socket and returns the answers a second that so many connections get.
func load(h http.Handler, query string, connections int, quick bool) (float64, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	srv := &http.Server{Handler: h}
	go func() { _ = srv.Serve(l) }()
	defer func() { _ = srv.Close() }()
	return loadAddress(l.Addr().String(), query, connections, quick)
}

func loadAddress(address, query string, connections int, quick bool) (float64, error) {
	period := time.Second
	if quick {
		period = 0
	}
	body := fmt.Sprintf(`{"query":%q}`, query)
	request := fmt.Appendf(nil,
		"POST /graphql HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nAccept: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	var answers atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, connections)
	start := time.Now()
	for range connections {
		wg.Go(func() { errs <- ask(address, request, start.Add(period), &answers) })
	}
	wg.Wait()
	elapsed := time.Since(start)
	close(errs)
	for err := range errs {
		if err != nil {
			return 0, err
		}
	}
	return float64(answers.Load()) / elapsed.Seconds(), nil
}

// ask sends the request over one connection, again and again until the end.
func ask(address string, request []byte, end time.Time, answers *atomic.Int64) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	r := bufio.NewReaderSize(conn, 64<<10)
	for first := true; first || time.Now().Before(end); first = false {
		if _, err := conn.Write(request); err != nil {
			return err
		}
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			return err
		}
		head := make([]byte, 9)
		if _, err := io.ReadFull(resp.Body, head); err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK || bytes.Contains(head, []byte("errors")) {
			return fmt.Errorf("status %d, %s", resp.StatusCode, head)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return err
		}
		answers.Add(1)
	}
	return nil
}

// threeLevels compares operations with three levels of calls of 10 ms with bare sleeps.
func threeLevels(quick bool) row {
	const level = 10 * time.Millisecond
	m, err := newMemory()
	if err != nil {
		panic(err)
	}
	m.wait = level
	s := newServer(graph.NewEngine(graph.Config{Resolvers: m}))
	sleeps := median(quick, func() {
		for range 3 {
			time.Sleep(level)
		}
	})
	levels := median(quick, func() { must(s.execute(context.Background(), levelsQuery)) })
	return row{Work: "three levels at 10 ms, 16 operations at once, p50, of three sleeps",
		Got: float64(levels) / float64(sleeps), Target: 1.15, Detail: fmt.Sprintf("sleeps %v, engine %v", sleeps, levels)}
}

func median(quick bool, work func()) time.Duration {
	const atOnce = 16
	repeats := 20
	if quick {
		repeats = 1
	}
	durations := make([]time.Duration, atOnce*repeats)
	var wg sync.WaitGroup
	for i := range atOnce {
		wg.Go(func() {
			for j := range repeats {
				start := time.Now()
				work()
				durations[i*repeats+j] = time.Since(start)
			}
		})
	}
	wg.Wait()
	slices.Sort(durations)
	return durations[len(durations)/2]
}
