package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// stockExecutor is a function of the generated code that answers a field; those that decode arguments are used.
var stockExecutor = regexp.MustCompile(`learngraph/graph\.\(\*(executionContext\)\.(_|marshal|fieldContext_)|executableSchema\)\.Exec)`)

// mostSize is the size of the program without symbols, in bytes. Its image adds the roots of certificate authorities, a quarter of a
// megabyte, and stays below 40 megabytes.
const mostSize = 37_000_000

func TestTheProgramIsSmall(t *testing.T) {
	t.Parallel()
	size := func(name string, arguments ...string) (string, int64) {
		file := filepath.Join(t.TempDir(), name)
		build := exec.CommandContext(t.Context(), "go", append([]string{"build", "-o", file}, arguments...)...)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		return file, info.Size()
	}
	file, _ := size("symbols", "-trimpath")
	names, err := exec.CommandContext(t.Context(), "go", "tool", "nm", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	if found := stockExecutor.FindAll(names, 3); found != nil {
		t.Errorf("the program has functions of the stock executor, such as %q", found)
	}
	if _, n := size("stripped", "-trimpath", "-ldflags=-s -w"); n > mostSize {
		t.Errorf("stripped, the program has %d bytes; want at most %d", n, mostSize)
	}
}
