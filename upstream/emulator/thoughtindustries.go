package emulator

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
)

// fields of a client that the list sorts by.
var sortFields = map[string]func(tiClient) string{
	"name":      func(c tiClient) string { return strings.ToLower(c.name) },
	"createdAt": func(c tiClient) string { return c.createdAt },
	"updatedAt": func(c tiClient) string { return c.updatedAt },
}

// sortClients puts the positions of the clients in every order that the list offers; "" is the catalogue's own.
func sortClients(clients []tiClient) map[string][]int {
	sorted := map[string][]int{}
	for field, key := range sortFields {
		positions := make([]int, len(clients))
		for i := range positions {
			positions[i] = i
		}
		slices.SortStableFunc(positions, func(a, b int) int {
			return cmp.Or(cmp.Compare(key(clients[a]), key(clients[b])), cmp.Compare(clients[a].id, clients[b].id))
		})
		sorted[field] = positions
		reversed := slices.Clone(positions)
		slices.Reverse(reversed)
		sorted["-"+field] = reversed
	}
	own := make([]int, len(clients))
	for i := range own {
		own[i] = i
	}
	sorted[""] = own
	return sorted
}

func (e *Emulator) ping(*exchange) answer { return recordAnswer(http.StatusOK, record{"valid", true}) }

// listClients is a page of whole clients. Reading past the end is an empty page, not an error.
func (e *Emulator) listClients(x *exchange) answer {
	const most = 1 << 30
	q := x.r.URL.Query()
	positions, ok := e.sorted[q.Get("sort")]
	page, pageErr := number(x, "page", 1, 1, most)
	count, countErr := number(x, "count", 25, 1, most)
	if !ok || pageErr != nil || countErr != nil {
		return x.route.failure(http.StatusBadRequest, "sort, page or count is not valid")
	}
	count = min(count, e.options.MaxCount)
	positions = e.searched(positions, strings.ToLower(q.Get("query")))
	total := len(positions)
	from := min((page-1)*count, total)
	shown := positions[from:min(from+count, total)]
	info := record{"perPage", count, "currentPage", page, "total", total, "hasMore", from+len(shown) < total}
	open := append([]byte(`{"data":{"Clients":{"pageInfo":`), appendRecord(nil, info)...)
	open = append(open, `,"aggregations":`...)
	open = appendJSON(open, e.aggregations(positions))
	open = append(open, `,"clients":[`...)
	parts := make([][]byte, 0, 2*len(shown)+2)
	parts = append(parts, open)
	e.mu.RLock()
	defer e.mu.RUnlock()
	for i, p := range shown {
		if i > 0 {
			parts = append(parts, comma)
		}
		parts = append(parts, e.clients[p].raw)
	}
	return jsonAnswer(http.StatusOK, append(parts, []byte(`]}}}`))...)
}

var comma = []byte(",")

func (e *Emulator) searched(positions []int, query string) []int {
	if query == "" {
		return positions
	}
	var found []int
	for _, p := range positions {
		if strings.Contains(e.clients[p].search, query) {
			found = append(found, p)
		}
	}
	return found
}

// aggregations counts the found clients, on all pages, by language.
func (e *Emulator) aggregations(positions []int) list {
	counts := map[string]int{}
	for _, p := range positions {
		counts[e.clients[p].language]++
	}
	buckets := list{}
	for _, l := range languages {
		if counts[l] > 0 {
			buckets = append(buckets, record{"query", "defaultLanguage:" + l, "value", l, "label", languageOf[l], "description",
				"Clients whose default language is " + languageOf[l], "count", counts[l]})
		}
	}
	return list{{"key", "defaultLanguage", "label", "Default language", "buckets", buckets}}
}
