package datasource

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/footprint"
	"github.com/learngraph/learngraph/upstream"
)

// listing is one page of a backend's list as it is kept: which objects in which order. The objects themselves are kept
// apart, once for all lists that show them.
type listing[V any] struct {
	Keys []string `json:"keys"`
	// Bare marks the keys of which the list showed nothing else.
	Bare []bool `json:"bare,omitempty"`
	// More and Next say what follows; Total is nil where the backend does not know.
	More  bool   `json:"more,omitempty"`
	Next  string `json:"next,omitempty"`
	Total *int   `json:"total,omitempty"`
	// Extra is what else came with the page.
	Extra []json.RawMessage `json:"extra,omitempty"`
	// Sums are checksums of the objects as the page showed them, where it came with a validator: the page may be renewed
	// without a body only while they are kept like that.
	Sums []uint64 `json:"sums,omitempty"`
}

// cargo is the objects of a page that has just arrived, for all who waited for the same call, and under which context it
// was asked for. They need not be kept anywhere else, and go with those who waited: the store of objects knows better from
// then on.
type cargo[V any] struct {
	values []V
	etags  []string // of the objects themselves, where those are known
	reply  reply
	asked  context.Context
}

func (c *cargo[V]) etag(i int) string {
	if i < len(c.etags) {
		return c.etags[i]
	}
	return ""
}

func (l *listing[V]) bare(i int) bool { return i < len(l.Bare) && l.Bare[i] }

// add takes one more key.
func (l *listing[V]) add(key string, bare bool) {
	if bare && l.Bare == nil {
		l.Bare = make([]bool, len(l.Keys), len(l.Keys)+1)
	}
	l.Keys = append(l.Keys, key)
	if l.Bare != nil {
		l.Bare = append(l.Bare, bare)
	}
}

func (l *listing[V]) size() int {
	n := footprint.Of[listing[V]]() + footprint.Slice(l.Keys) + footprint.Slice(l.Bare) + footprint.Text(l.Next) +
		footprint.Slice(l.Extra) + footprint.Slice(l.Sums)
	if l.Total != nil {
		n += footprint.Of[int]()
	}
	for _, k := range l.Keys {
		n += footprint.Text(k)
	}
	for _, e := range l.Extra {
		n += footprint.Slice(e)
	}
	return n
}

// lists keeps the lists of one kind of object, and the objects.
type lists[V any] struct {
	pages   *cache.Space[*listing[V]]
	objects *cache.Space[V]
	// bare makes an object of which only the key is known.
	bare func(key string) V
	// tags are what an object depends on besides its own key; nil is nothing.
	tags func(V) []cache.Tag
	// encode gives the bytes that an object is kept as.
	encode func(V) ([]byte, error)
	// filed is told of each object that a page brought or renewed; nil is told nothing.
	filed func(context.Context, V, reply)
	// validators is set once a page of a walk came with one.
	validators *atomic.Bool
}

// arrived is a page that was just read. An empty key is an object that cannot be kept.
type arrived[V any] struct {
	*listing[V]
	values []V
	tags   []cache.Tag
	reply  reply
	// kept says since when a page holds that was made of what is kept already; its objects need no keeping.
	kept time.Time
	// etag is the validator of the page, empty where it has none or is made of several answers.
	etag string
	// unchanged says that the backend still has what is kept of the page; the rest but the reply is empty then.
	unchanged bool
}

// showing is a page of the values; key gives what they are kept under, and whether they are nothing but that.
func showing[V any](values []V, key func(V) (string, bool), tags ...cache.Tag) *arrived[V] {
	page := &arrived[V]{listing: &listing[V]{Keys: make([]string, 0, len(values))}, values: values, tags: tags}
	for _, v := range values {
		page.add(key(v))
	}
	return page
}

// Page is a part of a backend's list.
type Page[V any] struct {
	Items []V
	// Next is the backend's cursor of what follows, empty where it has none.
	Next string
	// Total is nil where the backend does not count.
	Total *int
	More  bool
	// Aggregations are the facets that came with the page.
	Aggregations []json.RawMessage
	// Missing is why some of the items are nil or absent: they are no longer cached and cannot be read, or the backend sent
	// errors beside them.
	Missing error
}

func (l listed[V]) shown() Page[V] {
	if l.listing == nil {
		return Page[V]{}
	}
	return Page[V]{Items: l.values, Next: l.Next, Total: l.Total, More: l.More, Aggregations: l.Extra, Missing: l.missing}
}

// page returns one page, from the cache where that holds.
func (l *lists[V]) page(ctx context.Context, key string, fetch fetchPages[V]) (Page[V], error) {
	found, failed := l.load(ctx, []string{key}, fetch)
	return found[key].shown(), failed[key]
}

// listed is a page with what it shows.
type listed[V any] struct {
	*listing[V]
	values []V
	at     time.Time
	// missing is why some of the values are nil or absent: they are no longer kept and cannot be read, or the backend sent
	// errors beside them.
	missing error
}

