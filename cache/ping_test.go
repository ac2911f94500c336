package cache

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
)

// logLines is a log that a test reads while it is written.
type logLines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestTheLogDistinguishesAWrongPasswordFromAnOutage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m, b, lines := newMemoryRedis(t), &backend{}, &logLines{}
		c := replica(t, m, func(o *Options) { o.Log = slog.New(slog.NewTextHandler(lines, nil)) })
		s := words(c)
		one(t.Context(), s, b, "a")
		m.refuse.Store(true)
		m.drop()
		one(t.Context(), s, b, "b")
		m.RequireAuth("hunter2")
		m.refuse.Store(false)
		time.Sleep(3 * time.Second)
		one(t.Context(), s, b, "c")
		synctest.Wait()
		got := lines.String()
		if !strings.Contains(got, string(Unreachable)) || !strings.Contains(got, string(NoPassword)) || strings.Count(got, "\n") != 2 {
			t.Errorf("got\n%s", got)
		}
		if strings.Contains(got, "hunter2") || strings.Contains(got, "redis.example") {
			t.Errorf("the log shows where Redis is:\n%s", got)
		}
	})
}

func TestPingErrorsAreDistinguished(t *testing.T) {
	t.Parallel()
	reply := func(text string) error { return redisReply(text) }
	for text, want := range map[string]PingError{
		"WRONGPASS invalid username-password pair or user is disabled.": WrongPassword, "ERR invalid password": WrongPassword,
		"NOAUTH Authentication required.": NoPassword, "NOPERM this user has no permissions": NoRights, "LOADING Redis is loading": Loading,
		"CLUSTERDOWN The cluster is down": Refusing, "OOM command not allowed": PingOK, "ERR unknown command": PingOK,
	} {
		if got := pingErrorOf(reply(text)); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
	for err, want := range map[error]PingError{
		&tls.CertificateVerificationError{Err: x509.HostnameError{}}: Certificate, tls.AlertError(42): Certificate,
		errors.New("dial: refused"): Unreachable, tls.RecordHeaderError{}: NoRedis,
		fmt.Errorf("redis: all sentinels are unreachable: %w", errors.Join(errors.New("dial: refused"), errors.New("dial: refused"))): Unreachable,
		fmt.Errorf("redis: all sentinels are unreachable: %w", errors.Join(redis.Nil, errors.New("dial: refused"))):                   NoMaster,
		fmt.Errorf("redis: all sentinels are unreachable: %w", errors.Join(redisReply("NOAUTH Authentication required."))):            NoPassword,
	} {
		if got := pingErrorOf(err); got != want {
			t.Errorf("%v: got %q, want %q", err, got, want)
		}
	}
}

type redisReply string

func (e redisReply) Error() string { return string(e) }
func (redisReply) RedisError()     {}

// TestAServerWithAPassword checks the messages of the real server and the real client.
func TestAServerWithAPassword(t *testing.T) {
	t.Parallel()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("no redis-server on the PATH")
	}
	address, _, ok := redisOnFreePort(t, path, "--requirepass", "hunter2")
	if !ok {
		t.Skip("redis-server finds no port")
	}
	for user, want := range map[string]PingError{"": NoPassword, ":hunter2@": PingOK, ":hunter3@": WrongPassword, "nobody:hunter2@": WrongPassword} {
		version, got := Ping(t.Context(), RedisOptions{URL: strings.Replace(address, "//", "//"+user, 1)})
		if got != want || (got == PingOK) != (version != "") {
			t.Errorf("%q: got version %q and %q, want %q", user, version, got, want)
		}
	}
	if _, got := Ping(t.Context(), RedisOptions{URL: strings.Replace(address, "redis:", "rediss:", 1)}); got == PingOK || got == Certificate {
		t.Errorf("TLS to a plain one: got %q", got)
	}
}
