// Package httpstatus says by which status an HTTP server answers when a message to a component was
// refused or has failed. The gateway and the admin API share it.
package httpstatus

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"

	"github.com/airhost/airhost/core"
)

// Of returns the status for an error of a request, a word for it, and a text for the client: the
// component's own, if it has answered.
func Of(err error) (status int, code, text string) {
	var body *http.MaxBytesError
	var refusal *core.MessagingError
	var outcome *core.RequestError
	switch {
	case errors.As(err, &body):
		return http.StatusRequestEntityTooLarge, "too-large", "the body may have " + strconv.FormatInt(body.Limit, 10) + " bytes at most"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return http.StatusRequestTimeout, "slow-request", "the body did not come in time"
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout, "timeout", "the component did not answer in time"
	case errors.As(err, &refusal):
		return refused(refusal.Case)
	case errors.As(err, &outcome):
		return failed(outcome)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return http.StatusBadRequest, "invalid-request", "the body ended early"
	}
	return http.StatusBadRequest, "invalid-request", "the request cannot be read"
}

// refused is Of for a message that the host did not take.
func refused(reason core.MessagingErrorCase) (status int, code, text string) {
	switch reason {
	case core.CaseTargetNotFound:
		return http.StatusNotFound, reason.String(), "there is no such component"
	case core.CaseQueueFull, core.CaseQuotaExceeded:
		return http.StatusTooManyRequests, reason.String(), "the component has too much to do, try again"
	case core.CaseCapabilityDenied:
		return http.StatusForbidden, reason.String(), "this is not allowed"
	case core.CaseInvalidArgument:
		return http.StatusRequestEntityTooLarge, "too-large", "the component takes no message of this size"
	}
	return http.StatusServiceUnavailable, reason.String(), "the component is not available, try again"
}

// failed is Of for a request that ended without a response.
func failed(outcome *core.RequestError) (status int, code, text string) {
	var answer *core.ComponentError
	switch {
	case errors.As(outcome, &answer) && answer.Case == core.CaseInvalidMessage:
		return http.StatusBadRequest, answer.Case.String(), answer.Text
	case errors.As(outcome, &answer) && answer.Case == core.CaseComponentUnavailable:
		return http.StatusServiceUnavailable, answer.Case.String(), answer.Text
	case errors.As(outcome, &answer):
		return http.StatusBadGateway, answer.Case.String(), answer.Text
	}
	for _, refusal := range core.MessagingErrorCases() {
		if outcome.Reason != core.ReasonTimeout && errors.Is(outcome, &core.MessagingError{Case: refusal}) {
			return refused(refusal)
		}
	}
	if outcome.Reason == core.ReasonTimeout {
		return http.StatusGatewayTimeout, "timeout", "the component did not answer in time"
	}
	return http.StatusBadGateway, outcome.Reason.String(), "the component ended while it handled the request"
}
