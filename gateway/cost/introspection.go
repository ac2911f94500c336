package cost

import "github.com/vektah/gqlparser/v2/ast"

// sizeIntrospection sets the real lengths of the lists of introspection: a description of the schema costs as much as
// that many objects of a backend. Where each type or field has its own list it is their mean, which is exact for the
// whole schema.
func (e *Estimator) sizeIntrospection() {
	lengths := introspectionLengths(e.Schema)
	for _, name := range []string{"__Schema", "__Type", "__Field", "__Directive"} {
		for _, f := range e.Schema.Types[name].Fields {
			if length, ok := lengths[f.Name]; ok {
				cost := e.fields[f]
				cost.assumed = length
				e.fields[f] = cost
			}
		}
	}
}

func introspectionLengths(schema *ast.Schema) map[string]float64 {
	sums := map[string]float64{}
	holders := float64(len(schema.Directives)) // of arguments
	for _, d := range schema.Directives {
		sums["args"] += float64(len(d.Arguments))
	}
	types := float64(len(schema.Types))
	for name, def := range schema.Types {
		fields := "fields"
		if def.Kind == ast.InputObject {
			fields = "inputFields"
		}
		sums[fields] += float64(len(def.Fields)) / types
		sums["interfaces"] += float64(len(def.Interfaces)) / types
		sums["enumValues"] += float64(len(def.EnumValues)) / types
		if def.IsAbstractType() {
			sums["possibleTypes"] += float64(len(schema.PossibleTypes[name])) / types
		}
		holders += float64(len(def.Fields))
		for _, f := range def.Fields {
			sums["args"] += float64(len(f.Arguments))
		}
	}
	sums["args"] /= holders
	sums["types"], sums["directives"] = types, float64(len(schema.Directives))
	return sums
}
