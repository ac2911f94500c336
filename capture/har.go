package capture

import (
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// The members of an HTTP Archive, version 1.2 (http://www.softwareishard.com/blog/har-12-spec/). Sizes that are not
// known are -1.
type (
	harLog struct {
		Version string     `json:"version"`
		Creator harCreator `json:"creator"`
		Entries []harEntry `json:"entries"`
	}
	harCreator struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	}
	harEntry struct {
		Started  time.Time   `json:"startedDateTime"`
		Time     int64       `json:"time"`
		Request  harRequest  `json:"request"`
		Response harResponse `json:"response"`
		Cache    struct{}    `json:"cache"`
		Timings  harTimings  `json:"timings"`
		Comment  string      `json:"comment,omitempty"`
	}
	harRequest struct {
		Method      string    `json:"method"`
		URL         string    `json:"url"`
		HTTPVersion string    `json:"httpVersion"`
		Cookies     []harPair `json:"cookies"`
		Headers     []harPair `json:"headers"`
		Query       []harPair `json:"queryString"`
		PostData    *harPost  `json:"postData,omitempty"`
		HeadersSize int       `json:"headersSize"`
		BodySize    int       `json:"bodySize"`
	}
	harResponse struct {
		Status      int       `json:"status"`
		StatusText  string    `json:"statusText"`
		HTTPVersion string    `json:"httpVersion"`
		Cookies     []harPair `json:"cookies"`
		Headers     []harPair `json:"headers"`
		Content     harBody   `json:"content"`
		RedirectURL string    `json:"redirectURL"`
		HeadersSize int       `json:"headersSize"`
		BodySize    int       `json:"bodySize"`
	}
	harPair struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	harPost struct {
		MimeType string `json:"mimeType"`
		Text     string `json:"text"`
	}
	harBody struct {
		Size     int    `json:"size"`
		MimeType string `json:"mimeType"`
		Text     string `json:"text"`
	}
	harTimings struct {
		Send    int64 `json:"send"`
		Wait    int64 `json:"wait"`
		Receive int64 `json:"receive"`
	}
)

const mediaJSON = "application/json"

// WriteHAR writes the calls as an HTTP Archive. Their hosts are made up.
func (f *File) WriteHAR(w io.Writer) error {
	log := harLog{Version: "1.2", Creator: harCreator{"learngraph", "1"}, Entries: make([]harEntry, len(f.Calls))}
	for i := range f.Calls {
		log.Entries[i] = f.Calls[i].entry(f.Captured)
	}
	return writeIndented(w, map[string]harLog{"log": log})
}

func (c *Call) entry(began time.Time) harEntry {
	e := harEntry{Started: began.Add(time.Duration(c.StartMs) * time.Millisecond), Time: c.DurationMs,
		Timings: harTimings{Wait: c.DurationMs}, Comment: c.Failure}
	target := "https://" + Host(c.Backend) + c.Path
	if c.Query != "" {
		target += "?" + c.Query
	}
	body := canonical(c.Body)
	e.Request = harRequest{Method: c.Method, URL: target, HTTPVersion: "HTTP/1.1", Cookies: []harPair{},
		Headers: []harPair{{"Accept", mediaJSON}}, Query: queryPairs(c.Query), HeadersSize: -1, BodySize: len(body)}
	if c.Body != nil {
		e.Request.PostData = &harPost{mediaJSON, body}
	}
	text := string(c.text())
	if c.Answer != nil {
		text = canonical(c.Answer)
	}
	e.Response = harResponse{Status: c.Status, StatusText: http.StatusText(c.Status), HTTPVersion: "HTTP/1.1",
		Cookies: []harPair{}, Headers: headerPairs(c.Headers), Content: harBody{len(text), c.Headers["Content-Type"], text},
		HeadersSize: -1, BodySize: -1}
	return e
}

func headerPairs(h map[string]string) []harPair {
	list := []harPair{}
	for _, name := range slices.Sorted(maps.Keys(h)) {
		list = append(list, harPair{name, h[name]})
	}
	return list
}

func queryPairs(query string) []harPair {
	list := []harPair{}
	values, _ := url.ParseQuery(query)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		for _, v := range values[name] {
			list = append(list, harPair{name, v})
		}
	}
	return list
}
