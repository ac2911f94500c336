// Command bench measures the promised ratios within one run: `go run ./bench`, or one part of it with `-only NAME`. It
// prints one table. Of several alternating rounds of work the best one counts on each side, since a busy machine only
// ever adds; of servers under load, which share the cores with the client, the median of alternating slices.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"text/tabwriter"
)

// row is one line of the table.
type row struct {
	Part string `json:"part"`
	Work string `json:"work"`
	// Got and Target are ratios or counts, as Work describes; a Target of 0 is none.
	Got     float64 `json:"got"`
	Target  float64 `json:"target,omitempty"`
	AtLeast bool    `json:"atLeast,omitempty"` // else at most
	// Required is set if the target does not depend on the machine: missing it fails the run.
	Required bool `json:"required,omitempty"`
	// Detail are the measurements behind the ratio.
	Detail string `json:"detail"`
}

func (r row) reached() string {
	switch {
	case r.Target == 0:
		return ""
	case r.AtLeast == (r.Got >= r.Target) || r.Got == r.Target:
		return "yes"
	}
	return "NO"
}

func (r row) target() string {
	switch {
	case r.Target == 0:
		return ""
	case r.AtLeast:
		return fmt.Sprintf(">= %.4g", r.Target)
	}
	return fmt.Sprintf("<= %.4g", r.Target)
}

// part measures one group of rows. quick runs everything once, to show that it works.
type part func(quick bool) ([]row, error)

// parts are the groups by name. Each file adds its own.
var parts = map[string]part{}

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	only := flags.String("only", "", "run this part alone")
	asJSON := flags.Bool("json", false, "print JSON instead of a table")
	quick := flags.Bool("quick", false, "run each measurement once, for its working and not for its numbers")
	serve := flags.String("serve", "", "serve as one side of a measurement; the program starts these itself")
	if flags.Parse(args) != nil {
		return 2
	}
	if *serve != "" {
		return report(stderr, serveSide(*serve, flags.Args(), stdout))
	}
	names := slices.Sorted(maps.Keys(parts))
	if *only != "" {
		if parts[*only] == nil {
			return report(stderr, fmt.Errorf("no part %q; there are %v", *only, names))
		}
		names = []string{*only}
	}
	progress = progressTo(stderr)
	var rows []row
	for _, name := range names {
		progress(name)
		got, err := parts[name](*quick)
		if err != nil {
			return report(stderr, fmt.Errorf("%s: %w", name, err))
		}
		for _, r := range got {
			r.Part = name
			rows = append(rows, r)
		}
	}
	progress("")
	return report(stderr, errors.Join(write(stdout, rows, *asJSON), missed(rows)))
}

// progress reports the current measurement; "" that nothing is.
var progress func(string)

// progressTo keeps one line of a terminal up to date, and writes a line for each step to anything else.
func progressTo(w io.Writer) func(string) {
	f, ok := w.(*os.File)
	if ok {
		info, err := f.Stat()
		ok = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return func(step string) {
		switch {
		case ok:
			fmt.Fprint(w, "\r\x1b[K", step)
		case step != "":
			fmt.Fprintln(w, step)
		}
	}
}

func missed(rows []row) error {
	for _, r := range rows {
		if r.Required && r.reached() == "NO" {
			return fmt.Errorf("%s: %s: not reached", r.Part, r.Work)
		}
	}
	return nil
}

func report(stderr io.Writer, err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(stderr, "bench:", err)
	return 1
}

func write(w io.Writer, rows []row, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(rows)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "part\twork\tgot\ttarget\treached\tmeasured")
	for _, r := range rows {
		fmt.Fprintf(t, "%s\t%s\t%.4g\t%s\t%s\t%s\n", r.Part, r.Work, r.Got, r.target(), r.reached(), r.Detail)
	}
	return t.Flush()
}
