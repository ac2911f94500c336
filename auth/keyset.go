package auth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/learngraph/learngraph/reload"
	"github.com/learngraph/learngraph/task"
)

// keySource holds the public keys that a token may be signed with.
type keySource interface {
	// find returns the keys of an id for an algorithm, none where none fits. Its error is an *UnavailableError while no
	// key set was ever had.
	find(ctx context.Context, id, algorithm string) (keySet, error)
	// has reports whether a key is still in the set.
	has(context.Context, signingKey) bool
	// reload reads the key set now, and reports whether it is another one, or why it stays the old one.
	reload(context.Context) (changed bool, err error)
}

// UnavailableError is the failure of a token that cannot be verified because no key set was ever had.
type UnavailableError struct {
	// RetryAfter is when the key set is asked for again.
	RetryAfter time.Duration
}

func (*UnavailableError) Error() string { return "tokens cannot be verified now; try again" }

type keySet []signingKey

// signingKey is a public key with a digest that names it.
type signingKey struct {
	jose.JSONWebKey
	digest string
}

// selected returns the keys of an id that may be used with an algorithm, empty for any. A token without an id is tried
// with the only key.
func (s keySet) selected(id, algorithm string) keySet {
	var out keySet
	for _, k := range s {
		if (k.KeyID == id || id == "" && len(s) == 1) && (k.Algorithm == "" || algorithm == "" || k.Algorithm == algorithm) {
			out = append(out, k)
		}
	}
	return out
}

func (s keySet) has(key signingKey) bool {
	return slices.ContainsFunc(s, func(k signingKey) bool {
		return k.digest == key.digest && k.KeyID == key.KeyID && k.Algorithm == key.Algorithm
	})
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
			print, err := k.Thumbprint(crypto.SHA256)
			if err == nil {
				keys = append(keys, signingKey{k, string(print)})
			}
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

func (f fileKeys) find(_ context.Context, id, algorithm string) (keySet, error) {
	return f.file.Get().selected(id, algorithm), nil
}

func (f fileKeys) has(_ context.Context, key signingKey) bool { return f.file.Get().has(key) }

func (f fileKeys) reload(context.Context) (bool, error) { return f.file.Check() }

// remoteKeys are at a URL. They are fetched in the background when first needed, again when they are old, and for an id
// that is not among them, which is how a new key is learnt. Keys that were had stay until others come.
type remoteKeys struct {
	url    string
	client *http.Client
	report Reporter

	mu        sync.Mutex
	keys      keySet        // nil while none were ever had
	fetchedAt time.Time     // when keys came
	next      time.Time     // when the set may be fetched again
	failures  int           // since keys last came
	fetching  chan struct{} // closed when the fetch that is under way ends; nil while none is
}

const (
	// refetchInterval is the least time between fetches for an id that is not in the set.
	refetchInterval = 5 * time.Second
	// firstRetry is the pause after a failed fetch; it doubles with each up to refetchInterval.
	firstRetry = time.Second
	// keysLife is how long keys are used before they are fetched again in the background, oldKeys how long they are used
	// without waiting for that: the program may have had no request for hours.
	keysLife    = time.Minute
	oldKeys     = 2 * keysLife
	keysTimeout = 5 * time.Second
	keysSize    = 1 << 20
	// longestWait bounds how long a request waits for the key set.
	longestWait = time.Second
)

func newRemoteKeys(o KeySetOptions, report Reporter) *remoteKeys {
	return &remoteKeys{url: o.URL, report: report, client: &http.Client{Transport: o.Transport, Timeout: keysTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func (r *remoteKeys) find(ctx context.Context, id, algorithm string) (keySet, error) {
	keys := r.known(ctx, func(keys keySet) bool { return len(keys.selected(id, algorithm)) > 0 })
	return keys.selected(id, algorithm), r.unavailable(keys)
}

func (r *remoteKeys) has(ctx context.Context, key signingKey) bool {
	return r.known(ctx, func(keys keySet) bool { return keys.has(key) }).has(key)
}

// known returns the keys. Where they are not enough, or too old to be used unasked, it waits for those that are
// fetched.
func (r *remoteKeys) known(ctx context.Context, enough func(keySet) bool) keySet {
	keys, fetch := r.current(enough)
	if fetch == nil {
		return keys
	}
	wait, cancel := context.WithTimeout(ctx, longestWait)
	defer cancel()
	select {
	case <-fetch:
	case <-wait.Done():
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.keys
}

// current returns the keys, and the fetch that is to be waited for; nil is none. It begins one where the keys are old
// or not enough. Keys that are enough are used while their issuer fails.
func (r *remoteKeys) current(enough func(keySet) bool) (keySet, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	age, suffice := now.Sub(r.fetchedAt), enough(r.keys)
	if r.fetching == nil && !now.Before(r.next) && (age >= keysLife || !suffice) {
		r.fetching = make(chan struct{})
		r.start()
	}
	if suffice && (age < oldKeys || r.failures > 0) {
		return r.keys, nil
	}
	return r.keys, r.fetching
}

func (r *remoteKeys) reload(ctx context.Context) (bool, error) {
	r.mu.Lock()
	before := r.keys
	if r.fetching == nil {
		r.fetching = make(chan struct{})
		r.start()
	}
	fetch := r.fetching
	r.mu.Unlock()
	select {
	case <-fetch:
	case <-ctx.Done():
		return false, ctx.Err()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failures > 0 {
		return false, errors.New("the key set is unavailable")
	}
	return !slices.EqualFunc(before, r.keys, func(a, b signingKey) bool {
		return a.digest == b.digest && a.KeyID == b.KeyID
	}), nil
}

// unavailable is the error of an answer that keys decide about.
func (r *remoteKeys) unavailable(keys keySet) error {
	if keys != nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return &UnavailableError{max(time.Until(r.next), firstRetry)}
}

// start fetches the keys in the background: the fetch does not end with the request that causes it, since others wait
// for it. r.mu is held.
func (r *remoteKeys) start() {
	var keys keySet
	task.Go(func() (err error) {
		keys, err = r.fetch(context.Background())
		return err
	}, func(err error) {
		r.report.KeySet(err)
		r.mu.Lock()
		defer r.mu.Unlock()
		if now := time.Now(); err == nil {
			r.keys, r.fetchedAt, r.failures, r.next = keys, now, 0, now.Add(refetchInterval)
		} else {
			r.next = now.Add(min(firstRetry<<min(r.failures, 5), refetchInterval))
			r.failures++
		}
		close(r.fetching)
		r.fetching = nil
	})
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
		return nil, errors.New("the key set's URL answered with a status other than 200")
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, keysSize+1))
	if err != nil || len(text) > keysSize {
		return nil, errors.New("the key set could not be read to its end, or is over 1 MiB")
	}
	return parseKeySet(reload.Text(text))
}
