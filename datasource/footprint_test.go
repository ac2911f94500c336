package datasource

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/graph/model"
	"github.com/learngraph/learngraph/upstream/coassemble"
	"github.com/learngraph/learngraph/upstream/mattr"
)

// heap is the bytes in use by objects.
func heap() int64 {
	runtime.GC()
	runtime.GC() // a pool frees its content at the second collection
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// filled puts n values into a space of a store, one after the other, each made as it is when it arrives.
func filled[V any](space func(*Source) *cache.Space[V], n int, value func(s *Source, i int) (V, []cache.Tag)) func(context.Context, *Source) {
	return func(ctx context.Context, s *Source) {
		for i := range n {
			v, tags := value(s, i)
			space(s).Put(ctx, fmt.Sprint("key ", i), cache.Entry[V]{Value: v, Tags: tags, ETag: fmt.Sprintf(`"%032x"`, i)})
		}
	}
}

func uuid(i int) string { return fmt.Sprintf("%08x-0000-4000-8000-%012x", i, i) }

func clientDocument(t *testing.T, i int) *document.Document {
	t.Helper()
	course := fmt.Sprintf(`{"id":%q,"title":"Course %d","description":%q},`, uuid(i), i, strings.Repeat("What you will learn. ", i%40))
	text := fmt.Sprintf(`{"id":%q,"name":"Client %d","secretKey":"sk","courses":[%s]}`, uuid(i), i, strings.TrimSuffix(strings.Repeat(course, i%60), ","))
	return fromText(t, text, func(data []byte) (*document.Document, error) { return document.Parse(data, model.Shapes.Client) })
}

func fromText[V any](t *testing.T, text string, decode func([]byte) (V, error)) V {
	t.Helper()
	v, err := decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// kinds fill one space each.
func kinds(t *testing.T) map[string]func(context.Context, *Source) {
	user := func(i int) string {
		return fmt.Sprintf(`{"identifier":%q,"clientIdentifier":"client-%d","name":"Ada %d","metadata":{"team":%d,"more":%q}}`, uuid(i), i%50, i, i%9, strings.Repeat("x", i%300))
	}
	identity := func(i int) string {
		return fmt.Sprintf(`{"id":%q,"claims":{"email":"ada%d@example.com","address":%q}}`, uuid(i), i, strings.Repeat("y", i%200))
	}
	return map[string]func(context.Context, *Source){
		"client": filled(func(s *Source) *cache.Space[*document.Document] { return s.clients.items }, 1500, func(_ *Source, i int) (*document.Document, []cache.Tag) {
			return clientDocument(t, i), nil
		}),
		"clientKey": filled(func(s *Source) *cache.Space[string] { return s.clients.ids }, 10_000, func(_ *Source, i int) (string, []cache.Tag) {
			return uuid(i), nil
		}),
		"clientWalk": filled(func(s *Source) *cache.Space[clientIndex] { return s.clients.index }, 40, func(*Source, int) (clientIndex, []cache.Tag) {
			x := clientIndex{IDs: map[string]bool{}, Keys: map[string]string{}}
			for i := range 500 {
				x.IDs[uuid(i)] = true
				x.Keys[fmt.Sprintf("slug:client-number-%d", i)] = uuid(i)
			}
			return x, nil
		}),
		"user": filled(func(s *Source) *cache.Space[*coassemble.User] { return s.users.items }, 5000, func(s *Source, i int) (*coassemble.User, []cache.Tag) {
			u := fromText(t, user(i), recordFrom[coassemble.User])
			return u, s.userTags(u)
		}),
		"stub of a user": filled(func(s *Source) *cache.Space[*coassemble.User] { return s.users.items }, 10_000, func(_ *Source, i int) (*coassemble.User, []cache.Tag) {
			return fromText(t, fmt.Sprintf("%q", uuid(i)), recordFrom[coassemble.User]), nil
		}),
		"embedClient": filled(func(s *Source) *cache.Space[*coassemble.EmbedClient] { return s.embedClients.items }, 5000, func(s *Source, i int) (*coassemble.EmbedClient, []cache.Tag) {
			c := fromText(t, user(i), recordFrom[coassemble.EmbedClient])
			return c, s.embedClients.tags(c)
		}),
		"identity": filled(func(s *Source) *cache.Space[*mattr.Identity] { return s.identities.items }, 5000, func(s *Source, i int) (*mattr.Identity, []cache.Tag) {
			v := fromText(t, identity(i), recordFrom[mattr.Identity])
			return v, s.identityTags(v)
		}),
		"identityWalk": filled(func(s *Source) *cache.Space[identityIndex] { return s.identities.index }, 40, func(*Source, int) (identityIndex, []cache.Tag) {
			x := identityIndex{IDs: map[string][]string{}}
			for i := range 500 {
				x.IDs[uuid(i)] = []string{uuid(i)}
			}
			return x, nil
		}),
		"credentialPage": func(ctx context.Context, s *Source) {
			for i := range 2000 {
				p := Page[*mattr.Credential]{Next: fmt.Sprintf("%020d", i)}
				for k := range i % 6 {
					p.Items = append(p.Items, fromText(t, fmt.Sprintf(`{"id":%q,"type":"Certificate","status":"valid"}`, uuid(k)), recordFrom[mattr.Credential]))
				}
				s.credentials.Put(ctx, PageKey{Of: uuid(i)}, cache.Entry[*Page[*mattr.Credential]]{Value: &p, Tags: []cache.Tag{s.identityTag(uuid(i))}})
			}
		},
		"userPage": func(ctx context.Context, s *Source) {
			for i := range 200 {
				var p Page[*coassemble.User]
				for k := range i % 60 {
					p.Items = append(p.Items, fromText(t, user(i*100+k), recordFrom[coassemble.User]))
				}
				// A page with a time does not store its items by themselves.
				s.users.pages.Put(ctx, PageKey{Offset: i}, cache.Entry[*Page[*coassemble.User]]{Value: &p, At: time.Now(), Tags: []cache.Tag{s.users.list}})
			}
		},
	}
}

// TestMemoryCountsWhatItHolds compares the counted size of each kind of value with its size on the heap.
func TestMemoryCountsWhatItHolds(t *testing.T) {
	for kind, fill := range kinds(t) {
		t.Run(kind, func(t *testing.T) {
			run := func() (counted, live int64) {
				c, err := cache.New(cache.Options{TTL: time.Hour, Memory: 256 << 20})
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = c.Close() }()
				s := New(Options{Cache: c})
				empty := heap()
				fill(c.Begin(t.Context()), s)
				return c.Counters().MemoryBytes, heap() - empty
			}
			run() // tables of shapes and pools exist from then on
			counted, live := run()
			if ratio := float64(counted) / float64(live); ratio < 0.95 || ratio > 1.15 { // the tag of a list is one text, which each record counts
				t.Errorf("counted %d bytes, the heap holds %d: %.3f", counted, live, ratio)
			}
		})
	}
}
