package emulator

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// Delivery is one delivery of a webhook as its vendor makes it.
type Delivery struct {
	// URL is where the webhook was registered to be.
	URL string
	// Event is the vendor's name of the event, ID its own id; Thought Industries has none.
	Event, ID string
	// Data is the vendor's data of it.
	Data any
	At   time.Time
}

// ThoughtIndustries signs the body with the secret.
func (d Delivery) ThoughtIndustries(ctx context.Context, secret string) (*http.Request, error) {
	body := map[string]any{"event": d.Event, "timestamp": d.At.UTC().Format(time.RFC3339), "data": d.Data}
	return d.request(ctx, body, func(r *http.Request, raw []byte) {
		r.Header.Set("X-TI-Signature", hexMAC(secret, raw))
	})
}

// Coassemble signs the time and the body with the secret.
func (d Delivery) Coassemble(ctx context.Context, secret string) (*http.Request, error) {
	body := map[string]any{"id": d.ID, "type": d.Event, "occurredAt": d.At.UTC().Format(time.RFC3339), "workspaceId": 4821,
		"data": d.Data}
	return d.request(ctx, body, func(r *http.Request, raw []byte) {
		stamp := fmt.Sprint(d.At.Unix())
		r.Header.Set("X-Coassemble-Event", d.Event)
		r.Header.Set("X-Coassemble-Delivery", d.ID)
		r.Header.Set("X-Coassemble-Timestamp", stamp)
		r.Header.Set("X-Coassemble-Signature", "sha256="+hexMAC(secret, append([]byte(stamp+"."), raw...)))
	})
}

// Tenant is the signing key of a tenant of MATTR.
type Tenant struct {
	WebhookID, KeyID string
	Key              ed25519.PrivateKey
}

// NewTenant returns a tenant whose key the seed determines.
func NewTenant(webhookID string, seed byte) Tenant {
	return Tenant{webhookID, fmt.Sprintf("key-%d", seed),
		ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))}
}

// JWKS is the tenant's key set.
func (t Tenant) JWKS() []byte {
	raw, _ := json.Marshal(
		map[string]any{"keys": []map[string]string{{"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": t.KeyID,
			"x": base64.RawURLEncoding.EncodeToString(t.Key.Public().(ed25519.PublicKey))}}})
	return raw
}

// MATTR signs method, target, host, type and digest of the body by HTTP Message Signatures (RFC 9421).
func (d Delivery) MATTR(ctx context.Context, t Tenant) (*http.Request, error) {
	at := d.At.UTC().Format(time.RFC3339Nano)
	body := map[string]any{"deliveryId": "d-" + d.ID, "deliveryTimestamp": at, "webhookId": t.WebhookID,
		"event": map[string]any{"id": d.ID, "type": d.Event, "payload": d.Data, "timestamp": at}}
	return d.request(ctx, body, func(r *http.Request, raw []byte) {
		sum := sha256.Sum256(raw)
		r.Header.Set("X-Mattr-Webhook-Id", t.WebhookID)
		r.Header.Set("X-Mattr-Event-Type", d.Event)
		r.Header.Set("Content-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":")
		t.sign(r, d.At)
	})
}

// sign signs a delivery as MATTR does at that time (draft-cavage, "sig=").
func (t Tenant) sign(r *http.Request, at time.Time) {
	params := fmt.Sprintf(
		`("@request-target" "content-type" "host" "@method" "content-digest");alg="ed25519";keyid="%s";created=%d`, t.KeyID,
		at.Unix())
	base := fmt.Sprintf(
		"\"@request-target\": %s\n\"content-type\": %s\n\"host\": %s\n\"@method\": %s\n\"content-digest\": %s\n\"@signature-params\": %s",
		r.URL.RequestURI(), r.Header.Get("Content-Type"), r.Host, r.Method, r.Header.Get("Content-Digest"), params)
	r.Header.Set("Signature-Input", "sig="+params)
	r.Header.Set("Signature", "sig=:"+base64.StdEncoding.EncodeToString(ed25519.Sign(t.Key, []byte(base)))+":")
}

func (d Delivery) request(ctx context.Context, body any, sign func(*http.Request, []byte)) (*http.Request, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL, bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	sign(r, raw)
	return r, nil
}

func hexMAC(secret string, text []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(text)
	return hex.EncodeToString(mac.Sum(nil))
}
