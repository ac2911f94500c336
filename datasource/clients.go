package datasource

import (
	"context"
	"encoding/json"
	"sync/atomic"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/footprint"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/thoughtindustries"
)

// allClients is the tag of the lists of clients.
const allClients = "clients"

// ClientQuery names a part of a search for clients.
type ClientQuery struct {
	Search, Sort  string
	Offset, First int
}

// ClientPage reads a part of the list of clients.
func (s *Source) ClientPage(ctx context.Context, q ClientQuery) (Page[*document.Document], error) {
	text, err := json.Marshal(q)
	if err != nil {
		return Page[*document.Document]{}, err
	}
	return s.clients.page(s.withListPurpose(ctx), string(text), s.readClientPages)
}

func (s *Source) readClientPages(ctx context.Context, keys []string, kept validators) (map[string]*arrived[*document.Document], map[string]error) {
	return each(ctx, keys, func(ctx context.Context, key string) (*arrived[*document.Document], error) {
		var q ClientQuery
		if err := json.Unmarshal([]byte(key), &q); err != nil {
			return nil, err
		}
		ctx, said := renewing(ctx, kept[key])
		w, err := s.ThoughtIndustries.Window(ctx, thoughtindustries.Query{Search: q.Search, Sort: q.Sort}, q.Offset, q.First)
		if err != nil {
			return unchanged[*document.Document](err, said)
		}
		page := showing(w.Clients, s.listedClient, s.tag(upstream.ThoughtIndustries, allClients))
		page.More, page.Total, page.reply, page.etag = w.More, w.Total, said, said.ETag()
		for _, a := range w.Aggregations {
			page.Extra = append(page.Extra, rawDocument(a))
		}
		return page, nil
	})
}

func rawDocument(d *document.Document) json.RawMessage {
	if d == nil {
		return json.RawMessage("null")
	}
	return d.JSON()
}

func (s *Source) listedClient(d *document.Document) (key string, bare bool) {
	return s.clientID(d), false
}

func (s *Source) clientID(d *document.Document) string {
	if d == nil {
		return ""
	}
	return s.ThoughtIndustries.KeyOf(d, "id")
}

// keepClientKeys remembers which client a slug and a sku lead to.
func (s *Source) keepClientKeys(ctx context.Context, d *document.Document, said reply) {
	id := s.clientID(d)
	if id == "" {
		return
	}
	for _, field := range []string{"slug", "sku"} {
		if v := s.ThoughtIndustries.KeyOf(d, field); v != "" {
			s.clientKeys.Put(ctx, clientKeyText(thoughtindustries.Key{Field: field, Value: v}), keep(id, said))
		}
	}
}

// clientText is the key of what is asked for first to find a client.
func clientText(k thoughtindustries.Key) string {
	if k.Field == "id" {
		return k.Value
	}
	return clientKeyText(k)
}

func clientKeyText(k thoughtindustries.Key) string { return k.Field + ":" + k.Value }

// clientWalk is what a finished walk over all clients saw: whom each key leads to.
type clientWalk struct {
	IDs  map[string]bool   `json:"ids"`
	Keys map[string]string `json:"keys"`
}

func (w clientWalk) size() int {
	n := footprint.Map(w.IDs) + footprint.Map(w.Keys)
	for k := range w.IDs {
		n += footprint.Text(k)
	}
	for k, v := range w.Keys {
		n += footprint.Text(k) + footprint.Text(v)
	}
	return n
}

// newClientSearch returns the lookup of one operation. A slug or sku leads to an id first; documents are cached by id alone.
func (s *Source) newClientSearch() *clientSearch {
	search := &clientSearch{Source: s}
	if s.ThoughtIndustries != nil {
		search.lookup = s.ThoughtIndustries.NewLookup()
		search.lookup.Read = s.lookupPage
	}
	return search
}

// clientSearch is the lookup of one operation: what one batch saw on its way answers the next.
type clientSearch struct {
	*Source
	lookup *thoughtindustries.Lookup
	// flaw is set once errors came beside the clients of a page.
	flaw atomic.Pointer[error]
	// heard is what the answers said that the lookup saw: they decide about what it remembers too.
	heard atomic.Pointer[upstream.Reply]
}

func (s *clientSearch) find(ctx context.Context, keys []thoughtindustries.Key) (map[thoughtindustries.Key]*document.Document, map[thoughtindustries.Key]error) {
	if s.ThoughtIndustries == nil {
		return refuse[thoughtindustries.Key, *document.Document](upstream.ThoughtIndustries)(ctx, keys)
	}
	ids, failed := s.ids(ctx, keys)
	wanted := make([]string, 0, len(ids))
	for _, id := range ids {
		wanted = append(wanted, id)
	}
	results := s.clients.objects.Load(ctx, wanted, s.fetchByID)
	found := make(map[thoughtindustries.Key]*document.Document, len(keys))
	for key, id := range ids {
		switch r := results[id]; {
		case r.Err != nil:
			failed[key] = r.Err
		case r.Found && s.ThoughtIndustries.KeyOf(r.Value, key.Field) == key.Value:
			found[key] = r.Value
		}
	}
	if flaw := s.flaw.Load(); flaw != nil {
		for key := range found {
			failed[key] = *flaw
		}
	}
	return found, failed
}

