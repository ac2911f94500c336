// Package representation negotiates the media type and content coding of a response (RFC 9110, section 12) and encodes
// its body.
package representation

import (
	"iter"
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// The two media types of the GraphQL-over-HTTP specification.
const (
	MediaJSON            = "application/json"
	MediaGraphQLResponse = "application/graphql-response+json"
)

// NegotiateMediaType picks the media type of the answer from the Accept header: by weight, then by the more specific
// range, then by the caller's order. Without the header, with nothing in it, and for a wildcard, it is
// application/json, which every client reads. Nothing acceptable is "". weight is that of the media type.
func NegotiateMediaType(h http.Header) (media string, weight float64) {
	values := h["Accept"]
	if len(values) == 1 && (values[0] == MediaJSON || values[0] == "*/*") {
		return MediaJSON, 1 // most requests have it, and it needs no parsing
	}
	if strings.TrimSpace(strings.Join(values, "")) == "" {
		return MediaJSON, 1
	}
	weights, position := map[string]acceptance{}, 0
	for media, params := range MediaRanges(values) {
		position++
		if !acceptsUTF8(params) {
			continue
		}
		for _, offer := range []string{MediaJSON, MediaGraphQLResponse} {
			if specific := specificity(media, offer); specific > 0 {
				better(weights, offer, acceptance{Quality(params), specific, position})
			}
		}
	}
	json, response := weights[MediaJSON], weights[MediaGraphQLResponse]
	switch {
	case json.quality == 0 && response.quality == 0:
		return "", 0
	case response.beats(json):
		return MediaGraphQLResponse, response.quality
	}
	return MediaJSON, json.quality
}

// acceptance is how a caller accepts one media type.
type acceptance struct {
	quality  float64
	specific int
	position int
}

// better keeps for an offer the most specific range that names it (RFC 9110, section 12.5.1).
func better(weights map[string]acceptance, offer string, a acceptance) {
	if known, ok := weights[offer]; !ok || a.specific > known.specific {
		weights[offer] = a
	}
}

func (a acceptance) beats(b acceptance) bool {
	if a.quality != b.quality {
		return a.quality > b.quality
	}
	if a.specific != b.specific {
		return a.specific > b.specific
	}
	return a.specific == exactRange && a.position < b.position
}

const exactRange = 3

// specificity is 3 for the type itself, 2 for its type with any subtype, 1 for anything, 0 for no match.
func specificity(media, offer string) int {
	switch media {
	case offer:
		return exactRange
	case "application/*":
		return 2
	case "*/*":
		return 1
	}
	return 0
}

// MediaRanges returns the media ranges of an Accept header with their parameters. A malformed one is left out.
func MediaRanges(accept []string) iter.Seq2[string, map[string]string] {
	return func(yield func(string, map[string]string) bool) {
		for _, value := range accept {
			for _, item := range splitList(value) {
				if media, params, err := mime.ParseMediaType(item); err == nil && !yield(media, params) {
					return
				}
			}
		}
	}
}

// splitList divides a header at the commas that are not in a quoted string.
func splitList(value string) []string {
	var items []string
	quoted, start := false, 0
	for i := 0; i < len(value); i++ {
		switch {
		case value[i] == '\\' && quoted:
			i++
		case value[i] == '"':
			quoted = !quoted
		case value[i] == ',' && !quoted:
			items, start = append(items, value[start:i]), i+1
		}
	}
	return append(items, value[start:])
}

// Quality returns the weight of a media range.
func Quality(params map[string]string) float64 {
	text, ok := params["q"]
	if !ok {
		return 1
	}
	q, err := strconv.ParseFloat(text, 64)
	if err != nil || !(q >= 0 && q <= 1) {
		return 0
	}
	return q
}

func acceptsUTF8(params map[string]string) bool {
	charset, ok := params["charset"]
	return !ok || IsUTF8(charset)
}

// IsUTF8 reports whether a charset is UTF-8.
func IsUTF8(charset string) bool {
	return strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "utf8")
}
