package cache

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/learngraph/learngraph/task"
)

// within loads outer's key by a fetch that loads inner's.
func within(ctx context.Context, outer, inner *Space[string], b *backend) Result[string] {
	return loaded(outer, ctx, []string{"outer"}, func(ctx context.Context, _ []Missing) (map[string]Entry[string], map[string]error) {
		r := loaded(inner, ctx, []string{"inner"}, b.fetch)["inner"]
		if r.Err != nil {
			return nil, map[string]error{"outer": r.Err}
		}
		return map[string]Entry[string]{"outer": {Value: r.Value}}, nil
	})["outer"]
}

func TestAFetchWithinAFetchTakesNoGoroutine(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		coalesce bool
		stack    string
	}{
		"within a flight":       {true, "runInline"},
		"where nobody can join": {false, "fetchUncoalesced"},
	} {
		t.Run(name, func(t *testing.T) {
			o := options()
			o.Coalesce = test.coalesce
			c := open(t, o)
			stack := ""
			within(t.Context(), words(c), NewSpace(c, SpaceOptions[string]{Kind: "other", Size: func(string) int { return 1 }}), &backend{shape: func(_ string, f Entry[string]) Entry[string] {
				stack = string(task.Recovered(nil).Stack)
				return f
			}})
			if !strings.Contains(stack, test.stack) {
				t.Errorf("the fetch runs in another goroutine:\n%s", stack)
			}
		})
	}
}

func TestAFetchWithinAFetchIsSharedAndOutlivesItsLeader(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, b := open(t, options()), &backend{delay: time.Second}
		outer, inner := words(c), NewSpace(c, SpaceOptions[string]{Kind: "other", Size: func(string) int { return 1 }})
		ctx, cancel := context.WithCancel(t.Context())
		leader := make(chan error, 1)
		go func() { leader <- within(ctx, outer, inner, b).Err }()
		synctest.Wait()
		follower := behind(t.Context(), inner, b, "inner")
		begun := time.Now()
		cancel()
		if err := <-leader; !errors.Is(err, context.Canceled) {
			t.Errorf("the leader got %v", err)
		}
		if waited := time.Since(begun); waited != 0 {
			t.Errorf("the leader left after %v", waited)
		}
		expect(t, <-follower, "inner@0 coalesced")
		expectCalls(t, b, 1)
	})
}

func TestAPanicOnACallersGoroutineIsTheErrorOfItsKeys(t *testing.T) {
	t.Parallel()
	o := options()
	o.Coalesce = false
	s := words(open(t, o))
	for range 2 {
		r := loaded(s, t.Context(), []string{"a"}, func(context.Context, []Missing) (map[string]Entry[string], map[string]error) {
			panic("secret")
		})["a"]
		var p *task.PanicError
		if !errors.As(r.Err, &p) || p.Error() != "panic" {
			t.Errorf("got %v", r.Err)
		}
	}
}
