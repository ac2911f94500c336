package auth

import (
	"context"
	"crypto"
	"errors"
	"io/fs"
	"net/http"

	"github.com/learngraph/learngraph/reload"
)

// PublicKeys are the keys of a key set that verifies signatures other than tokens'. They are safe for concurrent use.
type PublicKeys struct{ source keySource }

// KeySetOptions locate a key set: at a URL, whose redirects are not followed, or in a file.
type KeySetOptions struct {
	URL   string
	Files fs.FS
	Name  string
	// Transport fetches the key set; nil is the network.
	Transport http.RoundTripper
}

// NewPublicKeys returns an error where a file has no key set. One at a URL is fetched when a key is first needed.
func NewPublicKeys(o KeySetOptions, report Reporter) (*PublicKeys, error) {
	source, err := openKeys(o.URL, o.Files, o.Name, o.Transport, report)
	if err != nil {
		return nil, err
	}
	return &PublicKeys{source}, nil
}

// Find returns the keys of an id, and an *UnavailableError while no key set was ever had.
func (p *PublicKeys) Find(ctx context.Context, id string) ([]crypto.PublicKey, error) {
	found, err := p.source.find(ctx, id, "")
	if err != nil {
		return nil, err
	}
	keys := make([]crypto.PublicKey, len(found))
	for i, k := range found {
		keys[i] = k.Key
	}
	return keys, nil
}

// Reload reads the key set now. It reports whether it is another one, or why it stays the old one.
func (p *PublicKeys) Reload(ctx context.Context) (changed bool, err error) {
	return p.source.reload(ctx)
}

func openKeys(url string, files fs.FS, name string, transport http.RoundTripper, report Reporter) (keySource, error) {
	switch {
	case (url == "") == (files == nil):
		return nil, errors.New("the key set must be at a URL or in a file")
	case url != "":
		return newRemoteKeys(url, transport, report), nil
	}
	file, err := reload.New(files, name, func(files []reload.File) (keySet, error) {
		if len(files) != 1 {
			return nil, errors.New("the key set must be in one file")
		}
		keys, err := parseKeySet(files[0].Text)
		report.KeySet(err)
		return keys, err
	}, report.KeySet)
	if err != nil {
		return nil, err
	}
	return fileKeys{file}, nil
}
