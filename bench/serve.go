package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strings"
)

// coldOverHTTP compares four servers, each a process with one core, which ask the same backend for each request: one
// that passes the page through, one with narrow structs, and the engine, without and with gzip from the backend.
func coldOverHTTP(k kind, quick bool) ([]row, error) {
	backend, stop, err := startSide("backend", string(k))
	if err != nil {
		return nil, err
	}
	defer stop()
	sides := []string{"proxy", "narrow", "engine", "proxy-gzip", "engine-gzip"}
	rates := map[string]float64{}
	rounds := 3
	if quick {
		rounds = 1
	}
	for _, side := range sides {
		address, stop, err := startSide(side, backend)
		if err != nil {
			return nil, err
		}
		for range rounds {
			rate, err := loadAddress(address, narrowQuery, 1, quick)
			if err != nil {
				stop()
				return nil, fmt.Errorf("%s: %w", side, err)
			}
			rates[side] = max(rates[side], rate)
		}
		stop()
	}
	shown := func(a, b string) string { return fmt.Sprintf("%s %.1f/s, %s %.1f/s", a, rates[a], b, rates[b]) }
	return []row{
		{Work: fmt.Sprintf("cold query over HTTP, data %v, one connection, of a reverse proxy", k),
			Got: rates["engine"] / rates["proxy"], Target: 1.0 / 8, AtLeast: true, Detail: shown("proxy", "engine")},
		{Work: "the same, of a server with narrow structs", Got: rates["engine"] / rates["narrow"], Target: 3, AtLeast: true,
			Detail: shown("narrow", "engine")},
		{Work: "the same with gzip from the backend, of a reverse proxy", Got: rates["engine-gzip"] / rates["proxy-gzip"],
			Detail: shown("proxy-gzip", "engine-gzip")},
	}, nil
}

// startSide starts this program as a server with one core. It returns its address and a function that ends it.
func startSide(side string, args ...string) (string, func(), error) {
	p, err := startSideProcess(side, args...)
	if err != nil {
		return "", nil, err
	}
	return p.address, func() { _ = p.stop() }, nil
}

func startSideProcess(side string, args ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, append([]string{"-serve", side}, args...)...)
	cmd.Env, cmd.Stderr = os.Environ(), os.Stderr
	p, err := startProcess(cmd, "", "")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", side, err)
	}
	return p, nil
}

// serveSide serves until its standard input ends.
func serveSide(side string, args []string, stdout io.Writer) error {
	h, err := sideHandler(side, args)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(stdout, l.Addr()); err != nil {
		return err
	}
	srv := &http.Server{Handler: countingMallocs(h)}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = srv.Close()
	}()
	if err := srv.Serve(l); err != http.ErrServerClosed {
		return err
	}
	return nil
}

func sideHandler(side string, args []string) (http.Handler, error) { //nolint:gocyclo // a case for each side
	switch side {
	case "backend":
		return backendHandler(args)
	case "emulator":
		return emulatorSide(args)
	case "floor":
		return floorSide(args)
	case "recorded":
		return recordedSide(args)
	case "stock":
		return stockSide(args)
	case "plain":
		return baselineSide(args)
	}
	if len(args) != 1 {
		return nil, fmt.Errorf("%s needs the backend's address", side)
	}
	base := &url.URL{Scheme: "http", Host: args[0]}
	kind, compression, _ := strings.Cut(side, "-")
	client := &http.Client{Transport: &http.Transport{DisableCompression: compression == ""}}
	fetch := func(ctx context.Context) (*http.Response, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, base.String(), nil)
		if err != nil {
			return nil, err
		}
		return client.Do(req)
	}
	switch kind {
	case "proxy":
		return &httputil.ReverseProxy{Transport: client.Transport, Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(base)
			r.Out.Method, r.Out.Body, r.Out.ContentLength = http.MethodGet, nil, 0
			if compression != "" {
				r.Out.Header.Set("Accept-Encoding", "gzip")
			}
		}}, nil
	case "narrow":
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			resp, err := fetch(r.Context())
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
				return
			}
			defer func() { _ = resp.Body.Close() }()
			text, err := narrowAnswer(resp.Body)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
				return
			}
			_, _ = w.Write(text)
		}), nil
	}
	return loading(func(ctx context.Context) ([]byte, func(), error) {
		resp, err := fetch(ctx)
		if err != nil {
			return nil, nil, err
		}
		defer func() { _ = resp.Body.Close() }()
		b := bodies.Get().(*bytes.Buffer)
		b.Reset()
		if resp.ContentLength > 0 {
			b.Grow(int(resp.ContentLength) + bytes.MinRead)
		}
		_, err = b.ReadFrom(resp.Body)
		return b.Bytes(), func() { bodies.Put(b) }, err
	}), nil
}

// backendHandler answers every request with one large page of a kind, compressed where that is asked for.
func backendHandler(args []string) (http.Handler, error) {
	if len(args) != 1 {
		return nil, errors.New("backend needs a kind of data")
	}
	page, err := newPage(kind(args[0]), 20, 4)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(page); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text := page
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			w.Header().Set("Content-Encoding", "gzip")
			text = b.Bytes()
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", fmt.Sprint(len(text)))
		_, _ = w.Write(text)
	}), nil
}
