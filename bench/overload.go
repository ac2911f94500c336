package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	// container is the memory in MiB within which the program must stay, and containerLimit the limit that it sets itself
	// in one.
	container      = 256
	containerLimit = "GOMEMLIMIT=230MiB"
	// batchCPU is the most CPU that a batch of ten long answers in brotli may cost, in seconds.
	batchCPU = 8
)

// overload is a kind of request. Many of it, at once or in turn, must not end the program.
type overload struct {
	work   string
	count  int
	attack func(p *program, count int) (detail string, err error)
	// seconds measures CPU instead of memory.
	seconds bool
}

func overloads(quick bool) []overload {
	all := []overload{
		{work: "stalled bodies", count: 1500, attack: (*program).stallBodies},
		{work: "readers who do not read", count: 100, attack: (*program).stallReaders},
		{work: "distinct documents", count: 100_000, attack: (*program).distinctDocuments},
		{work: "registered documents of 60 KB", count: 3000, attack: (*program).fillPersisted},
		{work: "batch in brotli", count: 10, attack: (*program).batchInBrotli, seconds: true},
	}
	if quick {
		for i := range all {
			all[i].count = min(all[i].count, 20)
		}
	}
	return all
}

// benchOverload starts a program for each attack, with the memory that a container of 256 MiB leaves it.
func benchOverload(quick bool) (rows []row, err error) {
	folder, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	binary, err := buildProgram(folder)
	if err != nil {
		return nil, err
	}
	backends, err := startSideProcess("emulator", "0s", "300", "")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, backends.stop()) }()
	for _, o := range overloads(quick) {
		progress(fmt.Sprint("hostile, ", o.count, " ", o.work))
		r, err := o.measure(binary, backends.address)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.work, err)
		}
		rows = append(rows, r)
	}
	return rows, nil
}

func (o overload) measure(binary, backends string) (r row, err error) {
	p, err := startProgram(binary, backends, containerLimit, "CACHE_MEMORY=115MiB", "MAX_INFLIGHT_BYTES=58MiB",
		"CACHE_TTL=1h")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	before := p.cpu()
	detail, err := o.attack(p, o.count)
	if err != nil {
		return r, err
	}
	if _, err := p.ask(`{ __typename }`, ""); err != nil {
		return r, fmt.Errorf("the program does not answer afterwards: %w", err)
	}
	now, peak := p.memory()
	if o.seconds {
		return row{Work: fmt.Sprintf("CPU of a %s of %d, s", o.work, o.count), Got: (p.cpu() - before).Seconds(),
			Target: batchCPU, Detail: detail}, nil
	}
	return row{Work: fmt.Sprintf("peak with %d %s, MiB", o.count, o.work), Got: peak, Target: container, Required: true,
		Detail: fmt.Sprintf("%.0f MiB at the end, %s", now, detail)}, nil
}

// raw opens a connection and sends the beginning of a request.
func (p *program) raw(head, body string) (net.Conn, error) {
	conn, err := net.Dial("tcp", p.address)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	// Who is refused finds the connection closed while sending.
	_, _ = io.WriteString(conn, "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"+head+
		"\r\n\r\n"+body)
	return conn, nil
}

func closeAll(conns []net.Conn) {
	for _, c := range conns {
		_ = c.Close()
	}
}

// stallBodies sends bodies of a MiB but for their last byte.
func (p *program) stallBodies(count int) (string, error) {
	var conns []net.Conn
	defer func() { closeAll(conns) }()
	body := strings.Repeat(" ", 1<<20-1)
	for range count {
		conn, err := p.raw("Content-Length: "+strconv.Itoa(len(body)+1), body)
		if err != nil {
			return "", err
		}
		conns = append(conns, conn)
	}
	return fmt.Sprint(len(conns), " connections"), nil
}

// longQuery asks for an answer that is much longer than the backend's page. Each n is another.
func longQuery(n int) string {
	var fields, lists strings.Builder
	for i := range 85 {
		fmt.Fprintf(&fields, " a%d_%d: name", n, i)
	}
	for i := range 8 {
		fmt.Fprintf(&lists, " l%d: clients(first: 100) { nodes { ...F } }", i)
	}
	return fmt.Sprintf(`{%s } fragment F on Client {%s }`, lists.String(), fields.String())
}

// stallReaders asks for long answers and reads none.
func (p *program) stallReaders(count int) (string, error) {
	var conns []net.Conn
	defer func() { closeAll(conns) }()
	for n := range count {
		body := queryBody(longQuery(n))
		conn, err := p.raw("Content-Length: "+strconv.Itoa(len(body)), body)
		if err != nil {
			return "", err
		}
		conns = append(conns, conn)
	}
	time.Sleep(3 * time.Second)
	return fmt.Sprint(len(conns), " connections"), nil
}

// distinctDocuments sends documents that all differ.
func (p *program) distinctDocuments(count int) (string, error) {
	for n := range count {
		text, err := p.ask(
			fmt.Sprintf(
				`query Q%d { clients(first: 1) { nodes { a%d: name slug sku courses(first: 1) { nodes { title status kind } } licenses { name sku } } } }`, n, n), "")
		if err != nil || bytes.Contains(text, []byte(`"errors"`)) {
			return "", fmt.Errorf("document %d: %s %w", n, text, err)
		}
	}
	return fmt.Sprint(count, " answers"), nil
}

// fillPersisted registers documents.
func (p *program) fillPersisted(count int) (string, error) {
	refused := 0
	for n := range count {
		query := fmt.Sprintf("{ __typename } # %d %s", n, strings.Repeat("x", 60_000))
		sum := sha256.Sum256([]byte(query))
		body, _ := json.Marshal(map[string]any{"query": query, "extensions": map[string]any{
			"persistedQuery": map[string]any{"version": 1, "sha256Hash": hex.EncodeToString(sum[:])}}})
		resp, err := http.Post("http://"+p.address+"/graphql", "application/json", bytes.NewReader(body))
		if err != nil {
			return "", err
		}
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || bytes.Contains(text, []byte(`"errors"`)) {
			refused++
		}
	}
	return fmt.Sprint(refused, " refused"), nil
}

// batchInBrotli asks for several long answers in one body.
func (p *program) batchInBrotli(count int) (string, error) {
	var batch []json.RawMessage
	for n := range count {
		batch = append(batch, json.RawMessage(queryBody(longQuery(n))))
	}
	body, _ := json.Marshal(batch)
	r, err := http.NewRequest(http.MethodPost, "http://"+p.address+"/graphql", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept-Encoding", "br")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	n, err := io.Copy(io.Discard, resp.Body)
	return fmt.Sprintf("%d in %d bytes, %s", resp.StatusCode, n, resp.Header.Get("Content-Encoding")),
		errors.Join(err, resp.Body.Close())
}
