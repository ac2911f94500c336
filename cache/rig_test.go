package cache

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"
)

const timeout = 20 * time.Millisecond

// backend answers with "<key>@<version>" and counts.
type backend struct {
	mu      sync.Mutex
	version int
	delay   time.Duration
	err     error
	absent  map[string]bool
	shape   func(key string, f Entry[string]) Entry[string]
	calls   [][]string
	misses  []Missing
}

func (b *backend) fetch(ctx context.Context, missing []Missing) (map[string]Entry[string], map[string]error) {
	b.mu.Lock()
	keys := make([]string, len(missing))
	for i, w := range missing {
		keys[i] = w.Key
	}
	slices.Sort(keys)
	b.calls = append(b.calls, keys)
	b.misses = append(b.misses, missing...)
	version, delay, err := b.version, b.delay, b.err
	b.mu.Unlock()
	found, failed := map[string]Entry[string]{}, map[string]error{}
	select {
	case <-ctx.Done():
		err = ctx.Err()
	case <-time.After(delay):
	}
	for _, key := range keys {
		switch {
		case err != nil:
			failed[key] = err
		case b.absent[key]:
		default:
			found[key] = Entry[string]{Value: fmt.Sprintf("%s@%d", key, version)}
			if b.shape != nil {
				found[key] = b.shape(key, found[key])
			}
		}
	}
	return found, failed
}

// set changes the backend between calls.
func (b *backend) set(change func(*backend)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(b)
}

func (b *backend) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.calls)
}

func options() Options {
	return Options{
		TTL: time.Minute, Stale: 10 * time.Minute, Negative: 10 * time.Second, Memory: 1 << 20, Coalesce: true, Version: "v1",
		cut: func() float64 { return 0 },
	}
}

