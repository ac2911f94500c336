package cli

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

type versionCommand struct{}

// Run prints the version.
func (*versionCommand) Run(p *process) error {
	_, err := fmt.Fprintln(p.Stdout, versionText(p.Program))
	return err
}

// build identifies a build: version and commit as the build has them, the Go version, and the digest of the schema.
type build struct{ version, commit, golang, schema string }

func buildOf(p Program) build {
	version, commit, modified := strings.TrimSpace(p.Version), "", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		version = cmp.Or(version, info.Main.Version)
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				commit = s.Value
			case "vcs.modified":
				if s.Value == "true" {
					modified = " (modified)"
				}
			}
		}
	}
	sum := sha256.Sum256([]byte(p.Schema))
	return build{cmp.Or(version, "unknown"), cmp.Or(commit, "unknown") + modified, runtime.Version(),
		"sha256:" + hex.EncodeToString(sum[:])}
}

func versionText(p Program) string {
	b := buildOf(p)
	return fmt.Sprintf("learngraph %s\ncommit %s\ngo %s\nschema %s", b.version, b.commit, b.golang, b.schema)
}
