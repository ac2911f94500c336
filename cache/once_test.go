package cache

import (
	"context"
	"fmt"
	"testing"
	"time"
)

func TestOnceRemembersForItsLife(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for name, o := range map[string]*Once{"memory": NewOnce(open(t, options()), "scope", "n", time.Hour), "Redis": NewOnce(replica(t, newMemoryRedis(t)), "scope", "n", time.Hour)} {
			if !o.First(t.Context(), "a") || o.First(t.Context(), "a") || !o.First(t.Context(), "b") {
				t.Errorf("%s: a key is new once", name)
			}
		}
	})
}

func TestOnceIsForgottenAfterItsLife(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := NewOnce(open(t, options()), "scope", "n", time.Hour)
		o.First(t.Context(), "a")
		time.Sleep(59 * time.Minute)
		if o.First(t.Context(), "a") {
			t.Error("it is forgotten too early")
		}
		time.Sleep(2 * time.Minute)
		if !o.First(t.Context(), "a") {
			t.Error("it is remembered past its life")
		}
	})
}

func TestOnceIsSharedByReplicasAndKeepsNoKey(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := newMemoryRedis(t)
		first, second := NewOnce(replica(t, m), "scope", "n", time.Hour), NewOnce(replica(t, m), "scope", "n", time.Hour)
		if !first.First(t.Context(), "person-7") || second.First(t.Context(), "person-7") {
			t.Error("replicas do not share it")
		}
		for _, key := range m.Keys() {
			if ttl := m.TTL(key); ttl > time.Hour {
				t.Errorf("%q stays for %v", key, ttl)
			}
			if value, _ := m.Get(key); key == "person-7" || value == "person-7" {
				t.Errorf("%q shows a key", key)
			}
		}
		m.pause()
		defer m.resume()
		if !second.First(t.Context(), "b") || second.First(t.Context(), "b") {
			t.Error("without Redis each process remembers for itself")
		}
	})
}

func TestOnceIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := NewOnce(open(t, options()), "scope", "n", time.Hour)
		for i := range maxOnce + 10 {
			o.First(t.Context(), fmt.Sprint(i))
		}
		if len(o.until) > maxOnce || len(o.order) > maxOnce || o.First(t.Context(), fmt.Sprint(maxOnce)) || !o.First(t.Context(), "0") {
			t.Errorf("got %d keys", len(o.until))
		}
	})
}

func TestTimestampsAreReadByAnotherProcess(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := newMemoryRedis(t)
		c := replica(t, m)
		where := *c.o.Redis
		if at, failure := Timestamp(t.Context(), where, "x"); failure != PingOK || !at.IsZero() {
			t.Errorf("got %v %q for what never happened", at, failure)
		}
		c.SetTimestamp(context.Background(), "x")
		if at, failure := Timestamp(t.Context(), where, "x"); failure != PingOK || !at.Equal(time.Now().Truncate(time.Second)) {
			t.Errorf("got %v %q", at, failure)
		}
		open(t, options()).SetTimestamp(context.Background(), "x") // has nowhere to write
	})
}
