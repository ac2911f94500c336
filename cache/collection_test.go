package cache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// wordCollection is a list of words in pages of three: page n shows "<3n>", "<3n+1>" and "<3n+2>", each as "<key>@<version>".
type wordCollection struct {
	*Collection[int, string]
	words   *Space[string]
	version int
	etag    string
	err     error
	hold    chan struct{} // a fetch waits for it; nil waits for nothing
	calls   []string
}

func wordKey(word string) (string, bool) {
	key, _, whole := strings.Cut(word, "@")
	return key, !whole
}

func newWordCollection(c *Cache) *wordCollection {
	s := &wordCollection{words: words(c)}
	s.Collection = NewCollection(c, CollectionOptions[int, string]{
		Pages: SpaceOptions[string]{Kind: "page", Backend: "emulator", Scope: "scope", Size: func(s string) int { return len(s) },
			Encode: func(s string) ([]byte, error) { return []byte(s), nil },
			Decode: func(b []byte) (string, error) { return string(b), nil }},
		Text: func(n int) string { return fmt.Sprint(n) }, Items: s.words, Key: wordKey,
	})
	return s
}

func (s *wordCollection) page(n int) Page[string] {
	p := Page[string]{More: true}
	for i := range 3 {
		p.Items = append(p.Items, fmt.Sprintf("%d@%d", 3*n+i, s.version))
	}
	return p
}

func (s *wordCollection) fetch(_ context.Context, keys []int, missing []Missing) []Answer[*Page[string]] {
	answers := make([]Answer[*Page[string]], len(missing))
	for i, m := range missing {
		s.calls = append(s.calls, strings.TrimSpace(fmt.Sprint(keys[m.Place], " ", m.ETag)))
		page := s.page(keys[m.Place])
		if s.hold != nil {
			<-s.hold
		}
		a := Answer[*Page[string]]{Entry: Entry[*Page[string]]{Value: &page, ETag: s.etag}, Found: true}
		switch {
		case s.err != nil:
			a = Answer[*Page[string]]{Err: s.err}
		case m.ETag != "" && m.ETag == s.etag:
			a.Value, a.NotModified = nil, true
		}
		answers[i] = a
	}
	return answers
}

// read shows a page: its items, and why some are missing.
func (s *wordCollection) read(ctx context.Context, n int) string {
	r := s.Load(ctx, []int{n}, s.fetch)[0]
	if r.Err != nil {
		return "error: " + r.Err.Error()
	}
	text := strings.Join(r.Value.Items, " ")
	if missing := r.Value.Missing; missing != nil {
		text += " missing: " + missing.Error()
	}
	return text
}

func (s *wordCollection) expectCalls(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, s.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	s.calls = nil
}

func TestAPageAndItsItemsAreOneFetch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, b := newWordCollection(open(t, options())), &backend{}
		expect(t, s.read(t.Context(), 1), "3@0 4@0 5@0")
		expect(t, s.read(t.Context(), 1), "3@0 4@0 5@0")
		expect(t, one(t.Context(), s.words, b, "4"), "4@0 memory")
		expectCalls(t, b, 0)
		s.expectCalls(t, "1")
	})
}

func TestADeletedItemIsFetchedAgainWithItsPage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := open(t, options())
		s, facts := newWordCollection(c), new(Facts)
		s.read(WithFacts(t.Context(), facts), 0)
		if !slices.Contains(facts.Tags(), s.words.Tag("1")) {
			t.Error("what was made of the page does not depend on its items")
		}
		s.words.Drop(t.Context(), "1")
		if n := occurrences(c, "1@0"); n != 0 {
			t.Errorf("%d occurrences of the item are left in memory", n)
		}
		s.version, s.calls = 1, nil
		expect(t, s.read(t.Context(), 0), "0@1 1@1 2@1")
		s.expectCalls(t, "0")
		expect(t, s.read(t.Context(), 0), "0@1 1@1 2@1")
		s.expectCalls(t)
	})
}

func TestAPageWithoutAnItemServesTheRestWhereTheBackendFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newWordCollection(open(t, options()))
		s.read(t.Context(), 0)
		s.words.Drop(t.Context(), "1")
		s.err = errors.New("down")
		expect(t, s.read(t.Context(), 0), "0@0  2@0 missing: down")
		expect(t, s.read(WithDirectives(t.Context(), Directives{OnlyIfCached: true}), 0), "0@0  2@0 missing: not cached")
		s.words.Drop(t.Context(), "0", "2")
		expect(t, s.read(t.Context(), 0), "error: down")
	})
}

