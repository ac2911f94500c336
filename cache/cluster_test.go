package cache

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// node is one redis-server of a Cluster.
type node struct {
	*redis.Client
	host, port, bus string
	stop            func()
}

// startNode starts a server without slots, whose port for the other nodes is a free one too.
func startNode(t *testing.T, path string) *node {
	t.Helper()
	for range 10 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_, bus, _ := net.SplitHostPort(l.Addr().String())
		_ = l.Close()
		address, stop, ok := redisOnFreePort(t, path, "--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-port", bus,
			"--cluster-config-file", "nodes.conf", "--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0")
		if ok {
			n := &node{Client: admin(t, address), bus: bus, stop: stop}
			n.host, n.port, _ = net.SplitHostPort(strings.TrimPrefix(address, "redis://"))
			return n
		}
	}
	t.Fatal("redis-server finds no port")
	return nil
}

// startCluster starts three masters and a replica of the first one.
func startCluster(t *testing.T) (nodes []*node) {
	t.Helper()
	path := redisServer(t)
	for i := range 4 {
		nodes = append(nodes, startNode(t, path))
		if i < 3 {
			first, last := i*5461, (i+1)*5461
			if i == 2 {
				last = 16384
			}
			if err := nodes[i].ClusterAddSlotsRange(t.Context(), first, last-1).Err(); err != nil {
				t.Fatal(err)
			}
			_ = nodes[i].Do(t.Context(), "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err() // else the nodes agree by themselves
		}
	}
	for _, n := range nodes[1:] {
		if err := nodes[0].Do(t.Context(), "CLUSTER", "MEET", n.host, n.port, n.bus).Err(); err != nil {
			t.Fatal(err)
		}
	}
	id := nodes[0].ClusterMyID(t.Context()).Val()
	until(t, "the replica follows", func() bool { return nodes[3].ClusterReplicate(t.Context(), id).Err() == nil })
	for _, n := range nodes {
		until(t, "the cluster is whole", func() bool {
			return strings.Contains(n.ClusterInfo(t.Context()).Val(), "cluster_state:ok") && len(n.ClusterShards(t.Context()).Val()) == 3
		})
	}
	until(t, "the replica is a copy", func() bool {
		return strings.Contains(nodes[3].Info(t.Context(), "replication").Val(), "master_link_status:up")
	})
	return nodes
}

func TestAFailoverOfAClusterIsFollowed(t *testing.T) {
	t.Parallel()
	nodes := startCluster(t)
	var hosts []string
	for _, n := range nodes[1:] {
		hosts = append(hosts, "addr="+url.QueryEscape(net.JoinHostPort(n.host, n.port)))
	}
	o := options()
	o.Redis = &RedisOptions{URL: fmt.Sprintf("redis://%s?%s", net.JoinHostPort(nodes[0].host, nodes[0].port), strings.Join(hosts, "&"))}
	first, second, b := open(t, o), open(t, o), &backend{}
	for _, c := range []*Cache{first, second} {
		until(t, "the channel is there", func() bool { return c.remote.subscribed.Load() })
	}
	s, other := words(first), words(second)
	keys := numbered(20) // one of each third of the slots, at least
	loaded(s, t.Context(), keys, b.fetch)

	nodes[0].stop()
	stopped := time.Now()
	b.set(func(b *backend) { b.version = 1 })
	s.Drop(t.Context(), keys...)
	until(t, "the replica is a master", func() bool {
		return strings.Contains(nodes[3].Info(t.Context(), "replication").Val(), "role:master")
	})
	promoted := time.Since(stopped)
	until(t, "the drops are complete", func() bool { return first.Counters().Redis.PendingDrops == 0 })
	until(t, "every key is shared again", func() bool {
		loaded(s, context.Background(), keys, b.fetch)
		for key, r := range loaded(other, context.Background(), keys, b.fetch) {
			if r.Value != key+"@1" {
				t.Errorf("got %q of %q", r.Value, key)
			}
		}
		second.memory.clear()
		return len(other.Stored(context.Background(), keys...)) == len(keys) && first.Counters().Redis.Up && second.Counters().Redis.Up
	})
	t.Logf("promoted after %v, in full use after %v", promoted.Round(time.Millisecond), time.Since(stopped).Round(time.Millisecond))
}
