package requestid

import (
	"context"
	"log/slog"
	"sync"
	"unicode/utf8"

	"github.com/learngraph/learngraph/auth"
)

// Operation is the log's part about one operation.
type Operation struct {
	Name, Kind, Document, Cache string
	Code                        string // of the first error
	Cost, Calls                 int64
}

// maxName is the longest name of an operation in the log, in bytes.
const maxName = 128

// Visit is the log's part about a request besides HTTP. The operations of a batch add to it at the same time.
type Visit struct {
	mu         sync.Mutex
	caller     string // of a key its name, of a token a digest
	refused    string // why a credential was not taken
	operations int
	first      Operation // of the first operation; its code is that of the first error of all
	code       string
	cost       int64
	calls      int64
}

// VisitOf returns the visit of a request, nil where the log has none.
func VisitOf(ctx context.Context) *Visit {
	if c, ok := ctx.Value(contextKey{}).(*Context); ok {
		return &c.visit
	}
	return nil
}

// By notes the caller, or why it is not known.
func (v *Visit) By(c *auth.Caller, err error) {
	if v == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil {
		v.refused = auth.Reason(err)
	} else if c != auth.AllowAll {
		v.caller = c.Name
	}
}

// Operated notes an operation.
func (v *Visit) Operated(f *Operation) {
	if v == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.operations == 0 {
		v.first = *f
	}
	v.operations++
	v.cost += f.Cost
	v.calls += f.Calls
	if v.code == "" {
		v.code = f.Code
	}
}

// Failed notes the code of a request that has no operation.
func (v *Visit) Failed(code string) {
	if v == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.code == "" {
		v.code = code
	}
}

// EachAttr calls add with each member of a line that there is.
func (v *Visit) EachAttr(add func(slog.Attr)) {
	if v == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	text := func(name, value string) {
		if value != "" {
			add(slog.String(name, value))
		}
	}
	text("caller", v.caller)
	text("refused", v.refused)
	text("operation", Cut(v.first.Name, maxName))
	text("kind", v.first.Kind)
	text("document", v.first.Document)
	text("cache", v.first.Cache)
	text("code", v.code)
	if v.operations > 0 {
		add(slog.Int64("cost", v.cost))
		add(slog.Int64("calls", v.calls))
	}
	if v.operations > 1 {
		add(slog.Int("operations", v.operations))
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
