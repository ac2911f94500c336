package datasource

import (
	"context"
	"strconv"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
)

// coassembleList is how one kind of record of Coassemble is read. K is a part of its list by position.
type coassembleList[K comparable, V any] struct {
	kind     string // such as "user"
	list     cache.Tag
	text     func(K) string
	key      func(V) (key string, stub bool)
	tags     func(V) []cache.Tag
	pages    func(K) []cache.Tag // the tags of a page
	size     func(V) int
	decode   func([]byte) (V, error)
	single   func(ctx context.Context, key string, options ...upstream.Option) (V, upstream.Meta, error)
	listPart func(ctx context.Context, part K, o upstream.Option) (Page[V], upstream.Meta, error)
	// listAll reads a page of the list of all.
	listAll func(ctx context.Context, number, length int, options ...upstream.Option) (Page[V], upstream.Meta, error)
}

func (l coassembleList[K, V]) resource(c *cache.Cache, o spaceOptions) *resource[K, V] {
	r := &resource[K, V]{list: l.list, tags: l.tags, single: l.single, normal: sameText}
	records := recordSpace(o, l.kind, l.size, l.decode)
	r.items = cache.NewSpace(c, records)
	r.pages = cache.NewCollection(c, cache.CollectionOptions[K, V]{
		Pages: ofKind(records, l.kind+"Page"), Text: l.text, Items: r.items, Key: l.key, Tags: l.tags})
	r.scan = scanner[V]{size: new(scanSize), key: l.key, seen: r.pageTags, flights: flights[*scan[V]](c, l.kind+"Walk", o),
		read: func(ctx context.Context, cursor string) (scannedPage[V], error) {
			return revisit(ctx, r.pages, r.list, cursor, nil,
				func(o upstream.Option) (Page[V], upstream.Meta, error) {
					number, _ := strconv.Atoi(cursor)
					page, meta, err := l.listAll(ctx, number, coassemble.MaxLength, o)
					if page.More {
						page.Next = strconv.Itoa(number + 1)
					}
					return page, meta, err
				})
		}}
	r.fetch = eachPage(l.pages, l.listPart)
	return r
}

// part is a part of a list by its position.
type part struct{ offset, first int }

func (p part) text() string { return strconv.Itoa(p.offset) + "." + strconv.Itoa(p.first) + "." }

func (s *Source) newEmbedClients(c *cache.Cache, o spaceOptions) *resource[part, *coassemble.EmbedClient] {
	list := s.tag(upstream.Coassemble, "embedClients")
	return coassembleList[part, *coassemble.EmbedClient]{
		kind: "embedClient", list: list, text: part.text,
		key:   func(c *coassemble.EmbedClient) (key string, stub bool) { return c.Key, c.Bare },
		tags:  func(*coassemble.EmbedClient) []cache.Tag { return []cache.Tag{list} },
		pages: func(part) []cache.Tag { return []cache.Tag{list} },
		size:  (*coassemble.EmbedClient).Size, decode: recordFrom[coassemble.EmbedClient],
		single: s.Coassemble.Client, listAll: s.Coassemble.Clients,
		listPart: func(ctx context.Context, p part,
			o upstream.Option) (Page[*coassemble.EmbedClient], upstream.Meta, error) {
			return s.Coassemble.ClientWindow(ctx, p.offset, p.first, o)
		},
	}.resource(c, o)
}

// EmbedClientPage reads a part of the list of embed clients.
func (s *Source) EmbedClientPage(ctx context.Context, offset, first int) (Page[*coassemble.EmbedClient], error) {
	return pageOf(s.withListPurpose(ctx), s.embedClients.pages, part{offset, first}, s.embedClients.fetch)
}
