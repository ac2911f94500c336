package webhook

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/inflight"
	"github.com/learngraph/learngraph/upstream/emulator"
)

const (
	secret = "whsec_0123456789abcdef"
	at     = "https://graph.example/webhooks/x"
)

var tenant = emulator.NewTenant("5be4f663-af93-41d8-8542-f5c9a2a2d588", 7)

// receivers is an endpoint of each vendor, and the effects of its deliveries.
type receivers struct {
	endpoints map[string]*Endpoint
	touched   []Change
	outcomes  []Outcome
	received  int
	seen      map[string]bool
}

func newReceivers(load *inflight.Load) *receivers {
	d := &receivers{seen: map[string]bool{}}
	o := Options{
		First: func(_ context.Context, delivery string) bool {
			first := !d.seen[delivery]
			d.seen[delivery] = true
			return first
		},
		Apply:    func(_ context.Context, t Change) { d.touched = append(d.touched, t) },
		Observe:  func(o Outcome) { d.outcomes = append(d.outcomes, o) },
		Received: func(context.Context) { d.received++ },
		Inflight: load,
	}
	keys := func(_ context.Context, id string) ([]crypto.PublicKey, error) {
		if id == "unavailable" {
			return nil, &Unavailable{}
		}
		if id != tenant.KeyID {
			return nil, nil
		}
		return []crypto.PublicKey{tenant.Key.Public().(ed25519.PublicKey)}, nil
	}
	d.endpoints = map[string]*Endpoint{thoughtIndustries: NewThoughtIndustries(secret, o), coassemble: NewCoassemble(secret, o),
		mattr: NewMATTR(MATTR{ID: tenant.WebhookID, Keys: keys}, o)}
	return d
}

