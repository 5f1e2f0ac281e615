// Package web lets components in Go use net/http.
package web

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/http"

	"github.com/airhost/airhost/guest"
)

// fetch is the host's function for requests to the web.
const fetch = "airhost/fetch"

// Transport returns a transport for [http.Client] that lets the host send the requests. The host
// sends those that capabilities.http grants, follows redirects and has the whole response before
// RoundTrip returns. A request and a response have at most quota.message_size bytes, with their
// headers.
//
// An error is or wraps a [guest.CallError]: [guest.ErrCallDenied] without capabilities.http, and
// otherwise [guest.ErrCallFailed] with an error-code of wasi:http first in its text, such as
// HTTP-request-denied. A request cannot be broken off: its context is looked at before it is
// sent, and http.timeout and the time of the component's call bound it.
//
// A request without a traceparent (W3C Trace Context) whose context is that of a request that the
// component handles, see [Serve], gets the traceparent and the tracestate of that one.
//
// The transport may be used like the host, of which it calls a function.
func Transport(host guest.Host) http.RoundTripper { return transport{host} }

type transport struct{ host guest.Host }

// RoundTrip implements [http.RoundTripper].
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer func() { _ = r.Body.Close() }() // the whole body has been read by then
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if r.URL == nil || r.URL.Host == "" {
		return nil, errors.New("web: the request has no host in its URL")
	}
	var message bytes.Buffer
	r = traced(r)
	if err := r.WriteProxy(&message); err != nil { // it has the whole URL
		return nil, fmt.Errorf("web: the request cannot be written: %w", err)
	}
	answer, err := t.host.Call(fetch, message.Bytes())
	if err != nil {
		return nil, err
	}
	response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), r)
	if err != nil {
		return nil, fmt.Errorf("web: the response cannot be read: %w", err)
	}
	return response, nil
}

// traced returns r, with the trace of the request that the component handles if it has none.
func traced(r *http.Request) *http.Request {
	const trace = "Traceparent"
	handled, ok := r.Context().Value(contextKey{}).(*requestContext)
	if !ok || r.Header[trace] != nil || handled.header[trace] == nil {
		return r
	}
	copied := r.Clone(r.Context())
	for _, name := range []string{trace, "Tracestate"} {
		if values, given := handled.header[name]; given {
			copied.Header[name] = values
		}
	}
	return copied
}
