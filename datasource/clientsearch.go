package datasource

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/thoughtindustries"
)

// clientSearch is the lookup of one operation: what one batch saw on its way answers the next.
type clientSearch struct {
	*Source
	lookup *thoughtindustries.Lookup
	// partial is set once a page had errors in addition to clients.
	partial atomic.Pointer[error]
}

// newClientSearch returns the lookup of one operation. A slug or sku leads to an id first; documents are stored by id alone.
func (s *Source) newClientSearch() *clientSearch {
	search := &clientSearch{Source: s}
	if s.ThoughtIndustries != nil {
		search.lookup = s.ThoughtIndustries.NewLookup()
		search.lookup.Read = s.readLookupPage
	}
	return search
}

func (s *clientSearch) find(ctx context.Context, keys []thoughtindustries.Key) (map[thoughtindustries.Key]*document.Document, failures[thoughtindustries.Key]) {
	ids, failed := s.ids(ctx, keys)
	results := s.clients.items.Load(ctx, slices.Collect(maps.Values(ids)), s.fetchByID)
	found := make(map[thoughtindustries.Key]*document.Document, len(keys))
	for key, id := range ids {
		switch r := results[id]; {
		case r.Err != nil:
			failed[key] = r.Err
		case r.Found && s.ThoughtIndustries.KeyOf(r.Value, key.Field) == key.Value:
			found[key] = r.Value
		}
	}
	if partial := s.partial.Load(); partial != nil {
		for key := range found {
			failed[key] = *partial
		}
	}
	return found, failed
}

// ids are the ids that the keys lead to; a key that leads nowhere has none.
func (s *clientSearch) ids(ctx context.Context, keys []thoughtindustries.Key) (map[thoughtindustries.Key]string, failures[thoughtindustries.Key]) {
	ids, failed := make(map[thoughtindustries.Key]string, len(keys)), failures[thoughtindustries.Key]{}
	byText := map[string]thoughtindustries.Key{}
	for _, k := range keys {
		if k.Field == "id" {
			ids[k] = k.Value
		} else {
			byText[clientText(k)] = k
		}
	}
	if len(byText) == 0 {
		return ids, failed
	}
	for text, r := range s.clients.ids.Load(ctx, slices.Collect(maps.Keys(byText)), func(ctx context.Context, missing []cache.Missing[string]) (answers[string, string], failures[string]) {
		texts, _ := missingKeys(missing)
		return s.fetchIDs(ctx, texts, byText)
	}) {
		switch {
		case r.Err != nil:
			failed[byText[text]] = r.Err
		case r.Found:
			ids[byText[text]] = r.Value
		}
	}
	return ids, failed
}

func (s *clientSearch) fetchIDs(ctx context.Context, texts []string, byText map[string]thoughtindustries.Key) (answers[string, string], failures[string]) {
	ctx = fetching(ctx, texts...)
	index, at, scanned := s.clients.index.Cached(ctx, scanKey)
	found, failed := answers[string, string]{}, failures[string]{}
	var unknown []thoughtindustries.Key
	for _, text := range texts {
		if id, ok := index.Keys[text]; ok {
			found[text] = cache.Entry[string]{Value: id, At: at}
		} else if !scanned {
			unknown = append(unknown, byText[text])
		}
	}
	docs, errs, meta := s.search(ctx, unknown)
	for _, k := range unknown {
		if d := docs[k]; d != nil {
			found[clientText(k)] = entryOf(s.clientID(d), meta)
		} else if errs[k] != nil {
			failed[clientText(k)] = errs[k]
		}
	}
	return found, failed
}

func (s *clientSearch) fetchByID(ctx context.Context, missing []cache.Missing[*document.Document]) (answers[string, *document.Document], failures[string]) {
	ids, _ := missingKeys(missing)
	ctx = fetching(ctx, ids...)
	index, _, scanned := s.clients.index.Cached(ctx, scanKey)
	var unknown []thoughtindustries.Key
	for _, id := range ids {
		if !scanned || index.IDs[id] {
			unknown = append(unknown, thoughtindustries.Key{Field: "id", Value: id})
		}
	}
	docs, errs, meta := s.search(ctx, unknown)
	found, failed := answers[string, *document.Document]{}, failures[string]{}
	for _, k := range unknown {
		if d := docs[k]; d != nil {
			found[k.Value] = entryOf(d, meta)
		} else if errs[k] != nil {
			failed[k.Value] = errs[k]
		}
	}
	return found, failed
}

// search asks the backend, and stores the other clients that were read. The lifetime takes earlier reads of the lookup
// into account too.
func (s *clientSearch) search(ctx context.Context, keys []thoughtindustries.Key) (map[thoughtindustries.Key]*document.Document, failures[thoughtindustries.Key], upstream.Meta) {
	if len(keys) == 0 {
		return nil, nil, upstream.Meta{}
	}
	found, failed := s.lookup.Find(ctx, keys)
	meta := s.lookup.Meta()
	meta.ETag = "" // of a page, not of its clients
	if meta.Partial != nil {
		s.partial.Store(&meta.Partial)
		for _, k := range keys {
			if found[k] == nil && failed[k] == nil {
				failed[k] = meta.Partial // the page may lack it
			}
		}
	}
	s.storeSeen(ctx, meta)
	return found, failed, meta
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

// lookupPage is a page of a lookup and its cache headers, for all who wait for it.
type lookupPage struct {
	*thoughtindustries.Page
	meta upstream.Meta
}

// readLookupPage reads a page of a lookup among clients, together with the operations that look there for others.
func (s *Source) readLookupPage(ctx context.Context, q thoughtindustries.Query, number, count int) (*thoughtindustries.Page, upstream.Meta, error) {
	key := fmt.Sprintf("%d.%d.%q.%q", number, count, q.Search, q.Sort)
	seen := func(p lookupPage) []cache.Tag {
		tags := []cache.Tag{s.clients.list}
		for _, d := range p.Clients {
			tags = append(tags, s.clients.items.Tag(s.clientID(d)))
		}
		return tags
	}
	p, err := coalesce(ctx, s.clients.lookups, key, seen, func(ctx context.Context) (lookupPage, error) {
		page, meta, err := revisit(ctx, s.clients.pages, s.clients.list, key, nil, func(o upstream.Option) (Page[*document.Document], upstream.Meta, error) {
			p, meta, err := s.ThoughtIndustries.Page(ctx, q, number, count, o)
			if err != nil {
				return Page[*document.Document]{}, meta, err
			}
			return Page[*document.Document]{Items: p.Clients, More: p.HasMore, Total: p.Total, Number: p.Number, Size: p.PerPage}, meta, nil
		})
		if err != nil {
			return lookupPage{}, err
		}
		return lookupPage{&thoughtindustries.Page{Clients: page.Items, Total: page.Total, HasMore: page.More, Number: page.Number, PerPage: page.Size}, meta}, nil
	})
	return p.Page, p.meta, err
}
