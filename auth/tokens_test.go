package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"
)

const keySetURL = "https://issuer.example/jwks"

// issuer signs tokens and serves its key set, in memory.
type issuer struct {
	mu      sync.Mutex
	keys    []jose.JSONWebKey
	fetches []string
	answer  func() (int, http.Header, string)

	failures   []error
	unreadable []string
}

func (i *issuer) KeySet(err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.failures = append(i.failures, err)
}

func (i *issuer) UnreadableClaim(name string) { i.unreadable = append(i.unreadable, name) }

func (i *issuer) RoundTrip(r *http.Request) (*http.Response, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.fetches = append(i.fetches, r.URL.String())
	status, header, body := 200, http.Header{}, i.keySet()
	if i.answer != nil {
		status, header, body = i.answer()
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func (i *issuer) keySet() string {
	set := jose.JSONWebKeySet{}
	for _, k := range i.keys {
		set.Keys = append(set.Keys, k.Public())
	}
	text, _ := json.Marshal(set)
	return string(text)
}

// once makes the keys that all tests share: making an RSA key takes long.
var once = sync.OnceValue(func() []any {
	r, _ := rsa.GenerateKey(rand.Reader, 2048)
	e, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	other, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return []any{r, e, other}
})

func newIssuer() *issuer {
	return &issuer{keys: []jose.JSONWebKey{{Key: once()[0], KeyID: "rsa", Use: "sig"}, {Key: once()[1], KeyID: "ec", Algorithm: "ES256"}}}
}

func (i *issuer) tokens(t *testing.T, change func(*TokenOptions)) *Tokens {
	t.Helper()
	opts := TokenOptions{KeySetOptions: KeySetOptions{URL: keySetURL, Transport: i}, Issuer: "https://issuer.example", Audience: "learngraph",
		Digest: func(string) string { return "digest" }}
	if change != nil {
		change(&opts)
	}
	tokens, err := NewTokens(opts, i)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

func sign(t *testing.T, algorithm jose.SignatureAlgorithm, key any, header map[jose.HeaderKey]any, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, &jose.SignerOptions{ExtraHeaders: header})
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func goodClaims() map[string]any {
	return map[string]any{"iss": "https://issuer.example", "aud": "learngraph", "sub": "person@mail.example",
		"exp": time.Now().Add(time.Hour).Unix(), "scope": "users:read unknown:scope fresh"}
}

func with(claims map[string]any, name string, value any) map[string]any {
	claims[name] = value
	if value == nil {
		delete(claims, name)
	}
	return claims
}

func TestATokenIsTakenOnlyIfAllOfItIsRight(t *testing.T) {
	t.Parallel()
	rs, es, other := once()[0], once()[1], once()[2]
	kid := func(id string) map[jose.HeaderKey]any { return map[jose.HeaderKey]any{"kid": id} }
	encode := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	public := []byte(newIssuer().keySet())
	now := time.Now()
	good := func() string { return sign(t, jose.RS256, rs, kid("rsa"), goodClaims()) }
	signed := good()
	payload := strings.Split(signed, ".")[1]
	reasons := map[string]string{"expired": "expired token", "no expiry": "expired token", "not yet valid": "token that is not valid yet", "issued in the future": "token issued in the future",
		"another issuer": "token with a wrong issuer", "another audience": "token with a wrong audience", "an unknown key": "token with a key that the key set lacks",
		"another person's key": "token with a wrong signature", "another payload": "token with a wrong signature",
		"none": "token without a signature, or with an algorithm that is not accepted", "endless": "token longer than 16 KiB"}
	for _, test := range []struct {
		name, token string
		want        bool
	}{
		{"RSA", good(), true},
		{"elliptic curve", sign(t, jose.ES256, es, kid("ec"), goodClaims()), true},
		{"one audience of several", sign(t, jose.RS256, rs, kid("rsa"), with(goodClaims(), "aud", []string{"other", "learngraph"})), true},
		{"a clock slightly off", sign(t, jose.RS256, rs, kid("rsa"), with(goodClaims(), "nbf", now.Add(20*time.Second).Unix())), true},
		{"no expiry", sign(t, jose.RS256, rs, kid("rsa"), with(goodClaims(), "exp", nil)), false},
		{"just expired", sign(t, jose.RS256, rs, kid("rsa"), with(goodClaims(), "exp", now.Add(-time.Second).Unix())), false},
		{"expired", sign(t, jose.RS256, rs, kid("rsa"), with(goodClaims(), "exp", now.Add(-time.Minute).Unix())), false},
		{"not yet valid", sign(t, jose.RS256, rs, kid("rsa"), with(goodClaims(), "nbf", now.Add(time.Hour).Unix())), false},
		{"issued in the future", sign(t, jose.RS256, rs, kid("rsa"), with(goodClaims(), "iat", now.Add(time.Hour).Unix())), false},
		{"no issuer", sign(t, jose.RS256, rs, kid("rsa"), with(goodClaims(), "iss", nil)), false},
		{"another issuer", sign(t, jose.RS256, rs, kid("rsa"), with(goodClaims(), "iss", "https://issuer.example/")), false},
		{"no audience", sign(t, jose.RS256, rs, kid("rsa"), with(goodClaims(), "aud", nil)), false},
		{"another audience", sign(t, jose.RS256, rs, kid("rsa"), with(goodClaims(), "aud", "other")), false},
		{"an expiry that is a text", sign(t, jose.RS256, rs, kid("rsa"), with(goodClaims(), "exp", "tomorrow")), false},
		{"an algorithm that is not pinned", sign(t, jose.RS512, rs, kid("rsa"), goodClaims()), false},
		{"another person's key", sign(t, jose.ES256, other, kid("ec"), goodClaims()), false},
		{"an unknown key", sign(t, jose.ES256, es, kid("unknown"), goodClaims()), false},
		{"no key id where there are two keys", sign(t, jose.ES256, es, nil, goodClaims()), false},
		{"the public key as a secret", sign(t, jose.HS256, public, kid("rsa"), goodClaims()), false},
		{"none", encode(`{"alg":"none","kid":"rsa"}`) + "." + payload + ".", false},
		{"no signature", encode(`{"alg":"RS256","kid":"rsa"}`) + "." + payload + ".", false},
		{"another payload", strings.Replace(signed, payload, encode(`{"iss":"https://issuer.example","aud":"learngraph","exp":9999999999,"scope":"delete"}`), 1), false},
		{"a key of its own at an address", sign(t, jose.ES256, other, map[jose.HeaderKey]any{"kid": "mine", "jku": "https://evil.example/jwks", "x5u": "https://evil.example/cert"}, goodClaims()), false},
		{"critical extensions", sign(t, jose.ES256, es, map[jose.HeaderKey]any{"kid": "ec", "crit": []string{"x"}, "x": 1}, goodClaims()), false},
		{"no token", "", false},
		{"two parts", "a.b", false},
		{"endless", strings.Repeat("a", maxTokenLength+1), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			i := newIssuer()
			c, err := i.tokens(t, nil).Verify(t.Context(), test.token)
			if (err == nil) != test.want {
				t.Fatalf("got %v, %v", c, err)
			}
			if err != nil && (!errors.Is(err, errBadToken) || err.Error() != errBadToken.Error()) {
				t.Errorf("the error tells more than that the token is bad: %v", err)
			}
			if want, ok := reasons[test.name]; ok && Reason(err) != want {
				t.Errorf("the log says %q, want %q", Reason(err), want)
			}
			for _, url := range i.fetches {
				if url != keySetURL {
					t.Errorf("fetched %s", url)
				}
			}
			want := &Caller{Name: "token:digest", Scopes: []string{"users:read", "fresh"}}
			if diff := cmp.Diff(want, c); test.want && diff != "" {
				t.Errorf("caller (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAClaimBindsATokenToClients(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		claim string
		value any
		want  *Caller
	}{
		{"", "a", &Caller{}},
		{"clients", "a", &Caller{Bound: true, Clients: []string{"a"}}},
		{"clients", []string{"a", "b"}, &Caller{Bound: true, Clients: []string{"a", "b"}}},
		{"clients", nil, &Caller{Bound: true}},
		{"clients", 7, &Caller{Bound: true}},
	} {
		tokens := newIssuer().tokens(t, func(o *TokenOptions) { o.ClientsClaim = test.claim })
		c, err := tokens.Verify(t.Context(), sign(t, jose.ES256, once()[1], map[jose.HeaderKey]any{"kid": "ec"}, with(goodClaims(), "clients", test.value)))
		if err != nil {
			t.Fatal(err)
		}
		if got := (&Caller{Bound: c.Bound, Clients: c.Clients}); !cmp.Equal(test.want, got) {
			t.Errorf("%v: got %+v, want %+v", test.value, got, test.want)
		}
	}
}

func TestKeysAreFetchedSeldom(t *testing.T) {
	t.Parallel()
	once()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer()
		tokens := i.tokens(t, nil)
		es := once()[1]
		ask := func(kid string, life time.Duration) bool {
			claims := with(goodClaims(), "exp", time.Now().Add(life).Unix())
			_, err := tokens.Verify(t.Context(), sign(t, jose.ES256, es, map[jose.HeaderKey]any{"kid": kid}, claims))
			return err == nil
		}
		var got []int
		step := func() {
			synctest.Wait()
			got = append(got, len(i.fetches))
		}
		ask("ec", time.Hour)
		ask("ec", time.Hour)
		step() // one fetch for both
		for range 5 {
			ask("new", time.Hour)
		}
		step() // unknown: too soon after the first
		time.Sleep(refetchInterval)
		for range 5 {
			ask("new", time.Hour)
		}
		step()
		i.keys = append(i.keys, jose.JSONWebKey{Key: es, KeyID: "new"})
		time.Sleep(refetchInterval)
		if !ask("new", time.Hour) {
			t.Error("a new key is not learnt")
		}
		step()
		time.Sleep(keysLife)
		i.answer = func() (int, http.Header, string) { return 500, nil, "" }
		if !ask("new", 2*time.Hour) {
			t.Error("keys are forgotten while the issuer is away")
		}
		step()
		if diff := cmp.Diff([]int{1, 1, 2, 3, 4}, got); diff != "" {
			t.Errorf("fetches (-want +got):\n%s", diff)
		}
	})
}

func TestAVerifiedTokenIsRememberedUntilItExpires(t *testing.T) {
	t.Parallel()
	once()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer()
		tokens := i.tokens(t, nil)
		token := sign(t, jose.ES256, once()[1], map[jose.HeaderKey]any{"kid": "ec"}, goodClaims())
		first, err := tokens.Verify(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		i.answer = func() (int, http.Header, string) { return 500, nil, "" }
		if again, err := tokens.Verify(t.Context(), token); err != nil || again != first {
			t.Errorf("got %v, %v", again, err)
		}
		time.Sleep(time.Hour)
		if _, err := tokens.Verify(t.Context(), token); !errors.Is(err, errBadToken) {
			t.Errorf("after it expired: got %v", err)
		}
	})
}

func TestTheKeySetIsTakenFromOnePlaceAndBounded(t *testing.T) {
	t.Parallel()
	token := sign(t, jose.ES256, once()[1], map[jose.HeaderKey]any{"kid": "ec"}, goodClaims())
	good := newIssuer().keySet()
	secret, _ := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: []byte(strings.Repeat("k", 64)), KeyID: "ec"}}})
	for _, test := range []struct {
		name   string
		status int
		header http.Header
		body   string
		want   bool
	}{
		{"the set", 200, nil, good, true},
		{"just as long as allowed", 200, nil, good + strings.Repeat(" ", keysSize-len(good)), true},
		{"a byte longer", 200, nil, good + strings.Repeat(" ", keysSize-len(good)+1), false},
		{"a redirect", 302, http.Header{"Location": {"https://other.example/jwks"}}, good, false},
		{"no JSON", 200, nil, "<html>", false},
		{"no keys", 200, nil, `{"keys":[]}`, false},
		{"a shared secret", 200, nil, string(secret), false},
		{"for encryption", 200, nil, strings.Replace(strings.Replace(good, `"use":"sig"`, `"use":"enc"`, 1), `"kid":"ec"`, `"kid":"ec","use":"enc"`, 1), false},
	} {
		i := newIssuer()
		i.answer = func() (int, http.Header, string) { return test.status, test.header, test.body }
		_, err := i.tokens(t, nil).Verify(context.WithoutCancel(t.Context()), token)
		if (err == nil) != test.want || len(i.fetches) != 1 || (i.failures[0] == nil) != test.want {
			t.Errorf("%s: got %v after %v", test.name, err, i.fetches)
		}
	}
}

