package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// readScopes are the permissions of a measurement's callers.
const readScopes = "users:read"

// writeKeys writes a file with one API key, and returns the settings that name it and the key.
func writeKeys(folder string) (settings []string, key string, err error) {
	key, file := rand.Text(), filepath.Join(folder, "keys.json")
	text := fmt.Sprintf(`[{"name":"bench","sha256":"%x","scopes":[%q]}]`, sha256.Sum256([]byte(key)), readScopes)
	return []string{"AUTH=keys", "API_KEYS_FILE=" + file}, key, os.WriteFile(file, []byte(text), 0o600)
}

// writeKeySet writes a key set, and returns the settings that name it and a token that it verifies.
func writeKeySet(folder string) (settings []string, token string, err error) {
	const issuer, audience, id = "https://issuer.example", "learngraph", "bench"
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, "", err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: id}}, nil)
	if err != nil {
		return nil, "", err
	}
	claims := map[string]any{"iss": issuer, "aud": audience, "sub": "bench", "scope": readScopes,
		"exp": time.Now().Add(time.Hour).Unix()}
	if token, err = jwt.Signed(signer).Claims(claims).Serialize(); err != nil {
		return nil, "", err
	}
	text, err := json.Marshal(
		jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: id, Algorithm: "ES256", Use: "sig"}}})
	if err != nil {
		return nil, "", err
	}
	file := filepath.Join(folder, "jwks.json")
	return []string{"AUTH=jwt", "JWT_JWKS=" + file, "JWT_ISSUER=" + issuer, "JWT_AUDIENCE=" + audience}, token,
		os.WriteFile(file, text, 0o600)
}