func newListings[V any](c *cache.Cache, kind string, o spaceOptions) *cache.Space[*listing[V]] {
	return cache.NewSpace(c, cache.SpaceOptions[*listing[V]]{
		Kind: kind, Backend: string(o.backend), Scope: o.scope, Personal: o.personal,
		Encode: func(l *listing[V]) ([]byte, error) { return json.Marshal(l) },
		Decode: func(data []byte) (*listing[V], error) {
			l := new(listing[V])
			err := json.Unmarshal(data, l)
			if err == nil && (l.Bare != nil && len(l.Bare) != len(l.Keys) || l.Sums != nil && len(l.Sums) != len(l.Keys)) {
				err = errors.New("a listing that does not fit together")
			}
			return l, err
		},
		Size: func(l *listing[V]) int { return l.size() },
	})
}

// fetchPages reads pages by their keys; a page in neither map is empty, and one that has a validator may come unchanged.
type fetchPages[V any] func(ctx context.Context, keys []string, kept validators) (map[string]*arrived[V], map[string]error)

// load gives the pages of the keys, from what is kept where that is honest.
func (l *lists[V]) load(ctx context.Context, keys []string, fetch fetchPages[V]) (map[string]listed[V], map[string]error) {
	found, failed := map[string]listed[V]{}, map[string]error{}
	kept := map[string]cache.Result[*listing[V]]{}
	for key, r := range l.pages.Load(ctx, keys, l.keeping(fetch)) {
		carried := l.carriedBy(r)
		switch {
		case r.Err != nil:
			failed[key] = r.Err
		case !r.Found:
			found[key] = listed[V]{listing: &listing[V]{}}
		case carried != nil:
			l.dependOn(ctx, r.Value)
			found[key] = listed[V]{listing: r.Value, values: carried.values, at: time.Now().Add(-r.Fact.Age), missing: carried.reply.Flaw()}
		default:
			kept[key] = r
		}
	}
	l.assemble(ctx, kept, fetch, found, failed)
	return found, failed
}

// dependOn says that the operation used the objects that came with a page: a change of one of them changes its answer.
func (l *lists[V]) dependOn(ctx context.Context, page *listing[V]) {
	facts := cache.FactsFrom(ctx)
	if facts == nil {
		return
	}
	tags := make([]cache.Tag, 0, len(page.Keys))
	for i, k := range page.Keys {
		if k != "" && !page.bare(i) {
			tags = append(tags, l.objects.Tag(k))
		}
	}
	facts.DependOn(tags...)
}

// carriedBy is what a page that has just arrived or been renewed brings; nil for a page that was kept, and for one that others had asked
// for before one of its objects was changed.
func (l *lists[V]) carriedBy(r cache.Result[*listing[V]]) *cargo[V] {
	c, _ := r.Along.(*cargo[V])
	if c == nil || r.Fact.Verdict != cache.Coalesced {
		return c
	}
	for i, k := range r.Value.Keys {
		if k != "" && !r.Value.bare(i) && !l.objects.Current(c.asked, k, l.objectTags(c.values[i])...) {
			return nil
		}
	}
	return c
}

// keeping files what arrives: the listing under its key, each whole object under its own. What has not changed since is
// renewed.
func (l *lists[V]) keeping(fetch fetchPages[V]) cache.Fetch[*listing[V]] {
	return func(ctx context.Context, missing []cache.Wanted[*listing[V]]) (map[string]cache.Fetched[*listing[V]], map[string]error) {
		kept, shown := l.renewable(ctx, missing)
		keys := keysOf(missing)
		pages, failed := fetch(upstream.WithKeys(ctx, keys...), keys, kept)
		found := make(map[string]cache.Fetched[*listing[V]], len(pages))
		for key, page := range pages {
			if page.unchanged {
				found[key] = l.renew(ctx, shown[key], page.reply)
			} else {
				found[key] = l.file(ctx, page)
			}
		}
		return found, failed
	}
}

// file keeps the whole objects of a page and gives what is to be kept of the page itself.
func (l *lists[V]) file(ctx context.Context, page *arrived[V]) cache.Fetched[*listing[V]] {
	f := keep(page.listing, page.reply, page.tags...)
	f.At, f.Along = page.kept, &cargo[V]{values: page.values, reply: page.reply, asked: ctx}
	for i, k := range page.Keys {
		f.NoStore = f.NoStore || k == ""
		if k != "" && page.kept.IsZero() && !page.bare(i) {
			l.put(ctx, k, page.values[i], "", page.reply)
		}
	}
	if page.etag != "" && l.sum(page) {
		f.ETag = page.etag
	}
	return f
}

// put keeps an object that a page showed.
func (l *lists[V]) put(ctx context.Context, key string, v V, etag string, r reply) {
	f := keep(v, r, l.objectTags(v)...)
	f.ETag = etag
	l.objects.Put(ctx, key, f)
	if l.filed != nil {
		l.filed(ctx, v, r)
	}
}

