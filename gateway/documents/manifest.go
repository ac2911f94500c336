package documents

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/learngraph/learngraph/engine"
	"github.com/learngraph/learngraph/gateway/strictjson"
)

// Manifest is a list of documents by id, as a frontend's build writes it.
type Manifest struct {
	documents map[string]*TrustedDocument
	hashes    map[string]bool
}

// TrustedDocument is one document of a manifest.
type TrustedDocument struct {
	ID string
	// Name is that of the operation where the manifest has it.
	Name string
	Text string
	// OnError is the error behavior of every request for the document; if it is empty, the request decides.
	OnError string
}

// NewManifest makes an empty manifest.
func NewManifest() *Manifest {
	return &Manifest{documents: map[string]*TrustedDocument{}, hashes: map[string]bool{}}
}

// Documents are those of the manifest in the order of their ids.
func (m *Manifest) Documents() []*TrustedDocument {
	var list []*TrustedDocument
	for _, d := range m.documents {
		list = append(list, d)
	}
	slices.SortFunc(list, func(a, b *TrustedDocument) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// Document returns the document of an id, nil if there is none. A prefix of the id's algorithm, such as sha256:, may be
// there or be left out.
func (m *Manifest) Document(id string) *TrustedDocument { return m.documents[withoutAlgorithm(id)] }

func (m *Manifest) has(hash string) bool { return m.hashes[hash] }

// withoutAlgorithm removes the algorithm from an id: code generators can be configured to write it there, and their
// clients to send it.
func withoutAlgorithm(id string) string {
	for _, algorithm := range []string{"sha256:", "sha1:", "md5:"} {
		if bare, ok := strings.CutPrefix(id, algorithm); ok {
			return bare
		}
	}
	return id
}

// apolloFormat is the format's name in the manifests of Apollo's generator.
const apolloFormat = "apollo-persisted-query-manifest"

var errManifest = errors.New(
	"the manifest must be of Relay or GraphQL Code Generator (an object of ids and texts) or of Apollo")

// Add takes a manifest over, where a document may fix its error behavior with "onError": {"ID": "text", …} or
// {"ID": {"body": "text", "onError": "NULL"}, …} of Relay and of GraphQL Code Generator, or Apollo's
// {"format": "apollo-persisted-query-manifest", "version": 1, "operations": [{"id", "name", "type", "body"}, …]}. Of
// several manifests an id may be in two if both have the same text for it. An error leaves the manifest as it was.
func (m *Manifest) Add(text []byte) error {
	text = bytes.TrimPrefix(text, strictjson.ByteOrderMark)
	members, err := strictjson.ReadMembers(text)
	if err != nil {
		return errManifest
	}
	list, err := readManifest(text, members)
	if err != nil {
		return err
	}
	added := map[string]*TrustedDocument{}
	for _, d := range list {
		d.ID = withoutAlgorithm(d.ID)
		if d.ID == "" || strings.TrimSpace(d.Text) == "" {
			return errors.New("the manifest has a document without an id or without a text")
		}
		if _, ok := engine.ParseOnError(d.OnError); !ok {
			return fmt.Errorf("onError of the document %q must be PROPAGATE, NULL or ABORT", d.ID)
		}
		for _, known := range []*TrustedDocument{m.documents[d.ID], added[d.ID]} {
			if known != nil && (known.Text != d.Text || known.OnError != d.OnError) {
				return fmt.Errorf("two documents have the id %q", d.ID)
			}
		}
		added[d.ID] = d
	}
	for id, d := range added {
		m.documents[id] = d
		m.hashes[Hash(d.Text)] = true
	}
	return nil
}

func readManifest(text []byte, operations strictjson.Members) ([]*TrustedDocument, error) {
	var format string
	if raw := operations.Get("format"); raw != nil && json.Unmarshal(raw, &format) == nil &&
		operations.Get("operations") != nil {
		return readApollo(format, text)
	}
	list := make([]*TrustedDocument, 0, len(operations))
	for _, m := range operations {
		id, raw := m.Name, m.Raw
		d := &TrustedDocument{ID: id}
		var whole struct{ Body, OnError string }
		switch {
		case strictjson.IsNull(raw):
			return nil, errManifest
		case json.Unmarshal(raw, &d.Text) == nil:
		case json.Unmarshal(raw, &whole) == nil:
			d.Text, d.OnError = whole.Body, whole.OnError
		default:
			return nil, errManifest
		}
		list = append(list, d)
	}
	return list, nil
}

func readApollo(format string, text []byte) ([]*TrustedDocument, error) {
	var manifest struct {
		Version    json.Number
		Operations []struct{ ID, Name, Body, OnError string }
	}
	if err := strictjson.Unmarshal(text, &manifest); err != nil || format != apolloFormat || manifest.Version != "1" {
		return nil, fmt.Errorf("the manifest must have the format %s in version 1", apolloFormat)
	}
	list := make([]*TrustedDocument, len(manifest.Operations))
	for i, op := range manifest.Operations {
		list[i] = &TrustedDocument{ID: op.ID, Name: op.Name, Text: op.Body, OnError: op.OnError}
	}
	return list, nil
}
