// Command licenses writes the licences of all modules that the program is built from to standard output. A module
// without a licence, or with one that is not allowed, is an error. It runs at the root of the program's module.
package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// allowed are licences that require no more than their text in the distribution.
var allowed = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "GooglePatentsFile", "ISC", "MIT", "MPL-2.0"}

// licenceFile matches the names of files with a licence or with notices that belong to it.
var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)([.-].*)?$`)

// platforms are the systems of a release: each builds from packages of its own.
var platforms = []string{"linux", "darwin", "windows"}

type module struct {
	Path, Version, Dir string
	Main               bool
}

func main() {
	if err := write(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func write(w io.Writer) error {
	modules, err := list()
	if err != nil {
		return err
	}
	var failures []error
	for _, m := range modules {
		text, kinds, err := licences(m)
		if err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", m.Path, err))
			continue
		}
		fmt.Fprintf(w, "%s\n%s %s (%s)\n%[1]s\n\n%[5]s\n", rule, m.Path, m.Version, strings.Join(kinds, ", "), text)
	}
	return errors.Join(failures...)
}

const rule = "================================================================================"

// list returns the modules of all packages that the program imports on any platform, by path. The standard library is
// one of them.
func list() ([]module, error) {
	seen := map[string]module{}
	for _, platform := range platforms {
		cmd := exec.Command("go", "list", "-deps", "-json=Standard,Module", ".")
		cmd.Env = append(os.Environ(), "GOOS="+platform, "CGO_ENABLED=0", "GOFLAGS=")
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		for packages := json.NewDecoder(bytes.NewReader(out)); ; {
			var p struct{ Module *module }
			if err := packages.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, err
			}
			if p.Module != nil && !p.Module.Main {
				seen[p.Module.Path] = *p.Module
			}
		}
	}
	root, err := exec.Command("go", "env", "GOROOT", "GOVERSION").Output()
	if err != nil {
		return nil, err
	}
	goroot, version, _ := bytes.Cut(bytes.TrimSpace(root), []byte("\n"))
	modules := []module{{Path: "Go", Version: string(version), Dir: string(goroot)}}
	for _, m := range seen {
		modules = append(modules, m)
	}
	slices.SortFunc(modules, func(a, b module) int { return cmp.Compare(a.Path, b.Path) })
	return modules, nil
}

// licences returns the text of a module's licence files, and the names of the licences in them.
func licences(m module) (text string, kinds []string, err error) {
	entries, err := os.ReadDir(m.Dir)
	if err != nil {
		return "", nil, err
	}
	for _, entry := range entries {
		if entry.IsDir() || !licenceFile.MatchString(entry.Name()) {
			continue
		}
		content, err := os.ReadFile(filepath.Join(m.Dir, entry.Name()))
		if err != nil {
			return "", nil, err
		}
		for _, match := range licensecheck.Scan(content).Match {
			if !match.IsURL && !slices.Contains(kinds, match.ID) {
				kinds = append(kinds, match.ID)
			}
		}
		text += string(bytes.TrimSpace(bytes.ReplaceAll(content, []byte("\r\n"), []byte("\n")))) + "\n\n"
	}
	if len(kinds) == 0 {
		return "", nil, errors.New("no licence was found")
	}
	for _, kind := range kinds {
		if !slices.Contains(allowed, kind) {
			return "", nil, fmt.Errorf("the licence %s is not allowed", kind)
		}
	}
	return text, kinds, nil
}
