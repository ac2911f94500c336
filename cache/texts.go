package cache

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// TextsOptions describe texts that callers bring.
type TextsOptions struct {
	Scope    string        // as that of a space
	OfCaller int           // the most bytes of one caller
	Of       int           // the most bytes of all callers
	Life     time.Duration // how long a text stays that is not used
}

// Texts keeps texts of callers in Redis, within bounds in bytes for each of them and for all: the texts that were not
// used for longest go first, a caller's own before those of others. A text belongs to the caller who brought it, and is
// there for all. Without Redis it keeps nothing. It is safe for concurrent use.
type Texts struct {
	remote *remote
	hasher *hasher
	o      TextsOptions
	keys   []string
}

var putScript, getScript = redis.NewScript(source("keep")), redis.NewScript(source("look"))

// NewTexts makes a store of texts.
func NewTexts(c *Cache, o TextsOptions) *Texts {
	t := &Texts{remote: c.remote, hasher: newHasher(o.Scope), o: o}
	if c.remote != nil {
		base := c.remote.prefix + "{texts:" + label(o.Scope) + "}" // in one slot of a Cluster
		t.keys = []string{base, base + ":sizes", base + ":used"}
	}
	return t
}

// Put keeps the text of a name for a caller.
func (t *Texts) Put(ctx context.Context, caller, name, text string) {
	if t.remote == nil {
		return
	}
	d, owner := t.hasher.digest("text", name), t.hasher.digest("caller", caller).String()
	now := time.Now()
	f := &frame{created: now, fresh: now.Add(t.o.Life), stale: now.Add(t.o.Life), payload: []byte(text)}
	sealed := t.remote.seal.seal(d, f.encode(d))
	keys := append(t.keys[:len(t.keys):len(t.keys)], t.keys[0]+":of:"+owner)
	// That Redis could not be asked is counted, and reported by the breaker: then the text is brought again.
	_ = t.remote.round(ctx, func(ctx context.Context) error {
		return putScript.Run(ctx, t.remote.client, keys, d.String(), owner, sealed, t.o.OfCaller, t.o.Of,
			t.o.Life.Microseconds()).Err()
	})
}

// Get returns the text of a name, which is used with that.
func (t *Texts) Get(ctx context.Context, name string) (text string, ok bool) {
	if t.remote == nil {
		return "", false
	}
	d := t.hasher.digest("text", name)
	var sealed string
	err := t.remote.round(ctx, func(ctx context.Context) (err error) {
		sealed, err = getScript.Run(ctx, t.remote.client, t.keys, d.String(), t.o.Life.Microseconds()).Text()
		if errors.Is(err, redis.Nil) {
			return nil // there is none, which opens as nothing
		}
		return err
	})
	if err != nil {
		return "", false
	}
	frame, ok := t.remote.seal.open(d, []byte(sealed))
	if !ok {
		return "", false
	}
	f, err := decodeFrame(d, frame)
	if err != nil {
		return "", false
	}
	return string(f.payload), true
}
