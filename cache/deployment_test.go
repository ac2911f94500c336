package cache

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// redisServer returns the path of the server, whose features beyond one plain process no emulation has.
func redisServer(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("redis-server is not on the PATH")
		}
		t.Skip("no redis-server on the PATH")
	}
	return path
}

// start starts a server with the given settings and returns the port that it chose.
func startServer(t *testing.T, path string, settings ...string) (port string, stop func()) {
	t.Helper()
	for range 10 {
		if address, stop, ok := redisOnFreePort(t, path, settings...); ok {
			_, port, _ = net.SplitHostPort(strings.TrimPrefix(address, "redis://"))
			return port, stop
		}
	}
	t.Fatal("redis-server finds no port")
	return "", nil
}

// traffic is what two replicas do to a Redis while it changes: reads, writes and calls of a shared budget.
type traffic struct {
	ended   chan struct{}
	workers sync.WaitGroup
	granted atomic.Int64
	b       *backend
}

// startLoad lets both caches work until the load is ended. An operation that fails, or that shows a value older than an
// earlier write of the same replica, is an error of the test.
func startLoad(t *testing.T, caches [2]*Cache, keys []string, budget int) *traffic {
	t.Helper()
	l := &traffic{ended: make(chan struct{}), b: &backend{}}
	for _, c := range caches {
		s, window := words(c), NewWindow(c, "backend", []SharedRate{{budget, time.Hour}}, len(caches))
		l.workers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-l.ended:
					return
				case <-time.After(time.Millisecond):
				}
				key := keys[i%len(keys)]
				l.granted.Add(int64(take(window, 1)))
				if r := loaded(s, context.Background(), []string{key}, l.b.fetch)[key]; r.Err != nil || !strings.HasPrefix(r.Value, key+"@") {
					t.Errorf("got %+v of %q", r, key)
				}
				if i%50 == 49 {
					s.Drop(context.Background(), key)
				}
			}
		})
	}
	return l
}

// end ends the load and checks that both replicas together took no more of the budget than there is.
func (l *traffic) end(t *testing.T, budget int) {
	t.Helper()
	close(l.ended)
	l.workers.Wait()
	if got := l.granted.Load(); got == 0 || got > int64(budget) {
		t.Errorf("got %d calls of a budget of %d", got, budget)
	}
}

// expectShared checks that a value that one replica writes after a change is read by the other one.
func expectShared(t *testing.T, caches [2]*Cache, b *backend, keys []string) {
	t.Helper()
	s, other := words(caches[0]), words(caches[1])
	b.set(func(b *backend) { b.version = 1 })
	s.Drop(t.Context(), keys...)
	for _, c := range caches {
		until(t, "the drops are complete", func() bool { return c.Counters().Redis.PendingDrops == 0 })
	}
	until(t, "every key is shared again", func() bool {
		for _, c := range caches {
			c.memory.clear()
		}
		loaded(s, context.Background(), keys, b.fetch)
		for key, r := range loaded(other, context.Background(), keys, b.fetch) {
			if r.Value != key+"@1" {
				return false
			}
		}
		caches[1].memory.clear()
		return len(other.Stored(context.Background(), keys...)) == len(keys) && caches[0].Counters().Redis.Up && caches[1].Counters().Redis.Up
	})
}

func numbered(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprint("key ", i)
	}
	return keys
}

// openTwo opens two replicas that share a Redis.
func openTwo(t *testing.T, url string) (caches [2]*Cache) {
	t.Helper()
	for i := range caches {
		o := options()
		// A busy machine may stop either end for a while: that is no outage, for which budgets are shares.
		o.Redis = &RedisOptions{URL: url, Timeout: writeTimeout}
		caches[i] = open(t, o)
		until(t, "the channel is there", func() bool { return caches[i].remote.subscribed.Load() })
	}
	return caches
}

