package middleware

import (
	"net/http"

	"github.com/learngraph/learngraph/gateway/gqlerrors"
	"github.com/learngraph/learngraph/gateway/httpapi"
)

// RefuseBusy answers a request with 429 and RATE_LIMITED, and asks its sender to come back in a second.
func RefuseBusy(w http.ResponseWriter, r *http.Request, message string) {
	httpapi.NewResponseWriter(w, r).Fail(&httpapi.Error{Status: http.StatusTooManyRequests,
		Code: gqlerrors.CodeRateLimited, Message: message, RetryAfter: 1})
}
