package engine

import (
	"cmp"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

// DefaultPlans is how many bytes plans may take where no other bound is set.
const DefaultPlans = 64 << 20

const (
	maxVariants = 16 // plans of one operation
	// fieldSize and planSize are about what a plan takes for each of its fields and besides, in bytes, with the parsed
	// operation, which lives as long as its plans.
	fieldSize = 700
	planSize  = 1 << 10
)

// plans keeps the plans of the operations that were used last. An operation is known by its place in memory, so a plan
// is found as long as the parsed document is kept. Two generations bound it: what is not used while the young one
// fills goes with the old one.
type plans struct {
	mu         sync.Mutex
	young, old map[*ast.OperationDefinition]*variants
	size       int64 // of the young generation, in bytes
	held       int64 // of both, as it was reserved
	closed     bool
}

// variants are the plans of one operation: one per assignment of the variables in its conditions, so that a plan needs
// no conditions of its own and the order of its fields is fixed.
type variants struct {
	names []string
	plans map[string]*Plan
	size  int64
}

func (p *plans) get(e *Engine, op *graphql.OperationContext) *Plan {
	var scratch [16]byte
	p.mu.Lock()
	v := p.variants(e, op.Operation)
	key := v.key(scratch[:0], op.Variables)
	plan := v.plans[string(key)]
	p.mu.Unlock()
	if plan != nil {
		return plan
	}
	plan = compile(e.schema, op)
	size := int64(plan.fields) * fieldSize
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(v.plans) < maxVariants && size <= e.generation() {
		v.plans[string(key)] = plan
		v.size += size
		p.grow(e, size)
	}
	return plan
}

// generation is how many bytes one of the two generations may take.
func (e *Engine) generation() int64 { return cmp.Or(e.MaxPlans, DefaultPlans) / 2 }

// key appends what the variables say of the conditions. A null is neither true nor false: a plan has an error there.
func (v *variants) key(dst []byte, variables map[string]any) []byte {
	for _, name := range v.names {
		switch variables[name] {
		case true:
			dst = append(dst, 1)
		case false:
			dst = append(dst, 0)
		default:
			dst = append(dst, 2)
		}
	}
	return dst
}

func (p *plans) variants(e *Engine, op *ast.OperationDefinition) *variants {
	if v := p.young[op]; v != nil {
		return v
	}
	v := p.old[op]
	if v == nil {
		v = &variants{names: conditionVariables(op), plans: map[string]*Plan{}, size: planSize}
	}
	if !p.closed {
		p.grow(e, v.size)
		p.young[op] = v
	}
	return v
}

// grow makes room for so many bytes in the young generation. A plan that both generations hold counts twice.
func (p *plans) grow(e *Engine, size int64) {
	if p.closed {
		return
	}
	if p.size += size; p.young == nil || p.size > e.generation() {
		p.young, p.old, p.size = map[*ast.OperationDefinition]*variants{}, p.young, size
		held := size
		for _, v := range p.old {
			held += v.size
		}
		p.reserve(e, held)
		return
	}
	p.reserve(e, p.held+size)
}

// reserve reports the bytes that are held now.
func (p *plans) reserve(e *Engine, held int64) {
	if by := held - p.held; by != 0 && e.Reserve != nil {
		e.Reserve(by)
	}
	p.held = held
}
