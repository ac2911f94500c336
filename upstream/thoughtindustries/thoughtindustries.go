// Package thoughtindustries speaks the clients API of a Thought Industries instance. Its one list returns whole
// clients, often megabytes of them; they become documents, pruned by the caller's shape. There is no read of a single
// client: a Lookup finds clients by key.
package thoughtindustries

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

// MaxCount is the largest page that is asked for.
const MaxCount = 100

// maxPages bounds the pages that one Lookup scans.
const maxPages = 50

const route = "/incoming/v2/clients"

// Withheld are the members of clients that the schema must not declare, because they grant access.
var Withheld = []string{
	"secretKey", "openIdClientSecret", "openIdAuthorizationParameters", "samlIdpCertificate", "webexSessionPassword",
	"organizerDialIn", "goToTrainingKey", "goToWebinarKey", "webexTrainingSessionKey", "zoomOccurrenceKey",
}

// Shapes are the members of a client and of an aggregation that are kept.
type Shapes struct{ Client, Aggregation *document.Shape }

// Client calls one instance. Its errors are those of upstream.Client.Do.
type Client struct {
	rest   *upstream.Client
	shapes Shapes
	keys   map[string]int // the index of each key's member in the client's shape
}

// New returns a client over rest, whose base URL ends before "/incoming/v2". A Lookup finds clients by those of the
// members id, slug and sku that shapes.Client declares. It sets the probe of rest: a page of clients can be megabytes,
// so that is the route that only checks the key.
func New(rest *upstream.Client, shapes Shapes) *Client {
	rest.ProbeWith(upstream.Request{Method: http.MethodGet, Route: "/incoming/v2/ping",
		Path: []string{"incoming", "v2", "ping"}})
	c := &Client{rest: rest, shapes: shapes, keys: map[string]int{}}
	for i, m := range shapes.Client.Members {
		switch m.Name {
		case "id", "slug", "sku":
			c.keys[m.Name] = i
		}
	}
	return c
}

// Parse reads a client that was written as a document's JSON.
func (c *Client) Parse(data []byte) (*document.Document, error) {
	return document.Parse(data, c.shapes.Client)
}

// Query selects and orders clients. Search is compared with names and the other texts that the backend indexes; Sort is
// a field of the backend's choice, and an unknown one is Invalid.
type Query struct{ Search, Sort string }

// Page is one page of the list, as the backend made it, with aggregations as Extra. A client that is not an object is
// nil.
type Page = paging.Page[*document.Document]

// Page reads one page with one call: number from 1, count up to MaxCount.
func (c *Client) Page(ctx context.Context, q Query, number, count int,
	options ...upstream.Option) (page Page, meta upstream.Meta, err error) {
	query := url.Values{"page": {strconv.Itoa(number)}, "count": {strconv.Itoa(count)}}
	if q.Search != "" {
		query.Set("query", q.Search)
	}
	if q.Sort != "" {
		query.Set("sort", q.Sort)
	}
	var flaw error
	resp, err := c.rest.Do(ctx, upstream.Request{
		Method: http.MethodGet, Route: route, Path: []string{"incoming", "v2", "clients"}, Query: query,
		Search: q.Search != "",
		Read: func(resp *upstream.Response) error {
			page, flaw, err = c.read(resp, number, count)
			return err
		},
	}.Apply(options))
	if err != nil {
		return Page{}, resp.Meta(), upstream.NotFoundAsRejected(err)
	}
	return page, resp.Meta().WithPartial(flaw), nil
}

// Window reads the clients at positions [offset, offset+first), in one call where a page of at most MaxCount covers
// them, else in two.
func (c *Client) Window(ctx context.Context, q Query, offset, first int,
	options ...upstream.Option) (Page, upstream.Meta, error) {
	read := func(ctx context.Context, number, size int, options ...upstream.Option) (Page, upstream.Meta, error) {
		p, meta, err := c.Page(ctx, q, number+1, size, options...)
		p.Number--
		return p, meta, err
	}
	return upstream.PagedList[*document.Document]{Client: c.rest, Route: route, MaxSize: MaxCount,
		Read: read}.Window(ctx, offset, first, options...)
}

var pageInfoShape = &document.Shape{Name: "PageInfo", Members: []document.Member{
	{Name: "perPage"}, {Name: "currentPage"}, {Name: "total"}, {Name: "hasMore"},
}}

// The members of pageInfo, in the order of pageInfoShape.
const (
	infoPerPage = iota
	infoCurrentPage
	infoTotal
	infoHasMore
)