// signedBy makes the delivery of a vendor.
func signedBy(t testing.TB, vendor string, v emulator.Delivery) *http.Request {
	t.Helper()
	if v.At.IsZero() {
		v.At = time.Now()
	}
	v.URL = at
	var r *http.Request
	var err error
	switch vendor {
	case thoughtIndustries:
		r, err = v.ThoughtIndustries(t.Context(), secret)
	case coassemble:
		r, err = v.Coassemble(t.Context(), secret)
	default:
		r, err = v.MATTR(t.Context(), tenant)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (d *receivers) send(vendor string, r *http.Request) int {
	w := httptest.NewRecorder()
	d.endpoints[vendor].ServeHTTP(w, r)
	return w.Code
}

var vendors = []string{thoughtIndustries, coassemble, mattr}

// example is an event of each vendor with its changes.
var example = map[string]struct {
	emulator.Delivery
	touches []Change
}{
	thoughtIndustries: {emulator.Delivery{Event: "enrollment.created", Data: map[string]any{"clientId": "c-1", "courseId": "x", "user": map[string]any{"email": "a@mail.example"}}},
		[]Change{{Client, "c-1"}}},
	coassemble: {emulator.Delivery{ID: "e-1", Event: "course.commenced", Data: map[string]any{"course": map[string]any{"id": 4321, "clientIdentifier": "acme"},
		"tracking": map[string]any{"id": 8888, "identifier": "user_123"}}}, []Change{{User, "user_123"}, {EmbedClient, "acme"}}},
	mattr: {emulator.Delivery{ID: "e-2", Event: "OpenIdCredentialIssued", Data: map[string]any{"format": "cwt", "userId": "7382276d-ef75-4d17-8fb0-1d3aec4647ab"}},
		[]Change{{Credentials, "7382276d-ef75-4d17-8fb0-1d3aec4647ab"}}},
}

func TestAnEventTouchesWhatItNamesOnce(t *testing.T) {
	t.Parallel()
	for _, vendor := range vendors {
		d := newReceivers(nil)
		e := example[vendor]
		e.At = time.Now()
		for range 3 {
			if got := d.send(vendor, signedBy(t, vendor, e.Delivery)); got != http.StatusOK {
				t.Errorf("%s: got %d", vendor, got)
			}
		}
		if diff := cmp.Diff(e.touches, d.touched); diff != "" {
			t.Errorf("%s: %s", vendor, diff)
		}
		if diff := cmp.Diff([]Outcome{Done, Replayed, Replayed}, d.outcomes); diff != "" || d.received != 3 {
			t.Errorf("%s: heard %d times\n%s", vendor, d.received, diff)
		}
	}
}

func TestEachEventOfTheTable(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		vendor, event string
		data          any
		outcome       Outcome
		touches       []Change
	}{
		{thoughtIndustries, "order.completed", map[string]any{"order": map[string]any{"client": map[string]any{"id": "c-2", "name": "A"}}}, Done, []Change{{Client, "c-2"}}},
		{thoughtIndustries, "user.updated", map[string]any{"id": "u", "clients": []any{map[string]any{"id": "c-3"}, "c-4"}, "clientIds": []any{"c-3"}}, Done, []Change{{Client, "c-3"}, {Client, "c-4"}}},
		{thoughtIndustries, "enrollment.created", map[string]any{"userId": "u"}, Nothing, nil},
		{thoughtIndustries, "enrollment.created", "c-1", Nothing, nil},
		{thoughtIndustries, "enrollment.created", nil, Nothing, nil},
		{thoughtIndustries, "course.completed", map[string]any{"clientId": "c-1"}, Nothing, nil},
		{thoughtIndustries, "orders", map[string]any{"clientId": "c-1"}, Unknown, nil},
		{thoughtIndustries, "", nil, Unknown, nil},
		{coassemble, "course.created", map[string]any{"course": map[string]any{"clientIdentifier": "acme"}}, Done, []Change{{EmbedClient, "acme"}}},
		{coassemble, "course.completed", map[string]any{"tracking": map[string]any{"identifier": "u"}, "course": map[string]any{"clientIdentifier": "acme"}}, Done, []Change{{UserRecord, "u"}}},
		{coassemble, "course.deleted", map[string]any{"identifier": "u"}, Unknown, nil},
		{mattr, "OpenIdCredentialIssuedSummary", map[string]any{"userId": "i"}, Done, []Change{{Credentials, "i"}}},
		{mattr, "OidcIssuerCredentialIssued", map[string]any{"credential": map[string]any{}}, Nothing, nil},
		{mattr, "CredentialRevoked", map[string]any{"userId": "i"}, Unknown, nil},
	} {
		d := newReceivers(nil)
		got := d.send(tt.vendor, signedBy(t, tt.vendor, emulator.Delivery{ID: "e", Event: tt.event, Data: tt.data}))
		if got != http.StatusOK || d.outcomes[0] != tt.outcome || !cmp.Equal(d.touched, tt.touches) {
			t.Errorf("%s %s: got %d %v %v, want %v %v", tt.vendor, tt.event, got, d.outcomes, d.touched, tt.outcome, tt.touches)
		}
	}
	for _, k := range kinds {
		if !strings.HasPrefix(k.source, "https://") {
			t.Errorf("%s %s has no source", k.vendor, k.name)
		}
	}
}

func TestABodyThatCannotBeReadIsTakenAndCounted(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", "null", "[]", "{", `{"event":7}`, `{"event":{"id":7}}`, strings.Repeat("[", 20_000), "\xff\xfe"} {
		for _, vendor := range []string{thoughtIndustries, coassemble} {
			d := newReceivers(nil)
			if got := d.send(vendor, resigned(t, vendor, []byte(body))); got != http.StatusOK || !slices.Equal(d.outcomes, []Outcome{Unknown}) {
				t.Errorf("%s: %.20q: got %d %v", vendor, body, got, d.outcomes)
			}
		}
	}
}

// resigned is a right signature of any body.
func resigned(t testing.TB, vendor string, body []byte) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, at, bytes.NewReader(body))
	if vendor == thoughtIndustries {
		r.Header.Set("X-TI-Signature", macOf(secret, body))
		return r
	}
	stamp := fmt.Sprint(time.Now().Unix())
	r.Header.Set("X-Coassemble-Timestamp", stamp)
	r.Header.Set("X-Coassemble-Signature", "sha256="+macOf(secret, append([]byte(stamp+"."), body...)))
	return r
}