func TestTheKeySetMayBeInAFile(t *testing.T) {
	t.Parallel()
	i := newIssuer()
	tokens := i.tokens(t, func(o *TokenOptions) {
		o.URL, o.Files, o.Name = "", fstest.MapFS{"jwks.json": {Data: []byte(i.keySet())}}, "jwks.json"
	})
	if _, err := tokens.Verify(t.Context(), sign(t, jose.ES256, once()[1], map[jose.HeaderKey]any{"kid": "ec"}, goodClaims())); err != nil {
		t.Error(err)
	}
}

func TestUnsafeOptionsAreRefused(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*TokenOptions){
		"no issuer":       func(o *TokenOptions) { o.Issuer = "" },
		"no audience":     func(o *TokenOptions) { o.Audience = "" },
		"none":            func(o *TokenOptions) { o.Algorithms = []string{"none"} },
		"a shared secret": func(o *TokenOptions) { o.Algorithms = []string{"RS256", "HS256"} },
		"no digest":       func(o *TokenOptions) { o.Digest = nil },
		"no key set":      func(o *TokenOptions) { o.URL = "" },
		"two key sets":    func(o *TokenOptions) { o.Files = fstest.MapFS{} },
	} {
		opts := TokenOptions{KeySetOptions: KeySetOptions{URL: keySetURL}, Issuer: "i", Audience: "a", Digest: func(string) string { return "" }}
		change(&opts)
		if _, err := NewTokens(opts, newIssuer()); err == nil {
			t.Errorf("%s: want an error", name)
		}
	}
}