// ids are the ids that the keys lead to; a key that leads nowhere has none.
func (s *clientSearch) ids(ctx context.Context, keys []thoughtindustries.Key) (map[thoughtindustries.Key]string, map[thoughtindustries.Key]error) {
	ids, failed := make(map[thoughtindustries.Key]string, len(keys)), map[thoughtindustries.Key]error{}
	byText := map[string]thoughtindustries.Key{}
	var texts []string
	for _, k := range keys {
		if k.Field == "id" {
			ids[k] = k.Value
			continue
		}
		text := clientKeyText(k)
		byText[text] = k
		texts = append(texts, text)
	}
	if len(texts) == 0 {
		return ids, failed
	}
	for text, r := range s.clientKeys.Load(ctx, texts, func(ctx context.Context, missing []cache.Wanted[string]) (map[string]cache.Fetched[string], map[string]error) {
		return s.fetchIDs(ctx, keysOf(missing), byText)
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

func (s *clientSearch) fetchIDs(ctx context.Context, texts []string, byText map[string]thoughtindustries.Key) (map[string]cache.Fetched[string], map[string]error) {
	ctx = upstream.WithKeys(ctx, texts...)
	walk, at, walked := peekWalk(ctx, s.clientWalk)
	found, failed := map[string]cache.Fetched[string]{}, map[string]error{}
	var unknown []thoughtindustries.Key
	for _, text := range texts {
		if id, ok := walk.Keys[text]; ok {
			found[text] = cache.Fetched[string]{Value: id, At: at}
		} else if !walked {
			unknown = append(unknown, byText[text])
		}
	}
	docs, errs, said := s.look(ctx, unknown)
	for _, k := range unknown {
		if d := docs[k]; d != nil {
			found[clientKeyText(k)] = keep(s.clientID(d), said)
		} else if errs[k] != nil {
			failed[clientKeyText(k)] = errs[k]
		}
	}
	return found, failed
}

func (s *clientSearch) fetchByID(ctx context.Context, missing []cache.Wanted[*document.Document]) (map[string]cache.Fetched[*document.Document], map[string]error) {
	ctx = upstream.WithKeys(ctx, keysOf(missing)...)
	walk, _, walked := peekWalk(ctx, s.clientWalk)
	var unknown []thoughtindustries.Key
	for _, w := range missing {
		if !walked || walk.IDs[w.Key] {
			unknown = append(unknown, thoughtindustries.Key{Field: "id", Value: w.Key})
		}
	}
	docs, errs, said := s.look(ctx, unknown)
	found, failed := map[string]cache.Fetched[*document.Document]{}, map[string]error{}
	for _, k := range unknown {
		if d := docs[k]; d != nil {
			found[k.Value] = keep(d, said)
		} else if errs[k] != nil {
			failed[k.Value] = errs[k]
		}
	}
	return found, failed
}

// look asks the backend, and keeps what else came along.
func (s *clientSearch) look(ctx context.Context, keys []thoughtindustries.Key) (map[thoughtindustries.Key]*document.Document, map[thoughtindustries.Key]error, reply) {
	ctx, said := listening(ctx)
	if len(keys) == 0 {
		return nil, nil, said
	}
	s.heard.Load().Repeat(ctx)
	found, failed := s.lookup.Find(ctx, keys)
	s.heard.Store(said)
	if flaw := said.Flaw(); flaw != nil {
		s.flaw.Store(&flaw)
		for _, k := range keys {
			if found[k] == nil && failed[k] == nil {
				failed[k] = flaw // it may be what the page lacks
			}
		}
	}
	seen, all := s.lookup.Seen()
	walk := clientWalk{IDs: map[string]bool{}, Keys: map[string]string{}}
	for _, d := range seen {
		id := s.clientID(d)
		if id == "" {
			continue
		}
		s.clients.objects.Put(ctx, id, keep(d, said))
		s.keepClientKeys(ctx, d, said)
		walk.add(s.ThoughtIndustries, id, d)
	}
	if all {
		s.clientWalk.Put(ctx, wholeWalk, keep(walk, said))
	}
	return found, failed, said
}

func (w clientWalk) add(c *thoughtindustries.Client, id string, d *document.Document) {
	w.IDs[id] = true
	for _, field := range []string{"slug", "sku"} {
		if v := c.KeyOf(d, field); v != "" {
			w.Keys[clientKeyText(thoughtindustries.Key{Field: field, Value: v})] = id
		}
	}
}
