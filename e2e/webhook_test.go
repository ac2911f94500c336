package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/upstream/emulator"
)

const (
	clientsSecret = "whsec_of_thought_industries"
	coursesSecret = "whsec_of_coassemble"
)

var tenant = emulator.NewTenant("5be4f663-af93-41d8-8542-f5c9a2a2d588", 9)

// webhookProgram is a program with all webhooks, whose caches hold for an hour.
func webhookProgram(t *testing.T, env map[string]string) *program {
	t.Helper()
	jwks := filepath.Join(folder(t, map[string]string{"jwks.json": string(tenant.JWKS())}), "jwks.json")
	all := map[string]string{"CACHE_TTL": "1h", "THOUGHTINDUSTRIES_WEBHOOK_SECRET": clientsSecret, "COASSEMBLE_WEBHOOK_SECRET": coursesSecret,
		"MATTR_WEBHOOK_JWKS": jwks, "MATTR_WEBHOOK_ID": tenant.WebhookID}
	maps.Copy(all, env)
	return start(t, setup{Emulator: emulator.Options{Clients: 3, Linked: true, ProviderInList: true}, Env: all})
}

// delivery makes the signed request of a vendor.
func delivery(t *testing.T, vendor string, d emulator.Delivery) *http.Request {
	t.Helper()
	d.URL = "https://graph.example/webhooks/" + vendor
	if d.At.IsZero() {
		d.At = time.Now()
	}
	var r *http.Request
	var err error
	switch vendor {
	case "thoughtindustries":
		r, err = d.ThoughtIndustries(t.Context(), clientsSecret)
	case "coassemble":
		r, err = d.Coassemble(t.Context(), coursesSecret)
	default:
		r, err = d.MATTR(t.Context(), tenant)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (p *program) deliver(t *testing.T, vendor string, d emulator.Delivery) {
	t.Helper()
	if w := p.send(delivery(t, vendor, d)); w.Code != http.StatusOK || w.Body.Len() > 0 {
		t.Errorf("%s %s: got %d %s", vendor, d.Event, w.Code, w.Body)
	}
}

// figure is a figure of the program's own metrics.
func (p *program) figure(t *testing.T, name string) string {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
	r.Host = "localhost"
	p.Operator(true).Handler().ServeHTTP(w, r)
	for line := range strings.Lines(w.Body.String()) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "learngraph_"+name+" "); ok {
			return value
		}
	}
	return ""
}

func (p *program) deliveries(t *testing.T, backend, outcome string) string {
	t.Helper()
	return p.figure(t, fmt.Sprintf("webhook_deliveries_total{backend=%q,outcome=%q}", backend, outcome))
}

// text is an answer's data.
func (p *program) text(t *testing.T, query string) string {
	t.Helper()
	a := p.post(t, query, nil)
	if len(a.Errors) > 0 {
		t.Errorf("got %v", a.Errors)
	}
	return string(a.raw)
}

func TestWebhooksAreServedWithTheirSecretsAlone(t *testing.T) {
	t.Parallel()
	all := map[string]string{"THOUGHTINDUSTRIES_WEBHOOK_SECRET": "", "COASSEMBLE_WEBHOOK_SECRET": "", "MATTR_WEBHOOK_JWKS": "", "MATTR_WEBHOOK_ID": ""}
	for name, tt := range map[string]struct {
		without []string
		want    map[string]int
	}{
		"all":              {nil, map[string]int{"thoughtindustries": 401, "coassemble": 401, "mattr": 401}},
		"none":             {[]string{"THOUGHTINDUSTRIES_WEBHOOK_SECRET", "COASSEMBLE_WEBHOOK_SECRET", "MATTR_WEBHOOK_JWKS", "MATTR_WEBHOOK_ID"}, map[string]int{"thoughtindustries": 404, "coassemble": 404, "mattr": 404}},
		"no id":            {[]string{"MATTR_WEBHOOK_ID"}, map[string]int{"thoughtindustries": 401, "coassemble": 401, "mattr": 404}},
		"no keys":          {[]string{"MATTR_WEBHOOK_JWKS"}, map[string]int{"thoughtindustries": 401, "coassemble": 401, "mattr": 404}},
		"no secret of one": {[]string{"COASSEMBLE_WEBHOOK_SECRET"}, map[string]int{"thoughtindustries": 401, "coassemble": 404, "mattr": 401}},
	} {
		env := map[string]string{}
		for _, name := range tt.without {
			env[name] = all[name]
		}
		p := webhookProgram(t, env)
		for backend, want := range tt.want {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhooks/"+backend, strings.NewReader("{}"))
			r.Host = "graph.example" // as the vendor names it, whatever LISTEN is
			if w := p.send(r); w.Code != want {
				t.Errorf("%s: %s: got %d, want %d", name, backend, w.Code, want)
			}
			r = httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/webhooks/"+backend, nil)
			if w := p.send(r); want == 401 && w.Code != http.StatusMethodNotAllowed || want == 404 && w.Code != http.StatusNotFound {
				t.Errorf("%s: %s: got %d for GET", name, backend, w.Code)
			}
		}
		if w := p.send(httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhooks/other", nil)); w.Code != http.StatusNotFound {
			t.Errorf("%s: got %d for a webhook that nobody has", name, w.Code)
		}
	}
}

