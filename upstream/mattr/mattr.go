// Package mattr speaks the users API of a MATTR VII tenant: identities with their claims, and the credentials issued
// to them. Claims are personal data: nothing here logs them or puts them into an error.
package mattr

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/paging"
	"github.com/learngraph/learngraph/upstream"
)

// MaxLimit is the longest page of the backend.
const MaxLimit = 1000

// Client calls one tenant. Its errors are those of upstream.Client.Do.
type Client struct {
	rest   *upstream.Client
	prefix string   // "/core/v1"
	path   []string // its segments
}

// New returns a client over rest, whose base URL is the tenant's; prefix is the path before "/users", "/core/v1" as a
// rule. It sets the probe of rest.
func New(rest *upstream.Client, prefix string) *Client {
	c := &Client{rest: rest}
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		c.prefix, c.path = "/"+prefix, strings.Split(prefix, "/")
	}
	rest.ProbeWith(c.request(http.MethodGet, "/users", "users").paged(1, "").Request)
	return c
}

// Identities reads a page of all identities; limit is 1 to MaxLimit, cursor that of the page before or "". The
// page after a full last one is empty.
func (c *Client) Identities(ctx context.Context, limit int, cursor string,
	options ...upstream.Option) (paging.Page[*Identity], upstream.Meta, error) {
	return c.identities(ctx, c.request(http.MethodGet, "/users", "users").paged(limit, cursor), options...)
}

// Criteria are the values that Search compares, all that are set and by exact equality.
type Criteria struct {
	// Claims is an object of the claims that must be equal.
	Claims json.RawMessage `json:",omitempty"`
	// ProviderID and SubjectID are parts of the authentication provider.
	ProviderID, SubjectID *string `json:",omitempty"`
}

// Empty reports whether every identity meets the criteria; nil ones all do.
func (c *Criteria) Empty() bool {
	return c == nil || c.Claims == nil && c.ProviderID == nil && c.SubjectID == nil
}

// Search reads a page of the identities that meet the criteria; without any they all do.
func (c *Client) Search(ctx context.Context, criteria Criteria, limit int,
	cursor string) (paging.Page[*Identity], upstream.Meta, error) {
	req := c.request(http.MethodPost, "/users/search", "users", "search")
	req.Safe, req.Search = true, true
	req.Body = struct {
		Claims   json.RawMessage `json:"claims,omitempty"`
		Provider Provider        `json:"authenticationProvider,omitzero"`
		Limit    int             `json:"limit"`
		Cursor   string          `json:"cursor,omitempty"`
	}{criteria.Claims, Provider{criteria.ProviderID, criteria.SubjectID}, limit, cursor}
	return c.identities(ctx, req)
}

func (c *Client) identities(ctx context.Context, req request,
	options ...upstream.Option) (paging.Page[*Identity], upstream.Meta, error) {
	page, meta, err := list[Identity](ctx, c, req, identityType, options)
	return page, meta, upstream.NotFoundAsRejected(err)
}

// Identity reads one identity. A record without an id, or with another than asked for, breaks the contract.
func (c *Client) Identity(ctx context.Context, id string,
	options ...upstream.Option) (i *Identity, meta upstream.Meta, err error) {
	req := c.request(http.MethodGet, "/users/{id}", "users", id)
	req.Read = func(resp *upstream.Response) error {
		record, err := identityType.ReadRequested(resp, func(key string) bool { return strings.EqualFold(key, id) })
		i = &Identity{record}
		return err
	}
	resp, err := c.rest.Do(ctx, req.Apply(options))
	if err != nil {
		return nil, resp.Meta(), err
	}
	return i, resp.Meta(), nil
}

// Update replaces the members of an identity that the tenant stores. Whether a provider that is not sent stays is not
// documented.
type Update struct {
	Claims   json.RawMessage `json:"claims,omitempty"`
	Provider *Provider       `json:"authenticationProvider,omitempty"`
}

// Provider names an authentication provider and a person there. A nil member is not sent.
type Provider struct {
	ProviderID *string `json:"providerId,omitempty"`
	SubjectID  *string `json:"subjectId,omitempty"`
}

// UpdateIdentity writes the update. It may be sent twice: the effect of members that are not sent is the same again.
// The write is done whatever the answer shows.
func (c *Client) UpdateIdentity(ctx context.Context, id string, update Update) error {
	req := c.request(http.MethodPut, "/users/{id}", "users", id)
	req.Write, req.Safe, req.Body = true, true, update
	_, err := c.rest.Do(ctx, req.Request)
	return err
}

// DeleteIdentity deletes an identity. Credentials that were issued to it stay valid.
func (c *Client) DeleteIdentity(ctx context.Context, id string) error {
	req := c.request(http.MethodDelete, "/users/{id}", "users", id)
	req.Write = true
	_, err := c.rest.Do(ctx, req.Request)
	return err
}

