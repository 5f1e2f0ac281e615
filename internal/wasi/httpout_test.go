package wasi

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/wit"
)

const outgoingHandler = "wasi:http/outgoing-handler"

// web is a fake with a host that sends requests.
type web struct {
	*fake
	sent    []*exchange
	refusal error // of the next requests
}

// exchange is a request that a test answers.
type exchange struct {
	request  *core.HTTPRequest
	done     chan struct{}
	response *core.HTTPResponse
	err      error
	canceled bool
}

func (e *exchange) Done() <-chan struct{}               { return e.done }
func (e *exchange) Result() (*core.HTTPResponse, error) { return e.response, e.err }
func (e *exchange) Cancel()                             { e.canceled = true }

func (e *exchange) end(r *core.HTTPResponse, err error) {
	e.response, e.err = r, err
	close(e.done)
}

func (w *web) StartHTTP(r *core.HTTPRequest) (core.HTTPExchange, error) {
	if w.refusal != nil {
		return nil, w.refusal
	}
	e := &exchange{request: r, done: make(chan struct{})}
	w.sent = append(w.sent, e)
	return e, nil
}

// online gives a fake a host that sends requests.
func (g *fake) online() *web {
	w := &web{fake: g}
	g.in = New(w, g.in.grants)
	return w
}

// to makes a request to a host with these headers.
func (g *fake) to(authority string, headers ...string) uint32 {
	g.Helper()
	r := uint32(g.call(httpTypes, "[constructor]outgoing-request", g.fields(headers...)))
	want(g, "set-authority", g.call(httpTypes, "[method]outgoing-request.set-authority", r, 1, authority), 0)
	return r
}

// handle sends a request without a body, and returns the future.
func (g *fake) handle(request uint32) uint32 {
	g.Helper()
	g.call(outgoingHandler, "handle", request, 0, 0)
	if g.u8(area) != 0 {
		g.Fatalf("handle: error-code %d", g.u8(area+8))
	}
	return g.u32(area + 8)
}

// code returns the error-code at this address, with its payload if that is a size or a text.
func (g *fake) code(at uint32) string {
	g.Helper()
	switch code := core.HTTPErrorCode(g.u8(at)); {
	case code == core.HTTPInternalError && g.u8(at+8) == 1:
		return fmt.Sprint(code, " ", g.text(at+12))
	case code == core.HTTPRequestBodySize && g.u8(at+8) == 1, code == core.HTTPResponseBodySize && g.u8(at+8) == 1:
		return fmt.Sprint(code, " ", g.u64(at+16))
	default:
		return code.String()
	}
}

// get is get of a future: "none", "given", an error-code, or "ok" with the response at area+24.
func (g *fake) get(future uint32) string {
	g.Helper()
	g.call(httpTypes, "[method]future-incoming-response.get", future)
	switch {
	case g.u8(area) == 0:
		return "none"
	case g.u8(area+8) == 1:
		return "given"
	case g.u8(area+16) == 1:
		return g.code(area + 24)
	}
	return "ok"
}

func (g *fake) handles() (n int) {
	for _, h := range g.in.handles.slots {
		if h != nil {
			n++
		}
	}
	return n
}

// nothingHeld checks that all resources are gone with all that they hold.
func (g *fake) nothingHeld() {
	g.Helper()
	want(g, "handles, texts, bodies, requests", fmt.Sprint(g.handles(), g.in.held, g.in.bodies, len(g.in.sent)), "0 0 0 0")
}

