package incremental

import (
	"bytes"
	"encoding/json"

	"github.com/learngraph/learngraph/engine"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// object writes a JSON object.
type object struct{ bytes.Buffer }

func (o *object) name(name string) {
	if o.Len() == 0 || o.Bytes()[o.Len()-1] != '{' {
		o.WriteByte(',')
	}
	o.WriteString(`"` + name + `":`)
}

func (o *object) raw(name string, text []byte) {
	o.name(name)
	o.Write(text)
}

func (o *object) member(name string, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		text = []byte("null")
	}
	o.raw(name, text)
}

func (o *object) path(name string, path ast.Path) {
	if path == nil {
		path = ast.Path{}
	}
	o.member(name, path)
}

func (o *object) label(label *string) {
	if label != nil {
		o.member("label", *label)
	}
}

func (o *object) errors(errs gqlerror.List) {
	if len(errs) > 0 {
		o.member("errors", errs)
	}
}

// list writes an array.
func list[T any](o *object, name string, items []T, write func(T)) {
	o.name(name)
	o.WriteByte('[')
	for i, item := range items {
		if i > 0 {
			o.WriteByte(',')
		}
		o.WriteByte('{')
		write(item)
		o.WriteByte('}')
	}
	o.WriteByte(']')
}

// First returns the frame of the first payload, which others follow.
func (p Protocol) First(data []byte, errs gqlerror.List, first *engine.Payload) []byte {
	o := &object{}
	o.WriteByte('{')
	o.raw("data", data)
	o.errors(errs)
	if p.Format() == engine.Deduplicated {
		pending(o, first.Pending)
	}
	payload := o.end(first.HasNext, nil)
	if p == Events {
		return p.frame(payload, false)
	}
	return p.appendFrame([]byte(opening), payload, false)
}

// Next returns the frame of a later payload.
func (p Protocol) Next(payload *engine.Payload, extensions map[string]any) []byte {
	o := &object{}
	o.WriteByte('{')
	if p.Format() == engine.Branching {
		branching(o, payload)
	} else {
		deduplicated(o, payload)
	}
	return p.frame(o.end(payload.HasNext, extensions), !payload.HasNext)
}

func (o *object) end(hasNext bool, extensions map[string]any) []byte {
	if len(extensions) > 0 {
		o.member("extensions", extensions)
	}
	o.member("hasNext", hasNext)
	o.WriteByte('}')
	return o.Bytes()
}

func pending(o *object, announced []engine.Pending) {
	if len(announced) == 0 {
		return
	}
	list(o, "pending", announced, func(p engine.Pending) {
		o.member("id", p.ID)
		o.path("path", p.Path)
		o.label(p.Label)
	})
}

func deduplicated(o *object, payload *engine.Payload) {
	pending(o, payload.Pending)
	if len(payload.Incremental) > 0 {
		list(o, "incremental", payload.Incremental, func(i engine.Increment) {
			o.member("id", i.ID)
			if len(i.SubPath) > 0 {
				o.path("subPath", i.SubPath)
			}
			o.content(i)
			o.errors(i.Errors)
		})
	}
	if len(payload.Completed) > 0 {
		list(o, "completed", payload.Completed, func(c engine.Completed) {
			o.member("id", c.ID)
			o.errors(c.Errors)
		})
	}
}

func (o *object) content(i engine.Increment) {
	if i.Items == nil {
		o.raw("data", i.Data)
		return
	}
	o.name("items")
	o.WriteByte('[')
	for n, item := range i.Items {
		if n > 0 {
			o.WriteByte(',')
		}
		o.Write(item)
	}
	o.WriteByte(']')
}

// branching names a pending result by its path and label. One that ended with an error is null.
func branching(o *object, payload *engine.Payload) {
	type entry struct {
		increment *engine.Increment
		failed    *engine.Completed
	}
	var entries []entry
	for i := range payload.Incremental {
		entries = append(entries, entry{increment: &payload.Incremental[i]})
	}
	for i := range payload.Completed {
		if len(payload.Completed[i].Errors) > 0 {
			entries = append(entries, entry{failed: &payload.Completed[i]})
		}
	}
	list(o, "incremental", entries, func(e entry) {
		if e.failed != nil {
			o.raw(map[bool]string{false: "data", true: "items"}[e.failed.List], []byte("null"))
			o.path("path", e.failed.Path)
			o.label(e.failed.Label)
			o.errors(e.failed.Errors)
			return
		}
		o.content(*e.increment)
		o.path("path", e.increment.Path)
		o.label(e.increment.Label)
		o.errors(e.increment.Errors)
	})
}
