package graph_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// reference executes operations as section 6 of the specification is written, over what encoding/json makes of the
// records: one field after the other, each edge a call with one parent. It is slow and shares no code with the engine.
type reference struct {
	*world
	schema *ast.Schema
	op     *graphql.OperationContext
	errs   gqlerror.List

	anyCursor bool // the spelling of ids is not known
}

// object is a value of an object type. Records are as the backends write them; everything else has the names of the
// schema.
type object struct {
	typ    string
	record bool
	key    string // as world.keyOf names it
	data   map[string]any
}

// anyText is a text that the reference does not predict.
type anyText struct{}

var errMismatch = &document.Mismatch{Want: "something else"}

func (r *reference) execute() any {
	root := r.schema.Query.Name
	if r.op.Operation.Operation == ast.Mutation {
		root = r.schema.Mutation.Name
	}
	data, ok := r.selectionSet(object{typ: root}, r.op.Operation.SelectionSet, nil)
	if !ok {
		return nil
	}
	return data
}

func (r *reference) fail(path ast.Path, err error) {
	r.errs = append(r.errs, &gqlerror.Error{Err: err, Message: err.Error(), Path: slices.Clone(path)})
}

// selectionSet is ExecuteSelectionSet (6.3). False is a null that belongs to the parent (6.4.4).
func (r *reference) selectionSet(o object, set ast.SelectionSet, path ast.Path) (any, bool) {
	var order []string
	groups := map[string][]*ast.Field{}
	r.collectFields(o.typ, set, map[string]bool{}, &order, groups)
	result, ok := map[string]any{}, true
	for _, key := range order {
		fields := groups[key]
		v, fine := r.field(o, fields, append(slices.Clone(path), ast.PathName(key)))
		if !fine {
			ok = false
		}
		result[key] = v
	}
	return result, ok
}

// collectFields is CollectFields (6.3.2).
func (r *reference) collectFields(typ string, set ast.SelectionSet, visited map[string]bool, order *[]string, groups map[string][]*ast.Field) {
	applies := func(condition string) bool {
		return condition == "" || condition == typ || slices.Contains(r.schema.Types[typ].Interfaces, condition)
	}
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			if !r.included(s.Directives) {
				continue
			}
			if groups[s.Alias] == nil {
				*order = append(*order, s.Alias)
			}
			groups[s.Alias] = append(groups[s.Alias], s)
		case *ast.FragmentSpread:
			if !r.included(s.Directives) || visited[s.Name] {
				continue
			}
			visited[s.Name] = true
			if fragment := r.op.Doc.Fragments.ForName(s.Name); applies(fragment.TypeCondition) {
				r.collectFields(typ, fragment.SelectionSet, visited, order, groups)
			}
		case *ast.InlineFragment:
			if r.included(s.Directives) && applies(s.TypeCondition) {
				r.collectFields(typ, s.SelectionSet, visited, order, groups)
			}
		}
	}
}

func (r *reference) included(directives ast.DirectiveList) bool {
	for _, d := range directives {
		v, _ := d.Arguments.ForName("if").Value.Value(r.op.Variables)
		if d.Name == "skip" && v == true || d.Name == "include" && v == false {
			return false
		}
	}
	return true
}

// field is ExecuteField (6.4).
func (r *reference) field(o object, fields []*ast.Field, path ast.Path) (any, bool) {
	f := fields[0]
	if f.Name == "__typename" {
		return o.typ, true
	}
	def := r.schema.Types[o.typ].Fields.ForName(f.Name)
	v, err := r.resolve(o, def, f.ArgumentMap(r.op.Variables))
	if err != nil {
		r.fail(path, err)
		return nil, !def.Type.NonNull
	}
	var merged ast.SelectionSet
	for _, occurrence := range fields {
		merged = append(merged, occurrence.SelectionSet...)
	}
	return r.complete(def.Type, v, o.record, merged, path)
}

// complete is CompleteValue (6.4.3). False is a null where none may be.
func (r *reference) complete(t *ast.Type, v any, record bool, set ast.SelectionSet, path ast.Path) (any, bool) {
	if broken, ok := v.(error); ok {
		r.fail(path, broken)
		return nil, !t.NonNull
	}
	if v == nil {
		if t.NonNull {
			if record {
				r.fail(path, errMismatch)
			} else {
				r.fail(path, errors.New("must not be null"))
			}
		}
		return nil, !t.NonNull
	}
	result, ok := r.completeNonNull(t, v, record, set, path)
	if !ok {
		return nil, !t.NonNull
	}
	return result, true
}

