package auth

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/learngraph/learngraph/reload"
)

// Keys are the API keys of a file. It is safe for concurrent use.
type Keys struct{ file *reload.Value[[]apiKey] }

type apiKey struct {
	sum    [sha256.Size]byte
	caller *Caller
}

// NewKeys reads the keys: a JSON array of {"name", "sha256" (of the key, in hexadecimal), "scopes", "clients",
// "points"}. Without clients the key is bound to none and sees all; an empty list sees none. Without points the
// server's default holds. Later changes are loaded; failed is called for an invalid file, whose keys are not used.
func NewKeys(fsys fs.FS, name string, failed func(error)) (*Keys, error) {
	file, err := reload.New(fsys, name, func(files []reload.File) ([]apiKey, error) {
		if len(files) != 1 {
			return nil, errors.New("the API keys must be in one file")
		}
		return parseKeys(files[0].Text)
	}, failed)
	if err != nil {
		return nil, err
	}
	return &Keys{file}, nil
}

// jsonCause returns the position of a syntax error in JSON, or the member that is unknown or of a wrong kind; it
// repeats no value.
func jsonCause(err error) string {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Sprintf("; it is invalid JSON at byte %d", syntax.Offset)
	case errors.As(err, &kind):
		of, _, _ := strings.Cut(kind.Value, " ") // a number comes with its value
		return fmt.Sprintf("; %s has the type %s", cmp.Or(kind.Field, "it"), of)
	case err != nil && strings.HasPrefix(err.Error(), "json: unknown field "):
		return "; unknown member " + strings.TrimPrefix(err.Error(), "json: unknown field ")
	}
	return ""
}

// Find returns the caller of a key. The time it takes does not depend on which key is right.
func (k *Keys) Find(key string) (*Caller, bool) {
	sum := sha256.Sum256([]byte(key))
	var found *Caller
	for _, known := range k.file.Get() {
		if subtle.ConstantTimeCompare(sum[:], known.sum[:]) == 1 {
			found = known.caller
		}
	}
	return found, found != nil
}

// Reload reads the file now. It reports whether the keys are others, or why they stay the old ones.
func (k *Keys) Reload() (changed bool, err error) { return k.file.Check() }

// parseKeys names the entry that is wrong by its place: a name may be a person's.
func parseKeys(text []byte) ([]apiKey, error) {
	var entries []struct {
		Name    string    `json:"name"`
		SHA256  string    `json:"sha256"`
		Scopes  []string  `json:"scopes"`
		Clients *[]string `json:"clients"`
		Points  int64     `json:"points"`
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&entries); err != nil || entries == nil {
		return nil, fmt.Errorf("the file of API keys must be a JSON array of {name, sha256, scopes, clients, points}%s",
			jsonCause(err))
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("there is data after the array of API keys")
	}
	names := map[string]bool{}
	sums := map[[sha256.Size]byte]bool{}
	keys := make([]apiKey, len(entries))
	for i, e := range entries {
		sum, err := hex.DecodeString(e.SHA256)
		switch {
		case e.Name == "" || names[e.Name]:
			return nil, fmt.Errorf("API key %d must have a unique name; it has %q", i, e.Name)
		case err != nil || len(sum) != sha256.Size:
			return nil, fmt.Errorf("API key %d: sha256 must be 64 hexadecimal digits", i)
		case sums[[sha256.Size]byte(sum)]:
			return nil, fmt.Errorf("API key %d is a duplicate", i)
		case e.Points < 0:
			return nil, fmt.Errorf("API key %d: points must not be negative", i)
		}
		for _, s := range e.Scopes {
			if !slices.Contains(Scopes, s) {
				return nil, fmt.Errorf("API key %d has the unknown scope %q; the scopes are %s", i, s,
					strings.Join(Scopes, ", "))
			}
		}
		c := &Caller{Name: e.Name, Scopes: e.Scopes, Points: e.Points}
		if e.Clients != nil {
			c.Bound, c.Clients = true, *e.Clients
		}
		names[e.Name], sums[[sha256.Size]byte(sum)] = true, true
		keys[i] = apiKey{[sha256.Size]byte(sum), c}
	}
	return keys, nil
}
