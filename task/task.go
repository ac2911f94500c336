// Package task starts the program's goroutines. A panic in one is the error of its work and does not end the process.
package task

import (
	"errors"
	"runtime/debug"
	"sync"
)

// PanicError is a panic. Value and Stack are for the log; Error has nothing of them.
type PanicError struct {
	Value any
	Stack []byte
}

// Recovered returns the error for a value that recover just returned, with the stack of the panic.
func Recovered(value any) *PanicError { return &PanicError{value, debug.Stack()} }

func (*PanicError) Error() string { return "panic" }

// ErrExited is the error of work that ended its goroutine with runtime.Goexit.
var ErrExited = errors.New("the work ended its goroutine")

// Run calls work and returns its error, a *PanicError if it panics.
func Run(work func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = Recovered(p)
		}
	}()
	return work()
}

// Go calls work in a goroutine and then done with the error of work, a *PanicError if it panicked. done must not panic.
func Go(work func() error, done func(error)) {
	go func() {
		err := ErrExited
		defer func() {
			if p := recover(); p != nil {
				err = Recovered(p)
			}
			done(err)
		}()
		err = work()
	}()
}

// Group runs work in goroutines and waits for it. The zero value is ready to use.
type Group struct {
	running sync.WaitGroup
	mu      sync.Mutex
}

// Go is the package's Go for a Group. The calls of done of one Group do not overlap.
func (g *Group) Go(work func() error, done func(error)) {
	g.running.Add(1)
	Go(work, func(err error) {
		defer g.running.Done()
		g.mu.Lock()
		defer g.mu.Unlock()
		done(err)
	})
}

// Do calls work and done as Go does, on the goroutine of its caller.
func (g *Group) Do(work func() error, done func(error)) {
	err := Run(work)
	g.mu.Lock()
	defer g.mu.Unlock()
	done(err)
}

// Wait returns when done was called for all work.
func (g *Group) Wait() { g.running.Wait() }