func open(t *testing.T, o Options) *Cache {
	t.Helper()
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func words(c *Cache) *Space[string] {
	return NewSpace(c, SpaceOptions[string]{
		Kind: "word", Backend: "emulator", Scope: "scope",
		Encode: func(s string) ([]byte, error) { return []byte(s), nil },
		Decode: func(b []byte) (string, error) { return string(b), nil },
		Size:   func(s string) int { return len(s) },
	})
}

// fetchByKey is a Fetch in maps: a key in neither does not exist.
type fetchByKey[V any] = func(ctx context.Context, missing []Missing) (map[string]Entry[V], map[string]error)

// loaded is what Load answers, by key.
func loaded[V any](s *Space[V], ctx context.Context, keys []string, fetch fetchByKey[V]) map[string]Result[V] {
	results := s.Load(ctx, keys, func(ctx context.Context, missing []Missing) []Answer[V] {
		found, failed := fetch(ctx, missing)
		answers := make([]Answer[V], len(missing))
		for i, m := range missing {
			f, ok := found[m.Key]
			answers[i] = Answer[V]{Entry: f, Found: ok, Err: failed[m.Key]}
		}
		return answers
	})
	byKey := map[string]Result[V]{}
	for i, key := range keys {
		byKey[key] = results[i]
	}
	return byKey
}

// peek are those of the keys that memory holds fresh.
func peek(s *Space[string], keys ...string) (fresh []string) {
	for _, key := range keys {
		now := time.Now()
		if r := s.inner.c.memory.get(s.inner.digest(key)); r != nil && now.Before(r.fresh) && s.inner.trusts(r, now) {
			fresh = append(fresh, key)
		}
	}
	return fresh
}

// one loads a single key and shows what came of it: value, verdict and reason.
func one(ctx context.Context, s *Space[string], b *backend, key string) string {
	r := loaded(s, ctx, []string{key}, b.fetch)[key]
	return show(r)
}

func show(r Result[string]) string {
	switch {
	case r.Err != nil:
		return "error: " + r.Err.Error()
	case !r.Found:
		return strings.TrimSpace(fmt.Sprintf("absent %s %s", r.Fact.Verdict, r.Fact.Reason))
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s %s", r.Value, r.Fact.Verdict, r.Fact.Reason))
}

func expect(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func expectCalls(t *testing.T, b *backend, want int) {
	t.Helper()
	if got := b.count(); got != want {
		t.Errorf("got %d calls %v, want %d", got, b.calls, want)
	}
}

// memoryRedis is a Redis without sockets, so that it runs in fake time.
type memoryRedis struct {
	*miniredis.Miniredis
	refuse, hang atomic.Bool
	cut          atomic.Int64 // if positive, connections end after so many bytes of answers

	mu     sync.Mutex
	conns  []net.Conn
	paused chan struct{} // closed when it goes on; nil while it does
}

func newMemoryRedis(t *testing.T) *memoryRedis {
	t.Helper()
	m := &memoryRedis{Miniredis: miniredis.NewMiniRedis()}
	if err := m.Start(); err != nil {
		t.Fatal(err)
	}
	// A bubble cannot wait for sockets: only connections by pipe remain.
	m.Server().Close()
	t.Cleanup(func() { m.drop(); m.Close() })
	return m
}

func (m *memoryRedis) dial(context.Context, string, string) (net.Conn, error) {
	if m.refuse.Load() {
		return nil, errors.New("refused")
	}
	ours, theirs := net.Pipe()
	m.mu.Lock()
	m.conns = append(m.conns, ours, theirs)
	m.mu.Unlock()
	if m.hang.Load() {
		go func() { _, _ = io.Copy(io.Discard, theirs) }()
		return ours, nil
	}
	m.Server().ServeConn(m.behindPause(theirs))
	if n := m.cut.Load(); n > 0 {
		return &cutConn{ours, n}, nil
	}
	return ours, nil
}

// pause holds back bytes to the server until resume, while connections stay and accept them.
func (m *memoryRedis) pause() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.paused = make(chan struct{})
}

func (m *memoryRedis) resume() {
	m.mu.Lock()
	defer m.mu.Unlock()
	close(m.paused)
	m.paused = nil
}

// behindPause is the server's end of a connection, which pause holds up.
func (m *memoryRedis) behindPause(conn net.Conn) net.Conn {
	near, far := net.Pipe()
	m.mu.Lock()
	m.conns = append(m.conns, near, far)
	m.mu.Unlock()
	chunks := make(chan []byte, 1024)
	go func() {
		defer close(chunks)
		for {
			b := make([]byte, 32<<10)
			n, err := conn.Read(b)
			if err != nil {
				return
			}
			chunks <- b[:n]
		}
	}()
	go func() {
		defer near.Close()
		for b := range chunks {
			m.mu.Lock()
			paused := m.paused
			m.mu.Unlock()
			if paused != nil {
				<-paused
			}
			_, _ = near.Write(b)
		}
	}()
	go func() {
		defer conn.Close()
		_, _ = io.Copy(conn, near)
	}()
	return far
}

// drop ends all connections.
func (m *memoryRedis) drop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.conns {
		_ = c.Close()
	}
	m.conns = nil
}

// cutConn ends after n bytes.
type cutConn struct {
	net.Conn
	n int64
}

func (c *cutConn) Read(b []byte) (int, error) {
	if c.n <= 0 {
		_ = c.Close()
		return 0, io.EOF
	}
	n, err := c.Conn.Read(b[:min(int64(len(b)), c.n)])
	c.n -= int64(n)
	return n, err
}

// replica opens a cache on a shared Redis and waits until it receives the others' messages.
func replica(t *testing.T, m *memoryRedis, change ...func(*Options)) *Cache {
	t.Helper()
	o := options()
	o.Redis = &RedisOptions{URL: "redis://redis.example:6379", Timeout: timeout, dial: m.dial}
	for _, f := range change {
		f(&o)
	}
	c := open(t, o)
	synctest.Wait()
	return c
}

// realRedis starts the redis-server on the PATH on a free port, or miniredis where there is none.
func realRedis(t *testing.T) (url string, stop func()) {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("redis-server is not on the PATH")
		}
		t.Log("no redis-server on the PATH: miniredis instead")
		m := miniredis.RunT(t)
		return "redis://" + m.Addr(), m.Close
	}
	// Between the choice of a port and the server's start another process may take it: then the server ends.
	for range 10 {
		if url, stop, ok := redisOnFreePort(t, path); ok {
			return url, stop
		}
	}
	t.Fatal("redis-server finds no port")
	return "", nil
}

// redisOnFreePort starts a server and waits until it accepts connections; not ok is that it ended before.
func redisOnFreePort(t *testing.T, path string, settings ...string) (url string, stop func(), ok bool) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_ = l.Close()
	arguments := []string{"--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir()}
	cmd := exec.Command(path, append(arguments, settings...)...)
	sent, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(sent)
	for !ok && lines.Scan() {
		ok = strings.Contains(strings.ToLower(lines.Text()), "ready to accept connections")
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(io.Discard, sent) // a full pipe would hold the server up
	}()
	stop = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		<-read
		_ = cmd.Wait()
	})
	t.Cleanup(stop)
	return "redis://127.0.0.1:" + port, stop, ok
}

// until waits for an effect of a process outside of fake time.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("never happened: %s", what)
		case <-tick.C:
		}
	}
}

func keysOf[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
