package cache

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Tests in real time against a real server: the assertions are about effects, never about durations.

func server(t *testing.T, url string) *Cache {
	t.Helper()
	o := options()
	o.Redis = &RedisOptions{URL: url, Timeout: 5 * time.Second}
	c := open(t, o)
	until(t, "the channel is there", func() bool { return c.remote.subscribed.Load() })
	return c
}

func admin(t *testing.T, url string) *redis.Client {
	t.Helper()
	o, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(o)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// dump is all keys and values of a Redis, as text.
func dump(t *testing.T, client *redis.Client) string {
	t.Helper()
	var b strings.Builder
	for _, key := range client.Keys(t.Context(), "*").Val() {
		fmt.Fprintln(&b, key)
		switch client.Type(t.Context(), key).Val() {
		case "string":
			fmt.Fprintf(&b, "%q\n", client.Get(t.Context(), key).Val())
		case "zset":
			fmt.Fprintln(&b, client.ZRange(t.Context(), key, 0, -1).Val())
		}
	}
	return b.String()
}

func TestAServerSharesDropsAndErases(t *testing.T) {
	t.Parallel()
	url, _ := realRedis(t)
	client := admin(t, url)
	first, second, b := server(t, url), server(t, url), &backend{}
	s, other := words(first), words(second)
	b.shape = func(key string, f Entry[string]) Entry[string] {
		f.Value = "MARKER " + f.Value
		if key == "answer" {
			f.Tags = []Tag{s.Tag("person")}
		}
		return f
	}
	loaded(s, t.Context(), []string{"person", "answer"}, b.fetch)
	until(t, "both are in Redis", func() bool { return strings.Count(dump(t, client), "MARKER") == 2 })
	got := loaded(other, t.Context(), []string{"person", "answer"}, b.fetch)
	expect(t, show(got["person"]), "MARKER person@0 redis")
	expect(t, show(got["answer"]), "MARKER answer@0 redis")

	s.Drop(t.Context(), "person")
	if text := dump(t, client); strings.Contains(text, "MARKER") || strings.Contains(text, "person") {
		t.Errorf("Redis still shows it:\n%s", text)
	}
	until(t, "the other replica forgets both", func() bool { return len(peek(other, "person", "answer")) == 0 })
	for _, c := range []*Cache{first, second} {
		if n := occurrences(c.memory, "MARKER"); n != 0 {
			t.Errorf("%d occurrences are left in memory", n)
		}
	}
	b.set(func(b *backend) { b.version = 1 })
	expect(t, one(t.Context(), other, b, "person"), "MARKER person@1 call")
	until(t, "the new one is in Redis", func() bool { return strings.Contains(dump(t, client), "person@1") })
	expect(t, one(t.Context(), s, b, "person"), "MARKER person@1 redis")
}

func TestRedisRefusesValuesFetchedBeforeADrop(t *testing.T) {
	t.Parallel()
	url, _ := realRedis(t)
	client := admin(t, url)
	c := server(t, url)
	s := words(c)
	began := c.start()
	s.Drop(t.Context(), "a")
	fresh := time.Now().Add(time.Minute)
	for _, tags := range [][]Tag{nil, {s.Tag("a")}} {
		for key, began := range map[string]start{"a": began, "b": began, "later": c.start()} {
			r := &record{value: key, found: true, at: time.Now(), fresh: fresh, stale: fresh, tags: tags}
			s.inner.storeShared(began, s.inner.digest(key), r)
		}
	}
	exists := func(key string) bool {
		v := client.Get(t.Context(), "lg:v1:"+label("scope")+":word:"+s.Digest(key)).Val()
		f, err := decodeFrame(s.inner.digest(key), []byte(v))
		return err == nil && !f.tombstone
	}
	until(t, "the later one is there", func() bool { return exists("later") })
	until(t, "the refused ones are counted", func() bool { return c.Counters().Redis.DroppedWrites == 3 })
	if exists("a") || !exists("b") {
		t.Errorf("a %v, b %v; want only b, without a tag", exists("a"), exists("b"))
	}
}

func TestAServerWhoseMemoryIsFullStillForgets(t *testing.T) {
	t.Parallel()
	url, _ := realRedis(t)
	client := admin(t, url)
	c, b := server(t, url), &backend{}
	s := words(c)
	b.shape = func(key string, f Entry[string]) Entry[string] {
		if key == "answer" {
			f.Tags = []Tag{s.Tag("a")}
		}
		return f
	}
	loaded(s, t.Context(), []string{"a", "answer"}, b.fetch)
	until(t, "both are in Redis", func() bool { return strings.Count(dump(t, client), "@0") == 2 })
	if client.ConfigSet(t.Context(), "maxmemory", "1").Err() != nil {
		t.Skip("this Redis has no bound of its memory")
	}
	s.Drop(t.Context(), "a")
	if text := dump(t, client); strings.Contains(text, "@0") {
		t.Errorf("Redis still shows it:\n%s", text)
	}
	expect(t, one(t.Context(), s, b, "a"), "a@0 call")
	until(t, "the refused write is counted", func() bool { return c.Counters().Redis.DroppedWrites > 0 })
	if got := c.Counters(); got.Redis.Outages != 0 {
		t.Errorf("got %+v, want no outage", got)
	}
}

func TestAServersWindowAndBucketAreShared(t *testing.T) {
	t.Parallel()
	url, _ := realRedis(t)
	first, second := server(t, url), server(t, url)
	limit := []SharedRate{{2, time.Hour}, {3, 24 * time.Hour}}
	one, two := NewWindow(first, "backend", limit, 1), NewWindow(second, "backend", limit, 1)
	if got := []int{take(one, 1), take(two, 1), take(one, 1), take(two, 1)}; !slices.Equal(got, []int{1, 1, 0, 0}) {
		t.Errorf("got %v", got)
	}
	points := Limit{Capacity: 10, Restore: 0.001}
	NewBucket(first, "scope", "points").Take(t.Context(), "a", points, 7)
	if got := NewBucket(second, "scope", "points").Take(t.Context(), "a", points, 7); got.OK || got.Left != 3 {
		t.Errorf("got %+v, want a refusal with 3 left", got)
	}
	for _, c := range []*Cache{first, second} {
		if got := c.Counters(); got.Redis.Errors != 0 {
			t.Errorf("got %d errors of Redis", got.Redis.Errors)
		}
	}
}

func TestAServerThatIsKilledUnderLoadFailsNoOperation(t *testing.T) {
	t.Parallel()
	url, stop := realRedis(t)
	o := options()
	o.Redis = &RedisOptions{URL: url}
	c, b := open(t, o), &backend{}
	s := words(c)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 400 {
				key := fmt.Sprint(i)
				if i == 200 {
					stop()
				}
				r := loaded(s, t.Context(), []string{key, key + "x"}, b.fetch)
				if r[key].Err != nil || r[key].Value != key+"@0" {
					t.Errorf("got %+v", r[key])
				}
				if i%10 == 0 {
					s.Drop(t.Context(), key)
				}
			}
		})
	}
	wg.Wait()
}

func TestCloseLeavesNoGoroutine(t *testing.T) {
	url, _ := realRedis(t)
	before := runtime.NumGoroutine()
	for range 3 {
		c, b := server(t, url), &backend{}
		one(context.Background(), words(c), b, "a")
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	until(t, "all goroutines have ended", func() bool { return runtime.NumGoroutine() <= before })
}