func testExchange(g *fake) {
	w := g.online()
	r := g.to("example.com:8080", "X-One", "1", "Content-Length", "10")
	g.call(httpTypes, "[method]outgoing-request.set-method", r, 2, 0, 0)
	g.call(httpTypes, "[method]outgoing-request.set-scheme", r, 1, wit.SchemeHTTP, 0, 0)
	g.call(httpTypes, "[method]outgoing-request.set-path-with-query", r, 1, "/a?b=c")
	g.call(httpTypes, "[method]outgoing-request.body", r)
	body := g.u32(area + 4)
	g.call(httpTypes, "[method]outgoing-body.write", body)
	stream := g.u32(area + 4)
	g.call(streams, "[method]output-stream.blocking-write-and-flush", stream, "hello")
	g.call(outgoingHandler, "handle", r, 1, testOptions(g))
	want(g, "handle", g.u8(area), 0)
	future := g.u32(area + 8)
	g.call(streams, "[method]output-stream.blocking-write-zeroes-and-flush", stream, 5)
	g.call(streams, "[resource-drop]output-stream", stream)
	want(g, "get before the body is whole", g.get(future), "none")
	want(g, "requests", len(w.sent), 0)
	g.call(httpTypes, "[static]outgoing-body.finish", body, 0, 0)
	want(g, "finish", g.u8(area), 0)
	want(g, "requests", len(w.sent), 1)
	want(g, "the request", fmt.Sprintf("%+q", *w.sent[0].request),
		fmt.Sprintf("%+q", core.HTTPRequest{Method: "POST", URL: "http://example.com:8080/a?b=c", Header: []core.HTTPField{{Name: "x-one", Value: "1"}},
			Body: []byte("hello\x00\x00\x00\x00\x00"), Timeouts: core.HTTPTimeouts{Connect: 1000, FirstByte: 1001, BetweenBytes: 1002}}))

	want(g, "get before the response", g.get(future), "none")
	ready := uint32(g.call(httpTypes, "[method]future-incoming-response.subscribe", future))
	want(g, "ready", g.call(pollIn, "[method]pollable.ready", ready), 0)
	soon, late := g.call(monoClock, "subscribe-duration", uint64(5*time.Millisecond)), g.call(monoClock, "subscribe-duration", ^uint64(0))
	list := g.words(uint32(late), ready, uint32(soon))
	g.call(pollIn, "poll", list, 3)
	want(g, "the time comes first", fmt.Sprint(g.u32(area+4), g.u32(g.u32(area))), "1 2")
	time.AfterFunc(2500*time.Microsecond, func() {
		w.sent[0].end(&core.HTTPResponse{Status: 201, Header: []core.HTTPField{{Name: "a", Value: "b"}}, Body: []byte("0123456789"),
			Trailer: []core.HTTPField{{Name: "t", Value: "u"}}}, nil)
	})
	g.slept = 0
	g.call(pollIn, "poll", list, 2)
	want(g, "the response comes first", fmt.Sprint(g.u32(area+4), g.u32(g.u32(area))), "1 1")
	want(g, "time asleep", g.slept, 2500*time.Microsecond)
	g.call(pollIn, "[method]pollable.block", ready)
	want(g, "get", g.get(future), "ok")
	response := g.u32(area + 24)
	want(g, "a second get", g.get(future), "given")
	g.ended("children", httpTypes, "[resource-drop]future-incoming-response", future)
	for _, p := range []uint32{ready, uint32(soon), uint32(late)} {
		g.call(pollIn, "[resource-drop]pollable", p)
	}
	g.call(httpTypes, "[resource-drop]future-incoming-response", future)
	want(g, "canceled", w.sent[0].canceled, false)
	testResponse(g, response)
	g.nothingHeld()
}