func (r *reference) completeNonNull(t *ast.Type, v any, record bool, set ast.SelectionSet, path ast.Path) (any, bool) {
	if t.Elem != nil {
		list, ok := v.([]any)
		if !ok {
			r.fail(path, errMismatch)
			return nil, false
		}
		results := make([]any, len(list))
		for i, e := range list {
			result, fine := r.complete(t.Elem, e, record, set, append(slices.Clone(path), ast.PathIndex(i)))
			results[i], ok = result, ok && fine
		}
		return results, ok
	}
	if !r.schema.Types[t.Name()].IsCompositeType() {
		result, ok := r.leaf(t.Name(), v)
		if !ok {
			r.fail(path, errMismatch)
		}
		return result, ok
	}
	switch v := v.(type) {
	case object:
		return r.selectionSet(v, set, path)
	case map[string]any:
		return r.selectionSet(object{typ: t.Name(), record: true, key: clientKey(v), data: v}, set, path)
	}
	r.fail(path, errMismatch)
	return nil, false
}

// clientKey names a client by its id, as world.keyOf does.
func clientKey(data map[string]any) string {
	switch id := data["id"].(type) {
	case string:
		return "s" + id
	case json.Number:
		return "n" + id.String()
	case bool:
		return "boolean"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	}
	return "null"
}

// leaf is result coercion (3.5, 3.9) with the rules of package document.
func (r *reference) leaf(name string, v any) (any, bool) {
	number, isNumber := v.(json.Number)
	text, isText := v.(string)
	switch name {
	case "JSON":
		return v, true
	case "Boolean":
		b, ok := v.(bool)
		return b, ok
	case "Int":
		if n, ok := v.(int); ok {
			return json.Number(strconv.Itoa(n)), true
		}
		digits, ok := integral(number, 10)
		n, err := strconv.ParseInt(digits, 10, 64)
		return json.Number(digits), isNumber && ok && err == nil && n >= math.MinInt32 && n <= math.MaxInt32
	case "Float":
		f, err := strconv.ParseFloat(number.String(), 64)
		return number, isNumber && err == nil && !math.IsInf(f, 0)
	case "ID":
		if isText {
			return text, true
		}
		digits, ok := integral(number, 64)
		return digits, isNumber && ok
	case "String", "Date":
		if _, ok := v.(anyText); ok {
			return v, true
		}
		return text, isText
	}
	return text, isText && r.schema.Types[name].EnumValues.ForName(text) != nil
}

// integral returns the digits of an integral number. A number with an exponent may have limit digits.
func integral(number json.Number, limit int) (string, bool) {
	text := number.String()
	if !strings.ContainsAny(text, ".eE") {
		if text == "-0" {
			return "0", true
		}
		return text, text != ""
	}
	if _, exponent, ok := strings.Cut(strings.ToLower(text), "e"); ok {
		if n, err := strconv.Atoi(exponent); err != nil || n > 1000 || n < -1000 {
			return "", false
		}
	}
	n, ok := new(big.Rat).SetString(text)
	if !ok || !n.IsInt() {
		return "", false
	}
	digits := n.Num().String()
	return digits, len(strings.TrimPrefix(digits, "-")) <= limit
}

// resolve is ResolveFieldValue (6.4.2).
func (r *reference) resolve(o object, def *ast.FieldDefinition, args map[string]any) (any, error) {
	field, target := o.typ+"."+def.Name, def.Type.Name()
	switch {
	case o.typ == "Query" || o.typ == "Mutation" || crossing[field]:
		return r.edge(field, target, o.key, args)
	case !o.record:
		return o.data[def.Name], nil
	case field == "Client.features":
		return object{typ: target, record: true, data: o.data}, nil
	case field == "Client.id":
		return r.clientID(o)
	case def.Name == "sourceId" && records[o.typ] == nil:
		return o.data["id"], nil
	case strings.HasSuffix(target, "Connection"):
		return r.page(o, def, args)
	}
	return r.recordField(o, def.Name)
}

// crossing are the fields with a resolver that takes many parents.
var crossing = map[string]bool{
	"Client.embed": true, "Client.users": true, "EmbedClient.client": true, "EmbedClient.users": true, "User.client": true,
	"User.embedClient": true, "User.identity": true, "User.credentials": true, "Identity.user": true, "Identity.credentials": true,
	"License.client": true, "LearningPath.client": true,
}

func (r *reference) clientID(o object) (any, error) {
	if o.data["id"] == nil {
		return nil, nil
	}
	key, ok := r.leaf("ID", o.data["id"])
	if !ok {
		return nil, errMismatch
	}
	return scalar.EncodeID(scalar.ClientNode, key.(string)), nil
}

