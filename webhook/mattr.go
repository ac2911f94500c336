package webhook

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/subtle"
	"encoding/json"
	"io"
	"net/http"

	"github.com/yaronf/httpsign"
)

// maxSignatures bounds how many signatures of one request are tried.
const maxSignatures = 4

// MATTR verifies the events of a tenant.
type MATTR struct {
	// ID is the webhook's own, which its registration answered.
	ID string
	// Keys returns the tenant's public keys of an id, and *Unavailable while none were ever had.
	Keys func(ctx context.Context, id string) ([]crypto.PublicKey, error)
}

// NewMATTR returns the endpoint of MATTR: HTTP Message Signatures (RFC 9421) that cover the digest of the body.
func NewMATTR(m MATTR, o Options) *Endpoint {
	return &Endpoint{vendor{name: mattr, read: readMATTR, verify: m.verify}, o}
}

func (m MATTR) verify(r *http.Request, body []byte) error {
	if !m.addressed(r, body) {
		return ErrSignature
	}
	message := signed(r, body)
	names, err := httpsign.RequestSignatureNames(message, false)
	if err != nil || len(names) == 0 || len(names) > maxSignatures {
		return ErrSignature
	}
	if httpsign.ValidateContentDigestHeader(message.Header.Values("Content-Digest"), &message.Body,
		[]string{httpsign.DigestSha256, httpsign.DigestSha512}) != nil {
		return ErrSignature
	}
	for _, name := range names {
		if err = m.verifyOne(r, body, name); err == nil {
			return nil
		}
	}
	return err
}

// verifyOne tries the scheme that the request came with, and then https: the vendor sends to no other, whatever a proxy
// in front makes of it.
func (m MATTR) verifyOne(r *http.Request, body []byte, name string) error {
	details, err := httpsign.RequestDetails(name, signed(r, body))
	if err != nil {
		return ErrSignature
	}
	keys, err := m.Keys(r.Context(), details.KeyID)
	if err != nil {
		return err
	}
	for _, key := range keys {
		v := verifierOf(key, details)
		if v == nil {
			continue
		}
		for _, scheme := range []string{"", "https"} {
			message := signed(r, body)
			message.URL.Scheme = scheme
			if httpsign.VerifyRequest(name, *v, message) == nil {
				return nil
			}
		}
	}
	return ErrSignature
}

// signed returns the request as its sender signed it. net/http removes the host from the headers, and the library
// changes its input.
func signed(r *http.Request, body []byte) *http.Request {
	message := r.Clone(r.Context())
	message.Header.Set("Host", r.Host)
	message.Body = io.NopCloser(bytes.NewReader(body))
	return message
}

// verifierOf returns the verifier of a key, nil where the algorithm that the signature names is not the key's.
func verifierOf(key crypto.PublicKey, details *httpsign.MessageDetails) *httpsign.Verifier {
	config := httpsign.NewVerifyConfig().SetNotOlderThan(skew).SetNotNewerThan(skew).SetKeyID(details.KeyID)
	covered := httpsign.Headers("content-digest")
	var v *httpsign.Verifier
	var err error
	algorithm := ""
	switch k := key.(type) {
	case ed25519.PublicKey:
		algorithm = "ed25519"
		v, err = httpsign.NewEd25519Verifier(k, config, covered)
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P384() {
			algorithm = "ecdsa-p384-sha384"
			v, err = httpsign.NewP384Verifier(*k, config, covered)
		} else {
			algorithm = "ecdsa-p256-sha256"
			v, err = httpsign.NewP256Verifier(*k, config, covered)
		}
	case *rsa.PublicKey:
		if algorithm = "rsa-pss-sha512"; details.Alg == "rsa-v1_5-sha256" {
			algorithm = details.Alg
			v, err = httpsign.NewRSAVerifier(*k, config, covered)
		} else {
			v, err = httpsign.NewRSAPSSVerifier(*k, config, covered)
		}
	}
	if v == nil || err != nil || details.Alg != "" && details.Alg != algorithm {
		return nil
	}
	return v
}

// addressed reports whether a delivery is one of this webhook: a tenant has several, with the same keys. The body names
// it, and the signature covers that; the header may be missing.
func (m MATTR) addressed(r *http.Request, body []byte) bool {
	var envelope struct {
		WebhookID string `json:"webhookId"`
	}
	_ = json.Unmarshal(body, &envelope)
	header := r.Header.Get("X-Mattr-Webhook-Id")
	if envelope.WebhookID == "" && header == "" {
		return false
	}
	for _, id := range []string{envelope.WebhookID, header} {
		if id != "" && subtle.ConstantTimeCompare([]byte(id), []byte(m.ID)) != 1 {
			return false
		}
	}
	return true
}
