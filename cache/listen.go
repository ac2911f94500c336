package cache

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

func (r *remote) channel() string { return r.prefix + "dropped" }

// publish sends who dropped, when, and the digests, which include kind and key.
func (r *remote) publish(ctx context.Context, seq int64, targets []target) error {
	pipe := r.client.Pipeline()
	for len(targets) > 0 {
		n := min(len(targets), messageKeys)
		var b strings.Builder
		fmt.Fprintf(&b, "%s %d ", r.origin, seq)
		for _, t := range targets[:n] {
			b.WriteString(t.digest.String())
		}
		pipe.Publish(ctx, r.channel(), b.String())
		targets = targets[n:]
	}
	return execute(ctx, pipe)
}

func (r *remote) receive(message string) {
	origin, rest, _ := strings.Cut(message, " ")
	number, hexes, ok := strings.Cut(rest, " ")
	seq, err := strconv.ParseInt(number, 10, 64)
	if origin == r.origin {
		return
	}
	if !ok || err != nil || len(hexes)%32 != 0 {
		r.onDisconnect()
		return
	}
	var ds []digest
	for ; len(hexes) > 0; hexes = hexes[32:] {
		d, ok := parseDigest(hexes[:32])
		if !ok {
			r.onDisconnect()
			return
		}
		ds = append(ds, d)
	}
	if seq == incomplete {
		r.channelState.suspend()
	}
	r.onInvalidate(seq, ds)
	r.observeSeq(seq)
}

// listen receives the drops of other replicas. Whenever the channel is there anew, something may have been missed.
func (r *remote) listen(ctx context.Context) {
	for ctx.Err() == nil {
		if r.subscribe(ctx) {
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause / 2):
		}
	}
}

// subscribe returns when the channel is lost, or soon after the context has ended, and whether the channel was there.
func (r *remote) subscribe(ctx context.Context) (received bool) {
	sub := r.client.Subscribe(ctx)
	defer func() {
		_ = sub.Close()
		r.subscribed.Store(false)
		r.channelState.disconnect()
	}()
	if err := sub.Subscribe(ctx, r.channel()); err != nil {
		r.logReadError(err)
		return false
	}
	quiet := 0
	for ctx.Err() == nil {
		msg, err := sub.ReceiveTimeout(ctx, listenSlice)
		if err != nil {
			var timeout net.Error
			if !errors.As(err, &timeout) || !timeout.Timeout() || !r.alive(ctx, sub, quiet) {
				return received
			}
			quiet++
			continue
		}
		quiet = 0
		switch m := msg.(type) {
		case *redis.Subscription:
			received = true
			r.onDisconnect()
			r.channelState.reconnect()
			r.subscribed.Store(true)
		case *redis.Message:
			r.receive(m.Payload)
		}
	}
	return received
}

// alive sends a ping when the channel was silent for a while. A connection that is cut on the way sends nothing either;
// only an answer proves that it is alive.
func (r *remote) alive(ctx context.Context, sub *redis.PubSub, quiet int) bool {
	switch {
	case quiet == pingAfter:
		return sub.Ping(ctx) == nil
	default:
		return quiet < 2*pingAfter
	}
}
