package responses

import (
	"sync"

	"github.com/learngraph/learngraph/inflight"
)

// readers are the requests that are sent one answer.
type readers struct {
	mu   sync.Mutex
	n    int
	held *inflight.Hold
}

func (s *readers) Enter(load *inflight.Load, size int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n == 0 {
		if s.held = load.Hold(); !s.held.Resize(int64(size)) {
			return false
		}
	}
	s.n++
	return true
}

func (s *readers) Leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n--; s.n == 0 {
		s.held.Free()
		s.held = nil
	}
}
