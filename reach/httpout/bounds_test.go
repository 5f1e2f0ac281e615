package httpout_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/reach/httpout"
)

// tlsServer is a server with a certificate that no system trusts.
type tlsServer struct{ url, ca string }

func newTLS(t testing.TB, handler http.HandlerFunc) tlsServer {
	s := httptest.NewUnstartedServer(handler)
	s.Config.ErrorLog = quiet()
	s.StartTLS()
	t.Cleanup(s.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	check(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600))
	return tlsServer{s.URL + "/", ca}
}

// TestSent: a request arrives as it was asked for.
func TestSent(t *testing.T) {
	var header http.Header
	port := serve(t, func(w http.ResponseWriter, r *http.Request) {
		header = r.Header
		w.Header().Set("Set-Cookie", "a=b")
		w.Header().Add("X-Two", "1")
		w.Header().Add("X-Two", "2")
		w.Header().Set("Trailer", "X-End")
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, r.Method+" "+r.Host+r.RequestURI)
		w.Header().Set("X-End", "end")
	})
	client := newClient(t, httpout.Config{Resolver: local("xn--bcher-kva.example"), Allow: loopback})
	granted := rules(t, "http://xn--bcher-kva.example:*/*")
	for range 2 {
		r, err := do(t, client, granted, core.HTTPRequest{
			Method: "PURGE", URL: "http://B\u00dccher.example:" + port + "/%7ea/\u00e4;b=c?d=%2f&e=\u00fc#f", Body: []byte("hello"),
			Header: []core.HTTPField{{Name: "traceparent", Value: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}, {Name: "content-length", Value: "5"}, {Name: "host", Value: "xn--bcher-kva.example:" + port}},
		})
		check(t, err)
		want := "PURGE xn--bcher-kva.example:" + port + "/~a/%C3%A4;b=c?d=%2f&e=%C3%BC"
		if r.Status != http.StatusTeapot || string(r.Body) != want || len(r.Trailer) != 1 || r.Trailer[0] != (core.HTTPField{Name: "x-end", Value: "end"}) {
			t.Errorf("got %+v, want %s", r, want)
		}
		text := fmt.Sprint(r.Header)
		if !strings.Contains(text, "{set-cookie a=b}") || !strings.Contains(text, "{x-two 1} {x-two 2}") {
			t.Errorf("got the header %s", text)
		}
		if header.Get("Cookie") != "" || header.Get("Accept-Encoding") != "" || header.Get("User-Agent") != "airhost" || header.Get("Traceparent") == "" {
			t.Errorf("the server got the header %v", header)
		}
	}
}

// TestNoProxy: a proxy in the environment is not used.
func TestNoProxy(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("http_proxy", "http://127.0.0.1:1")
	client := newClient(t, httpout.Config{Resolver: local("a.example.com"), Allow: loopback})
	_, err := do(t, client, rules(t, "http://a.example.com:*/*"), core.HTTPRequest{URL: "http://a.example.com:" + serve(t, echo) + "/"})
	check(t, err)
}

