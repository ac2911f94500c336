package task

import "context"

type workKey struct{}

// work describes the work under a context.
type work struct {
	later   bool
	waiting func()
}

// WithWork returns a context for work whose result may come later than that of other work, or not, and under which Waiting
// calls waiting.
func WithWork(ctx context.Context, later bool, waiting func()) context.Context {
	return context.WithValue(ctx, workKey{}, &work{later, waiting})
}

// Waiting reports that the work under ctx now waits for a backend. It may be called more than once, and also after the work.
func Waiting(ctx context.Context) {
	if w, ok := ctx.Value(workKey{}).(*work); ok {
		w.waiting()
	}
}

// IsLater reports whether the result of the work under ctx may come later than that of other work.
func IsLater(ctx context.Context) bool {
	w, ok := ctx.Value(workKey{}).(*work)
	return ok && w.later
}

// IsWatched reports whether Waiting has somebody to report to.
func IsWatched(ctx context.Context) bool { return ctx.Value(workKey{}) != nil }
