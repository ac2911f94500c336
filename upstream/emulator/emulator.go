// Package emulator is the three backends as one stateful http.Handler: Thought Industries' clients, Coassemble's
// clients and users, MATTR's identities and credentials, with their paths, shapes, paging, authentication and error
// bodies, over a believable catalogue that one seed determines. Updates and deletes change the results of later reads,
// and any route can be made to fail in the ways that networks and services do.
//
// It serves the demo, the tests and the benchmarks. Behavior that the vendors do not document is decided in Options. It
// knows nothing of the facade, and it keeps its data in memory only.
package emulator

import (
	"io"
	"net/http"
	"sync"
	"time"
)

// Backend names one of the three services.
type Backend string

// The backends, as the facade's errors and headers name them.
const (
	ThoughtIndustries Backend = "thoughtindustries"
	Coassemble        Backend = "coassemble"
	MATTR             Backend = "mattr"
)

// The emulator's valid credentials. They open nothing else.
const (
	APIKey        = "ti_test_emulator_3f9c1e7ab245"             // Thought Industries: Authorization: Bearer …
	Authorization = "COASSEMBLE:4821:emulator-key-91d6b0c2e8f7" // Coassemble: the whole header value
	ClientID      = "emulator-client-6be2"                      // MATTR, as the other two
	ClientSecret  = "emulator-secret-c07d52f9a1b84e63"
	Audience      = "https://emulator.vii.au01.mattr.global"
	// ProviderID is the authentication provider of every identity in the catalogue.
	ProviderID = "41458e5a-9092-40b7-9a26-d4eb43c5792f"
)

// Settings are the environment of a Learngraph whose backends are an emulator at this address.
func Settings(base string) map[string]string {
	return map[string]string{
		"THOUGHTINDUSTRIES_URL": base, "THOUGHTINDUSTRIES_API_KEY": APIKey,
		"COASSEMBLE_URL": base + "/api", "COASSEMBLE_AUTHORIZATION": Authorization,
		"MATTR_URL": base, "MATTR_TOKEN_URL": base + "/oauth/token", "MATTR_CLIENT_ID": ClientID,
		"MATTR_CLIENT_SECRET": ClientSecret, "MATTR_AUDIENCE": Audience,
	}
}

// Options decide the size of the catalogue and the behavior that the vendors leave open. The zero value is the default.
type Options struct {
	// Sizes: zero means the default (25, 20, 4, 4 and 2), negative means none.
	Clients, CoursesPerClient, LearningPathsPerClient, UsersPerClient, CredentialsPerUser int

	// Linked makes a Coassemble record for every client and an identity for every user. Without it every tenth client
	// (never the first) has no record and so no users, and every fifth user has no identity.
	Linked bool
	// LinkClient is the field of a client that is Coassemble's clientIdentifier: "id" (default), "slug" or "sku".
	LinkClient string
	// LinkUser is where an identity carries the identifier of the Coassemble user: "subjectId" (default), "id" (the
	// user's identifier is the identity's uuid) or "claims.KEY", where dots in KEY lead into nested claims.
	LinkUser string

	// NamesOthers makes a client's second license and every second learning path name the next client.
	NamesOthers bool

	// Latency passes before every answer, unless the request's context ends first.
	Latency time.Duration

	StringLists       bool   // Coassemble's lists are arrays of plain identifiers
	MergeUserMetadata bool   // PUT of a user merges metadata; otherwise it replaces it, as PUT of a client always does
	WriteAnswer       string // body of Coassemble's PUT and DELETE: "record" (default; DELETE "true"), "true" or "empty"
	CorePlan          bool   // Coassemble's plan lacks Embed Automate: DELETE is 403
	ProviderInList    bool   // MATTR's list, single read and PUT show authenticationProvider too; otherwise search alone
	ShowProviderID    bool   // authenticationProvider has providerId and url besides subjectId
	DropProviderOnPut bool   // MATTR's PUT without authenticationProvider forgets it

	// Limits are enforced over rolling windows, with each backend's own headers and 429. MATTR's token route is on
	// another host and has none.
	Limits map[Backend][]Limit
	// Concurrency is how many requests a backend serves at once; one more is 429.
	Concurrency map[Backend]int
	// MaxCount caps count of Thought Industries and length of Coassemble, default 100.
	MaxCount int

	// CacheHeaders adds response headers to the successful answers of a route template.
	CacheHeaders func(backend Backend, route string) http.Header
	// ETags puts a strong ETag on every successful GET and answers a matching If-None-Match with 304.
	ETags bool

	// Seed determines the catalogue: names, identifiers and dates.
	Seed uint64
}

// Limit is a number of requests in a rolling window.
type Limit struct {
	Count  int
	Window time.Duration
}

