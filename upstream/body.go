package upstream

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/learngraph/learngraph/inflight"
)

// partSize is the size of the buffers into which a body without a declared length is read, in bytes. Buffers of one
// size can be used again, and a long body is copied once, where a buffer that doubles would be copied at each step and
// be up to three times as large as the answer.
const partSize = 32 << 10

var spareParts = sync.Pool{New: func() any { return new([partSize]byte) }}

// parts is a body while it is read. Its bytes are counted in held before they are allocated.
type parts struct {
	held   *inflight.Hold
	first  []byte // of the declared length; nil without one
	pooled []*[partSize]byte
	last   int // how much of the last buffer is used
	length int
}

// errTooLarge means that a body is larger than its bound.
var errTooLarge = errors.New("the body is larger than its bound")

// readAll reads a body to its end. Its error is errTooLarge for one of more than limit bytes, and errOverMemory where
// held has no room for it.
func readAll(r io.Reader, declared, limit int64, held *inflight.Hold) ([]byte, error) {
	p := &parts{held: held}
	defer p.free()
	if declared > 0 && !p.declare(int(min(declared, limit))) {
		return nil, errOverMemory
	}
	for {
		space := p.space()
		if space == nil {
			return nil, errOverMemory
		}
		n, err := r.Read(space)
		p.last += n
		p.length += n
		switch {
		case int64(p.length) > limit:
			return nil, errTooLarge
		case err == io.EOF:
			return p.join()
		case err != nil:
			return nil, err
		}
	}
}

// declare allocates a buffer for the whole body, and a little more so that its end is found by the same read.
func (p *parts) declare(length int) bool {
	if !p.held.Grow(int64(length) + bytes.MinRead) {
		return false
	}
	p.first = newBody(length + bytes.MinRead)
	return true
}

// Bodies of these sizes, in bytes, are used again: those of single records, and large ones, which cost as much to clear
// as to read. A longer one would hold its memory for too short answers.
const (
	smallSpare = 4 << 10
	leastSpare = 64 << 10
	mostSpare  = 8 << 20
)

var (
	spareBodies sync.Pool
	spareSmall  = sync.Pool{New: func() any { return new([smallSpare]byte) }}
)

func newBody(length int) []byte {
	if length <= smallSpare {
		return spareSmall.Get().(*[smallSpare]byte)[:length]
	}
	if length >= leastSpare && length <= mostSpare {
		if spare, ok := spareBodies.Get().(*[]byte); ok && cap(*spare) >= length {
			return (*spare)[:length]
		}
	}
	return make([]byte, length)
}

// discard ends the use of the body. Nothing that was made of it refers to it: documents have a text of their own.
func (r *Response) discard() {
	switch n := cap(r.Body); {
	case n == smallSpare:
		spareSmall.Put((*[smallSpare]byte)(r.Body[:n]))
	case n >= leastSpare && n <= mostSpare:
		body := r.Body
		spareBodies.Put(&body)
	}
	r.Body = nil
}

// space returns where the next bytes belong, nil where there is no room for more.
func (p *parts) space() []byte {
	current := p.first
	if n := len(p.pooled); n > 0 {
		current = p.pooled[n-1][:]
	}
	if p.last < len(current) {
		return current[p.last:]
	}
	if !p.held.Grow(partSize) {
		return nil
	}
	next := spareParts.Get().(*[partSize]byte)
	p.pooled, p.last = append(p.pooled, next), 0
	return next[:]
}

// join returns the body as one, and has held count that alone.
func (p *parts) join() ([]byte, error) {
	if len(p.pooled) == 0 {
		return p.first[:p.length], nil
	}
	if !p.held.Grow(int64(p.length)) { // both live while one is copied
		return nil, errOverMemory
	}
	body := append(make([]byte, 0, p.length), p.first...)
	for _, part := range p.pooled {
		body = append(body, part[:min(partSize, p.length-len(body))]...)
	}
	p.free()
	p.held.Resize(int64(p.length))
	return body, nil
}

// free returns the buffers to the pool.
func (p *parts) free() {
	for _, part := range p.pooled {
		spareParts.Put(part)
	}
	p.pooled = nil
}
