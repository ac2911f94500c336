package graph_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/engine"
	"github.com/learngraph/learngraph/graph"
	"github.com/learngraph/learngraph/graph/model"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/upstream/coassemble"
	"github.com/learngraph/learngraph/upstream/mattr"
	"github.com/vektah/gqlparser/v2/ast"
)

// world is random data behind every field of the schema. The target of an edge, and whether it fails, is decided by a
// hash of the field, the parent and the arguments, so that each executor meets the same whatever calls it makes.
type world struct {
	seed   uint64
	broken bool // records break the schema, and resolvers fail in every way

	entities map[string][]entity // by type
	index    map[any]int         // of the entities that are pointers
	engine   *engine.Engine
	calls    func(ctx context.Context, field string, parents int)
}

// entity is one record: as resolvers give it, and as encoding/json reads it.
type entity struct {
	value any
	data  map[string]any
}

const entitiesPerType = 5

func newWorld(schema *ast.Schema, seed uint64, broken bool) *world {
	w := &world{seed: seed, broken: broken, entities: map[string][]entity{}, index: map[any]int{}}
	w.engine = graph.NewEngine(graph.Config{Resolvers: worldRoot{w}})
	rng := rand.New(rand.NewPCG(seed, 7))
	for _, name := range []string{"Client", "EmbedClient", "User", "Identity", "Credential", "Aggregation"} {
		for i := range entitiesPerType {
			g := &recordMaker{schema: schema, rng: rng, broken: broken}
			text := g.object(name, 0)
			e := entity{value: decodeEntity(name, text), data: plain(text).(map[string]any)}
			if name == "Client" {
				e.data, _ = plainClient([]byte(text))
			}
			w.index[e.value] = i
			w.entities[name] = append(w.entities[name], e)
		}
	}
	return w
}

func plain(text string) any {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		panic(err)
	}
	return v
}

func decodeEntity(name, text string) any {
	parse := func(s *document.Shape) document.Object {
		d, err := document.Parse([]byte(text), s)
		if err != nil {
			panic(err)
		}
		return d.Root()
	}
	var v any
	switch name {
	case "Client":
		return &model.Client{Object: parse(model.Shapes.Client)}
	case "Aggregation":
		return &model.Aggregation{Object: parse(model.Shapes.Aggregation)}
	case "EmbedClient":
		v = new(coassemble.EmbedClient)
	case "User":
		v = new(coassemble.User)
	case "Identity":
		v = new(mattr.Identity)
	case "Credential":
		v = new(mattr.Credential)
	}
	if err := json.Unmarshal([]byte(text), v); err != nil {
		panic(err)
	}
	return v
}

// recordMaker writes random records of a type.
type recordMaker struct {
	schema *ast.Schema
	rng    *rand.Rand
	broken bool
}

// records are the members of the types that are no content, where they are not the fields; sorted so that a seed makes
// one record.
var records = map[string][]string{
	"EmbedClient": {"identifier", "metadata", "userCount", "created", "updated"},
	"User":        {"identifier", "clientIdentifier", "name", "avatar", "metadata", "testMode", "created", "updated"},
	"Identity":    {"id", "claims", "authenticationProvider"},
	"Credential": {"id", "type", "profile", "sessionId", "credentialConfigurationId", "offerId", "devicePublicKey", "namespaces",
		"msoHash", "issuedDate", "validFrom", "validUntil", "status"},
}

func (g *recordMaker) object(name string, depth int) string {
	var b strings.Builder
	b.WriteByte('{')
	separate := func() {
		if b.Len() > 1 {
			b.WriteByte(',')
		}
	}
	member := func(name, value string) {
		separate()
		if g.rng.IntN(40) == 0 {
			fmt.Fprintf(&b, "%q : %s,", name, g.json(2)) // the last one counts
		}
		if g.rng.IntN(40) == 0 {
			fmt.Fprintf(&b, "\"\\u%04x%s\":%s", name[0], name[1:], value)
			return
		}
		fmt.Fprintf(&b, "%q:%s", name, value)
	}
	if g.rng.IntN(4) == 0 {
		member("secretKey", `{"deep":["never shown"]}`)
	}
	if members := records[name]; members != nil {
		for _, m := range members {
			member(m, g.record(m, depth))
		}
		return b.String() + "}"
	}
	for _, f := range g.schema.Types[name].Fields {
		for m, value := range g.member(name, f, depth) {
			member(m, value)
		}
	}
	return b.String() + "}"
}

