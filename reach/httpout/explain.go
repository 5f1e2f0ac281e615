package httpout

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/textproto"
	"net/url"
	"strings"
	"syscall"

	"github.com/airhost/airhost/core"
)

// explain returns the error that a component gets for err. It does not say more of the host's
// network than the component can know.
func (p *pace) explain(ctx context.Context, err error) *core.HTTPError {
	var e *core.HTTPError
	switch cause := context.Cause(ctx); {
	case errors.As(cause, &e):
		return e
	case errors.As(err, &e):
		return e
	case errors.Is(cause, context.DeadlineExceeded):
		return p.late()
	case cause != nil:
		return &core.HTTPError{Code: core.HTTPConnectionTerminated, Text: "the request was canceled"}
	}
	return explainError(err)
}

// late returns the error for a request that took too long.
func (p *pace) late() *core.HTTPError {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.connected {
		return &core.HTTPError{Code: core.HTTPConnectionTimeout, Text: "there was no connection in time (http.timeout)"}
	}
	return &core.HTTPError{Code: core.HTTPResponseTimeout, Text: "there was no whole response in time (http.timeout)"}
}

func explainError(err error) *core.HTTPError {
	var (
		dns         *net.DNSError
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		alert       tls.AlertError
		protocol    textproto.ProtocolError
		netError    *net.OpError
		request     *url.Error
	)
	if errors.As(err, &request) {
		err = request.Err
	}
	text := err.Error()
	switch {
	case errors.As(err, &dns) && dns.IsTimeout:
		return &core.HTTPError{Code: core.HTTPDNSTimeout}
	case errors.As(err, &dns) && dns.IsNotFound:
		return &core.HTTPError{Code: core.HTTPDNSError, Text: "no such host"}
	case errors.As(err, &dns): // its text has the address of the resolver
		return &core.HTTPError{Code: core.HTTPDNSError, Text: "the host's resolver has failed"}
	case errors.As(err, &certificate):
		return &core.HTTPError{Code: core.HTTPTLSCertificateError, Text: core.CutText(certificate.Err.Error(), core.MaxErrorText)}
	case errors.As(err, &record), errors.As(err, &alert), strings.Contains(text, "tls: "), strings.Contains(text, "TLS handshake"), strings.Contains(text, "HTTP response to HTTPS client"):
		return &core.HTTPError{Code: core.HTTPTLSProtocolError}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &core.HTTPError{Code: core.HTTPConnectionRefused}
	case strings.Contains(text, "server response headers exceeded"):
		return &core.HTTPError{Code: core.HTTPResponseHeaderSize, Size: maxHeader}
	case errors.As(err, &protocol), strings.Contains(text, "malformed"), strings.Contains(text, "invalid"), strings.Contains(text, "unsupported"), strings.Contains(text, "too many 1xx"):
		return &core.HTTPError{Code: core.HTTPProtocolError, Text: "the server's answer is no HTTP"}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return &core.HTTPError{Code: core.HTTPConnectionTerminated}
	case strings.Contains(text, "transport connection broken"), strings.Contains(text, "Location header"):
		return &core.HTTPError{Code: core.HTTPProtocolError, Text: "the server's answer is no HTTP"}
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &netError) && netError.Timeout():
		return &core.HTTPError{Code: core.HTTPConnectionTimeout}
	case errors.As(err, &netError):
		return &core.HTTPError{Code: core.HTTPDestinationUnavailable}
	}
	return &core.HTTPError{Code: core.HTTPInternalError, Text: "the request failed"}
}
