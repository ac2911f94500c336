package app

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/learngraph/learngraph/reload"
)

// certificate is the certificate that the server shows. A file that changes is read again, without a restart.
type certificate struct {
	log        *slog.Logger
	chain, key *reload.Value[*string] // of another address once they were read again

	mu      sync.Mutex
	loaded  [2]*string
	current *tls.Certificate
	err     error // why current is not that of the files
}

// newCertificate reads the files in PEM. Its errors name settings and hold nothing of a file's content.
func newCertificate(chain, key string, log *slog.Logger) (*certificate, error) {
	c := &certificate{log: log}
	for _, file := range []struct {
		setting, path string
		value         **reload.Value[*string]
	}{{"TLS_CERT_FILE", chain, &c.chain}, {"TLS_KEY_FILE", key, &c.key}} {
		fsys, name := reload.At(file.path)
		value, err := reload.New(fsys, name, text, func(err error) {
			log.Warn("the certificate cannot be read; the previous one stays in use", "setting", file.setting,
				"cause", reload.Cause(err).Error())
		})
		if err != nil {
			return nil, fmt.Errorf("%s is %q: %w", file.setting, file.path, reload.Cause(err))
		}
		*file.value = value
	}
	if _, err := c.get(nil); err != nil {
		return nil, err
	}
	return c, nil
}

func text(files []reload.File) (*string, error) {
	if len(files) != 1 {
		return nil, errors.New("it is not a file")
	}
	text := string(files[0].Text)
	return &text, nil
}

// get returns the certificate of the files as they are. Where they do not match, because one of them is yet
// to be replaced, it returns the last one.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	files := [2]*string{c.chain.Get(), c.key.Get()}
	c.mu.Lock()
	defer c.mu.Unlock()
	if files == c.loaded {
		return c.current, nil
	}
	c.loaded = files
	pair, err := tls.X509KeyPair([]byte(*files[0]), []byte(*files[1]))
	switch {
	case err == nil:
		if c.current != nil {
			c.log.Info("the certificate was read again", "notAfter", pair.Leaf.NotAfter)
		}
		c.current, c.err = &pair, nil
	case c.current == nil:
		return nil, errors.New("TLS_CERT_FILE and TLS_KEY_FILE must be a certificate and its key in PEM")
	default:
		c.err = errors.New("TLS_CERT_FILE and TLS_KEY_FILE do not match")
		c.log.Warn(c.err.Error() + "; the previous certificate stays in use")
	}
	return c.current, nil
}

// reloadables are the two files. Both are read before either is judged: neither is of use without the other.
func (c *certificate) reloadables() []reloadable {
	var keyChanged bool
	var keyErr, unfit error
	return []reloadable{{"TLS_CERT_FILE", func(context.Context) (bool, error) {
		changed, err := c.chain.Check()
		keyChanged, keyErr = c.key.Check()
		_, _ = c.get(nil) // there is one, if need be the last
		c.mu.Lock()
		defer c.mu.Unlock()
		unfit = c.err
		return changed, cmp.Or(err, unfit)
	}}, {"TLS_KEY_FILE", func(context.Context) (bool, error) { return keyChanged, cmp.Or(keyErr, unfit) }}}
}
