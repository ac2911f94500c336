package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/learngraph/learngraph/upstream/emulator"
)

func init() { parts["cache"] = benchCache }

// catalogue is the data of the emulated backends: 25 clients of 4 users each, all linked.
var catalogue = emulator.Options{Linked: true, ProviderInList: true}

// facadeWork is a query, and the share of the floor's rate that a warm answer to it should reach.
type facadeWork struct {
	name, query string
	target      float64
}

func facadeWorks() []facadeWork {
	backends := emulator.New(catalogue)
	defer backends.Close()
	user := backends.Users(backends.Clients()[0].Identifier)[0].Identifier
	return []facadeWork{
		{"nested query",
			`{ clients(first: 1) { nodes { name courses(first: 1) { totalCount nodes { title priceInCents } } users(first: 1) { nodes { name credentials { nodes { type } } } } } } }`, 0.5},
		{"fan-out",
			`{ clients { nodes { name users { nodes { name identity { sourceId } credentials { nodes { type } } } } } } }`, 0.5},
		{"single user", fmt.Sprintf(`{ user(by: {sourceId: %q}) { name } }`, user), 0.7},
	}
}

// facadeMode is how the program is set up for a measurement.
type facadeMode struct {
	name     string
	kind     kind          // of the data, empty for the emulator's
	latency  time.Duration // of the backends
	settings []string
	header   string // of requests
	works    []facadeWork
	// connections are how many ask at once.
	connections []int
	// warm is set for the mode whose answers are cached, which has a target.
	warm bool
	// pairs are how many slices of time each of program and floor gets, as many as a ratio without noise needs.
	pairs int
	slice time.Duration
}

var (
	anyConnections = []int{1, 32, 128}
	// short is a slice of time that many answers fit into, long one for answers that take their time.
	short, long = 100 * time.Millisecond, 400 * time.Millisecond
	// cold stores nothing, and lets every operation call at once, so that the backends' limits do not count.
	cold = []string{"CACHE_TTL=0", "THOUGHTINDUSTRIES_CONCURRENCY=200", "COASSEMBLE_CONCURRENCY=200",
		"MATTR_CONCURRENCY=200", "THOUGHTINDUSTRIES_TIMEOUT=60s", "COASSEMBLE_TIMEOUT=60s", "MATTR_TIMEOUT=60s",
		"OPERATION_TIMEOUT=60s"}
)

// facadeBench holds the parts that the modes of benchCache share.
type facadeBench struct {
	folder, binary string
	quick          bool
	redis          *soakRedis
	works          []facadeWork
}

// benchCache compares the program over the emulated backends with a bare handler that reads the request and writes the
// same bytes. Program, backends, Redis and floor are processes of one core each; the client is this one.
func benchCache(quick bool) (rows []row, err error) {
	b := &facadeBench{quick: quick, works: facadeWorks()}
	if b.folder, err = os.MkdirTemp("", "bench"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.folder)) }()
	if b.binary, err = buildProgram(b.folder); err != nil {
		return nil, err
	}
	if b.redis, err = startRedis(); err != nil {
		return nil, err
	}
	defer b.redis.stop()
	modes, err := b.modes()
	if err != nil {
		return nil, err
	}
	for _, m := range modes {
		progress(m.name)
		got, err := b.measure(m)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
		rows = append(rows, got...)
	}
	for _, measure := range []func() ([]row, error){b.replicas, b.memory} {
		got, err := measure()
		if err != nil {
			return nil, err
		}
		rows = append(rows, got...)
	}
	return rows, nil
}