func testResponse(g *fake, response uint32) {
	want(g, "status", g.call(httpTypes, "[method]incoming-response.status", response), 201)
	headers := uint32(g.call(httpTypes, "[method]incoming-response.headers", response))
	want(g, "headers", g.entries(headers), "a b")
	g.call(httpTypes, "[method]fields.append", headers, "c", "d")
	g.headerErrorIs("append to a response's headers", wit.HeaderImmutable)
	g.ended("children", httpTypes, "[resource-drop]incoming-response", response)
	g.call(httpTypes, "[resource-drop]fields", headers)
	g.call(httpTypes, "[method]incoming-response.consume", response)
	want(g, "consume", g.u8(area), 0)
	body := g.u32(area + 4)
	g.call(httpTypes, "[method]incoming-response.consume", response)
	want(g, "a second consume", g.u8(area), 1)
	g.call(httpTypes, "[resource-drop]incoming-response", response)

	g.call(httpTypes, "[method]incoming-body.stream", body)
	want(g, "stream", g.u8(area), 0)
	stream := g.u32(area + 4)
	g.call(httpTypes, "[method]incoming-body.stream", body)
	want(g, "a second stream", g.u8(area), 1)
	ready := g.call(streams, "[method]input-stream.subscribe", stream)
	want(g, "ready", g.call(pollIn, "[method]pollable.ready", ready), 1)
	g.call(pollIn, "[resource-drop]pollable", ready)
	g.call(streams, "[method]input-stream.read", stream, 0)
	want(g, "read of nothing", fmt.Sprint(g.u8(area), g.u32(area+8)), "0 0")
	g.call(streams, "[method]input-stream.read", stream, 2)
	want(g, "read", fmt.Sprint(g.u8(area), g.text(area+4)), "001")
	g.call(streams, "[method]input-stream.blocking-skip", stream, 3)
	want(g, "skip", fmt.Sprint(g.u8(area), g.u64(area+8)), "0 3")
	out := g.call("wasi:cli/stdout", "get-stdout")
	g.call(streams, "[method]output-stream.splice", out, stream, 2)
	want(g, "splice", fmt.Sprint(g.u8(area), g.u64(area+8), g.log.String()), "0 21:56 ")
	g.call(streams, "[resource-drop]output-stream", out)
	g.call(streams, "[method]input-stream.blocking-read", stream, ^uint64(0))
	want(g, "blocking-read", fmt.Sprint(g.u8(area), g.text(area+4)), "0789")
	for range 2 {
		g.call(streams, "[method]input-stream.read", stream, 1)
		closedAt(g, "read at the end")
	}
	g.ended("children", httpTypes, "[static]incoming-body.finish", body)
	g.call(streams, "[resource-drop]input-stream", stream)
	want(g, "bytes of bodies", g.in.bodies, 10)

	trailers := g.call(httpTypes, "[static]incoming-body.finish", body)
	ready = g.call(httpTypes, "[method]future-trailers.subscribe", trailers)
	want(g, "trailers are ready", g.call(pollIn, "[method]pollable.ready", ready), 1)
	g.call(pollIn, "[resource-drop]pollable", ready)
	g.call(httpTypes, "[method]future-trailers.get", trailers)
	want(g, "trailers", fmt.Sprint(g.u8(area), g.u8(area+8), g.u8(area+16), g.u8(area+24)), "1 0 0 1")
	fields := g.u32(area + 28)
	want(g, "trailers", g.entries(fields), "t u")
	g.call(httpTypes, "[method]future-trailers.get", trailers)
	want(g, "trailers again", fmt.Sprint(g.u8(area), g.u8(area+8)), "1 1")
	g.call(httpTypes, "[resource-drop]fields", fields)
	g.call(httpTypes, "[resource-drop]future-trailers", trailers)
}

// testFailures: errors have their codes, and each end of a resource gives back all that it holds.
func testFailures(g *fake) {
	w := g.online()
	for _, err := range []*core.HTTPError{
		{Code: core.HTTPConnectionRefused}, {Code: core.HTTPDNSError, Text: "no text here"}, {Code: core.HTTPResponseHeaderSize},
		{Code: 22}, {Code: 24}, {Code: 14}, {Code: core.HTTPInternalError}, {Code: core.HTTPResponseBodySize},
	} {
		future := g.handle(g.to("a"))
		w.sent[len(w.sent)-1].end(nil, err)
		want(g, "get", g.get(future), err.Code.String())
		g.call(httpTypes, "[resource-drop]future-incoming-response", future)
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{&core.HTTPError{Code: core.HTTPInternalError, Text: "a\xff"}, "internal-error a\ufffd"},
		{&core.HTTPError{Code: core.HTTPResponseBodySize, Size: 7}, "HTTP-response-body-size 7"},
		{&core.HTTPError{Code: 200, Text: "x"}, "internal-error x"},
		{fmt.Errorf("some error"), "internal-error some error"},
	} {
		w.refusal = c.err
		g.call(outgoingHandler, "handle", g.to("a"), 0, 0)
		want(g, "handle", fmt.Sprint(g.u8(area), g.code(area+8)), "1"+c.want)
	}
	w.refusal = nil
	for i, set := range []func(r uint32){
		func(r uint32) { g.call(httpTypes, "[method]outgoing-request.set-authority", r, 0, 0, 0) },
		func(r uint32) { g.call(httpTypes, "[method]outgoing-request.set-path-with-query", r, 1, ".evil.com/") },
		func(r uint32) { g.call(httpTypes, "[method]outgoing-request.set-path-with-query", r, 1, "*") },
	} {
		r := g.to("a")
		set(r)
		g.call(outgoingHandler, "handle", r, 0, 0)
		want(g, fmt.Sprint("a wrong URL ", i), fmt.Sprint(g.u8(area), g.code(area+8)), "1HTTP-request-URI-invalid")
	}
	g.call(outgoingHandler, "handle", g.to("a", "content-length", "3"), 0, 0)
	want(g, "a length without a body", fmt.Sprint(g.u8(area), g.code(area+8)), "1HTTP-request-body-size")
	testAborts(g, w)
	testUnread(g, w)
	g.nothingHeld()
	testTooLarge(g)
	g.nothingHeld()
}

