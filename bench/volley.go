package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// volley is what many requests over some connections gave.
type volley struct {
	answers  int
	rate     float64 // answers a second
	p50, p99 time.Duration
	cpu      time.Duration // of the server, for each answer
}

func (v volley) String() string {
	return fmt.Sprintf("%.0f/s p50 %v p99 %v CPU %v", v.rate, rounded(v.p50), rounded(v.p99), rounded(v.cpu))
}

func rounded(d time.Duration) time.Duration {
	if d > 10*time.Millisecond {
		return d.Round(time.Millisecond)
	}
	return d.Round(100 * time.Nanosecond)
}

// fire sends the request to a server over each connection again and again for a period, at least once.
func fire(server *process, request []byte, connections int, period time.Duration) (volley, error) {
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		waits []time.Duration
		errs  []error
	)
	cpu, start := server.cpu(), time.Now()
	for range connections {
		wg.Go(func() {
			took, err := fireOne(server.address, request, start.Add(period))
			mu.Lock()
			defer mu.Unlock()
			waits, errs = append(waits, took...), append(errs, err)
		})
	}
	wg.Wait()
	elapsed, used := time.Since(start), server.cpu()-cpu
	if err := errors.Join(errs...); err != nil {
		return volley{}, err
	}
	slices.Sort(waits)
	n := len(waits)
	return volley{answers: n, rate: float64(n) / elapsed.Seconds(), p50: waits[n/2], p99: waits[n*99/100], cpu: used / time.Duration(n)}, nil
}

func fireOne(address string, request []byte, end time.Time) (took []time.Duration, err error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	r := bufio.NewReaderSize(conn, 64<<10)
	for len(took) == 0 || time.Now().Before(end) {
		start := time.Now()
		if _, err := conn.Write(request); err != nil {
			return nil, err
		}
		if err := skipAnswer(r); err != nil {
			return nil, err
		}
		took = append(took, time.Since(start))
	}
	return took, nil
}

// skipAnswer reads one answer with a Content-Length and no more of it than shows that it is one without errors: what the
// client does must not hide what the server does.
func skipAnswer(r *bufio.Reader) error {
	status, err := r.ReadSlice('\n')
	if err != nil {
		return err
	}
	failed, size := !bytes.HasPrefix(status, []byte("HTTP/1.1 200")), -1
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) <= len("\r\n") {
			break
		}
		if text, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if size, err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil {
				return err
			}
		}
	}
	if size < 0 {
		return errors.New("an answer without a Content-Length")
	}
	start, err := r.Peek(min(size, 200))
	if err != nil {
		return err
	}
	if failed || bytes.HasPrefix(start, []byte(`{"errors"`)) {
		return fmt.Errorf("an answer with an error: %s", start)
	}
	_, err = r.Discard(size)
	return err
}

func queryBody(query string) string { return fmt.Sprintf(`{"query":%q}`, query) }

// post is a request as a small client sends it, with further header lines.
func post(address, query string, header ...string) []byte {
	body := queryBody(query)
	lines := append([]string{"POST /graphql HTTP/1.1", "Host: " + address, "Content-Type: application/json", "Accept: application/json",
		fmt.Sprint("Content-Length: ", len(body))}, header...)
	return []byte(strings.Join(lines, "\r\n") + "\r\n\r\n" + body)
}