// TestFields: no field makes a server read another request.
func TestFields(t *testing.T) {
	client := newClient(t, httpout.Config{})
	for _, field := range []struct{ name, value, want string }{
		{"host", "example.net", "the field host is"},
		{"Host", "api.example.com@example.net", "the field host is"},
		{"host", "api.example.com:22", "the field host is"},
		{"host", "api.example.com/x", "the field host is"},
		{"host", "", "the field host is"},
		{"content-length", "4", "the body has 5 bytes"},
		{"content-length", "+5", "the body has 5 bytes"},
		{"content-length", "5, 5", "the body has 5 bytes"},
		{"transfer-encoding", "chunked", "the host's to set"},
		{"Transfer-Encoding", "identity", "the host's to set"},
		{"transfer-encoding ", "chunked", "is none"},
		{" transfer-encoding", "chunked", "is none"},
		{"transfer\tencoding", "chunked", "is none"},
		{"connection", "x-secret", "the host's to set"},
		{"proxy-connection", "close", "the host's to set"},
		{"keep-alive", "1", "the host's to set"},
		{"upgrade", "websocket", "the host's to set"},
		{"http2-settings", "x", "the host's to set"},
		{"te", "trailers", "the host's to set"},
		{"trailer", "host", "the host's to set"},
		{"expect", "100-continue", "the host's to set"},
		{"proxy-authorization", "x", "the host's to set"},
		{"x\r\nhost", "y", "is none"},
		{"x:y", "z", "is none"},
		{"", "x", "is none"},
		{"x", "y\r\nhost: example.net", "control character"},
		{"x", "y\nz", "control character"},
		{"x", "y\rz", "control character"},
		{"x", "y\x00z", "control character"},
		{"x", strings.Repeat("y", 64<<10), "more than 65536 bytes"},
	} {
		_, err := client.Prepare(&core.HTTPRequest{Method: "POST", URL: "https://api.example.com/", Body: []byte("hello"), Header: []core.HTTPField{{Name: field.name, Value: field.value}}}, rules(t, "https://api.example.com/*"))
		refused(t, fmt.Sprintf("%q: %.20q", field.name, field.value), err, core.HTTPProtocolError, field.want)
	}
	for _, method := range []string{"CONNECT", "TRACE", "GET / HTTP/1.1\r\nx: ", "a b", strings.Repeat("A", 33)} {
		_, err := client.Prepare(&core.HTTPRequest{Method: method, URL: "https://api.example.com/"}, rules(t, "https://api.example.com/*"))
		refused(t, method, err, core.HTTPRequestMethodInvalid, "")
	}
}

// TestBodies: a body is as large as http.max_body, and not larger.
func TestBodies(t *testing.T) {
	port := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/long" {
			w.Header().Set("Content-Length", "11")
		} else {
			w.(http.Flusher).Flush() // so that it is chunked
		}
		if r.Method != http.MethodHead {
			_, _ = io.WriteString(w, strings.Repeat("x", len(r.URL.Path)+5))
		}
	})
	client := newClient(t, httpout.Config{MaxBody: 10})
	granted, url := rules(t, "http://127.0.0.1:*/*"), "http://127.0.0.1:"+port
	r, err := do(t, client, granted, core.HTTPRequest{Method: "POST", URL: url + "/long"[:5], Body: make([]byte, 10)})
	refused(t, "eleven bytes, as announced", err, core.HTTPResponseBodySize, "http.max_body, 10 bytes")
	if r != nil {
		t.Errorf("got %v", r)
	}
	_, err = do(t, client, granted, core.HTTPRequest{URL: url + "/chunk"})
	refused(t, "eleven bytes in chunks", err, core.HTTPResponseBodySize, "http.max_body, 10 bytes")
	r, err = do(t, client, granted, core.HTTPRequest{URL: url + "/four"})
	if err != nil || len(r.Body) != 10 {
		t.Errorf("got %v, %v, want ten bytes", r, err)
	}
	_, err = do(t, client, granted, core.HTTPRequest{Method: "HEAD", URL: url + "/long"})
	check(t, err)
	_, err = do(t, client, granted, core.HTTPRequest{Method: "POST", URL: url + "/", Body: make([]byte, 11)})
	refused(t, "a request of eleven bytes", err, core.HTTPRequestBodySize, "http.max_body is 10")
}

// TestCompressedBody: a compressed body stays so, and is counted so.
func TestCompressedBody(t *testing.T) {
	port := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = io.WriteString(w, "packed")
	})
	r, err := do(t, newClient(t, httpout.Config{MaxBody: 10}), rules(t, "http://127.0.0.1:*/*"), core.HTTPRequest{URL: "http://127.0.0.1:" + port + "/", Header: []core.HTTPField{{Name: "accept-encoding", Value: "gzip"}}})
	if err != nil || string(r.Body) != "packed" {
		t.Errorf("got %v, %v", r, err)
	}
}