// record is a member of a type that is no content.
func (g *recordMaker) record(name string, depth int) string {
	switch name {
	case "metadata", "claims":
		return g.maybe(name, func() string { return g.json(2) })
	case "userCount":
		return g.maybe(name, func() string { return g.leaf("Int") })
	case "testMode":
		return g.maybe(name, func() string { return g.leaf("Boolean") })
	case "authenticationProvider":
		return g.maybe(name, func() string { return g.object("AuthenticationProvider", depth+1) })
	case "sessionId", "credentialConfigurationId", "offerId":
		return g.maybe(name, func() string { return g.leaf("ID") })
	case "devicePublicKey", "namespaces":
		return g.maybe(name, func() string { return g.json(2) })
	case "created", "updated":
		return g.maybe(name, func() string { return g.leaf([]string{"String", "Int"}[g.rng.IntN(2)]) })
	case "identifier", "id":
		return strconv.Quote(fmt.Sprint("k-", g.rng.IntN(1000)))
	}
	return g.maybe(name, func() string { return g.leaf("String") })
}

// member is the member of a field of content, at most one.
func (g *recordMaker) member(owner string, f *ast.FieldDefinition, depth int) map[string]string {
	target, name := f.Type.Name(), f.Name
	if name == "sourceId" {
		name = "id"
	}
	switch {
	case owner == "Client" && (f.Name == "sourceId" || f.Name == "embed" || f.Name == "users"):
		return nil
	case owner == "Client" && f.Name == "features":
		flag := g.schema.Types[target].Fields[g.rng.IntN(18)]
		return map[string]string{flag.Name: g.maybe("", func() string { return g.leaf("Boolean") })}
	case f.Type.NonNull && !g.broken:
		return map[string]string{name: g.leaf(target)}
	case strings.HasSuffix(target, "Connection"):
		return map[string]string{name: g.list(strings.TrimSuffix(target, "Connection"), false, depth)}
	case g.rng.IntN(6) == 0:
		return nil
	case f.Type.Elem != nil:
		return map[string]string{name: g.list(target, f.Type.Elem.NonNull, depth)}
	}
	return map[string]string{name: g.value(target, depth)}
}

func (g *recordMaker) maybe(_ string, make func() string) string {
	switch {
	case g.rng.IntN(5) == 0:
		return "null"
	case g.broken && g.rng.IntN(4) == 0:
		return g.json(1)
	}
	return make()
}

func (g *recordMaker) value(target string, depth int) string {
	return g.maybe("", func() string { return g.nonNull(target, depth) })
}

func (g *recordMaker) nonNull(target string, depth int) string {
	if g.schema.Types[target].Kind != ast.Object {
		return g.leaf(target)
	}
	if depth >= 3 || g.rng.IntN(2<<depth) > 1 {
		return "null"
	}
	return g.object(target, depth+1)
}

func (g *recordMaker) list(target string, nonNull bool, depth int) string {
	if g.broken && g.rng.IntN(10) == 0 || depth > 2 {
		return g.maybe("", func() string { return "[]" })
	}
	var items []string
	for range g.rng.IntN(5) {
		item := g.value(target, depth)
		if nonNull && !g.broken && item == "null" {
			continue
		}
		items = append(items, item)
	}
	return "[" + strings.Join(items, ",") + "]"
}

var texts = []string{
	`"plain"`, `""`, `"<a href=\"x\">&amp;</a>"`, `"caf\u00e9 \ud83d\ude00"`, `"line\nbreak\t\\ \/"`, `"日本語"`, `"\u0000\u001f"`, `"2024-01-02T03:04:05.000Z"`,
	`"published"`, "\"\u2028\"",
}

var brokenTexts = []string{`"\ud800"`, `"\udc00x\ud83d"`, "\"\xff\xfe\"", `"Published"`}

func (g *recordMaker) pick(list []string) string { return list[g.rng.IntN(len(list))] }

