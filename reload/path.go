package reload

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// At returns a path as a file system and a name in it.
func At(path string) (fs.FS, string) {
	return os.DirFS(filepath.Dir(path)), filepath.Base(path)
}

// Cause returns why a file could not be read, without its path: who reports it names the setting that holds the path.
func Cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
