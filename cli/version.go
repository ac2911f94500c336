package cli

import (
	"fmt"
	"strings"

	"github.com/learngraph/learngraph/telemetry"
)

type versionCommand struct{}

// Run prints the version.
func (*versionCommand) Run(p *process) error {
	_, err := fmt.Fprintln(p.Stdout, versionText(p.Program))
	return err
}

func buildOf(p Program) telemetry.Build {
	return telemetry.BuildOf(p.Schema, strings.TrimSpace(p.Version))
}

func versionText(p Program) string {
	b := buildOf(p)
	return fmt.Sprintf("learngraph %s\ncommit %s\ngo %s\nschema sha256:%s", b.Version, b.Commit+b.Modified, b.Go, b.Schema)
}
