package datasource

import (
	"context"
	"testing"
	"time"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
)

// What a page of a walk showed goes with the list, also where the page was not sent again: its keys are somebody's.
func TestAPageThatWasNotSentAgainGoesWithItsList(t *testing.T) {
	t.Parallel()
	c, err := cache.New(cache.Options{TTL: time.Hour, Memory: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	s := New(Options{Cache: c})
	ctx := c.Begin(t.Context())
	const key = "walk:0"
	user := &coassemble.User{Identifier: "somebody"}
	l, list := &s.users, s.tag(upstream.Coassemble, allUsers)
	page := showing([]*coassemble.User{user}, listedUser, list)
	page.etag = `"a"`
	l.objects.Put(ctx, user.Identifier, cache.Fetched[*coassemble.User]{Value: user})
	l.note(ctx, key, page, new(upstream.Reply))
	l.validators.Store(true)
	again, err := l.revisit(ctx, key, list, func(context.Context) (*arrived[*coassemble.User], error) { return nil, upstream.ErrNotModified })
	if err != nil || len(again.values) != 1 || again.values[0] != user {
		t.Fatalf("got %+v, %v", again, err)
	}
	if kept := l.pages.Kept(ctx, key); kept[key].ETag != page.etag {
		t.Fatalf("the page is kept as %+v", kept)
	}
	c.DropTags(ctx, list)
	if kept := l.pages.Kept(ctx, key); len(kept) != 0 {
		t.Errorf("the page is still kept: %+v", kept)
	}
}
