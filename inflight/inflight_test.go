package inflight

import (
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRequestsOverTheMemoryLimitAreRefusedAndCounted(t *testing.T) {
	t.Parallel()
	var notified []int64
	var l *Load
	l = New(2, 4<<20, func() { notified = append(notified, l.State().Bytes) })
	first, second := l.Hold(), l.Hold()
	must := l.Hold()
	must.Must = true
	large := l.Hold()
	large.Must = true
	for i, step := range []struct {
		did, want bool
	}{
		{l.Enter(), true}, {l.Enter(), true}, {l.Enter(), false},
		{first.Resize(3 << 20), true}, {second.Resize(2 << 20), false}, {second.Grow(1 << 20), true}, {second.Grow(1), false},
		{must.Grow(1 << 20), true}, {first.Resize(1 << 20), true}, {second.Grow(1 << 20), true},
		{large.Resize(Must + 1), false},
	} {
		if step.did != step.want {
			t.Errorf("step %d: got %t", i, step.did)
		}
	}
	l.Leave()
	l.CutOff()
	want := State{Requests: 1, MaxRequests: 2, Bytes: 4 << 20, MaxBytes: 4 << 20, RefusedRequests: 1, RefusedBytes: 3, CutOff: 1}
	if diff := cmp.Diff(want, l.State()); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
	first.Free()
	second.Free()
	must.Free()
	if diff := cmp.Diff([]int64{3 << 20, 4 << 20, 5 << 20, 3 << 20, 4 << 20, 3 << 20, 1 << 20, 0}, notified); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

func TestNoLoadBoundsNothing(t *testing.T) {
	t.Parallel()
	var l *Load
	h := l.Hold()
	if !l.Enter() || !h.Resize(1<<40) || !h.Grow(1) {
		t.Error("refused")
	}
	h.Free()
	l.Leave()
	l.CutOff()
}

func TestManyHoldersLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	l := New(0, 1<<20, nil)
	var group sync.WaitGroup
	for n := range 16 {
		group.Go(func() {
			for i := range 1000 {
				h := l.Hold()
				h.Resize(int64(n * i * 10))
				h.Grow(100)
				h.Free()
			}
		})
	}
	group.Wait()
	if got := l.State().Bytes; got != 0 {
		t.Errorf("got %d bytes", got)
	}
}
