package telemetry

import (
	"maps"
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
	w.last[backend] = time.Now()
}

// Last returns when each served webhook last had a delivery with a right signature, the zero time for never.
func (w *Webhooks) Last() map[string]time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	last := make(map[string]time.Time, len(w.last))
	maps.Copy(last, w.last)
	return last
}