// TestAnswers: answers that are none, are too large, or do not come, are errors of their own.
func TestAnswers(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	client := newClient(t, httpout.Config{})
	for _, test := range []struct {
		name, answer string
		code         core.HTTPErrorCode
	}{
		{"nothing", "", core.HTTPConnectionTerminated},
		{"no HTTP", "hello\r\n\r\n", core.HTTPProtocolError},
		{"a header that is too large", ok + "x: " + strings.Repeat("y", 80<<10) + "\r\n\r\n", core.HTTPResponseHeaderSize},
		{"a body that ends early", ok + "content-length: 10\r\n\r\nx", core.HTTPConnectionTerminated},
		{"chunks that end early", ok + "transfer-encoding: chunked\r\n\r\n5\r\nx", core.HTTPConnectionTerminated},
		{"chunks without a size", ok + "transfer-encoding: chunked\r\n\r\nzz\r\n", core.HTTPProtocolError},
		{"two lengths", ok + "content-length: 1\r\ncontent-length: 2\r\n\r\nxx", core.HTTPProtocolError},
		{"another protocol", "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n", core.HTTPProtocolError},
		{"a redirect that is no URL", "HTTP/1.1 302 Found\r\nlocation: http://%zz/\r\ncontent-length: 0\r\n\r\n", core.HTTPProtocolError},
		{"many interim answers", strings.Repeat("HTTP/1.1 103 Early Hints\r\nx: "+strings.Repeat("y", 1000)+"\r\n\r\n", 200), core.HTTPResponseHeaderSize},
	} {
		_, err := do(t, client, rules(t, "http://127.0.0.1:*/*"), core.HTTPRequest{URL: "http://127.0.0.1:" + raw(t, test.answer) + "/"})
		refused(t, test.name, err, test.code, "")
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	address := closed.Addr().String()
	check(t, closed.Close())
	_, err = do(t, client, rules(t, "http://127.0.0.1:*/*"), core.HTTPRequest{URL: "http://" + address + "/"})
	refused(t, "a closed port", err, core.HTTPConnectionRefused, "")
	_, err = do(t, newClient(t, httpout.Config{Resolver: local()}), rules(t, "http://a.example.com/*"), core.HTTPRequest{URL: "http://a.example.com/"})
	refused(t, "an unknown name", err, core.HTTPDNSError, "no such host")
}

// TestTLS: a certificate is verified, by the name of the URL.
func TestTLS(t *testing.T) {
	server := newTLS(t, echo)
	port := server.url[strings.LastIndexByte(server.url, ':')+1:]
	granted := rules(t, "https://127.0.0.1:*/*", "https://a.example.org:*/*", "https://example.com:*/*", "http://127.0.0.1:*/*")
	trusting := newClient(t, httpout.Config{CAFile: server.ca, Allow: loopback, Resolver: local("a.example.org", "example.com")})
	for _, host := range []string{"127.0.0.1", "example.com"} {
		_, err := do(t, trusting, granted, core.HTTPRequest{URL: "https://" + host + ":" + port})
		check(t, err)
	}
	_, err := do(t, newClient(t, httpout.Config{}), granted, core.HTTPRequest{URL: server.url})
	refused(t, "an unknown authority", err, core.HTTPTLSCertificateError, "unknown authority")
	_, err = do(t, trusting, granted, core.HTTPRequest{URL: "https://a.example.org:" + port})
	refused(t, "another name", err, core.HTTPTLSCertificateError, "not a.example.org")
	_, err = do(t, trusting, granted, core.HTTPRequest{URL: "https://127.0.0.1:" + serve(t, echo) + "/"})
	refused(t, "no TLS", err, core.HTTPTLSProtocolError, "")
}

// TestTimes: a request ends by http.timeout, by its own timeouts, and with its context.
func TestTimes(t *testing.T) {
	release := make(chan struct{})
	port := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			_, _ = io.WriteString(w, "begin")
			w.(http.Flusher).Flush()
		}
		<-release
	})
	defer close(release)
	granted, url := rules(t, "http://127.0.0.1:*/*"), "http://127.0.0.1:"+port
	impatient, patient := newClient(t, httpout.Config{Timeout: 20 * time.Millisecond}), newClient(t, httpout.Config{})
	_, err := do(t, impatient, granted, core.HTTPRequest{URL: url + "/header"})
	refused(t, "http.timeout, in the header", err, core.HTTPResponseTimeout, "http.timeout")
	_, err = do(t, impatient, granted, core.HTTPRequest{URL: url + "/body"})
	refused(t, "http.timeout, in the body", err, core.HTTPResponseTimeout, "http.timeout")
	_, err = do(t, patient, granted, core.HTTPRequest{URL: url + "/header", Timeouts: core.HTTPTimeouts{FirstByte: 20 * time.Millisecond}})
	refused(t, "first byte", err, core.HTTPResponseTimeout, "own timeout of 20ms")
	_, err = do(t, patient, granted, core.HTTPRequest{URL: url + "/body", Timeouts: core.HTTPTimeouts{BetweenBytes: 20 * time.Millisecond}})
	refused(t, "between bytes", err, core.HTTPConnectionReadTimeout, "own timeout of 20ms")
	slow := newClient(t, httpout.Config{Resolver: slowResolver{}})
	_, err = do(t, slow, rules(t, "http://a.example.com/*"), core.HTTPRequest{URL: "http://a.example.com/", Timeouts: core.HTTPTimeouts{Connect: 20 * time.Millisecond}})
	refused(t, "connect", err, core.HTTPConnectionTimeout, "own timeout of 20ms")
	send, err := patient.Prepare(&core.HTTPRequest{URL: url + "/header"}, granted)
	check(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = send(ctx)
	refused(t, "a context that has ended", err, core.HTTPConnectionTerminated, "canceled")
}

