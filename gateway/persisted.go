package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/footprint"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// DocumentStore keeps the texts of automatic persisted queries by their SHA-256 in hexadecimal. It is safe for
// concurrent use. What it gives is verified again, so a store that others write to can do no harm.
type DocumentStore interface {
	Get(ctx context.Context, hash string) (text string, ok bool)
	Put(ctx context.Context, hash, text string)
}

// MemoryDocuments is a DocumentStore that forgets what was not used for longest.
type MemoryDocuments struct{ texts *shelf[string, string] }

var _ DocumentStore = (*MemoryDocuments)(nil)

// NewMemoryDocuments makes a store that takes at most so many bytes.
func NewMemoryDocuments(most int) *MemoryDocuments {
	return &MemoryDocuments{newShelf[string, string](most, nil)}
}

// Get gives the text of a hash.
func (m *MemoryDocuments) Get(_ context.Context, hash string) (string, bool) {
	return m.texts.get(hash)
}

// Put keeps a text, unless it takes more than all texts may.
func (m *MemoryDocuments) Put(_ context.Context, hash, text string) {
	m.texts.put(hash, text, len(text))
}

// SharedDocuments is a DocumentStore in the cache, for all replicas and across restarts. Each process keeps what it uses
// apart from the cache as well: pages of a backend must not push it out, and a cache that is off keeps nothing.
type SharedDocuments struct {
	near *MemoryDocuments
	c    *cache.Cache
	far  *cache.Space[string]
}

var _ DocumentStore = (*SharedDocuments)(nil)

const (
	// nearDocuments bounds what a process keeps, in bytes.
	nearDocuments = 8 << 20
	// longestShared is the longest text that is shared, in bytes: whoever may ask may register.
	longestShared = 64 << 10
	// sharedLife is how long a text stays that nobody uses.
	sharedLife = 24 * time.Hour
)

// NewSharedDocuments makes a store in c. The scope is as that of a space.
func NewSharedDocuments(c *cache.Cache, scope string) *SharedDocuments {
	return &SharedDocuments{near: &MemoryDocuments{newShelf[string, string](nearDocuments, c.Reserve)}, c: c, far: cache.NewSpace(c, cache.SpaceOptions[string]{
		Kind: "document", Scope: scope, NoStale: true, Constant: true,
		Encode: func(text string) ([]byte, error) { return []byte(text), nil },
		Decode: func(data []byte) (string, error) { return string(data), nil },
		Size:   footprint.Text,
	})}
}

// Close gives the memory back that the process keeps texts in. It keeps none from then on.
func (s *SharedDocuments) Close() { s.near.texts.close() }

// Get gives the text of a hash, whichever replica learnt it.
func (s *SharedDocuments) Get(ctx context.Context, hash string) (string, bool) {
	if text, ok := s.near.Get(ctx, hash); ok {
		return text, true
	}
	r := s.far.Load(cache.WithWants(ctx, cache.Wants{OnlyIfCached: true}), []string{hash}, nil)[hash]
	if !r.Found || hashOf(r.Value) != hash {
		return "", false
	}
	if r.Fact.Age > sharedLife/2 {
		s.share(ctx, hash, r.Value)
	}
	s.near.Put(ctx, hash, r.Value)
	return r.Value, true
}

// Put keeps a text.
func (s *SharedDocuments) Put(ctx context.Context, hash, text string) {
	s.near.Put(ctx, hash, text)
	if len(text) <= longestShared {
		s.share(ctx, hash, text)
	}
}

func (s *SharedDocuments) share(ctx context.Context, hash, text string) {
	s.far.Put(s.c.Begin(ctx), hash, cache.Fetched[string]{Value: text, MaxAge: sharedLife})
}

// persistedQuery is what Apollo's protocol puts into extensions: the hash of a document that the server may know.
type persistedQuery struct{ hash string }

const persistedVersion = 1

// persisted reads the extension; nil where the request has none.
func (req *request) persisted() (*persistedQuery, *requestError) {
	raw, ok := req.Extensions["persistedQuery"]
	if !ok || raw == nil {
		return nil, nil
	}
	fields, _ := raw.(map[string]any)
	hash, _ := fields["sha256Hash"].(string)
	version, ok := fields["version"]
	n, _ := version.(json.Number)
	if v, err := n.Float64(); ok && (err != nil || v != persistedVersion) {
		return nil, badRequest("extensions.persistedQuery.version must be 1")
	}
	if hash == "" {
		return nil, badRequest("extensions.persistedQuery.sha256Hash must be the document's SHA-256 in hexadecimal")
	}
	return &persistedQuery{hash}, nil
}

// text finds the text of the document that a request means: the text that it brings, or the one of the id or hash.
func (g *Gateway) text(ctx context.Context, req *request) (string, *reply) {
	p, fault := req.persisted()
	if fault != nil {
		return "", fail(fault)
	}
	id := req.documentID
	switch {
	case id != "" && (p != nil || req.Query != ""):
		return "", fail(badRequest("documentId stands alone: leave out query and extensions.persistedQuery"))
	case id == "" && p != nil:
		id = p.hash
	}
	if text, ok := g.opts.Trusted.text(id); ok && req.Query == "" {
		req.trusted = id
		return text, nil
	}
	if g.opts.Trusted.only() {
		return "", g.unknown(codeNotTrusted, "this server takes the documents of its manifest by their id, and no others")
	}
	if req.Query != "" {
		if p != nil && hashOf(req.Query) != p.hash {
			return "", fail(badRequest("extensions.persistedQuery.sha256Hash is not the hash of query"))
		}
		g.opts.Trusted.note(ctx, g.opts.Log, req.Query)
		return req.Query, nil
	}
	if p != nil && g.opts.Persisted != nil {
		if text, ok := g.opts.Persisted.Get(ctx, p.hash); ok && hashOf(text) == p.hash {
			g.opts.Trusted.note(ctx, g.opts.Log, text)
			return text, nil
		}
	}
	if p != nil && g.opts.Persisted == nil && g.opts.Trusted == nil {
		return "", notPersisted("PersistedQueryNotSupported")
	}
	// Apollo's clients compare the message.
	return "", notPersisted("PersistedQueryNotFound")
}

func notPersisted(message string) *reply {
	out := refuse(gqlerror.List{{Message: message, Extensions: map[string]any{"code": codeNotPersisted}}})
	out.again = true
	return out
}

func (g *Gateway) unknown(code, message string) *reply {
	return refuse(gqlerror.List{{Message: message, Extensions: map[string]any{"code": code}}})
}

// register keeps the text of a document that turned out valid under its hash. That of a refused one is not kept: anyone
// could fill the store.
func (g *Gateway) register(ctx context.Context, req *request, text string) {
	if g.opts.Persisted == nil || req.Query == "" {
		return
	}
	if p, _ := req.persisted(); p != nil {
		g.opts.Persisted.Put(ctx, p.hash, text)
	}
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