func FuzzKeySet(f *testing.F) {
	f.Add([]byte(newIssuer().keySet()))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"},{"kty":"oct","k":"AA"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := parseKeySet(text)
		if err == nil && len(keys) == 0 {
			t.Error("a set without a key is no error")
		}
		for _, k := range keys {
			if !k.IsPublic() {
				t.Error("a key is not public")
			}
		}
	})
}

func signedNow(t *testing.T, life time.Duration, extra ...any) string {
	t.Helper()
	claims := with(goodClaims(), "exp", time.Now().Add(life).Unix())
	for i := 0; i < len(extra); i += 2 {
		claims = with(claims, extra[i].(string), extra[i+1])
	}
	return sign(t, jose.ES256, once()[1], map[jose.HeaderKey]any{"kid": "ec"}, claims)
}

func TestWithoutAKeySetTokensAreRetryable(t *testing.T) {
	t.Parallel()
	once()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer()
		i.answer = func() (int, http.Header, string) { return 500, nil, "" }
		tokens := i.tokens(t, nil)
		var unavailable *UnavailableError
		for range 3 {
			if _, err := tokens.Verify(t.Context(), signedNow(t, time.Hour)); !errors.As(err, &unavailable) || unavailable.RetryAfter < time.Second || unavailable.RetryAfter > refetchInterval {
				t.Fatalf("got %v", err)
			}
		}
		if len(i.fetches) != 1 {
			t.Errorf("%d fetches in an instant, want 1", len(i.fetches))
		}
		if _, err := tokens.Verify(t.Context(), "a.b.c"); !errors.Is(err, errBadToken) {
			t.Errorf("what is no token: got %v", err)
		}
		i.answer = nil
		time.Sleep(firstRetry)
		if _, err := tokens.Verify(t.Context(), signedNow(t, time.Hour)); err != nil {
			t.Errorf("a second later: got %v", err)
		}
	})
}