func TestAnEnrolmentIsSeenAtOnce(t *testing.T) {
	t.Parallel()
	p := webhookProgram(t, nil)
	clients := p.backends.Clients()
	one := fmt.Sprintf(`{ client(by: {sourceId: %q}) { seatsUsedCount } }`, clients[0].ID)
	const list = `{ clients(first: 3) { nodes { sourceId seatsUsedCount } } }`
	other := fmt.Sprintf(`{ client(by: {sourceId: %q}) { name } }`, clients[1].ID)
	before := []string{p.text(t, one), p.text(t, list), p.text(t, other)}
	p.backends.Enroll(clients[0].ID)
	if got := []string{p.text(t, one), p.text(t, list)}; !cmp.Equal(got, before[:2]) {
		t.Errorf("a change is seen before it is told\n%s", cmp.Diff(before[:2], got))
	}
	d := emulator.Delivery{Event: "enrollment.created", At: time.Now(), Data: map[string]any{"user": map[string]any{"id": "u1", "email": "somebody@mail.example"}, "clientId": clients[0].ID}}
	p.deliver(t, "thoughtindustries", d)
	p.backends.Reset()
	after := []string{p.text(t, one), p.text(t, list), p.text(t, other)}
	if after[0] == before[0] || after[1] == before[1] || after[2] != before[2] {
		t.Errorf("got %s", after)
	}
	calls := len(p.backends.Calls())
	p.deliver(t, "thoughtindustries", d)
	p.text(t, one)
	if got := len(p.backends.Calls()); got != calls || p.deliveries(t, "thoughtindustries", "replayed") != "1" || p.deliveries(t, "thoughtindustries", "done") != "1" {
		t.Errorf("a replay made %d calls", got-calls)
	}
	if log := p.logged.String(); strings.Contains(log, clients[0].ID) || strings.Contains(log, "somebody") {
		t.Error("the log has something of the event")
	}
}

func TestALearnerWhoBeginsACourseIsSeenAtOnce(t *testing.T) {
	t.Parallel()
	p := webhookProgram(t, nil)
	client := p.backends.Clients()[0].Identifier
	const who = "new learner/1"
	user := fmt.Sprintf(`{ user(by: {sourceId: %q}) { sourceId } }`, who)
	users := fmt.Sprintf(`{ embedClient(by: {sourceId: %q}) { userCount users { nodes { sourceId } } } }`, client)
	if got := p.text(t, user); !strings.Contains(got, `"user":null`) {
		t.Fatalf("got %s", got)
	}
	before := p.text(t, users)
	p.backends.Commence(client, who)
	d := emulator.Delivery{ID: "17fd9df8", Event: "course.commenced", Data: map[string]any{"course": map[string]any{"id": 1, "clientIdentifier": client}, "tracking": map[string]any{"identifier": who}}}
	p.deliver(t, "coassemble", d)
	if got := p.text(t, user); !strings.Contains(got, who) {
		t.Errorf("got %s", got)
	}
	if got := p.text(t, users); got == before || !strings.Contains(got, who) || !strings.Contains(got, `"userCount":5`) {
		t.Errorf("got %s, before %s", got, before)
	}
	existing := p.backends.Users(client)[0].Identifier
	name := fmt.Sprintf(`{ user(by: {sourceId: %q}) { name } }`, existing)
	before = p.text(t, name)
	p.backends.Rename(existing, "Somebody Else")
	p.deliver(t, "coassemble", emulator.Delivery{ID: "17fd9df9", Event: "course.completed", Data: map[string]any{"tracking": map[string]any{"identifier": existing}}})
	if got := p.text(t, name); got == before {
		t.Errorf("got %s after the record changed", got)
	}
}

