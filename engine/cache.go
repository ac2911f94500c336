package engine

import (
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/lru"
	"github.com/vektah/gqlparser/v2/ast"
)

// DefaultPlans is how many bytes plans may take where no other bound is set.
const DefaultPlans = 64 << 20

const (
	maxVariants = 16 // plans of one operation
	// fieldSize is the approximate size of a field in a plan, planSize that of an operation besides, in bytes, with the
	// parsed operation, which lives as long as its plans.
	fieldSize = 700
	planSize  = 1<<10 - lru.EntryOverhead
)

// plans keeps the plans of the operations that were used last. An operation is known by its place in memory, so a plan
// is found as long as the parsed document is kept.
type plans = lru.Cache[planned, *variants]

// planned is an operation, and how its answer is delivered.
type planned struct {
	op     *ast.OperationDefinition
	format Format
}

// variants are the plans of one operation: one per assignment of the variables in its conditions, so that a plan needs
// no conditions of its own and the order of its fields is fixed.
type variants struct {
	names []string

	mu    sync.Mutex
	plans map[string]*Plan
	size  int
}

// Plan returns the plan of an operation that is validated and whose variables are coerced, for an answer that is
// delivered whole.
func (e *Engine) Plan(op *graphql.OperationContext) *Plan { return e.plan(op, Whole) }

func (e *Engine) plan(op *graphql.OperationContext, format Format) *Plan {
	of := planned{op.Operation, format}
	v, ok := e.plans().Get(of)
	if !ok {
		v = &variants{names: conditionVariables(op.Operation, format), plans: map[string]*Plan{}, size: planSize}
	}
	var scratch [16]byte
	key := v.key(scratch[:0], op.Variables)
	v.mu.Lock()
	defer v.mu.Unlock()
	plan := v.plans[string(key)]
	if plan == nil {
		plan = compile(e.schema, op, format)
		if len(v.plans) < maxVariants {
			v.plans[string(key)] = plan
			v.size += plan.weight * fieldSize
			e.plans().Put(of, v, v.size)
		}
	}
	return plan
}

// key appends the values of the variables in conditions. A null is neither true nor false: a plan has an error there.
// One that is not given has the default of its directive.
func (v *variants) key(dst []byte, variables map[string]any) []byte {
	for _, name := range v.names {
		switch value, given := variables[name]; {
		case value == true:
			dst = append(dst, 1)
		case value == false:
			dst = append(dst, 0)
		case given:
			dst = append(dst, 2)
		default:
			dst = append(dst, 3)
		}
	}
	return dst
}