func (b *facadeBench) modes() ([]facadeMode, error) {
	keys, key, err := writeKeys(b.folder)
	if err != nil {
		return nil, err
	}
	tokens, token, err := writeKeySet(b.folder)
	if err != nil {
		return nil, err
	}
	one := []facadeWork{b.works[2]}
	one[0].target = 0
	hour := "CACHE_TTL=1h"
	modes := []facadeMode{
		{name: "warm in memory", settings: []string{hour, "AUTH=none"}, works: b.works, connections: anyConnections,
			warm: true, pairs: 15, slice: short},
		{name: "warm in memory, AUTH=keys", settings: append(keys, hour), header: "X-API-Key: " + key, works: one,
			connections: anyConnections, warm: true, pairs: 9, slice: short},
		{name: "warm in memory, AUTH=jwt", settings: append(tokens, hour), header: "Authorization: Bearer " + token,
			works: one, connections: anyConnections, warm: true, pairs: 9, slice: short},
		{name: "warm in Redis only", settings: []string{hour, "CACHE_MEMORY=1B", "REDIS_URL=redis://" + b.redis.address},
			works: withoutTargets(b.works), connections: anyConnections, warm: true, pairs: 5, slice: short},
	}
	for _, k := range kinds[1:] {
		data := fmt.Sprint(", data with ", k)
		modes = append(modes,
			facadeMode{name: "warm in memory" + data, kind: k, settings: []string{hour, "AUTH=none"}, works: b.works,
				connections: []int{32}, warm: true, pairs: 9, slice: short},
			facadeMode{name: "cold" + data, kind: k, settings: append([]string{"COALESCE=false"}, cold...),
				works: withoutTargets(b.works), connections: []int{32}, pairs: 1, slice: long})
	}
	latencies := []time.Duration{0, 5 * time.Millisecond, 50 * time.Millisecond}
	if b.quick {
		latencies = latencies[1:2]
		for i := range modes {
			modes[i].connections = []int{1, 32}
		}
	}
	for _, latency := range latencies {
		m := facadeMode{name: fmt.Sprint("cold, backends of ", latency), latency: latency, works: withoutTargets(b.works),
			connections: anyConnections, pairs: 1, slice: long}
		m.settings = append([]string{"COALESCE=false"}, cold...)
		if b.quick {
			m.connections = []int{1}
		}
		modes = append(modes, m)
		m.name, m.settings, m.connections = fmt.Sprint("shared in flight, backends of ", latency), cold, []int{32, 128}
		modes = append(modes, m)
	}
	return modes, nil
}

func withoutTargets(works []facadeWork) []facadeWork {
	works = slices.Clone(works)
	for i := range works {
		works[i].target = 0
	}
	return works
}

// measure starts the servers of a mode and measures each of its works.
func (b *facadeBench) measure(m facadeMode) (rows []row, err error) {
	backends, err := startSideProcess("emulator", m.latency.String(), "0", string(m.kind))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, backends.stop()) }()
	p, err := startProgram(b.binary, backends.address, m.settings...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	for _, w := range m.works {
		got, err := b.measureWork(p, m, w)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", w.name, err)
		}
		rows = append(rows, got...)
	}
	return rows, nil
}

// measureWork compares with the floor, a handler that writes the program's answer.
func (b *facadeBench) measureWork(p *program, m facadeMode, w facadeWork) (rows []row, err error) {
	text, err := p.ask(w.query, m.header)
	if err == nil && m.warm {
		text, err = p.ask(w.query, m.header)
	}
	if err != nil {
		return nil, err
	}
	file := filepath.Join(b.folder, "answer")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, err
	}
	floor, err := startSideProcess("floor", file)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, floor.stop()) }()
	for _, n := range m.connections {
		r, err := b.against(p, floor, m, w, n)
		if err != nil {
			return nil, err
		}
		r.Work = fmt.Sprintf("%s, %s, connections: %d, rate of the floor's", w.name, m.name, n)
		r.Target, r.AtLeast = w.target, w.target > 0
		r.Detail += fmt.Sprintf(", %d bytes sent", len(text))
		rows = append(rows, r)
	}
	return rows, nil
}

