// Package admin serves the operator's listener: metrics, status, contract and purge.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/gateway/middleware"
	"github.com/learngraph/learngraph/telemetry"
	"github.com/learngraph/learngraph/upstream"
)

// Operator holds the data and functions behind the listener METRICS_LISTEN. No route shows a backend's answer or a
// caller's question.
type Operator struct {
	// State returns the state of the program now.
	State   func() telemetry.State
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

func (o Operator) status(w http.ResponseWriter, _ *http.Request) {
	s := o.State()
	writeJSON(w, http.StatusOK, struct {
		Backends []upstream.Status        `json:"backends"`
		Cache    cache.Counters           `json:"cache"`
		Redis    cache.RedisCounters      `json:"redis"`
		KeySet   *telemetry.KeySetState   `json:"keySet,omitempty"`
		Webhooks []telemetry.WebhookState `json:"webhooks,omitempty"`
	}{append([]upstream.Status{}, s.Backends...), s.Cache, s.Cache.Redis, s.KeySet, s.Webhooks})
}

func (o Operator) contract(w http.ResponseWriter, _ *http.Request) {
	s := o.State()
	writeJSON(w, http.StatusOK, struct {
		Drifts  []upstream.Drift `json:"findings"`
		LeftOut int64            `json:"leftOut"`
	}{append([]upstream.Drift{}, s.Drifts...), s.DriftsLeftOut})
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
