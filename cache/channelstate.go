package cache

import (
	"math"
	"sync/atomic"
	"time"
)

const (
	// invalidationTimeout is how long a drop may take before it is left to be repeated. It is longer than a replica takes
	// to notice that the channel is silent: before the writer's timeout each replica has received the drop or is out of
	// sync.
	invalidationTimeout = time.Second
	// retryDelay is the pause before drops that failed are sent again.
	retryDelay = 250 * time.Millisecond
	// reconnectGrace is how long a replica stays out of sync after the channel is back: others need an attempt that still
	// hangs, the pause and one more attempt to send their pending drops.
	reconnectGrace = 2 * time.Second
	// outageAfter is how long the channel is away before that is an outage rather than a hiccup or a failover.
	outageAfter = 10 * time.Second
	// outageAge is the greatest age of values that memory serves in an outage. Without any memory a backend's budget would
	// be spent at once; with it a write elsewhere shows this much late.
	outageAge = 10 * time.Second
)

// channelState tracks whether this replica may have missed drops of others. It is for one writer, the listener, and any
// number of readers. Times are Unix nanoseconds.
type channelState struct {
	since        atomic.Int64
	until        atomic.Int64 // forever while the channel is away
	disconnected bool         // the channel was lost, or not there at first; the listener's alone
}

const forever = math.MaxInt64

// begin starts without a channel. A replica that has never had one is in an outage at once: it holds nothing from
// before.
func (s *channelState) begin() {
	s.since.Store(time.Now().Add(-outageAfter).UnixNano())
	s.until.Store(forever)
}

// disconnect leaves the replica out of sync until the channel is back.
func (s *channelState) disconnect() {
	s.disconnected = true
	s.enter(forever)
}

// suspend keeps the replica out of sync while another one reports that its drops are incomplete.
func (s *channelState) suspend() { s.enter(time.Now().Add(reconnectGrace).UnixNano()) }

func (s *channelState) enter(until int64) {
	now := time.Now().UnixNano()
	if now >= s.until.Load() {
		s.since.Store(now)
	}
	s.until.Store(until)
}

// reconnect ends a loss, after the time that others need. A first connection is in sync at once.
func (s *channelState) reconnect() {
	if !s.disconnected {
		s.until.Store(0)
		return
	}
	now := time.Now()
	s.since.Store(now.UnixNano())
	s.until.Store(now.Add(reconnectGrace).UnixNano())
}

// trusts reports whether a value fetched at that time may be served without a new fetch.
func (s *channelState) trusts(at, now time.Time) bool {
	nanos := now.UnixNano()
	switch {
	case nanos >= s.until.Load():
		return true
	case nanos-s.since.Load() < int64(outageAfter):
		return false
	}
	return now.Sub(at) <= outageAge
}