// withBody makes a request, and takes its body.
func (g *fake) withBody(headers ...string) (request, body uint32) {
	g.Helper()
	request = g.to("a", headers...)
	g.call(httpTypes, "[method]outgoing-request.body", request)
	return request, g.u32(area + 4)
}

func testAborts(g *fake, w *web) {
	before := len(w.sent)
	r, body := g.withBody()
	future := g.handle(r)
	g.call(httpTypes, "[resource-drop]outgoing-body", body)
	want(g, "get after the body was dropped", g.get(future), "HTTP-protocol-error")
	want(g, "a second get", g.get(future), "given")
	g.call(httpTypes, "[resource-drop]future-incoming-response", future)

	r, body = g.withBody()
	g.call(httpTypes, "[resource-drop]outgoing-body", body)
	g.call(outgoingHandler, "handle", r, 0, 0)
	want(g, "handle after the body was dropped", fmt.Sprint(g.u8(area), g.code(area+8)), "1HTTP-protocol-error")

	r, body = g.withBody()
	future = g.handle(r)
	g.call(httpTypes, "[resource-drop]future-incoming-response", future)
	g.call(httpTypes, "[static]outgoing-body.finish", body, 0, 0)
	want(g, "finish after the future was dropped", g.u8(area), 0)

	r, body = g.withBody()
	future = g.handle(r)
	g.call(httpTypes, "[static]outgoing-body.finish", body, 1, g.fields("a", "b"))
	want(g, "trailers", fmt.Sprint(g.u8(area), g.code(area+8)), "1internal-error trailers are not sent: use headers")
	want(g, "get", g.get(future), "internal-error trailers are not sent: use headers")
	g.call(httpTypes, "[resource-drop]future-incoming-response", future)
	want(g, "requests", len(w.sent), before)

	r, body = g.withBody()
	g.call(httpTypes, "[static]outgoing-body.finish", body, 1, g.fields())
	want(g, "no trailers", g.u8(area), 0)
	future = g.handle(r)
	want(g, "requests", len(w.sent), before+1)
	g.call(httpTypes, "[resource-drop]future-incoming-response", future)
	want(g, "canceled", w.sent[before].canceled, true)

	r, body = g.withBody()
	future = g.handle(r)
	w.refusal = &core.HTTPError{Code: core.HTTPRequestDenied, Text: "no"}
	g.call(httpTypes, "[static]outgoing-body.finish", body, 0, 0)
	want(g, "finish of a request that is denied", g.u8(area), 0)
	ready := g.call(httpTypes, "[method]future-incoming-response.subscribe", future)
	want(g, "ready", g.call(pollIn, "[method]pollable.ready", ready), 1)
	g.call(pollIn, "[resource-drop]pollable", ready)
	want(g, "get", g.get(future), "HTTP-request-denied")
	g.call(httpTypes, "[resource-drop]future-incoming-response", future)
	w.refusal = nil
}

// testUnread drops a response without a look at its body, and a body without a look at its bytes.
func testUnread(g *fake, w *web) {
	for _, consumed := range []bool{false, true} {
		future := g.handle(g.to("a"))
		w.sent[len(w.sent)-1].end(&core.HTTPResponse{Body: []byte("unread"), Trailer: []core.HTTPField{{Name: "t"}}}, nil)
		want(g, "get", g.get(future), "ok")
		response := g.u32(area + 24)
		if consumed {
			g.call(httpTypes, "[method]incoming-response.consume", response)
			g.call(httpTypes, "[resource-drop]incoming-body", g.u32(area+4))
		}
		g.call(httpTypes, "[resource-drop]incoming-response", response)
		g.call(httpTypes, "[resource-drop]future-incoming-response", future)
	}
	future := g.handle(g.to("a"))
	w.sent[len(w.sent)-1].end(&core.HTTPResponse{Trailer: []core.HTTPField{{Name: "t"}}}, nil)
	g.get(future)
	response := g.u32(area + 24)
	g.call(httpTypes, "[method]incoming-response.consume", response)
	g.call(httpTypes, "[resource-drop]future-trailers", g.call(httpTypes, "[static]incoming-body.finish", g.u32(area+4)))
	g.call(httpTypes, "[resource-drop]incoming-response", response)
	g.call(httpTypes, "[resource-drop]future-incoming-response", future)
}

