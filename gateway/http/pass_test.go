package http_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	gateway "github.com/airhost/airhost/gateway/http"
	"github.com/airhost/airhost/guest"
)

// passing is a site that passes all requests to the component a/web, whose messages are in got.
func passing(t testing.TB, answer func(message string) string) (s *site, got chan string) {
	s = start(t, gateway.Config{Routes: []gateway.Route{{Path: "/{path...}", Target: id("a/web"), Pattern: gateway.HTTP}}})
	got = make(chan string, 100)
	s.deploy(t, "a/web", func(sender string, m []byte) ([]byte, error) {
		got <- string(m)
		return []byte(answer(string(m))), nil
	})
	return s, got
}

func always(answer string) func(string) string { return func(string) string { return answer } }

const okay = "HTTP/1.1 200 OK\r\n\r\n"

// TestPass: a component gets the whole request, and the answer is the response that it writes.
func TestPass(t *testing.T) {
	s, got := passing(t, always("HTTP/1.1 418 Short and stout\r\ncontent-type: text/html\r\nset-cookie: a=1\r\nset-cookie: b=2\r\nconnection: x-hop, close\r\nx-hop: 1\r\n"+
		"keep-alive: 5\r\nproxy-authenticate: Basic\r\ndate: now\r\nx-request-id: forged\r\n\r\n<p>tea</p>"))
	response, body := s.do(t, "PUT", "/a%2Fb/c?x=1&y=%20", "hello", "X-Request-Id", "r1", "Cookie", "c=d", "traceparent", "00-1-2-01", "Connection", "X-Own", "X-Own", "1",
		"X-Forwarded-For", "6.6.6.6", "X-Forwarded-Host", "evil", "X-Forwarded-Port", "1", "Forwarded", "for=6.6.6.6", "X-Real-Ip", "6.6.6.6", "Te", "trailers", "Proxy-Authorization", "x", "Upgrade", "websocket")
	address := strings.TrimPrefix(s.url, "http://")
	want := "PUT /a%2Fb/c?x=1&y=%20 HTTP/1.1\r\nhost: " + address + "\r\naccept-encoding: gzip\r\ncookie: c=d\r\ntraceparent: 00-1-2-01\r\nuser-agent: Go-http-client/1.1\r\n" +
		"x-forwarded-for: 127.0.0.1\r\nx-forwarded-host: " + address + "\r\nx-forwarded-proto: http\r\nx-request-id: r1\r\ncontent-length: 5\r\n\r\nhello"
	if message := <-got; message != want {
		t.Errorf("got  %q\nwant %q", message, want)
	}
	equal(t, "status", response.StatusCode, 418)
	equal(t, "body", body, "<p>tea</p>")
	for name, want := range map[string]string{
		"Content-Type": "[text/html]", "Set-Cookie": "[a=1 b=2]", "X-Hop": "[]", "Keep-Alive": "[]", "Proxy-Authenticate": "[]", "Connection": "[]",
		"Date": "[now]", "X-Request-Id": "[r1]", "Content-Length": "[10]", "X-Content-Type-Options": "[nosniff]",
	} {
		equal(t, name, response.Header.Values(name), want)
	}
}

// TestPassMethods: all methods but CONNECT pass, and an answer has a body only where HTTP allows it.
func TestPassMethods(t *testing.T) {
	s, got := passing(t, func(m string) string {
		if strings.Contains(m, "/none") {
			return "HTTP/1.1 204 No Content\r\n\r\nignored"
		}
		return "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbody"
	})
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "DELETE", "PATCH", "PROPFIND", "custom"} {
		response, body := s.do(t, method, "/", "")
		if want, message := method+" / HTTP/1.1\r\n", <-got; !strings.HasPrefix(message, want) {
			t.Errorf("got %q, want it to begin with %q", message, want)
		}
		equal(t, method, fmt.Sprint(response.StatusCode, response.Header["Content-Type"], response.ContentLength, len(body) == 0), fmt.Sprint("200 [] 4 ", method == "HEAD"))
	}
	response, body := s.do(t, "GET", "/none", "")
	equal(t, "no content", fmt.Sprint(response.StatusCode, body), "204")
	equal(t, "CONNECT", s.raw(t, "CONNECT /a HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 405 Method Not Allowed")
}

