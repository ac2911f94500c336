package thoughtindustries

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"sync"

	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/task"
	"github.com/learngraph/learngraph/upstream"
)

// mostSearches bounds the searches of a Lookup.
const mostSearches = 100

// searchCount is how many clients a search for one key asks for.
const searchCount = 25

// Key names a client: Field is "id", "slug" or "sku".
type Key struct{ Field, Value string }

// Lookup finds clients by key, for one operation: it does not read a client again, so it must not live longer. It is
// safe for concurrent use.
//
// One key is searched for, and the clients that the search returns are compared with it. A search need not find by
// every field, so a key that it does not bring up is looked for in all pages of the list. There is one scan of the
// pages: it stops when all keys that wait for it are found, goes on from there when others are not, and once at its end
// answers every miss.
type Lookup struct {
	// Read reads a page. It is the client's Page unless it is set before the first Find.
	Read func(ctx context.Context, q Query, number, count int, _ ...upstream.Option) (Page, upstream.Meta, error)

	client *Client

	mu       sync.Mutex
	seen     map[Key]*seenClient
	searched map[Key]bool
	searches int             // how many were begun
	step     *step           // the page that is being read
	next     int             // the page that the scan reads next, from 1
	left     int             // how many pages follow, -1 if not known
	paged    map[string]bool // the clients on the pages of the scan, by id
	done     bool            // the scan has seen every client
	metas    []upstream.Meta // of all pages that were read
}

// seenClient is a client that was seen under a key.
type seenClient struct {
	client    *document.Document
	ambiguous bool // another client has the same key
}

// step is one page of the scan, for all lookups that wait for it.
type step struct {
	done chan struct{}
	err  error // to be read after done
}

// NewLookup returns a Lookup that has seen nothing.
func (c *Client) NewLookup() *Lookup {
	return &Lookup{Read: c.Page, client: c, seen: map[Key]*seenClient{}, searched: map[Key]bool{},
		paged: map[string]bool{}, next: 1, left: -1}
}

// Meta merges the cache headers of all answers that the lookup has read.
func (l *Lookup) Meta() upstream.Meta {
	l.mu.Lock()
	defer l.mu.Unlock()
	return upstream.MergeMeta(l.metas...)
}

// Find returns the clients of the keys, and for each key that could not be decided the reason: the failure of a call,
// LimitExceeded if the scan ended at its bound, Contract if two clients carry the key. A key that is in neither map
// does not exist; an empty value never does.
func (l *Lookup) Find(ctx context.Context, keys []Key) (found map[Key]*document.Document, failed map[Key]error) {
	failed = map[Key]error{}
	requested := map[Key]bool{}
	for _, k := range keys {
		if _, ok := l.client.keys[k.Field]; !ok {
			failed[k] = failure(upstream.Invalid, errors.New("clients have no such key"))
		} else if k.Value != "" {
			requested[k] = true
		}
	}
	if len(l.missing(requested, failed)) > 1 {
		l.fail(failed, l.missing(requested, failed), l.readPages(ctx, func() bool { return l.next > 1 }))
	}
	if missing := l.missing(requested, failed); l.searchPays(len(missing)) {
		l.search(ctx, missing, failed)
	}
	missing := l.missing(requested, failed)
	err := l.readPages(ctx, func() bool { return l.all(missing) })
	l.fail(failed, l.missing(requested, failed), err)
	return l.take(requested, failed), failed
}

// take gathers the clients that were seen.
func (l *Lookup) take(requested map[Key]bool, failed map[Key]error) map[Key]*document.Document {
	l.mu.Lock()
	defer l.mu.Unlock()
	found := map[Key]*document.Document{}
	for k := range requested {
		switch s := l.seen[k]; {
		case s == nil:
		case s.ambiguous:
			failed[k] = failure(upstream.Contract, upstream.ErrAmbiguous)
		default:
			found[k] = s.client
		}
	}
	return found
}

// missing are the requested keys that are neither seen nor failed, nor known not to exist.
func (l *Lookup) missing(requested map[Key]bool, failed map[Key]error) []Key {
	l.mu.Lock()
	defer l.mu.Unlock()
	var missing []Key
	if l.done {
		return nil
	}
	for k := range requested {
		if l.seen[k] == nil && failed[k] == nil {
			missing = append(missing, k)
		}
	}
	return missing
}

func (l *Lookup) fail(failed map[Key]error, keys []Key, err error) {
	if err == nil {
		return
	}
	for _, k := range keys {
		failed[k] = err
	}
}

// all reports whether every key was seen; l.mu is held.
func (l *Lookup) all(keys []Key) bool {
	for _, k := range keys {
		if l.seen[k] == nil {
			return false
		}
	}
	return true
}

// searchPays reports whether searching n keys takes fewer calls than reading the pages that are left. Where it is not
// known how many are left only a single key is searched, since a scan that has begun serves all keys.
func (l *Lookup) searchPays(n int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return n > 0 && !l.done && l.searches+n <= mostSearches && (n < l.left || l.left < 0 && n == 1)
}