// testErrorCodes: an error of one kind of streams is none of another kind.
func testErrorCodes(g *fake) {
	e := g.in.handles.add("error", &streamError{text: "full"})
	for in, name := range map[string]string{httpTypes: "http-error-code", "wasi:filesystem/types": "filesystem-error-code", "wasi:sockets/network": "network-error-code"} {
		g.memory[area] = 7
		g.call(in, name, e)
		want(g, name, g.u8(area), 0)
	}
}

// testTooLarge: a body that is too large is an error of its stream.
func testTooLarge(g *fake) {
	r, body := g.withBody()
	future := g.handle(r)
	g.call(httpTypes, "[method]outgoing-body.write", body)
	stream := g.u32(area + 4)
	for range maxBodies / maxPermit {
		g.call(streams, "[method]output-stream.check-write", stream)
		g.call(streams, "[method]output-stream.write-zeroes", stream, maxPermit)
		want(g, "write", g.u8(area), 0)
	}
	g.call(streams, "[method]output-stream.blocking-write-and-flush", stream, "x")
	want(g, "write", fmt.Sprint(g.u8(area), g.u8(area+4)), fmt.Sprint(1, wit.StreamFailed))
	failure := g.u32(area + 8)
	g.call("wasi:io/error", "[method]error.to-debug-string", failure)
	want(g, "to-debug-string", strings.Contains(g.text(area), "more than 16 MiB"), true)
	g.call(httpTypes, "http-error-code", failure)
	want(g, "http-error-code", fmt.Sprint(g.u8(area), g.code(area+8)), "1HTTP-request-body-size 16777217")
	g.call("wasi:io/error", "[resource-drop]error", failure)
	g.call(streams, "[method]output-stream.flush", stream)
	closedAt(g, "flush")
	g.call(streams, "[resource-drop]output-stream", stream)
	g.call(httpTypes, "[static]outgoing-body.finish", body, 0, 0)
	want(g, "finish", fmt.Sprint(g.u8(area), g.code(area+8)), "1HTTP-request-body-size 16777217")
	want(g, "get", g.get(future), "HTTP-request-body-size 16777217")
	g.call(httpTypes, "[resource-drop]future-incoming-response", future)
}

// TestTargets: the URL has the host that the guest has named, in any of the forms.
func TestTargets(t *testing.T) {
	for _, c := range []struct{ scheme, path, want string }{
		{"", "", "https://h/"}, {"", "?a", "https://h/?a"}, {"http", "/x", "http://h/x"}, {"https", "//evil", "https://h//evil"},
		{"ws+x", "/", "ws+x://h/"},
	} {
		g := newFake(t, nil)
		w := g.online()
		r := g.to("h")
		switch c.scheme {
		case "":
		case "http":
			g.call(httpTypes, "[method]outgoing-request.set-scheme", r, 1, wit.SchemeHTTP, 0, 0)
		case "https":
			g.call(httpTypes, "[method]outgoing-request.set-scheme", r, 1, wit.SchemeHTTPS, 0, 0)
		default:
			g.call(httpTypes, "[method]outgoing-request.set-scheme", r, 1, wit.SchemeOther, c.scheme)
		}
		if c.path != "" {
			g.call(httpTypes, "[method]outgoing-request.set-path-with-query", r, 1, c.path)
		}
		g.handle(r)
		want(t, "method", w.sent[0].request.Method, "GET")
		want(t, "URL", w.sent[0].request.URL, c.want)
	}
}