// TestNoResponse: an answer that is no response of HTTP is 502, with the reason in the log alone.
func TestNoResponse(t *testing.T) {
	for answer, reason := range map[string]string{
		"":                                       "unexpected EOF",
		"hello":                                  "no HTTP response",
		"{}\r\n\r\n":                             "no HTTP response",
		"HTTP/1.1 200 OK\r\nno colon\r\n\r\n":    "no HTTP response",
		"HTTP/1.1 200 OK\r\nbad name: 1\r\n\r\n": "bad name",
		"HTTP/1.1 200 OK\r\na: \x00\r\n\r\n":     "malformed",
		"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort":                   "unexpected EOF",
		"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab": "Content-Length",
		"HTTP/1.1 101 Switching Protocols\r\n\r\n":                            "its status is 101",
		"HTTP/1.1 700 Odd\r\n\r\n":                                            "its status is 700",
		"HTTP/1.1 99 Odd\r\n\r\n":                                             "no HTTP response",
	} {
		s, _ := passing(t, always(answer))
		response, body := s.do(t, "GET", "/", "")
		equal(t, answer, fmt.Sprint(response.StatusCode, body), `502{"error":{"code":"invalid-response","message":"the component's response is no valid HTTP response"}}`+"\n")
		if log := s.log.String(); !strings.Contains(log, "level=WARN") || !strings.Contains(log, reason) {
			t.Errorf("%q: got %q, want %q", answer, log, reason)
		}
	}
}

// TestSmuggling: what looks like two requests to somebody is one message or refused, and never
// adds a field or a line to another.
func TestSmuggling(t *testing.T) {
	s, got := passing(t, always(okay))
	for name, c := range map[string]struct{ send, answer, message string }{
		"length and chunks":  {"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n", "200 OK", "POST /a HTTP/1.1\r\n…content-length: 0\r\n\r\n"},
		"two lengths":        {"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", "400 Bad Request", ""},
		"a list of lengths":  {"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 5\r\n\r\nhello", "400 Bad Request", ""},
		"a signed length":    {"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello", "400 Bad Request", ""},
		"another coding":     {"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "501 Not Implemented", ""},
		"space before colon": {"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", "400 Bad Request", ""},
		"folded field":       {"GET /a HTTP/1.1\r\nHost: x\r\nA: b\r\n Forwarded: c\r\n\r\n", "200 OK", "GET /a HTTP/1.1\r\n…a: b Forwarded: c\r\n"},
		"bare CR":            {"GET /a HTTP/1.1\r\nHost: x\r\nA: b\rc: d\r\n\r\n", "400 Bad Request", ""},
		"zero byte":          {"GET /a HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n", "400 Bad Request", ""},
		"two hosts":          {"GET /a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "400 Bad Request", ""},
		"host with a space":  {"GET /a HTTP/1.1\r\nHost: x y\r\n\r\n", "400 Bad Request", ""},
		"absolute form":      {"GET http://evil/a?b HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK", "GET /a?b HTTP/1.1\r\nhost: evil\r\n"},
		"line in the path":   {"GET /a%0d%0aX:%20y HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK", "GET /a%0d%0aX:%20y HTTP/1.1\r\nhost: x\r\n"},
		"raw bytes":          {"GET /\xc3\xa4?\xff\" HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK", "GET /%C3%A4?%FF\" HTTP/1.1\r\nhost: x\r\n"},
		"connection: host":   {"GET /a HTTP/1.1\r\nHost: x\r\nConnection: host, x-forwarded-for\r\n\r\n", "200 OK", "GET /a HTTP/1.1\r\nhost: x\r\n…x-forwarded-for: 127.0.0.1"},
		"spoofed case":       {"GET /a HTTP/1.1\r\nHost: x\r\nx-ForWarded-fOR: 6.6.6.6\r\n\r\n", "200 OK", "GET /a HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 127.0.0.1\r\n"},
		"chunk extension":    {"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: Host\r\n\r\n5;a=b\r\nhello\r\n0\r\nHost: evil\r\n\r\n", "200 OK", "POST /a HTTP/1.1\r\nhost: x\r\n…content-length: 5\r\n\r\nhello"},
	} {
		t.Run(name, func(t *testing.T) {
			if answer := s.raw(t, c.send); !strings.HasPrefix(answer, "HTTP/1.1 "+c.answer) {
				t.Errorf("got %s, want %s", answer, c.answer)
			}
			if c.message == "" {
				equal(t, "messages", len(got), 0)
				return
			}
			message := <-got
			for part := range strings.SplitSeq(c.message, "…") {
				if !strings.Contains(message, part) {
					t.Errorf("got %q, want %q in it", message, part)
				}
			}
			equal(t, "lines that begin a request", strings.Count(message, " HTTP/1.1\r\n"), 1)
			if strings.Contains(message, "6.6.6.6") || strings.Contains(message, "smuggled") {
				t.Errorf("got %q", message)
			}
		})
	}
}

// TestSmugglingByHTTP2: fields of HTTP/2 that would be lines or spaces in HTTP/1.1 are refused.
func TestSmugglingByHTTP2(t *testing.T) {
	s, got := passing(t, always(okay))
	for name, fields := range map[string][]string{
		"method":       {":method", "GET /x HTTP/1.1 y", ":path", "/", ":authority", "x", ":scheme", "http"},
		"method line":  {":method", "GET / HTTP/1.1\r\nX: y", ":path", "/", ":authority", "x", ":scheme", "http"},
		"path":         {":method", "GET", ":path", "/ HTTP/1.1\r\nX: y", ":authority", "x", ":scheme", "http"},
		"host":         {":method", "GET", ":path", "/", ":authority", "x\r\nX: y", ":scheme", "http"},
		"host's space": {":method", "GET", ":path", "/", ":authority", "x y", ":scheme", "http"},
		"value":        {":method", "GET", ":path", "/", ":authority", "x", ":scheme", "http", "a", "b\r\nx: y"},
		"name":         {":method", "GET", ":path", "/", ":authority", "x", ":scheme", "http", "a: b\r\nx", "y"},
		"name's colon": {":method", "GET", ":path", "/", ":authority", "x", ":scheme", "http", "a:", "y"},
		"a coding":     {":method", "POST", ":path", "/", ":authority", "x", ":scheme", "http", "transfer-encoding", "chunked"},
	} {
		if status := http2Status(t, s.Addr(), fields); status == "200" {
			t.Errorf("%s: the answer is 200, and the message %q", name, <-got)
		}
		equal(t, name+": messages", len(got), 0)
	}
	equal(t, "plain", http2Status(t, s.Addr(), []string{":method", "GET", ":path", "/?a b", ":authority", "x", ":scheme", "http"}), "200")
	if message := <-got; !strings.HasPrefix(message, "GET /?a%20b HTTP/1.1\r\nhost: x\r\n") {
		t.Errorf("got %q", message)
	}
}

// http2Status sends a request of HTTP/2 with these fields, which may be wrong, and returns the
// status of the answer, or how it was refused.
func http2Status(t *testing.T, address net.Addr, fields []string) string {
	t.Helper()
	connection, err := net.Dial("tcp", address.String())
	check(t, err)
	defer connection.Close()
	_, err = io.WriteString(connection, http2.ClientPreface)
	check(t, err)
	framer := http2.NewFramer(connection, bufio.NewReader(connection))
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	check(t, framer.WriteSettings())
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for i := 0; i < len(fields); i += 2 {
		check(t, encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}))
	}
	check(t, framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true}))
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return err.Error()
		}
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			return f.PseudoValue("status")
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return fmt.Sprint(f)
		}
	}
}