// Credentials reads a page of an identity's credentials. An unknown identity has none.
func (c *Client) Credentials(ctx context.Context, id string, limit int, cursor string,
	options ...upstream.Option) (paging.Page[*Credential], upstream.Meta, error) {
	req := c.request(http.MethodGet, "/users/{userId}/credentials", "users", id, "credentials").paged(limit, cursor)
	page, meta, err := list[Credential](ctx, c, req, credentialType, options)
	var e *upstream.Error
	if errors.As(err, &e) && e.Kind == upstream.NotFound {
		return paging.Page[*Credential]{}, meta, nil
	}
	return page, meta, err
}

// FindBySubject finds the identities that sign in as subjectID, with the given provider unless providerID is empty. It
// is one search for two, which is enough to see that there is more than one. Records that show another subject or
// provider, or no subject, are dropped. An empty subjectID finds nothing and makes no call.
func (c *Client) FindBySubject(ctx context.Context, providerID, subjectID string) ([]*Identity, upstream.Meta, error) {
	if subjectID == "" {
		return nil, upstream.Meta{}, nil
	}
	criteria := Criteria{SubjectID: &subjectID}
	if providerID != "" {
		criteria.ProviderID = &providerID
	}
	page, meta, err := c.Search(ctx, criteria, 2, "")
	return slices.DeleteFunc(page.Items, func(i *Identity) bool { return !signsInAs(i, providerID, subjectID) }), meta, err
}

func signsInAs(i *Identity, providerID, subjectID string) bool {
	p, err := i.AuthenticationProvider()
	if err != nil || p == nil {
		return false
	}
	subject, err := p.SubjectID()
	if err != nil || subject == nil || *subject != subjectID {
		return false
	}
	shown, err := p.ProviderID()
	return err == nil && (shown == nil || providerID == "" || strings.EqualFold(*shown, providerID))
}

// FindByClaim finds the identities whose claim name is the text value, in the manner of FindBySubject.
func (c *Client) FindByClaim(ctx context.Context, name, value string) ([]*Identity, upstream.Meta, error) {
	if name == "" || value == "" {
		return nil, upstream.Meta{}, nil
	}
	claims, err := json.Marshal(map[string]string{name: value})
	if err != nil {
		return nil, upstream.Meta{}, err
	}
	page, meta, err := c.Search(ctx, Criteria{Claims: claims}, 2, "")
	return slices.DeleteFunc(page.Items, func(i *Identity) bool { return !claimIs(i, name, value) }), meta, err
}

func claimIs(i *Identity, name, value string) bool {
	raw, err := i.Claims()
	var claims map[string]json.RawMessage
	if err != nil || json.Unmarshal(raw, &claims) != nil {
		return false
	}
	var shown *string
	return json.Unmarshal(claims[name], &shown) == nil && shown != nil && *shown == value
}

// request is one call below the prefix.
type request struct{ upstream.Request }

func (c *Client) request(method, route string, path ...string) request {
	return request{upstream.Request{Method: method, Route: c.prefix + route, Path: slices.Concat(c.path, path)}}
}

func (r request) paged(limit int, cursor string) request {
	r.Query = url.Values{"limit": {strconv.Itoa(limit)}}
	if cursor != "" {
		r.Query.Set("cursor", cursor)
	}
	return r
}

func list[T ~struct{ upstream.Record }](ctx context.Context, c *Client, req request, of *upstream.RecordType,
	options []upstream.Option) (paging.Page[*T], upstream.Meta, error) {
	var page paging.Page[*T]
	var flaw error
	req.Read = func(resp *upstream.Response) (err error) {
		page, flaw, err = readPage[T](resp, of)
		return err
	}
	resp, err := c.rest.Do(ctx, req.Apply(options))
	if err != nil {
		return paging.Page[*T]{}, resp.Meta(), err
	}
	return page, resp.Meta().WithPartial(flaw), nil
}

// readPage reads {"data":[…],"nextCursor":…}. An element that is no object is a record without anything. flaw is set
// where errors came with the data.
func readPage[T ~struct{ upstream.Record }](resp *upstream.Response,
	of *upstream.RecordType) (page paging.Page[*T], flaw, err error) {
	r, err := resp.Document()
	if err != nil {
		return page, nil, err
	}
	if r.Kind() != document.KindObject {
		return page, nil, upstream.ContractError("the body is not a page")
	}
	err = r.Members(func(name []byte) (err error) {
		switch string(name) {
		case "data":
			if page.Items = nil; r.Kind() == document.KindArray {
				page.Items, err = upstream.ReadRecords[T](r, of.Read)
			}
		case "errors":
			if flaw = nil; r.Kind() == document.KindArray {
				err = r.Elements(func(int) error { flaw = resp.PartialErrors("Page"); return nil })
			}
		case "nextCursor":
			if page.Next = ""; r.Kind() == document.KindString {
				err = r.Decode(&page.Next)
			}
		}
		return err
	})
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return paging.Page[*T]{}, nil, err
	}
	if page.Items == nil {
		var object map[string]json.RawMessage
		if err := upstream.DecodeJSON(resp.Body, &object); err != nil {
			return paging.Page[*T]{}, nil, err
		}
		return paging.Page[*T]{}, nil, upstream.ContractError("the page has no data")
	}
	if len(page.Items) == 0 {
		page.Next = ""
	}
	return page, flaw, nil
}
