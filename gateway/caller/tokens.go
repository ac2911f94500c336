package caller

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/hashicorp/golang-lru/v2"
	"github.com/learngraph/learngraph/gateway/reload"
)

// algorithms are those whose keys are public. None and those with a shared secret are not among them: a public key taken
// for a secret would let anyone sign.
var algorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// DefaultAlgorithms are what identity providers sign with.
var DefaultAlgorithms = []string{"RS256", "ES256"}

// TokenOptions say which tokens are good. Issuer, Audience, one of URL and Files, and Failed must be set.
type TokenOptions struct {
	// URL of the key set. Redirects are not followed.
	URL string
	// Files and Name are the key set in a file, which is read again when it changes.
	Files fs.FS
	Name  string

	Issuer, Audience string
	// Algorithms are the only ones taken; empty is DefaultAlgorithms.
	Algorithms []string
	// ClientsClaim names the claim that binds a token to clients: a text or a list of them. Where it is set, a token
	// without it is bound to none, and so sees no record. Empty binds no token.
	ClientsClaim string
	// Digest makes of the subject what may stand in a log: a keyed digest.
	Digest func(string) string
	// Transport fetches the key set; nil is the network.
	Transport http.RoundTripper
	// Failed is told when the key set cannot be read. Keys that are known stay.
	Failed func(error)
}

// Tokens verifies signed tokens. It is safe for concurrent use.
type Tokens struct {
	opts       TokenOptions
	algorithms []jose.SignatureAlgorithm
	keys       keySource
	verified   *lru.Cache[[sha256.Size]byte, verifiedToken]
}

type verifiedToken struct {
	caller *Caller
	until  time.Time
}

const (
	// verifiedTokens bounds the memory of those that were verified.
	verifiedTokens = 10_000
	// longestToken bounds what is looked at, in bytes.
	longestToken = 16 << 10
	// clockSkew is how far the issuer's clock may be ahead. It does not prolong a token's life.
	clockSkew = 30 * time.Second
)

// NewTokens says what of the options is missing or unsafe.
func NewTokens(opts TokenOptions) (*Tokens, error) {
	if opts.Issuer == "" || opts.Audience == "" {
		return nil, errors.New("the issuer and the audience of tokens must be set")
	}
	t := &Tokens{opts: opts}
	if len(opts.Algorithms) == 0 {
		opts.Algorithms = DefaultAlgorithms
	}
	for _, name := range opts.Algorithms {
		if !slices.Contains(algorithms, name) {
			return nil, fmt.Errorf("the algorithm of tokens must be one of %s", strings.Join(algorithms, ", "))
		}
		t.algorithms = append(t.algorithms, jose.SignatureAlgorithm(name))
	}
	switch {
	case (opts.URL == "") == (opts.Files == nil):
		return nil, errors.New("the key set of tokens must be at a URL or in a file")
	case opts.URL != "":
		t.keys = newRemoteKeys(opts.URL, opts.Transport, opts.Failed)
	default:
		file, err := reload.New(opts.Files, opts.Name, func(files []reload.File) (keySet, error) {
			if len(files) != 1 {
				return nil, errors.New("the key set must be in one file")
			}
			return parseKeySet(files[0].Text)
		}, opts.Failed)
		if err != nil {
			return nil, err
		}
		t.keys = fileKeys{file}
	}
	var err error
	t.verified, err = lru.New[[sha256.Size]byte, verifiedToken](verifiedTokens)
	return t, err
}

// Verify gives the caller that a token names. All it says of a bad one is ErrBadToken.
func (t *Tokens) Verify(ctx context.Context, token string) (*Caller, error) {
	if len(token) > longestToken {
		return nil, ErrBadToken
	}
	sum := sha256.Sum256([]byte(token))
	if known, ok := t.verified.Get(sum); ok {
		if time.Now().Before(known.until) {
			return known.caller, nil
		}
		t.verified.Remove(sum)
	}
	parsed, err := jwt.ParseSigned(token, t.algorithms)
	if err != nil || len(parsed.Headers) != 1 {
		return nil, ErrBadToken
	}
	claims, all, err := t.claims(ctx, parsed)
	if err != nil {
		return nil, ErrBadToken
	}
	c := t.caller(claims, all)
	t.verified.Add(sum, verifiedToken{c, claims.Expiry.Time()})
	return c, nil
}

func (t *Tokens) claims(ctx context.Context, token *jwt.JSONWebToken) (*jwt.Claims, map[string]any, error) {
	header := token.Headers[0]
	for _, key := range t.keys.find(ctx, header.KeyID, header.Algorithm) {
		claims, all := &jwt.Claims{}, map[string]any{}
		if token.Claims(key.Key, claims, &all) != nil {
			continue
		}
		if claims.Expiry == nil || !time.Now().Before(claims.Expiry.Time()) {
			return nil, nil, jwt.ErrExpired
		}
		expected := jwt.Expected{Issuer: t.opts.Issuer, AnyAudience: jwt.Audience{t.opts.Audience}, Time: time.Now()}
		return claims, all, claims.ValidateWithLeeway(expected, clockSkew)
	}
	return nil, nil, ErrBadToken
}

func (t *Tokens) caller(claims *jwt.Claims, all map[string]any) *Caller {
	c := &Caller{Name: "token:" + t.opts.Digest(claims.Issuer+"\x00"+claims.Subject)}
	scope, _ := all["scope"].(string)
	for _, s := range strings.Fields(scope) {
		if slices.Contains(Scopes, s) {
			c.Scopes = append(c.Scopes, s)
		}
	}
	if t.opts.ClientsClaim != "" {
		c.Bound = true
		c.Clients = texts(all[t.opts.ClientsClaim])
	}
	return c
}

func texts(v any) []string {
	if text, ok := v.(string); ok {
		return []string{text}
	}
	list, _ := v.([]any)
	var out []string
	for _, item := range list {
		if text, ok := item.(string); ok {
			out = append(out, text)
		}
	}
	return out
}
