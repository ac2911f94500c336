package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/learngraph/learngraph/bench/stock"
	"github.com/learngraph/learngraph/upstream/emulator"
)

func init() { parts["cold"] = benchCold }

// searched is a catalogue whose lists do not show who an identity is, so that each is searched.
var searched = emulator.Options{Linked: true}

const (
	nestedQuery = `{ clients { nodes { name slug courses(first: 20) { totalCount nodes { sourceId title status priceInCents } } } } }`
	fanOutQuery = `{ clients { nodes { name users { nodes { name identity { sourceId claims credentials { nodes { type } } } } } } } }`
)

func userQuery(identifier string) string {
	return fmt.Sprintf(`{ user(by: {sourceId: %q}) { name identity { sourceId claims } } }`, identifier)
}

// coldBench holds the parts that the rows of benchCold share.
type coldBench struct {
	facadeBench
	user string // the identifier of the user who is read
}

// benchCold compares the program with servers that do the same work, on three kinds of data: cold with a stock gqlgen
// server over net/http and encoding/json, warm with a handler that writes the same bytes. Each server has one core.
func benchCold(quick bool) (rows []row, err error) {
	b := &coldBench{facadeBench: facadeBench{quick: quick}}
	if b.folder, err = os.MkdirTemp("", "bench"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.folder)) }()
	if b.binary, err = buildProgram(b.folder); err != nil {
		return nil, err
	}
	backends := emulator.New(searched)
	b.user = backends.Users(backends.Clients()[0].Identifier)[0].Identifier
	backends.Close()
	for _, measure := range []func() ([]row, error){b.unprepared, b.allocations, b.unknownMembers, b.warm} {
		got, err := measure()
		if err != nil {
			return nil, err
		}
		rows = append(rows, got...)
	}
	return rows, nil
}

// uncached are the settings of a program that calls for each request.
func uncached() []string { return append([]string{"COALESCE=false", "AUTH=none"}, cold...) }

// unprepared compares with the stock server, which gets the same queries over the same backends.
func (b *coldBench) unprepared() (rows []row, err error) {
	for _, k := range kinds {
		works := []facadeWork{{"nested query", nestedQuery, 4.5}, {"one user, two calls", userQuery(b.user), 1},
			{"fan-out with claims", fanOutQuery, 2}}
		got, err := b.unpreparedKind(k, works)
		if err != nil {
			return nil, fmt.Errorf("%v: %w", k, err)
		}
		rows = append(rows, got...)
	}
	return rows, nil
}

func (b *coldBench) unpreparedKind(k kind, works []facadeWork) (rows []row, err error) {
	backends, p, err := b.programOver(k, uncached())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.stop(), backends.stop()) }()
	naive, err := startSideProcess("stock", backends.address)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, naive.stop()) }()
	for _, w := range works {
		if err := sameData(p, naive, w.query); err != nil {
			return nil, fmt.Errorf("%s: %w", w.name, err)
		}
		for _, n := range []int{1, 32} {
			progress(fmt.Sprintf("%s, cold, %v, connections: %d", w.name, k, n))
			r, err := b.against(p, naive, coldMode(w, n), w, n)
			if err != nil {
				return nil, err
			}
			r.Work = fmt.Sprintf("%s, cold, %v, connections: %d, rate of a stock server's", w.name, k, n)
			r.Detail = strings.Replace(r.Detail, "floor", "stock", 1)
			r.Target, r.AtLeast = w.target, true
			rows = append(rows, r)
		}
	}
	return rows, nil
}

// coldMode runs each side as long as its slowest work takes over so many connections, several times.
func coldMode(w facadeWork, connections int) facadeMode {
	m := facadeMode{pairs: 9, slice: long}
	if connections > 1 && w.query != "" && !strings.HasPrefix(w.query, "{ user") {
		m.pairs, m.slice = 5, 2*time.Second
	}
	m.warm = true // one pair that does not count opens the connections
	return m
}

// programOver starts the recorded backends and the program over them.
func (b *coldBench) programOver(k kind, settings []string) (*process, *program, error) {
	backends, err := startSideProcess("recorded", string(k))
	if err != nil {
		return nil, nil, err
	}
	p, err := startProgram(b.binary, backends.address, settings...)
	if err != nil {
		return nil, nil, errors.Join(err, backends.stop())
	}
	return backends, p, nil
}

// canonical returns a JSON text with its members in order, "" if it is none.
func canonical(text []byte) string {
	var v any
	if json.Unmarshal(text, &v) != nil {
		return ""
	}
	text, _ = json.Marshal(v)
	return string(text)
}

// sameData reports the servers' answers where they are not the same data.
func sameData(p *program, naive *process, query string) error {
	ours, err := p.ask(query, "")
	if err != nil {
		return err
	}
	theirs, err := (&program{process: naive}).ask(query, "")
	if err != nil {
		return err
	}
	if a, b := canonical(ours), canonical(theirs); a == "" || a != b {
		return fmt.Errorf("the program answers %.300s, the stock server %.300s", a, b)
	}
	return nil
}

// allocations counts the program's allocations for the user beyond those of a plain handler that makes the same two
// calls.
func (b *coldBench) allocations() (rows []row, err error) {
	progress("allocations")
	backends, p, err := b.programOver(asNow, uncached())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.stop(), backends.stop()) }()
	plain, err := startSideProcess("plain", backends.address, b.user)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, plain.stop()) }()
	query := userQuery(b.user)
	ours, err := b.mallocs(p.process, p.mallocs, query)
	if err != nil {
		return nil, err
	}
	theirs, err := b.mallocs(plain, func() (float64, error) { return number("http://" + plain.address + "/mallocs") },
		query)
	return []row{{Work: "one user, two calls, cold: allocations beyond a plain handler with two plain calls",
		Got: ours - theirs, Target: 250, Detail: fmt.Sprintf("program %.0f, plain %.0f", ours, theirs)}}, err
}

