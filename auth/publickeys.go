package auth

import (
	"context"
	"crypto"
	"errors"
	"io/fs"
	"net/http"
	"strings"

	"github.com/learngraph/learngraph/reload"
)

// PublicKeys are the keys of a key set that verifies signatures other than tokens'. They are safe for concurrent use.
type PublicKeys struct{ source keySource }

// KeySetOptions locate a key set.
type KeySetOptions struct {
	// URL of the key set. Redirects are not followed.
	URL string
	// Files and Name are the key set in a file, which is read again when it changes.
	Files fs.FS
	Name  string
	// Transport fetches the key set; nil is the network.
	Transport http.RoundTripper
}

// KeySetAt returns the options of a key set at a URL or in a file.
func KeySetAt(location string) (o KeySetOptions) {
	if strings.Contains(location, "://") {
		o.URL = location
	} else {
		o.Files, o.Name = reload.At(location)
	}
	return o
}

// NewPublicKeys returns an error where a file has no key set. One at a URL is fetched when a key is first needed.
func NewPublicKeys(o KeySetOptions, report Reporter) (*PublicKeys, error) {
	source, err := openKeys(o, report)
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

func openKeys(o KeySetOptions, report Reporter) (keySource, error) {
	switch {
	case (o.URL == "") == (o.Files == nil):
		return nil, errors.New("the key set must be at a URL or in a file")
	case o.URL != "":
		return newRemoteKeys(o, report), nil
	}
	file, err := reload.New(o.Files, o.Name, func(files []reload.File) (keySet, error) {
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
