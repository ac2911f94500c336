// Package admin serves the operator's listener: metrics, status, contract and purge.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/gateway/middleware"
	"github.com/learngraph/learngraph/telemetry"
	"github.com/learngraph/learngraph/upstream"
)

// Operator holds the data and functions behind the listener METRICS_LISTEN. No route shows a backend's answer or a
// caller's question.
type Operator struct {
	telemetry.Sources
	Metrics *telemetry.Metrics
	Log     *slog.Logger
	// Live and Ready answer /healthz and /readyz, as on the public listener.
	Live, Ready http.HandlerFunc
	// Purge removes a record from the caches of every replica, and reports whether it was cached. typeName is one of
	// purgeTypes, id a global id or the backend's own key. Its error is shown to the operator, as a mistake of theirs.
	Purge func(ctx context.Context, typeName, id string) (held bool, err error)
	// Authorize reports whether a request may purge. Without it only a Loopback listener lets anyone.
	Authorize func(*http.Request) bool
	// Loopback is set if the listener is on a loopback address. Requests must then name it by a loopback address, so that
	// no page open in the operator's browser can reach it under a name of its own.
	Loopback bool
}

// purgeTypes are the types whose objects can be dropped.
var purgeTypes = []string{"Client", "EmbedClient", "User", "Identity"}

// Handler serves /metrics, /status, /contract and /purge.
func (o Operator) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", o.Metrics.Handler(o.Log))
	mux.HandleFunc("GET /healthz", o.Live)
	mux.HandleFunc("GET /readyz", o.Ready)
	mux.HandleFunc("GET /status", o.status)
	mux.HandleFunc("GET /contract", o.contract)
	mux.HandleFunc("POST /purge", o.purge)
	handler := middleware.Recovery(o.Log, mux)
	if o.Loopback {
		return middleware.LoopbackHost(handler)
	}
	return handler
}

// statusView is the answer of /status.
type statusView struct {
	Backends []backendView `json:"backends"`
	Cache    cacheView     `json:"cache"`
	Redis    redisView     `json:"redis"`
	// KeySet is the key set of tokens; absent where none was needed.
	KeySet *telemetry.KeySetState `json:"keySet,omitempty"`
	// Webhooks are those that are served; absent where none is.
	Webhooks []webhookView `json:"webhooks,omitempty"`
}

type webhookView struct {
	Backend string `json:"backend"`
	// LastDelivery is when this process last had a delivery with a right signature; absent for never.
	LastDelivery time.Time `json:"lastDelivery,omitzero"`
}

type backendView struct {
	Backend  upstream.Backend `json:"backend"`
	Circuits []circuitView    `json:"circuits"`
	Budget   []budgetView     `json:"budget"`
	// HeldUntil is when the backend lets us call again, after its own words.
	HeldUntil   time.Time `json:"heldUntil,omitzero"`
	Waiting     int       `json:"waiting"`
	UnderWay    int       `json:"underWay"`
	LastSuccess time.Time `json:"lastSuccess,omitzero"`
	LastFailure time.Time `json:"lastFailure,omitzero"`
	Failure     string    `json:"failure,omitempty"`
}

type circuitView struct {
	Class     string    `json:"class"`
	Open      bool      `json:"open"`
	Since     time.Time `json:"since,omitzero"`
	NextProbe time.Time `json:"nextProbe,omitzero"`
	Calls     int       `json:"calls"`
	Failures  int       `json:"failures"`
}

type budgetView struct {
	Window string `json:"window"`
	Limit  int    `json:"limit"`
	Usable int    `json:"usable"`
	Left   int    `json:"left"`
}

type cacheView struct {
	MemoryBytes   int64                               `json:"memoryBytes"`
	MemoryEntries int                                 `json:"memoryEntries"`
	Refreshes     uint64                              `json:"refreshes"`
	Verdicts      map[string]map[cache.Verdict]uint64 `json:"verdicts"`
}

type redisView struct {
	Configured    bool   `json:"configured"`
	Up            bool   `json:"up"`
	Errors        uint64 `json:"errors"`
	Outages       uint64 `json:"outages"`
	DroppedWrites uint64 `json:"droppedWrites"`
	PendingDrops  int    `json:"pendingDrops"`
}

func (o Operator) status(w http.ResponseWriter, _ *http.Request) {
	view := statusView{Backends: []backendView{}}
	if o.Backends != nil {
		for _, s := range o.Backends() {
			view.Backends = append(view.Backends, viewBackend(s))
		}
	}
	if o.Cache != nil {
		c := o.Cache()
		view.Cache = cacheView{c.MemoryBytes, c.MemoryEntries, c.Refreshes, c.Verdicts}
		view.Redis = redisView{c.Redis, c.Redis && c.RedisUp, c.RedisErrors, c.Outages, c.DroppedWrites, c.PendingDrops}
	}
	if o.KeySet != nil {
		view.KeySet = viewKeySet(o.KeySet())
	}
	view.Webhooks = viewWebhooks(o.Webhooks)
	writeJSON(w, http.StatusOK, view)
}

