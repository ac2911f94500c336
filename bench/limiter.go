package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/upstream"
	"golang.org/x/sync/errgroup"
)

func init() { parts["limiter"] = benchLimiter }

const (
	fewWaiting, manyWaiting = 10, 10_000
	// redisAway is the time of a round trip to Redis, sharedSlots how many calls of the shared budget are made at once.
	redisAway   = 20 * time.Millisecond
	sharedSlots = 100
)

// benchLimiter measures the cost of waiting for a call, and that of a distant Redis for calls that share their budget.
func benchLimiter(quick bool) ([]row, error) {
	rows, err := benchWaiting(quick)
	if err != nil {
		return nil, err
	}
	shared, err := benchSharedBudget(quick)
	return append(rows, shared...), err
}

// emptyBackend answers each call at once.
type emptyBackend struct{}

func (emptyBackend) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}")),
		ContentLength: 2}, nil
}

var limitedCall = upstream.Request{Method: http.MethodGet, Route: "/thing", Path: []string{"thing"}}

func limitedClient(slots int, rate upstream.Rate, budget upstream.Budget) (*upstream.Client, error) {
	return upstream.New(upstream.Options{Backend: upstream.MATTR, BaseURL: "https://tenant.example",
		Transport: emptyBackend{}, Concurrency: slots, Rates: []upstream.Rate{rate}, Budget: budget, Retries: -1})
}

// benchWaiting compares the cost of a call while few, many and no calls wait in the limiter. Each case has as many
// callers, the others waiting in a channel, so that waking a goroutine and collecting garbage cost the same in each.
func benchWaiting(quick bool) ([]row, error) {
	rate := upstream.Rate{Count: 1_000_000, Per: time.Second}
	measured := map[int]time.Duration{}
	rounds := 5
	if quick {
		rounds = 1
	}
	for range rounds {
		for _, waiting := range []int{0, fewWaiting, manyWaiting} {
			progress(fmt.Sprint("limiter, ", waiting, " waiting"))
			took, err := callsWaiting(quick, waiting, rate)
			if err != nil {
				return nil, err
			}
			if measured[waiting] == 0 || took < measured[waiting] {
				measured[waiting] = took
			}
		}
	}
	none, few, many := measured[0], measured[fewWaiting], measured[manyWaiting]
	detail := fmt.Sprintf("%v for a call with %d waiting, %v with %d, %v with none", few, fewWaiting, many, manyWaiting,
		none)
	return []row{
		{Work: fmt.Sprintf("CPU of a call with %d waiting, of one with %d", manyWaiting, fewWaiting),
			Got: float64(many) / float64(few), Target: 1.3, Detail: detail},
		{Work: fmt.Sprintf("CPU that waiting adds to a call with %d waiting, µs", manyWaiting),
			Got: float64(many-none) / 1000, Target: 3, Detail: detail},
	}, nil
}

// callsWaiting returns the CPU time of a call while so many wait.
func callsWaiting(quick bool, waiting int, rate upstream.Rate) (time.Duration, error) {
	const slots = 10
	c, err := limitedClient(slots, rate, nil)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	calls := 200_000
	if quick {
		calls = 1000
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	return cpuOf(ctx, c, slots+manyWaiting, slots+waiting, calls)
}

// cpuOf returns the CPU time of one of so many calls that so many workers make, once all have begun, with so many at
// once in the client.
func cpuOf(ctx context.Context, c *upstream.Client, workers, atOnce, calls int) (time.Duration, error) {
	gate := make(chan struct{}, atOnce)
	var group errgroup.Group
	var left atomic.Int64
	left.Store(int64(calls + 2*workers))
	var begun atomic.Int64
	for range workers {
		group.Go(func() error {
			for {
				n := left.Add(-1)
				if n < 0 {
					return nil
				}
				if n == int64(calls) {
					begun.Store(int64(processCPU()))
				}
				gate <- struct{}{}
				_, err := c.Do(ctx, limitedCall)
				<-gate
				if err != nil {
					return err
				}
			}
		})
	}
	err := group.Wait()
	return (processCPU() - time.Duration(begun.Load())) / time.Duration(calls), err
}

// benchSharedBudget counts the calls of a budget that replicas share through a Redis that is far away.
func benchSharedBudget(quick bool) (rows []row, err error) {
	progress("limiter, a distant Redis")
	redis, err := startRedis()
	if err != nil {
		return nil, err
	}
	defer redis.stop()
	address, stop, err := distant(redis.address, redisAway)
	if err != nil {
		return nil, err
	}
	defer stop()
	store, err := cache.New(cache.Options{Redis: &cache.RedisOptions{URL: "redis://" + address, Timeout: time.Second}})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	rate := upstream.Rate{Count: 100_000, Per: time.Minute}
	c, err := limitedClient(sharedSlots, rate,
		cache.NewWindow(store, "bench", []cache.SharedRate{{Count: rate.Usable(), Per: rate.Per}}, 1))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	calls := 20_000
	if quick {
		calls = 1000
	}
	begin := time.Now()
	if _, err := cpuOf(context.Background(), c, sharedSlots, sharedSlots, calls); err != nil {
		return nil, err
	}
	persecond := float64(calls) / time.Since(begin).Seconds()
	single := 1 / redisAway.Seconds()
	return []row{
		{Work: fmt.Sprintf("calls a second of a shared budget at %d slots with Redis %v away, of one a round trip",
			sharedSlots, redisAway),
			Got: persecond / single, Target: 20, AtLeast: true,
			Detail: fmt.Sprintf("%.0f calls a second, %.0f round trips", persecond, single)}}, nil
}

// distant passes connections on to an address. Data in either direction arrives half a round trip later.
func distant(to string, roundTrip time.Duration) (address string, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				_ = near.Close()
				continue
			}
			go carry(far, near, roundTrip/2)
			go carry(near, far, roundTrip/2)
		}
	}()
	return listener.Addr().String(), func() { _ = listener.Close() }, nil
}

// carry copies data, each piece delayed, until either end closes.
func carry(to, from net.Conn, later time.Duration) {
	type piece struct {
		due  time.Time
		data []byte
	}
	pieces := make(chan piece, 1024)
	go func() {
		defer func() { _ = to.Close() }()
		for p := range pieces {
			time.Sleep(time.Until(p.due))
			_, _ = to.Write(p.data) // where that fails, reading soon does too
		}
	}()
	defer close(pieces)
	for {
		buffer := make([]byte, 32<<10)
		n, err := from.Read(buffer)
		if n > 0 {
			pieces <- piece{time.Now().Add(later), buffer[:n]}
		}
		if err != nil {
			return
		}
	}
}
