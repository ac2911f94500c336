package capture

import (
	"net/url"
	"slices"
	"strings"

	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
	"github.com/learngraph/learngraph/upstream/mattr"
	"github.com/learngraph/learngraph/upstream/thoughtindustries"
)

// Routes are the backends' routes, with the members of their answers that may be kept.
type Routes struct {
	list        []route
	keepsMember func(shape, member string) bool
}

// route is one path of a backend and the shape of its answers.
type route struct {
	backend  upstream.Backend
	template string
	// record is the shape of the answer, or of the elements of the list that it is.
	record *document.Shape
}

// failure is the shape of a GraphQL error in an answer: the number of errors is kept, and nothing of them.
var failure = &document.Shape{Name: "failure"}

var pageInfo = &document.Shape{Name: "pageInfo", Members: []document.Member{
	{Name: "perPage"}, {Name: "currentPage"}, {Name: "total"}, {Name: "hasMore"},
}}

// NewRoutes makes the routes of the backends: mattrPrefix is the path before /users, shapes those of the records of
// Thought Industries. keepsMember reports whether the texts and numbers of a shape's member are kept as they are; all
// others are replaced.
func NewRoutes(mattrPrefix string, shapes thoughtindustries.Shapes, kept func(shape, member string) bool) *Routes {
	clients := wrapped("Clients", &document.Shape{Name: "page", Members: []document.Member{
		{Name: "pageInfo", Shape: pageInfo}, {Name: "aggregations", Shape: shapes.Aggregation},
		{Name: "clients", Shape: shapes.Client},
	}})
	users := mattrPrefix + "/users"
	return &Routes{keepsMember: kept, list: []route{
		{upstream.ThoughtIndustries, "/incoming/v2/clients", wrapped("data", clients)},
		{upstream.Coassemble, "/v1/headless/clients", coassemble.Shapes.EmbedClient},
		{upstream.Coassemble, "/v1/headless/client/{identifier}", coassemble.Shapes.EmbedClient},
		{upstream.Coassemble, "/v1/headless/users", coassemble.Shapes.User},
		{upstream.Coassemble, "/v1/headless/user/{identifier}", coassemble.Shapes.User},
		{upstream.MATTR, users, paged(mattr.Shapes.Identity)},
		{upstream.MATTR, users + "/search", paged(mattr.Shapes.Identity)},
		{upstream.MATTR, users + "/{id}", mattr.Shapes.Identity},
		{upstream.MATTR, users + "/{userId}/credentials", paged(mattr.Shapes.Credential)},
	}}
}

func wrapped(name string, inner *document.Shape) *document.Shape {
	return &document.Shape{Name: "envelope", Members: []document.Member{{Name: name, Shape: inner}}}
}

func paged(record *document.Shape) *document.Shape {
	return &document.Shape{Name: "page", Members: []document.Member{{Name: "data", Shape: record}, {Name: "nextCursor"}}}
}

// find returns the route of a path, whose segments are escaped; nil where there is none.
func (r *Routes) find(b upstream.Backend, path string) *route {
	i := slices.IndexFunc(r.list, func(c route) bool { return c.backend == b && matches(c.template, path) })
	if i < 0 {
		return nil
	}
	return &r.list[i]
}

func matches(template, path string) bool {
	want, got := strings.Split(template, "/"), strings.Split(path, "/")
	return slices.EqualFunc(want, got, func(w, g string) bool { return w == g || isPlaceholder(w) && g != "" })
}

func isPlaceholder(segment string) bool { return strings.HasPrefix(segment, "{") }

// path replaces the identifiers in a path.
func (m *Masker) path(template, path string) string {
	segments := strings.Split(path, "/")
	for i, w := range strings.Split(template, "/") {
		if !isPlaceholder(w) {
			continue
		}
		if plain, err := url.PathUnescape(segments[i]); err == nil {
			segments[i] = strings.ReplaceAll(url.QueryEscape(m.Text(plain)), "+", "%20")
		}
	}
	return strings.Join(segments, "/")
}

// unmaskedParameters are the parameters that carry no value of a person's or a customer's.
var unmaskedParameters = []string{"page", "count", "length", "limit", "action"}

func (m *Masker) query(q url.Values) string {
	masked := url.Values{}
	for name, values := range q {
		for _, v := range values {
			if !slices.Contains(unmaskedParameters, name) {
				v = m.Text(v)
			}
			masked.Add(m.Key(name), v)
		}
	}
	return masked.Encode()
}

// body replaces all values of a request's body but the size of the page that it asks for.
func (m *Masker) body(data []byte) ([]byte, error) {
	v, err := decode(data)
	if err != nil {
		return nil, err
	}
	masked := m.Value(v)
	if object, ok := masked.(map[string]any); ok {
		if asked, ok := v.(map[string]any)["limit"]; ok {
			object["limit"] = asked
		}
	}
	return encode(masked), nil
}
