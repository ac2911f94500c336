package validation

import (
	"github.com/learngraph/learngraph/gateway/selection"
	"github.com/learngraph/learngraph/syntax"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// deliveryRules are the validation rules of @defer and @stream. The document is valid otherwise.
type deliveryRules struct {
	labels map[string]bool
	errs   gqlerror.List
}

// CheckDeliveryDirectives returns the errors of @defer and @stream in a document.
func CheckDeliveryDirectives(doc *ast.QueryDocument) gqlerror.List {
	r := &deliveryRules{labels: map[string]bool{}}
	sets := make([]ast.SelectionSet, len(doc.Operations)) // which use all fragments
	for i, op := range doc.Operations {
		sets[i] = op.SelectionSet
	}
	found, streams := false, false
	for sel := range syntax.Selections(sets...) {
		d := selection.DeliveryDirective(sel)
		if d == nil {
			continue
		}
		found, streams = true, streams || d.Name == "stream"
		r.checkLabel(d)
		if f, ok := sel.(*ast.Field); ok && f.Definition != nil && f.Definition.Type.Elem == nil {
			r.fail(d, `Directive "@stream" cannot be used on non-list field "%s".`, f.Name)
		}
	}
	if !found {
		return nil
	}
	for _, op := range doc.Operations {
		if op.Operation != ast.Query {
			r.checkRoot(op)
		}
		if op.Operation == ast.Subscription {
			r.checkSubscription(op)
		}
		if streams {
			r.checkMerged([]ast.SelectionSet{op.SelectionSet})
		}
	}
	return r.errs
}

func (r *deliveryRules) fail(d *ast.Directive, format string, args ...any) {
	r.errs = append(r.errs, gqlerror.ErrorPosf(d.Position, format, args...))
}

func (r *deliveryRules) checkLabel(d *ast.Directive) {
	label := d.Arguments.ForName("label")
	switch {
	case label == nil || label.Value.Kind == ast.NullValue:
	case label.Value.Kind != ast.StringValue && label.Value.Kind != ast.BlockValue:
		r.fail(d, `Argument "@%s(label:)" must be a static string.`, d.Name)
	case r.labels[label.Value.Raw]:
		r.fail(d, `The label "%s" is used by another "@defer" or "@stream".`, label.Value.Raw)
	default:
		r.labels[label.Value.Raw] = true
	}
}

// checkRoot refuses parts of the root of a mutation, and of a subscription unless they are switched off.
func (r *deliveryRules) checkRoot(op *ast.OperationDefinition) {
	for sel := range syntax.Level(op.SelectionSet) {
		if d := selection.DeliveryDirective(sel); d != nil && !(op.Operation == ast.Subscription && isOff(d, false)) {
			r.fail(d, `Directive "@%s" cannot be used on the root of a %s.`, d.Name, op.Operation)
		}
	}
}

// checkSubscription refuses every part of a subscription that cannot be switched off.
func (r *deliveryRules) checkSubscription(op *ast.OperationDefinition) {
	for sel := range syntax.Selections(op.SelectionSet) {
		if d := selection.DeliveryDirective(sel); d != nil && !isOff(d, true) {
			r.fail(d, `Directive "@%s" is not supported on subscriptions. Disable it by setting the "if" argument to false.`,
				d.Name)
		}
	}
}

// isOff reports whether the argument if is false, or may be by a variable.
func isOff(d *ast.Directive, variable bool) bool {
	arg := d.Arguments.ForName("if")
	if arg == nil {
		return false
	}
	return arg.Value.Kind == ast.BooleanValue && arg.Value.Raw == "false" || variable && arg.Value.Kind == ast.Variable
}

// checkMerged refuses fields of one response key that differ in their @stream. The size of the operation with its
// fragments written out bounds the time.
func (r *deliveryRules) checkMerged(sets []ast.SelectionSet) {
	var keys []string
	fields := map[string][]*ast.Field{}
	for sel := range syntax.Level(sets...) {
		if f, ok := sel.(*ast.Field); ok {
			if fields[f.Alias] == nil {
				keys = append(keys, f.Alias)
			}
			fields[f.Alias] = append(fields[f.Alias], f)
		}
	}
	for _, key := range keys {
		var below []ast.SelectionSet
		for _, f := range fields[key] {
			if d, first := f.Directives.ForName("stream"), fields[key][0].Directives.ForName("stream"); !sameStream(d, first) {
				r.errs = append(r.errs, gqlerror.ErrorPosf(f.Position,
					`Fields "%s" conflict because they differ in "@stream". Use different aliases on the fields to fetch both if this was intentional.`, key))
				break
			}
			if len(f.SelectionSet) > 0 {
				below = append(below, f.SelectionSet)
			}
		}
		if len(below) > 0 {
			r.checkMerged(below)
		}
	}
}

func sameStream(a, b *ast.Directive) bool {
	if a == nil || b == nil {
		return a == b
	}
	for _, name := range []string{"if", "label", "initialCount"} {
		x, y := a.Arguments.ForName(name), b.Arguments.ForName(name)
		if (x == nil) != (y == nil) || x != nil && x.Value.String() != y.Value.String() {
			return false
		}
	}
	return true
}
