package emulator

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// mattrData are the identities in order of creation, which is the order of lists, and the tokens in force.
type mattrData struct {
	identities  []*identity
	identity    map[string]*identity
	credentials map[string][]credential // by user, in order of creation
	tokens      map[string]token
	issued      int
}

type token struct {
	number  int
	expires time.Time
}

type identity struct {
	id, createdAt string
	claims        map[string]any
	raw           []byte // of the claims
	provider      *provider
}

type provider struct {
	ProviderID string `json:"providerId"`
	URL        string `json:"url"`
	SubjectID  string `json:"subjectId"`
}

type credential struct {
	id, createdAt string
	raw           []byte
}

// tokenLifetime is how long an access token is good.
const tokenLifetime = 4 * time.Hour

func (e *Emulator) issueToken(x *exchange) answer {
	var body struct {
		ClientID     string `json:"client_id"`
		ClientSecret string `json:"client_secret"`
		Audience     string `json:"audience"`
		GrantType    string `json:"grant_type"`
	}
	err := x.object(&body)
	if err != nil || body.ClientID != ClientID || body.ClientSecret != ClientSecret || body.Audience != Audience ||
		body.GrantType != "client_credentials" {
		return x.route.failure(http.StatusUnauthorized, "")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	d := &e.mattr
	maps.DeleteFunc(d.tokens, func(_ string, t token) bool { return time.Now().After(t.expires) })
	d.issued++
	name := fmt.Sprintf("emulator-token-%d-%s", d.issued, newGenerator(e.options.Seed, "token", d.issued).uuid())
	d.tokens[name] = token{number: d.issued, expires: time.Now().Add(tokenLifetime)}
	return recordAnswer(http.StatusOK, record{"access_token", name, "expires_in", int(tokenLifetime / time.Second),
		"token_type", "Bearer"})
}

// tokenNumber returns the number of the token in an Authorization header, if it is in force.
func (e *Emulator) tokenNumber(header string) (int, bool) {
	name, ok := strings.CutPrefix(header, "Bearer ")
	if !ok {
		return 0, false
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	t, ok := e.mattr.tokens[name]
	return t.number, ok && time.Now().Before(t.expires)
}

// invalid is a 400 that names the wrong parameter.
func invalid(param, location, msg string, value any) answer {
	return recordAnswer(http.StatusBadRequest, record{
		"code", "BadRequest", "message", "Validation Error", "details",
		list{{"value", value, "msg", msg, "param", param, "location", location}},
	})
}

func notFound() answer {
	return recordAnswer(http.StatusNotFound, record{"code", "NotFound", "message", "Resource Not Found"})
}

// cursor is the key of the last object on a page; lists are in order of this key.
type cursor struct{ createdAt, id string }

func (c cursor) String() string {
	return base64.RawURLEncoding.EncodeToString([]byte("createdAt=" + c.createdAt + "&id=" + c.id))
}

func parseCursor(s string) (cursor, bool) {
	s = strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(s, "="))
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return cursor{}, false
	}
	v, err := url.ParseQuery(string(b))
	c := cursor{v.Get("createdAt"), v.Get("id")}
	return c, err == nil && c.createdAt != "" && c.id != ""
}

func (c cursor) before(createdAt, id string) bool {
	return c.createdAt < createdAt || c.createdAt == createdAt && c.id < id
}

// span is the part of a list that limit and cursor select.
type span struct {
	limit int
	after cursor
}

const maxLimit = 1000

// spanOf reads limit and cursor from where the request has them; failed is the 400.
func spanOf(limit, after, location string) (s span, failed *answer) {
	s.limit = 100
	if limit != "" {
		n, err := strconv.Atoi(limit)
		if err != nil || n < 1 || n > maxLimit {
			a := invalid("limit", location, "Invalid value", limit)
			return s, &a
		}
		s.limit = n
	}
	if after != "" {
		c, ok := parseCursor(after)
		if !ok {
			a := invalid("cursor", location, "id and createdAt is missing", after)
			return s, &a
		}
		s.after = c
	}
	return s, nil
}

func querySpan(x *exchange) (span, *answer) {
	q := x.r.URL.Query()
	return spanOf(q.Get("limit"), q.Get("cursor"), "query")
}

// envelope is a page with a cursor whenever it is full, even if nothing follows.
func (s span) envelope(elements [][]byte, last cursor) answer {
	open := []byte(`{"data":[`)
	parts := [][]byte{}
	for _, element := range elements {
		parts = append(parts, open, element)
		open = comma
	}
	if len(elements) == 0 {
		parts = append(parts, open)
	}
	end := `]}`
	if len(elements) == s.limit {
		end = `],"nextCursor":"` + last.String() + `"}`
	}
	return jsonAnswer(http.StatusOK, append(parts, []byte(end))...)
}

// page is the span of the identities that match. The caller holds the lock.
func (e *Emulator) page(s span, withProvider bool, match func(*identity) bool) answer {
	var elements [][]byte
	var last cursor
	start, _ := slices.BinarySearchFunc(e.mattr.identities, s.after, func(i *identity, after cursor) int {
		if after.before(i.createdAt, i.id) {
			return 1
		}
		return -1
	})
	for _, i := range e.mattr.identities[start:] {
		if len(elements) == s.limit {
			break
		}
		if match(i) {
			elements = append(elements, e.encode(i, withProvider))
			last = cursor{i.createdAt, i.id}
		}
	}
	return s.envelope(elements, last)
}

