package telemetry

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// Webhooks counts the deliveries to the webhooks that are served, for the metrics and /status. It is safe for
// concurrent use.
type Webhooks struct {
	metrics *Metrics

	mu   sync.Mutex
	last map[string]time.Time
}

// NewWebhooks counts no delivery yet. The counters of the served backends begin at 0 for each outcome.
func NewWebhooks(m *Metrics, served, outcomes []string) *Webhooks {
	w := &Webhooks{metrics: m, last: map[string]time.Time{}}
	for _, backend := range served {
		w.last[backend] = time.Time{}
		for _, outcome := range outcomes {
			m.webhooks.WithLabelValues(backend, outcome)
		}
	}
	return w
}

// Delivered counts a delivery.
func (w *Webhooks) Delivered(backend, outcome string) {
	w.metrics.webhooks.WithLabelValues(backend, outcome).Inc()
}

// Received notes that a delivery with a right signature came now.
func (w *Webhooks) Received(backend string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last[backend] = time.Now().UTC().Truncate(time.Millisecond)
}

// WebhookState is the state of a webhook that is served, as /status shows it.
type WebhookState struct {
	Backend string `json:"backend"`
	// LastDelivery is when this process last had a delivery with a right signature; absent for never.
	LastDelivery time.Time `json:"lastDelivery,omitzero"`
}

// State returns the webhooks by backend.
func (w *Webhooks) State() (list []WebhookState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, backend := range slices.Sorted(maps.Keys(w.last)) {
		list = append(list, WebhookState{backend, w.last[backend]})
	}
	return list
}
