package main

import (
	"archive/tar"
	"bytes"
	"crypto/x509"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// mostBytes is the size that the files of the image stay below.
const mostBytes = 40_000_000

const (
	program     = "learngraph"
	authorities = "etc/ssl/certs/ca-certificates.crt"
	users       = "etc/passwd"
)

// wantLabels are the annotations of the OCI's image specification that the image has.
var wantLabels = []string{"title", "description", "version", "source", "documentation", "licenses"}

// check returns all that is wrong with an image.
func check(image v1.Image) error {
	file, err := image.ConfigFile()
	if err != nil {
		return err
	}
	files, err := extracted(image)
	if err != nil {
		return err
	}
	return errors.Join(checkConfig(file.Config), checkFiles(files), checkProgram(files[program]),
		checkAuthorities(files[authorities]))
}

func checkConfig(c v1.Config) error {
	var wrong []error
	refuse := func(bad bool, format string, values ...any) {
		if bad {
			wrong = append(wrong, fmt.Errorf(format, values...))
		}
	}
	refuse(!regexp.MustCompile(`^[1-9]\d*:[1-9]\d*$`).MatchString(c.User),
		"the user %q is not one that is not root, by numbers", c.User)
	refuse(!slices.Equal(c.Entrypoint, []string{"/" + program}), "the entrypoint is %q", c.Entrypoint)
	refuse(c.Healthcheck == nil || !slices.Equal(c.Healthcheck.Test, []string{"CMD", "/" + program, "health"}),
		"the health check is not the program's own")
	for _, port := range []string{"8080/tcp", "9090/tcp"} {
		_, exposed := c.ExposedPorts[port]
		refuse(!exposed, "port %s is not exposed", port)
	}
	for _, name := range wantLabels {
		refuse(c.Labels["org.opencontainers.image."+name] == "", "there is no label org.opencontainers.image.%s", name)
	}
	return errors.Join(wrong...)
}

type file struct {
	header *tar.Header
	body   []byte
}

// extracted returns the regular files that a container would see.
func extracted(image v1.Image) (map[string]file, error) {
	stream := mutate.Extract(image)
	defer stream.Close()
	files := map[string]file{}
	for r := tar.NewReader(stream); ; {
		header, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return files, nil
		case err != nil:
			return nil, err
		case header.Typeflag == tar.TypeDir:
			continue
		case header.Typeflag != tar.TypeReg:
			return nil, fmt.Errorf("%s is neither a file nor a folder", header.Name)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		files[header.Name] = file{header, body}
	}
}

// checkFiles holds the image to its three files, so there is no shell and no package manager, and to their owner and
// modes.
func checkFiles(files map[string]file) error {
	var wrong []error
	total := 0
	for name, f := range files {
		total += len(f.body)
		mode := map[string]int64{program: 0o755, authorities: 0o644, users: 0o644}[name]
		switch {
		case mode == 0:
			wrong = append(wrong, fmt.Errorf("%s is not to be in the image", name))
		case f.header.Mode != mode || f.header.Uid != 0 || f.header.Gid != 0:
			wrong = append(wrong, fmt.Errorf("%s has mode %o and belongs to %d:%d; it is to be %o and root's", name,
				f.header.Mode, f.header.Uid, f.header.Gid, mode))
		}
	}
	fmt.Fprintf(os.Stderr, "files: %d, of %d bytes, of at most %d\n", len(files), total, mostBytes)
	if len(files) != 3 || total > mostBytes {
		wrong = append(wrong, errors.New("these are not three files within the bound"))
	}
	return errors.Join(wrong...)
}

// checkProgram reports a program that needs an interpreter or libraries, or that has symbols.
func checkProgram(f file) error {
	binary, err := elf.NewFile(bytes.NewReader(f.body))
	if err != nil {
		return err
	}
	for _, p := range binary.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			return errors.New("the program is not static")
		}
	}
	if binary.Section(".symtab") != nil || binary.Section(".debug_info") != nil {
		return errors.New("the program is not stripped")
	}
	return nil
}

func checkAuthorities(f file) error {
	if pool := x509.NewCertPool(); !pool.AppendCertsFromPEM(f.body) {
		return errors.New("there are no roots of certificate authorities")
	}
	return nil
}
