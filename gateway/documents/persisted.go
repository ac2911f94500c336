package documents

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"time"

	"github.com/learngraph/learngraph/auth"
	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/gateway/gqlerrors"
	"github.com/learngraph/learngraph/gateway/httpapi"
	"github.com/learngraph/learngraph/lru"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Store keeps the texts of automatic persisted queries by their SHA-256 in hexadecimal, each for the caller of the
// context that brought it. It is safe for concurrent use. Its texts are verified again, so a store that others write to
// can do no harm.
type Store interface {
	Get(ctx context.Context, hash string) (text string, ok bool)
	Put(ctx context.Context, hash, text string)
}

// Memory is a Store that evicts the least recently used texts.
type Memory struct{ texts *lru.Cache[string, localText] }

// localText is a text and when Redis was last asked for it.
type localText struct {
	text   string
	shared time.Time
}

var _ Store = (*Memory)(nil)

// NewMemory returns a store of at most maxBytes, maxPerCaller of them for one caller, 0 for no such bound. reserve, if
// not nil, is called with each change of the bytes in use.
func NewMemory(maxBytes, maxPerCaller int, reserve func(by int64)) *Memory {
	m := &Memory{lru.New[string, localText](maxBytes, reserve)}
	m.texts.MaxPerOwner = maxPerCaller
	return m
}

// Get returns the text of a hash.
func (m *Memory) Get(_ context.Context, hash string) (string, bool) {
	near, ok := m.texts.Get(hash)
	return near.text, ok
}

// Put keeps a text, unless it takes more than a caller or all may.
func (m *Memory) Put(ctx context.Context, hash, text string) {
	m.texts.PutFor(auth.FromContext(ctx).Name, hash, localText{text, time.Now()}, len(text))
}

// Shared is a Store in Redis, for all replicas and across restarts. Each process also keeps the texts that it uses;
// without Redis those are all.
type Shared struct {
	local  *Memory
	remote *cache.Texts
}

var _ Store = (*Shared)(nil)

// The bounds of the texts that callers register, in bytes. A frontend has some hundreds of documents of a few KiB.
const (
	documentsOfCaller = 4 << 20
	sharedDocuments   = 32 << 20
	localDocuments    = 8 << 20 // in each process
)

const (
	// sharedLife is how long a text stays that is not used.
	sharedLife = 24 * time.Hour
	// touchInterval is how often a process extends the life of a text in Redis that it uses.
	touchInterval = time.Hour
)

// NewShared makes a store in the Redis of c. The scope is as that of a space.
func NewShared(c *cache.Cache, scope string) *Shared {
	return &Shared{local: NewMemory(localDocuments, documentsOfCaller, c.Reserve),
		remote: cache.NewTexts(c, cache.TextsOptions{Scope: scope, OfCaller: documentsOfCaller, Of: sharedDocuments,
			Life: sharedLife})}
}

// Close frees the memory of the process's texts. It keeps none from then on.
func (s *Shared) Close() { s.local.texts.Close() }

// Get returns the text of a hash, whichever replica learnt it. A text in use that Redis no longer has is sent to it
// again.
func (s *Shared) Get(ctx context.Context, hash string) (string, bool) {
	near, known := s.local.texts.Get(hash)
	if known && time.Since(near.shared) < touchInterval {
		return near.text, true
	}
	text, ok := s.remote.Get(ctx, hash)
	switch {
	case ok && Hash(text) == hash:
		s.local.Put(ctx, hash, text)
		return text, true
	case known:
		s.Put(ctx, hash, near.text)
	}
	return near.text, known
}

// Put keeps a text.
func (s *Shared) Put(ctx context.Context, hash, text string) {
	s.local.Put(ctx, hash, text)
	s.remote.Put(ctx, auth.FromContext(ctx).Name, hash, text)
}

// Sources find the text of the document of a request.
type Sources struct {
	trusted   *Trusted
	persisted Store // nil registers none
	log       *slog.Logger
}

// NewSources returns the sources of these documents; trusted and persisted may be nil.
func NewSources(trusted *Trusted, persisted Store, log *slog.Logger) *Sources {
	return &Sources{trusted, persisted, log}
}

// Text returns the text that a request brings, or the one of its id or hash, or why there is none.
func (s *Sources) Text(ctx context.Context, req *httpapi.Request) (string, *httpapi.Result) {
	p, fault := req.Persisted()
	if fault != nil {
		return "", httpapi.Fail(fault)
	}
	id := req.DocumentID
	switch {
	case id != "" && (p != nil || req.Query != ""):
		return "", httpapi.Fail(httpapi.BadRequest("documentId must not be sent with query or extensions.persistedQuery"))
	case id == "" && p != nil:
		id = p.Hash
	}
	if d := s.trusted.document(id); d != nil && req.Query == "" {
		req.TrustedID, req.FixedOnError = id, d.OnError
		return d.Text, nil
	}
	if s.trusted.only() {
		return "", httpapi.Refuse(gqlerror.List{{Extensions: map[string]any{"code": gqlerrors.CodeNotTrusted},
			Message: "this server runs only the documents of its manifest, by their id"}})
	}
	if req.Query != "" {
		if p != nil && Hash(req.Query) != p.Hash {
			return "", httpapi.Fail(httpapi.BadRequest("extensions.persistedQuery.sha256Hash is not the hash of query"))
		}
		s.trusted.note(ctx, s.log, req.Query)
		return req.Query, nil
	}
	return s.persistedText(ctx, p)
}

// persistedText returns the registered text of a hash; p is nil for a request without one.
func (s *Sources) persistedText(ctx context.Context, p *httpapi.PersistedQuery) (string, *httpapi.Result) {
	if p != nil && s.persisted != nil {
		if text, ok := s.persisted.Get(ctx, p.Hash); ok && Hash(text) == p.Hash {
			s.trusted.note(ctx, s.log, text)
			return text, nil
		}
	}
	if p != nil && s.persisted == nil && s.trusted == nil {
		return "", notPersisted("PersistedQueryNotSupported")
	}
	// Apollo's clients compare the message.
	return "", notPersisted("PersistedQueryNotFound")
}

func notPersisted(message string) *httpapi.Result {
	out := httpapi.Refuse(gqlerror.List{{Message: message,
		Extensions: map[string]any{"code": gqlerrors.CodeNotPersisted}}})
	out.Retryable = true
	return out
}

// Registers reports whether a request brings the text of a document to keep under its hash.
func (s *Sources) Registers(ctx context.Context, req *httpapi.Request) bool {
	if s.persisted == nil || req.Query == "" {
		return false
	}
	p, _ := req.Persisted()
	if p == nil {
		return false
	}
	text, known := s.persisted.Get(ctx, p.Hash)
	return !known || text != req.Query
}

// Register keeps the text of a document under its hash.
func (s *Sources) Register(ctx context.Context, text string) {
	s.persisted.Put(ctx, Hash(text), text)
}

// Close frees the memory of registered texts.
func (s *Sources) Close() {
	if c, ok := s.persisted.(interface{ Close() }); ok {
		c.Close()
	}
}

// Hash returns the SHA-256 digest of a text in hexadecimal.
func Hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
