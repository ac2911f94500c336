package webhook

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func macOf(secret string, text []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(text)
	return hex.EncodeToString(mac.Sum(nil))
}

func base64Of(text []byte) string { return base64.StdEncoding.EncodeToString(text) }

// start is when a bubble begins: each process of a fuzz target makes the same delivery.
var start = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// genuine reports whether the secret signed a body, or it is the one that the tenant signed. Headers may be written in other ways,
// such as in capitals.
func genuine(vendor string, text, raw []byte, given []string) bool {
	switch vendor {
	case thoughtIndustries:
		return strings.EqualFold(given[0], macOf(secret, text))
	case coassemble:
		return strings.EqualFold(given[0], "sha256="+macOf(secret, append([]byte(given[1]+"."), text...)))
	}
	return bytes.Equal(text, raw)
}

// fuzz sends a body with headers. Where they are not as signed the answer must be 401 and nothing may be touched; a body with a
// right signature is always 200.
func fuzz(f *testing.F, vendor string, names ...string) {
	v := example[vendor].Delivery
	v.At = start
	r := signedBy(f, vendor, v)
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		f.Fatal(err)
	}
	values := []string{"", "", ""}
	for i, name := range names {
		values[i] = r.Header.Get(name)
	}
	f.Add(raw, values[0], values[1], values[2])
	f.Add([]byte("{}"), values[0], values[1], values[2])
	f.Fuzz(func(t *testing.T, text []byte, a, b, c string) {
		synctest.Test(t, func(t *testing.T) {
			d := newReceivers(nil)
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, at, bytes.NewReader(text))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("X-Mattr-Webhook-Id", tenant.WebhookID)
			given, same := []string{a, b, c}, bytes.Equal(text, raw)
			for i, name := range names {
				r.Header.Set(name, given[i])
				same = same && given[i] == values[i]
			}
			switch got := d.send(vendor, r); {
			case got == http.StatusUnauthorized && len(d.touched) == 0 && !same:
			case got == http.StatusServiceUnavailable && vendor == mattr && len(d.touched) == 0: // it names the key that cannot be had
			case got == http.StatusOK && genuine(vendor, text, raw, given):
			default:
				t.Errorf("got %d and %v for %q %q", got, d.touched, text, given)
			}
			if vendor == mattr {
				return
			}
			if got := newReceivers(nil).send(vendor, resigned(t, vendor, text)); got != http.StatusOK && len(text) <= MaxBody {
				t.Errorf("got %d for a right signature of %q", got, text)
			}
		})
	})
}

func FuzzThoughtIndustries(f *testing.F) { fuzz(f, thoughtIndustries, "X-TI-Signature") }

func FuzzCoassemble(f *testing.F) {
	fuzz(f, coassemble, "X-Coassemble-Signature", "X-Coassemble-Timestamp")
}

func FuzzMATTR(f *testing.F) { fuzz(f, mattr, "Signature", "Signature-Input", "Content-Digest") }
