// Package cdn tags answers in a header for the caches of a content delivery network, and sends requests to purge the
// tags of values that have changed.
package cdn

import (
	"net/http"
	"strings"

	"github.com/learngraph/learngraph/cache"
)

// Header is the name of the header with an answer's tags, such as Cache-Tag, Surrogate-Key or xkey; empty is none.
type Header string

// maxTags is the size in bytes of the longest value that the networks take.
const maxTags = 16 << 10

// Name returns the name as http.Header has it.
func (h Header) Name() string { return http.CanonicalHeaderKey(string(h)) }

// commas reports whether tags have commas between them, as in Cache-Tag, Edge-Cache-Tag and CDN-Tag. Surrogate-Key and
// xkey have spaces.
func (h Header) commas() bool { return strings.Contains(strings.ToLower(string(h)), "tag") }

// join returns tags as one value of the header.
func (h Header) join(tags []string) string {
	if h.commas() {
		return strings.Join(tags, ",")
	}
	return strings.Join(tags, " ")
}

// Tags make the tags of answers.
type Tags struct {
	Header Header
	// Whole is the tag of the whole catalogue: it is dropped with each record of it.
	Whole cache.Tag
}

// Value returns the value of the header for an answer that depends on these tags. If it would be too long it is the
// coarsest tag alone, which is purged together with each of them.
func (t Tags) Value(tags []cache.Tag) string {
	texts := make([]string, 0, len(tags))
	size := 0
	for _, tag := range tags {
		text := text(tag)
		texts = append(texts, text)
		size += len(text) + 1
	}
	if size-1 > maxTags {
		return text(t.Whole)
	}
	return t.Header.join(texts)
}

// text returns a tag as cache.Invalidation names it: without the label of its scope.
func text(t cache.Tag) string {
	_, digest, _ := strings.Cut(string(t), ":")
	return digest
}
