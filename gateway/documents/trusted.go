package documents

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"path"

	"github.com/learngraph/learngraph/gateway/requestlog"
	"github.com/learngraph/learngraph/reload"
)

// BudgetsFile is the file next to the manifests with the budgets of their documents. It is none of them.
const BudgetsFile = "budgets.json"

// TrustedMode decides the treatment of a document that is not in the manifest.
type TrustedMode string

// The modes.
const (
	// TrustedOff takes any text; ids of the manifest work.
	TrustedOff TrustedMode = "off"
	// TrustedLog does too, and logs documents that are not in the manifest.
	TrustedLog TrustedMode = "log"
	// TrustedOnly takes ids of the manifest, no text and no registration.
	TrustedOnly TrustedMode = "only"
)

// TrustedOptions locate the manifest.
type TrustedOptions struct {
	// Files and Name are the manifest, or the folder with all of them: "." where Files is the folder itself.
	Files fs.FS
	Name  string
	Mode  TrustedMode
	Log   *slog.Logger
}

// Trusted are the documents that frontends were built with, by the ids from their builds. A nil Trusted has none.
type Trusted struct {
	mode     TrustedMode
	manifest *reload.Value[*Manifest]
}

// NewTrusted reads the manifest. Later a change is taken over; one that is broken is logged, and the old one stays.
func NewTrusted(opts TrustedOptions) (*Trusted, error) {
	switch opts.Mode {
	case TrustedOff, TrustedLog, TrustedOnly:
	default:
		return nil, errors.New("the mode must be off, log or only")
	}
	parse := func(files []reload.File) (*Manifest, error) {
		m := NewManifest()
		for _, f := range files {
			if path.Base(f.Name) == BudgetsFile {
				continue
			}
			if err := m.Add(f.Text); err != nil {
				return nil, err
			}
		}
		if opts.Mode == TrustedOnly && len(m.Documents()) == 0 {
			return nil, errors.New("there is no document, and the mode only refuses every other one")
		}
		return m, nil
	}
	manifest, err := reload.New(opts.Files, opts.Name, parse, func(err error) {
		opts.Log.Error("the changed trusted documents are invalid; the previous ones stay in use", "cause", err.Error())
	})
	if err != nil {
		return nil, err
	}
	return &Trusted{opts.Mode, manifest}, nil
}

// Reload reads the manifest now. It reports whether it is another one, or why it stays the old one.
func (t *Trusted) Reload() (changed bool, err error) { return t.manifest.Check() }

func (t *Trusted) only() bool { return t != nil && t.mode == TrustedOnly }

// Logs reports whether every document that is used has to be looked at.
func (t *Trusted) Logs() bool { return t != nil && t.mode == TrustedLog }

// document returns the document of an id, nil if there is none.
func (t *Trusted) document(id string) *TrustedDocument {
	if t == nil || id == "" {
		return nil
	}
	return t.manifest.Get().Document(id)
}

// note logs a text that the manifest does not have, by its hash: the text may hold personal data.
func (t *Trusted) note(ctx context.Context, log *slog.Logger, text string) {
	if t == nil || t.mode != TrustedLog {
		return
	}
	if hash := Hash(text); !t.manifest.Get().has(hash) {
		log.LogAttrs(ctx, slog.LevelWarn, "a document is not trusted",
			slog.String("requestId", requestlog.ID(ctx)), slog.String("sha256", hash))
	}
}
