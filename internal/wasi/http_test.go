package wasi

import (
	"fmt"
	"strings"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/wit"
)

// pairs keeps a list of names and values in memory.
func (g *fake) pairs(texts ...string) (list uint32, n int) {
	var words []uint32
	for _, t := range texts {
		words = append(words, g.note([]byte(t)), uint32(len(t)))
	}
	return g.words(words...), len(texts) / 2
}

// fields makes fields of names and values.
func (g *fake) fields(texts ...string) uint32 {
	g.Helper()
	list, n := g.pairs(texts...)
	g.call(httpTypes, "[static]fields.from-list", list, n)
	want(g, "from-list", g.u8(area), 0)
	return g.u32(area + 4)
}

// headerErrorIs checks that the last result is this header-error, or success if it is -1.
func (g *fake) headerErrorIs(what string, number int) {
	g.Helper()
	got := -1
	if g.u8(area) == 1 {
		got = int(g.u8(area + 1))
	}
	want(g, what, got, number)
}

func (g *fake) entries(fields uint32) string {
	g.Helper()
	g.call(httpTypes, "[method]fields.entries", fields)
	return strings.Join(g.texts(area, 2), " ")
}

func testFields(g *fake) {
	f := uint32(g.call(httpTypes, "[constructor]fields"))
	g.call(httpTypes, "[method]fields.append", f, "Accept", "a")
	g.headerErrorIs("append", -1)
	g.call(httpTypes, "[method]fields.append", f, "accept", "b")
	list, _ := g.pairs("1", "2")
	g.call(httpTypes, "[method]fields.set", f, "x-n", list, 2)
	g.headerErrorIs("set", -1)
	want(g, "entries", g.entries(f), "Accept a accept b x-n 1 x-n 2")
	g.call(httpTypes, "[method]fields.get", f, "ACCEPT")
	want(g, "get", fmt.Sprint(g.texts(area, 1)), "[a b]")
	g.call(httpTypes, "[method]fields.get", f, "not there")
	want(g, "get of a name that is none", g.u32(area+4), 0)
	want(g, "has", g.call(httpTypes, "[method]fields.has", f, "X-N"), 1)
	want(g, "has not", g.call(httpTypes, "[method]fields.has", f, "y"), 0)
	clone := uint32(g.call(httpTypes, "[method]fields.clone", f))
	g.call(httpTypes, "[method]fields.delete", f, "accept")
	g.headerErrorIs("delete", -1)
	g.call(httpTypes, "[method]fields.set", f, "x-n", list, 1)
	want(g, "entries", g.entries(f), "x-n 1")
	want(g, "entries of the clone", g.entries(clone), "Accept a accept b x-n 1 x-n 2")

	for name, number := range map[string]int{"": wit.HeaderInvalidSyntax, "a b": wit.HeaderInvalidSyntax, "a\n": wit.HeaderInvalidSyntax, "ä": wit.HeaderInvalidSyntax, "Host": wit.HeaderForbidden, "connection": wit.HeaderForbidden} {
		g.call(httpTypes, "[method]fields.append", f, name, "v")
		g.headerErrorIs("append "+name, number)
		g.call(httpTypes, "[method]fields.set", f, name, list, 2)
		g.headerErrorIs("set "+name, number)
		g.call(httpTypes, "[method]fields.delete", f, name)
		g.headerErrorIs("delete "+name, number)
		wrong, n := g.pairs("good", "v", name, "v")
		g.call(httpTypes, "[static]fields.from-list", wrong, n)
		want(g, "from-list", fmt.Sprint(g.u8(area), g.u8(area+4)), fmt.Sprint(1, number))
	}
	for _, value := range []string{"a\r", "\n", "\x00", "\x7f"} {
		g.call(httpTypes, "[method]fields.append", f, "v", value)
		g.headerErrorIs("append a value", wit.HeaderInvalidSyntax)
	}
	g.call(httpTypes, "[method]fields.append", f, "v", "\xff\tz")
	g.headerErrorIs("append a value", -1)
	want(g, "what it holds", g.in.held, 6*fieldSize+len("x-n1v.tz"+"Accepta"+"acceptb"+"x-n1"+"x-n2"))
	g.call(httpTypes, "[resource-drop]fields", clone)
	g.call(httpTypes, "[resource-drop]fields", f)
	want(g, "what it holds in the end", g.in.held, 0)
}

