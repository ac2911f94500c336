package telemetry

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/go-logr/logr"
)

func TestWhatALibraryPrintsIsARecordWithoutAddresses(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	to := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	FromLibrary(to, "net/http").Printf("http: panic serving 127.0.0.1:1: Get \"https://user:secret@host.example/path?token=x\": refused\ngoroutine 1 [running]")
	logr.FromSlogHandler(libraryHandler{to, "OpenTelemetry"}).Error(errors.New("post https://collector.example/secret"), "upload failed", "endpoint", "secret")
	ReportLibrary(to, "go-redis", "redis: dial rediss://user:secret@host.example:6379 failed")
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 3 || !strings.Contains(lines[2], `"level":"DEBUG","msg":"a library reports","library":"go-redis","report":"redis: dial (URL) failed"`) || !strings.Contains(lines[0], `"library":"net/http","report":"http: panic serving 127.0.0.1:1: Get \"(URL)\": refused"`) ||
		!strings.Contains(lines[1], `"library":"OpenTelemetry","report":"upload failed"`) || strings.Contains(log.String(), "secret") {
		t.Errorf("got %s", log.String())
	}
}
