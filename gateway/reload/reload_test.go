package reload

import (
	"errors"
	"strings"
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
		wantFailures := []string{"it is bad", "the file or folder cannot be read"}
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
