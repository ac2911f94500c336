package upstream

import (
	"errors"
	"net/http"
	"testing"
	"time"
)

func TestTheShortestLifetimeOfSeveralAnswersWins(t *testing.T) {
	t.Parallel()
	answers := []string{"max-age=0, private", "public, Max-Age=60", `max-age="30"`, "max-age=soon", "max-age=90", "no-store"}
	c := newClient(t, Options{Transport: transport(func(*http.Request) (*http.Response, error) {
		a := respond(200, "{}", "Cache-Control", answers[0])
		answers = answers[1:]
		return a, nil
	})})
	var metas []Meta
	for i, want := range []time.Duration{0, time.Minute, 30 * time.Second, 30 * time.Second, 30 * time.Second, 30 * time.Second} {
		resp, err := c.Do(t.Context(), get)
		if err != nil {
			t.Fatal(err)
		}
		metas = append(metas, resp.Meta())
		if got := MergeMeta(metas...); got.MaxAge != want || got.NoStore != (i == 5) {
			t.Errorf("after %d answers: got %+v", i+1, got)
		}
	}
	flaw := errors.New("errors beside data")
	if got := MergeMeta(Meta{}, Meta{}.WithPartial(flaw)); !errors.Is(got.Partial, flaw) || !got.NoStore {
		t.Errorf("got %+v of a partial answer", got)
	}
}
