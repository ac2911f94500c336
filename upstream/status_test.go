package upstream

import (
	"testing"
	"time"
)

func TestTheWindowOfARateIsShownAsItIsConfigured(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{time.Minute: "1m", time.Hour: "1h", 90 * time.Second: "1m30s", 2 * time.Second: "2s",
		90 * time.Minute: "1h30m", 500 * time.Millisecond: "500ms", 10 * time.Minute: "10m", 20 * time.Hour: "20h"} {
		if got := window(d); got != want {
			t.Errorf("%s: got %s, want %s", d, got, want)
		}
	}
}
