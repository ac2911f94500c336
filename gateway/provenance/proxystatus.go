package provenance

import (
	"errors"
	"strconv"
	"strings"

	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/upstream"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// proxyErrors are the kinds of failure of a backend as Proxy-Status names them (RFC 9209, section 2.3). Errors that a
// caller may have caused are not among them.
var proxyErrors = map[upstream.Kind]string{
	upstream.Timeout:        "http_response_timeout",
	upstream.Deadline:       "http_response_timeout",
	upstream.Unavailable:    "destination_unavailable",
	upstream.RateLimited:    "connection_limit_reached",
	upstream.Rejected:       "proxy_configuration_error",
	upstream.Contract:       "http_protocol_error",
	upstream.OutcomeUnknown: "http_response_incomplete",
}

// staleErrors are the reasons for which a stale fact was used in place of a backend's answer.
var staleErrors = map[cache.Reason]string{
	cache.Failed:     "destination_unavailable",
	cache.Slow:       "http_response_timeout",
	cache.OverBudget: "connection_limit_reached",
}

// proxyError names a failure. A limit of ours is one of connections; of a backend that answers 429 we only know that it
// takes no more.
func proxyError(failed *upstream.Error) string {
	if failed.Kind == upstream.RateLimited && !failed.Local {
		return proxyErrors[upstream.Unavailable]
	}
	return proxyErrors[failed.Kind]
}

// ProxyStatus returns the value of Proxy-Status for an answer: each backend that failed, once for each way, with the
// status that came from there. It is empty where none failed.
func ProxyStatus(errs gqlerror.List, facts []cache.Fact) string {
	var members []string
	seen := map[string]bool{}
	add := func(backend, failure string, status int) {
		if backend == "" || failure == "" || seen[backend+failure] {
			return
		}
		seen[backend+failure] = true
		member := "Learngraph; error=" + failure + "; next-hop=" + backend
		if status != 0 {
			member += "; received-status=" + strconv.Itoa(status)
		}
		members = append(members, member)
	}
	for _, err := range errs {
		var failed *upstream.Error
		if errors.As(err.Err, &failed) {
			add(string(failed.Backend), proxyError(failed), failed.Status)
		}
	}
	for _, f := range facts {
		add(f.Backend, staleErrors[f.Reason], 0)
	}
	return strings.Join(members, ", ")
}