// against measures the program and the floor in alternating slices of time, where warm after one of each that does not
// count. Other load on the machine slows neighbouring slices alike, so the row is the median of the ratios of
// neighbours.
func (b *facadeBench) against(p *program, floor *process, m facadeMode, w facadeWork,
	connections int) (r row, err error) {
	sides := make([]*side, 2)
	for i, server := range []*process{p.process, floor} {
		if sides[i], err = newSide(server, post(server.address, w.query, header(m.header)...), connections); err != nil {
			return row{}, err
		}
		defer func() { err = errors.Join(err, sides[i].guns.close()) }()
	}
	pairs, slice := m.pairs, m.slice
	if b.quick {
		pairs, slice = 1, 0
	}
	if m.warm {
		if _, err := neighbours(sides, slice); err != nil {
			return row{}, err
		}
	}
	before, err := p.spent()
	if err != nil {
		return row{}, err
	}
	var program, bare volley
	var ratios []float64
	for range pairs {
		v, err := neighbours(sides, slice)
		if err != nil {
			return row{}, err
		}
		program.add(v[0])
		bare.add(v[1])
		ratios = append(ratios, v[0].rate()/v[1].rate())
	}
	after, err := p.spent()
	if err != nil {
		return row{}, err
	}
	now, _ := p.memory()
	n := float64(len(program.waits))
	return row{Got: quantile(ratios, 0.5),
		Detail: fmt.Sprintf(
			"half of the slices %.2f to %.2f; %v, %.0f MiB; floor %v; an answer: %.3g calls, %.3g bytes received",
			quantile(ratios, 0.25), quantile(ratios, 0.75), program, now, bare, (after.calls-before.calls)/n,
			(after.bytes-before.bytes)/n)}, nil
}

// side is a server with its requests.
type side struct {
	guns    *gunners
	request []byte
}

func newSide(server *process, request []byte, connections int) (*side, error) {
	guns, err := newGunners(server, connections)
	return &side{guns, request}, err
}

// neighbours fires at each side for a period, one after the other.
func neighbours(sides []*side, period time.Duration) ([]volley, error) {
	volleys := make([]volley, len(sides))
	for i, s := range sides {
		var err error
		if volleys[i], err = s.guns.fire(s.request, period); err != nil {
			return nil, err
		}
	}
	return volleys, nil
}

func quantile(list []float64, q float64) float64 {
	slices.Sort(list)
	return list[int(q*float64(len(list)-1)+0.5)]
}

func header(line string) []string {
	if line == "" {
		return nil
	}
	return []string{line}
}

// ask returns the bytes of one answer without errors.
func (p *program) ask(query, line string) ([]byte, error) {
	req, err := http.NewRequest(http.MethodPost, "http://"+p.address+"/graphql", strings.NewReader(queryBody(query)))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if name, value, ok := strings.Cut(line, ": "); ok {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct {
		Data   json.RawMessage
		Errors []struct{ Message string }
	}
	var text json.RawMessage
	if err := json.NewDecoder(resp.Body).Decode(&text); err != nil {
		return nil, fmt.Errorf("status %d: %w", resp.StatusCode, err)
	}
	if err := json.Unmarshal(text, &answer); err != nil || resp.StatusCode != http.StatusOK || len(answer.Errors) > 0 {
		return nil, fmt.Errorf("status %d, %.200s", resp.StatusCode, text)
	}
	return text, nil
}

// replicas counts the calls that each work costs a replica after another has filled the Redis that they share.
func (b *facadeBench) replicas() (rows []row, err error) {
	progress("second replica")
	if err := b.redis.restart(); err != nil {
		return nil, err
	}
	backends, err := startSideProcess("emulator", "0s", "0", "")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, backends.stop()) }()
	var calls [2]float64
	for i := range calls {
		p, err := startProgram(b.binary, backends.address, "REDIS_URL=redis://"+b.redis.address, "CACHE_TTL=1h",
			"REDIS_TIMEOUT=1s")
		if err != nil {
			return nil, err
		}
		for _, w := range b.works {
			if _, err := p.ask(w.query, ""); err != nil {
				return nil, errors.Join(err, p.stop())
			}
		}
		s, err := p.spent()
		// Stopping it flushes its queue to Redis.
		if err := errors.Join(err, p.stop()); err != nil {
			return nil, err
		}
		calls[i] = s.calls
	}
	return []row{{Work: "calls of a second replica that shares Redis, of the first's", Got: calls[1] / calls[0],
		Target: 0.1, Required: true, Detail: fmt.Sprintf("%.0f, then %.0f", calls[0], calls[1])}}, nil
}

