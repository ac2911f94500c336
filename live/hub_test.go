package live

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/learngraph/learngraph/cache"
)

// tag is a dependency of answers.
var tag = cache.Tag("thing:" + strings.Repeat("ab", 16))

// world is a hub whose questions are answered by a function of the number of the execution.
type world struct {
	*Hub
	cache *cache.Cache
	asked atomic.Int64
	held  atomic.Int64
	lags  atomic.Int64
	reply func(n int) *Answer
}

// inBubble runs a test in fake time. Answers are fresh for a minute and depend on the tag.
func inBubble(t *testing.T, change func(*Options), test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c, err := cache.New(cache.Options{TTL: time.Minute, Memory: 1 << 20, Coalesce: true, Version: "v1"})
		if err != nil {
			t.Fatal(err)
		}
		w := &world{cache: c, reply: func(n int) *Answer { return answered(fmt.Sprint("answer ", n), time.Minute) }}
		o := Options{Cache: c, Timeout: 10 * time.Second, Reserve: func(by int64) { w.held.Add(by) }, Lag: func(time.Duration) { w.lags.Add(1) }}
		if change != nil {
			change(&o)
		}
		w.Hub = New(o)
		test(t, w)
		w.Close()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if got := w.held.Load(); got != 0 {
			t.Errorf("%d bytes are counted for closed questions", got)
		}
	})
}

// answered is an answer of one fact.
func answered(body string, fresh time.Duration) *Answer {
	return &Answer{Body: []byte(body), Fingerprint: body, Tags: []cache.Tag{tag},
		Facts: []cache.Fact{{Digest: cache.Digest(bytes.Repeat([]byte{0xcd}, 16)), Fresh: time.Now().Add(fresh)}}}
}

func (w *world) ask(context.Context, *Answer) *Answer { return w.reply(int(w.asked.Add(1))) }

func (w *world) subscribe(t *testing.T, caller, key string) *Subscription {
	t.Helper()
	s, err := w.Subscribe(caller, key, w.ask)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return s
}

func shows(s *Subscription) string {
	synctest.Wait()
	state, _ := s.Latest()
	if state == nil {
		return ""
	}
	return string(state.Body)
}

func (w *world) executions(t *testing.T, want int64) {
	t.Helper()
	synctest.Wait()
	if got := w.asked.Load(); got != want {
		t.Errorf("%d executions, want %d", got, want)
	}
}

func TestSubscribersOfATopicShareItsExecutions(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, w *world) {
		var all []*Subscription
		for i := range 5 {
			all = append(all, w.subscribe(t, fmt.Sprint("caller ", i), "question"))
		}
		other := w.subscribe(t, "caller 0", "another question")
		time.Sleep(61 * time.Second)
		w.executions(t, 4)
		first, _ := all[0].Latest()
		for _, s := range all {
			if state, _ := s.Latest(); state != first {
				t.Errorf("got %q, want the state that all have: %q", shows(s), first.Body)
			}
		}
		if got := w.Counters(); got.Subscribers != 6 || got.Topics != 2 || got.Executions != 4 || got.Events != 4 || got.Saved < 4 {
			t.Errorf("got %+v", got)
		}
		for _, s := range append(all, other) {
			s.Close()
			s.Close() // which changes nothing
		}
		time.Sleep(time.Hour)
		w.executions(t, 4)
		if got := w.Counters(); got.Subscribers != 0 || got.Topics != 0 {
			t.Errorf("got %+v", got)
		}
	})
}

func TestAnAnswerThatIsTheSameIsNoState(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.reply = func(int) *Answer { return answered("always", time.Minute) }
		s := w.subscribe(t, "caller", "question")
		before, changed := s.Latest()
		time.Sleep(10 * time.Minute)
		w.executions(t, 11)
		if after, _ := s.Latest(); after != before {
			t.Error("there is another state")
		}
		select {
		case <-changed:
			t.Error("the channel is closed")
		default:
		}
		s.Close()
	})
}

func TestDropsAreAnsweredAtOnceAndTogether(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, w *world) {
		s := w.subscribe(t, "caller", "question")
		time.Sleep(10 * time.Second)
		for range 100 {
			w.cache.DropTags(t.Context(), tag)
		}
		time.Sleep(minPause)
		if got := shows(s); got != "answer 2" && got != "answer 3" || w.lags.Load() == 0 {
			t.Errorf("got %q, the lag measured %d times", got, w.lags.Load())
		}
		before := w.asked.Load()
		w.cache.DropTags(t.Context(), cache.Tag("thing:"+strings.Repeat("ef", 16)))
		time.Sleep(10 * time.Second)
		w.executions(t, before)
		s.Close()
	})
}