// part checks an optional text of a request.
func (g *fake) part(request uint32, name string, has bool, text string) {
	g.Helper()
	g.call(httpTypes, "[method]outgoing-request."+name, request)
	if want(g, name, g.u8(area) == 1, has); has {
		want(g, name, g.text(area+4), text)
	}
}

func testRequests(g *fake) {
	r := uint32(g.call(httpTypes, "[constructor]outgoing-request", g.fields("a", "b")))
	h := uint32(g.call(httpTypes, "[method]outgoing-request.headers", r))
	want(g, "headers", g.entries(h), "a b")
	g.call(httpTypes, "[method]fields.append", h, "c", "d")
	g.headerErrorIs("append to a request's headers", wit.HeaderImmutable)
	g.call(httpTypes, "[method]fields.delete", h, "a")
	g.headerErrorIs("delete a request's header", wit.HeaderImmutable)

	again := uint32(g.call(httpTypes, "[method]outgoing-request.headers", r))
	g.call(httpTypes, "[resource-drop]fields", again)
	want(g, "headers after others were dropped", g.entries(h), "a b")

	g.call(httpTypes, "[method]outgoing-request.method", r)
	want(g, "method", g.u8(area), wit.MethodGet)
	want(g, "set-method", g.call(httpTypes, "[method]outgoing-request.set-method", r, wit.MethodOther, "PURGE"), 0)
	want(g, "set-method", g.call(httpTypes, "[method]outgoing-request.set-method", r, wit.MethodOther, "A B"), 1)
	g.call(httpTypes, "[method]outgoing-request.method", r)
	want(g, "method", fmt.Sprint(g.u8(area), g.text(area+4)), "9PURGE")

	for name, texts := range map[string][]string{
		"path-with-query": {"/a/b?c=%20&d", "/a b", "/%zz", "/#", "/\n"},
		"authority":       {"example.com:8080", "", "a b", "a/b", "a:", "a:x", "[::1"},
	} {
		g.part(r, name, false, "")
		for i, text := range texts {
			want(g, "set-"+name+" "+text, g.call(httpTypes, "[method]outgoing-request.set-"+name, r, 1, text), uint64(min(i, 1)))
		}
		g.part(r, name, true, texts[0])
	}
	want(g, "set-authority to none", g.call(httpTypes, "[method]outgoing-request.set-authority", r, 0, 0, 0), 0)
	g.part(r, "authority", false, "")

	g.call(httpTypes, "[method]outgoing-request.scheme", r)
	want(g, "scheme", g.u8(area), 0)
	setScheme := "[method]outgoing-request.set-scheme"
	want(g, "set-scheme", g.call(httpTypes, setScheme, r, 1, 1, 0, 0), 0)
	want(g, "set-scheme", g.call(httpTypes, setScheme, r, 1, wit.SchemeOther, "ws+x"), 0)
	for _, wrong := range []string{"", "1a", "a b", "ä"} {
		want(g, "set-scheme "+wrong, g.call(httpTypes, setScheme, r, 1, wit.SchemeOther, wrong), 1)
	}
	g.call(httpTypes, "[method]outgoing-request.scheme", r)
	want(g, "scheme", fmt.Sprint(g.u8(area), g.u8(area+4), g.text(area+8)), "1 2ws+x")
	held := g.in.held
	want(g, "what it holds", held, fieldSize+len("ab"+"PURGE"+"/a/b?c=%20&d"+"ws+x"))

	// Another request may be made of the headers, which stay those of this one.
	other := g.call(httpTypes, "[constructor]outgoing-request", h)
	want(g, "what both hold", g.in.held, held+fieldSize+2)
	g.call(httpTypes, "[resource-drop]outgoing-request", other)

	want(g, "set-authority", g.call(httpTypes, "[method]outgoing-request.set-authority", r, 1, "example.com"), 0)
	options := testOptions(g)
	g.call("wasi:http/outgoing-handler", "handle", r, 1, options)
	want(g, "handle", fmt.Sprint(g.u8(area), g.u8(area+8)), fmt.Sprint(1, uint8(core.HTTPRequestDenied)))
	want(g, "what it holds in the end", g.in.held, 0)
	g.ended("does not exist", httpTypes, "[method]outgoing-request.method", r)
	g.ended("does not exist", httpTypes, "[resource-drop]request-options", options)
}

