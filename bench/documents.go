package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"

	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/engine"
	"github.com/learngraph/learngraph/graph"
	"github.com/learngraph/learngraph/graph/model"
	"github.com/learngraph/learngraph/upstream/emulator"
)

func init() { parts["documents"] = benchDocuments }

// narrowQuery selects six fields of a page; narrowPage is the decoded page of a server that has structs for exactly
// these members.
const narrowQuery = `{ clients { nodes { name slug courses(first: 100) { nodes { sourceId title status priceInCents } } } } }`

type narrowPage struct {
	Data struct {
		Clients struct {
			Clients []struct {
				Name    *string `json:"name"`
				Slug    *string `json:"slug"`
				Courses []struct {
					ID           *string `json:"id"`
					Title        *string `json:"title"`
					Status       *string `json:"status"`
					PriceInCents *int    `json:"priceInCents"`
				} `json:"courses"`
			} `json:"clients"`
		}
	} `json:"data"`
}

// newPage is a page of 25 clients as a backend writes it whose data are of the kind.
func newPage(k kind, coursesPerClient, pathsPerClient int) ([]byte, error) {
	e := emulator.New(emulator.Options{Clients: clientCount, CoursesPerClient: coursesPerClient,
		LearningPathsPerClient: pathsPerClient, UsersPerClient: -1})
	r := httptest.NewRequest(http.MethodGet, "/incoming/v2/clients?page=1&count=25", nil)
	r.Header.Set("Authorization", "Bearer "+emulator.APIKey)
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		return nil, fmt.Errorf("the emulator answers %d", w.Code)
	}
	return k.reshape(w.Body.Bytes())
}

// readPage checks, prunes and indexes the clients of a page.
func readPage(text []byte) ([]*document.Document, error) {
	var docs []*document.Document
	r := document.NewReader(text)
	within := func(name string, read func() error) func([]byte) error {
		return func(member []byte) error {
			if string(member) != name {
				return nil
			}
			return read()
		}
	}
	clients := func() error {
		return r.Elements(func(int) error {
			d, err := r.Document(model.Shapes.Client)
			docs = append(docs, d)
			return err
		})
	}
	err := r.Members(within("data", func() error {
		return r.Members(within("Clients", func() error { return r.Members(within("clients", clients)) }))
	}))
	return docs, errors.Join(err, r.End())
}

func connectionOf(docs []*document.Document) *model.ClientConnection {
	conn := &model.ClientConnection{PageInfo: &model.PageInfo{}}
	for _, d := range docs {
		conn.Nodes = append(conn.Nodes, &model.Client{Object: d.Root()})
	}
	return conn
}

// loading is a server whose clients come from load.
func loading(load func(context.Context) ([]byte, func(), error)) server {
	return newServer(
		graph.NewEngine(graph.Config{Resolvers: &memory{load: func(ctx context.Context) (*model.ClientConnection, error) {
			text, free, err := load(ctx)
			if err != nil {
				return nil, err
			}
			defer free()
			docs, err := readPage(text)
			if err != nil {
				return nil, err
			}
			return connectionOf(docs), nil
		}}}))
}

// heldPages is how many pages a server of the default CACHE_MEMORY holds, about half full.
const heldPages = 20

// holdPages makes the heap as large as that of a server that has been running: on an empty one the collector would run
// after every page, for either side.
func holdPages(page []byte) (held [][]*document.Document, err error) {
	for range heldPages {
		docs, err := readPage(page)
		if err != nil {
			return nil, err
		}
		held = append(held, docs)
	}
	return held, nil
}

func benchDocuments(quick bool) (rows []row, err error) {
	for _, k := range kinds {
		got, err := documentsOf(k, quick)
		if err != nil {
			return nil, fmt.Errorf("%v: %w", k, err)
		}
		rows = append(rows, got...)
	}
	projected, err := projection(quick)
	return append(rows, projected), err
}

// documentsOf measures the cost of a page of a kind on its way to an answer and in memory.
func documentsOf(k kind, quick bool) ([]row, error) {
	page, err := newPage(k, 16, 3)
	if err != nil {
		return nil, err
	}
	ours := loading(func(context.Context) ([]byte, func(), error) { return page, func() {}, nil })
	ctx := engine.WithBuffer(context.Background(), new(engine.Buffer))
	running, err := holdPages(page)
	if err != nil {
		return nil, err
	}
	cold := compare(quick,
		func() {
			if _, err := narrowAnswer(bytes.NewReader(page)); err != nil {
				panic(err)
			}
		},
		func() { must(ours.execute(ctx, narrowQuery)) })
	runtime.KeepAlive(running)
	held, err := heldMemory(page)
	if err != nil {
		return nil, err
	}
	held.Work += fmt.Sprintf(", data %v", k)
	rows := []row{
		{Work: fmt.Sprintf("%.1f MB page to 6 fields, data %v, checked and pruned, CPU, of encoding/json into narrow structs",
			float64(len(page))/1e6, k),
			Got: ratio(cold[1], cold[0]), Target: 1.0 / 5,
			Detail: fmt.Sprintf("narrow %v, engine %v", cold[0].cpu, cold[1].cpu)},
		held,
	}
	served, err := coldOverHTTP(k, quick)
	return append(rows, served...), err
}

// projection measures the cost of answering from documents in memory.
func projection(quick bool) (row, error) {
	m, err := newMemory()
	if err != nil {
		return row{}, err
	}
	ctx := engine.WithBuffer(context.Background(), new(engine.Buffer))
	cfg := graph.Config{Resolvers: m}
	stock, direct := newServer(graph.NewExecutableSchema(cfg)), newServer(graph.NewEngine(cfg))
	project := compare(quick, func() { must(stock.execute(ctx, leavesQuery)) }, func() {
		must(direct.execute(ctx, leavesQuery))
	})
	return row{Work: "project 3,050 leaves of documents in memory, CPU, of stock", Got: ratio(project[1], project[0]),
		Target: 1.0 / 15, Detail: detail(project)}, nil
}

// narrowAnswer decodes a page into narrow structs and encodes them: the least that a server with structs does. A stock
// gqlgen server does this and then executes, so that a ratio to this is better still to that.
func narrowAnswer(page io.Reader) ([]byte, error) {
	text, err := io.ReadAll(page)
	if err != nil {
		return nil, err
	}
	var p narrowPage
	if err := json.Unmarshal(text, &p); err != nil {
		return nil, err
	}
	return json.Marshal(p.Data)
}

// heldMemory compares the memory of documents with their pruned text.
func heldMemory(page []byte) (row, error) {
	var before, after runtime.MemStats
	if _, err := readPage(page); err != nil { // fills the pools
		return row{}, err
	}
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&before)
	const copies = 8
	var held [][]*document.Document
	text := 0
	for range copies {
		docs, err := readPage(page)
		if err != nil {
			return row{}, err
		}
		for _, d := range docs {
			text += len(d.JSON())
		}
		held = append(held, docs)
	}
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&after)
	heap := float64(after.HeapAlloc) - float64(before.HeapAlloc)
	runtime.KeepAlive(held)
	return row{Work: "heap of held clients, of their pruned JSON", Got: heap / float64(text), Target: 1.3,
		Detail: fmt.Sprintf("%.0f bytes for %d of JSON, from %d of page", heap/copies, text/copies, len(page))}, nil
}

var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}
