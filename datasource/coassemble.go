package datasource

import (
	"context"
	"strconv"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
)

// coassembleList is how one kind of record of Coassemble is read.
type coassembleList[V any] struct {
	records  cache.SpaceOptions[V]
	list     cache.Tag
	key      func(V) (key string, stub bool)
	tags     func(V) []cache.Tag
	pages    func(PageKey) []cache.Tag // the tags of a page
	single   func(ctx context.Context, key string, options ...upstream.Option) (V, upstream.Meta, error)
	listPart func(ctx context.Context, k PageKey, o upstream.Option) (Page[V], upstream.Meta, error)
	// listAll reads a page of the list of all.
	listAll func(ctx context.Context, number, length int, options ...upstream.Option) (Page[V], upstream.Meta, error)
}

func (l coassembleList[V]) resource(c *cache.Cache, o spaceOptions) *resource[V] {
	r := &resource[V]{list: l.list, tags: l.tags, single: l.single, normal: sameText}
	kind := l.records.Kind
	r.items = cache.NewSpace(c, l.records)
	r.pages = cache.NewCollection(c, cache.CollectionOptions[PageKey, V]{
		Pages: ofKind(l.records, kind+"Page"), Text: PageKey.text, Items: r.items, Key: l.key, Tags: l.tags})
	r.scan = scanner[V]{size: new(scanSize), key: l.key, seen: r.pageTags, flights: flights[*scan[V]](c, kind+"Walk", o),
		read: func(ctx context.Context, cursor string) (scannedPage[V], error) {
			return revisit(ctx, r.pages, r.list, cursor, nil,
				func(o upstream.Option) (Page[V], upstream.Meta, error) {
					number, _ := strconv.Atoi(cursor)
					page, meta, err := l.listAll(ctx, number, coassemble.MaxLength, o)
					if len(page.Items) == coassemble.MaxLength {
						page.Next = strconv.Itoa(number + 1)
					}
					return page, meta, err
				})
		}}
	r.fetch = eachPage(l.pages, l.listPart)
	return r
}

func (s *Source) newEmbedClients(c *cache.Cache, o spaceOptions) *resource[*coassemble.EmbedClient] {
	list := s.tag(upstream.Coassemble, "embedClients")
	return coassembleList[*coassemble.EmbedClient]{
		records: recordSpace[coassemble.EmbedClient](o, "embedClient"), list: list,
		key:    func(c *coassemble.EmbedClient) (key string, stub bool) { return c.Key, c.Bare },
		tags:   func(*coassemble.EmbedClient) []cache.Tag { return []cache.Tag{list} },
		pages:  func(PageKey) []cache.Tag { return []cache.Tag{list} },
		single: s.Coassemble.Client, listAll: s.Coassemble.Clients,
		listPart: func(ctx context.Context, k PageKey,
			o upstream.Option) (Page[*coassemble.EmbedClient], upstream.Meta, error) {
			return s.Coassemble.ClientWindow(ctx, k.Offset, k.First, o)
		},
	}.resource(c, o)
}

// EmbedClientPage reads a part of the list of embed clients.
func (s *Source) EmbedClientPage(ctx context.Context, offset, first int) (Page[*coassemble.EmbedClient], error) {
	key := PageKey{Offset: offset, First: first}
	return pageOf(s.withListPurpose(ctx), s.embedClients.pages, key, s.embedClients.fetch)
}
