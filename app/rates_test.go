package app

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/upstream"
)

func TestSharedRatesAllowForCallsInTransit(t *testing.T) {
	t.Parallel()
	got := sharedRates([]upstream.Rate{{Count: 100, Per: time.Second}, {Count: 60, Per: time.Minute}})
	want := []cache.SharedRate{{Count: 95, Per: 1050 * time.Millisecond}, {Count: 57, Per: time.Minute + 100*time.Millisecond}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("shared rates (-want +got):\n%s", diff)
	}
}
