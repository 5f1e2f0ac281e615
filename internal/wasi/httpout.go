package wasi

import (
	"slices"
	"strings"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/wit"
)

// future is the resource future-incoming-response. Its request is sent when its body is
// whole.
type future struct {
	request  *core.HTTPRequest // until it is sent
	from     *outgoing         // holds the request's texts and body until then
	exchange core.HTTPExchange // of a request that has been sent, until the guest has the response
	failure  *core.HTTPError
	given    bool
	size     int // of the response, once it has been counted
}

func futureOf(c *call) *future { return c.args[0].(*handle).value.(*future) }

// ready reports whether the guest can get the response.
func (f *future) ready() bool {
	if f.exchange == nil {
		return f.given || f.failure != nil
	}
	select {
	case <-f.exchange.Done():
		return true
	default:
		return false
	}
}

// start sends the request.
func (f *future) start(in *Instance) {
	request, b := f.request, f.from.body
	request.Body = b.bytes
	f.request = nil
	f.from.dropped(in)
	exchange, err := in.http.StartHTTP(request)
	if err != nil {
		f.failure = core.AsHTTPError(err)
		return
	}
	f.exchange = exchange
	if in.sent == nil {
		in.sent = make(map[*future]struct{})
	}
	in.sent[f] = struct{}{}
}

// untaken returns the size of the responses that have come in and that the guest has not got. The
// host bounds those that are still to come.
func (in *Instance) untaken() (size int) {
	for f := range in.sent {
		if f.size == 0 && f.ready() {
			if r, err := f.exchange.Result(); err == nil {
				f.size = fieldSize + len(r.Body) + sizeOf(r.Header) + sizeOf(r.Trailer)
			}
		}
		size += f.size
	}
	return size
}

// end ends a request that is not sent.
func (f *future) end(in *Instance, e *core.HTTPError) {
	if f.request != nil {
		f.request, f.failure = nil, e
		f.from.dropped(in)
	}
}

// dropped cancels the request.
func (f *future) dropped(in *Instance) {
	f.end(in, &core.HTTPError{Code: core.HTTPProtocolError})
	if f.exchange != nil {
		f.exchange.Cancel()
		delete(in.sent, f)
	}
}

// handleRequest is the function handle.
func handleRequest(c *call) any {
	o := c.args[0].(*outgoing)
	request, failure := o.request(c.args[1].(variant))
	switch b := o.body; {
	case failure != nil:
	case b.failure != nil:
		failure = b.failure
	case !o.taken && b.length > 0:
		failure = &core.HTTPError{Code: b.wrongSize}
	case c.untaken() > maxBodies:
		failure = &core.HTTPError{Code: core.HTTPConnectionLimitReached}
	}
	if failure != nil {
		o.dropped(c.Instance)
		return failed(errorCode(failure))
	}
	c.trace(request)
	f := &future{request: request, from: o}
	if o.body.future = f; !o.taken || o.body.finished {
		if f.start(c.Instance); f.failure != nil {
			return failed(errorCode(f.failure))
		}
	}
	return ok(f)
}

// trace gives a request the trace of the one that the guest handles, unless it has one of its own
// (W3C Trace Context).
func (in *Instance) trace(r *core.HTTPRequest) {
	if in.served == nil || slices.ContainsFunc(r.Header, func(f core.HTTPField) bool { return f.Name == traceFields[0] }) {
		return
	}
	for _, f := range in.served.request.headers.list {
		if name := strings.ToLower(f.name); slices.Contains(traceFields, name) {
			r.Header = append(r.Header, core.HTTPField{Name: name, Value: string(f.value)})
		}
	}
}

// traceFields are the fields of a trace.
var traceFields = []string{"traceparent", "tracestate"}

// request returns the request but for its body.
func (o *outgoing) request(options variant) (*core.HTTPRequest, *core.HTTPError) {
	target := o.target()
	if target == "" {
		return nil, &core.HTTPError{Code: core.HTTPRequestURIInvalid}
	}
	r := &core.HTTPRequest{Method: o.method(), URL: target}
	for _, f := range o.headers.list {
		if name := strings.ToLower(f.name); name != "content-length" { // it is that of the body
			r.Header = append(r.Header, core.HTTPField{Name: name, Value: string(f.value)})
		}
	}
	if given, ok := options.value.(*requestOptions); ok {
		r.Timeouts = core.HTTPTimeouts{Connect: given.timeout(0), FirstByte: given.timeout(1), BetweenBytes: given.timeout(2)}
	}
	return r, nil
}

func (o *outgoing) method() string {
	if v := o.parts[verb]; v.number != wit.MethodOther {
		return wit.Methods[v.number]
	}
	return textIn(o.parts[verb])
}

// target returns the URL, or "" if it has none. A request without a scheme is one of https.
func (o *outgoing) target() string {
	name := "https"
	if v, given := o.parts[scheme].value.(variant); given && v.number == wit.SchemeHTTP {
		name = "http"
	} else if given && v.number == wit.SchemeOther {
		name = textIn(v)
	}
	host, at := textIn(o.parts[authority]), textIn(o.parts[path])
	switch {
	case at == "" || at[0] == '?':
		at = "/" + at
	case at[0] != '/': // it would be a part of the host
		return ""
	}
	if host == "" {
		return ""
	}
	return name + "://" + host + at
}

// timeout returns a timeout, or 0 if there is none.
func (o *requestOptions) timeout(i int) time.Duration {
	if o[i].number == 0 {
		return 0
	}
	return max(durationOf(o[i].value.(uint64)), 1)
}

func subscribeFuture(c *call) any { return child{&pollable{future: futureOf(c)}, c.args[0].(*handle)} }

// getResponse returns the response once.
func getResponse(c *call) any {
	f := futureOf(c)
	if !f.ready() {
		return none
	}
	if f.given {
		return some(failed(nil))
	}
	f.given = true
	response, failure := f.result(c.Instance)
	if failure != nil {
		return some(ok(failed(errorCode(failure))))
	}
	return some(ok(ok(response)))
}

func (f *future) result(in *Instance) (*incoming, *core.HTTPError) {
	if f.failure != nil {
		return nil, f.failure
	}
	r, err := f.exchange.Result()
	f.exchange = nil
	delete(in.sent, f)
	if err != nil {
		return nil, core.AsHTTPError(err)
	}
	made, failure := in.newIncoming(r.Header, r.Trailer, r.Body)
	if failure != nil {
		return nil, failure
	}
	made.status = uint64(r.Status)
	return made, nil
}
