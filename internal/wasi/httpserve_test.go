package wasi

import (
	"fmt"
	"strings"
	"testing"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/wit"
)

// serve gives the guest a request, and returns the handles.
func (g *fake) serve(r *core.HTTPRequest) (request, outparam uint32) {
	g.Helper()
	request, outparam, err := g.in.Serve(r)
	if err != nil {
		g.Fatal(err)
	}
	return request, outparam
}

// set sets a response.
func (g *fake) set(outparam, response uint32) {
	g.Helper()
	g.call(httpTypes, "[static]response-outparam.set", outparam, 0, response, 0, 0, 0, 0, 0, 0)
}

// failedWith checks the end of a request without a response.
func (g *fake) failedWith(text string) {
	g.Helper()
	if r, failure := g.in.Served(); r != nil || failure == nil || !strings.Contains(failure.Text, text) {
		g.Errorf("got %v, %v, want %q", r, failure, text)
	}
}

// TestServe: a guest gets the parts of a request, and its response is that of the call.
func TestServe(t *testing.T) {
	g := newFake(t, nil)
	request, outparam := g.serve(&core.HTTPRequest{Method: "PURGE", URL: "/a?b", Body: []byte("hello"), Header: []core.HTTPField{
		{Name: "host", Value: "h:1"}, {Name: "connection", Value: "close"}, {Name: "x-a", Value: "1"}, {Name: "x-forwarded-proto", Value: "https"},
	}})
	g.call(httpTypes, "[method]incoming-request.method", request, area)
	want(g, "method", fmt.Sprint(g.u8(area), g.text(area+4)), fmt.Sprint(wit.MethodOther, "PURGE"))
	g.call(httpTypes, "[method]incoming-request.path-with-query", request, area)
	want(g, "path", fmt.Sprint(g.u8(area), g.text(area+4)), "1/a?b")
	g.call(httpTypes, "[method]incoming-request.authority", request, area)
	want(g, "authority", fmt.Sprint(g.u8(area), g.text(area+4)), "1h:1")
	g.call(httpTypes, "[method]incoming-request.scheme", request, area)
	want(g, "scheme", fmt.Sprint(g.u8(area), g.u8(area+4)), fmt.Sprint(1, wit.SchemeHTTPS))
	headers := uint32(g.call(httpTypes, "[method]incoming-request.headers", request))
	want(g, "headers", g.entries(headers), "x-a 1 x-forwarded-proto https")
	g.call(httpTypes, "[method]fields.append", headers, "a", "b")
	g.headerErrorIs("append to them", wit.HeaderImmutable)
	g.call(httpTypes, "[method]response-outparam.send-informational", outparam, 103, g.fields("link", "x"), area)
	want(g, "send-informational", g.u8(area), 0)
	response := uint32(g.call(httpTypes, "[constructor]outgoing-response", g.fields("X-B", "2")))
	g.set(outparam, response)
	if !g.in.HoldsRequests() {
		t.Error("it holds no request")
	}
	r, failure := g.in.Served()
	if failure != nil || r.Status != 200 || len(r.Body) != 0 || fmt.Sprint(r.Header) != "[{x-b 2}]" {
		t.Errorf("got %+v, %v", r, failure)
	}
	want(g, "headers of a request that is over", g.entries(headers), "")
	g.call(httpTypes, "[resource-drop]fields", headers)
	g.call(httpTypes, "[resource-drop]incoming-request", request)
	want(g, "what it holds", fmt.Sprint(g.in.HoldsRequests(), g.in.held, g.in.bodies), "false 0 0")
}

// TestServeLater: what a guest keeps of a request has no effect on the next one.
func TestServeLater(t *testing.T) {
	g := newFake(t, nil)
	request, old := g.serve(&core.HTTPRequest{Method: "GET", URL: "/", Body: []byte("one")})
	g.call(httpTypes, "[method]incoming-request.consume", request, area)
	body := g.u32(area + 4)
	g.call(httpTypes, "[method]incoming-body.stream", body, area)
	stream := g.u32(area + 4)
	g.failedWith("set no response")
	want(g, "bodies", g.in.bodies, 0)
	_, outparam := g.serve(&core.HTTPRequest{Method: "GET", URL: "/"})
	g.call("wasi:io/streams", "[method]input-stream.read", stream, 10, area)
	want(g, "read of the old body", fmt.Sprint(g.u8(area), g.u8(area+4)), fmt.Sprint(1, wit.StreamClosed))
	g.set(old, uint32(g.call(httpTypes, "[constructor]outgoing-response", g.fields())))
	g.failedWith("set no response")
	g.call(httpTypes, "[static]response-outparam.set", outparam, 1, 0, 0, 0, 0, 0, 0, 0)
	_, third := g.serve(&core.HTTPRequest{Method: "GET", URL: "/"})
	g.call(httpTypes, "[static]response-outparam.set", third, 1, uint32(core.HTTPConnectionRefused), 0, 0, 0, 0, 0, 0)
	g.failedWith("connection-refused")
}

// TestServeTooMuch: a guest that holds too much gets no request, and what it holds already does not
// grow.
func TestServeTooMuch(t *testing.T) {
	g := newFake(t, nil)
	large := []core.HTTPField{{Name: "a", Value: strings.Repeat("x", maxHeld)}}
	if _, _, err := g.in.Serve(&core.HTTPRequest{Method: "GET", URL: "/", Header: large}); err == nil || g.in.held != 0 {
		t.Errorf("got %v, and it holds %d", err, g.in.held)
	}
	for range MaxHandles {
		g.call("wasi:cli/stdin", "get-stdin")
	}
	_, _, err := g.in.Serve(&core.HTTPRequest{Method: "GET", URL: "/"})
	if trap, ok := err.(*core.TrapError); !ok || !strings.Contains(trap.Text, "4,096 resources") {
		t.Errorf("got %v", err)
	}
}

// TestServeTrace: requests that a guest sends while it handles one have the trace of that, unless they have
// one of their own.
func TestServeTrace(t *testing.T) {
	g := newFake(t, nil)
	w := g.online()
	g.handle(g.to("a"))
	_, outparam := g.serve(&core.HTTPRequest{Method: "GET", URL: "/", Header: []core.HTTPField{{Name: "traceparent", Value: "00-1"}, {Name: "tracestate", Value: "a=b"}, {Name: "x", Value: "y"}}})
	g.handle(g.to("a"))
	g.handle(g.to("a", "Traceparent", "00-2"))
	g.set(outparam, uint32(g.call(httpTypes, "[constructor]outgoing-response", g.fields())))
	if _, failure := g.in.Served(); failure != nil {
		t.Error(failure)
	}
	g.handle(g.to("a"))
	for i, header := range []string{"[]", "[{traceparent 00-1} {tracestate a=b}]", "[{traceparent 00-2}]", "[]"} {
		want(t, "header", fmt.Sprint(w.sent[i].request.Header), header)
	}
}