// envelope is the parsed form of {"data":{"Clients":{pageInfo,aggregations,clients}},"errors":[…]}. Of members that
// repeat the last one counts.
type envelope struct {
	clients      []*document.Document
	aggregations []json.RawMessage
	info         *document.Document
	hasClients   bool // the Clients object was there
	failed       bool // the errors array was not empty
}

// read returns the page and, where it has errors too, a flaw.
func (c *Client) read(resp *upstream.Response, number, count int) (page Page, flaw, err error) {
	r, err := resp.Document()
	if err != nil {
		return Page{}, nil, err
	}
	if r.Kind() != document.KindObject {
		return Page{}, nil, upstream.ContractError("the body is not a page of clients")
	}
	var e envelope
	err = r.Members(func(name []byte) error {
		switch string(name) {
		case "data":
			e = envelope{failed: e.failed}
			return members(r, func(name []byte) error {
				if string(name) != "Clients" {
					return nil
				}
				e = envelope{failed: e.failed, hasClients: r.Kind() == document.KindObject}
				return members(r, func(name []byte) error { return e.member(r, string(name), c.shapes) })
			})
		case "errors":
			e.failed = false
			return elements(r, func() error { e.failed = true; return nil })
		}
		return nil
	})
	if err == nil {
		err = r.End()
	}
	switch {
	case err != nil:
		return Page{}, nil, err
	case e.hasClients:
		if e.failed {
			flaw = resp.PartialErrors("Clients")
		}
		page, err = e.page(number, count)
		return page, flaw, err
	case e.failed:
		return Page{}, nil, upstream.ErrorsInstead()
	}
	return Page{}, nil, upstream.ContractError("the page has no clients")
}

func (e *envelope) member(r *document.Reader, name string, shapes Shapes) (err error) {
	switch name {
	case "clients":
		e.clients, err = documents(r, shapes.Client)
	case "aggregations":
		e.aggregations = nil
		if shapes.Aggregation != nil {
			list, err := documents(r, shapes.Aggregation)
			e.aggregations = texts(list)
			return err
		}
	case "pageInfo":
		e.info = nil
		if r.Kind() == document.KindObject {
			e.info, err = r.Document(pageInfoShape)
		}
	}
	return err
}

// documents reads a list; an element that is not an object is nil. A list that is not there is nil too.
func documents(r *document.Reader, shape *document.Shape) (list []*document.Document, err error) {
	if r.Kind() != document.KindArray {
		return nil, nil
	}
	list = []*document.Document{}
	err = elements(r, func() error {
		var d *document.Document
		var err error
		if r.Kind() == document.KindObject {
			d, err = r.Document(shape)
		}
		list = append(list, d)
		return err
	})
	return list, err
}

// texts returns the JSON of documents, which is null of nil.
func texts(list []*document.Document) []json.RawMessage {
	var texts []json.RawMessage
	for _, d := range list {
		text := json.RawMessage("null")
		if d != nil {
			text = d.JSON()
		}
		texts = append(texts, text)
	}
	return texts
}

// members visits an object; a value of another kind has no members.
func members(r *document.Reader, visit func(name []byte) error) error {
	if r.Kind() != document.KindObject {
		return nil
	}
	return r.Members(visit)
}

// elements visits an array; a value of another kind has no elements.
func elements(r *document.Reader, visit func() error) error {
	if r.Kind() != document.KindArray {
		return nil
	}
	return r.Elements(func(int) error { return visit() })
}

func (e *envelope) page(number, count int) (Page, error) {
	if e.clients == nil {
		return Page{}, upstream.ContractError("the page has no list of clients")
	}
	p := Page{Items: e.clients, Extra: e.aggregations, Number: number, Size: count}
	if n, ok := e.number(infoPerPage); ok && n >= len(p.Items) && n > 0 {
		p.Size = n
	}
	if n, ok := e.number(infoCurrentPage); ok && n > 0 {
		p.Number = n
	}
	seen := (p.Number-1)*p.Size + len(p.Items)
	if n, ok := e.number(infoTotal); ok && (n >= seen || len(p.Items) == 0) && n >= 0 {
		p.Total = &n
		p.More = seen < n && len(p.Items) > 0
		return p, nil
	}
	if e.info != nil {
		more, err := e.info.Root().Member(infoHasMore).Boolean()
		p.More = err == nil && more && len(p.Items) > 0
	}
	return p, nil
}

// number is a number of pageInfo; one of another kind is as good as none.
func (e *envelope) number(i int) (int, bool) {
	if e.info == nil {
		return 0, false
	}
	n, err := e.info.Root().Member(i).Int()
	return n, err == nil
}
