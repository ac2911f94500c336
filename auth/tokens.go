package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/learngraph/learngraph/lru"
)

// Algorithms are those whose keys are public. None and those with a shared secret are not among them: a public key
// taken for a secret would let anyone sign.
var Algorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// DefaultAlgorithms are the usual algorithms of identity providers.
var DefaultAlgorithms = []string{"RS256", "ES256"}

// Reporter is notified of failures of the verification as a whole. Its methods are called by several goroutines.
type Reporter interface {
	// KeySet gets the outcome of each read of the key set: nil, or why it cannot be had. Keys that were had stay.
	KeySet(err error)
	// UnreadableClaim gets the name of a claim of a good token that is neither a text nor a list of texts.
	UnreadableClaim(name string)
}

// TokenOptions decide which tokens are accepted. Issuer, Audience, Digest and one of URL and Files must be set.
type TokenOptions struct {
	KeySetOptions

	Issuer, Audience string
	// Algorithms are the only ones taken; empty is DefaultAlgorithms.
	Algorithms []string
	// Type is the required header typ of a token, such as at+jwt; empty accepts any.
	Type string
	// ScopesClaim names the claim with the scopes: a text of words or a list of texts. Empty is the first of scope, scp
	// and permissions that a token has.
	ScopesClaim string
	// ClientsClaim names the claim that binds a token to clients: a text or a list of them. Where it is set, a token
	// without it is bound to none, and so sees no record. Empty binds no token.
	ClientsClaim string
	// Digest returns a keyed digest of the subject for logs.
	Digest func(string) string
}

// Tokens verifies signed tokens. It is safe for concurrent use.
type Tokens struct {
	opts       TokenOptions
	report     Reporter
	algorithms []jose.SignatureAlgorithm
	keys       keySource
	verified   *lru.Cache[[sha256.Size]byte, verifiedToken]
}

type verifiedToken struct {
	caller *Caller
	key    signingKey
	until  time.Time
}

const (
	// verifiedMemory bounds the memory of tokens that were verified, in bytes; tokenSize is about the size of one without
	// the texts of its caller.
	verifiedMemory = 8 << 20
	tokenSize      = 512
	// maxTokenLength is the longest token that is parsed, in bytes.
	maxTokenLength = 16 << 10
	// clockSkew is how far the issuer's clock may be ahead. It does not prolong a token's life.
	clockSkew = 30 * time.Second
)

// NewTokens returns an error that names the option that is missing or unsafe.
func NewTokens(opts TokenOptions, report Reporter) (*Tokens, error) {
	if opts.Issuer == "" || opts.Audience == "" {
		return nil, errors.New("the issuer and the audience of tokens must be set")
	}
	if opts.Digest == nil {
		return nil, errors.New("the digest of subjects must be set")
	}
	t := &Tokens{opts: opts, report: report}
	if len(opts.Algorithms) == 0 {
		opts.Algorithms = DefaultAlgorithms
	}
	for _, name := range opts.Algorithms {
		if !slices.Contains(Algorithms, name) {
			return nil, fmt.Errorf("the algorithm of tokens must be one of %s", strings.Join(Algorithms, ", "))
		}
		t.algorithms = append(t.algorithms, jose.SignatureAlgorithm(name))
	}
	var err error
	if t.keys, err = openKeys(opts.KeySetOptions, report); err != nil {
		return nil, err
	}
	t.verified = lru.New[[sha256.Size]byte, verifiedToken](verifiedMemory, nil)
	return t, nil
}

// Reload reads the key set now. It reports whether it is another one, or why it stays the old one.
func (t *Tokens) Reload(ctx context.Context) (changed bool, err error) { return t.keys.reload(ctx) }

// Verify returns the caller that a token names, a rejection for a bad token, and an *UnavailableError while no key set
// was ever had. A token stays good no longer than the key that it is signed with is in the set.
func (t *Tokens) Verify(ctx context.Context, token string) (*Caller, error) {
	if len(token) > maxTokenLength {
		return nil, badToken("token longer than 16 KiB")
	}
	sum := sha256.Sum256([]byte(token))
	if known, ok := t.verified.Get(sum); ok {
		if time.Now().Before(known.until) && t.keys.has(ctx, known.key) {
			return known.caller, nil
		}
		t.verified.Remove(sum)
	}
	parsed, err := jwt.ParseSigned(token, t.algorithms)
	switch {
	case err != nil || len(parsed.Headers) != 1:
		return nil, badToken("token without a signature, or with an algorithm that is not accepted")
	case !t.typed(parsed.Headers[0]):
		return nil, badToken("token with a wrong type")
	}
	keys, err := t.keys.find(ctx, parsed.Headers[0].KeyID, parsed.Headers[0].Algorithm)
	if err != nil {
		return nil, err
	}
	v, err := t.verify(parsed, keys)
	if err != nil {
		return nil, badToken(claimError(err))
	}
	t.verified.Put(sum, v, v.size())
	return v.caller, nil
}