// A value that is dropped while an execution is under way may have been read before.
func TestADropDuringAnExecutionIsAnsweredAfterIt(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.reply = func(n int) *Answer {
			time.Sleep(time.Second)
			return answered(fmt.Sprint("answer ", n), time.Minute)
		}
		s := w.subscribe(t, "caller", "question")
		time.Sleep(500 * time.Millisecond)
		w.cache.DropTags(t.Context(), tag)
		time.Sleep(5 * time.Second)
		w.executions(t, 2)
		if got := shows(s); got != "answer 2" {
			t.Errorf("got %q", got)
		}
		s.Close()
	})
}

func TestAFailingTopicIsAskedLessAndLessOften(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, w *world) {
		var times []time.Duration
		began := time.Now()
		w.reply = func(int) *Answer {
			times = append(times, time.Since(began).Round(time.Second))
			return &Answer{Body: []byte("failing"), Fingerprint: "failing", Failing: true}
		}
		s := w.subscribe(t, "caller", "question")
		time.Sleep(time.Minute)
		s.Close()
		if got, want := fmt.Sprint(times), "[0s 1s 3s 7s 15s 25s 35s 45s 55s]"; got != want {
			t.Errorf("asked at %s, want %s", got, want)
		}
	})
}

func TestWhatIsNotKeptIsAskedForNowAndThen(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.reply = func(int) *Answer { return answered("always", 0) }
		s := w.subscribe(t, "caller", "question")
		time.Sleep(time.Minute + time.Second)
		w.executions(t, 7)
		s.Close()
	})
}

func TestAPanicLeavesTheTopicOpen(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.reply = func(n int) *Answer {
			if n < 3 {
				panic("a fault")
			}
			return answered("at last", time.Minute)
		}
		s := w.subscribe(t, "caller", "question")
		time.Sleep(20 * time.Second)
		if got := shows(s); got != "at last" {
			t.Errorf("got %q after %d executions", got, w.asked.Load())
		}
		s.Close()
	})
}

func TestSubscriptionsHaveBounds(t *testing.T) {
	t.Parallel()
	inBubble(t, func(o *Options) { o.PerCaller, o.Total = 2, 3 }, func(t *testing.T, w *world) {
		one, two, three := w.subscribe(t, "a", "q"), w.subscribe(t, "a", "q"), w.subscribe(t, "b", "q")
		refused := func(caller string, want FullError) {
			t.Helper()
			_, err := w.Subscribe(caller, "q", w.ask)
			var full *FullError
			if !errors.As(err, &full) || *full != want {
				t.Errorf("%s: got %v, want %v", caller, err, &want)
			}
		}
		refused("a", FullError{"subscriptionsPerCaller", 3, 2})
		refused("c", FullError{"subscriptions", 4, 3})
		one.Close()
		w.subscribe(t, "c", "q").Close()
		two.Close()
		three.Close()
		if got := w.Counters(); got.Refused != 2 || got.Subscribers != 0 {
			t.Errorf("got %+v", got)
		}
	})
	var none *Hub
	if _, err := none.Subscribe("a", "q", nil); err == nil {
		t.Error("a hub that is nil has room")
	}
}

func TestClosingEndsTheExecutionUnderWay(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, w *world) {
		ended := false
		s, err := w.Subscribe("caller", "question", func(ctx context.Context, _ *Answer) *Answer {
			<-ctx.Done()
			ended = true
			return answered("too late", time.Minute)
		})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w.Close()
		if got := shows(s); !ended || got != "" {
			t.Errorf("ended: %t, shown: %q", ended, got)
		}
		select {
		case <-w.Done():
		default:
			t.Error("subscribers do not learn of it")
		}
		if _, err := w.Subscribe("caller", "question", w.ask); err == nil {
			t.Error("a closed hub has room")
		}
		s.Close()
	})
}

func TestAFrameIsMadeOnceForEachProtocol(t *testing.T) {
	t.Parallel()
	var f Frames
	made := 0
	for range 3 {
		for protocol := range 2 {
			got := f.Get(protocol, func() []byte {
				made++
				return fmt.Append(nil, "frame ", protocol)
			})
			if string(got) != fmt.Sprint("frame ", protocol) {
				t.Errorf("got %q", got)
			}
		}
	}
	if made != 2 {
		t.Errorf("%d frames were made", made)
	}
}
