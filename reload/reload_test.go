package reload

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// joined parses files by joining them; a text that holds "bad" is refused.
func joined(files []File) (string, error) {
	var all []string
	for _, f := range files {
		if strings.Contains(string(f.Text), "bad") {
			return "", errors.New("it is bad")
		}
		all = append(all, f.Name+"="+string(f.Text))
	}
	return strings.Join(all, " "), nil
}

func TestAChangeIsSeenAfterTheIntervalAndABadOneKeepsTheOldValue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		files := fstest.MapFS{"keys.json": {Data: []byte("one"), ModTime: time.Now()}}
		var failures []string
		v, err := New(files, "keys.json", joined, func(err error) { failures = append(failures, err.Error()) })
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		step := func(text string, wait time.Duration) {
			if text == "" {
				delete(files, "keys.json")
			} else {
				files["keys.json"] = &fstest.MapFile{Data: []byte(text), ModTime: time.Now()}
			}
			time.Sleep(wait)
			got = append(got, v.Get())
		}
		step("two", Interval-1)
		step("two", 1)
		step("bad", Interval)
		step("bad", Interval)
		step("", Interval)
		step("three", Interval)
		want := []string{"keys.json=one", "keys.json=two", "keys.json=two", "keys.json=two", "keys.json=two", "keys.json=three"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("values (-want +got):\n%s", diff)
		}
		wantFailures := []string{"it is bad", "the file or folder cannot be read: file does not exist"}
		if diff := cmp.Diff(wantFailures, failures); diff != "" {
			t.Errorf("failures (-want +got):\n%s", diff)
		}
	})
}

func TestAFolderIsItsJSONFiles(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{"b.json": {Data: []byte("2")}, "a.json": {Data: []byte("1")}, "notes.txt": {}, ".hidden.json": {}}
	v, err := New(files, ".", joined, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := v.Get(), "a.json=1 b.json=2"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWhatCannotBeReadAtFirstIsAnError(t *testing.T) {
	t.Parallel()
	for name, files := range map[string]fstest.MapFS{"missing": {}, "bad": {"f": {Data: []byte("bad")}}} {
		if _, err := New(files, "f", joined, func(error) {}); err == nil {
			t.Errorf("%s: want an error", name)
		}
	}
}

func TestContentsDecideWhetherAFileChanged(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]struct{ before, after string }{
		"equal size":      {"key-one", "key-two"},
		"another size":    {"key-one", "key-three"},
		"a mark in front": {"key-one", "\xef\xbb\xbfkey-two"},
	} {
		synctest.Test(t, func(t *testing.T) {
			at := time.Now()
			files := fstest.MapFS{"f": {Data: []byte(step.before), ModTime: at}}
			v, err := New(files, "f", joined, func(error) {})
			if err != nil {
				t.Fatal(err)
			}
			files["f"] = &fstest.MapFile{Data: []byte(step.after), ModTime: at}
			time.Sleep(Interval)
			if got, want := v.Get(), "f="+strings.TrimPrefix(step.after, "\xef\xbb\xbf"); got != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		})
	}
}

// A change may leave sizes and times as they were.
func TestASwappedLinkAndAMovedFileAreChanges(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(t *testing.T, folder, text string, at time.Time){
		"moved over": func(t *testing.T, folder, text string, at time.Time) {
			write(t, filepath.Join(folder, "new"), text, at)
			must(t, os.Rename(filepath.Join(folder, "new"), filepath.Join(folder, "keys.json")))
		},
		"behind a link": func(t *testing.T, folder, text string, at time.Time) {
			version := filepath.Join(folder, "..version-"+text)
			must(t, os.Mkdir(version, 0o700))
			write(t, filepath.Join(version, "keys.json"), text, at)
			must(t, os.Symlink(version, filepath.Join(folder, "..data_tmp")))
			must(t, os.Rename(filepath.Join(folder, "..data_tmp"), filepath.Join(folder, "..data")))
			_ = os.Symlink(filepath.Join("..data", "keys.json"), filepath.Join(folder, "keys.json"))
		},
	} {
		for _, source := range []string{"keys.json", "."} {
			folder := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				at := time.Now()
				change(t, folder, "one", at)
				v, err := New(os.DirFS(folder), source, joined, func(err error) { t.Error(err) })
				must(t, err)
				change(t, folder, "two", at)
				time.Sleep(Interval)
				if got := v.Get(); got != "keys.json=two" {
					t.Errorf("%s, %s: got %q", name, source, got)
				}
			})
		}
	}
}

func TestAPipeIsReadOnce(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	pipe := filepath.Join(folder, "pipe")
	must(t, syscall.Mkfifo(pipe, 0o600))
	go func() { _ = os.WriteFile(pipe, []byte("text"), 0o600) }()
	v, err := New(os.DirFS(folder), "pipe", joined, func(err error) { t.Error(err) })
	must(t, err)
	v.checkedAt.Store(0)
	if got := v.Get(); got != "pipe=text" {
		t.Errorf("got %q", got)
	}
}

func write(t *testing.T, file, text string, at time.Time) {
	t.Helper()
	must(t, os.WriteFile(file, []byte(text), 0o600))
	must(t, os.Chtimes(file, at, at))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