// size returns about how many bytes the token takes, without the key, which is in the key set.
func (v verifiedToken) size() int {
	n := tokenSize + len(v.caller.Name)
	for _, text := range slices.Concat(v.caller.Scopes, v.caller.Clients) {
		n += 16 + len(text)
	}
	return n
}

// typed reports whether the header typ is the one that is configured. "application/" may be left out (RFC 7515, 4.1.9).
func (t *Tokens) typed(header jose.Header) bool {
	if t.opts.Type == "" {
		return true
	}
	typ, _ := header.ExtraHeaders[jose.HeaderType].(string)
	short := func(s string) string { return strings.TrimPrefix(strings.ToLower(s), "application/") }
	return short(typ) == short(t.opts.Type)
}

func (t *Tokens) verify(token *jwt.JSONWebToken, keys keySet) (verifiedToken, error) {
	for _, key := range keys {
		claims, all := &jwt.Claims{}, map[string]any{}
		if token.Claims(key.Key, claims, &all) != nil {
			continue
		}
		if claims.Expiry == nil || !time.Now().Before(claims.Expiry.Time()) {
			return verifiedToken{}, jwt.ErrExpired
		}
		expected := jwt.Expected{Issuer: t.opts.Issuer, AnyAudience: jwt.Audience{t.opts.Audience}, Time: time.Now()}
		if err := claims.ValidateWithLeeway(expected, clockSkew); err != nil {
			return verifiedToken{}, err
		}
		return verifiedToken{t.caller(claims, all), key, claims.Expiry.Time()}, nil
	}
	if len(keys) == 0 {
		return verifiedToken{}, errNoKey
	}
	return verifiedToken{}, errSignature
}

var (
	errNoKey     = errors.New("token with a key that the key set lacks")
	errSignature = errors.New("token with a wrong signature")
)

// claimError returns why a token is rejected, without values from the token.
func claimError(err error) string {
	for known, reason := range map[error]string{jwt.ErrExpired: "expired token",
		jwt.ErrInvalidIssuer: "token with a wrong issuer", jwt.ErrInvalidAudience: "token with a wrong audience",
		jwt.ErrNotValidYet: "token that is not valid yet", jwt.ErrIssuedInTheFuture: "token issued in the future",
		errNoKey: errNoKey.Error(), errSignature: errSignature.Error()} {
		if errors.Is(err, known) {
			return reason
		}
	}
	return "token with an invalid claim"
}

func (t *Tokens) caller(claims *jwt.Claims, all map[string]any) *Caller {
	c := &Caller{Name: tokenName + t.opts.Digest(claims.Issuer+"\x00"+claims.Subject)}
	for _, s := range t.texts(t.scopesClaim(all), all) {
		for word := range strings.FieldsSeq(s) {
			if slices.Contains(Scopes, word) {
				c.Scopes = append(c.Scopes, word)
			}
		}
	}
	if t.opts.ClientsClaim != "" {
		c.Bound = true
		c.Clients = t.texts(t.opts.ClientsClaim, all)
	}
	return c
}

// scopesClaim returns the claim that a token's scopes are in: OAuth 2.0 calls it scope (RFC 9068), others scp or
// permissions.
func (t *Tokens) scopesClaim(all map[string]any) string {
	if t.opts.ScopesClaim != "" {
		return t.opts.ScopesClaim
	}
	for _, name := range []string{"scope", "scp", "permissions"} {
		if all[name] != nil {
			return name
		}
	}
	return "scope"
}

// texts returns the texts of a claim: one, or a list of them.
func (t *Tokens) texts(name string, all map[string]any) []string {
	switch v := all[name].(type) {
	case nil:
		return nil
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, item := range v {
			if text, ok := item.(string); ok {
				out = append(out, text)
			} else {
				t.report.UnreadableClaim(name)
			}
		}
		return out
	}
	t.report.UnreadableClaim(name)
	return nil
}