// TestPassBounds: a body above max_body and a message above quota.message_size are 413, and a
// header that makes the message too large, too.
func TestPassBounds(t *testing.T) {
	s := start(t, gateway.Config{MaxBody: 1000, Routes: []gateway.Route{{Path: "/{path...}", Target: id("a/web"), Pattern: gateway.HTTP}}})
	check(t, s.host.Deploy(t.Context(), host.Deployment{ID: id("a/web"), Engine: native.Name, Limits: core.Limits{MessageSize: 800}, Source: native.Source(func() guest.Component {
		return component(func(string, []byte) ([]byte, error) { return []byte(okay), nil })
	})}))
	for _, c := range []struct{ body, field, want int }{{10, 10, 200}, {1001, 1, 413}, {800, 1, 413}, {1, 800, 413}} {
		response, _ := s.do(t, "POST", "/", strings.Repeat("x", c.body), "A", strings.Repeat("y", c.field))
		equal(t, fmt.Sprint(c), response.StatusCode, c.want)
	}
}

// TestPassSubtree: the most special of the routes gets a request, and a slash at the end is a path
// of its own.
func TestPassSubtree(t *testing.T) {
	s := start(t, gateway.Config{Routes: []gateway.Route{
		{Path: "/{path...}", Target: id("a/web"), Pattern: gateway.HTTP},
		{Path: "/api/{path...}", Target: id("a/api"), Pattern: gateway.HTTP, Methods: []string{http.MethodPost, http.MethodGet}},
		{Path: "/api/plain", Target: id("a/plain"), Methods: []string{http.MethodGet}},
	}})
	for name, answer := range map[string]string{"a/web": okay + "web", "a/api": okay + "api", "a/plain": "plain"} {
		s.deploy(t, name, func(string, []byte) ([]byte, error) { return []byte(answer), nil })
	}
	for path, want := range map[string]string{"/": "web", "/x/y/": "web", "/api/": "api", "/api/a/b": "api", "/api/plain": "plain"} {
		_, body := s.do(t, "GET", path, "")
		equal(t, path, body, want)
	}
	_, body := s.do(t, "DELETE", "/api/a", "")
	equal(t, "another method", body, "web")
}
