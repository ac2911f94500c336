package upstream

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAnUnmodifiedAnswerIsNoFailure(t *testing.T) {
	t.Parallel()
	var sent []string
	var seen []Call
	c := newClient(t, Options{Observer: func(call Call) { seen = append(seen, call) }, Transport: transport(func(r *http.Request) (*http.Response, error) {
		sent = append(sent, r.Header.Get("If-None-Match"))
		return respond(304, "", "ETag", `W/"b"`, "Cache-Control", "max-age=30"), nil
	})})
	conditional := get.Apply([]Option{IfNoneMatch(`W/"a"`)})
	conditional.Read = func(*Response) error { return errors.New("there is nothing to read") }
	resp, err := c.Do(t.Context(), conditional)
	if !errors.Is(err, ErrNotModified) {
		t.Fatalf("got %v", err)
	}
	if diff := cmp.Diff(Meta{MaxAge: 30 * time.Second, ETag: `W/"b"`}, resp.Meta()); diff != "" {
		t.Errorf("meta (-want +got):\n%s", diff)
	}
	if o, ok := c.LastOutcome(); !ok || !o.OK() {
		t.Errorf("the outcome is %v", o)
	}
	if len(seen) != 1 || seen[0].Status != 304 || seen[0].Kind != Unknown {
		t.Errorf("observed %+v", seen)
	}
	if diff := cmp.Diff([]string{`W/"a"`}, sent); diff != "" {
		t.Errorf("If-None-Match (-want +got):\n%s", diff)
	}
}

func TestAnUnrequested304BreaksTheContract(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Transport: always(304, "")})
	tagged := []Option{IfNoneMatch(`"a"`)}
	if _, err := c.Do(t.Context(), get.Apply(tagged)); !errors.Is(err, ErrNotModified) {
		t.Errorf("got %v", err)
	}
	for name, do := range map[string]func() error{
		"without a validator":     func() error { _, err := c.Do(t.Context(), get); return err },
		"to a search":             func() error { _, err := c.Do(t.Context(), search.Apply(tagged)); return err },
		"with an empty validator": func() error { _, err := c.Do(t.Context(), get.Apply([]Option{IfNoneMatch("")})); return err },
	} {
		if err := do(); KindOf(err) != Contract {
			t.Errorf("%s: got %v, want a broken contract", name, err)
		}
	}
}

var search = Request{Method: http.MethodPost, Route: "/v1/search", Path: []string{"v1", "search"}, Safe: true, Search: true}

func TestARetrySendsTheValidatorAgain(t *testing.T) {
	t.Parallel()
	var sent []string
	c := newClient(t, Options{Transport: transport(func(r *http.Request) (*http.Response, error) {
		sent = append(sent, r.Header.Get("If-None-Match"))
		if len(sent) == 1 {
			return respond(503, ""), nil
		}
		return respond(304, ""), nil
	})})
	if _, err := c.Do(t.Context(), get.Apply([]Option{IfNoneMatch(`"a"`)})); !errors.Is(err, ErrNotModified) {
		t.Errorf("got %v", err)
	}
	if !slices.Equal(sent, []string{`"a"`, `"a"`}) {
		t.Errorf("sent %q", sent)
	}
}

func TestAnETagIsTakenWhereItNamesOneAnswerAndIsWellFormed(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		`"a"`: `"a"`, `W/"a"`: `W/"a"`, `""`: `""`, `"é"`: `"é"`, `a`: "", `"a`: "", `"`: "", `w/"a"`: "", `"a"b"`: "", `"a b"`: "",
		"\"a\x7f\"": "", `"` + strings.Repeat("x", maxTag) + `"`: "", "": "",
	}
	for tag, want := range tests {
		c := newClient(t, Options{Transport: always(200, "{}", "ETag", tag)})
		resp, err := c.Do(t.Context(), get)
		if err != nil {
			t.Fatal(err)
		}
		if got := resp.Meta().ETag; got != want {
			t.Errorf("%q: got %q, want %q", tag, got, want)
		}
		if got := MergeMeta(resp.Meta(), resp.Meta()).ETag; got != "" {
			t.Errorf("two answers: got %q", got)
		}
	}
}
