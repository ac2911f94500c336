package cache

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"strings"
	"sync"
)

// digest identifies a key everywhere: in memory, in Redis, in messages and in facts.
type digest [16]byte

// Digest is a keyed digest of a key, safe to show: 32 hex digits as a text.
type Digest = digest

func (d digest) String() string {
	var text [2 * len(d)]byte
	hex.Encode(text[:], d[:])
	return string(text[:])
}

// mark is a digest's place among memory's marks.
func (d digest) mark() int { return int(binary.BigEndian.Uint16(d[:2]) & 0xfff) }

func parseDigest(s string) (d digest, ok bool) {
	if len(s) != 2*len(d) {
		return d, false
	}
	_, err := hex.Decode(d[:], []byte(s))
	return d, err == nil
}

// hasher makes the digests of one scope: HMAC-SHA256 under it, cut to 16 bytes. Without the scope, which is derived
// from a credential, the key cannot be guessed from a digest.
type hasher struct{ pool sync.Pool }

// hashing is the state of one digest being made.
type hashing struct {
	mac hash.Hash
	in  []byte
	sum [sha256.Size]byte
}

func newHasher(scope string) *hasher {
	return &hasher{sync.Pool{New: func() any { return &hashing{mac: hmac.New(sha256.New, []byte(scope))} }}}
}

func (h *hasher) digest(kind, key string) (d digest) {
	s := h.pool.Get().(*hashing)
	defer h.pool.Put(s)
	s.in = append(append(append(s.in[:0], kind...), 0), key...)
	s.mac.Reset()
	s.mac.Write(s.in)
	copy(d[:], s.mac.Sum(s.sum[:0]))
	return d
}

// label identifies a scope where it is shown, in keys and tags. The scope itself is the key of the digests and is not.
func label(scope string) string {
	sum := sha256.Sum256([]byte("label\x00" + scope))
	return hex.EncodeToString(sum[:8])
}

// Tag names something that values depend on: a scope's label, a colon and a digest.
type Tag string

// Tagger makes the tags of one scope for names that are no keys of a space, such as the list of all users. Tags of
// different scopes differ.
type Tagger struct {
	label  string
	hasher *hasher
}

// NewTagger returns the Tagger of a scope.
func NewTagger(scope string) *Tagger { return &Tagger{label(scope), newHasher(scope)} }

// Tag returns the tag of a name.
func (t *Tagger) Tag(name string) Tag { return newTag(t.label, t.hasher.digest("", name)) }

func newTag(label string, d digest) Tag {
	text := make([]byte, 0, 64)
	text = append(append(text, label...), ':')
	return Tag(hex.AppendEncode(text, d[:]))
}

func (t Tag) split() (label string, d digest, ok bool) {
	i := strings.LastIndexByte(string(t), ':')
	if i < 0 {
		return "", d, false
	}
	d, ok = parseDigest(string(t[i+1:]))
	return string(t[:i]), d, ok
}

func (t Tag) digest() digest {
	_, d, _ := t.split()
	return d
}
