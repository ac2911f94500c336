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

// Negotiate picks the protocols of an answer in parts and of a subscription's events that an Accept header asks for
// with the most weight, each None where it allows none. An answer that is not divided goes before one in parts if
// whole, its weight, is greater; Events before Multipart. accepted reports whether the header allows any format of
// parts, such as one of a later version of the specification, which none of the protocols is.
func Negotiate(accept []string, whole float64) (parts, events Protocol, accepted bool) {
	if !slices.ContainsFunc(accept, namesParts) {
		return None, None, false
	}
	var partsWeight, eventsWeight float64
	for media, params := range representation.MediaRanges(accept) {
		q := representation.Quality(params)
		if q == 0 || media != "multipart/mixed" && media != "text/event-stream" {
			continue
		}
		accepted = true
		p := protocolOf(media, params)
		if p != None && (q > partsWeight || q == partsWeight && p < parts) {
			parts, partsWeight = p, q
		}
		e := protocolOfEvents(p, media, params)
		if e != None && (q > eventsWeight || q == eventsWeight && e == Events) {
			events, eventsWeight = e, q
		}
	}
	if whole > partsWeight {
		parts = None
	}
	return parts, events, accepted
}

// namesParts reports whether a value of Accept names a format of parts. Nearly all name none, and need not be parsed.
func namesParts(value string) bool {
	value = strings.ToLower(value)
	return strings.Contains(value, "multipart/mixed") || strings.Contains(value, "text/event-stream")
}

// protocolOfEvents returns the protocol of a subscription's events for a media range, whose protocol of parts is p.
func protocolOfEvents(p Protocol, media string, params map[string]string) Protocol {
	switch {
	case p == Events:
		return Events
	case media == "multipart/mixed" && params["subscriptionspec"] == "1.0":
		return Multipart
	}
	return None
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
