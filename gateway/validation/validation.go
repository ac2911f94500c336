// Package validation has the rules that a valid document keeps (GraphQL specification, section 5).
package validation

import (
	"github.com/learngraph/learngraph/syntax"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/core"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

// Rules returns the library's rules with ours in their place. Without suggestions no error holds a name that is not in
// the document.
func Rules(suggest bool) *rules.Rules {
	r := rules.NewDefaultRules()
	if !suggest {
		r.ReplaceRule(rules.FieldsOnCorrectTypeRule.Name, rules.FieldsOnCorrectTypeRuleWithoutSuggestions.RuleFunc)
		r.ReplaceRule(rules.ScalarLeafsRule.Name, rules.ScalarLeafsRuleWithoutSuggestions.RuleFunc)
	}
	r.ReplaceRule(rules.ValuesOfCorrectTypeRule.Name, valuesOfCorrectType(suggest))
	// The library puts the error of a name at the field, variable or fragment around it.
	r.ReplaceRule(rules.KnownArgumentNamesRule.Name, knownArguments(suggest))
	r.ReplaceRule(rules.KnownTypeNamesRule.Name, knownTypes(suggest))
	r.ReplaceRule(rules.KnownFragmentNamesRule.Name, knownFragments)
	r.ReplaceRule(rules.UniqueFragmentNamesRule.Name, uniqueFragments)
	r.ReplaceRule(rules.UniqueOperationNamesRule.Name, uniqueOperations)
	r.ReplaceRule(rules.FragmentsOnCompositeTypesRule.Name, compositeConditions)
	r.ReplaceRule(rules.VariablesAreInputTypesRule.Name, inputVariables)
	return r
}

// knownArguments is the specification's section 5.4.1.
func knownArguments(suggest bool) core.RuleFunc {
	return func(observers *core.Events, addError core.AddErrFunc) {
		check := func(given ast.ArgumentList, defs ast.ArgumentDefinitionList, of string) {
			for _, arg := range given {
				if defs.ForName(arg.Name) != nil {
					continue
				}
				options := []core.ErrorOption{core.Message(`Unknown argument "%s" on %s.`, arg.Name, of), core.At(arg.Position)}
				if suggest {
					names := make([]string, len(defs))
					for i, def := range defs {
						names[i] = def.Name
					}
					options = append(options, core.SuggestListQuoted("Did you mean", arg.Name, names))
				}
				addError(options...)
			}
		}
		observers.OnField(func(_ *core.Walker, f *ast.Field) {
			if f.Definition != nil && f.ObjectDefinition != nil {
				check(f.Arguments, f.Definition.Arguments, `field "`+f.ObjectDefinition.Name+"."+f.Name+`"`)
			}
		})
		observers.OnDirective(func(_ *core.Walker, d *ast.Directive) {
			if d.Definition != nil {
				check(d.Arguments, d.Definition.Arguments, `directive "@`+d.Name+`"`)
			}
		})
	}
}

// knownTypes is the specification's section 5.5.1.2, also for the types of variables.
func knownTypes(suggest bool) core.RuleFunc {
	return func(observers *core.Events, addError core.AddErrFunc) {
		check := func(w *core.Walker, name string, at *ast.Position) {
			if w.Schema.Types[name] != nil {
				return
			}
			options := []core.ErrorOption{core.Message(`Unknown type "%s".`, name), core.At(at)}
			if suggest {
				names := make([]string, 0, len(w.Schema.Types))
				for known := range w.Schema.Types {
					names = append(names, known)
				}
				options = append(options, core.SuggestListQuoted("Did you mean", name, names))
			}
			addError(options...)
		}
		observers.OnVariable(func(w *core.Walker, v *ast.VariableDefinition) {
			t := v.Type
			for t.Elem != nil {
				t = t.Elem
			}
			check(w, t.NamedType, t.Position)
		})
		observers.OnInlineFragment(func(w *core.Walker, f *ast.InlineFragment) {
			if f.TypeCondition != "" {
				check(w, f.TypeCondition, syntax.NameAfter(f.Position, "on"))
			}
		})
		observers.OnFragment(func(w *core.Walker, f *ast.FragmentDefinition) {
			check(w, f.TypeCondition, syntax.NameAfter(f.Position, "on"))
		})
	}
}

// knownFragments is the specification's section 5.5.2.1.
func knownFragments(observers *core.Events, addError core.AddErrFunc) {
	observers.OnFragmentSpread(func(_ *core.Walker, f *ast.FragmentSpread) {
		if f.Definition == nil {
			addError(core.Message(`Unknown fragment "%s".`, f.Name), core.At(syntax.NameAfter(f.Position, "")))
		}
	})
}

// compositeConditions is the specification's section 5.5.1.3.
func compositeConditions(observers *core.Events, addError core.AddErrFunc) {
	check := func(w *core.Walker, condition, fragment string, at *ast.Position) {
		if def := w.Schema.Types[condition]; def != nil && !def.IsCompositeType() {
			addError(core.Message(`%s cannot condition on non composite type "%s".`, fragment, condition),
				core.At(syntax.NameAfter(at, "on")))
		}
	}
	observers.OnInlineFragment(func(w *core.Walker, f *ast.InlineFragment) {
		check(w, f.TypeCondition, "Fragment", f.Position)
	})
	observers.OnFragment(func(w *core.Walker, f *ast.FragmentDefinition) {
		check(w, f.TypeCondition, `Fragment "`+f.Name+`"`, f.Position)
	})
}

// inputVariables is the specification's section 5.8.2.
func inputVariables(observers *core.Events, addError core.AddErrFunc) {
	observers.OnVariable(func(_ *core.Walker, v *ast.VariableDefinition) {
		if v.Definition != nil && !v.Definition.IsInputType() {
			addError(core.Message(`Variable "$%s" cannot be non-input type "%s".`, v.Variable, v.Type), core.At(v.Type.Position))
		}
	})
}

// uniqueFragments is the specification's section 5.5.1.1.
func uniqueFragments(observers *core.Events, addError core.AddErrFunc) {
	first := map[string]*ast.Position{}
	observers.OnFragment(func(_ *core.Walker, f *ast.FragmentDefinition) {
		unique(first, "fragment", f.Name, syntax.NameAfter(f.Position, "fragment"), addError)
	})
}

// uniqueOperations is the specification's section 5.2.2.1.
func uniqueOperations(observers *core.Events, addError core.AddErrFunc) {
	first := map[string]*ast.Position{}
	observers.OnOperation(func(_ *core.Walker, op *ast.OperationDefinition) {
		if op.Name != "" {
			unique(first, "operation", op.Name, syntax.NameAfter(op.Position, string(op.Operation)), addError)
		}
	})
}

func unique(first map[string]*ast.Position, kind, name string, at *ast.Position, addError core.AddErrFunc) {
	if known := first[name]; known != nil {
		addError(core.Message(`There can be only one %s named "%s".`, kind, name), core.At(known), core.At(at))
	} else {
		first[name] = at
	}
}
