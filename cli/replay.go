package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/learngraph/learngraph/app"
	"github.com/learngraph/learngraph/capture"
	"github.com/learngraph/learngraph/reload"
)

type replayCommand struct {
	JSON     bool     `name:"json" help:"Write JSON."`
	HAR      string   `name:"har" placeholder:"FILE" help:"Write the calls of the capture to this file, as an HTTP Archive."`
	Captures []string `arg:"" name:"capture" help:"Files of CAPTURE_DIR."`
}

// Run runs captured operations again against the backends as they were recorded, and shows the differences.
func (c *replayCommand) Run(ctx context.Context, p *process) error {
	if c.HAR != "" && len(c.Captures) > 1 {
		return errors.New("-har needs exactly one capture; see learngraph help replay")
	}
	result, err := replay(ctx, c.Captures, c.HAR, progressTo(p.Stderr))
	if err != nil {
		return err
	}
	return conclude(p.Stdout, c.JSON, result.OK, result)
}

// replayResult is the command's output.
type replayResult struct {
	OK    bool           `json:"ok"`
	Files []replayedFile `json:"files"`
}

type replayedFile struct {
	File string `json:"file"`
	Same bool   `json:"same"`
	// DifferedAtOnce lists the differences of a replay right after the capture.
	DifferedAtOnce []string             `json:"differedAtOnce,omitempty"`
	Differences    []capture.Difference `json:"differences,omitempty"`
	Missing        []capture.Count      `json:"missing,omitempty"`
	Additional     []capture.Count      `json:"additional,omitempty"`
}

func replay(ctx context.Context, names []string, har string, p progress) (*replayResult, error) {
	defer p.end()
	result := &replayResult{OK: true, Files: make([]replayedFile, len(names))}
	for i, name := range names {
		p.show(fmt.Sprintf("replaying %s (%d of %d)", name, i+1, len(names)))
		f, err := readCapture(name)
		if err == nil && har != "" {
			err = writeHAR(f, har)
		}
		if err != nil {
			return nil, err
		}
		if result.Files[i], err = replayFile(ctx, f); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		result.Files[i].File = name
		result.OK = result.OK && result.Files[i].Same
		if ctx.Err() != nil {
			return nil, errors.New("interrupted")
		}
	}
	return result, nil
}

func readCapture(name string) (*capture.File, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", name, reload.Cause(err))
	}
	defer file.Close()
	f, err := capture.Read(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}

func writeHAR(f *capture.File, name string) error {
	file, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("%s cannot be written: %w", name, reload.Cause(err))
	}
	return errors.Join(f.WriteHAR(file), file.Close())
}

// replayFile compares a replay with the recording.
func replayFile(ctx context.Context, f *capture.File) (replayedFile, error) {
	now, err := app.Replay(ctx, f)
	if err != nil {
		return replayedFile{}, err
	}
	out := replayedFile{DifferedAtOnce: f.Differs, Missing: now.Missing, Additional: now.Additional,
		Differences: capture.Compare(f.Result.Body, now.Result.Body)}
	if f.Result.Status != now.Result.Status {
		out.Differences = append(out.Differences,
			capture.Difference{Path: "(status)", Recorded: fmt.Sprint(f.Result.Status), Now: fmt.Sprint(now.Result.Status)})
	}
	out.Same = len(out.Differences)+len(out.Missing)+len(out.Additional) == 0
	return out, nil
}

func (r *replayResult) print(w io.Writer) {
	for _, f := range r.Files {
		verdict := "same"
		if !f.Same {
			verdict = "differs"
		}
		fmt.Fprintln(w, verdict, f.File)
		for _, d := range f.Differences {
			fmt.Fprintf(w, "  %s: recorded %s, now %s\n", d.Path, cmp.Or(d.Recorded, "nothing"), cmp.Or(d.Now, "nothing"))
		}
		for _, c := range f.Missing {
			fmt.Fprintf(w, "  not called: %s (%d)\n", c.Route, c.Calls)
		}
		for _, c := range f.Additional {
			fmt.Fprintf(w, "  called and not recorded: %s (%d)\n", c.Route, c.Calls)
		}
		for _, d := range f.DifferedAtOnce {
			fmt.Fprintln(w, "  note: a replay right after the capture differed too:", d)
		}
	}
}
