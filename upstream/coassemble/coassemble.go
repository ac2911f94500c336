// Package coassemble speaks Coassemble's headless API: the embed clients and users of a workspace, their metadata,
// updates and deletes. Lists are bare arrays without a total or a promised order; bodies are read leniently, because
// the vendor documents none.
package coassemble

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/paging"
	"github.com/learngraph/learngraph/upstream"
)

// MaxLength is the longest page that is asked for.
const MaxLength = 100

// kind names the routes of one type of record.
type kind struct {
	*upstream.RecordType
	one, many        string // in paths
	route, listRoute string
}

var (
	clientKind = &kind{embedClientType, "client", "clients", "/v1/headless/client/{identifier}", "/v1/headless/clients"}
	userKind   = &kind{userType, "user", "users", "/v1/headless/user/{identifier}", "/v1/headless/users"}
)

// request returns a call about one record.
func (k *kind) request(method, identifier string) upstream.Request {
	return upstream.Request{Method: method, Route: k.route, Path: []string{"v1", "headless", k.one, identifier}}
}

// list returns a call for a page of the records, of one client unless clientIdentifier is empty.
func (k *kind) list(clientIdentifier string, number, length int) upstream.Request {
	query := url.Values{"page": {strconv.Itoa(number)}, "length": {strconv.Itoa(length)}}
	if clientIdentifier != "" {
		query.Set("clientIdentifier", clientIdentifier)
	}
	return upstream.Request{Method: http.MethodGet, Route: k.listRoute, Path: []string{"v1", "headless", k.many},
		Query: query}
}

// Client calls Coassemble. Its errors are those of upstream.Client.Do.
type Client struct{ rest *upstream.Client }

// New returns a client over rest, whose base URL ends before "/v1". It sets the probe of rest.
func New(rest *upstream.Client) *Client {
	rest.ProbeWith(clientKind.list("", 0, 1))
	return &Client{rest}
}

// Clients reads one page of the embed clients: number from 0, length from 1 to MaxLength. More may be set where nothing
// follows, since a full page may be the last.
func (c *Client) Clients(ctx context.Context, number, length int,
	options ...upstream.Option) (paging.Page[*EmbedClient], upstream.Meta, error) {
	return list[EmbedClient](ctx, c.rest, clientKind, "", number, length, options)
}

// Users reads one page of the users in the manner of Clients, of one client unless clientIdentifier is empty.
func (c *Client) Users(ctx context.Context, clientIdentifier string, number, length int,
	options ...upstream.Option) (paging.Page[*User], upstream.Meta, error) {
	return list[User](ctx, c.rest, userKind, clientIdentifier, number, length, options)
}

// ClientWindow reads the embed clients at positions [offset, offset+first) with one call, or two where no page of at
// most MaxLength covers them. More is as unsure as that of Clients.
func (c *Client) ClientWindow(ctx context.Context, offset, first int,
	options ...upstream.Option) (paging.Page[*EmbedClient], upstream.Meta, error) {
	return upstream.PagedList[*EmbedClient]{Client: c.rest, Route: clientKind.listRoute, MaxSize: MaxLength,
		Read: c.Clients}.Window(ctx, offset, first, options...)
}

// UserWindow reads users in the manner of ClientWindow, of one client unless clientIdentifier is empty.
func (c *Client) UserWindow(ctx context.Context, clientIdentifier string, offset, first int,
	options ...upstream.Option) (paging.Page[*User], upstream.Meta, error) {
	read := func(ctx context.Context, number, length int,
		options ...upstream.Option) (paging.Page[*User], upstream.Meta, error) {
		return c.Users(ctx, clientIdentifier, number, length, options...)
	}
	return upstream.PagedList[*User]{Client: c.rest, Route: userKind.listRoute, MaxSize: MaxLength,
		Read: read}.Window(ctx, offset, first, options...)
}

// Client reads one embed client. A record without an identifier, or with another than asked for, breaks the contract.
func (c *Client) Client(ctx context.Context, identifier string,
	options ...upstream.Option) (*EmbedClient, upstream.Meta, error) {
	var e EmbedClient
	resp, err := c.rest.Do(ctx, single(clientKind, identifier, &e).Apply(options))
	if err != nil {
		return nil, resp.Meta(), err
	}
	return &e, resp.Meta(), nil
}

