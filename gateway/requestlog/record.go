package requestlog

import (
	"context"
	"sync"
	"unicode/utf8"

	"github.com/learngraph/learngraph/auth"
)

// maxName is the longest name of an operation in the log, in bytes.
const maxName = 128

// Record is the log's part about a request besides HTTP. The operations of a batch add to it at the same time.
type Record struct {
	mu         sync.Mutex
	caller     string // of a key its name, of a token a digest
	refused    string // why a credential was not taken
	operations int
	first      Operation
	code       string // of the first error of all
	cost       int64
	calls      int64
}

// Of returns the record of a request, nil where the log has none.
func Of(ctx context.Context) *Record {
	if c, ok := ctx.Value(contextKey{}).(*Context); ok {
		return &c.record
	}
	return nil
}

// By notes the caller, or why it is not known.
func (r *Record) By(c *auth.Caller, err error) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.refused = auth.Reason(err)
	} else if c != auth.AllowAll {
		r.caller = c.Name
	}
}

// Add notes an operation.
func (r *Record) Add(o *Operation) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.operations == 0 {
		r.first = *o
	}
	r.operations++
	r.cost += o.Cost
	r.calls += o.Calls
	if r.code == "" && len(o.Codes) > 0 {
		r.code = o.Codes[0]
	}
}

// Failed notes the code of a request that has no operation.
func (r *Record) Failed(code string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.code == "" {
		r.code = code
	}
}

// Line takes the members of a request's line in the log, in their order.
type Line interface {
	Text(name, value string)
	Number(name string, value int64)
}

// AddTo adds the members that there are to a line.
func (r *Record) AddTo(line Line) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	text := func(name, value string) {
		if value != "" {
			line.Text(name, value)
		}
	}
	text("caller", r.caller)
	text("refused", r.refused)
	text("operation", Cut(r.first.Name, maxName))
	text("kind", r.first.Kind)
	text("document", r.first.Document)
	text("cache", r.first.Cache)
	text("code", r.code)
	if r.operations > 0 {
		line.Number("cost", r.cost)
		line.Number("calls", r.calls)
	}
	if r.operations > 1 {
		line.Number("operations", int64(r.operations))
	}
}

// Cut returns the first bytes of a text, without a part of a character at its end.
func Cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}
