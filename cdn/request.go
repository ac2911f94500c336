package cdn

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	tagPlace  = "{tag}"
	tagsPlace = "{tags}"
	// methodPurge is the method of purges at Varnish.
	methodPurge = "PURGE"
)

// SurrogateKey is the header of Fastly and of those that do as it does.
const SurrogateKey = "Surrogate-Key"

// batch is the most tags of one request: Cloudflare takes 30, Fastly 256. Varnish takes header lines of 8 KB by
// default.
func (h Header) batch() int {
	if h.commas() {
		return 30
	}
	return 200
}

// send has tags purged, and returns those that were not, with how long the network asks to wait.
func (p *Purger) send(tags []string) (left []string, wait time.Duration) {
	for len(tags) > 0 {
		n := len(tags)
		if strings.Contains(p.o.URL, tagPlace) {
			n = 1
		}
		ok, wait := p.exchange(tags[:n])
		p.count(n, ok)
		if !ok {
			return tags, wait
		}
		tags = tags[n:]
	}
	return nil, 0
}

func (p *Purger) count(tags int, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !ok {
		p.counts.Failed++
		return
	}
	p.counts.Sent++
	p.counts.Purged += uint64(tags)
}

// exchange sends one request. Nothing of its answer is kept.
func (p *Purger) exchange(tags []string) (ok bool, wait time.Duration) {
	r, err := p.request(tags)
	if err != nil {
		return false, 0
	}
	resp, err := p.client.Do(r)
	if err != nil {
		return false, 0
	}
	_ = resp.Body.Close()
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 {
		wait = min(time.Duration(seconds)*time.Second, longestPause)
	}
	// A tag that no object has needs no purging: Varnish may be configured to answer so.
	absent := r.Method == methodPurge && resp.StatusCode == http.StatusNotFound
	return absent || resp.StatusCode >= 200 && resp.StatusCode < 300, wait
}

// request makes the request that purges tags.
func (p *Purger) request(tags []string) (*http.Request, error) {
	all := p.o.Header.join(tags)
	method, body := methodPurge, []byte(nil)
	switch {
	case p.o.Header.commas():
		method = http.MethodPost
		body, _ = json.Marshal(map[string][]string{"tags": tags})
	case p.o.Header.Name() == SurrogateKey:
		method = http.MethodPost
	}
	target := strings.NewReplacer(tagPlace, tags[0], tagsPlace, url.PathEscape(all)).Replace(p.o.URL)
	r, err := http.NewRequestWithContext(p.ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", "learngraph")
	r.Header.Set(string(p.o.Header), all)
	if method == methodPurge {
		r.Header.Set(string(p.o.Header)+"-Purge", all) // xkey's own documentation has both
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if token := p.o.Token(); token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
		if p.o.Header.Name() == SurrogateKey {
			r.Header.Set("Fastly-Key", token)
		}
	}
	return r, nil
}