func TestAFailoverBySentinelIsFollowed(t *testing.T) {
	t.Parallel()
	path := redisServer(t)
	masterPort, stopMaster := startServer(t, path)
	replicaPort, _ := startServer(t, path, "--replicaof", "127.0.0.1", masterPort, "--repl-diskless-sync-delay", "0")
	replica := admin(t, "redis://127.0.0.1:"+replicaPort)
	until(t, "the replica is a copy", func() bool {
		return strings.Contains(replica.Info(t.Context(), "replication").Val(), "master_link_status:up")
	})
	var sentinels []string
	for range 3 {
		sentinels = append(sentinels, "127.0.0.1:"+startSentinel(t, path, masterPort))
	}
	for _, address := range sentinels {
		client := redis.NewSentinelClient(&redis.Options{Addr: address})
		t.Cleanup(func() { _ = client.Close() })
		until(t, "the sentinels know each other and the replica", func() bool {
			master := client.Master(t.Context(), "learngraph").Val()
			return master["num-other-sentinels"] == "2" && master["num-slaves"] == "1"
		})
	}
	caches := openTwo(t, fmt.Sprintf("redis://%s?master_name=learngraph&addr=%s&addr=%s", sentinels[0], sentinels[1], sentinels[2]))
	const budget = 60
	keys := numbered(20)
	load := startLoad(t, caches, keys, budget)
	until(t, "there was some load", func() bool { return load.granted.Load() > budget/4 })

	stopMaster()
	until(t, "the replica is the master", func() bool {
		return strings.Contains(replica.Info(t.Context(), "replication").Val(), "role:master")
	})
	load.end(t, budget)
	expectShared(t, caches, load.b, keys)
}

// startSentinel starts a Sentinel that watches the master on the given port and returns its own port.
func startSentinel(t *testing.T, path, masterPort string) string {
	t.Helper()
	for range 10 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(l.Addr().String())
		_ = l.Close()
		dir := t.TempDir()
		file := filepath.Join(dir, "sentinel.conf")
		settings := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\nsentinel monitor learngraph 127.0.0.1 %s 2\n"+
			"sentinel down-after-milliseconds learngraph 500\nsentinel failover-timeout learngraph 5000\n", port, dir, masterPort)
		if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(path, file, "--sentinel")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { defer close(ended); _ = cmd.Wait() }()
		t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
		client := admin(t, "redis://127.0.0.1:"+port)
		for client.Ping(t.Context()).Err() != nil {
			select {
			case <-ended:
			case <-time.After(5 * time.Millisecond):
				continue
			}
			break
		}
		if client.Ping(t.Context()).Err() == nil {
			return port
		}
	}
	t.Fatal("the sentinel finds no port")
	return ""
}

func TestSlotsOfAClusterMoveUnderLoad(t *testing.T) {
	t.Parallel()
	nodes := startCluster(t)
	caches := openTwo(t, fmt.Sprintf("redis://127.0.0.1:%s?addr=%s", nodes[0].port, url.QueryEscape("127.0.0.1:"+nodes[1].port)))
	const budget = 200
	keys := numbered(20)
	load := startLoad(t, caches, keys, budget)
	until(t, "there was some load", func() bool { return load.granted.Load() > budget/4 })
	moved := 0
	for slot := range 5461 {
		if nodes[0].ClusterCountKeysInSlot(t.Context(), slot).Val() > 0 {
			moveSlot(t, slot, nodes[0], nodes[1], nodes[:3])
			moved++
		}
	}
	if moved == 0 {
		t.Fatal("no slot of the first master has a key")
	}
	load.end(t, budget)
	expectShared(t, caches, load.b, keys)
	t.Logf("%d slots moved", moved)
}