func TestAnItemThatWasReadSinceIsShownAsItIsNow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, b := newWordCollection(open(t, options())), &backend{version: 1, absent: map[string]bool{"2": true}}
		s.read(t.Context(), 0)
		s.words.Drop(t.Context(), "0", "2")
		one(t.Context(), s.words, b, "0")
		one(t.Context(), s.words, b, "2")
		s.calls = nil
		expect(t, s.read(t.Context(), 0), "0@1 1@0")
		s.expectCalls(t)
	})
}

func TestALoadAfterADropIgnoresEarlierFetches(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newWordCollection(open(t, options()))
		s.hold = make(chan struct{})
		before, after := make(chan string, 1), make(chan string, 1)
		go func() { before <- s.read(t.Context(), 0) }()
		synctest.Wait()
		s.words.Drop(t.Context(), "1")
		s.version = 1
		go func() { after <- s.read(t.Context(), 0) }()
		synctest.Wait()
		close(s.hold)
		expect(t, <-before, "0@0 1@0 2@0")
		expect(t, <-after, "0@1 1@1 2@1")
	})
}

func TestAPageIsRenewedWhileItShowsItsItemsAsTheyAre(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, b := newWordCollection(open(t, options())), &backend{}
		s.etag = `"a"`
		again := WithDirectives(t.Context(), Directives{NoCache: true})
		s.read(t.Context(), 0)
		time.Sleep(2 * time.Second)
		expect(t, s.read(again, 0), "0@0 1@0 2@0")
		s.expectCalls(t, "0", `0 "a"`)
		expect(t, one(t.Context(), s.words, b, "1"), "1@0 memory")
		time.Sleep(2 * time.Second)
		one(again, s.words, b, "1")
		expect(t, s.read(again, 0), "0@0 1@0 2@0")
		time.Sleep(2 * time.Second)
		b.version = 7
		one(again, s.words, b, "1")
		s.read(again, 0)
		time.Sleep(2 * time.Second)
		s.words.Drop(t.Context(), "2")
		s.read(again, 0)
		s.expectCalls(t, `0 "a"`, "0", "0")
	})
}

func TestPagesAndTheirItemsGoFromReplicaToReplica(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := newMemoryRedis(t)
		first, second, third := newWordCollection(replica(t, m)), newWordCollection(replica(t, m)), newWordCollection(replica(t, m))
		synctest.Wait()
		want := first.read(t.Context(), 0)
		synctest.Wait()
		expect(t, second.read(t.Context(), 0), want)
		second.expectCalls(t)
		first.words.Drop(t.Context(), "1")
		synctest.Wait()
		second.err = errors.New("down")
		expect(t, second.read(t.Context(), 0), "0@0  2@0 missing: down")
		third.version = 1
		expect(t, third.read(t.Context(), 0), "0@1 1@1 2@1")
		third.expectCalls(t, "0")
	})
}

func TestAPageThatIsRevisitedGoesWithItsList(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := open(t, options())
		s, list := newWordCollection(c), NewTagger("scope").Tag("list")
		ctx := c.Begin(t.Context())
		visit := func(keep func(*Page[string]) *Page[string]) (sent, got string) {
			f, err := s.Revisit(ctx, "scan", []Tag{list}, keep, func(_ context.Context, etag string) (Entry[*Page[string]], error) {
				page := s.page(0)
				sent = etag
				return Entry[*Page[string]]{Value: &page, NotModified: etag != "", ETag: `"a"`}, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			return sent, strings.Join(f.Value.Items, " ")
		}
		for i, want := range []string{"", `"a"`, `"a"`} {
			if sent, got := visit(nil); sent != want || got != "0@0 1@0 2@0" {
				t.Errorf("visit %d: sent %q, got %q", i, sent, got)
			}
		}
		c.DropTags(ctx, list)
		ctx = c.Begin(t.Context())
		visit(func(*Page[string]) *Page[string] { return nil })
		if sent, _ := visit(nil); sent != "" {
			t.Errorf("sent %q of a page that was dropped, and then not stored", sent)
		}
	})
}

func TestAPageComesBackFromRedisAsItWas(t *testing.T) {
	t.Parallel()
	total, text := 7, func(s string) ([]byte, error) { return []byte(s), nil }
	from := func(b []byte) (string, error) { return string(b), nil }
	for _, want := range []*Page[string]{
		{Items: []string{}},
		{Items: []string{"", `{"a": "<&>"  }`, "\x00"}, Next: "n", Total: &total, More: true, Number: 2, Size: 25, Extra: nil},
	} {
		data, err := encodePage(want, text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodePage(data, from)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
		for n := range data {
			if _, err := decodePage(data[:n], from); err == nil && n < len(data)-1 {
				t.Errorf("the first %d of %d bytes are a page", n, len(data))
			}
		}
	}
}
