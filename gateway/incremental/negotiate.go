// Package incremental is the formats in which an answer is delivered in parts: two of multipart/mixed, and server-sent
// events.
package incremental

import (
	"slices"
	"strings"

	"github.com/learngraph/learngraph/engine"
	"github.com/learngraph/learngraph/gateway/representation"
)

// Protocol is how an answer in parts is sent.
type Protocol uint8

// The protocols. Of several that are accepted with equal weight the first is used.
const (
	None  Protocol = iota
	V02            // multipart/mixed; incrementalSpec=v0.2
	V01            // multipart/mixed; deferSpec=20220824
	Plain          // multipart/mixed without a parameter, with the payloads of V01
	// text/event-stream, the distinct connections mode of GraphQL over Server-Sent Events, with the payloads of V02
	Events
	Multipart // multipart/mixed; subscriptionSpec=1.0, for subscriptions alone
)

// Format returns how the engine has to divide the answer.
func (p Protocol) Format() engine.Format {
	switch p {
	case None:
		return engine.Whole
	case V01, Plain:
		return engine.Branching
	}
	return engine.Deduplicated
}

// boundary parts the payloads of multipart/mixed. No line of JSON without line breaks can begin with it.
const boundary = "graphql"

func (p Protocol) contentType() string {
	switch p {
	case V02:
		return `multipart/mixed; boundary="` + boundary + `"; incrementalSpec=v0.2`
	case V01:
		return `multipart/mixed; boundary="` + boundary + `"; deferSpec=20220824`
	case Plain:
		return `multipart/mixed; boundary="` + boundary + `"`
	case Multipart:
		return `multipart/mixed; boundary="` + boundary + `"; subscriptionSpec=1.0`
	}
	return "text/event-stream; charset=utf-8"
}

// NegotiateSubscription picks the protocol of a subscription that an Accept header asks for with the most weight:
// Events where both have the same, None where it allows neither.
func NegotiateSubscription(accept []string) Protocol {
	var best float64
	picked := None
	for media, params := range representation.MediaRanges(accept) {
		p := None
		switch {
		case media == "multipart/mixed" && params["subscriptionspec"] == "1.0":
			p = Multipart
		case protocolOf(media, params) == Events:
			p = Events
		}
		if q := representation.Quality(params); p != None && (q > best || q == best && q > 0 && p == Events) {
			best, picked = q, p
		}
	}
	return picked
}

// NamesParts reports whether an Accept header names a format of parts. Nearly all name none, and the functions that
// pick one of it have nothing to find then.
func NamesParts(accept []string) bool {
	return slices.ContainsFunc(accept, func(value string) bool {
		value = strings.ToLower(value)
		return strings.Contains(value, "multipart/mixed") || strings.Contains(value, "text/event-stream")
	})
}

// Negotiate picks the protocol that an Accept header asks for: None where an answer that is not divided has more
// weight, which is whole.
func Negotiate(accept []string, whole float64) Protocol {
	best, picked := 0.0, None
	for media, params := range representation.MediaRanges(accept) {
		p, q := protocolOf(media, params), representation.Quality(params)
		if p != None && q > 0 && (q > best || q == best && p < picked) {
			best, picked = q, p
		}
	}
	if whole > best {
		return None
	}
	return picked
}

// AcceptsUnknown reports whether an Accept header allows a format of parts that none of the protocols is, as one of a
// later version of the specification.
func AcceptsUnknown(accept []string) bool {
	for media, params := range representation.MediaRanges(accept) {
		parts := media == "multipart/mixed" || media == "text/event-stream"
		if parts && representation.Quality(params) > 0 && protocolOf(media, params) == None {
			return true
		}
	}
	return false
}

func protocolOf(media string, params map[string]string) Protocol {
	if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return None
	}
	switch media {
	case "text/event-stream":
		return Events
	case "multipart/mixed":
	default:
		return None
	}
	spec, v02 := params["incrementalspec"]
	date, v01 := params["deferspec"]
	_, subscription := params["subscriptionspec"]
	switch {
	case v02 && spec == "v0.2":
		return V02
	case v01 && date == "20220824":
		return V01
	case v02 || v01 || subscription:
		return None
	}
	return Plain
}