// change alters a request that was signed.
type change func(r *http.Request)

func header(name, value string) change {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func body(alter func([]byte) []byte) change {
	return func(r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		raw = alter(raw)
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(raw)), int64(len(raw))
	}
}

func TestAWrongSignatureIs401AndTouchesNothing(t *testing.T) {
	t.Parallel()
	ti := "X-TI-Signature"
	all := map[string]change{
		"no headers":    func(r *http.Request) { r.Header = http.Header{} },
		"another byte":  body(func(raw []byte) []byte { return append(raw, ' ') }),
		"an empty body": body(func([]byte) []byte { return nil }),
	}
	wrong := map[string]map[string]change{
		thoughtIndustries: {"not hexadecimal": header(ti, "zz"), "empty": header(ti, ""), "with a prefix": func(r *http.Request) { r.Header.Set(ti, "sha256="+r.Header.Get(ti)) },
			"cut": func(r *http.Request) { r.Header.Set(ti, r.Header.Get(ti)[:32]) }, "zeros": header(ti, strings.Repeat("0", 64))},
		coassemble: {"no prefix": func(r *http.Request) {
			r.Header.Set("X-Coassemble-Signature", strings.TrimPrefix(r.Header.Get("X-Coassemble-Signature"), "sha256="))
		}, "another time": func(r *http.Request) {
			r.Header.Set("X-Coassemble-Timestamp", fmt.Sprint(time.Now().Unix()+1))
		}, "no time": header("X-Coassemble-Timestamp", ""), "words": header("X-Coassemble-Timestamp", "now")},
		mattr: {"another webhook": header("X-Mattr-Webhook-Id", "0c099611-19c4-4f29-8724-6b9e5ba1ef7c"),
			"another digest":    header("Content-Digest", "sha-256=:AAAA:"),
			"an unknown digest": header("Content-Digest", "md5=:AAAA:"),
			"another method": func(r *http.Request) {
				r.Header.Set("Signature-Input", strings.Replace(r.Header.Get("Signature-Input"), `"@method"`, `"@path"`, 1))
			},
			"another host": func(r *http.Request) { r.Host = "evil.example" },
			"another key": func(r *http.Request) {
				r.Header.Set("Signature-Input", strings.Replace(r.Header.Get("Signature-Input"), tenant.KeyID, "other", 1))
			},
			"another algorithm": func(r *http.Request) {
				r.Header.Set("Signature-Input", strings.Replace(r.Header.Get("Signature-Input"), "ed25519", "hmac-sha256", 1))
			},
			"no created": func(r *http.Request) {
				i := r.Header.Get("Signature-Input")
				r.Header.Set("Signature-Input", i[:strings.Index(i, ";created")])
			},
			"no list":               header("Signature-Input", "sig=1"),
			"no signature":          header("Signature", ""),
			"many signatures":       func(r *http.Request) { r.Header.Set("Signature", "a=:AA==:, b=:AA==:, c=:AA==:, d=:AA==:, e=:AA==:") },
			"a header of the draft": header("@method", "POST"),
		},
	}
	for _, vendor := range vendors {
		cases := maps.Clone(all)
		maps.Copy(cases, wrong[vendor])
		for name, alter := range cases {
			d := newReceivers(nil)
			r := signedBy(t, vendor, example[vendor].Delivery)
			alter(r)
			if got := d.send(vendor, r); got != http.StatusUnauthorized || len(d.touched) > 0 || d.received > 0 || !slices.Equal(d.outcomes, []Outcome{Refused}) {
				t.Errorf("%s, %s: got %d %v %v", vendor, name, got, d.outcomes, d.touched)
			}
		}
	}
}