func TestNoRequestWaitsLongForAKeySet(t *testing.T) {
	t.Parallel()
	once()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer()
		i.answer = func() (int, http.Header, string) { time.Sleep(4 * time.Second); return 200, nil, i.keySet() }
		tokens := i.tokens(t, nil)
		begin := time.Now()
		var unavailable *UnavailableError
		if _, err := tokens.Verify(t.Context(), signedNow(t, time.Hour)); !errors.As(err, &unavailable) || time.Since(begin) != longestWait {
			t.Errorf("got %v after %v", err, time.Since(begin))
		}
		time.Sleep(4 * time.Second)
		if _, err := tokens.Verify(t.Context(), signedNow(t, time.Hour)); err != nil {
			t.Errorf("got %v after the keys came", err)
		}
	})
}

func TestAKeyThatLeavesTheSetEndsItsTokens(t *testing.T) {
	t.Parallel()
	once()
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer()
		tokens := i.tokens(t, nil)
		token := signedNow(t, 24*time.Hour)
		if _, err := tokens.Verify(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		i.mu.Lock()
		i.keys = i.keys[:1]
		i.mu.Unlock()
		time.Sleep(keysLife)
		_, _ = tokens.Verify(t.Context(), token)
		synctest.Wait()
		if _, err := tokens.Verify(t.Context(), token); !errors.Is(err, errBadToken) {
			t.Errorf("a token of a withdrawn key: got %v", err)
		}
		// Another key under the same id is another key.
		i.mu.Lock()
		i.keys = append(i.keys, jose.JSONWebKey{Key: once()[2], KeyID: "ec", Algorithm: "ES256"})
		i.mu.Unlock()
		time.Sleep(keysLife)
		if _, err := tokens.Verify(t.Context(), token); !errors.Is(err, errBadToken) {
			t.Errorf("a token of a replaced key: got %v", err)
		}
	})
}

