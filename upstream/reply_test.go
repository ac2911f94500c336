package upstream

import (
	"net/http"
	"testing"
	"time"
)

func TestTheShortestWordOfAReplyWins(t *testing.T) {
	t.Parallel()
	answers := []string{"max-age=0, private", "public, Max-Age=60", `max-age="30"`, "max-age=soon", "max-age=90"}
	c := newClient(t, Options{Transport: transport(func(*http.Request) (*http.Response, error) {
		a := respond(200, "{}", "Cache-Control", answers[0])
		answers = answers[1:]
		return a, nil
	})})
	var r Reply
	ctx := WithReply(t.Context(), &r)
	for i, want := range []time.Duration{0, time.Minute, 30 * time.Second, 30 * time.Second, 30 * time.Second} {
		if _, err := c.Do(ctx, get); err != nil {
			t.Fatal(err)
		}
		if got := r.MaxAge(); got != want || r.NoStore() {
			t.Errorf("after %d answers: got %v", i+1, got)
		}
	}
	answers = []string{"no-store"}
	_, _ = c.Do(ctx, get)
	if !r.NoStore() {
		t.Error("no-store is not heard")
	}
}
