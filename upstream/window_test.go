package upstream

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/learngraph/learngraph/paging"
)

// pages serves the numbers 0 to total-1 in pages of at most limit; exact backends send their page's size and whether it
// is the last, the others a bare list.
type pages struct {
	total, limit int
	exact        bool
	calls        int
}

func (p *pages) read(_ context.Context, page, size int, _ ...Option) (paging.Page[int], Meta, error) {
	p.calls++
	asked := size
	size = min(size, p.limit)
	c := paging.Page[int]{Number: page, Size: size}
	for i := page * size; i < min((page+1)*size, p.total); i++ {
		c.Items = append(c.Items, i)
	}
	c.More = (page+1)*size < p.total
	if !p.exact {
		c.Size, c.More = asked, len(c.Items) == asked
	}
	return c, Meta{}, nil
}

func TestWindowReadsTheRightItemsWithTheFewestCalls(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{})
	random := rand.New(rand.NewPCG(3, 4))
	for range 20_000 {
		p := &pages{total: random.IntN(400), limit: 1 + random.IntN(100), exact: random.IntN(2) == 0}
		if !p.exact {
			p.limit = 100
		}
		offset, first := random.IntN(420), 1+random.IntN(100)
		if random.IntN(3) == 0 {
			offset = first * random.IntN(6)
		}
		w, _, err := PagedList[int]{c, "/r", 100, p.read}.Window(t.Context(), offset, first)
		if p.exact && first > p.limit*(maxWindowCalls-2) && KindOf(err) == LimitExceeded {
			continue
		}
		if err != nil {
			t.Fatalf("%+v [%d,+%d): %v", p, offset, first, err)
		}
		var want []int
		for i := offset; i < min(offset+first, p.total); i++ {
			want = append(want, i)
		}
		if diff := cmp.Diff(want, w.Items); diff != "" {
			t.Fatalf("%+v [%d,+%d) (-want +got):\n%s", p, offset, first, diff)
		}
		beyond := p.total > offset+first
		if w.More != beyond && (p.exact || !w.More || p.total != offset+first) {
			t.Fatalf("%+v [%d,+%d): more is %v", p, offset, first, w.More)
		}
		if p.limit == 100 && p.calls > 2 || p.limit >= first && p.calls > 3 {
			t.Fatalf("%+v [%d,+%d): %d calls", p, offset, first, p.calls)
		}
		if p.limit >= first && offset%first == 0 && p.calls != 1 {
			t.Fatalf("%+v [%d,+%d): %d calls for an aligned window", p, offset, first, p.calls)
		}
	}
}

func TestWindowEndsWithABackendThatRepeatsAPage(t *testing.T) {
	t.Parallel()
	calls := 0
	_, _, err := PagedList[int]{newClient(t, Options{}), "/r", 100, func(context.Context, int, int, ...Option) (paging.Page[int], Meta, error) {
		calls++
		return paging.Page[int]{Items: make([]int, 10), Size: 10, More: true}, Meta{}, nil
	}}.Window(t.Context(), 50, 10)
	if KindOf(err) != Contract || calls != 1 {
		t.Errorf("got %v after %d calls", err, calls)
	}
}

func TestWindowEndsWithABackendWhosePagesAreTiny(t *testing.T) {
	t.Parallel()
	p := &pages{total: 1000, limit: 1, exact: true}
	_, _, err := PagedList[int]{newClient(t, Options{}), "/r", 100, p.read}.Window(t.Context(), 0, 100)
	if KindOf(err) != LimitExceeded || p.calls != maxWindowCalls {
		t.Errorf("got %v after %d calls", err, p.calls)
	}
}

func TestAnEmptyWindowMakesNoCall(t *testing.T) {
	t.Parallel()
	p := &pages{total: 10, limit: 100}
	w, _, err := PagedList[int]{newClient(t, Options{}), "/r", 100, p.read}.Window(t.Context(), 0, 0)
	if len(w.Items) > 0 || w.More || err != nil || p.calls != 0 {
		t.Errorf("got %v, %v, %v after %d calls", w.Items, w.More, err, p.calls)
	}
}
