package task

import "context"

type workKey struct{}

// Work describes the work under a context.
type Work struct {
	// Later is set if the result may come later than that of other work.
	Later bool
	// Singly is set if the work is on one of several values that are wanted each as soon as it is there.
	Singly bool
	// Waits is called when the work begins to wait for a backend, and when it goes on. It may be called more than once,
	// and also after the work.
	Waits func(waiting bool)
}

// WithWork returns the context of work.
func WithWork(ctx context.Context, w Work) context.Context {
	return context.WithValue(ctx, workKey{}, &w)
}

func workOf(ctx context.Context) *Work {
	w, _ := ctx.Value(workKey{}).(*Work)
	return w
}

// Waiting reports that the work under ctx now waits for a backend.
func Waiting(ctx context.Context) {
	if w := workOf(ctx); w != nil {
		w.Waits(true)
	}
}

// Resumed reports that the work under ctx no longer waits.
func Resumed(ctx context.Context) {
	if w := workOf(ctx); w != nil {
		w.Waits(false)
	}
}

// IsLater reports whether the result of the work under ctx may come later than that of other work.
func IsLater(ctx context.Context) bool {
	w := workOf(ctx)
	return w != nil && w.Later
}

// IsSingly reports whether the work under ctx is on one of several values that are wanted each as soon as it is there.
func IsSingly(ctx context.Context) bool {
	w := workOf(ctx)
	return w != nil && w.Singly
}

// IsWatched reports whether the work under ctx has to report that it waits.
func IsWatched(ctx context.Context) bool { return workOf(ctx) != nil }
