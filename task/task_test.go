package task

import (
	"errors"
	"runtime"
	"strings"
	"testing"
)

var errWork = errors.New("work failed")

func works() map[string]func() error {
	return map[string]func() error{
		"nil":   func() error { return nil },
		"error": func() error { return errWork },
		"panic": func() error { panic("a person's secret") },
		"index": func() error { var list []int; list[len(list)]++; return nil },
		"exit":  func() error { runtime.Goexit(); return nil },
	}
}

func check(t *testing.T, name string, err error) {
	t.Helper()
	var p *PanicError
	switch name {
	case "nil":
		if err != nil {
			t.Errorf("got %v", err)
		}
	case "error":
		if !errors.Is(err, errWork) {
			t.Errorf("got %v", err)
		}
	case "exit":
		if !errors.Is(err, ErrExited) {
			t.Errorf("got %v", err)
		}
	default:
		if !errors.As(err, &p) || p.Value == nil || !strings.Contains(string(p.Stack), "works") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestAPanicIsTheErrorOfItsWork(t *testing.T) {
	t.Parallel()
	got := map[string]error{}
	var group Group
	for name, work := range works() {
		if name != "exit" {
			check(t, name, Run(work))
			var inline Group
			inline.Do(work, func(err error) { check(t, name, err) })
		}
		group.Go(work, func(err error) { got[name] = err })
	}
	group.Wait()
	for name := range works() {
		err, ok := got[name]
		if !ok {
			t.Errorf("%s: done was not called", name)
		}
		check(t, name, err)
	}
}