func (g *recordMaker) leaf(name string) string {
	switch name {
	case "String", "Date":
		if g.broken && g.rng.IntN(8) == 0 {
			return g.pick(brokenTexts)
		}
		return g.pick(texts)
	case "Int":
		return g.pick([]string{"0", "7", "-12", "2147483647", "-2147483648", "5.0", "12e2", "-0", "500e-2"})
	case "Float":
		return g.pick([]string{"0", "1.5", "-2.25e3", "1e-7", "123456789.125", "3"})
	case "Boolean":
		return g.pick([]string{"true", "false"})
	case "ID":
		return g.pick([]string{`"id-1"`, `"3fa85f64"`, "42", `"\u00e9"`, "12345678901234567890", "7.0"})
	case "JSON":
		return g.json(2)
	}
	values := g.schema.Types[name].EnumValues
	return strconv.Quote(values[g.rng.IntN(len(values))].Name)
}

// json is any value but null.
func (g *recordMaker) json(depth int) string {
	switch n := g.rng.IntN(9); {
	case n < 3 || depth == 0:
		return g.pick([]string{"true", "false", "0", "1.25", "-3", "2147483648", "1e400", "1e39", "99999999999999999999", `"x"`, `"\u00e9"`, "[]", "{}"})
	case n < 5:
		return "[" + g.json(depth-1) + ",null," + g.json(depth-1) + "]"
	case n < 7:
		return `{"a":` + g.json(depth-1) + `,"id":` + g.json(depth-1) + `}`
	default:
		return g.pick(texts)
	}
}

// What fails of an edge.
type fault int

const (
	noFault fault = iota
	nullFault
	itemFault
	callFault   // the whole call fails
	panicFault  // the resolver panics
	lengthFault // the resolver returns a result too few
	errorsFault // the resolver returns an error too many
)

var errItem = errors.New("the backend did not answer")

func hash(parts ...any) uint64 {
	h := fnv.New64a()
	fmt.Fprint(h, parts...)
	return h.Sum64() * 0x9e3779b97f4a7c15 >> 11
}

// callFault is what fails of every call of the field with these arguments.
func (w *world) callFault(field, args string) fault {
	if !w.broken {
		return noFault
	}
	switch n := hash(w.seed, "call", field, args) % 40; n {
	case 0, 1:
		return callFault
	case 2:
		return panicFault
	case 3:
		return lengthFault
	case 4:
		return errorsFault
	}
	return noFault
}

// itemFault is what fails of one item; well-formed worlds have errors too.
func (w *world) itemFault(field, parent, args string) fault {
	switch hash(w.seed, "item", field, parent, args) % 12 {
	case 0:
		return nullFault
	case 1:
		return itemFault
	}
	return noFault
}

// target is the entity that an edge to one object leads to.
func (w *world) target(field, parent, args string) int {
	return int(hash(w.seed, "to", field, parent, args) % entitiesPerType)
}

// connection is a page of entities; -1 is null.
type connection struct {
	items []int
	more  bool
	total *int
}

func (w *world) page(field, parent, args string) connection {
	h := hash(w.seed, "page", field, parent, args)
	c := connection{more: h%2 == 0}
	for range h / 2 % 5 {
		h = hash(h)
		item := int(h % (entitiesPerType + 1))
		if item == entitiesPerType {
			item = -1
		}
		c.items = append(c.items, item)
	}
	if h%3 > 0 {
		n := int(h % 100)
		c.total = &n
	}
	return c
}

func cursorText(i int) string { return fmt.Sprint("c", i) }

