package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/learngraph/learngraph/auth"
	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/lru"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// DocumentStore keeps the texts of automatic persisted queries by their SHA-256 in hexadecimal, each for the caller of the
// context that brought it. It is safe for concurrent use. What it gives is verified again, so a store that others write to
// can do no harm.
type DocumentStore interface {
	Get(ctx context.Context, hash string) (text string, ok bool)
	Put(ctx context.Context, hash, text string)
}

// memoryDocuments is a DocumentStore that forgets what was not used for longest.
type memoryDocuments struct{ texts *lru.Cache[string, nearText] }

// nearText is a text and when Redis was last asked for it.
type nearText struct {
	text   string
	shared time.Time
}

var _ DocumentStore = (*memoryDocuments)(nil)

// newMemoryDocuments makes a store that takes at most so many bytes, mostOf of them for one caller. reserve gets what it
// takes and gives back, in bytes.
func newMemoryDocuments(most, mostOf int, reserve func(by int64)) *memoryDocuments {
	m := &memoryDocuments{lru.New[string, nearText](most, reserve)}
	m.texts.MaxPerOwner = mostOf
	return m
}

// Get gives the text of a hash.
func (m *memoryDocuments) Get(_ context.Context, hash string) (string, bool) {
	near, ok := m.texts.Get(hash)
	return near.text, ok
}

// Put keeps a text, unless it takes more than a caller or all may.
func (m *memoryDocuments) Put(ctx context.Context, hash, text string) {
	m.texts.PutFor(auth.FromContext(ctx).Name, hash, nearText{text, time.Now()}, len(text))
}

// SharedDocuments is a DocumentStore in Redis, for all replicas and across restarts. Each process keeps what it uses as well:
// without Redis that is all.
type SharedDocuments struct {
	near *memoryDocuments
	far  *cache.Texts
}

var _ DocumentStore = (*SharedDocuments)(nil)

// The bounds of what callers register, in bytes. A frontend has some hundreds of documents of a few KiB.
const (
	documentsOfCaller = 4 << 20
	sharedDocuments   = 32 << 20
	nearDocuments     = 8 << 20 // in each process
)

const (
	// sharedLife is how long a text stays that nobody uses.
	sharedLife = 24 * time.Hour
	// usedAgain is how often a process tells Redis that it uses a text.
	usedAgain = time.Hour
)

// NewSharedDocuments makes a store in the Redis of c. The scope is as that of a space.
func NewSharedDocuments(c *cache.Cache, scope string) *SharedDocuments {
	return &SharedDocuments{near: newMemoryDocuments(nearDocuments, documentsOfCaller, c.Reserve),
		far: cache.NewTexts(c, cache.TextsOptions{Scope: scope, OfCaller: documentsOfCaller, Of: sharedDocuments, Life: sharedLife})}
}

// Close gives the memory back that the process keeps texts in. It keeps none from then on.
func (s *SharedDocuments) Close() { s.near.texts.Close() }

// Get gives the text of a hash, whichever replica learnt it. What Redis no longer has of the texts in use it gets again.
func (s *SharedDocuments) Get(ctx context.Context, hash string) (string, bool) {
	near, known := s.near.texts.Get(hash)
	if known && time.Since(near.shared) < usedAgain {
		return near.text, true
	}
	text, ok := s.far.Get(ctx, hash)
	switch {
	case ok && hashOf(text) == hash:
		s.near.Put(ctx, hash, text)
		return text, true
	case known:
		s.Put(ctx, hash, near.text)
	}
	return near.text, known
}

// Put keeps a text.
func (s *SharedDocuments) Put(ctx context.Context, hash, text string) {
	s.near.Put(ctx, hash, text)
	s.far.Put(ctx, auth.FromContext(ctx).Name, hash, text)
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
	if d := g.opts.Trusted.document(id); d != nil && req.Query == "" {
		req.trusted, req.fixedOnError = id, d.OnError
		return d.Text, nil
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

// registers reports whether a request brings the text of a document to keep under its hash.
func (g *Gateway) registers(ctx context.Context, req *request) bool {
	if g.opts.Persisted == nil || req.Query == "" {
		return false
	}
	p, _ := req.persisted()
	if p == nil {
		return false
	}
	text, known := g.opts.Persisted.Get(ctx, p.hash)
	return !known || text != req.Query
}

// registrationUnit is how many bytes of a document that is kept cost as much as a backend call.
const registrationUnit = 1 << 10

// registering adds the charge for a document that is kept, whose text stays in the memory that all callers share.
func (e *Cost) registering(text string) *Cost {
	more := *e
	more.Registration = CallPoints * int64((len(text)+registrationUnit-1)/registrationUnit)
	more.Points += more.Registration
	return &more
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
