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

// volley is the result of many requests over some connections.
type volley struct {
	waits   []time.Duration // one for each answer
	elapsed time.Duration
	cpu     time.Duration // of the server
}

// rate is in answers a second.
func (v volley) rate() float64 { return float64(len(v.waits)) / v.elapsed.Seconds() }

func (v volley) String() string {
	n := len(v.waits)
	slices.Sort(v.waits)
	return fmt.Sprintf("%.0f/s p50 %v p99 %v CPU %v", v.rate(), rounded(v.waits[n/2]), rounded(v.waits[n*99/100]),
		rounded(v.cpu/time.Duration(n)))
}

// add counts another volley as one with this.
func (v *volley) add(other volley) {
	v.waits = append(v.waits, other.waits...)
	v.elapsed += other.elapsed
	v.cpu += other.cpu
}

func rounded(d time.Duration) time.Duration {
	if d > 10*time.Millisecond {
		return d.Round(time.Millisecond)
	}
	return d.Round(100 * time.Nanosecond)
}

// gunners are connections to a server that stay open from one volley to the next: the cost of opening them is no part
// of any.
type gunners struct {
	server *process
	conns  []*gunner
}

type gunner struct {
	conn net.Conn
	r    *bufio.Reader
}

func newGunners(server *process, connections int) (*gunners, error) {
	g := &gunners{server: server}
	for range connections {
		conn, err := net.Dial("tcp", server.address)
		if err != nil {
			return nil, errors.Join(err, g.close())
		}
		g.conns = append(g.conns, &gunner{conn, bufio.NewReaderSize(conn, 64<<10)})
	}
	return g, nil
}

func (g *gunners) close() (err error) {
	for _, c := range g.conns {
		err = errors.Join(err, c.conn.Close())
	}
	return err
}

// fire sends the request over each connection again and again for a period, at least once.
func (g *gunners) fire(request []byte, period time.Duration) (volley, error) {
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		waits []time.Duration
		errs  []error
	)
	cpu, start := g.server.cpu(), time.Now()
	for _, c := range g.conns {
		wg.Go(func() {
			took, err := c.fire(request, start.Add(period))
			mu.Lock()
			defer mu.Unlock()
			waits, errs = append(waits, took...), append(errs, err)
		})
	}
	wg.Wait()
	elapsed, used := time.Since(start), g.server.cpu()-cpu
	if err := errors.Join(errs...); err != nil {
		return volley{}, err
	}
	return volley{waits: waits, elapsed: elapsed, cpu: used}, nil
}

func (c *gunner) fire(request []byte, end time.Time) (took []time.Duration, err error) {
	for len(took) == 0 || time.Now().Before(end) {
		start := time.Now()
		if _, err := c.conn.Write(request); err != nil {
			return nil, err
		}
		if err := skipAnswer(c.r); err != nil {
			return nil, err
		}
		took = append(took, time.Since(start))
	}
	return took, nil
}

// skipAnswer reads one answer with a Content-Length, and of its body only enough to see that it has no errors: the
// client's work must not hide the server's.
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
	lines := append([]string{"POST /graphql HTTP/1.1", "Host: " + address, "Content-Type: application/json",
		"Accept: application/json", fmt.Sprint("Content-Length: ", len(body))}, header...)
	return []byte(strings.Join(lines, "\r\n") + "\r\n\r\n" + body)
}
