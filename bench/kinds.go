package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
)

// kind is how the data of a backend differ from the emulator's.
type kind string

const (
	asNow   kind = "as now"
	unknown kind = "a fifth of the members unknown"
	texts   kind = "long texts"
)

var kinds = []kind{asNow, unknown, texts}

func (k kind) String() string { return string(k) }

// reshape returns the JSON with the kind's additions.
func (k kind) reshape(text []byte) ([]byte, error) {
	if k == asNow {
		return text, nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	w := &reshaper{kind: k, d: d}
	if err := w.value(""); err != nil {
		return nil, err
	}
	return w.b.Bytes(), nil
}

// reshaper copies a JSON value.
type reshaper struct {
	kind kind
	d    *json.Decoder
	b    bytes.Buffer
}

func (w *reshaper) value(name string) error {
	token, err := w.d.Token()
	if err != nil {
		return err
	}
	switch token {
	case json.Delim('{'):
		return w.object()
	case json.Delim('['):
		return w.array()
	}
	if s, ok := token.(string); ok && w.kind == texts {
		token = lengthen(name, s)
	}
	text, err := json.Marshal(token)
	w.b.Write(text)
	return err
}

func (w *reshaper) array() error {
	w.b.WriteByte('[')
	for i := 0; w.d.More(); i++ {
		w.comma(i)
		if err := w.value(""); err != nil {
			return err
		}
	}
	w.b.WriteByte(']')
	_, err := w.d.Token()
	return err
}

func (w *reshaper) object() error {
	w.b.WriteByte('{')
	for i := 0; w.d.More(); i++ {
		w.comma(i)
		name, err := w.d.Token()
		if err != nil {
			return err
		}
		fmt.Fprintf(&w.b, "%q:", name)
		if err := w.value(fmt.Sprint(name)); err != nil {
			return err
		}
		if w.kind == unknown && i%4 == 3 {
			fmt.Fprintf(&w.b, `,"vendorExtra%d":%s`, i, extras[i/4%len(extras)])
		}
	}
	w.b.WriteByte('}')
	_, err := w.d.Token()
	return err
}

func (w *reshaper) comma(i int) {
	if i > 0 {
		w.b.WriteByte(',')
	}
}

// extras are values of members that no schema declares.
var extras = []string{`"2026-02-03T04:05:06.000Z"`, `17`, `null`, `"something that the vendor added last month"`,
	`{"enabled":true,"label":"beta"}`, `[1,2,3]`}

// lengthen makes texts long, with escapes and non-ASCII characters. Keys and dates stay.
func lengthen(name, s string) string {
	switch {
	case !strings.Contains(s, " "), strings.HasSuffix(strings.ToLower(name), "identifier"), strings.HasSuffix(name, "Id"):
		return s
	case name == "description":
		return s + strings.Repeat("\n<p class=\"lead\">Überprüfung der \"Grundlagen\" & <b>安全</b> – été\t2026 \U0001F393</p>",
			12)
	}
	return s + " – \"première\" & <em>größte</em> 版"
}

// recorded answers each request with the response of h to the first request like it, in the shape of the kind: the
// backend's cost is then small and the same for all.
func recorded(k kind, h http.Handler) http.Handler {
	var answers sync.Map
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/oauth/") {
			h.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, "bad request", http.StatusBadRequest)
			return
		}
		key := r.Method + " " + r.URL.RequestURI() + " " + string(body)
		known, ok := answers.Load(key)
		if !ok {
			r.Body = io.NopCloser(bytes.NewReader(body))
			answer, err := recordAnswer(k, h, r)
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			known, _ = answers.LoadOrStore(key, answer)
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Content-Length", fmt.Sprint(len(known.([]byte))))
		_, _ = w.Write(known.([]byte))
	})
}

func recordAnswer(k kind, h http.Handler, r *http.Request) ([]byte, error) {
	w := httptest.NewRecorder()
	r.Header.Del("Accept-Encoding")
	h.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		return nil, errors.New("the emulator answers " + fmt.Sprint(w.Code))
	}
	return k.reshape(w.Body.Bytes())
}
