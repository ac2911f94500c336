package upstream

import "context"

// Purpose is what a call is made for, as far as whoever asks can say.
type Purpose struct {
	// Path leads to the field that waits for it, with dots and without indexes.
	Path string
	// BatchSize is how many keys were asked for at once.
	BatchSize int
}

type purposeKey struct{}

// WithPurpose gives the calls under the returned context their purpose.
func WithPurpose(ctx context.Context, p Purpose) context.Context {
	return context.WithValue(ctx, purposeKey{}, p)
}

func purposeOf(ctx context.Context) Purpose {
	p, _ := ctx.Value(purposeKey{}).(Purpose)
	return p
}
