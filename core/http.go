package core

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// HTTP are the host's services of wasi:http/outgoing-handler. The rules of [Services] hold for
// StartHTTP: calls come while a call of the instance is in progress, on its goroutine.
type HTTP interface {
	// StartHTTP begins a request and returns without waiting for its response. The host keeps
	// request, and the caller must not change it any more. An error is an [HTTPError]: nothing was sent then.
	StartHTTP(request *HTTPRequest) (HTTPExchange, error)
}

// HTTPExchange is a request that is under way. It ends with its call: the host cancels what
// is still under way when the instance's call has returned.
type HTTPExchange interface {
	// Done is closed when the exchange has ended.
	Done() <-chan struct{}
	// Result returns the response, or an [HTTPError], once Done is closed. The response is the caller's.
	Result() (*HTTPResponse, error)
	// Cancel ends the exchange. It does not block, and may be called at any time.
	Cancel()
}

// HTTPField is a field of a header. Its name has lower-case letters.
type HTTPField struct {
	Name  string
	Value string
}

// HTTPRequest is a request of HTTP with its whole body.
type HTTPRequest struct {
	Method string // GET if empty
	URL    string // absolute for a request to the web; else a path with a query
	Header []HTTPField
	Body   []byte
	// Timeouts bound the time to connect, to the response's header, and between two parts of its
	// body. 0 is without a bound beside the host's.
	Timeouts HTTPTimeouts
}

// HTTPTimeouts are the options of a request.
type HTTPTimeouts struct{ Connect, FirstByte, BetweenBytes time.Duration }

// HTTPResponse is a response of HTTP with its whole body.
type HTTPResponse struct {
	Status  int // 100 to 999
	Header  []HTTPField
	Body    []byte
	Trailer []HTTPField
}

// HTTPOf returns the HTTP services of an environment. If the host has none, every request is
// denied.
func HTTPOf(env *Environment) HTTP {
	if env.HTTP == nil {
		return noHTTP{}
	}
	return env.HTTP
}

type noHTTP struct{}

func (noHTTP) StartHTTP(*HTTPRequest) (HTTPExchange, error) {
	return nil, &HTTPError{Code: HTTPRequestDenied, Text: "the host sends no requests"}
}

// HTTPErrorCode is a case of the error-code of wasi:http, with the same number.
type HTTPErrorCode uint8

// The cases that the host uses.
const (
	HTTPDNSTimeout             HTTPErrorCode = 0
	HTTPDNSError               HTTPErrorCode = 1
	HTTPDestinationUnavailable HTTPErrorCode = 3
	HTTPDestinationProhibited  HTTPErrorCode = 4 // an address that is not allowed
	HTTPConnectionRefused      HTTPErrorCode = 6
	HTTPConnectionTerminated   HTTPErrorCode = 7
	HTTPConnectionTimeout      HTTPErrorCode = 8
	HTTPConnectionReadTimeout  HTTPErrorCode = 9
	HTTPConnectionLimitReached HTTPErrorCode = 11
	HTTPTLSProtocolError       HTTPErrorCode = 12
	HTTPTLSCertificateError    HTTPErrorCode = 13
	HTTPRequestDenied          HTTPErrorCode = 15 // no capability for it
	HTTPRequestBodySize        HTTPErrorCode = 17
	HTTPRequestMethodInvalid   HTTPErrorCode = 18
	HTTPRequestURIInvalid      HTTPErrorCode = 19
	HTTPResponseHeaderSize     HTTPErrorCode = 26
	HTTPResponseBodySize       HTTPErrorCode = 28
	HTTPResponseTimeout        HTTPErrorCode = 33
	HTTPProtocolError          HTTPErrorCode = 35
	HTTPLoopDetected           HTTPErrorCode = 36
	HTTPInternalError          HTTPErrorCode = 38

	// NumHTTPErrorCodes is larger than each of them.
	NumHTTPErrorCodes = 39
)

// HTTPErrorCodes returns all cases that the host uses, in the order of their numbers.
func HTTPErrorCodes() []HTTPErrorCode { return slices.Sorted(maps.Keys(httpErrorNames)) }

var httpErrorNames = map[HTTPErrorCode]string{
	HTTPDNSTimeout: "DNS-timeout", HTTPDNSError: "DNS-error",
	HTTPDestinationUnavailable: "destination-unavailable", HTTPDestinationProhibited: "destination-IP-prohibited",
	HTTPConnectionRefused: "connection-refused", HTTPConnectionTerminated: "connection-terminated",
	HTTPConnectionTimeout: "connection-timeout", HTTPConnectionReadTimeout: "connection-read-timeout",
	HTTPConnectionLimitReached: "connection-limit-reached",
	HTTPTLSProtocolError:       "TLS-protocol-error", HTTPTLSCertificateError: "TLS-certificate-error",
	HTTPRequestDenied: "HTTP-request-denied", HTTPRequestBodySize: "HTTP-request-body-size",
	HTTPRequestMethodInvalid: "HTTP-request-method-invalid", HTTPRequestURIInvalid: "HTTP-request-URI-invalid",
	HTTPResponseHeaderSize: "HTTP-response-header-section-size", HTTPResponseBodySize: "HTTP-response-body-size",
	HTTPResponseTimeout: "HTTP-response-timeout", HTTPProtocolError: "HTTP-protocol-error",
	HTTPLoopDetected: "loop-detected", HTTPInternalError: "internal-error",
}

// String returns the case's name in wasi:http.
func (c HTTPErrorCode) String() string {
	if name := httpErrorNames[c]; name != "" {
		return name
	}
	return fmt.Sprintf("error-code(%d)", uint8(c))
}

// HTTPError says why a request has no response.
type HTTPError struct {
	Code HTTPErrorCode
	Text string // at most [MaxErrorText] bytes of UTF-8; a guest of WebAssembly gets that of internal-error alone
	Size int64  // of a body that is too large, if it is known
}

// Error returns the case's name and the text.
func (e *HTTPError) Error() string { return join(e.Code.String(), e.Text) }

// Is reports whether target is an HTTPError with the same code and, if target has a text, the
// same text.
func (e *HTTPError) Is(target error) bool {
	t, ok := target.(*HTTPError)
	return ok && t.Code == e.Code && (t.Text == "" || t.Text == e.Text)
}

// AsHTTPError returns the error that a guest gets for err, which is not nil: the HTTPError that
// err is or wraps, or otherwise internal-error with err's text.
func AsHTTPError(err error) *HTTPError {
	var e *HTTPError
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.DeadlineExceeded):
		return &HTTPError{Code: HTTPResponseTimeout}
	}
	return &HTTPError{Code: HTTPInternalError, Text: CutText(err.Error(), MaxErrorText)}
}