func (o Options) withDefaults() Options {
	for _, size := range []struct {
		value    *int
		standard int
	}{
		{&o.Clients, 25}, {&o.CoursesPerClient, 20}, {&o.LearningPathsPerClient, 4}, {&o.UsersPerClient, 4},
		{&o.CredentialsPerUser, 2}, {&o.MaxCount, 100},
	} {
		if *size.value == 0 {
			*size.value = size.standard
		}
		*size.value = max(*size.value, 0)
	}
	return o
}

// Emulator serves the three backends. It is safe for concurrent use.
type Emulator struct {
	options Options
	clients []tiClient
	sorted  map[string][]int // positions in clients, by sort field
	refs    []ClientRef
	users   map[string][]UserRef
	secrets []string

	mu    sync.RWMutex // guards the data that writes change
	co    coassembleData
	mattr mattrData

	log    journal
	faults faults
	memory memoryServer
}

var _ http.Handler = (*Emulator)(nil)

// New makes the catalogue and the emulator that serves it. It starts nothing: see [Emulator.Transport].
func New(o Options) *Emulator {
	e := &Emulator{options: o.withDefaults()}
	e.log.limits = e.options.Limits
	e.log.concurrency = e.options.Concurrency
	e.fill()
	return e
}

// maxRequestBody bounds the body of a request, in bytes.
const maxRequestBody = 1 << 20

// ServeHTTP answers one request. The host does not matter.
func (e *Emulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rt := match(r.Method, r.URL.EscapedPath())
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBody))
	x := &exchange{emulator: e, w: w, r: r, route: rt, body: body}
	x.admission = e.log.arrive(x)
	defer x.leave()
	var fault Fault
	faulty := false
	if !x.admission.refused {
		fault, faulty = e.faults.take(x)
	}
	if !pause(r.Context(), e.options.Latency) {
		return
	}
	switch {
	case err != nil:
		x.send(rt.failure(http.StatusRequestEntityTooLarge, "request body too large"))
	case x.admission.refused:
		x.send(tooMany(rt.backend, x.admission.retryAfter))
	case faulty:
		x.fail(fault)
	default:
		x.send(e.answer(x))
	}
}

// answer is the backend's own answer, and makes the write of the request.
func (e *Emulator) answer(x *exchange) answer {
	rt := x.route
	if rt.backend == "" {
		return textAnswer(http.StatusNotFound, "text/plain; charset=utf-8", "404 page not found")
	}
	if rt.serve == nil {
		if rt.template == "" {
			return rt.failure(http.StatusNotFound, "no such route")
		}
		return rt.failure(http.StatusMethodNotAllowed, "method not allowed")
	}
	if rt.template != tokenRoute && !e.authorised(x) {
		return rt.failure(http.StatusUnauthorized, "unauthorized")
	}
	a := rt.serve(e, x)
	if e.options.CacheHeaders != nil && a.status < 300 {
		for name, values := range e.options.CacheHeaders(rt.backend, rt.template) {
			x.w.Header()[name] = values
		}
	}
	return a
}

func (e *Emulator) authorised(x *exchange) bool {
	given := x.r.Header.Get("Authorization")
	switch x.route.backend {
	case ThoughtIndustries:
		return given == "Bearer "+APIKey
	case Coassemble:
		return given == Authorization
	default:
		_, ok := e.tokenNumber(given)
		return ok
	}
}

// ClientRef names a client of the catalogue as it was at the start.
type ClientRef struct {
	ID, Slug, SKU, Name string
	Identifier          string // Coassemble's clientIdentifier; empty where Coassemble has no record
}

// UserRef names a user of the catalogue as it was at the start.
type UserRef struct {
	Identifier string // Coassemble's
	IdentityID string // MATTR's uuid; empty where no identity is linked
}

// Clients are all clients in Thought Industries' default order.
func (e *Emulator) Clients() []ClientRef { return append([]ClientRef(nil), e.refs...) }

// Users are the users that the Coassemble client had at the start, in Coassemble's order.
func (e *Emulator) Users(clientIdentifier string) []UserRef {
	return append([]UserRef(nil), e.users[clientIdentifier]...)
}

// Secrets are every secret value in the catalogue, every credential that the emulator accepts (the key inside
// Coassemble's header value too) and every token issued so far. Each is at least 12 characters, unique, and appears
// literally in the raw JSON.
func (e *Emulator) Secrets() []string {
	s := append([]string{APIKey, Authorization, "emulator-key-91d6b0c2e8f7", ClientSecret}, e.secrets...)
	e.mu.RLock()
	defer e.mu.RUnlock()
	for token := range e.mattr.tokens {
		s = append(s, token)
	}
	return s
}
