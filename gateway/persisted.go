package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"github.com/hashicorp/golang-lru/v2"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// DocumentStore keeps the texts of automatic persisted queries by their SHA-256 in hexadecimal. It is safe for
// concurrent use. What it gives is verified again, so a store that others write to can do no harm.
type DocumentStore interface {
	Get(ctx context.Context, hash string) (text string, ok bool)
	Put(ctx context.Context, hash, text string)
}

// MemoryDocuments is a DocumentStore that forgets what was not used for longest.
type MemoryDocuments struct{ kept *lru.Cache[string, string] }

var _ DocumentStore = (*MemoryDocuments)(nil)

// NewMemoryDocuments makes a store of that many texts.
func NewMemoryDocuments(size int) *MemoryDocuments {
	kept, err := lru.New[string, string](size)
	if err != nil {
		panic("gateway: a store of documents needs a size above zero")
	}
	return &MemoryDocuments{kept}
}

// Get gives the text of a hash.
func (m *MemoryDocuments) Get(_ context.Context, hash string) (string, bool) { return m.kept.Get(hash) }

// Put keeps a text.
func (m *MemoryDocuments) Put(_ context.Context, hash, text string) { m.kept.Add(hash, text) }

// persistedQuery is what Apollo's protocol puts into extensions: the hash of a document that the server may know.
type persistedQuery struct{ hash string }

const persistedVersion = "1"

// persisted reads the extension; nil where the request has none.
func (req *request) persisted() (*persistedQuery, *requestError) {
	raw, ok := req.Extensions["persistedQuery"]
	if !ok || raw == nil {
		return nil, nil
	}
	fields, _ := raw.(map[string]any)
	hash, _ := fields["sha256Hash"].(string)
	version, ok := fields["version"]
	if n, isNumber := wholeNumber(version); ok && (!isNumber || n.String() != persistedVersion) {
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
		return "", g.unknown(codeNotPersisted, "PersistedQueryNotSupported")
	}
	// Apollo's clients compare the message.
	return "", g.unknown(codeNotPersisted, "PersistedQueryNotFound")
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