func testOptions(g *fake) uint64 {
	options := g.call(httpTypes, "[constructor]request-options")
	for i, name := range []string{"connect-timeout", "first-byte-timeout", "between-bytes-timeout"} {
		g.call(httpTypes, "[method]request-options."+name, options)
		want(g, name, g.u8(area), 0)
		want(g, "set-"+name, g.call(httpTypes, "[method]request-options.set-"+name, options, 1, 1000+i), 0)
	}
	g.call(httpTypes, "[method]request-options.first-byte-timeout", options)
	want(g, "first-byte-timeout", fmt.Sprint(g.u8(area), g.u64(area+8)), "1 1001")
	g.call(httpTypes, "[resource-drop]request-options", g.call(httpTypes, "[constructor]request-options"))
	return options
}

func testResponses(g *fake) {
	r := g.call(httpTypes, "[constructor]outgoing-response", g.fields("a", "b"))
	want(g, "status-code", g.call(httpTypes, "[method]outgoing-response.status-code", r), 200)
	for status, fails := range map[int]uint64{99: 1, 1000: 1, 404: 0} {
		want(g, "set-status-code", g.call(httpTypes, "[method]outgoing-response.set-status-code", r, status), fails)
	}
	want(g, "status-code", g.call(httpTypes, "[method]outgoing-response.status-code", r), 404)
	h := g.call(httpTypes, "[method]outgoing-response.headers", r)
	g.ended("children", httpTypes, "[resource-drop]outgoing-response", r)
	g.call(httpTypes, "[resource-drop]fields", h)
	g.call(httpTypes, "[method]outgoing-response.body", r)
	want(g, "body", g.u8(area), 0)
	body := g.u32(area + 4)
	g.call(httpTypes, "[method]outgoing-response.body", r)
	want(g, "a second body", g.u8(area), 1)
	g.call(httpTypes, "[resource-drop]outgoing-response", r)
	want(g, "what it holds in the end", g.in.held, 0)
	g.call(httpTypes, "[static]outgoing-body.finish", body, 0, 0)
	want(g, "finish", g.u8(area), 0)
}

// request makes a request and returns it with its body and the body's stream.
func (g *fake) request(headers ...string) (request, body, stream uint32) {
	g.Helper()
	request = uint32(g.call(httpTypes, "[constructor]outgoing-request", g.fields(headers...)))
	g.call(httpTypes, "[method]outgoing-request.body", request)
	body = g.u32(area + 4)
	g.call(httpTypes, "[method]outgoing-body.write", body)
	want(g, "write", g.u8(area), 0)
	return request, body, g.u32(area + 4)
}

func testBodies(g *fake) {
	request, body, stream := g.request("Content-Length", "5")
	g.call(httpTypes, "[method]outgoing-body.write", body)
	want(g, "a second stream", g.u8(area), 1)
	g.call(streams, "[method]output-stream.blocking-write-and-flush", stream, "six123")
	want(g, "write", g.u8(area), 0)
	want(g, "the log", g.log.String(), "")
	g.ended("children", httpTypes, "[static]outgoing-body.finish", body, 0, 0)
	g.call(streams, "[resource-drop]output-stream", stream)
	g.call(httpTypes, "[static]outgoing-body.finish", body, 1, g.fields("trailer", "x"))
	want(g, "finish", fmt.Sprint(g.u8(area), g.u8(area+8), g.u8(area+16), g.u64(area+24)), fmt.Sprint(1, uint8(core.HTTPRequestBodySize), 1, 6))
	want(g, "what it holds", g.in.held, fieldSize+len("Content-Length5"))

	g.call("wasi:http/outgoing-handler", "handle", request, 0, 0)
	want(g, "what it holds in the end", g.in.held, 0)
	request, body, stream = g.request()
	g.call(streams, "[method]output-stream.check-write", stream)
	g.call(httpTypes, "[resource-drop]outgoing-request", request)
	for _, name := range []string{"check-write", "flush"} {
		g.memory[area] = 0
		g.call(streams, "[method]output-stream."+name, stream)
		want(g, name+" after the request has gone", g.u8(area), 1)
	}
	g.memory[area] = 0
	g.call(streams, "[method]output-stream.write", stream, "x")
	want(g, "write after the request has gone", g.u8(area), 1)
	g.call(streams, "[resource-drop]output-stream", stream)
	g.call(httpTypes, "[resource-drop]outgoing-body", body)
	want(g, "bytes of bodies in the end", g.in.bodies, 0)
}
