package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	subscribers = 10_000
	// subscriberMemory is the most that a subscriber may take above an idle connection, in KiB.
	subscriberMemory = 20
)

func init() { parts["live"] = benchLive }

// benchLive has many subscribers of one question: the memory of those that wait, and one change that all of them see.
func benchLive(quick bool) (rows []row, err error) {
	count := subscribers
	if quick {
		count = 100
	}
	folder, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	binary, err := buildProgram(folder)
	if err != nil {
		return nil, err
	}
	backends, err := startSideProcess("emulator", "0s", "2", "")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, backends.stop()) }()
	progress(fmt.Sprint("live, ", count, " idle connections"))
	idle, _, err := measureLive(binary, backends.address, count, false)
	if err != nil {
		return nil, err
	}
	progress(fmt.Sprint("live, ", count, " subscribers"))
	held, change, err := measureLive(binary, backends.address, count, true)
	if err != nil {
		return nil, err
	}
	each := (held - idle) * 1024 / float64(count)
	memory := row{Work: "memory of a subscriber above an idle connection, KiB", Got: each, Target: subscriberMemory,
		Required: !quick, Detail: fmt.Sprintf("%.1f MiB for %d subscribers, %.1f MiB for idle connections", held, count,
			idle)}
	return append([]row{memory}, change...), nil
}

// measureLive returns by how many MiB the program grows with so many connections, of subscribers or idle, and the
// times of one change for subscribers.
func measureLive(binary, backends string, count int, subscribe bool) (mib float64, rows []row, err error) {
	// With a small GOGC nearly all of the heap is in use.
	p, err := startProgram(binary, backends, "GOGC=10", "CACHE_TTL=1h", fmt.Sprintf("SUBSCRIPTIONS=%d,%d", count, count))
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	if err := p.churn(); err != nil {
		return 0, nil, err
	}
	before, _ := p.memory()
	a := &audience{sawAll: make(chan struct{}), count: count}
	defer a.leave()
	if err := a.enter(p, subscribe); err != nil {
		return 0, nil, err
	}
	if err := p.churn(); err != nil {
		return 0, nil, err
	}
	after, _ := p.memory()
	if subscribe {
		rows, err = a.change(p)
	}
	return after - before, rows, err
}

// churn has the program collect its garbage, for which it has to make some.
func (p *program) churn() error {
	for range 3000 {
		if _, err := p.ask(`{ __typename }`, ""); err != nil {
			return err
		}
	}
	time.Sleep(time.Second)
	return nil
}

// audience is the other side of many connections.
type audience struct {
	count int
	conns []net.Conn

	mu     sync.Mutex
	events map[string]int // subscribers by the event that they got
	times  []time.Time    // of events since the change
	sawAll chan struct{}  // closed when all have one
}

const liveQuery = `{ users(first: 1) { nodes { sourceId name } } }`

// enter opens the connections, and waits until each has its first answer.
func (a *audience) enter(p *program, subscribe bool) error {
	head, query := "Accept: application/json\r\n", "{ __typename }"
	if subscribe {
		head, query = "Accept: text/event-stream\r\n", "subscription "+liveQuery
	}
	head += "Accept-Encoding: gzip, deflate, br\r\n" // as clients do
	body := queryBody(query)
	a.events = map[string]int{}
	for range a.count {
		conn, err := p.raw(fmt.Sprintf("%sContent-Length: %d", head, len(body)), body)
		if err != nil {
			return err
		}
		a.conns = append(a.conns, conn)
		_ = conn.SetDeadline(time.Time{})
		r := bufio.NewReaderSize(conn, 512)
		if err := firstAnswer(r, subscribe); err != nil {
			return err
		}
		if subscribe {
			go a.watch(r)
		}
	}
	return nil
}

// firstAnswer reads the first answer on a connection: all of it, or the beginning of a stream.
func firstAnswer(r *bufio.Reader, subscribe bool) error {
	if !subscribe {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			return fmt.Errorf("a connection ended: %w", err)
		}
		_, err = io.Copy(io.Discard, resp.Body)
		return errors.Join(err, resp.Body.Close())
	}
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return fmt.Errorf("a stream ended: %w", err)
		}
		if strings.HasPrefix(line, "data: ") {
			return nil
		}
	}
}

// watch notes the next event.
func (a *audience) watch(r *bufio.Reader) {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		if strings.HasPrefix(line, "data: ") {
			a.saw(line)
			break
		}
	}
	_, _ = io.Copy(io.Discard, r)
}

func (a *audience) saw(event string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.events[event]++
	if a.times = append(a.times, time.Now()); len(a.times) == a.count {
		close(a.sawAll)
	}
}

func (a *audience) leave() { closeAll(a.conns) }

// change makes one change, and measures its cost until all have seen it.
func (a *audience) change(p *program) ([]row, error) {
	text, err := p.ask(liveQuery, "")
	if err != nil {
		return nil, err
	}
	_, rest, _ := strings.Cut(string(text), `"sourceId":"`)
	id, _, _ := strings.Cut(rest, `"`)
	executed, err := p.figure("learngraph_subscription_executions_total")
	if err != nil {
		return nil, err
	}
	cpu, began := p.cpu(), time.Now()
	if _, err := p.ask(
		fmt.Sprintf(`mutation { updateUser(input: {by: {sourceId: %q}, name: "Seen By All"}) { user { name } } }`, id),
		""); err != nil {
		return nil, err
	}
	select {
	case <-a.sawAll:
	case <-time.After(time.Minute):
		return nil, fmt.Errorf("%d of %d subscribers have seen the change", len(a.times), a.count)
	}
	spent := p.cpu() - cpu
	again, err := p.figure("learngraph_subscription_executions_total")
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	slices.SortFunc(a.times, time.Time.Compare)
	at := func(part float64) time.Duration {
		return a.times[int(part*float64(len(a.times)-1))].Sub(began).Round(time.Millisecond)
	}
	lag := fmt.Sprintf("first %v, median %v, last %v", at(0), at(0.5), at(1))
	return []row{
		{Work: "executions for a change", Got: again - executed, Target: 1, Required: true,
			Detail: fmt.Sprint(a.count, " subscribers of one question")},
		{Work: "different texts of its event", Got: float64(len(a.events)), Target: 1, Required: true,
			Detail: fmt.Sprint(a.count, " events")},
		{Work: "CPU of it for each subscriber, µs", Got: float64(spent.Microseconds()) / float64(a.count),
			Detail: fmt.Sprint(spent, " in all")},
		{Work: "lag of the last event, s", Got: at(1).Seconds(), Detail: lag},
	}, nil
}