func (l *lists[V]) objectTags(v V) []cache.Tag {
	if l.tags == nil {
		return nil
	}
	return l.tags(v)
}

// assemble finds the objects of pages that were kept, all in one round. Where some are gone or have aged, their pages
// are read again: one call brings all of a page.
func (l *lists[V]) assemble(ctx context.Context, kept map[string]cache.Result[*listing[V]], fetch fetchPages[V],
	found map[string]listed[V], failed map[string]error) {
	if len(kept) == 0 {
		return
	}
	pageOf, renewed := map[string]string{}, map[string]cache.Reason{}
	var wanted []string
	for page, r := range kept {
		for i, k := range r.Value.Keys {
			if r.Value.bare(i) {
				continue
			}
			if _, seen := pageOf[k]; !seen {
				pageOf[k] = page
				wanted = append(wanted, k)
			}
			// The call behind a stale page brings its objects as well.
			if why := r.Fact.Reason; why != "" && why != cache.Asked {
				renewed[k] = why
			}
		}
	}
	objects := l.objects.Load(l.objects.WithRenewal(ctx, renewed), wanted, l.again(pageOf, fetch))
	for page, r := range kept {
		p, err := l.compose(r.Value, objects)
		if err != nil {
			failed[page] = err
			continue
		}
		p.at = time.Now().Add(-r.Fact.Age)
		found[page] = p
	}
}

// compose puts a page together. An object that cannot be had leaves its place empty, as long as there is another.
func (l *lists[V]) compose(v *listing[V], objects map[string]cache.Result[V]) (listed[V], error) {
	whole := &listing[V]{More: v.More, Next: v.Next, Total: v.Total, Extra: v.Extra}
	page := listed[V]{listing: whole}
	had := 0
	for i, k := range v.Keys {
		value, ok := l.value(v, i, objects)
		if ok {
			had++
		} else if err := objects[k].Err; err != nil && !errors.Is(err, errElsewhere) {
			page.missing = err
		} else {
			continue
		}
		whole.Keys = append(whole.Keys, k)
		page.values = append(page.values, value)
	}
	if had == 0 && page.missing != nil {
		return page, page.missing
	}
	return page, nil
}

func (l *lists[V]) value(v *listing[V], i int, objects map[string]cache.Result[V]) (V, bool) {
	if v.bare(i) {
		return l.bare(v.Keys[i]), true
	}
	r := objects[v.Keys[i]]
	return r.Value, r.Found
}

// errElsewhere is an object that has left the page that it was on, which does not say that it does not exist.
var errElsewhere = errors.New("no longer on its page")

// again reads the pages that missing objects were on, together with whoever refreshes those pages already.
func (l *lists[V]) again(pageOf map[string]string, fetch fetchPages[V]) cache.Fetch[V] {
	return func(ctx context.Context, missing []cache.Wanted[V]) (map[string]cache.Fetched[V], map[string]error) {
		found, failed := map[string]cache.Fetched[V]{}, map[string]error{}
		if fetch == nil {
			return nil, failAll(keysOf(missing), cache.ErrNotCached)
		}
		pages := map[string]bool{}
		for _, w := range missing {
			pages[pageOf[w.Key]] = true
		}
		results := l.pages.Load(cache.WithWants(ctx, cache.Wants{NoCache: true}), slices.Collect(maps.Keys(pages)), l.keeping(fetch))
		errs := map[string]error{}
		var bare []string
		for key, r := range results {
			if c := l.carriedBy(r); c != nil {
				l.unload(r.Value, c, time.Now().Add(-r.Fact.Age), found)
			} else if r.Err == nil && r.Found {
				bare = append(bare, key)
			} else {
				errs[key] = r.Err
			}
		}
		maps.Copy(errs, l.anew(ctx, bare, fetch, found))
		for _, w := range missing {
			if err := errs[pageOf[w.Key]]; err != nil {
				failed[w.Key] = err
			} else if _, ok := found[w.Key]; !ok {
				failed[w.Key] = errElsewhere
			}
		}
		return found, failed
	}
}

// anew reads the pages that came without their objects: they had only just been kept, or one of theirs was changed.
func (l *lists[V]) anew(ctx context.Context, keys []string, fetch fetchPages[V], found map[string]cache.Fetched[V]) map[string]error {
	if len(keys) == 0 {
		return nil
	}
	pages, failed := fetch(ctx, keys, nil)
	for key, page := range pages {
		l.pages.Put(ctx, key, l.file(ctx, page))
		l.unload(page.listing, &cargo[V]{values: page.values, reply: page.reply, asked: ctx}, page.kept, found)
	}
	return failed
}

// unload takes the whole objects that a page brought, which hold since at.
func (l *lists[V]) unload(page *listing[V], c *cargo[V], at time.Time, found map[string]cache.Fetched[V]) {
	for i, v := range c.values {
		if k := page.Keys[i]; k != "" && !page.bare(i) {
			f := keep(v, c.reply, l.objectTags(v)...)
			f.At, f.ETag = at, c.etag(i)
			found[k] = f
		}
	}
}