// User reads one user, in the manner of Client.
func (c *Client) User(ctx context.Context, identifier string,
	options ...upstream.Option) (*User, upstream.Meta, error) {
	var u User
	resp, err := c.rest.Do(ctx, single(userKind, identifier, &u).Apply(options))
	if err != nil {
		return nil, resp.Meta(), err
	}
	return &u, resp.Meta(), nil
}

// UpdateClient replaces the metadata of a client. Null or empty metadata is not sent.
func (c *Client) UpdateClient(ctx context.Context, identifier string, metadata json.RawMessage) error {
	req := clientKind.request(http.MethodPut, identifier)
	req.Body = struct {
		Metadata json.RawMessage `json:"metadata,omitempty"`
	}{metadata}
	return c.write(ctx, req)
}

// UserUpdate is the changes to a user. A nil member is not sent; the backend's treatment of the rest of the metadata
// is documented both as replacing and as merging.
type UserUpdate struct {
	ClientIdentifier *string         `json:"clientIdentifier,omitempty"`
	Metadata         json.RawMessage `json:"metadata,omitempty"`
	Name             *string         `json:"name,omitempty"`
	Avatar           *string         `json:"avatar,omitempty"`
}

// UpdateUser changes a user.
func (c *Client) UpdateUser(ctx context.Context, identifier string, update UserUpdate) error {
	req := userKind.request(http.MethodPut, identifier)
	req.Body = update
	return c.write(ctx, req)
}

// DeleteClient deletes all objects of a client. A plan without the entitlement refuses it with Rejected and status 403.
func (c *Client) DeleteClient(ctx context.Context, identifier string) error {
	return c.write(ctx, clientKind.request(http.MethodDelete, identifier))
}

// DeleteUser deletes a user. Action decides about the user's courses: "reallocate" to the user reallocateTo,
// "delete" or "ignore"; an empty one is not sent. Refused like DeleteClient.
func (c *Client) DeleteUser(ctx context.Context, identifier, action, reallocateTo string) error {
	req := userKind.request(http.MethodDelete, identifier)
	req.Query = url.Values{}
	if action != "" {
		req.Query.Set("action", action)
	}
	if reallocateTo != "" {
		req.Query.Set("reallocateTo", reallocateTo)
	}
	return c.write(ctx, req)
}

// write makes a call whose answer may be empty, true or a record: only its status counts.
func (c *Client) write(ctx context.Context, req upstream.Request) error {
	// Both ways in which a backend may take metadata, replacing and merging, do the same again.
	req.Write, req.Safe = true, req.Method == http.MethodPut
	_, err := c.rest.Do(ctx, req)
	return err
}

// single returns the request for one record, which is read into item.
func single[T ~struct{ upstream.Record }](k *kind, identifier string, item *T) upstream.Request {
	req := k.request(http.MethodGet, identifier)
	req.Read = func(resp *upstream.Response) error {
		record, err := k.ReadRequested(resp, func(key string) bool { return key == identifier })
		*item = T{record}
		return err
	}
	return req
}

func list[T ~struct{ upstream.Record }](ctx context.Context, rest *upstream.Client, k *kind, clientIdentifier string,
	number, length int, options []upstream.Option) (page paging.Page[*T], meta upstream.Meta, err error) {
	req := k.list(clientIdentifier, number, length)
	page.Number, page.Size = number, length
	req.Read = func(resp *upstream.Response) error {
		page.Items, err = readList[T](resp, k)
		return err
	}
	resp, err := rest.Do(ctx, req.Apply(options))
	switch {
	case err != nil && clientIdentifier != "":
		return paging.Page[*T]{}, resp.Meta(), err // it may be the client that is not found
	case err != nil:
		return paging.Page[*T]{}, resp.Meta(), upstream.NotFoundAsRejected(err)
	}
	page.More = len(page.Items) >= length
	return page, resp.Meta(), nil
}

func readList[T ~struct{ upstream.Record }](resp *upstream.Response, k *kind) ([]*T, error) {
	r, err := resp.Document()
	if err != nil {
		return nil, err
	}
	if r.Kind() != document.KindArray {
		var list []json.RawMessage
		if err := upstream.DecodeJSON(resp.Body, &list); err != nil {
			return nil, err
		}
		return nil, upstream.ContractError("the body is not a list")
	}
	items, err := upstream.ReadRecords[T](r, k.ReadEntry)
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return nil, err
	}
	return items, nil
}