// moveSlot does what redis-cli does for a slot: both ends learn of it, keys go one after the other, then all masters learn
// who has it.
func moveSlot(t *testing.T, slot int, from, to *node, masters []*node) {
	t.Helper()
	ctx := t.Context()
	source, target := from.ClusterMyID(ctx).Val(), to.ClusterMyID(ctx).Val()
	for _, step := range []error{
		to.Do(ctx, "CLUSTER", "SETSLOT", slot, "IMPORTING", source).Err(),
		from.Do(ctx, "CLUSTER", "SETSLOT", slot, "MIGRATING", target).Err(),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	for from.ClusterCountKeysInSlot(ctx, slot).Val() > 0 {
		for _, key := range from.ClusterGetKeysInSlot(ctx, slot, 100).Val() {
			if err := from.Migrate(ctx, to.host, to.port, key, 0, 5*time.Second).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, master := range masters {
		if err := master.Do(ctx, "CLUSTER", "SETSLOT", slot, "NODE", target).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTLSWithAnAuthorityOfItsOwnAndAUserOfFewRights(t *testing.T) {
	t.Parallel()
	path := redisServer(t)
	dir := t.TempDir()
	roots := writeCertificates(t, dir)
	// The rights that docs/ names for this user: keys and channels with its prefix, and no administration.
	acl := filepath.Join(dir, "users.acl")
	rules := "user default off\nuser learngraph on >secret ~lg:* &lg:* +@all -@admin -@dangerous\n"
	if err := os.WriteFile(acl, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	tlsPort := ""
	for range 10 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(l.Addr().String())
		_ = l.Close()
		_, _, ok := redisOnFreePort(t, path, "--tls-port", port, "--aclfile", acl, "--tls-auth-clients", "no",
			"--tls-cert-file", filepath.Join(dir, "server.pem"), "--tls-key-file", filepath.Join(dir, "server.key"),
			"--tls-ca-cert-file", filepath.Join(dir, "ca.pem"))
		if ok {
			tlsPort = port
			break
		}
	}
	if tlsPort == "" {
		t.Fatal("redis-server finds no port")
	}
	with := func(user string, roots *x509.CertPool) *Cache {
		o := options()
		o.Redis = &RedisOptions{URL: fmt.Sprintf("rediss://%s@127.0.0.1:%s", user, tlsPort), RootCAs: roots, Timeout: 5 * time.Second}
		return open(t, o)
	}
	first, second, b := with("learngraph:secret", roots), with("learngraph:secret", roots), &backend{}
	for _, c := range []*Cache{first, second} {
		until(t, "the channel is there", func() bool { return c.remote.subscribed.Load() })
	}
	one(t.Context(), words(first), b, "a")
	until(t, "the second replica finds it", func() bool { return len(words(second).Stored(t.Context(), "a")) == 1 })
	words(first).Drop(t.Context(), "a")
	take(NewWindow(first, "backend", []SharedRate{{5, time.Hour}}, 1), 1)
	NewBucket(first, "scope", "points").Take(t.Context(), "a", Limit{Capacity: 10, Restore: 1}, 7)
	if got := first.Counters(); got.Redis.Errors != 0 || got.Redis.PendingDrops != 0 {
		t.Errorf("got %+v, want no error: the user lacks a right", got)
	}
	for name, c := range map[string]*Cache{"another authority": with("learngraph:secret", x509.NewCertPool()), "a wrong password": with("learngraph:wrong", roots)} {
		if got := show(loaded(words(c), t.Context(), []string{"b"}, b.fetch)["b"]); got != "b@0 call" {
			t.Errorf("with %s: got %s, want a call", name, got)
		}
		until(t, name+" is noticed", func() bool { return !c.Counters().Redis.Up })
	}
}

// writeCertificates writes an authority and a server's certificate of it, and returns the pool with that authority.
func writeCertificates(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	issue := func(name string, serial int64, authority bool, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		c := &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, IsCA: authority, BasicConstraintsValid: true,
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		}
		if authority {
			parent, signer, c.KeyUsage = c, key, x509.KeyUsageCertSign
		}
		der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
		if err != nil {
			t.Fatal(err)
		}
		private, err := x509.MarshalECPrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		for file, block := range map[string]*pem.Block{
			name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "EC PRIVATE KEY", Bytes: private},
		} {
			if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		parsed, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return parsed, key
	}
	ca, key := issue("ca", 1, true, nil, nil)
	issue("server", 2, false, ca, key)
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	return pool
}

func TestPrefixesKeepProductsOnOneRedisApart(t *testing.T) {
	t.Parallel()
	address, _ := realRedis(t)
	prefixed := func(prefix string) *Cache {
		o := options()
		o.Redis = &RedisOptions{URL: address, Timeout: 5 * time.Second, Prefix: prefix}
		c := open(t, o)
		until(t, "the channel is there", func() bool { return c.remote.subscribed.Load() })
		return c
	}
	first, other, b := prefixed("academy:"), prefixed("campus:"), &backend{}
	one(t.Context(), words(first), b, "a")
	client := admin(t, address)
	until(t, "it is in Redis", func() bool { return strings.Contains(dump(t, client), "a@0") })
	if got := words(other).Stored(t.Context(), "a"); len(got) != 0 {
		t.Errorf("got %v of another product", got)
	}
	expect(t, one(t.Context(), words(other), b, "a"), "a@0 call")
	until(t, "both are in Redis", func() bool { return strings.Count(dump(t, client), "a@0") == 2 })
	words(first).Drop(t.Context(), "a")
	expect(t, one(t.Context(), words(other), b, "a"), "a@0 memory")
	if got := words(other).Stored(t.Context(), "a"); len(got) != 1 {
		t.Error("a drop of one product reached the other one")
	}
	rate := []SharedRate{{1, time.Hour}}
	if got := strconv.Itoa(take(NewWindow(first, "backend", rate, 1), 1)) + strconv.Itoa(take(NewWindow(other, "backend", rate, 1), 1)); got != "11" {
		t.Errorf("got %s, want one call of each product's own budget", got)
	}
	for _, key := range client.Keys(t.Context(), "*").Val() {
		if !strings.HasPrefix(key, "academy:") && !strings.HasPrefix(key, "campus:") {
			t.Errorf("key %q has no prefix", key)
		}
	}
}
