package caller

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/learngraph/learngraph/gateway/reload"
)

// keySource finds the public keys that a token may be signed with.
type keySource interface {
	find(ctx context.Context, id, algorithm string) keySet
}

type keySet []jose.JSONWebKey

// selected gives the keys of an id that may be used with an algorithm. A token without an id is tried with the only key.
func (s keySet) selected(id, algorithm string) keySet {
	var out keySet
	for _, k := range s {
		if (k.KeyID == id || id == "" && len(s) == 1) && (k.Algorithm == "" || k.Algorithm == algorithm) {
			out = append(out, k)
		}
	}
	return out
}

// weakestRSA is the shortest RSA key that is taken, in bits.
const weakestRSA = 2048

// parseKeySet reads a key set (RFC 7517). Keys that it cannot use are passed over, as the RFC wants; certificates and
// addresses in them are not looked at.
func parseKeySet(text []byte) (keySet, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if json.Unmarshal(text, &set) != nil || set.Keys == nil {
		return nil, errors.New("the key set is not {\"keys\": […]}")
	}
	var keys keySet
	for _, raw := range set.Keys {
		var k jose.JSONWebKey
		if k.UnmarshalJSON(raw) == nil && (k.Use == "" || k.Use == "sig") && usable(k.Key) {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("the key set has no public key to verify with")
	}
	return keys, nil
}

func usable(key any) bool {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return k.N.BitLen() >= weakestRSA
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return true
	}
	return false
}

// fileKeys are in a file.
type fileKeys struct{ file *reload.Value[keySet] }

func (f fileKeys) find(_ context.Context, id, algorithm string) keySet {
	return f.file.Get().selected(id, algorithm)
}

// remoteKeys are at a URL. They are fetched when first needed, again when they are old, and for an id that is not among
// them, which is how a new key is learnt; but no token makes more than one fetch per refetch interval.
type remoteKeys struct {
	url    string
	client *http.Client
	failed func(error)

	current atomic.Pointer[fetchedKeys]
	mu      sync.Mutex
	tried   time.Time
}

type fetchedKeys struct {
	keys keySet
	at   time.Time
}

const (
	refetchInterval = 30 * time.Second
	keysLife        = 10 * time.Minute
	keysTimeout     = 5 * time.Second
	keysSize        = 1 << 20
)

func newRemoteKeys(url string, transport http.RoundTripper, failed func(error)) *remoteKeys {
	return &remoteKeys{url: url, failed: failed, client: &http.Client{Transport: transport, Timeout: keysTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func (r *remoteKeys) find(ctx context.Context, id, algorithm string) keySet {
	now := time.Now()
	known := r.current.Load()
	if known != nil && now.Sub(known.at) < keysLife {
		if found := known.keys.selected(id, algorithm); len(found) > 0 {
			return found
		}
	}
	r.refresh(ctx, known)
	if known = r.current.Load(); known == nil {
		return nil
	}
	return known.keys.selected(id, algorithm)
}

// refresh fetches unless somebody just did. It does not end with the request that happens to cause it, since others wait.
func (r *remoteKeys) refresh(ctx context.Context, known *fetchedKeys) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if r.current.Load() != known || !r.tried.IsZero() && now.Sub(r.tried) < refetchInterval {
		return
	}
	r.tried = now
	keys, err := r.fetch(context.WithoutCancel(ctx))
	if err != nil {
		r.failed(err)
		return
	}
	r.current.Store(&fetchedKeys{keys, now})
}

func (r *remoteKeys) fetch(ctx context.Context) (keySet, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return nil, errors.New("the key set's URL cannot be used")
	}
	req.Header.Set("Accept", "application/json")
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, errors.New("the key set could not be fetched")
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, errors.New("the key set was answered with another status than 200")
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, keysSize+1))
	if err != nil || len(text) > keysSize {
		return nil, errors.New("the key set could not be read to its end, or is over 1 MiB")
	}
	return parseKeySet(text)
}
