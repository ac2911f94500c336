// Package cost estimates operations in points from the directives of the schema, and charges callers for them.
package cost

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/gateway/gqlerrors"
	"github.com/learngraph/learngraph/gateway/selection"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// CallPoints is the cost of one backend call besides the points of fields: an object is read in a microsecond, a call
// takes one of the few that a backend allows in a minute.
const CallPoints = 100

// unsizedList is the assumed length of a list for which the schema sets none.
const unsizedList = 10.0

// maxPoints bounds estimates: a larger number has no meaning.
const maxPoints = 1e12

// Estimate is the greatest possible cost of an operation.
type Estimate struct {
	// Points are CallPoints for each call, those of the fields by @cost and @listSize, and those of Registration.
	Points int64
	// Registration are points for a document that is kept for later requests.
	Registration int64
	// Calls are by backend, and as if nothing were cached.
	Calls map[string]int64
	// Fields are the calls by field, in the order of the operation.
	Fields []FieldCalls
	// Faults are the errors of the fields that are not called because an argument or a condition has no value.
	Faults gqlerror.List
}

// FieldCalls is how many calls of a backend one field makes at most.
type FieldCalls struct {
	Path    string `json:"path"`
	Backend string `json:"backend"`
	Calls   int64  `json:"calls"`
}

// Estimator estimates operations from the directives of the schema, read once.
type Estimator struct {
	Schema *ast.Schema
	fields map[*ast.FieldDefinition]fieldCost
	types  map[string]typeCost
	// costArguments are the arguments that affect a field's cost.
	costArguments map[fieldArgument]bool
}

type typeCost struct {
	weight float64
	calls  []callCost
}

type fieldCost struct {
	weight    *float64
	calls     []callCost
	assumed   float64
	slicing   []string
	sized     []string
	arguments map[string]float64
}

// callCost is one @calls.
type callCost struct {
	backend      string
	max, atStart float64
	// operation shares the calls among all objects of an operation; base is the number of calls besides one for each of
	// them.
	operation bool
	base      float64
	// list is the list whose pages may be read instead.
	list string
}

// maxPages is how many pages of one list an operation may read in vain.
const maxPages = 100

// NewEstimator reads the costs in a schema's directives.
func NewEstimator(schema *ast.Schema) *Estimator {
	e := &Estimator{Schema: schema, fields: map[*ast.FieldDefinition]fieldCost{}, types: map[string]typeCost{},
		costArguments: map[fieldArgument]bool{}}
	for name, def := range schema.Types {
		t := typeCost{calls: readCalls(def.Directives)}
		if def.IsCompositeType() {
			t.weight = 1
		}
		if w := readWeight(def.Directives); w != nil {
			t.weight = *w
		}
		e.types[name] = t
		for _, f := range def.Fields {
			e.fields[f] = readFieldCost(f)
			e.decides(f, e.fields[f])
		}
	}
	e.sizeIntrospection()
	return e
}

func readFieldCost(f *ast.FieldDefinition) fieldCost {
	cost := fieldCost{weight: readWeight(f.Directives), calls: readCalls(f.Directives), assumed: unsizedList,
		arguments: map[string]float64{}}
	if d := f.Directives.ForName("listSize"); d != nil {
		cost.assumed = numberOr(d, "assumedSize", unsizedList)
		cost.slicing = selection.Strings(selection.DirectiveArgument(d, "slicingArguments"))
		cost.sized = selection.Strings(selection.DirectiveArgument(d, "sizedFields"))
	}
	for _, arg := range f.Arguments {
		if w := readWeight(arg.Directives); w != nil {
			cost.arguments[arg.Name] = *w
		}
	}
	return cost
}

func readWeight(directives ast.DirectiveList) *float64 {
	d := directives.ForName("cost")
	if d == nil {
		return nil
	}
	text, _ := selection.DirectiveArgument(d, "weight").(string)
	w, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil
	}
	return &w
}

