package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

func TestRunServesUntilTheContextEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, in := io.Pipe()
	code := make(chan int, 1)
	var stderr bytes.Buffer
	go func() {
		code <- run(ctx, []string{"-listen", "127.0.0.1:0", "-clients", "1", "-courses", "0"}, in, &stderr)
		in.Close()
	}()
	var printed strings.Builder
	buffer := make([]byte, 512)
	last := regexp.MustCompile(`THOUGHTINDUSTRIES_URL='([^']+)'\n`)
	for !last.MatchString(printed.String()) {
		n, err := out.Read(buffer)
		if err != nil {
			t.Fatalf("%v after %q", err, printed.String())
		}
		printed.Write(buffer[:n])
	}
	base := last.FindStringSubmatch(printed.String())[1]
	resp, err := http.Get(base + "/incoming/v2/ping")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("ping without a key = %d, want 401", resp.StatusCode)
	}
	cancel()
	if got := <-code; got != 0 || stderr.Len() > 0 {
		t.Errorf("run = %d, %s", got, &stderr)
	}
}

func TestRunRefusesWrongArguments(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		arg  string
		want int
	}{{"-listen=nowhere", 1}, {"-colour=red", 2}, {"-help", 0}} {
		if got := run(t.Context(), []string{tt.arg}, io.Discard, io.Discard); got != tt.want {
			t.Errorf("run(%s) = %d, want %d", tt.arg, got, tt.want)
		}
	}
}
