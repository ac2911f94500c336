package app

import (
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/learngraph/learngraph/config"
	"github.com/learngraph/learngraph/reload"
	"github.com/learngraph/learngraph/upstream/emulator"
)

// Who finds a file changed at the same time gets the same generation.
func TestAChangeBeginsOneGeneration(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(file, []byte("first"), 0o600); err != nil {
			t.Fatal(err)
		}
		env := emulator.Settings("http://127.0.0.77")
		maps.Copy(env, map[string]string{"THOUGHTINDUSTRIES_API_KEY": "", "THOUGHTINDUSTRIES_API_KEY_FILE": file})
		cfg, err := config.Load(config.Sources{Getenv: func(name string) string { return env[name] }})
		if err != nil {
			t.Fatal(err)
		}
		p, err := New(cfg, Options{Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = p.Close() }()
		first := p.credentials.generation()
		if err := os.WriteFile(file, []byte("second one"), 0o600); err != nil {
			t.Fatal(err)
		}
		if p.credentials.generation() != first {
			t.Error("the file was read before it was due")
		}
		time.Sleep(reload.Interval)
		if got := p.credentials.secrets[0].now(); got != "second one" {
			t.Fatalf("got %q", got)
		}
		found := make(chan *generation)
		for range 8 {
			go func() { found <- p.credentials.generation() }()
		}
		next := <-found
		for range 7 {
			if g := <-found; g != next || g == first {
				t.Error("got several generations of one change")
			}
		}
	})
}