// memory lets a program with the usual bound see more clients than it can keep.
func (b *facadeBench) memory() (rows []row, err error) {
	clients := 10000
	if b.quick {
		clients = 300
	}
	progress(fmt.Sprint("memory, ", clients, " clients"))
	backends, err := startSideProcess("emulator", "0s", strconv.Itoa(clients), "")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, backends.stop()) }()
	p, err := startProgram(b.binary, backends.address, "CACHE_MEMORY=128MiB", "CACHE_TTL=1h")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	seen, err := p.scanClients()
	if err != nil {
		return nil, err
	}
	if seen != clients {
		return nil, fmt.Errorf("%d of %d clients seen", seen, clients)
	}
	now, peak := p.memory()
	return []row{{Work: fmt.Sprintf("memory at its peak in MiB, CACHE_MEMORY=128MiB, %d clients seen", seen), Got: peak,
		Target: 256, Detail: fmt.Sprintf("%.0f MiB at the end", now)}}, nil
}

// scanClients reads all clients page by page and returns their number.
func (p *program) scanClients() (seen int, err error) {
	for cursor := "null"; cursor != ""; {
		text, err := p.ask(
			fmt.Sprintf(
				`{ clients(first: 100, after: %s) { pageInfo { endCursor hasNextPage } nodes { name courses { nodes { title } } } } }`, cursor), "")
		if err != nil {
			return seen, err
		}
		var page struct {
			Data struct {
				Clients struct {
					Nodes    []struct{}
					PageInfo struct {
						EndCursor   string
						HasNextPage bool
					}
				}
			}
		}
		if err := json.Unmarshal(text, &page); err != nil {
			return seen, err
		}
		seen += len(page.Data.Clients.Nodes)
		cursor = ""
		if page.Data.Clients.PageInfo.HasNextPage {
			cursor = strconv.Quote(page.Data.Clients.PageInfo.EndCursor)
		}
	}
	return seen, nil
}

// emulatorSide is the backends with a latency, a number of clients, 0 for the catalogue of the measurements, and the
// kind of their data, which excludes a latency. More clients have less content, since content takes long to make up.
func emulatorSide(args []string) (http.Handler, error) {
	if len(args) != 3 {
		return nil, errors.New("emulator needs a latency, a number of clients and a kind of data")
	}
	o := catalogue
	var err error
	if o.Latency, err = time.ParseDuration(args[0]); err != nil {
		return nil, err
	}
	if o.Clients, err = strconv.Atoi(args[1]); err != nil {
		return nil, err
	}
	if o.Clients > 0 {
		o.CoursesPerClient, o.LearningPathsPerClient, o.UsersPerClient = 2, 1, 1
	}
	if args[2] != "" {
		return recorded(kind(args[2]), emulator.New(o)), nil
	}
	return emulator.New(o), nil
}

// floorSide is the least that any server does: it reads the request and writes the bytes of a file.
func floorSide(args []string) (http.Handler, error) {
	if len(args) != 1 {
		return nil, errors.New("floor needs a file")
	}
	text, err := os.ReadFile(args[0])
	if err != nil {
		return nil, err
	}
	size := strconv.Itoa(len(text))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Content-Length", size)
		_, _ = w.Write(text)
	}), nil
}
