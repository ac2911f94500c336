package gateway

import "net/http"

// RefuseBusy answers a request with 429 and RATE_LIMITED, and asks its sender to come back in a second.
func RefuseBusy(w http.ResponseWriter, r *http.Request, message string) {
	x := &exchange{w: w, media: mediaJSON, head: r.Method == http.MethodHead}
	x.fail(&requestError{status: http.StatusTooManyRequests, code: codeRateLimited, message: message, retryAfter: 1})
}