func TestAnIssuedCredentialIsSeenAtOnce(t *testing.T) {
	t.Parallel()
	p := webhookProgram(t, nil)
	users := p.backends.Users(p.backends.Clients()[0].Identifier)
	of := func(u emulator.UserRef) string {
		return fmt.Sprintf(`{ identity(by: {sourceId: %q}) { credentials { nodes { sourceId } } user { name } } }`, u.IdentityID)
	}
	before, others := p.text(t, of(users[0])), p.text(t, of(users[1]))
	p.backends.Issue(users[0].IdentityID)
	p.backends.Issue(users[1].IdentityID)
	p.deliver(t, "mattr", emulator.Delivery{ID: "de347800", Event: "OpenIdCredentialIssued", Data: map[string]any{"format": "cwt", "userId": strings.ToUpper(users[0].IdentityID)}})
	p.backends.Reset()
	after := p.text(t, of(users[0]))
	if strings.Count(after, "sourceId") != strings.Count(before, "sourceId")+1 {
		t.Errorf("got %s, before %s", after, before)
	}
	if diff := cmp.Diff([]string{"GET /core/v1/users/{userId}/credentials 1"}, p.calls()); diff != "" {
		t.Errorf("an issued credential touches these alone:\n%s", diff)
	}
	if got := p.text(t, of(users[1])); got != others {
		t.Errorf("another user's credentials were asked for anew: %s", got)
	}
}

func TestADeliveryToOneReplicaReachesAll(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	env := map[string]string{"REDIS_URL": "redis://" + server.Addr(), "REDIS_TIMEOUT": "5s"}
	first, second := webhookProgram(t, env), webhookProgram(t, env)
	client := first.backends.Clients()[0]
	query := fmt.Sprintf(`{ client(by: {sourceId: %q}) { seatsUsedCount } }`, client.ID)
	before := second.text(t, query)
	first.backends.Enroll(client.ID)
	second.backends.Enroll(client.ID)
	d := emulator.Delivery{Event: "order.completed", At: time.Now(), Data: map[string]any{"client": map[string]any{"id": client.ID}}}
	first.deliver(t, "thoughtindustries", d)
	for range 200 {
		if second.text(t, query) != before {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if second.text(t, query) == before {
		t.Error("the other replica still answers what was")
	}
	second.deliver(t, "thoughtindustries", d)
	if got := second.deliveries(t, "thoughtindustries", "replayed"); got != "1" {
		t.Errorf("the other replica did it again: %q", got)
	}
	if !server.Exists("lg:at:webhook:thoughtindustries") {
		t.Errorf("doctor finds nothing among %q", server.Keys())
	}
}

func TestAWebhooksSecretIsTakenFromItsFileWithoutARestart(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"secret": coursesSecret + "\n"})
	p := webhookProgram(t, map[string]string{"COASSEMBLE_WEBHOOK_SECRET": "", "COASSEMBLE_WEBHOOK_SECRET_FILE": filepath.Join(dir, "secret")})
	d := emulator.Delivery{ID: "1", Event: "course.created", Data: map[string]any{"course": map[string]any{"clientIdentifier": "x"}}}
	p.deliver(t, "coassemble", d)
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.Reload(t.Context())
	if w := p.send(delivery(t, "coassemble", d)); w.Code != http.StatusUnauthorized {
		t.Errorf("got %d for the old secret", w.Code)
	}
}

func TestTheKeysOfATenantAreFetched(t *testing.T) {
	t.Parallel()
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(tenant.JWKS()) }))
	defer keys.Close()
	p := webhookProgram(t, map[string]string{"MATTR_WEBHOOK_JWKS": keys.URL + "/core/v1/webhooks/jwks"})
	d := emulator.Delivery{ID: "1", Event: "OpenIdCredentialIssued", Data: map[string]any{"userId": "x"}}
	p.deliver(t, "mattr", d)
	p = webhookProgram(t, map[string]string{"MATTR_WEBHOOK_JWKS": "http://127.0.0.1:1/jwks"})
	if w := p.send(delivery(t, "mattr", d)); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("got %d while there are no keys", w.Code)
	}
	if !strings.Contains(p.logged.String(), "MATTR_WEBHOOK_JWKS") {
		t.Error("the log does not say which key set cannot be had")
	}
}

// TestADemoTakesWebhooks also shows that a path behind a proxy is verified as the vendor signed it.
func TestADemoTakesWebhooks(t *testing.T) {
	t.Parallel()
	p := start(t, setup{Demo: true, Env: map[string]string{"THOUGHTINDUSTRIES_WEBHOOK_SECRET": clientsSecret}})
	r := delivery(t, "thoughtindustries", emulator.Delivery{Event: "user.created", Data: map[string]any{"id": "u"}})
	r.URL = &url.URL{Path: r.URL.Path}
	if w := p.send(r); w.Code != http.StatusOK {
		t.Errorf("got %d", w.Code)
	}
	w := httptest.NewRecorder()
	status := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/status", nil)
	status.Host = "localhost"
	p.Operator(true).Handler().ServeHTTP(w, status)
	if !strings.Contains(w.Body.String(), `"webhooks"`) || !strings.Contains(w.Body.String(), `"lastDelivery"`) {
		t.Errorf("/status says nothing of it: %s", w.Body)
	}
}
