package telemetry

import (
	"log/slog"
	"sync"
	"time"

	"github.com/learngraph/learngraph/reload"
)

// KeySetReport is how reading a key set goes, for the log, the metrics and /status. It is an auth.Reporter.
type KeySetReport struct {
	log     *slog.Logger
	metrics *Metrics // nil counts nothing
	setting string
	signed  string // the kind of texts that its keys sign

	mu     sync.Mutex
	read   bool // the key set was read or tried
	state  KeySetState
	claims map[string]time.Time // when an unreadable claim was last logged, by name
}

// NewKeySetReport returns a report of the key set of tokens, which was not read yet.
func NewKeySetReport(log *slog.Logger, m *Metrics) *KeySetReport {
	return &KeySetReport{log: log, metrics: m, setting: "JWT_JWKS", signed: "tokens"}
}

// NewWebhookKeysReport returns a report of the key set of MATTR's webhooks, for the log alone.
func NewWebhookKeysReport(log *slog.Logger) *KeySetReport {
	return &KeySetReport{log: log, setting: "MATTR_WEBHOOK_JWKS", signed: "webhooks"}
}

// KeySetState is the state of the key set of tokens.
type KeySetState struct {
	Up bool `json:"up"`
	// Since is when Up last changed.
	Since time.Time `json:"since"`
	// Cause is why the key set cannot be had.
	Cause string `json:"cause,omitempty"`
}

// KeySet notes the outcome of a read of the key set, and logs when it changes.
func (r *KeySetReport) KeySet(err error) {
	outcome, cause := "ok", ""
	if err != nil {
		outcome, cause = "failed", reload.Cause(err).Error()
	}
	if r.metrics != nil {
		r.metrics.keySetReads.WithLabelValues(outcome).Inc()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	changed := !r.read || r.state.Up != (err == nil) || r.state.Cause != cause
	if !changed {
		return
	}
	if err != nil {
		r.log.Warn("the key set of "+r.signed+" is unavailable; known keys stay in use", "setting", r.setting,
			"cause", cause)
	} else if r.read {
		r.log.Info("the key set of "+r.signed+" is available again", "setting", r.setting)
	}
	r.read = true
	r.state = KeySetState{Up: err == nil, Since: time.Now().UTC().Truncate(time.Millisecond), Cause: cause}
}

// claimLogPause is the least time between two log lines about the same claim.
const claimLogPause = time.Hour

// UnreadableClaim logs the name of a claim that is neither a text nor a list of texts.
func (r *KeySetReport) UnreadableClaim(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if last, ok := r.claims[name]; ok && time.Since(last) < claimLogPause {
		return
	}
	if r.claims == nil {
		r.claims = map[string]time.Time{}
	}
	r.claims[name] = time.Now()
	r.log.Warn("a claim of a token is neither a string nor a list of strings, and grants nothing", "claim", name)
}

// State returns the state of the key set, nil where tokens are not taken or it was not needed yet.
func (r *KeySetReport) State() *KeySetState {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.read {
		return nil
	}
	state := r.state
	return &state
}