// search looks each key up by a search of its own, all at once; the backend's concurrency is the bound.
func (l *Lookup) search(ctx context.Context, keys []Key, failed map[Key]error) {
	var group task.Group
	for _, k := range keys {
		group.Go(func() error { return l.searchOne(ctx, k) }, func(err error) {
			if err != nil {
				failed[k] = err
			}
		})
	}
	group.Wait()
}

func (l *Lookup) searchOne(ctx context.Context, k Key) error {
	l.mu.Lock()
	again := l.searched[k] || l.searches == mostSearches
	if !again {
		l.searched[k] = true
		l.searches++
	}
	l.mu.Unlock()
	if again {
		return nil
	}
	page, meta, err := l.Read(ctx, Query{Search: k.Value}, 1, searchCount)
	switch {
	case upstream.KindOf(err) == upstream.Invalid:
		// A text that the search does not take can still be a key.
		return nil
	case err != nil:
		l.mu.Lock()
		delete(l.searched, k)
		l.mu.Unlock()
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.metas = append(l.metas, meta)
	l.remember(page.Items)
	return nil
}

// remember files clients under all their keys; l.mu is held.
func (l *Lookup) remember(clients []*document.Document) {
	for _, d := range clients {
		if d == nil {
			continue
		}
		for field := range l.client.keys {
			k := Key{field, l.client.KeyOf(d, field)}
			if k.Value == "" {
				continue
			}
			if s := l.seen[k]; s == nil {
				l.seen[k] = &seenClient{client: d}
			} else if !l.client.same(s.client, d) {
				s.ambiguous = true
			}
		}
	}
}

// Seen is every client that the lookup has seen so far, each once, and whether those are all that there are.
func (l *Lookup) Seen() (clients []*document.Document, all bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	listed := map[*document.Document]bool{}
	for _, s := range l.seen {
		if !s.ambiguous && !listed[s.client] {
			listed[s.client] = true
			clients = append(clients, s.client)
		}
	}
	return clients, l.done
}

// KeyOf is the client's value of a key's field, "" if it shows none.
func (c *Client) KeyOf(d *document.Document, field string) string {
	i, ok := c.keys[field]
	if !ok {
		return ""
	}
	read := document.Value.Text
	if field == "id" {
		read = document.Value.ID
	}
	key, err := read(d.Root().Member(i))
	if err != nil {
		return ""
	}
	return key
}

// same reports whether two documents are of one client. Two readings may differ, so the id decides where there is one.
func (c *Client) same(a, b *document.Document) bool {
	if id := c.KeyOf(a, "id"); id != "" || c.KeyOf(b, "id") != "" {
		return id == c.KeyOf(b, "id")
	}
	return bytes.Equal(a.JSON(), b.JSON())
}

// readPages reads pages until enough is true or the last page is read. enough is called with l.mu held. A page that
// another caller is reading is awaited, and its failure is shared unless it is the end of only that caller's context.
func (l *Lookup) readPages(ctx context.Context, enough func() bool) error {
	for {
		l.mu.Lock()
		if l.done || enough() {
			l.mu.Unlock()
			return nil
		}
		if s := l.step; s != nil {
			l.mu.Unlock()
			if err := l.wait(ctx, s); err != nil {
				return err
			}
			continue
		}
		if l.next > maxPages {
			reached := int64(l.next)
			l.mu.Unlock()
			exceeded := failure(upstream.LimitExceeded, errors.New("the scan of the pages ended at its limit"))
			exceeded.Limit = &upstream.Limit{Name: upstream.LimitPages, Reached: reached, Allowed: maxPages}
			return exceeded
		}
		s := &step{done: make(chan struct{})}
		l.step = s
		number := l.next
		l.mu.Unlock()

		page, meta, err := l.Read(ctx, Query{}, number, MaxCount)
		l.mu.Lock()
		if err == nil {
			l.metas = append(l.metas, meta)
			err = l.advance(page)
		}
		l.step, s.err = nil, err
		l.mu.Unlock()
		close(s.done)
		if err != nil {
			return err
		}
	}
}

func (l *Lookup) wait(ctx context.Context, s *step) error {
	select {
	case <-ctx.Done():
		return failure(upstream.KindOf(ctx.Err()), errors.New("while another lookup read the page"))
	case <-s.done:
	}
	switch upstream.KindOf(s.err) {
	case upstream.Canceled, upstream.Deadline:
		return nil
	}
	return s.err
}

// advance takes a page into the scan; l.mu is held.
func (l *Lookup) advance(page Page) error {
	before := len(l.paged)
	for _, d := range page.Items {
		if d != nil {
			l.paged[cmp.Or(l.client.KeyOf(d, "id"), string(d.JSON()))] = true
		}
	}
	if page.More && (page.Number != l.next || len(l.paged) == before) {
		return failure(upstream.Contract, errors.New("a page has no new records"))
	}
	l.remember(page.Items)
	l.next++
	l.done = !page.More
	l.left = -1
	if page.Total != nil {
		l.left = max((*page.Total+page.Size-1)/page.Size-page.Number, 0)
	}
	return nil
}

func failure(kind upstream.Kind, reason error) *upstream.Error {
	return &upstream.Error{Backend: upstream.ThoughtIndustries, Kind: kind, Method: "GET", Route: route, Err: reason}
}
