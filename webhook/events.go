package webhook

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
)

// The vendors, as the backends are named everywhere.
const (
	thoughtIndustries = "thoughtindustries"
	coassemble        = "coassemble"
	mattr             = "mattr"
)

// RecordKind is a kind of record that an event touches.
type RecordKind string

// The facts.
const (
	Client      RecordKind = "client"      // of Thought Industries: seats, licenses, content
	EmbedClient RecordKind = "embedClient" // that it exists, and its number of users
	User        RecordKind = "user"        // that it exists, whose it is, and the lists that show it
	UserRecord  RecordKind = "userRecord"  // the record alone
	Credentials RecordKind = "credentials" // of the identity with this id
)

// Change is a fact of one record.
type Change struct {
	Kind RecordKind
	Key  string
}

// changeRule is one way from an event to records: the members whose values are their keys, wherever in the event's data
// they are.
type changeRule struct {
	kind    RecordKind
	members []string
}

// kind is a line of the table of events.
type kind struct {
	vendor string
	// name is that of the event; one that ends in a dot begins the names of several.
	name string
	// the kinds of records. An event without one changes nothing that we show.
	rules []changeRule
	// source is where the vendor documents it.
	source string
}

const (
	sourceThoughtIndustries = "https://developer.thoughtindustries.com/docs/webhooks/"
	sourceCoassemble        = "https://developers.coassemble.com/webhooks"
	sourceMATTR             = "https://learn.mattr.global/docs/platform-management/webhooks-api-reference"
)

var (
	// ofClient are the ways in which an event names a client of Thought Industries, whose records are read whole: its
	// seats and licenses are part of it.
	ofClient = []changeRule{{Client, []string{"clientId", "client_id", "clientIds", "client", "clients"}}}
	// ofLearner are the learner and the client of a course of Coassemble. A learner comes to exist by beginning a course.
	ofLearner = []changeRule{{User, []string{"identifier"}}, {EmbedClient, []string{"clientIdentifier"}}}
	// ofHolder is the identity that a credential was issued to.
	ofHolder = []changeRule{{Credentials, []string{"userId"}}}
)

// kinds is the table of events.
var kinds = []kind{
	{thoughtIndustries, "enrollment.", ofClient, sourceThoughtIndustries},
	{thoughtIndustries, "order.", ofClient, sourceThoughtIndustries},
	{thoughtIndustries, "user.", ofClient, sourceThoughtIndustries},
	{thoughtIndustries, "course.", nil, sourceThoughtIndustries},
	{thoughtIndustries, "certificate.", nil, sourceThoughtIndustries},
	{coassemble, "course.created", []changeRule{{EmbedClient, []string{"clientIdentifier"}}}, sourceCoassemble},
	{coassemble, "course.commenced", ofLearner, sourceCoassemble},
	{coassemble, "course.completed", []changeRule{{UserRecord, []string{"identifier"}}}, sourceCoassemble},
	{mattr, "OpenIdCredentialIssued", ofHolder, sourceMATTR},
	{mattr, "OpenIdCredentialIssuedSummary", ofHolder, sourceMATTR},
	{mattr, "OidcIssuerCredentialIssued", ofHolder, sourceMATTR},
}

func eventOf(vendor, name string) (kind, bool) {
	for _, k := range kinds {
		if k.vendor == vendor && (k.name == name || strings.HasSuffix(k.name, ".") && strings.HasPrefix(name, k.name)) {
			return k, true
		}
	}
	return kind{}, false
}

// maxChanges bounds the records that one event names.
const maxChanges = 100

// changes returns the records that data names, each once.
func (k kind) changes(data any) (list []Change) {
	seen := map[Change]bool{}
	for _, t := range k.rules {
		for _, key := range keysIn(data, t.members, 0) {
			touch := Change{t.kind, key}
			if !seen[touch] && len(list) < maxChanges {
				seen[touch] = true
				list = append(list, touch)
			}
		}
	}
	return list
}

const (
	// deepest is how deep in an event records are named.
	deepest = 6
	// longestKey is the longest key of a record, in bytes.
	longestKey = 512
)

// keysIn returns the values of these members, in any depth.
func keysIn(data any, members []string, depth int) (keys []string) {
	if depth > deepest || len(keys) > maxChanges {
		return nil
	}
	switch v := data.(type) {
	case []any:
		for _, item := range v {
			keys = append(keys, keysIn(item, members, depth+1)...)
		}
	case map[string]any:
		for _, name := range members {
			keys = append(keys, keysOf(v[name])...)
		}
		for _, value := range v {
			keys = append(keys, keysIn(value, members, depth+1)...)
		}
	}
	return keys
}

// keysOf returns the key that a value is, or those of the objects and keys in it.
func keysOf(value any) (keys []string) {
	switch v := value.(type) {
	case string:
		if v != "" && len(v) <= longestKey {
			return []string{v}
		}
	case json.Number:
		return []string{v.String()}
	case map[string]any:
		return keysOf(v["id"])
	case []any:
		for _, item := range v {
			keys = append(keys, keysOf(item)...)
		}
	}
	return keys
}

// deliveryOf returns the identity of a delivery: the event's id, or the digest of the body where the vendor sends none.
func deliveryOf(v event, body []byte) string {
	if v.delivery != "" {
		return "id\x00" + v.delivery
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

func readThoughtIndustries(body []byte) (v event, ok bool) {
	var e struct {
		Event string `json:"event"`
		Data  any    `json:"data"`
	}
	ok = decode(body, &e)
	return event{kind: e.Event, data: e.Data}, ok
}

func readCoassemble(body []byte) (v event, ok bool) {
	var e struct {
		ID   string `json:"id"`
		Type string `json:"type"`
		Data any    `json:"data"`
	}
	ok = decode(body, &e)
	return event{delivery: e.ID, kind: e.Type, data: e.Data}, ok
}

func readMATTR(body []byte) (v event, ok bool) {
	var e struct {
		Event struct {
			ID      string `json:"id"`
			Type    string `json:"type"`
			Payload any    `json:"payload"`
		} `json:"event"`
	}
	ok = decode(body, &e)
	return event{delivery: e.Event.ID, kind: e.Event.Type, data: e.Event.Payload}, ok
}

// decode keeps the digits of numbers: a key may be one.
func decode(body []byte, to any) bool {
	dec := json.NewDecoder(strings.NewReader(string(body)))
	dec.UseNumber()
	return dec.Decode(to) == nil
}
