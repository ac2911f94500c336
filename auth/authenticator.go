package auth

import (
	"errors"
	"net/http"
	"strings"
)

// rejection is why a caller was not authenticated. Its text may be shown, and does not reveal which part of a
// credential is wrong; its reason is for operators only, since it would help an attacker.
type rejection struct{ text, reason string }

func (e *rejection) Error() string { return e.text }

// Is reports whether the target has the same text.
func (e *rejection) Is(target error) bool { return target.Error() == e.text }

// The texts of rejections.
var (
	errNoCredentials   error = &rejection{"send an API key in X-API-Key or a token in Authorization", "no credential"}
	errManyCredentials error = &rejection{"send one credential, not several", "several credentials"}
	errUnknownKey      error = &rejection{"the API key is not known", "unknown API key"}
	errBadToken              = errors.New("the token is not valid")
)

// badToken returns errBadToken with its reason.
func badToken(reason string) error { return &rejection{errBadToken.Error(), reason} }

// Reason returns why a credential is not taken, for the log. It has nothing of the credential.
func Reason(err error) string {
	if r := (*rejection)(nil); errors.As(err, &r) {
		return r.reason
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
		return nil, errNoCredentials
	case len(keys)+len(tokens) > 1:
		return nil, errManyCredentials
	case len(keys) == 1:
		if a.Keys == nil {
			return nil, errUnknownKey
		}
		if c, ok := a.Keys.Find(keys[0]); ok {
			return c, nil
		}
		return nil, errUnknownKey
	}
	scheme, token, _ := strings.Cut(tokens[0], " ")
	if a.Tokens == nil || !strings.EqualFold(scheme, "Bearer") {
		return nil, badToken("no bearer token, or tokens are not accepted")
	}
	return a.Tokens.Verify(r.Context(), strings.TrimSpace(token))
}
