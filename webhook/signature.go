package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// NewThoughtIndustries returns the endpoint of Thought Industries: X-TI-Signature is the HMAC-SHA256 of the body, in
// hexadecimal. No signed member holds a time, so that a replay is found only by the memory of deliveries.
func NewThoughtIndustries(secret string, o Options) *Endpoint {
	return &Endpoint{vendor{name: thoughtIndustries, read: readThoughtIndustries,
		verify: func(r *http.Request, body []byte) error {
			return checkMAC(secret, r.Header.Get("X-TI-Signature"), body)
		}}, o}
}

// NewCoassemble returns the endpoint of Coassemble: X-Coassemble-Signature is sha256= and the HMAC-SHA256 of the time
// in X-Coassemble-Timestamp, a dot and the body, in hexadecimal.
func NewCoassemble(secret string, o Options) *Endpoint {
	return &Endpoint{vendor{name: coassemble, read: readCoassemble, verify: func(r *http.Request, body []byte) error {
		stamp := r.Header.Get("X-Coassemble-Timestamp")
		sent, err := strconv.ParseInt(stamp, 10, 64)
		if err != nil || time.Since(time.Unix(sent, 0)).Abs() > skew {
			return ErrSignature
		}
		mac, ok := strings.CutPrefix(r.Header.Get("X-Coassemble-Signature"), "sha256=")
		if !ok {
			return ErrSignature
		}
		return checkMAC(secret, mac, []byte(stamp+"."), body)
	}}, o}
}

// checkMAC compares in constant time.
func checkMAC(secret, signature string, parts ...[]byte) error {
	given, err := hex.DecodeString(signature)
	if err != nil {
		return ErrSignature
	}
	mac := hmac.New(sha256.New, []byte(secret))
	for _, p := range parts {
		mac.Write(p)
	}
	if !hmac.Equal(given, mac.Sum(nil)) {
		return ErrSignature
	}
	return nil
}