// TestConnectionsEndWithTheirRequests: a request that ends takes the connection along that is being
// made for it, so that nobody can pile them up.
func TestConnectionsEndWithTheirRequests(t *testing.T) {
	slow := slowResolver{began: make(chan struct{}), ended: make(chan struct{})}
	client := newClient(t, httpout.Config{Resolver: slow, MaxConnections: 2})
	for i := range 10 {
		url := fmt.Sprintf("http://x%d.example.com/", i)
		send, err := client.Prepare(&core.HTTPRequest{URL: url}, rules(t, "http://*.example.com/*"))
		check(t, err)
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			<-slow.began
			cancel()
		}()
		_, err = send(ctx)
		refused(t, url, err, core.HTTPConnectionTerminated, "canceled")
		select {
		case <-slow.ended:
		case <-time.After(5 * time.Second): // a connection of its own ends after 10
			t.Fatal("the connection outlives its request")
		}
	}
}

// slowResolver answers when it is told to end. It tells when it begins and ends, if the channels
// are there.
type slowResolver struct{ began, ended chan struct{} }

// LookupNetIP implements [httpout.Resolver].
func (r slowResolver) LookupNetIP(ctx context.Context, _, _ string) ([]netip.Addr, error) {
	if r.began != nil {
		r.began <- struct{}{}
		defer func() { r.ended <- struct{}{} }()
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestConnections: there are no more connections to a host than the configuration says. Each has one request
// at a time. The server cannot count connections: it learns late of those that the client has closed.
func TestConnections(t *testing.T) {
	var mu sync.Mutex
	busy, most := 0, 0
	count := func(by int) {
		mu.Lock()
		defer mu.Unlock()
		busy += by
		most = max(most, busy)
	}
	port := serve(t, func(w http.ResponseWriter, r *http.Request) {
		count(1)
		<-time.After(5 * time.Millisecond)
		count(-1)
		echo(w, r)
	})
	client := newClient(t, httpout.Config{MaxConnectionsPerHost: 3})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := do(t, client, rules(t, "http://127.0.0.1:*/*"), core.HTTPRequest{URL: "http://127.0.0.1:" + port + "/"}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	mu.Lock()
	defer mu.Unlock()
	if most > 3 {
		t.Errorf("%d requests at once, at most 3 are allowed", most)
	}
}

// TestConnectionsInAll: a connection that is in use keeps its place, and an idle one gives it up.
func TestConnectionsInAll(t *testing.T) {
	release, began := make(chan struct{}), make(chan struct{})
	busy := serve(t, func(http.ResponseWriter, *http.Request) { close(began); <-release })
	idle, other := serve(t, echo), serve(t, echo)
	client := newClient(t, httpout.Config{MaxConnections: 1, Timeout: 5 * time.Second})
	granted := rules(t, "http://127.0.0.1:*/*")
	for _, port := range []string{idle, other, idle} {
		_, err := do(t, client, granted, core.HTTPRequest{URL: "http://127.0.0.1:" + port + "/"})
		check(t, err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := do(t, client, granted, core.HTTPRequest{URL: "http://127.0.0.1:" + busy + "/"})
		ended <- err
	}()
	<-began
	_, err := do(t, client, granted, core.HTTPRequest{URL: "http://127.0.0.1:" + other + "/", Timeouts: core.HTTPTimeouts{Connect: 20 * time.Millisecond}})
	refused(t, "the second connection", err, core.HTTPConnectionTimeout, "")
	close(release)
	check(t, <-ended)
}

// TestPlaceOfIdle: a request that waits for a place gets that of a connection which becomes idle meanwhile,
// though other requests have used that connection since.
func TestPlaceOfIdle(t *testing.T) {
	release, began := make(chan struct{}), make(chan struct{}, 2)
	busy := serve(t, func(http.ResponseWriter, *http.Request) { began <- struct{}{}; <-release })
	other := serve(t, echo)
	client := newClient(t, httpout.Config{MaxConnections: 1, MaxConnectionsPerHost: 1, Timeout: 5 * time.Second})
	var all sync.WaitGroup
	for i, port := range []string{busy, other, busy} {
		all.Go(func() {
			if _, err := do(t, client, rules(t, "http://127.0.0.1:*/*"), core.HTTPRequest{URL: "http://127.0.0.1:" + port + "/"}); err != nil {
				t.Errorf("request %d: %v", i, err)
			}
		})
		if i == 0 {
			<-began
		}
		<-time.After(50 * time.Millisecond) // it waits by now
	}
	close(release)
	all.Wait()
}

// TestResolverErrors: a component does not learn the addresses of the host's resolvers.
func TestResolverErrors(t *testing.T) {
	client := newClient(t, httpout.Config{Resolver: brokenResolver{}})
	_, err := do(t, client, rules(t, "http://a.example.com/*"), core.HTTPRequest{URL: "http://a.example.com/"})
	refused(t, "a resolver that fails", err, core.HTTPDNSError, "the host's resolver has failed")
	if strings.Contains(err.Error(), "10.0.0.2") {
		t.Errorf("the error has the resolver's address: %v", err)
	}
}

// brokenResolver fails as [net.Resolver] does when nothing answers.
type brokenResolver struct{}

// LookupNetIP implements [httpout.Resolver].
func (brokenResolver) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	return nil, &net.DNSError{Err: "read udp 10.0.0.7:41234->10.0.0.2:53: read: connection refused", Name: host, Server: "10.0.0.2:53", IsTemporary: true}
}

// TestConfig: settings out of their bounds are mistakes.
func TestConfig(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	check(t, os.WriteFile(empty, nil, 0o600))
	for _, test := range []struct {
		config httpout.Config
		want   string
	}{
		{httpout.Config{Timeout: -1}, "Timeout"},
		{httpout.Config{MaxBody: -1}, "MaxBody"},
		{httpout.Config{Redirects: -2}, "Redirects"},
		{httpout.Config{Redirects: 21}, "Redirects"},
		{httpout.Config{MaxConnections: -1}, "MaxConnections"},
		{httpout.Config{MaxConnectionsPerHost: 1 << 20}, "MaxConnectionsPerHost"},
		{httpout.Config{Allow: []netip.Prefix{{}}}, "write it like 10.0.0.0/8"},
		{httpout.Config{CAFile: "none.pem"}, "none.pem"},
		{httpout.Config{CAFile: empty}, "has no certificate in PEM"},
	} {
		if _, err := httpout.New(test.config); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: got %v, want %q", test.config, err, test.want)
		}
	}
	client := newClient(t, httpout.Config{})
	check(t, client.Close())
	_, err := do(t, client, rules(t, "http://127.0.0.1/*"), core.HTTPRequest{URL: "http://127.0.0.1/"})
	if err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("after Close: %v", err)
	}
}