func readCalls(directives ast.DirectiveList) []callCost {
	var list []callCost
	for _, d := range directives {
		if d.Name != "calls" {
			continue
		}
		c := callCost{max: numberOr(d, "most", 1), operation: selection.DirectiveArgument(d, "per") == "operation"}
		c.backend, _ = selection.DirectiveArgument(d, "backend").(string)
		c.list, _ = selection.DirectiveArgument(d, "list").(string)
		c.atStart, c.base = numberOr(d, "atStart", c.max), numberOr(d, "base", c.max)
		list = append(list, c)
	}
	return list
}

// numberOr returns a number among the arguments of a directive, or another value where it has none.
func numberOr(d *ast.Directive, name string, fallback float64) float64 {
	if n, ok := selection.Number(selection.DirectiveArgument(d, name)); ok {
		return float64(n)
	}
	return fallback
}

// estimate returns the greatest possible cost of an operation.
func (e *Estimator) estimate(op *graphql.OperationContext) *Estimate {
	return e.EstimateWith(op.Operation, selection.Collector{Schema: e.Schema, Variables: op.Variables})
}

// EstimateWith returns the greatest possible cost of an operation whose fields a collector selects.
func (e *Estimator) EstimateWith(op *ast.OperationDefinition, with selection.Collector) *Estimate {
	work := &estimation{Estimator: e, Collector: with, shared: map[string]sharedCalls{}}
	root := e.Schema.Query
	switch op.Operation {
	case ast.Mutation:
		root = e.Schema.Mutation
	case ast.Subscription:
		root = e.Schema.Subscription
	}
	work.root(root.Name, op.SelectionSet)
	out := &Estimate{Calls: map[string]int64{}, Fields: merged(work.calls), Faults: work.faults}
	for _, f := range out.Fields {
		out.Calls[f.Backend] += f.Calls
	}
	out.Points = points(work.points) + CallPoints*total(out.Calls)
	return out
}

// merged are the calls with one entry for each field and backend.
func merged(calls []FieldCalls) []FieldCalls {
	list := []FieldCalls{}
	places := map[FieldCalls]int{}
	for _, f := range calls {
		field := FieldCalls{Path: f.Path, Backend: f.Backend}
		if i, ok := places[field]; ok {
			list[i].Calls = min(list[i].Calls+f.Calls, maxPoints)
			continue
		}
		places[field] = len(list)
		list = append(list, f)
	}
	return list
}

func total(calls map[string]int64) int64 {
	sum := int64(0)
	for _, n := range calls {
		sum = min(sum+n, maxPoints)
	}
	return sum
}

func points(p float64) int64 { return int64(math.Ceil(min(max(p, 0), maxPoints))) }

// estimation is one estimate being made.
type estimation struct {
	*Estimator
	selection.Collector
	points float64
	calls  []FieldCalls
	// shared are the calls that several fields make together, by their key.
	shared map[string]sharedCalls
	faults gqlerror.List
}

// sharedCalls counts the objects that share calls, and has the place of these in the list; the places begin at 1.
type sharedCalls struct {
	objects float64
	index   int
}

// selectionContext is the surroundings of a selection: how many objects it is read of, and how long the lists of a
// connection are.
type selectionContext struct {
	path    string
	parents float64
	sizes   map[string]float64
}

// root goes on with the fields of the root, but for those that a condition without a value keeps from being called.
func (e *estimation) root(object string, set ast.SelectionSet) {
	at := selectionContext{parents: 1}
	checked := !e.Unbound && e.HasNull()
	if checked {
		if err := e.CheckConditions(set, false); err != nil {
			e.fault("", nil, err)
			return
		}
	}
	for _, g := range e.Collect(object, []ast.SelectionSet{set}) {
		if m := e.schema().Mutation; m != nil && object == m.Name {
			clear(e.shared) // a write discards earlier reads
		}
		var err error
		for _, below := range g.Selections {
			if checked {
				err = cmp.Or(err, e.CheckConditions(below, true))
			}
		}
		if err != nil {
			e.fault(g.Key, g.Field, err)
		} else {
			e.group(object, g, at)
		}
	}
}