// TestTooMuchComesIn: a response that is too large beside others that the guest holds is an error.
func TestTooMuchComesIn(t *testing.T) {
	g := newFake(t, nil)
	w := g.online()
	receive := func(r *core.HTTPResponse) string {
		t.Helper()
		future := g.handle(g.to("a"))
		w.sent[len(w.sent)-1].end(r, nil)
		defer g.call(httpTypes, "[resource-drop]future-incoming-response", future)
		return g.get(future)
	}
	large := &core.HTTPResponse{Status: 200, Body: make([]byte, maxBodies+1)}
	want(t, "one that is larger than all together", receive(large), "ok")
	first := g.u32(area + 24)
	want(t, "another one", receive(&core.HTTPResponse{Body: []byte("x")}), "HTTP-response-body-size 1")
	g.call(httpTypes, "[resource-drop]incoming-response", first)
	want(t, "one after the first was dropped", receive(&core.HTTPResponse{Body: []byte("x")}), "ok")
	one := g.u32(area + 24)
	want(t, "one that is large", receive(&core.HTTPResponse{Body: make([]byte, maxBodies)}), "HTTP-response-body-size 16777216")
	field := core.HTTPField{Name: "n", Value: strings.Repeat("v", maxHeld/2)}
	header := &core.HTTPResponse{Header: []core.HTTPField{field}}
	want(t, "a large header", receive(header), "ok")
	two := g.u32(area + 24)
	want(t, "another large header", receive(header), "HTTP-response-header-section-size")
	g.call(httpTypes, "[method]incoming-response.consume", one)
	g.call(httpTypes, "[resource-drop]incoming-body", g.u32(area+4))
	for _, r := range []uint32{one, two} {
		g.call(httpTypes, "[resource-drop]incoming-response", r)
	}
	g.nothingHeld()
}

// TestUntakenResponses: a guest that gets none of its responses sends no more requests when they are
// too large together.
func TestUntakenResponses(t *testing.T) {
	g := newFake(t, nil)
	w := g.online()
	var futures []uint32
	send := func() {
		t.Helper()
		futures = append(futures, g.handle(g.to("a")))
	}
	refused := func() {
		t.Helper()
		g.call(outgoingHandler, "handle", g.to("a"), 0, 0)
		want(t, "another one", fmt.Sprint(g.u8(area), g.code(area+8)), "1connection-limit-reached")
	}
	header := []core.HTTPField{{Name: "n", Value: strings.Repeat("v", 1<<20)}}
	for i := range 18 {
		send()
		if i > 0 { // the first one is never answered, the second has no response
			w.sent[i].end(&core.HTTPResponse{Header: header}, map[int]error{1: errFull}[i])
		}
	}
	refused()
	want(t, "get", g.get(futures[17]), "HTTP-response-header-section-size")
	send()
	w.sent[18].end(&core.HTTPResponse{Body: make([]byte, 2<<20)}, nil)
	refused()
	for _, f := range futures {
		g.call(httpTypes, "[resource-drop]future-incoming-response", f)
	}
	g.nothingHeld()
	g.handle(g.to("a"))
	want(t, "requests", len(w.sent), 20)
}

// TestWaitingForItself: a guest that only waits for a response to a request that is not sent ends.
func TestWaitingForItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer func(was time.Time) { began = was }(began)
		began = time.Now() // by the clock of this test
		g := newFake(t, nil)
		g.online()
		r, _ := g.withBody()
		ready := uint32(g.call(httpTypes, "[method]future-incoming-response.subscribe", g.handle(r)))
		soon := g.call(monoClock, "subscribe-duration", uint64(time.Millisecond))
		list := g.words(ready, uint32(soon))
		g.call(pollIn, "poll", list, 2)
		want(t, "ready", fmt.Sprint(g.u32(area+4), g.u32(g.u32(area))), "1 1")
		g.ended("whose body it has not finished", pollIn, "poll", list, 1)
		g.ended("whose body it has not finished", pollIn, "[method]pollable.block", ready)
	})
}

// TestInterruptedExchange: a guest that waits for a response can be ended.
func TestInterruptedExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newFake(t, nil)
		g.online()
		ready := g.call(httpTypes, "[method]future-incoming-response.subscribe", g.handle(g.to("a")))
		g.interruptAt = g.checks + 100
		g.ended("interrupted", pollIn, "[method]pollable.block", ready)
		want(t, "time asleep", g.slept, 99*sleepSlice)
	})
}
