package engine

import (
	"context"
	"fmt"
	"sync"
)

// Buffer is where an answer is written, and how. The caller of [WithBuffer] may use it again once the answer is sent.
type Buffer struct {
	Bytes []byte
	// OnError is the operation's error behavior.
	OnError OnError
	// Max is the most bytes that an answer may have; 0 is any number.
	Max int
	// Reserve is asked for room whenever the answer takes more bytes of memory than before. Its error is that of the
	// operation, whose answer is null then. nil has room for any number.
	Reserve func(bytes int) error
}

// SizeError is the failure of an operation whose answer is larger than its Buffer allows. Writing ends at the first
// value past the bound, and Reached is where.
type SizeError struct{ Reached, Max int }

func (e *SizeError) Error() string { return fmt.Sprintf("the answer is larger than %d bytes", e.Max) }

// maxPooled is the most that a buffer in the pool holds; one huge answer must not stay for ever.
const maxPooled = 1 << 20

var buffers = sync.Pool{New: func() any { return new(Buffer) }}

// GetBuffer returns an empty buffer. It goes back with [Buffer.Free].
func GetBuffer() *Buffer { return buffers.Get().(*Buffer) }

// Free lets others use b. No one may keep its bytes, and so the Data of the answer that was written into it.
func (b *Buffer) Free() {
	if cap(b.Bytes) > maxPooled {
		return
	}
	*b = Buffer{Bytes: b.Bytes[:0]}
	buffers.Put(b)
}

type bufferKey struct{}

// WithBuffer lets the operation of ctx write its answer into b, over the previous one. The Data of the response is b's
// bytes.
func WithBuffer(ctx context.Context, b *Buffer) context.Context {
	return context.WithValue(ctx, bufferKey{}, b)
}

func bufferOf(ctx context.Context) *Buffer {
	b, _ := ctx.Value(bufferKey{}).(*Buffer)
	return b
}
