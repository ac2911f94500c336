package cost

import (
	"slices"
	"sync/atomic"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/syntax"
	"github.com/vektah/gqlparser/v2/ast"
)

// Constant is the part of an operation's cost that does not depend on its variables.
type Constant struct {
	// fixed is set if variables decide nothing of the cost, as long as each has a value.
	fixed bool
	cost  atomic.Pointer[Estimate] // of a fixed one; it is not changed
}

// Constant returns the constant part of an operation's cost, which is computed when it is first needed.
func (e *Estimator) Constant(op *ast.OperationDefinition) *Constant {
	return &Constant{fixed: !e.varies(op)}
}

// EstimateConstant returns the cost of an operation, which must not be changed.
func (e *Estimator) EstimateConstant(op *graphql.OperationContext, constant *Constant) *Estimate {
	if !constant.fixed || !allGiven(op) {
		return e.estimate(op)
	}
	known := constant.Known()
	if known == nil {
		known = e.estimate(op)
		constant.cost.Store(known)
	}
	return known
}

// Known returns the cost once an execution computed it and variables do not decide it, else nil.
func (c *Constant) Known() *Estimate { return c.cost.Load() }

// allGiven reports whether each variable has a value. Where one has not, fields may fail instead of being called.
func allGiven(op *graphql.OperationContext) bool {
	for _, def := range op.Operation.VariableDefinitions {
		if op.Variables[def.Variable] == nil {
			return false
		}
	}
	return true
}

// varies reports whether the cost of an operation depends on variables with a value.
func (e *Estimator) varies(op *ast.OperationDefinition) bool {
	for sel := range syntax.Selections(op.SelectionSet) {
		if f, ok := sel.(*ast.Field); conditional(syntax.Directives(sel)) || ok && e.fieldVaries(f) {
			return true
		}
	}
	return false
}

func (e *Estimator) fieldVaries(f *ast.Field) bool {
	return slices.ContainsFunc(f.Arguments, func(arg *ast.Argument) bool {
		return e.costArguments[fieldArgument{f.Name, arg.Name}] && hasVariable(arg.Value)
	})
}

// fieldArgument names an argument of all fields of a name, whichever type has them.
type fieldArgument struct{ field, argument string }

// decides notes the arguments of a field that affect its cost: those that set the length of a list, continue a list,
// weigh by themselves or name objects whose types cost differently.
func (e *Estimator) decides(f *ast.FieldDefinition, cost fieldCost) {
	for _, arg := range f.Arguments {
		_, weighs := cost.arguments[arg.Name]
		if weighs || slices.Contains(cost.slicing, arg.Name) ||
			slices.Contains([]string{"after", "id", "ids", "representations"}, arg.Name) {
			e.costArguments[fieldArgument{f.Name, arg.Name}] = true
		}
	}
}

func conditional(directives ast.DirectiveList) bool {
	return slices.ContainsFunc(directives, func(d *ast.Directive) bool {
		return slices.ContainsFunc(d.Arguments, func(arg *ast.Argument) bool { return hasVariable(arg.Value) })
	})
}

func hasVariable(v *ast.Value) bool {
	return v.Kind == ast.Variable || slices.ContainsFunc(v.Children, func(child *ast.ChildValue) bool {
		return hasVariable(child.Value)
	})
}
