package main

import (
	"archive/tar"
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const architecture = runtime.GOARCH

// layerOf returns the files of a folder as a layer. They belong to root and have no times, as the folder's own are
// those of this build.
func layerOf(folder string) (v1.Layer, error) {
	var packed bytes.Buffer
	w := tar.NewWriter(&packed)
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == folder {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		return add(w, path, filepath.ToSlash(name), entry)
	})
	if err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(packed.Bytes())), nil
	},
		tarball.WithMediaType(types.OCILayer))
}

func add(w *tar.Writer, path, name string, entry fs.DirEntry) error {
	info, err := entry.Info()
	if err != nil {
		return err
	}
	header, err := tar.FileInfoHeader(info, "")
	if err != nil {
		return err
	}
	// Of the header of a file of this machine its kind, mode and size alone are part of an image.
	header = &tar.Header{Typeflag: header.Typeflag, Name: name, Mode: header.Mode, Size: header.Size,
		Format: tar.FormatPAX}
	if entry.IsDir() {
		header.Name += "/"
		return w.WriteHeader(header)
	}
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	body, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	_, err = w.Write(body)
	return err
}
