package upstream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"

	"github.com/learngraph/learngraph/inflight"
)

func TestABodyIsReadWhateverItsLength(t *testing.T) {
	t.Parallel()
	for _, length := range []int{0, 1, partSize - 1, partSize, partSize + 1, 5*partSize + 7, 1 << 20} {
		body := strings.Repeat("0123456789", length/10+1)[:length]
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		_, _ = z.Write([]byte(body))
		_ = z.Close()
		unknown := respond(http.StatusOK, body)
		unknown.ContentLength = -1
		for name, resp := range map[string]*http.Response{
			"declared": respond(http.StatusOK, body), "not declared": unknown,
			"packed": respond(http.StatusOK, packed.String(), "Content-Encoding", "gzip"),
		} {
			load := inflight.New(0, 0, nil)
			c := newClient(t, Options{Inflight: load, MaxBody: 1 << 20, Transport: transport(func(*http.Request) (*http.Response, error) { return resp, nil })})
			got, err := c.Do(t.Context(), get)
			if err != nil || string(got.Body) != body {
				t.Errorf("%s, %d bytes: got %v", name, length, err)
			}
			if held := load.State().Bytes; held != 0 {
				t.Errorf("%s, %d bytes: %d are held afterwards", name, length, held)
			}
		}
	}
}

// endless is a body without an end; most is the most that was held while it was read.
type endless struct {
	load *inflight.Load
	most int64
}

func (e *endless) Read(p []byte) (int, error) {
	e.most = max(e.most, e.load.State().Bytes)
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// A backend may answer anything without an end, a write as well.
func TestABodyWithoutAnEndHoldsNoMoreThanItsBound(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name              string
		req               Request
		maxBody, inflight int64
		most              int64
		want              Kind
	}{
		{"a read past its own bound", get, 1 << 20, 64 << 20, 1<<20 + partSize, Contract},
		{"a read past the bound of all", get, 64 << 20, 4 << 20, 4 << 20, LimitExceeded},
		{"a write past its own bound", put, 1 << 20, 64 << 20, 1<<20 + partSize, OutcomeUnknown},
		{"a write past the bound of all", put, 64 << 20, 4 << 20, 4 << 20, OutcomeUnknown},
		{"a write while there is no room", put, 64 << 20, partSize, inflight.Must, OutcomeUnknown},
	} {
		load := inflight.New(0, test.inflight, nil)
		body := &endless{load: load}
		c := newClient(t, Options{Inflight: load, MaxBody: test.maxBody, Retries: -1, Transport: transport(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(body), ContentLength: -1}, nil
		})})
		_, err := c.Do(t.Context(), test.req)
		var failed *Error
		if !errors.As(err, &failed) || failed.Kind != test.want {
			t.Errorf("%s: got %v, want %v", test.name, err, test.want)
		}
		if body.most > test.most || load.State().Bytes != 0 {
			t.Errorf("%s: held up to %d bytes, want %d at most, and %d afterwards", test.name, body.most, test.most, load.State().Bytes)
		}
	}
}

func BenchmarkReadAll(b *testing.B) {
	for _, length := range []int{1 << 10, 100 << 10, 3 << 20} {
		body := bytes.Repeat([]byte("x"), length)
		b.Run(fmt.Sprint(length>>10, "KiB"), func(b *testing.B) {
			b.SetBytes(int64(length))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := readAll(bytes.NewReader(body), -1, 64<<20, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestBodiesArePooledWithoutChangingEarlierValues(t *testing.T) {
	t.Parallel()
	page := func(letter string) string { return `{"text":"` + strings.Repeat(letter, 2*leastSpare) + `"}` }
	bodies := []string{page("a"), page("b"), page("c")}
	n := 0
	c := newClient(t, Options{Transport: transport(func(*http.Request) (*http.Response, error) {
		n++
		return respond(200, bodies[n-1]), nil
	})})
	var texts []string
	for range bodies {
		req := get
		req.Read = func(resp *Response) error {
			texts = append(texts, string(resp.Body))
			return nil
		}
		resp, err := c.Do(t.Context(), req)
		if err != nil || resp.Body != nil {
			t.Fatalf("got %v and a body of %d bytes", err, len(resp.Body))
		}
	}
	if diff := cmp.Diff(bodies, texts); diff != "" {
		t.Error(diff)
	}
}
