package loader

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// runGroup runs the callers as a group and returns the batches that they made, in order of their keys.
func runGroup(t *testing.T, callers ...func(context.Context, *Loader[string, string])) []string {
	t.Helper()
	r := &recorder{delay: time.Second}
	l := New(t.Context(), r.fetch)
	p := NewBatchGroup(len(callers))
	var wg sync.WaitGroup
	for _, do := range callers {
		wg.Go(func() {
			ctx, leave := p.Enter(t.Context())
			defer leave()
			do(ctx, l)
		})
	}
	wg.Wait()
	var batches []string
	for _, keys := range r.batches {
		batches = append(batches, strings.Join(keys, " "))
	}
	slices.Sort(batches)
	return batches
}

func asks(keys ...string) func(context.Context, *Loader[string, string]) {
	return func(ctx context.Context, l *Loader[string, string]) { l.Load(ctx, keys) }
}

func TestGroupsLoadOneBatch(t *testing.T) {
	t.Parallel()
	type caller = func(context.Context, *Loader[string, string])
	late := func(ctx context.Context, l *Loader[string, string]) {
		time.Sleep(time.Minute)
		l.Load(ctx, []string{"late"})
	}
	tests := []struct {
		name    string
		callers []caller
		want    []string
		took    time.Duration
	}{
		{"all ask", []caller{asks("a"), asks("b", "c"), asks("a", "d")}, []string{"a b c d"}, time.Second},
		{"one asks for nothing", []caller{asks("a"), asks("b"), func(context.Context, *Loader[string, string]) {}}, []string{"a b"}, time.Second},
		{"one asks late", []caller{asks("a"), asks("b"), late}, []string{"a b late"}, time.Minute + time.Second},
		{"one is busy with something else", []caller{asks("a"), asks("b"), func(ctx context.Context, l *Loader[string, string]) {
			Leave(ctx)
			late(ctx, l)
		}}, []string{"a b", "late"}, time.Minute + time.Second},
		{"one asks again", []caller{asks("a"), func(ctx context.Context, l *Loader[string, string]) {
			l.Load(ctx, []string{"b"})
			l.Load(ctx, []string{"c"})
		}}, []string{"a b", "c"}, 2 * time.Second},
		{"one gives up", []caller{asks("a"), late, func(ctx context.Context, l *Loader[string, string]) {
			ctx, cancel := context.WithTimeoutCause(ctx, time.Second, errors.New("gave up"))
			defer cancel()
			if got := l.Load(ctx, []string{"b"})[0].Err; got == nil || got.Error() != "gave up" {
				t.Errorf("got the error %v", got)
			}
		}}, []string{"a b", "late"}, time.Minute + time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				if diff := cmp.Diff(test.want, runGroup(t, test.callers...)); diff != "" {
					t.Errorf("batches (-want +got):\n%s", diff)
				}
				if took := time.Since(began); took != test.took {
					t.Errorf("took %v, want %v", took, test.took)
				}
			})
		})
	}
}