// fault notes the error of a field that is not called; nil is the whole operation.
func (e *estimation) fault(path string, f *ast.Field, cause error) {
	err := gqlerrors.Present(cause)
	if f != nil {
		for name := range strings.SplitSeq(path, ".") {
			err.Path = append(err.Path, ast.PathName(name))
		}
		err.Locations = []gqlerror.Location{{Line: f.Position.Line, Column: f.Position.Column}}
	}
	e.faults = append(e.faults, err)
}

func (e *estimation) selections(object string, sets []ast.SelectionSet, at selectionContext) {
	for _, g := range e.Collect(object, sets) {
		e.group(object, g, at)
	}
}

func (e *estimation) group(object string, g *selection.Group, at selectionContext) {
	def := e.Definition(object, g.Field)
	if def == nil {
		return // __typename
	}
	path := g.Key
	if at.path != "" {
		path = at.path + "." + g.Key
	}
	args, err := e.Arguments(g.Field, def)
	if err != nil {
		e.fault(path, g.Field, err)
		return
	}
	at.path = path
	e.field(g, def, args, at)
}

// field counts a field, at whose own path it is.
func (e *estimation) field(g *selection.Group, def *ast.FieldDefinition, args map[string]any, at selectionContext) {
	cost := e.fields[def]
	size, sliced := e.slice(g.Field, def, args, cost)
	count := at.parents
	if def.Type.Elem != nil {
		length := cost.assumed
		if n, ok := at.sizes[def.Name]; ok {
			length = n
		} else if sliced {
			length = size
		}
		count *= length
	}
	for name, w := range cost.arguments {
		if _, ok := args[name]; ok {
			e.points += w * at.parents
		}
	}
	e.call(g.Field, args, cost.calls, at)
	named := def.Type.Name()
	weight := e.types[named].weight
	if cost.weight != nil {
		weight = *cost.weight
	}
	e.points = min(e.points+weight*count, maxPoints)
	if len(g.Selections) == 0 {
		return
	}
	below := selectionContext{path: at.path, parents: min(count, maxPoints)}
	if sliced && def.Type.Elem == nil {
		below.sizes = map[string]float64{}
		for _, name := range cost.sized {
			below.sizes[name] = size
		}
	}
	e.below(g, args, named, below)
}

// below goes on with the field's value. Where it may be of several types the dearest counts, but for objects whose
// types are known from their global ids.
func (e *estimation) below(g *selection.Group, args map[string]any, named string, at selectionContext) {
	if !e.schema().Types[named].IsAbstractType() {
		e.selections(named, g.Selections, at)
		return
	}
	if ids := selection.CountNodeTypes(args); named == "Node" && len(ids) > 0 {
		e.nodes(ids, at.path, 1)
		for _, name := range slices.Sorted(maps.Keys(ids)) {
			at.parents = float64(ids[name])
			e.selections(name, g.Selections, at)
		}
		return
	}
	if named == "_Entity" {
		if list := selection.Representations(args); list != nil {
			e.entities(list, g, at)
			return
		}
	}
	var dearest *estimation
	for _, possible := range e.schema().PossibleTypes[named] {
		branch := *e
		branch.calls, branch.faults = slices.Clone(e.calls), slices.Clip(e.faults)
		branch.shared = maps.Clone(e.shared)
		if e.Unbound {
			branch.nodes(map[string]int{possible.Name: 1}, at.path, at.parents)
		}
		branch.selections(possible.Name, g.Selections, at)
		if dearest == nil || branch.price() > dearest.price() {
			dearest = &branch
		}
	}
	if dearest != nil {
		e.points, e.calls, e.shared, e.faults = dearest.points, dearest.calls, dearest.shared, dearest.faults
	}
}

// entities adds the cost of representations. One whose selected fields are all given by its key is not read.
func (e *estimation) entities(list []scalar.Representation, g *selection.Group, at selectionContext) {
	all, read := map[string]int{}, map[string]int{}
	fields := map[string][]*selection.Group{}
	for _, r := range list {
		name := string(r.Type)
		if all[name]++; all[name] == 1 {
			fields[name] = e.Collect(name, g.Selections)
		}
		if slices.ContainsFunc(fields[name], func(f *selection.Group) bool { return !r.Gives(f.Field.Name) }) {
			read[name]++
		}
	}
	e.nodes(read, at.path, 1)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		at.parents = float64(all[name])
		e.selections(name, g.Selections, at)
	}
}

