package cli

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/learngraph/learngraph/config"
)

type healthCommand struct {
	Ready bool `help:"Check whether the server is ready, not whether it is alive."`
}

// healthTimeout is how long the server may take to answer a probe.
const healthTimeout = 2 * time.Second

// Run asks the server of the same settings on this machine, for schedulers of containers without a shell.
func (c *healthCommand) Run(ctx context.Context, p *process) error {
	// A container's health check has none of its program's flags: the settings may name no backend.
	cfg, err := config.Read(p.settings)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	if err := c.ask(ctx, cfg); err != nil {
		fmt.Fprintln(p.Stderr, "learngraph:", err)
		return exit(ExitFailed)
	}
	return nil
}

func (c *healthCommand) ask(ctx context.Context, cfg *config.Config) error {
	path := "/healthz"
	if c.Ready {
		path = "/readyz"
	}
	if cfg.MetricsListen != "" {
		return probe(ctx, "http", cfg.MetricsListen, path)
	}
	return probe(ctx, scheme(cfg), cfg.Listen, path)
}

// scheme returns how the public listener is spoken to.
func scheme(cfg *config.Config) string {
	if cfg.TLSCert != "" {
		return "https"
	}
	return "http"
}

// probe asks a listener of this machine, and returns an error unless the answer is 200.
func probe(ctx context.Context, scheme, address, path string) error {
	return get(ctx, scheme, address, path, func(io.Reader) error { return nil })
}

// get has read called with an answer of a listener of this machine, and returns an error unless the answer is 200.
func get(ctx context.Context, scheme, address, path string, read func(io.Reader) error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+onThisMachine(address)+path, nil)
	if err != nil {
		return fmt.Errorf("%s is not an address of a server", address)
	}
	// The certificate is for the name that clients use, and the question leaves no machine.
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return fmt.Errorf("the server does not answer at %s", address)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the server answers %s with status %d", path, resp.StatusCode)
	}
	return read(resp.Body)
}

// onThisMachine returns the address by which this machine reaches a listener.
func onThisMachine(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}