// A program that had no request for hours has missed changes of the set.
func TestOldKeysAreNotUsedUnasked(t *testing.T) {
	t.Parallel()
	once()
	for name, test := range map[string]struct {
		change func(*issuer)
		want   error
	}{
		"a key is withdrawn":  {func(i *issuer) { i.keys = i.keys[:1] }, errBadToken},
		"a key is replaced":   {func(i *issuer) { i.keys[1].Key = once()[2] }, errBadToken},
		"nothing has changed": {func(*issuer) {}, nil},
		"the issuer fails":    {func(i *issuer) { i.answer = func() (int, http.Header, string) { return 500, nil, "" } }, nil},
		"the issuer is slow": {func(i *issuer) {
			i.answer = func() (int, http.Header, string) { time.Sleep(4 * time.Second); return 500, nil, "" }
		}, nil},
		"a mark is before it": {func(i *issuer) {
			text := "\xef\xbb\xbf" + i.keySet()
			i.answer = func() (int, http.Header, string) { return 200, nil, text }
		}, nil},
		"a set without a key": {func(i *issuer) { i.answer = func() (int, http.Header, string) { return 200, nil, `{"keys":[]}` } }, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			i := newIssuer()
			tokens := i.tokens(t, nil)
			token := signedNow(t, 24*time.Hour)
			if _, err := tokens.Verify(t.Context(), token); err != nil {
				t.Fatal(err)
			}
			test.change(i)
			time.Sleep(oldKeys)
			if _, err := tokens.Verify(t.Context(), token); !errors.Is(err, test.want) {
				t.Errorf("%s: got %v, want %v", name, err, test.want)
			}
			time.Sleep(keysTimeout) // a fetch may be under way
		})
	}
}

func TestScopesAreReadFromOneOfSeveralClaims(t *testing.T) {
	t.Parallel()
	both := []string{"users:read", "fresh"}
	for _, test := range []struct {
		setting, claim string
		value          any
		want           []string
		unreadable     []string
	}{
		{"", "scope", "users:read fresh", both, nil},
		{"", "scope", []string{"users:read", "fresh"}, both, nil},
		{"", "scp", "users:read fresh", both, nil},
		{"", "scp", []string{"users:read", "fresh other"}, both, nil},
		{"", "permissions", []string{"users:read", "fresh"}, both, nil},
		{"", "roles", []string{"users:read"}, nil, nil},
		{"roles", "roles", []string{"users:read", "fresh"}, both, nil},
		{"roles", "scope", "users:read", nil, nil},
		{"", "scope", map[string]any{"a": "users:read"}, nil, []string{"scope"}},
		{"", "scp", 7, nil, []string{"scp"}},
		{"", "permissions", []any{"users:read", 7}, []string{"users:read"}, []string{"permissions"}},
	} {
		i := newIssuer()
		tokens := i.tokens(t, func(o *TokenOptions) { o.ScopesClaim = test.setting })
		c, err := tokens.Verify(t.Context(), signedNow(t, time.Hour, "scope", nil, test.claim, test.value))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, c.Scopes) + cmp.Diff(test.unreadable, i.unreadable); diff != "" {
			t.Errorf("%s %v: (-want +got)\n%s", test.claim, test.value, diff)
		}
	}
}

func TestTheTypeOfATokenIsCheckedWhereConfigured(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		setting, typ string
		want         bool
	}{{"", "", true}, {"", "JWT", true}, {"at+jwt", "at+jwt", true}, {"at+jwt", "application/AT+JWT", true}, {"at+jwt", "JWT", false}, {"at+jwt", "", false}} {
		header := map[jose.HeaderKey]any{"kid": "ec"}
		if test.typ != "" {
			header[jose.HeaderType] = test.typ
		}
		tokens := newIssuer().tokens(t, func(o *TokenOptions) { o.Type = test.setting })
		if _, err := tokens.Verify(t.Context(), sign(t, jose.ES256, once()[1], header, goodClaims())); (err == nil) != test.want {
			t.Errorf("%q, want %q: got %v", test.typ, test.setting, err)
		}
	}
}