func TestASignatureMustCoverTheBody(t *testing.T) {
	t.Parallel()
	d := newReceivers(nil)
	r := signedBy(t, mattr, example[mattr].Delivery)
	params := fmt.Sprintf(`("@method");alg="ed25519";keyid="%s";created=%d`, tenant.KeyID, time.Now().Unix())
	r.Header.Set("Signature-Input", "sig="+params)
	r.Header.Set("Signature", "sig=:"+base64Of(ed25519.Sign(tenant.Key, []byte("\"@method\": POST\n\"@signature-params\": "+params)))+":")
	if got := d.send(mattr, r); got != http.StatusUnauthorized {
		t.Errorf("got %d for a signature that covers the method alone", got)
	}
}

func TestTimesOfSignatures(t *testing.T) {
	t.Parallel()
	for _, vendor := range []string{coassemble, mattr} {
		for off, want := range map[time.Duration]int{-299 * time.Second: 200, 299 * time.Second: 200, -302 * time.Second: 401, 302 * time.Second: 401} {
			synctest.Test(t, func(t *testing.T) {
				d, v := newReceivers(nil), example[vendor].Delivery
				v.At = time.Now().Add(off)
				if got := d.send(vendor, signedBy(t, vendor, v)); got != want {
					t.Errorf("%s, %v off: got %d, want %d", vendor, off, got, want)
				}
			})
		}
	}
}

func TestUnavailableKeysAreNoWrongSignature(t *testing.T) {
	t.Parallel()
	d := newReceivers(nil)
	r := signedBy(t, mattr, example[mattr].Delivery)
	r.Header.Set("Signature-Input", strings.Replace(r.Header.Get("Signature-Input"), tenant.KeyID, "unavailable", 1))
	w := httptest.NewRecorder()
	d.endpoints[mattr].ServeHTTP(w, r)
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("got %d %v", w.Code, w.Header())
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", MaxBody)
	for _, vendor := range []string{thoughtIndustries, coassemble} {
		for name, tt := range map[string]struct {
			body   string
			length bool
			want   int
		}{
			"1 MiB":                            {large, true, 200},
			"more":                             {large + "x", true, 413},
			"more, and does not say how much":  {large + "x", false, 413},
			"1 MiB, and does not say how much": {large, false, 200},
		} {
			d := newReceivers(nil)
			r := resigned(t, vendor, []byte(tt.body))
			if !tt.length {
				r.ContentLength = -1
			}
			if got := d.send(vendor, r); got != tt.want {
				t.Errorf("%s, %s: got %d, want %d", vendor, name, got, tt.want)
			}
		}
	}
	full := inflight.New(1, 0, nil)
	full.Enter()
	if got := newReceivers(full).send(thoughtIndustries, resigned(t, thoughtIndustries, nil)); got != http.StatusServiceUnavailable {
		t.Errorf("got %d where there is no room", got)
	}
	held := inflight.New(10, 100_000, nil)
	if got := newReceivers(held).send(thoughtIndustries, resigned(t, thoughtIndustries, []byte(large))); got != http.StatusServiceUnavailable || held.State().Bytes != 0 {
		t.Errorf("got %d where the bytes have no room", got)
	}
}

func TestOnlyPOST(t *testing.T) {
	t.Parallel()
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodOptions, http.MethodHead} {
		w := httptest.NewRecorder()
		newReceivers(nil).endpoints[coassemble].ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, at, nil))
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != http.MethodPost {
			t.Errorf("%s: got %d %v", method, w.Code, w.Header())
		}
	}
}

// TestTheAnswerComesBeforeTheWork reads the answer while the work cannot end.
func TestTheAnswerComesBeforeTheWork(t *testing.T) {
	t.Parallel()
	goOn := make(chan struct{})
	e := NewThoughtIndustries(secret, Options{First: func(context.Context, string) bool { return true }, Apply: func(context.Context, Change) { <-goOn },
		Observe: func(Outcome) {}, Received: func(context.Context) {}})
	server := httptest.NewServer(e)
	defer server.Close()
	defer close(goOn)
	v := example[thoughtIndustries].Delivery
	v.URL = server.URL
	r, err := v.ThoughtIndustries(t.Context(), secret)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(resp.Body); err != nil || len(text) > 0 || resp.StatusCode != http.StatusOK {
		t.Errorf("got %d %q %v", resp.StatusCode, text, err)
	}
	_ = resp.Body.Close()
}
