package datasource

import (
	"cmp"
	"context"
	"fmt"
	"sync/atomic"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/thoughtindustries"
)

// clientSearch is the lookup of one operation: clients that one batch has seen answer the next.
type clientSearch struct {
	*Source
	lookup *thoughtindustries.Lookup
	// partial is set once a page had errors in addition to clients.
	partial atomic.Pointer[error]
}

// newClientSearch returns the lookup of one operation. A slug or sku leads to an id first; documents are stored by id
// alone.
func (s *Source) newClientSearch() *clientSearch {
	search := &clientSearch{Source: s}
	if s.ThoughtIndustries != nil {
		search.lookup = s.ThoughtIndustries.NewLookup()
		search.lookup.Read = s.readLookupPage
	}
	return search
}

// findClients reads clients with the lookup of the operation.
func (s *Source) findClients(ctx context.Context, keys []thoughtindustries.Key,
	_ *roundMember) []cache.Result[*document.Document] {
	o := From(ctx)
	o.mu.Lock()
	if o.loaders.search == nil {
		o.loaders.search = s.newClientSearch()
	}
	search := o.loaders.search
	o.mu.Unlock()
	return search.find(ctx, keys)
}

func (s *clientSearch) find(ctx context.Context, keys []thoughtindustries.Key) []cache.Result[*document.Document] {
	ids := s.ids(ctx, keys)
	texts := make([]string, len(keys))
	for i := range ids {
		texts[i] = ids[i].Value
	}
	clients := s.clients.items.Load(ctx, texts, s.fetchByID)
	partial := s.partial.Load()
	for i, k := range keys {
		c := &clients[i]
		if c.Found && s.ThoughtIndustries.KeyOf(c.Value, k.Field) != k.Value {
			*c = cache.Result[*document.Document]{}
		}
		if ids[i].Err != nil {
			c.Err = ids[i].Err
		} else if c.Found && partial != nil {
			c.Err = *partial
		}
	}
	return clients
}

// ids are the ids that the keys lead to, empty for a key that leads nowhere.
func (s *clientSearch) ids(ctx context.Context, keys []thoughtindustries.Key) []cache.Result[string] {
	ids := make([]cache.Result[string], len(keys))
	var others []int
	for i, k := range keys {
		if k.Field == "id" {
			ids[i].Value = k.Value
		} else {
			others = append(others, i)
		}
	}
	if len(others) == 0 {
		return ids
	}
	named := at(keys, others)
	texts := make([]string, len(named))
	for i, k := range named {
		texts[i] = clientText(k)
	}
	for i, r := range s.clients.ids.Load(ctx, texts,
		func(ctx context.Context, missing []cache.Missing) []cache.Answer[string] {
			return s.fetchIDs(ctx, missing, named)
		}) {
		ids[others[i]] = r
	}
	return ids
}

// fetchIDs returns the ids that some of the keys lead to.
func (s *clientSearch) fetchIDs(ctx context.Context, missing []cache.Missing,
	keys []thoughtindustries.Key) []cache.Answer[string] {
	ctx = scanning(ctx, missingKeys(missing))
	index, at, scanned := s.clients.index.Cached(ctx, scanKey)
	answers := make([]cache.Answer[string], len(missing))
	var unknown []thoughtindustries.Key
	for i, m := range missing {
		if id, ok := index.Keys[m.Key]; ok {
			answers[i] = cache.Answer[string]{Entry: cache.Entry[string]{Value: id, At: at}, Found: true}
		} else if !scanned {
			unknown = append(unknown, keys[m.Place])
		}
	}
	found := s.search(ctx, unknown)
	for i, m := range missing {
		if a, ok := found[keys[m.Place]]; ok {
			id := cache.Entry[string]{Value: s.clientID(a.Value), MaxAge: a.MaxAge, NoStore: a.NoStore}
			answers[i] = cache.Answer[string]{Entry: id, Found: a.Found, Err: a.Err}
		}
	}
	return answers
}

func (s *clientSearch) fetchByID(ctx context.Context,
	missing []cache.Missing) []cache.Answer[*document.Document] {
	ctx = scanning(ctx, missingKeys(missing))
	index, _, scanned := s.clients.index.Cached(ctx, scanKey)
	var unknown []thoughtindustries.Key
	for _, m := range missing {
		if !scanned || index.IDs[m.Key] {
			unknown = append(unknown, thoughtindustries.Key{Field: "id", Value: m.Key})
		}
	}
	found := s.search(ctx, unknown)
	answers := make([]cache.Answer[*document.Document], len(missing))
	for i, m := range missing {
		answers[i] = found[thoughtindustries.Key{Field: "id", Value: m.Key}]
	}
	return answers
}

// search asks the backend, and stores the other clients that were read. The lifetime takes earlier reads of the lookup
// into account too.
func (s *clientSearch) search(ctx context.Context,
	keys []thoughtindustries.Key) map[thoughtindustries.Key]cache.Answer[*document.Document] {
	if len(keys) == 0 {
		return nil
	}
	found, failed := s.lookup.Find(ctx, keys)
	meta := s.lookup.Meta()
	meta.ETag = "" // of a page, not of its clients
	if meta.Partial != nil {
		s.partial.Store(&meta.Partial)
	}
	s.storeSeen(ctx, meta)
	answers := make(map[thoughtindustries.Key]cache.Answer[*document.Document], len(keys))
	for _, k := range keys {
		if d := found[k]; d != nil {
			answers[k] = cache.Answer[*document.Document]{Entry: entryOf(d, meta), Found: true}
		} else {
			answers[k] = cache.Answer[*document.Document]{Err: cmp.Or(failed[k], meta.Partial)} // the page may lack it
		}
	}
	return answers
}

func (s *clientSearch) storeSeen(ctx context.Context, meta upstream.Meta) {
	seen, all := s.lookup.Seen()
	index := clientIndex{IDs: map[string]bool{}, Keys: map[string]string{}}
	for _, d := range seen {
		id := s.clientID(d)
		if id == "" {
			continue
		}
		f := entryOf(d, meta)
		s.clients.items.Put(ctx, id, f)
		s.storeClientIDs(ctx, f)
		index.IDs[id] = true
		for _, k := range s.otherKeys(d) {
			index.Keys[k] = id
		}
	}
	if all {
		s.clients.index.Put(ctx, scanKey, entryOf(index, meta))
	}
}

// readLookupPage reads a page of a lookup among clients, together with the operations that look there for others.
func (s *Source) readLookupPage(ctx context.Context, q thoughtindustries.Query,
	number, count int, _ ...upstream.Option) (thoughtindustries.Page, upstream.Meta, error) {
	key := fmt.Sprintf("%d.%d.%s", number, count, textOf(q))
	seen := func(p scannedPage[*document.Document]) []cache.Tag {
		tags := []cache.Tag{s.clients.list}
		for _, d := range p.Items {
			tags = append(tags, s.clients.items.Tag(s.clientID(d)))
		}
		return tags
	}
	p, err := coalesce(ctx, s.clients.lookups, key, seen,
		func(ctx context.Context) (scannedPage[*document.Document], error) {
			return revisit(ctx, s.clients.pages, s.clients.list, key, nil,
				func(o upstream.Option) (Page[*document.Document], upstream.Meta, error) {
					page, meta, err := s.ThoughtIndustries.Page(ctx, q, number, count, o)
					page.Extra = nil // a lookup has no use for it
					return page, meta, err
				})
		})
	if err != nil {
		return thoughtindustries.Page{}, upstream.Meta{}, err
	}
	return *p.Page, p.meta, nil
}
