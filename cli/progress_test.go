package cli

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

func TestProgressWritesOverOneLineOfATerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := progress{&out, true}
	for i := range 3 {
		p.count("documents", i+1, 3)
	}
	p.end()
	const clear = "\r\x1b[K"
	want := clear + "checking documents (1 of 3)" + clear + "checking documents (2 of 3)" + clear + "checking documents (3 of 3)" + clear
	if got := out.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestProgressWithoutATerminalIsAFewLines(t *testing.T) {
	t.Parallel()
	for total, want := range map[int]int{1: 1, 10: 10, 11: 6, 1000: 10, 1001: 10} {
		var out bytes.Buffer
		p := progressTo(&out)
		for i := range total {
			p.count("documents", i+1, total)
		}
		p.end()
		lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		if len(lines) != want || strings.ContainsAny(out.String(), "\r\x1b") {
			t.Errorf("%d: got %d lines, want %d: %q", total, len(lines), want, lines)
		}
	}
}

func TestProgressTakesAPipeForNoTerminal(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if progressTo(w).terminal {
		t.Error("a pipe is taken for a terminal")
	}
}
