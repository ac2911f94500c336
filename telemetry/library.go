package telemetry

import (
	"context"
	"log"
	"log/slog"
	"regexp"
	"strings"
)

// address matches addresses with their queries in a library's message.
var address = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://[^\s"']+`)

// longestReport is how much of a library's text is logged, in bytes.
const longestReport = 500

// FromLibrary returns a logger for a library that writes lines of text: each is a warning that names the library,
// without URLs.
func FromLibrary(to *slog.Logger, library string) *log.Logger {
	return slog.NewLogLogger(libraryHandler{to, library}, slog.LevelWarn)
}

// ReportLibrary logs a library's line that is of use in a search for a fault alone, without URLs.
func ReportLibrary(to *slog.Logger, library, line string) {
	to.Debug("a library reports", "library", library, "report", withoutAddresses(line))
}

func withoutAddresses(text string) string {
	text = address.ReplaceAllString(text, "(URL)")
	return strings.ToValidUTF8(text[:min(len(text), longestReport)], "")
}

// libraryHandler takes the records of a library. Attributes that it adds may hold anything, and are
// left out.
type libraryHandler struct {
	to      *slog.Logger
	library string
}

func (h libraryHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn
}

func (h libraryHandler) Handle(_ context.Context, r slog.Record) error {
	first, _, _ := strings.Cut(strings.TrimSpace(r.Message), "\n") // a stack may follow
	h.to.Warn("a library reports", "library", h.library, "report", withoutAddresses(first))
	return nil
}

func (h libraryHandler) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h libraryHandler) WithGroup(string) slog.Handler      { return h }
