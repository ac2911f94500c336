package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/learngraph/learngraph/app"
	"github.com/learngraph/learngraph/config"
	"github.com/learngraph/learngraph/telemetry"
	"github.com/learngraph/learngraph/upstream"
)

// startupChecks are the checks of a server's needs at its start, each where it is configured.
func (d *doctor) startupChecks() (list []doctorCheck) {
	if d.cfg.WithKeys() {
		list = append(list, doctorCheck{"api keys", d.apiKeys})
	}
	if d.cfg.WithTokens() {
		list = append(list, doctorCheck{"key set", d.keySet})
	}
	if slices.Contains(d.cfg.Webhooks(), string(upstream.MATTR)) {
		list = append(list, doctorCheck{"mattr webhook key set", d.webhookKeySet})
	}
	if d.cfg.TrustedDocuments != "" {
		list = append(list, doctorCheck{"trusted documents", d.trustedDocuments})
	}
	if len(d.cfg.SecretPaths()) > 0 {
		list = append(list, doctorCheck{"file permissions", d.permissions})
	}
	list = append(list, doctorCheck{"trace collector", d.collector}, doctorCheck{"listen", d.listen})
	if d.cfg.MetricsListen != "" {
		list = append(list, doctorCheck{"metrics listen", d.metricsListen})
	}
	return list
}

func (d *doctor) apiKeys(context.Context) doctorResult {
	if err := app.CheckKeys(d.cfg); err != nil {
		return doctorResult{Status: statusFailed, Detail: err.Error(), Remedy: "correct the file that API_KEYS_FILE names"}
	}
	return doctorResult{Status: statusOK, Detail: "the file is readable and valid"}
}

// outsideTimeout is how long the doctor waits for a key set or a collector.
const outsideTimeout = 10 * time.Second

func (d *doctor) keySet(ctx context.Context) doctorResult {
	return d.keys(ctx, app.CheckKeySet, "tokens",
		"check JWT_JWKS, and the network to the issuer: no token can be verified")
}

func (d *doctor) webhookKeySet(ctx context.Context) doctorResult {
	return d.keys(ctx, app.CheckWebhookKeySet, "webhooks",
		"check MATTR_WEBHOOK_JWKS, and the way to the tenant: no delivery can be verified")
}

func (d *doctor) keys(ctx context.Context, check func(context.Context, *config.Config) error,
	signed, remedy string) doctorResult {
	ctx, cancel := context.WithTimeout(ctx, outsideTimeout)
	defer cancel()
	if err := check(ctx, d.cfg); err != nil {
		return doctorResult{Status: statusFailed, Detail: err.Error(), Remedy: remedy}
	}
	return doctorResult{Status: statusOK, Detail: "has keys to verify " + signed + " with"}
}

// trustedDocuments reads the manifest as a server does, and checks its documents as the command check does.
func (d *doctor) trustedDocuments(context.Context) doctorResult {
	if err := app.CheckDocuments(d.cfg); err != nil {
		return doctorResult{Status: statusFailed, Detail: err.Error(),
			Remedy: "correct the file or folder that TRUSTED_DOCUMENTS names"}
	}
	result, err := check(d.cfg.TrustedDocuments, "", limitsOf(d.cfg), progressTo(io.Discard))
	switch {
	case err != nil:
		return doctorResult{Status: statusWarning, Detail: err.Error(),
			Remedy: "write the documents' manifest to the path of TRUSTED_DOCUMENTS"}
	case !result.OK:
		return doctorResult{Status: statusWarning,
			Detail: fmt.Sprintf("%d of %d documents fail", result.failed(), len(result.Documents)),
			Remedy: "run learngraph check -manifest with the path of TRUSTED_DOCUMENTS for the reasons"}
	}
	return doctorResult{Status: statusOK, Detail: fmt.Sprintf("documents: %d", len(result.Documents))}
}

// permissions looks for secrets that every user of this machine can read or change.
func (d *doctor) permissions(context.Context) doctorResult {
	paths := d.cfg.SecretPaths()
	var open []string
	for _, name := range slices.Sorted(maps.Keys(paths)) {
		info, err := os.Stat(paths[name])
		switch {
		case err != nil:
			return doctorResult{Status: statusFailed, Detail: "the file of " + name + " cannot be read",
				Remedy: "let the user of this program read it"}
		case info.Mode().Perm()&0o007 != 0:
			open = append(open, fmt.Sprintf("%s (mode %04o)", name, info.Mode().Perm()))
		}
	}
	if len(open) > 0 {
		return doctorResult{Status: statusWarning,
			Detail: "any user of this machine can read or change the file of " + strings.Join(open, ", "),
			Remedy: "chmod o= on each"}
	}
	return doctorResult{Status: statusOK, Detail: "only their owner and group can read the files of secrets"}
}

func (d *doctor) collector(ctx context.Context) doctorResult {
	ctx, cancel := context.WithTimeout(ctx, outsideTimeout)
	defer cancel()
	configured, err := telemetry.CheckCollector(ctx, d.getenv)
	switch {
	case !configured:
		return doctorResult{Status: statusSkipped, Detail: "not configured",
			Remedy: "set OTEL_EXPORTER_OTLP_ENDPOINT to send traces"}
	case err != nil:
		return doctorResult{Status: statusFailed, Detail: err.Error(),
			Remedy: "check OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_EXPORTER_OTLP_HEADERS, and that the collector runs"}
	}
	return doctorResult{Status: statusOK, Detail: "takes traces"}
}

func (d *doctor) listen(ctx context.Context) doctorResult {
	return canListen(ctx, "LISTEN", scheme(d.cfg), d.cfg.Listen)
}

func (d *doctor) metricsListen(ctx context.Context) doctorResult {
	return canListen(ctx, "METRICS_LISTEN", "http", d.cfg.MetricsListen)
}

// canListen tries an address. One that a server of ours already has is right.
func canListen(ctx context.Context, setting, scheme, address string) doctorResult {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err == nil {
		_ = listener.Close()
		return doctorResult{Status: statusOK, Detail: "the address is free"}
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	switch {
	case !errors.Is(err, syscall.EADDRINUSE):
		return doctorResult{Status: statusFailed, Detail: "this program cannot listen there",
			Remedy: "set " + setting + " to an address of this machine, and a port that its user may open"}
	case probe(ctx, scheme, address, "/healthz") == nil:
		return doctorResult{Status: statusOK, Detail: "a server answers there already"}
	}
	return doctorResult{Status: statusFailed, Detail: "another program has the address",
		Remedy: "stop that program, or change " + setting}
}