func (e *estimation) schema() *ast.Schema { return e.Estimator.Schema }

func (e *estimation) price() float64 {
	sum := e.points
	for _, f := range e.calls {
		sum += CallPoints * float64(f.Calls)
	}
	return sum
}

// nodes adds the calls that reading objects by their global ids takes.
func (e *estimation) nodes(ids map[string]int, path string, times float64) {
	for _, name := range slices.Sorted(maps.Keys(ids)) {
		for _, c := range e.types[name].calls {
			e.add(c, path, c.max, times*float64(ids[name]))
		}
	}
}

// slice returns the length that a slicing argument sets for the field's list, or for those of its connection. Null is
// the argument's default: resolvers take it so.
func (e *estimation) slice(f *ast.Field, def *ast.FieldDefinition, args map[string]any,
	cost fieldCost) (float64, bool) {
	longest, found := 0.0, false
	for _, name := range cost.slicing {
		if e.IsUnbound(f, name) {
			longest, found = max(longest, longestList(def, name)), true
			continue
		}
		v := args[name]
		if v == nil {
			v = selection.DefaultOf(def.Arguments.ForName(name))
		}
		if list, isList := v.([]any); isList {
			longest, found = max(longest, float64(len(list))), true
		} else if n, isNumber := selection.Number(v); isNumber {
			longest, found = max(longest, float64(n)), true
		}
	}
	if len(cost.slicing) > 0 && !found {
		return cost.assumed, true
	}
	return longest, found
}

// openList is the greatest length of a list that a variable of unknown value sets.
const openList = 100

// longestList is the most that a slicing argument can be.
func longestList(def *ast.FieldDefinition, name string) float64 {
	if d := def.Arguments.ForName(name).Directives.ForName("range"); d != nil {
		return float64(selection.IntArgument(d, "max"))
	}
	return openList
}

func (e *estimation) call(f *ast.Field, args map[string]any, calls []callCost, at selectionContext) {
	for _, c := range calls {
		most := c.max
		if args["after"] == nil && !e.IsUnbound(f, "after") {
			most = c.atStart
		}
		e.add(c, at.path, most, at.parents)
	}
}

func (e *estimation) add(c callCost, path string, most, objects float64) {
	if objects == 0 || most == 0 {
		return
	}
	if c.operation {
		e.addShared(FieldCalls{Path: path, Backend: c.backend}, "", objects, func(objects float64) float64 {
			return min(c.base+objects, c.max)
		})
		return
	}
	e.calls = append(e.calls, FieldCalls{path, c.backend, points(most * objects)})
	if c.list != "" {
		e.addShared(FieldCalls{Path: path, Backend: c.backend}, c.list, objects, scannedPages)
	}
}

// scannedPages is how many pages of a list may be read before it turns out to be too long. For one object none is.
func scannedPages(objects float64) float64 {
	if objects < 2 {
		return 0
	}
	return min(objects, maxPages)
}

// addShared adds objects to those that share calls; the first field that makes some has them.
func (e *estimation) addShared(f FieldCalls, list string, objects float64, calls func(objects float64) float64) {
	key := f.Backend + " " + list
	t := e.shared[key]
	t.objects = min(t.objects+objects, maxPoints)
	if f.Calls = points(calls(t.objects)); f.Calls > 0 && t.index == 0 {
		e.calls = append(e.calls, f)
		t.index = len(e.calls)
	} else if f.Calls > 0 {
		known := &e.calls[t.index-1]
		known.Calls = max(known.Calls, f.Calls)
	}
	e.shared[key] = t
}

// TotalCalls returns the most calls that the operation can make to all backends.
func (e *Estimate) TotalCalls() int64 { return total(e.Calls) }