// argsText is an unambiguous text of decoded arguments.
func argsText(args ...any) string {
	text, err := json.Marshal(args)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// keyOf names a parent by what both executors know of it.
func (w *world) keyOf(parent any) string {
	switch p := parent.(type) {
	case nil:
		return ""
	// The stock executor asks for the elements that are null too.
	case *model.Client:
		if p != nil {
			return documentKey(p.Object)
		}
		return ""
	case *model.License:
		if p != nil {
			return documentKey(p.Object)
		}
		return ""
	case *model.LearningPath:
		if p != nil {
			return documentKey(p.Object)
		}
		return ""
	}
	return fmt.Sprintf("%T%d", parent, w.index[parent])
}

func documentKey(o document.Object) string {
	v := o.Member(0)
	if s, err := v.Text(); err == nil {
		return "s" + s
	}
	if v.Kind() == document.KindNumber {
		return "n" + string(v.Raw())
	}
	return v.Kind().String()
}

// edges resolves one field for all parents, in the manner of gqlgen's batch resolvers.
func edges[P, T any](ctx context.Context, w *world, field string, parents []P, args string, one func(parent string) T) ([]T, error) {
	if w.calls != nil {
		w.calls(ctx, field, len(parents))
	}
	failing := w.callFault(field, args)
	switch failing {
	case callFault:
		return nil, errItem
	case panicFault:
		panic("a resolver's panic")
	}
	results, errs := make([]T, len(parents)), make(graphql.BatchErrorList, len(parents))
	failed := false
	for i, p := range parents {
		switch w.itemFault(field, w.keyOf(p), args) {
		case nullFault:
		case itemFault:
			errs[i], failed = errItem, true
		default:
			results[i] = one(w.keyOf(p))
		}
	}
	switch {
	case failing == lengthFault:
		return results[1:], nil
	case failing == errorsFault:
		return results, append(errs, nil)
	case !failed:
		return results, nil
	}
	return results, errs
}

func entityAt[T any](w *world, name string, i int) T {
	var zero T
	if i < 0 {
		return zero
	}
	return w.entities[name][i].value.(T)
}

func (w *world) pageInfo(c connection) *model.PageInfo {
	var cursors []string
	for i := range c.items {
		cursors = append(cursors, cursorText(i))
	}
	return model.NewPageInfo(cursors, c.more, false)
}

func (w *world) clients(c connection) *model.ClientConnection {
	conn := &model.ClientConnection{Nodes: []*model.Client{}, PageInfo: w.pageInfo(c), TotalCount: c.total}
	for i, item := range c.items {
		v := entityAt[*model.Client](w, "Client", item)
		conn.Nodes = append(conn.Nodes, v)
		conn.Edges = append(conn.Edges, &model.ClientEdge{Cursor: cursorText(i), Node: v})
	}
	for _, item := range c.items {
		conn.Aggregations = append(conn.Aggregations, entityAt[*model.Aggregation](w, "Aggregation", item))
	}
	return conn
}

func (w *world) embedClients(c connection) *model.EmbedClientConnection {
	conn := &model.EmbedClientConnection{PageInfo: w.pageInfo(c)}
	for i, item := range c.items {
		v := entityAt[*coassemble.EmbedClient](w, "EmbedClient", item)
		conn.Nodes = append(conn.Nodes, v)
		conn.Edges = append(conn.Edges, &model.EmbedClientEdge{Cursor: cursorText(i), Node: v})
	}
	return conn
}

func (w *world) users(c connection) *model.UserConnection {
	conn := &model.UserConnection{PageInfo: w.pageInfo(c)}
	for i, item := range c.items {
		v := entityAt[*coassemble.User](w, "User", item)
		conn.Nodes = append(conn.Nodes, v)
		conn.Edges = append(conn.Edges, &model.UserEdge{Cursor: cursorText(i), Node: v})
	}
	return conn
}

func (w *world) identities(c connection) *model.IdentityConnection {
	conn := &model.IdentityConnection{PageInfo: w.pageInfo(c)}
	for i, item := range c.items {
		v := entityAt[*mattr.Identity](w, "Identity", item)
		conn.Nodes = append(conn.Nodes, v)
		conn.Edges = append(conn.Edges, &model.IdentityEdge{Cursor: cursorText(i), Node: v})
	}
	return conn
}

func (w *world) credentials(c connection) *model.CredentialConnection {
	conn := &model.CredentialConnection{PageInfo: w.pageInfo(c)}
	for i, item := range c.items {
		v := credentialAt(w, item)
		conn.Nodes = append(conn.Nodes, v)
		conn.Edges = append(conn.Edges, &model.CredentialEdge{Cursor: cursorText(i), Node: v})
	}
	return conn
}

// credentialAt is a credential of an identity that all of a world's credentials have.
func credentialAt(w *world, item int) *model.Credential {
	c := entityAt[*mattr.Credential](w, "Credential", item)
	if c == nil {
		return nil
	}
	return &model.Credential{Credential: c, Identity: "i"}
}

// The resolvers of a world.
type (
	worldRoot         struct{ *world }
	worldQuery        struct{ *world }
	worldMutation     struct{ *world }
	worldClient       struct{ *world }
	worldEmbedClient  struct{ *world }
	worldUser         struct{ *world }
	worldIdentity     struct{ *world }
	worldLicense      struct{ *world }
	worldLearningPath struct{ *world }
)

var _ graph.ResolverRoot = worldRoot{}

func (r worldRoot) Query() graph.QueryResolver               { return worldQuery(r) }
func (r worldRoot) Mutation() graph.MutationResolver         { return worldMutation(r) }
func (r worldRoot) Client() graph.ClientResolver             { return worldClient(r) }
func (r worldRoot) EmbedClient() graph.EmbedClientResolver   { return worldEmbedClient(r) }
func (r worldRoot) User() graph.UserResolver                 { return worldUser(r) }
func (r worldRoot) Identity() graph.IdentityResolver         { return worldIdentity(r) }
func (r worldRoot) License() graph.LicenseResolver           { return worldLicense(r) }
func (r worldRoot) LearningPath() graph.LearningPathResolver { return worldLearningPath(r) }

// root resolves a root field, whose call has one item.
func root[T any](ctx context.Context, w *world, field, args string, one func() T) (T, error) {
	var zero T
	results, err := edges(ctx, w, field, []any{nil}, args, func(string) T { return one() })
	switch f := w.callFault(field, args); {
	case f == lengthFault || f == errorsFault:
		return zero, errItem
	case err != nil:
		return zero, errItem
	}
	return results[0], nil
}

func rootPage[T any](ctx context.Context, w *world, field, args string, convert func(connection) T) (T, error) {
	return root(ctx, w, field, args, func() T { return convert(w.page(field, "", args)) })
}

func rootOne[T any](ctx context.Context, w *world, field, name, args string) (T, error) {
	return root(ctx, w, field, args, func() T { return entityAt[T](w, name, w.target(field, "", args)) })
}

func (q worldQuery) Clients(ctx context.Context, first *int, after, query, sort *string) (*model.ClientConnection, error) {
	return rootPage(ctx, q.world, "Query.clients", argsText(first, after, query, sort), q.clients)
}

func (q worldQuery) EmbedClients(ctx context.Context, first *int, after *string) (*model.EmbedClientConnection, error) {
	return rootPage(ctx, q.world, "Query.embedClients", argsText(first, after), q.embedClients)
}

func (q worldQuery) Users(ctx context.Context, first *int, after, clientIdentifier *string) (*model.UserConnection, error) {
	return rootPage(ctx, q.world, "Query.users", argsText(first, after, clientIdentifier), q.users)
}

func (q worldQuery) Identities(ctx context.Context, first *int, after *string, filter *model.IdentityFilter) (*model.IdentityConnection, error) {
	return rootPage(ctx, q.world, "Query.identities", argsText(first, after, filter != nil), q.identities)
}

func (q worldQuery) Client(ctx context.Context, _ model.ClientBy) (*model.Client, error) {
	return rootOne[*model.Client](ctx, q.world, "Query.client", "Client", "")
}

func (q worldQuery) EmbedClient(ctx context.Context, _ model.EmbedClientBy) (*coassemble.EmbedClient, error) {
	return rootOne[*coassemble.EmbedClient](ctx, q.world, "Query.embedClient", "EmbedClient", "")
}

func (q worldQuery) User(ctx context.Context, _ model.UserBy) (*coassemble.User, error) {
	return rootOne[*coassemble.User](ctx, q.world, "Query.user", "User", "")
}

func (q worldQuery) Identity(ctx context.Context, _ model.IdentityBy) (*mattr.Identity, error) {
	return rootOne[*mattr.Identity](ctx, q.world, "Query.identity", "Identity", "")
}

var nodeTypes = []string{"Client", "EmbedClient", "User", "Identity"}

// node is the entity of an id, whatever the id is.
func (w *world) node(id string) (string, int) {
	h := hash(w.seed, "node", id)
	if h%9 == 0 {
		return "", 0
	}
	return nodeTypes[h%4], int(h / 4 % entitiesPerType)
}

func (w *world) nodeValue(id string) model.Node {
	name, i := w.node(id)
	if name == "" {
		var none *coassemble.User
		if hash(id)%2 == 0 {
			return none // a nil pointer in the interface is null too
		}
		return nil
	}
	return w.entities[name][i].value
}

func (q worldQuery) Node(ctx context.Context, id string) (model.Node, error) {
	return root(ctx, q.world, "Query.node", argsText(id), func() model.Node { return q.nodeValue(id) })
}

func (q worldQuery) Nodes(ctx context.Context, ids []string) ([]model.Node, error) {
	return root(ctx, q.world, "Query.nodes", argsText(ids), func() []model.Node {
		list := make([]model.Node, len(ids))
		for i, id := range ids {
			list[i] = q.nodeValue(id)
		}
		return list
	})
}

func (c worldClient) Embed(ctx context.Context, objs []*model.Client) ([]*coassemble.EmbedClient, error) {
	return edges(ctx, c.world, "Client.embed", objs, "", func(parent string) *coassemble.EmbedClient {
		return entityAt[*coassemble.EmbedClient](c.world, "EmbedClient", c.target("Client.embed", parent, ""))
	})
}

func (c worldClient) Users(ctx context.Context, objs []*model.Client, first *int, after *string) ([]*model.UserConnection, error) {
	args := argsText(first, after)
	return edges(ctx, c.world, "Client.users", objs, args, func(parent string) *model.UserConnection {
		return c.users(c.page("Client.users", parent, args))
	})
}

func (c worldEmbedClient) ID(_ context.Context, obj *coassemble.EmbedClient) (string, error) {
	return scalar.EncodeID(scalar.EmbedClientNode, obj.Key), nil
}

func (c worldEmbedClient) Client(ctx context.Context, objs []*coassemble.EmbedClient) ([]*model.Client, error) {
	return edges(ctx, c.world, "EmbedClient.client", objs, "", func(parent string) *model.Client {
		return entityAt[*model.Client](c.world, "Client", c.target("EmbedClient.client", parent, ""))
	})
}

func (c worldEmbedClient) Users(ctx context.Context, objs []*coassemble.EmbedClient, first *int, after *string) ([]*model.UserConnection, error) {
	args := argsText(first, after)
	return edges(ctx, c.world, "EmbedClient.users", objs, args, func(parent string) *model.UserConnection {
		return c.users(c.page("EmbedClient.users", parent, args))
	})
}

func (u worldUser) ID(_ context.Context, obj *coassemble.User) (string, error) {
	if u.broken && hash(u.seed, obj.Key)%5 == 0 {
		return "", errItem
	}
	return scalar.EncodeID(scalar.UserNode, obj.Key), nil
}

func (u worldUser) Client(ctx context.Context, objs []*coassemble.User) ([]*model.Client, error) {
	return edges(ctx, u.world, "User.client", objs, "", func(parent string) *model.Client {
		return entityAt[*model.Client](u.world, "Client", u.target("User.client", parent, ""))
	})
}

func (u worldUser) EmbedClient(ctx context.Context, objs []*coassemble.User) ([]*coassemble.EmbedClient, error) {
	return edges(ctx, u.world, "User.embedClient", objs, "", func(parent string) *coassemble.EmbedClient {
		return entityAt[*coassemble.EmbedClient](u.world, "EmbedClient", u.target("User.embedClient", parent, ""))
	})
}

func (u worldUser) Identity(ctx context.Context, objs []*coassemble.User) ([]*mattr.Identity, error) {
	return edges(ctx, u.world, "User.identity", objs, "", func(parent string) *mattr.Identity {
		return entityAt[*mattr.Identity](u.world, "Identity", u.target("User.identity", parent, ""))
	})
}

func (u worldUser) Credentials(ctx context.Context, objs []*coassemble.User, first *int, after *string) ([]*model.CredentialConnection, error) {
	args := argsText(first, after)
	return edges(ctx, u.world, "User.credentials", objs, args, func(parent string) *model.CredentialConnection {
		return u.credentials(u.page("User.credentials", parent, args))
	})
}

func (i worldIdentity) ID(_ context.Context, obj *mattr.Identity) (string, error) {
	return scalar.EncodeID(scalar.IdentityNode, obj.Key), nil
}

func (i worldIdentity) User(ctx context.Context, objs []*mattr.Identity) ([]*coassemble.User, error) {
	return edges(ctx, i.world, "Identity.user", objs, "", func(parent string) *coassemble.User {
		return entityAt[*coassemble.User](i.world, "User", i.target("Identity.user", parent, ""))
	})
}

func (i worldIdentity) Credentials(ctx context.Context, objs []*mattr.Identity, first *int, after *string) ([]*model.CredentialConnection, error) {
	args := argsText(first, after)
	return edges(ctx, i.world, "Identity.credentials", objs, args, func(parent string) *model.CredentialConnection {
		return i.credentials(i.page("Identity.credentials", parent, args))
	})
}

// userErrors are those of a mutation.
func (w *world) userErrors(field string) []*model.UserError {
	switch hash(w.seed, "errors", field) % 4 {
	case 0:
		return nil
	case 1:
		return []*model.UserError{{Code: "NOT_FOUND", Message: `there is no "such" thing`, Path: []string{"input", "by"}}}
	}
	return []*model.UserError{{Code: "BAD_USER_INPUT", Message: "no"}}
}

func (m worldMutation) UpdateEmbedClient(ctx context.Context, _ model.UpdateEmbedClientInput) (*model.UpdateEmbedClientPayload, error) {
	const field = "Mutation.updateEmbedClient"
	return root(ctx, m.world, field, "", func() *model.UpdateEmbedClientPayload {
		return &model.UpdateEmbedClientPayload{UserErrors: m.userErrors(field),
			EmbedClient: entityAt[*coassemble.EmbedClient](m.world, "EmbedClient", m.target(field, "", ""))}
	})
}

func (m worldMutation) DeleteEmbedClient(ctx context.Context, _ model.DeleteEmbedClientInput) (*model.DeleteEmbedClientPayload, error) {
	const field = "Mutation.deleteEmbedClient"
	return root(ctx, m.world, field, "", func() *model.DeleteEmbedClientPayload {
		return &model.DeleteEmbedClientPayload{UserErrors: m.userErrors(field)}
	})
}

func (m worldMutation) UpdateUser(ctx context.Context, _ model.UpdateUserInput) (*model.UpdateUserPayload, error) {
	const field = "Mutation.updateUser"
	return root(ctx, m.world, field, "", func() *model.UpdateUserPayload {
		return &model.UpdateUserPayload{UserErrors: m.userErrors(field),
			User: entityAt[*coassemble.User](m.world, "User", m.target(field, "", ""))}
	})
}

func (m worldMutation) DeleteUser(ctx context.Context, _ model.DeleteUserInput) (*model.DeleteUserPayload, error) {
	const field = "Mutation.deleteUser"
	return root(ctx, m.world, field, "", func() *model.DeleteUserPayload {
		return &model.DeleteUserPayload{UserErrors: m.userErrors(field)}
	})
}

func (m worldMutation) UpdateIdentity(ctx context.Context, _ model.UpdateIdentityInput) (*model.UpdateIdentityPayload, error) {
	const field = "Mutation.updateIdentity"
	return root(ctx, m.world, field, "", func() *model.UpdateIdentityPayload {
		return &model.UpdateIdentityPayload{UserErrors: m.userErrors(field),
			Identity: entityAt[*mattr.Identity](m.world, "Identity", m.target(field, "", ""))}
	})
}

func (m worldMutation) DeleteIdentity(ctx context.Context, _ model.DeleteIdentityInput) (*model.DeleteIdentityPayload, error) {
	const field = "Mutation.deleteIdentity"
	return root(ctx, m.world, field, "", func() *model.DeleteIdentityPayload {
		return &model.DeleteIdentityPayload{UserErrors: m.userErrors(field)}
	})
}

func (l worldLicense) Client(ctx context.Context, objs []*model.License) ([]*model.Client, error) {
	return edges(ctx, l.world, "License.client", objs, "", func(parent string) *model.Client {
		return entityAt[*model.Client](l.world, "Client", l.target("License.client", parent, ""))
	})
}

func (l worldLearningPath) Client(ctx context.Context, objs []*model.LearningPath) ([]*model.Client, error) {
	return edges(ctx, l.world, "LearningPath.client", objs, "", func(parent string) *model.Client {
		return entityAt[*model.Client](l.world, "Client", l.target("LearningPath.client", parent, ""))
	})
}
