package cli

import (
	"fmt"
	"io"
	"os"
)

// progress shows a person how far long work has come: on a terminal over one line, elsewhere in plain lines.
type progress struct {
	w        io.Writer
	terminal bool
}

func progressTo(w io.Writer) progress { return progress{w, isTerminal(w)} }

// isTerminal reports whether the output is a terminal.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func (p progress) show(text string) {
	if p.terminal {
		fmt.Fprint(p.w, "\r\x1b[K", text)
		return
	}
	fmt.Fprintln(p.w, text)
}

// maxLines bounds the plain lines of one count: a log is not to hold one for each of ten thousand things.
const maxLines = 10

// count shows that work on item i, from 1, of total begins.
func (p progress) count(things string, i, total int) {
	if every := (total + maxLines - 1) / maxLines; p.terminal || (i-1)%every == 0 {
		p.show(fmt.Sprintf("checking %s (%d of %d)", things, i, total))
	}
}

// end takes the line off a terminal.
func (p progress) end() {
	if p.terminal {
		p.show("")
	}
}