func (e *Emulator) encode(i *identity, withProvider bool) []byte {
	r := record{"id", i.id, "claims", i.raw}
	if withProvider && i.provider != nil {
		p := record{}
		if e.options.ShowProviderID {
			p = append(p, "providerId", i.provider.ProviderID, "url", i.provider.URL)
		}
		r = append(r, "authenticationProvider", append(p, "subjectId", i.provider.SubjectID))
	}
	return appendRecord(nil, r)
}

func (e *Emulator) listIdentities(x *exchange) answer {
	s, failed := querySpan(x)
	if failed != nil {
		return *failed
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.page(s, e.options.ProviderInList, func(*identity) bool { return true })
}

// searchIdentities matches all criteria exactly. An empty criterion is none: it matches everyone.
func (e *Emulator) searchIdentities(x *exchange) answer {
	var body struct {
		Claims                 json.RawMessage
		AuthenticationProvider struct{ ProviderID, SubjectID string }
		Limit                  json.RawMessage
		Cursor                 string
	}
	if err := x.object(&body); err != nil {
		return invalid("body", "body", "Invalid value", nil)
	}
	claims, _, err := parseClaims(body.Claims)
	if err != nil {
		return invalid("claims", "body", "Invalid value", nil)
	}
	s, failed := spanOf(string(body.Limit), body.Cursor, "body")
	if failed != nil {
		return *failed
	}
	requested := body.AuthenticationProvider
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.page(s, true, func(i *identity) bool {
		p := i.provider
		if p == nil {
			p = &provider{}
		}
		return (requested.SubjectID == "" || requested.SubjectID == p.SubjectID) &&
			(requested.ProviderID == "" || requested.ProviderID == p.ProviderID) && includes(i.claims, claims)
	})
}

// includes reports whether every wanted claim is there with the very value, objects member by member.
func includes(claims, requested map[string]any) bool {
	for name, w := range requested {
		got, ok := claims[name]
		if !ok {
			return false
		}
		wantObject, nested := w.(map[string]any)
		gotObject, object := got.(map[string]any)
		if nested && object {
			if !includes(gotObject, wantObject) {
				return false
			}
		} else if !reflect.DeepEqual(got, w) {
			return false
		}
	}
	return true
}

// parseClaims reads an object, and also returns it compacted. Absent claims are an empty object; numbers keep their
// digits.
func parseClaims(raw json.RawMessage) (claims map[string]any, compact []byte, err error) {
	if len(raw) == 0 {
		return map[string]any{}, []byte("{}"), nil
	}
	if raw[0] != '{' {
		return nil, nil, fmt.Errorf("claims are not an object")
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&claims); err != nil && err != io.EOF {
		return nil, nil, err
	}
	var b bytes.Buffer
	err = json.Compact(&b, raw)
	return claims, b.Bytes(), err
}

var uuidPattern = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// findIdentity is the identity that the path names; failed is the 400 or 404. The caller holds the lock.
func (e *Emulator) findIdentity(x *exchange) (i *identity, failed *answer) {
	if !uuidPattern.MatchString(x.route.id) {
		a := invalid("id", "params", "Invalid value", x.route.id)
		return nil, &a
	}
	if i = e.mattr.identity[strings.ToLower(x.route.id)]; i == nil {
		a := notFound()
		return nil, &a
	}
	return i, nil
}

func (e *Emulator) getIdentity(x *exchange) answer {
	e.mu.RLock()
	defer e.mu.RUnlock()
	i, failed := e.findIdentity(x)
	if failed != nil {
		return *failed
	}
	return jsonAnswer(http.StatusOK, e.encode(i, e.options.ProviderInList))
}

func (e *Emulator) putIdentity(x *exchange) answer {
	var body struct {
		Claims                 json.RawMessage
		AuthenticationProvider *provider
	}
	err := x.object(&body)
	claims, raw, claimsErr := parseClaims(body.Claims)
	if err != nil || claimsErr != nil || len(body.Claims) == 0 {
		return invalid("claims", "body", "Invalid value", nil)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	i, failed := e.findIdentity(x)
	if failed != nil {
		return *failed
	}
	i.claims, i.raw = claims, raw
	if body.AuthenticationProvider != nil || e.options.DropProviderOnPut {
		i.provider = body.AuthenticationProvider
	}
	return jsonAnswer(http.StatusOK, e.encode(i, e.options.ProviderInList))
}

func (e *Emulator) deleteIdentity(x *exchange) answer {
	e.mu.Lock()
	defer e.mu.Unlock()
	i, failed := e.findIdentity(x)
	if failed != nil {
		return *failed
	}
	delete(e.mattr.identity, i.id)
	delete(e.mattr.credentials, i.id)
	e.mattr.identities = slices.DeleteFunc(e.mattr.identities, func(other *identity) bool { return other == i })
	return answer{status: http.StatusNoContent}
}

// listCredentials answers an unknown user with an empty list: the vendor documents no 404 here.
func (e *Emulator) listCredentials(x *exchange) answer {
	if !uuidPattern.MatchString(x.route.id) {
		return invalid("userId", "params", "Invalid value", x.route.id)
	}
	s, failed := querySpan(x)
	if failed != nil {
		return *failed
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	var elements [][]byte
	var last cursor
	for _, c := range e.mattr.credentials[strings.ToLower(x.route.id)] {
		if len(elements) < s.limit && s.after.before(c.createdAt, c.id) {
			elements = append(elements, c.raw)
			last = cursor{c.createdAt, c.id}
		}
	}
	return s.envelope(elements, last)
}
