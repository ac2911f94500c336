package engine

import (
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

const (
	maxFields   = 50_000 // in the plans of each of the two generations
	maxVariants = 16     // plans of one operation
)

// plans keeps the plans of the operations that were used last. An operation is known by its place in memory, so a plan
// is found as long as the parsed document is kept. Two generations bound it: what is not used while the young one
// fills goes with the old one.
type plans struct {
	mu         sync.Mutex
	young, old map[*ast.OperationDefinition]*variants
	fields     int // of the young generation
}

// variants are the plans of one operation: one per assignment of the variables in its conditions, so that a plan needs
// no conditions of its own and the order of its fields is fixed.
type variants struct {
	names  []string
	plans  map[string]*Plan
	fields int
}

func (p *plans) get(schema *Schema, op *graphql.OperationContext) *Plan {
	var scratch [16]byte
	p.mu.Lock()
	v := p.variants(op.Operation)
	key := v.key(scratch[:0], op.Variables)
	plan := v.plans[string(key)]
	p.mu.Unlock()
	if plan != nil {
		return plan
	}
	plan = compile(schema, op)
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(v.plans) < maxVariants && plan.fields <= maxFields {
		v.plans[string(key)] = plan
		v.fields += plan.fields
		p.grow(plan.fields)
	}
	return plan
}

// key appends what the variables say of the conditions.
func (v *variants) key(dst []byte, variables map[string]any) []byte {
	for _, name := range v.names {
		switch b, ok := variables[name].(bool); {
		case !ok:
			dst = append(dst, '?')
		case b:
			dst = append(dst, '1')
		default:
			dst = append(dst, '0')
		}
	}
	return dst
}

func (p *plans) variants(op *ast.OperationDefinition) *variants {
	if v := p.young[op]; v != nil {
		return v
	}
	v := p.old[op]
	if v == nil {
		v = &variants{names: conditionVariables(op), plans: map[string]*Plan{}}
	}
	p.grow(1 + v.fields)
	p.young[op] = v
	return v
}

// grow makes room for so many fields in the young generation.
func (p *plans) grow(fields int) {
	if p.fields += fields; p.young == nil || p.fields > maxFields {
		p.young, p.old, p.fields = map[*ast.OperationDefinition]*variants{}, p.young, fields
	}
}
