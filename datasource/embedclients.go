package datasource

import (
	"context"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
)

func embedClientKey(c *coassemble.EmbedClient) (key string, stub bool) { return c.Identifier, c.Bare }

func (s *Source) newEmbedClients(c *cache.Cache, o spaceOptions) *resource[part, *coassemble.EmbedClient] {
	r := &resource[part, *coassemble.EmbedClient]{list: s.tag(upstream.Coassemble, "embedClients"), normal: sameText,
		single: func(ctx context.Context, key string, options ...upstream.Option) (*coassemble.EmbedClient, upstream.Meta, error) {
			return s.Coassemble.Client(ctx, key, options...)
		}}
	r.tags = func(*coassemble.EmbedClient) []cache.Tag { return []cache.Tag{r.list} }
	records := recordSpace(o, "embedClient", (*coassemble.EmbedClient).Size, recordFrom[coassemble.EmbedClient])
	r.items = cache.NewSpace(c, records)
	r.pages = cache.NewCollection(c, cache.CollectionOptions[part, *coassemble.EmbedClient]{
		Pages: ofKind(records, "embedClientPage"), Text: part.text, Items: r.items, Key: embedClientKey, Tags: r.tags})
	r.scan = scanner[*coassemble.EmbedClient]{size: new(scanSize), key: embedClientKey, seen: r.seen,
		flights: flights[*scan[*coassemble.EmbedClient]](c, "embedClientWalk", o),
		read: numbered(r, func(ctx context.Context, p coassemble.Page, o upstream.Option) ([]*coassemble.EmbedClient, upstream.Meta, error) {
			return s.Coassemble.Clients(ctx, p, o)
		})}
	r.fetch = eachPage(part.text, func(part) []cache.Tag { return []cache.Tag{r.list} },
		func(ctx context.Context, p part, o upstream.Option) (page Page[*coassemble.EmbedClient], meta upstream.Meta, err error) {
			page.Items, page.More, meta, err = s.Coassemble.ClientWindow(ctx, p.offset, p.first, o)
			return page, meta, err
		})
	return r
}

// EmbedClientPage reads a part of the list of embed clients.
func (s *Source) EmbedClientPage(ctx context.Context, offset, first int) (Page[*coassemble.EmbedClient], error) {
	return pageOf(s.withListPurpose(ctx), s.embedClients.pages, part{offset, first}, s.embedClients.fetch)
}
