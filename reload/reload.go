// Package reload keeps a value that is read from files and reads it again when they change.
package reload

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Interval is how old the knowledge may be that the files are as they were. Each read of the value checks the files; no
// goroutine runs behind.
const Interval = 2 * time.Second

// MaxSize bounds one file, in bytes.
const MaxSize = 16 << 20

// File is the name and text of one file.
type File struct {
	Name string
	Text []byte
}

// Value is the parsed content of the files. It is safe for concurrent use.
type Value[T any] struct {
	fsys   fs.FS
	name   string
	parse  func([]File) (T, error)
	failed func(error)
	// once is set for a file that can be read once, such as a pipe: reading it again would wait for a writer.
	once bool

	current   atomic.Pointer[T]
	mu        sync.Mutex
	checkedAt atomic.Int64      // in nanoseconds
	seen      [sha256.Size]byte // the digest of the files that were read last; zero where they could not be
	lastErr   error             // why the value is not that of these files
}

// New reads the file called name in fsys, or all files that end in .json where it is a folder. parse makes the value;
// its error must not repeat the files' content. A later change that cannot be read or parsed leaves the old value in
// place, and failed is called, once for each change.
func New[T any](fsys fs.FS, name string, parse func([]File) (T, error), failed func(error)) (*Value[T], error) {
	if failed == nil {
		return nil, errors.New("there is no handler for failures of later reads")
	}
	v := &Value[T]{fsys: fsys, name: name, parse: parse, failed: failed}
	info, err := fs.Stat(fsys, name)
	v.once = err == nil && !regular(info)
	v.checkedAt.Store(time.Now().UnixNano())
	files, err := v.read()
	if err != nil {
		return nil, err
	}
	v.seen = digest(files)
	return v, v.parseFiles(files)
}

// Get returns the value as the files were at most an Interval ago.
func (v *Value[T]) Get() T {
	now := time.Now().UnixNano()
	if last := v.checkedAt.Load(); now-last >= int64(Interval) && !v.once && v.checkedAt.CompareAndSwap(last, now) {
		_, _ = v.refresh() // failed gets the error
	}
	return *v.current.Load()
}

// Check looks at the files now, however lately that was done. It reports whether the value is another one since the
// last look, or why the files as they are cannot be used.
func (v *Value[T]) Check() (changed bool, err error) {
	if v.once {
		return false, nil
	}
	v.checkedAt.Store(time.Now().UnixNano())
	return v.refresh()
}

func (v *Value[T]) refresh() (changed bool, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	files, err := v.read()
	var seen [sha256.Size]byte
	if err == nil {
		seen = digest(files)
	}
	if seen == v.seen {
		return false, v.lastErr
	}
	v.seen = seen
	if err == nil {
		err = v.parseFiles(files)
	}
	if v.lastErr = err; err != nil {
		v.failed(err)
	}
	return err == nil, err
}

// digest names the contents of files. Their sizes and times do not reveal a change: a tool that swaps or copies files
// may keep both.
func digest(files []File) (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, f := range files {
		fmt.Fprintf(h, "%q %d\n", f.Name, len(f.Text))
		h.Write(f.Text)
	}
	h.Sum(sum[:0])
	return sum
}

func (v *Value[T]) names() ([]string, error) {
	info, err := fs.Stat(v.fsys, v.name)
	if err != nil {
		return nil, unreadable("the file or folder", err)
	}
	if !regular(info) && !v.once {
		return nil, errors.New("the file is no longer a regular file")
	}
	if !info.IsDir() {
		return []string{v.name}, nil
	}
	entries, err := fs.ReadDir(v.fsys, v.name)
	if err != nil {
		return nil, unreadable("the folder", err)
	}
	var names []string
	for _, e := range entries {
		// Names that begin with a dot are how a mounted secret swaps its versions.
		if path.Ext(e.Name()) == ".json" && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, path.Join(v.name, e.Name()))
		}
	}
	return names, nil
}

func (v *Value[T]) read() ([]File, error) {
	names, err := v.names()
	if err != nil {
		return nil, err
	}
	files := make([]File, len(names))
	for i, name := range names {
		if info, err := fs.Stat(v.fsys, name); err == nil && info.Size() > MaxSize {
			return nil, fmt.Errorf("a file is over %d bytes", MaxSize)
		}
		text, err := fs.ReadFile(v.fsys, name)
		if err != nil {
			return nil, unreadable("a file", err)
		}
		files[i] = File{name, Text(text)}
	}
	return files, nil
}

// unreadable is the error of a file that cannot be read, with the cause and without the path.
func unreadable(what string, err error) error {
	return fmt.Errorf("%s cannot be read: %w", what, Cause(err))
}

func regular(info fs.FileInfo) bool { return info.IsDir() || info.Mode().IsRegular() }

// Text returns the contents of a text file without the byte order mark that some editors put in front.
func Text(contents []byte) []byte { return bytes.TrimPrefix(contents, []byte("\xef\xbb\xbf")) }

func (v *Value[T]) parseFiles(files []File) error {
	value, err := v.parse(files)
	if err != nil {
		return err
	}
	v.current.Store(&value)
	return nil
}