func viewWebhooks(last func() map[string]time.Time) (views []webhookView) {
	if last == nil {
		return nil
	}
	at := last()
	for _, backend := range slices.Sorted(maps.Keys(at)) {
		views = append(views, webhookView{backend, moment(at[backend])})
	}
	return views
}

func viewKeySet(s *telemetry.KeySetState) *telemetry.KeySetState {
	if s != nil {
		s.Since = moment(s.Since)
	}
	return s
}

func viewBackend(s upstream.Status) backendView {
	v := backendView{Backend: s.Backend, Circuits: []circuitView{}, Budget: []budgetView{},
		HeldUntil: moment(s.ClosedUntil), Waiting: s.Waiting, UnderWay: s.UnderWay, LastSuccess: moment(s.LastSuccess),
		LastFailure: moment(s.LastFailure)}
	if !s.LastFailure.IsZero() {
		v.Failure = s.Failure.String()
	}
	for _, k := range s.Circuits {
		v.Circuits = append(v.Circuits, circuitView{k.Class.String(), k.Open, moment(k.Since), moment(k.NextProbe), k.Calls,
			k.Failures})
	}
	for _, b := range s.Budget {
		v.Budget = append(v.Budget, budgetView{telemetry.WindowLabel(b.Rate.Per), b.Rate.Count, b.Usable, b.Left})
	}
	return v
}

// moment is t as it is shown; the zero time stays zero.
func moment(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// contractView is the answer of /contract.
type contractView struct {
	Drifts []driftView `json:"findings"`
	// LeftOut is how many more were seen on paths past the number that is kept.
	LeftOut int64 `json:"leftOut"`
}

type driftView struct {
	Backend upstream.Backend `json:"backend"`
	Path    string           `json:"path"`
	// Kind is mismatch for a value of another kind than its field's, unknown for a member that the schema does not have.
	Kind  string    `json:"kind"`
	Count int64     `json:"count"`
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
}

func (o Operator) contract(w http.ResponseWriter, _ *http.Request) {
	view := contractView{Drifts: []driftView{}}
	if o.Contract != nil {
		list, leftOut := o.Contract()
		view.LeftOut = leftOut
		for _, f := range list {
			view.Drifts = append(view.Drifts,
				driftView{f.Backend, f.Path, telemetry.DriftKind(f), f.Count, moment(f.First), moment(f.Last)})
		}
	}
	writeJSON(w, http.StatusOK, view)
}

const maxPurgeBody = 4 << 10

func (o Operator) purge(w http.ResponseWriter, r *http.Request) {
	status, err := o.authorizePurge(r)
	held := false
	if err == nil {
		held, status, err = o.invalidate(w, r)
	}
	if err == nil {
		writeJSON(w, http.StatusOK, struct {
			Purged bool `json:"purged"`
			Cached bool `json:"cached"` // whether there was something to purge
		}{true, held})
		return
	}
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="learngraph"`)
	}
	writeJSON(w, status, map[string]string{"error": err.Error()})
}

// authorizePurge returns the reason and the HTTP status with which a request to purge is refused.
func (o Operator) authorizePurge(r *http.Request) (int, error) {
	mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case o.Purge == nil:
		return http.StatusNotFound, errors.New("this server has no cache to purge")
	case o.Authorize == nil && !o.Loopback:
		return http.StatusForbidden,
			errors.New("purge is disabled: this listener is not on loopback and has no authentication; set AUTH")
	case o.Authorize != nil && !o.Authorize(r):
		return http.StatusUnauthorized, errors.New("send the credential of a caller with the scope operate")
	case mediaType != "application/json":
		// A page of another origin can post a form unasked, and JSON not.
		return http.StatusUnsupportedMediaType, errors.New("Content-Type must be application/json")
	}
	return 0, nil
}

func (o Operator) invalidate(w http.ResponseWriter, r *http.Request) (held bool, status int, err error) {
	var req struct{ Type, ID string }
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxPurgeBody))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&req); err != nil || dec.Decode(new(any)) != io.EOF {
		return false, http.StatusBadRequest, errors.New(`send {"type": "User", "id": "…"}`)
	}
	if !slices.Contains(purgeTypes, req.Type) {
		return false, http.StatusBadRequest, errors.New("type must be one of " + strings.Join(purgeTypes, ", "))
	}
	if req.ID == "" {
		return false, http.StatusBadRequest, errors.New("id must not be empty")
	}
	if held, err = o.Purge(r.Context(), req.Type, req.ID); err != nil {
		return false, http.StatusBadRequest, err
	}
	o.Log.LogAttrs(r.Context(), slog.LevelInfo, "purged", slog.String("type", req.Type), slog.Bool("cached", held))
	return held, 0, nil
}

// writeJSON answers with a value of this package, which always has a form in JSON.
func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(v) // the client is gone if the write fails
}