// recordField is a field of a record, where it is not the member of its name.
func (r *reference) recordField(o object, name string) (any, error) {
	v := o.data[name]
	switch o.typ + "." + name {
	case "Credential.id":
		return scalar.EncodeID(scalar.CredentialNode, scalar.CredentialKey("i", r.identifier(o))), nil
	case "User.id", "EmbedClient.id", "Identity.id":
		if o.typ == "User" && r.broken && hash(r.seed, r.identifier(o))%5 == 0 {
			return nil, errItem
		}
		return scalar.EncodeID(scalar.NodeType(o.typ), r.identifier(o)), nil
	case "User.sourceId", "EmbedClient.sourceId", "Identity.sourceId", "Credential.sourceId":
		return r.identifier(o), nil
	case "User.clientIdentifier":
		if _, ok := v.(json.Number); ok {
			id, ok := r.leaf("ID", v)
			if !ok {
				return nil, errMismatch
			}
			return id, nil
		}
	case "User.created", "User.updated", "EmbedClient.created", "EmbedClient.updated":
		if n, ok := v.(json.Number); ok {
			return n.String(), nil
		}
	}
	return v, nil
}

func (r *reference) identifier(o object) string {
	member := map[string]string{"User": "identifier", "EmbedClient": "identifier", "Identity": "id", "Credential": "id"}[o.typ]
	return o.data[member].(string)
}

// edge is a field with a resolver.
func (r *reference) edge(field, target, parent string, args map[string]any) (any, error) {
	text := ""
	switch field {
	case "Query.clients":
		text = argsText(args["first"], args["after"], args["query"], args["sort"])
	case "Query.embedClients", "Client.users", "EmbedClient.users", "User.credentials", "Identity.credentials":
		text = argsText(args["first"], args["after"])
	case "Query.users":
		text = argsText(args["first"], args["after"], args["clientIdentifier"])
	case "Query.identities":
		text = argsText(args["first"], args["after"], args["filter"] != nil)
	case "Query.node":
		text = argsText(args["id"])
	case "Query.nodes":
		text = argsText(args["ids"])
	}
	switch r.callFault(field, text) {
	case panicFault:
		return nil, errPanic
	case callFault:
		return nil, errItem
	case lengthFault, errorsFault:
		if crossing[field] {
			return nil, errors.New("returned")
		}
		return nil, errItem
	}
	switch r.itemFault(field, parent, text) {
	case nullFault:
		return nil, nil
	case itemFault:
		return nil, errItem
	}
	return r.edgeValue(field, target, parent, text, args), nil
}

func (r *reference) edgeValue(field, target, parent, text string, args map[string]any) any {
	switch {
	case field == "Query.node":
		return r.nodeObject(args["id"].(string))
	case field == "Query.nodes":
		var list []any
		for _, id := range args["ids"].([]any) {
			list = append(list, r.nodeObject(id.(string)))
		}
		return list
	case strings.HasPrefix(field, "Mutation."):
		return r.payload(field, target)
	case strings.HasSuffix(target, "Connection"):
		return r.connection(target, r.world.page(field, parent, text))
	}
	return r.entity(target, r.target(field, parent, text))
}

func (r *reference) entity(name string, i int) any {
	if i < 0 {
		return nil
	}
	e := r.entities[name][i]
	return object{typ: name, record: true, key: r.keyOf(e.value), data: e.data}
}

func (r *reference) nodeObject(id string) any {
	name, i := r.node(id)
	if name == "" {
		return nil
	}
	return r.entity(name, i)
}

func (r *reference) payload(field, target string) any {
	errs := []any{}
	for _, e := range r.userErrors(field) {
		data := map[string]any{"code": e.Code, "message": e.Message}
		if e.Path != nil {
			var path []any
			for _, p := range e.Path {
				path = append(path, p)
			}
			data["path"] = path
		}
		errs = append(errs, object{typ: "UserError", data: data})
	}
	data := map[string]any{"userErrors": errs}
	for _, f := range r.schema.Types[target].Fields {
		if r.schema.Types[f.Type.Name()].Kind == ast.Object && f.Name != "userErrors" {
			data[f.Name] = r.entity(f.Type.Name(), r.target(field, "", ""))
		}
	}
	return object{typ: target, data: data}
}

