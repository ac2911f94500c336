package telemetry

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"runtime"
	"runtime/debug"
)

// Build identifies a build of the program.
type Build struct {
	Version, Commit, Go string
	// Modified is " (modified)" where the sources were not those of the commit.
	Modified string
	// Schema is the digest of the schema, in hexadecimal.
	Schema string
}

// BuildOf returns the build of this process. An empty version is that of the build information.
func BuildOf(schema, version string) Build {
	sum := sha256.Sum256([]byte(schema))
	b := Build{Version: version, Commit: "unknown", Go: runtime.Version(), Schema: hex.EncodeToString(sum[:])}
	if info, ok := debug.ReadBuildInfo(); ok {
		b.Version = cmp.Or(version, info.Main.Version)
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				b.Commit = s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				b.Modified = " (modified)"
			}
		}
	}
	b.Version = cmp.Or(b.Version, "unknown")
	return b
}
