package gateway

import (
	"crypto/sha256"
	"encoding/json"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/engine"
	"github.com/vektah/gqlparser/v2/ast"
)

// validDocument is a valid document with the constants of its operations.
type validDocument struct {
	*ast.QueryDocument
	text      [sha256.Size]byte // digest of its text
	constants sync.Map          // *constants by *ast.OperationDefinition
}

func newDocument(doc *ast.QueryDocument, text string) *validDocument {
	return &validDocument{QueryDocument: doc, text: sha256.Sum256([]byte(text))}
}

// constants are what is the same in all executions of an operation.
type constants struct {
	question [sha256.Size]byte // digest of the document's text and the operation's name
	claims   bool              // the answer can hold personal claims
	// fixed is set if variables decide nothing of the cost, as long as each has a value.
	fixed bool
	cost  atomic.Pointer[Cost] // of a fixed one; nobody changes it
}

func (d *validDocument) constantsOf(op *ast.OperationDefinition, c *costs) *constants {
	if known, ok := d.constants.Load(op); ok {
		return known.(*constants)
	}
	k := &constants{question: sha256.Sum256(append(d.text[:], op.Name...)), claims: selectsClaims(op)}
	k.fixed = !c.varies(op.SelectionSet, map[*ast.FragmentDefinition]bool{})
	known, _ := d.constants.LoadOrStore(op, k)
	return known.(*constants)
}

// prepared is an operation that is ready to be executed.
type prepared struct {
	*graphql.OperationContext
	*constants
	onError engine.OnError
	asks    string // see questionKey
}

// questionKey names what a caller asks: the document, the operation, the variables and the error behavior.
func (p *prepared) questionKey() string {
	if p.asks != "" {
		return p.asks
	}
	key := p.question
	if len(p.Variables) > 0 || p.onError != engine.Propagate {
		h := sha256.New()
		h.Write(p.question[:])
		h.Write([]byte{byte(p.onError)})
		_ = json.NewEncoder(h).Encode(p.Variables)
		h.Sum(key[:0])
	}
	p.asks = string(key[:])
	return p.asks
}

// estimateOf returns the cost of an operation, which must not be changed.
func (c *costs) estimateOf(op *prepared) *Cost {
	if !op.fixed || !op.allGiven() {
		return c.estimate(op.OperationContext)
	}
	known := op.cost.Load()
	if known == nil {
		known = c.estimate(op.OperationContext)
		op.cost.Store(known)
	}
	return known
}

// allGiven reports whether each variable has a value. Where one has not, fields may fail instead of being called.
func (p *prepared) allGiven() bool {
	for _, def := range p.Operation.VariableDefinitions {
		if p.Variables[def.Variable] == nil {
			return false
		}
	}
	return true
}

// varies reports whether variables with a value decide what a selection costs.
func (c *costs) varies(set ast.SelectionSet, seen map[*ast.FragmentDefinition]bool) bool {
	return slices.ContainsFunc(set, func(sel ast.Selection) bool {
		switch sel := sel.(type) {
		case *ast.Field:
			return conditional(sel.Directives) || c.fieldVaries(sel) || c.varies(sel.SelectionSet, seen)
		case *ast.InlineFragment:
			return conditional(sel.Directives) || c.varies(sel.SelectionSet, seen)
		case *ast.FragmentSpread:
			if conditional(sel.Directives) {
				return true
			}
			if seen[sel.Definition] {
				return false
			}
			seen[sel.Definition] = true
			return c.varies(sel.Definition.SelectionSet, seen)
		}
		return true
	})
}

func (c *costs) fieldVaries(f *ast.Field) bool {
	return slices.ContainsFunc(f.Arguments, func(arg *ast.Argument) bool {
		return c.decisive[fieldArgument{f.Name, arg.Name}] && hasVariable(arg.Value)
	})
}

// fieldArgument names an argument of all fields of a name, whichever type has them.
type fieldArgument struct{ field, argument string }

// decides notes which arguments of a field decide what it costs: those that give a list its length, continue a list, weigh by
// themselves or name objects whose types cost differently.
func (c *costs) decides(f *ast.FieldDefinition, cost fieldCost) {
	for _, arg := range f.Arguments {
		_, weighs := cost.arguments[arg.Name]
		if weighs || slices.Contains(cost.slicing, arg.Name) || slices.Contains([]string{"after", "id", "ids"}, arg.Name) {
			c.decisive[fieldArgument{f.Name, arg.Name}] = true
		}
	}
}

func conditional(directives ast.DirectiveList) bool {
	return slices.ContainsFunc(directives, func(d *ast.Directive) bool {
		return slices.ContainsFunc(d.Arguments, func(arg *ast.Argument) bool { return hasVariable(arg.Value) })
	})
}

func hasVariable(v *ast.Value) bool {
	return v.Kind == ast.Variable || slices.ContainsFunc(v.Children, func(child *ast.ChildValue) bool { return hasVariable(child.Value) })
}
