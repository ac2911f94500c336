package datasource

import (
	"context"
	"fmt"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/footprint"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/thoughtindustries"
)

// clientLists are clients by id and by their other keys, and as lists show them.
type clientLists struct {
	items *cache.Space[*document.Document]
	pages *cache.Collection[PageKey, *document.Document]
	list  cache.Tag
	// ids are the ids that slugs and skus lead to.
	ids *cache.Space[string]
	// index is the result of a finished scan.
	index *cache.Space[clientIndex]
	// lookups are the pages that lookups are reading.
	lookups *cache.Space[scannedPage[*document.Document]]
}

func (s *Source) newClients(c *cache.Cache, o spaceOptions) *clientLists {
	documents := cache.SpaceOptions[*document.Document]{Kind: "client", Backend: string(o.backend), Scope: o.scope,
		Personal: o.personal, Encode: func(d *document.Document) ([]byte, error) { return d.JSON(), nil },
		Decode: func(data []byte) (*document.Document, error) { return s.ThoughtIndustries.Parse(data) },
		Size:   (*document.Document).Size}
	l := &clientLists{items: cache.NewSpace(c, documents), list: s.tag(upstream.ThoughtIndustries, "clients"),
		ids:     newSpace(c, "clientKey", o, jsonOf[string], fromJSON[string], footprint.Text),
		index:   newSpace(c, "clientWalk", o, jsonOf[clientIndex], fromJSON[clientIndex], clientIndex.size),
		lookups: flights[scannedPage[*document.Document]](c, "clientLookup", o)}
	l.pages = cache.NewCollection(c,
		cache.CollectionOptions[PageKey, *document.Document]{Pages: ofKind(documents, "clientPage"),
			Text: PageKey.text, Items: l.items, Key: s.clientKey, Filed: s.storeClientIDs})
	return l
}

// Catalogue returns the tag of all lists of clients, which is dropped with each client.
func (s *Source) Catalogue() cache.Tag { return s.clients.list }

// ClientPage reads a part of the list of clients.
func (s *Source) ClientPage(ctx context.Context, q thoughtindustries.Query,
	offset, first int) (Page[*document.Document], error) {
	tags := func(PageKey) []cache.Tag { return []cache.Tag{s.clients.list} }
	key := PageKey{Of: textOf(q), Offset: offset, First: first}
	return pageOf(s.withListPurpose(ctx), s.clients.pages, key,
		eachPage(tags, func(ctx context.Context, k PageKey,
			o upstream.Option) (Page[*document.Document], upstream.Meta, error) {
			return s.ThoughtIndustries.Window(ctx, q, k.Offset, k.First, o)
		}))
}

func textOf(q thoughtindustries.Query) string { return fmt.Sprintf("%q.%q", q.Search, q.Sort) }

func (s *Source) clientKey(d *document.Document) (key string, stub bool) { return s.clientID(d), false }

func (s *Source) clientID(d *document.Document) string {
	if d == nil {
		return ""
	}
	return s.ThoughtIndustries.KeyOf(d, "id")
}

// storeClientIDs stores which client a slug and a sku lead to.
func (s *Source) storeClientIDs(ctx context.Context, f cache.Entry[*document.Document]) {
	id := s.clientID(f.Value)
	for _, k := range s.otherKeys(f.Value) {
		s.clients.ids.Put(ctx, k, cache.Entry[string]{Value: id, MaxAge: f.MaxAge, NoStore: f.NoStore})
	}
}

// otherKeys returns the keys of a client besides its id, as clientText writes them.
func (s *Source) otherKeys(d *document.Document) (keys []string) {
	for _, field := range []string{"slug", "sku"} {
		if v := s.ThoughtIndustries.KeyOf(d, field); v != "" {
			keys = append(keys, clientText(thoughtindustries.Key{Field: field, Value: v}))
		}
	}
	return keys
}

// clientText returns the name of a key in the cache.
func clientText(k thoughtindustries.Key) string {
	if k.Field == "id" {
		return k.Value
	}
	return k.Field + ":" + k.Value
}

// clientIndex is the result of a finished scan of all clients: the ids, and the id of each other key.
type clientIndex struct {
	IDs  map[string]bool   `json:"ids"`
	Keys map[string]string `json:"keys"`
}

func (x clientIndex) size() int {
	n := footprint.Map(x.IDs) + footprint.Map(x.Keys)
	for k := range x.IDs {
		n += footprint.Text(k)
	}
	for k, v := range x.Keys {
		n += footprint.Text(k) + footprint.Text(v)
	}
	return n
}