// mallocs returns the allocations of one answer of a server, whose count so far read returns.
func (b *coldBench) mallocs(server *process, read func() (float64, error), query string) (float64, error) {
	s, err := newSide(server, post(server.address, query), 1)
	if err != nil {
		return 0, err
	}
	defer func() { _ = s.guns.close() }()
	var counts [3]float64
	if _, err := s.guns.fire(s.request, b.period(long)); err != nil {
		return 0, err
	}
	answers := 0
	for i := range counts {
		if i == 2 { // the first two differ by the time of reading
			v, err := s.guns.fire(s.request, b.period(2*time.Second))
			if err != nil {
				return 0, err
			}
			answers = len(v.waits)
		}
		if counts[i], err = read(); err != nil {
			return 0, err
		}
	}
	return (counts[2] - counts[1] - (counts[1] - counts[0])) / float64(answers), nil
}

func (b *coldBench) period(d time.Duration) time.Duration {
	if b.quick {
		return 0
	}
	return d
}

// mallocs is the number of objects that the program has allocated.
func (p *program) mallocs() (float64, error) {
	resp, err := http.Get("http://" + p.operator + "/metrics")
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), "\ngo_memstats_mallocs_total ")
	value, _, _ := strings.Cut(rest, "\n")
	return strconv.ParseFloat(value, 64)
}

func number(address string) (float64, error) {
	resp, err := http.Get(address)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(strings.TrimSpace(string(text)), 64)
}

// unknownMembers compares the cost of a byte of a page with and without members that the schema does not have.
func (b *coldBench) unknownMembers() (rows []row, err error) {
	progress("unknown members")
	var sides []*side
	var pages [2]float64
	for i, k := range []kind{asNow, unknown} {
		backends, p, err := b.programOver(k, uncached())
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, p.stop(), backends.stop()) }()
		before, err := p.spent()
		if err != nil {
			return nil, err
		}
		if _, err := p.ask(nestedQuery, ""); err != nil {
			return nil, err
		}
		after, err := p.spent()
		if err != nil {
			return nil, err
		}
		pages[i] = after.bytes - before.bytes
		s, err := newSide(p.process, post(p.address, nestedQuery), 4)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, s.guns.close()) }()
		sides = append(sides, s)
	}
	var ratios []float64
	var known, more volley
	for i := range 12 {
		if b.quick && i > 1 {
			break
		}
		v, err := neighbours(sides, b.period(long))
		if err != nil {
			return nil, err
		}
		if i == 0 {
			continue
		}
		known.add(v[0])
		more.add(v[1])
		ratios = append(ratios, perByte(v[1], pages[1])/perByte(v[0], pages[0]))
	}
	return []row{{Work: "page with a fifth of its members unknown, CPU per byte, of the page without",
		Got: quantile(ratios, 0.5), Target: 1.1,
		Detail: fmt.Sprintf("with %v for %.0f bytes, without %v for %.0f", more, pages[1], known, pages[0])}}, nil
}

func perByte(v volley, page float64) float64 {
	return float64(v.cpu) / float64(len(v.waits)) / page
}

// warm compares kept answers with the floor.
func (b *coldBench) warm() (rows []row, err error) {
	works := []facadeWork{{"fan-out with claims", fanOutQuery, 0.5}, {"one user", userQuery(b.user), 0.7}}
	for _, k := range kinds {
		backends, p, err := b.programOver(k, []string{"CACHE_TTL=1h", "AUTH=none"})
		if err != nil {
			return nil, err
		}
		m := facadeMode{name: fmt.Sprint("warm, ", k), connections: []int{1, 32}, warm: true, pairs: 15, slice: short}
		for _, w := range works {
			progress(w.name + ", " + m.name)
			got, failed := b.measureWork(p, m, w)
			rows, err = append(rows, got...), errors.Join(err, failed)
		}
		if err := errors.Join(err, p.stop(), backends.stop()); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// recordedSide is the backends of the measurements, their data of a kind.
func recordedSide(args []string) (http.Handler, error) {
	if len(args) != 1 {
		return nil, errors.New("recorded needs a kind of data")
	}
	return recorded(kind(args[0]), emulator.New(searched)), nil
}

// stockSide is a server as gqlgen generates it.
func stockSide(args []string) (http.Handler, error) {
	if len(args) != 1 {
		return nil, errors.New("stock needs the backends' address")
	}
	r, err := stock.New("http://"+args[0], stock.Credentials{
		ThoughtIndustries: emulator.APIKey, Coassemble: emulator.Authorization,
		ClientID: emulator.ClientID, ClientSecret: emulator.ClientSecret, Audience: emulator.Audience,
	})
	return stockHTTP{newServer(stock.NewServer(r))}, err
}

// baselineSide makes the two calls for a user with net/http, and answers with a constant.
func baselineSide(args []string) (http.Handler, error) {
	if len(args) != 2 {
		return nil, errors.New("plain needs the backends' address and a user")
	}
	r, err := stock.New("http://"+args[0], stock.Credentials{
		Coassemble: emulator.Authorization, ClientID: emulator.ClientID, ClientSecret: emulator.ClientSecret,
		Audience: emulator.Audience,
	})
	answer := bytes.Repeat([]byte(" "), 200)
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		if err := r.TwoCalls(req.Context(), args[1]); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
		_, _ = w.Write(answer)
	}), err
}

// countingMallocs adds the count of the process's allocations to a server.
func countingMallocs(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/mallocs" {
			h.ServeHTTP(w, r)
			return
		}
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		fmt.Fprintln(w, stats.Mallocs)
	})
}
