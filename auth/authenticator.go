package auth

import (
	"errors"
	"net/http"
	"strings"
)

// The reasons why a caller was not authenticated. Their texts may be shown, and do not reveal which part of a
// credential is wrong.
var (
	ErrNoCredentials   = errors.New("send an API key in X-API-Key or a token in Authorization")
	ErrManyCredentials = errors.New("send one credential, not several")
	ErrUnknownKey      = errors.New("the API key is not known")
	ErrBadToken        = errors.New("the token is not valid")
)

// badToken is ErrBadToken with its reason, which is for operators only: it would help an attacker.
type badToken struct{ reason string }

func (e *badToken) Error() string        { return ErrBadToken.Error() }
func (e *badToken) Is(target error) bool { return target == ErrBadToken }

// Reason returns why a credential is not taken, for the log. It has nothing of the credential.
func Reason(err error) string {
	if bad := (*badToken)(nil); errors.As(err, &bad) {
		return bad.reason
	}
	switch {
	case errors.Is(err, ErrNoCredentials):
		return "no credential"
	case errors.Is(err, ErrManyCredentials):
		return "several credentials"
	case errors.Is(err, ErrUnknownKey):
		return "unknown API key"
	}
	return err.Error()
}

// Authenticator authenticates callers. Either of its parts may be nil: then credentials of its kind are not known.
type Authenticator struct {
	Keys   *Keys
	Tokens *Tokens
}

// Authenticate returns the caller of a request, or one of the errors above.
func (a *Authenticator) Authenticate(r *http.Request) (*Caller, error) {
	keys, tokens := r.Header.Values("X-API-Key"), r.Header.Values("Authorization")
	switch {
	case len(keys)+len(tokens) == 0:
		return nil, ErrNoCredentials
	case len(keys)+len(tokens) > 1:
		return nil, ErrManyCredentials
	case len(keys) == 1:
		if a.Keys == nil {
			return nil, ErrUnknownKey
		}
		if c, ok := a.Keys.Find(keys[0]); ok {
			return c, nil
		}
		return nil, ErrUnknownKey
	}
	scheme, token, _ := strings.Cut(tokens[0], " ")
	if a.Tokens == nil || !strings.EqualFold(scheme, "Bearer") {
		return nil, &badToken{"no bearer token, or tokens are not accepted"}
	}
	return a.Tokens.Verify(r.Context(), strings.TrimSpace(token))
}
