package http1

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"golang.org/x/net/idna"
	"golang.org/x/net/proxy"
)

// Dialer connects to servers over the network, through the proxies that HTTPS_PROXY, HTTP_PROXY and NO_PROXY name.
type Dialer struct {
	// TLS is the configuration of connections to https URLs and https proxies. nil is Go's own.
	TLS *tls.Config
}

var (
	network = &Dialer{TLS: &tls.Config{ClientSessionCache: tls.NewLRUClientSessionCache(0)}}
	sockets = &net.Dialer{Timeout: 30 * time.Second}
	ports   = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}
)

// Dial connects to the server of a URL, with TLS for https.
func (d *Dialer) Dial(ctx context.Context, to *url.URL) (net.Conn, error) {
	through, err := http.ProxyFromEnvironment(&http.Request{URL: to})
	if err != nil {
		return nil, err
	}
	return d.through(ctx, through, to)
}

// through connects to the server of a URL, by way of a proxy unless that is nil.
func (d *Dialer) through(ctx context.Context, by, to *url.URL) (net.Conn, error) {
	if by == nil {
		return d.direct(ctx, to)
	}
	target, err := address(to)
	if err != nil {
		return nil, err
	}
	c, err := d.tunnel(ctx, by, target)
	if err != nil || to.Scheme != "https" {
		return c, err
	}
	return d.secure(ctx, c, target)
}

// direct connects to the server of a URL, or to a proxy.
func (d *Dialer) direct(ctx context.Context, to *url.URL) (net.Conn, error) {
	target, err := address(to)
	if err != nil {
		return nil, err
	}
	c, err := sockets.DialContext(ctx, "tcp", target)
	if err != nil || to.Scheme != "https" {
		return c, err
	}
	return d.secure(ctx, c, target)
}

// address returns host and port of a URL. A name with other letters than those of ASCII is in the form of the DNS.
func address(u *url.URL) (string, error) {
	host := u.Hostname()
	if strings.ContainsFunc(host, func(r rune) bool { return r > unicode.MaxASCII }) {
		name, err := idna.Lookup.ToASCII(host)
		if err != nil {
			return "", err
		}
		host = name
	}
	return net.JoinHostPort(host, cmp.Or(u.Port(), ports[u.Scheme])), nil
}

// secure agrees upon TLS with the server of an address.
func (d *Dialer) secure(ctx context.Context, c net.Conn, of string) (net.Conn, error) {
	config := &tls.Config{}
	if d.TLS != nil {
		config = d.TLS.Clone()
	}
	if config.ServerName == "" {
		config.ServerName, _, _ = net.SplitHostPort(of)
	}
	config.NextProtos = []string{"http/1.1"}
	secured := tls.Client(c, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = c.Close()
		return nil, err
	}
	return secured, nil
}

// tunnel connects to an address by way of a proxy.
func (d *Dialer) tunnel(ctx context.Context, by *url.URL, to string) (net.Conn, error) {
	switch by.Scheme {
	case "socks5", "socks5h":
		server, err := proxy.FromURL(by, sockets)
		if err != nil {
			return nil, err
		}
		return server.(proxy.ContextDialer).DialContext(ctx, "tcp", to)
	case "http", "https":
	default:
		return nil, errors.New("there are no proxies of the kind " + by.Scheme)
	}
	c, err := d.direct(ctx, by)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	err = ask(c, to, by.User)
	if stopped := stop(); err != nil || !stopped {
		_ = c.Close()
		return nil, reason(ctx, err)
	}
	return c, nil
}

// ask asks an HTTP proxy for a tunnel to an address.
func ask(c net.Conn, to string, user *url.Userinfo) error {
	r := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: to}, Host: to, Header: http.Header{}}
	if user != nil {
		password, _ := user.Password()
		credential := base64.StdEncoding.EncodeToString([]byte(user.Username() + ":" + password))
		r.Header.Set("Proxy-Authorization", "Basic "+credential)
	}
	if err := r.Write(c); err != nil {
		return err
	}
	// A server speaks only after it was spoken to, so that the buffer takes no byte of it.
	resp, err := http.ReadResponse(bufio.NewReader(c), r)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New("the proxy answers with status " + resp.Status)
	}
	return nil
}