func (r *reference) connection(typ string, c connection) any {
	name := strings.TrimSuffix(typ, "Connection")
	nodes, edges, aggregations := []any{}, []any{}, []any{}
	for i, item := range c.items {
		node := r.entity(name, item)
		nodes = append(nodes, node)
		edges = append(edges, object{typ: name + "Edge", data: map[string]any{"cursor": cursorText(i), "node": node}})
		aggregations = append(aggregations, r.entity("Aggregation", item))
	}
	info := map[string]any{"hasNextPage": c.more, "hasPreviousPage": false}
	if n := len(c.items); n > 0 {
		info["startCursor"], info["endCursor"] = cursorText(0), cursorText(n-1)
	}
	data := map[string]any{"nodes": nodes, "edges": edges, "pageInfo": object{typ: "PageInfo", data: info}}
	if c.total != nil {
		data["totalCount"] = *c.total
	}
	if len(aggregations) > 0 {
		data["aggregations"] = aggregations
	}
	return object{typ: typ, data: data}
}

// page is a page of a list in a record.
func (r *reference) page(o object, def *ast.FieldDefinition, args map[string]any) (any, error) {
	size, err := pageSize(args["first"])
	if err != nil {
		return nil, err
	}
	bound, known := r.bounds(o, def, args)
	offset := 0
	if after, ok := args["after"].(string); ok {
		c, err := scalar.DecodeCursor(after, "Client."+def.Name, bound...)
		if err != nil {
			return nil, scalar.Input(err.Error(), "after")
		}
		offset = c.Offset
	}
	list, ok := o.data[def.Name].([]any)
	if !ok && o.data[def.Name] != nil {
		return nil, errMismatch
	}
	if list == nil {
		return nil, nil
	}
	kept := slices.DeleteFunc(slices.Clone(list), func(e any) bool { return !passes(e, def, args) })
	start := min(offset, len(kept))
	end := min(start+size, len(kept))
	cursor := func(i int) any {
		if !known || r.anyCursor {
			return anyText{}
		}
		return scalar.Cursor{List: "Client." + def.Name, Bound: bound, Offset: i + 1}.Encode()
	}
	node := strings.TrimSuffix(def.Type.Name(), "Connection")
	nodes, edges := []any{}, []any{}
	for i := start; i < end; i++ {
		v := kept[i]
		if _, ok := v.(map[string]any); !ok && v != nil {
			v = error(errMismatch)
		}
		nodes = append(nodes, v)
		edges = append(edges, object{typ: node + "Edge", data: map[string]any{"cursor": cursor(i), "node": v}})
	}
	info := map[string]any{"hasNextPage": end < len(kept), "hasPreviousPage": args["after"] != nil}
	if start < end {
		info["startCursor"], info["endCursor"] = cursor(start), cursor(end-1)
	}
	return object{typ: node + "Connection", data: map[string]any{"nodes": nodes, "edges": edges, "totalCount": len(kept),
		"pageInfo": object{typ: "PageInfo", data: info}}}, nil
}

func pageSize(first any) (int, error) {
	if first == nil {
		return scalar.DefaultFirst, nil
	}
	n, err := strconv.Atoi(fmt.Sprint(first))
	if err != nil {
		return 0, err
	}
	return scalar.First(&n, 0)
}

// filterValues are the values of a filter; nil filters nothing.
func filterValues(arg any) []any {
	if one, ok := arg.(string); ok {
		return []any{one}
	}
	list, ok := arg.([]any)
	if ok && list == nil {
		return []any{} // the value of an empty literal
	}
	return list
}

func passes(e any, def *ast.FieldDefinition, args map[string]any) bool {
	o, isObject := e.(map[string]any)
	for _, name := range []string{"status", "kind"} {
		if list := filterValues(args[name]); def.Arguments.ForName(name) != nil && list != nil && (!isObject || !slices.Contains(list, o[name])) {
			return false
		}
	}
	return true
}

// bounds are the binding of a cursor of the list, and whether the reference can know it: the spelling of the id.
func (r *reference) bounds(o object, def *ast.FieldDefinition, args map[string]any) ([]string, bool) {
	known := true
	var id string
	switch v := o.data["id"].(type) {
	case json.Number:
		id = v.String()
	case string:
		id = `"` + v + `"`
		known = strings.IndexFunc(v, func(c rune) bool { return c < ' ' || c > '~' || c == '"' || c == '\\' || c == '/' }) < 0
	case nil:
		id = "null"
	default:
		known = false
	}
	bound := []string{id}
	for _, name := range []string{"status", "kind"} {
		if def.Arguments.ForName(name) == nil {
			continue
		}
		text := name
		if list := filterValues(args[name]); list != nil {
			text += "="
			for _, w := range list {
				text += strconv.Quote(w.(string))
			}
		}
		bound = append(bound, text)
	}
	return bound, known
}
