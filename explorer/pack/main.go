// Command pack compresses each file of a folder by Brotli, in place of the file. The version of the library in go.mod
// makes the bytes the same on every machine.
package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/andybalholm/brotli"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: pack FOLDER")
		os.Exit(2)
	}
	if err := filepath.WalkDir(os.Args[1], packFile); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func packFile(name string, entry fs.DirEntry, err error) error {
	if err != nil || entry.IsDir() {
		return err
	}
	body, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var packed bytes.Buffer
	w := brotli.NewWriterLevel(&packed, brotli.BestCompression)
	if _, err := w.Write(body); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	if err := os.WriteFile(name+".br", packed.Bytes(), 0o644); err != nil {
		return err
	}
	return os.Remove(name)
}
