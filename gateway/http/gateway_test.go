package http_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	gateway "github.com/airhost/airhost/gateway/http"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/hosttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// component answers messages.
type component func(sender string, message []byte) ([]byte, error)

func (c component) HandleMessage(_ guest.Host, sender string, message []byte) ([]byte, error) {
	return c(sender, message)
}

// site is a gateway in front of a host.
type site struct {
	*gateway.Gateway
	host   *host.Host
	url    string
	client *http.Client
	log    *hosttest.Log
}

func start(t testing.TB, config gateway.Config) *site {
	t.Helper()
	s := &site{log: new(hosttest.Log), host: hosttest.Start(t, host.Config{Logger: slog.New(slog.DiscardHandler)})}
	config.Listen, config.Logger = "127.0.0.1:0", slog.New(slog.NewTextHandler(s.log, nil))
	var err error
	s.Gateway, err = gateway.New(s.host, config)
	check(t, err)
	check(t, s.Start(context.Background()))
	s.url = "http://" + s.Addr().String()
	s.client = &http.Client{Transport: &http.Transport{}}
	t.Cleanup(func() {
		s.client.CloseIdleConnections()
		check(t, s.Stop(context.Background()))
	})
	return s
}

func (s *site) deploy(t testing.TB, name string, c component) {
	t.Helper()
	check(t, s.host.Deploy(context.Background(), host.Deployment{
		ID: id(name), Engine: native.Name, Source: native.Source(func() guest.Component { return c }), Limits: core.Limits{HandlerTime: time.Minute},
	}))
}

// do sends a request and returns the response, whose body has been read.
func (s *site) do(t testing.TB, method, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), method, s.url+path, strings.NewReader(body))
	check(t, err)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := s.client.Do(request)
	check(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	check(t, err)
	return response, string(text)
}

func id(text string) core.ComponentID { return core.MustComponentID(text) }

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal(t testing.TB, name string, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: got %v, want %v", name, got, want)
	}
}

// TestPatterns: a request's body is the message, and the response its answer; a message is
// taken.
func TestPatterns(t *testing.T) {
	s := start(t, gateway.Config{Routes: []gateway.Route{
		{Path: "/echo", Target: id("a/echo")},
		{Path: "/post", Methods: []string{"POST", "PUT"}, Target: id("a/post"), Pattern: gateway.FireAndForget},
	}})
	got := make(chan string, 1)
	s.deploy(t, "a/echo", func(sender string, m []byte) ([]byte, error) { return append([]byte(sender+" "), m...), nil })
	s.deploy(t, "a/post", func(sender string, m []byte) ([]byte, error) { got <- sender + " " + string(m); return nil, nil })
	response, body := s.do(t, "POST", "/echo", "hello")
	equal(t, "status", response.StatusCode, 200)
	equal(t, "body", body, "airhost/gateway hello")
	for body, kind := range map[string]string{"[1]": "text/plain; charset=utf-8", "\xff": "application/octet-stream"} {
		response, _ = s.do(t, "POST", "/echo", body)
		equal(t, "type of "+body, response.Header.Get("Content-Type"), kind)
	}
	equal(t, "sniffing", response.Header.Get("X-Content-Type-Options"), "nosniff")
	response, body = s.do(t, "GET", "/echo", "")
	equal(t, "answer to GET", fmt.Sprint(response.StatusCode, body), "200airhost/gateway ")

	response, body = s.do(t, "PUT", "/post", "message")
	equal(t, "status of a message", fmt.Sprint(response.StatusCode, body), "202")
	equal(t, "the message", <-got, "airhost/gateway message")
	response, _ = s.do(t, "GET", "/post", "")
	equal(t, "another method", fmt.Sprint(response.StatusCode, response.Header.Get("Allow")), "405POST, PUT")
	equal(t, "its type", response.Header["Content-Type"], "[application/json]")
	response, body = s.do(t, "GET", "/nowhere", "")
	equal(t, "another path", response.StatusCode, 404)
	equal(t, "its answer", fmt.Sprint(response.Header["Content-Type"], body), `[application/json]{"error":{"code":"no-route","message":"no route has this path"}}`+"\n")
}

// TestStatuses: each outcome of a request has its status, a word, and a text that shows nothing of
// the inside but the component's own answer.
func TestStatuses(t *testing.T) {
	s := start(t, gateway.Config{MaxBody: 2000, Routes: []gateway.Route{
		{Path: "/does/{what}", Target: id("a/does"), Timeout: 50 * time.Millisecond, Envelope: gateway.EnvelopeCloudEvents},
		{Path: "/plain", Target: id("a/does")},
		{Path: "/message", Target: id("a/full"), Pattern: gateway.FireAndForget},
		{Path: "/nobody", Target: id("a/nobody")},
		{Path: "/failed", Target: id("a/failed")},
		{Path: "/shy", Target: id("a/shy")},
	}})
	release := make(chan struct{})
	s.deploy(t, "a/does", func(_ string, m []byte) ([]byte, error) {
		switch {
		case bytes.Contains(m, []byte(`"paramwhat":"invalid"`)):
			return nil, &guest.ComponentError{Case: guest.CaseInvalidMessage, Text: "no number"}
		case bytes.Contains(m, []byte(`"paramwhat":"unready"`)):
			return nil, &guest.ComponentError{Case: guest.CaseComponentUnavailable, Text: "not yet"}
		case bytes.Contains(m, []byte(`"paramwhat":"fail"`)):
			return nil, errors.New("no stock")
		case bytes.Contains(m, []byte(`"paramwhat":"panic"`)):
			panic("secret of the inside")
		case bytes.Contains(m, []byte(`"paramwhat":"wait"`)):
			<-release
		}
		return nil, nil
	})
	d := host.Deployment{ID: id("a/failed"), Engine: native.Name, Restart: host.Restart{Policy: host.RestartTemporary},
		Source: native.Source(func() guest.Component { return component(func(string, []byte) ([]byte, error) { panic("on purpose") }) })}
	check(t, s.host.Deploy(context.Background(), d))
	_, _ = s.host.Request(context.Background(), d.ID, nil)
	d = host.Deployment{ID: id("a/shy"), Engine: native.Name, Accept: host.Accept{MessagesPerSecond: 1}, Limits: core.Limits{MessageSize: 100},
		Source: native.Source(func() guest.Component { return component(func(string, []byte) ([]byte, error) { return nil, nil }) })}
	check(t, s.host.Deploy(context.Background(), d))
	check(t, s.host.Send(d.ID, nil))

	for _, c := range []struct {
		path, body string
		status     int
		code, text string
	}{
		{"/does/invalid", "", 400, "invalid-message", "no number"},
		{"/does/unready", "", 503, "unavailable", "not yet"},
		{"/does/fail", "", 502, "failed", "no stock"},
		{"/does/panic", "", 502, "trapped", "the component ended while it handled the request"},
		{"/does/wait", "", 504, "timeout", "the component did not answer in time"},
		{"/nobody", "", 404, "target-not-found", "there is no such component"},
		{"/failed", "", 503, "unavailable", "the component is not available, try again"},
		{"/shy", "", 429, "queue-full", "the component has too much to do, try again"},
		{"/shy", strings.Repeat("x", 101), 413, "too-large", "the component takes no message of this size"},
		{"/plain", strings.Repeat("x", 2001), 413, "too-large", "the body may have 2000 bytes at most"},
		{"/message", "", 404, "target-not-found", "there is no such component"},
	} {
		response, body := s.do(t, "POST", c.path, c.body)
		var got struct {
			Error struct{ Code, Message string }
		}
		check(t, json.Unmarshal([]byte(body), &got))
		equal(t, c.path, fmt.Sprint(response.StatusCode, got.Error), fmt.Sprint(c.status, struct{ Code, Message string }{c.code, c.text}))
		equal(t, c.path+" try again", response.Header.Get("Retry-After") == "1", c.status == 429 || c.status == 503)
	}
	close(release)
	if log := s.log.String(); strings.Count(log, "level=WARN") != 5 || !strings.Contains(log, "secret of the inside") {
		t.Errorf("want a warning for each status from 500 on, with its reason, got:\n%s", log)
	}
}

// TestCloudEvents: a component gets the parts of a request that its route asks for.
func TestCloudEvents(t *testing.T) {
	s := start(t, gateway.Config{Routes: []gateway.Route{{
		Path: "/orders/{order_id}/{rest...}", Target: id("a/echo"), Envelope: gateway.EnvelopeCloudEvents, Headers: []string{"Accept-Language", "X-None"},
	}}})
	s.deploy(t, "a/echo", func(_ string, m []byte) ([]byte, error) { return m, nil })
	for _, c := range []struct{ kind, body, data string }{
		{"application/json; charset=utf-8", `{"n": 1}`, `"data":{"n":1}`},
		{"application/problem+json", `[1]`, `"data":[1]`},
		{"application/json", `{`, `"data_base64":"ew=="`},
		{"text/plain", "hello", `"data_base64":"aGVsbG8="`},
		{"", "", ""},
	} {
		response, body := s.do(t, "PATCH", "/orders/42/a/b?x=1&y=%20", c.body,
			"Content-Type", c.kind, "Accept-Language", "de", "X-Request-Id", "request-7", "traceparent", "00-1-2-01", "Secret", "none of it")
		equal(t, "content type", response.Header.Get("Content-Type"), "application/json")
		equal(t, "request id", response.Header.Get("X-Request-Id"), "request-7")
		var event map[string]any
		check(t, json.Unmarshal([]byte(body), &event))
		if _, err := time.Parse(time.RFC3339, event["time"].(string)); err != nil {
			t.Error(err)
		}
		delete(event, "time")
		want := map[string]any{
			"specversion": "1.0", "id": "request-7", "source": "/orders/{order_id}/{rest...}", "type": "airhost.http.request",
			"httpmethod": "PATCH", "httppath": "/orders/42/a/b", "httpquery": "x=1&y=%20", "paramorderid": "42", "paramrest": "a/b",
			"headeracceptlanguage": "de", "traceparent": "00-1-2-01",
		}
		if c.kind != "" {
			want["datacontenttype"] = c.kind
		}
		if !strings.Contains(body, c.data) || c.data == "" && strings.Contains(body, "data") {
			t.Errorf("data of %s: got %s, want %s", c.kind, body, c.data)
		}
		delete(event, "data")
		delete(event, "data_base64")
		equal(t, "event", event, want)
	}
}

// TestRequestIDs: a request without an id of its own, or with a strange one, gets a new one.
func TestRequestIDs(t *testing.T) {
	s := start(t, gateway.Config{})
	seen := map[string]bool{}
	for _, given := range []string{"", "two words", strings.Repeat("x", 129), "ok"} {
		response, _ := s.do(t, "GET", "/", "", "X-Request-Id", given)
		got := response.Header.Get("X-Request-Id")
		if given == "ok" && got != "ok" || given != "ok" && len(got) != 32 || seen[got] {
			t.Errorf("%q: got %q", given, got)
		}
		seen[got] = true
	}
}

// TestRoutesChange: other routes take the place of the old ones while requests are in progress;
// wrong ones change nothing.
func TestRoutesChange(t *testing.T) {
	s := start(t, gateway.Config{Routes: []gateway.Route{{Path: "/old", Target: id("a/slow")}}})
	began, release := make(chan struct{}), make(chan struct{})
	s.deploy(t, "a/slow", func(string, []byte) ([]byte, error) { close(began); <-release; return []byte("slow"), nil })
	answer := make(chan string)
	go func() { _, body := s.do(t, "GET", "/old", ""); answer <- body }()
	<-began
	for text, routes := range map[string][]gateway.Route{
		"there is no target":          {{Path: "/x"}},
		"does not begin with a slash": {{Path: "x", Target: id("a/b")}},
		`the pattern is "x"`:          {{Path: "/x", Target: id("a/b"), Pattern: "x"}},
		`the envelope is "x"`:         {{Path: "/x", Target: id("a/b"), Envelope: "x"}},
		"leave out the envelope":      {{Path: "/x", Target: id("a/b"), Pattern: gateway.HTTP, Envelope: gateway.EnvelopeCloudEvents}},
		"headers need an envelope":    {{Path: "/x", Target: id("a/b"), Headers: []string{"A"}}},
		`the method is "get"`:         {{Path: "/x", Target: id("a/b"), Methods: []string{"get"}}},
		"timeout is 1ns":              {{Path: "/x", Target: id("a/b"), Timeout: 1}},
		"conflicts with":              {{Path: "/{a}", Target: id("a/b")}, {Path: "/{b}", Target: id("a/b")}},
		"bad wildcard":                {{Path: "/{", Target: id("a/b")}},
	} {
		err := s.SetRoutes(routes)
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("got %v, want %q", err, text)
		}
	}
	check(t, s.SetRoutes([]gateway.Route{{Path: "/new/", Target: id("a/slow")}}))
	response, _ := s.do(t, "GET", "/old", "")
	equal(t, "the old path", response.StatusCode, 404)
	response, _ = s.do(t, "GET", "/new/below", "")
	equal(t, "below the new path", response.StatusCode, 404)
	close(release)
	equal(t, "the request in progress", <-answer, "slow")
}

// TestStop: requests in progress are answered, and no connection is taken any more. When the
// context ends, those that are left are cut off.
func TestStop(t *testing.T) {
	for _, cut := range []bool{false, true} {
		s := start(t, gateway.Config{Routes: []gateway.Route{{Path: "/", Target: id("a/slow")}}})
		began, release := make(chan struct{}), make(chan struct{})
		s.deploy(t, "a/slow", func(string, []byte) ([]byte, error) { close(began); <-release; return []byte("slow"), nil })
		answer := make(chan error)
		go func() {
			response, err := s.client.Get(s.url)
			if err == nil {
				err = response.Body.Close()
			}
			answer <- err
		}()
		<-began
		ctx, cancel := context.WithCancel(context.Background())
		stopped := make(chan error)
		go func() { stopped <- s.Stop(ctx) }()
		for {
			connection, err := net.Dial("tcp", s.Addr().String())
			if err != nil {
				break
			}
			_ = connection.Close()
		}
		if cut {
			cancel()
			if err := <-stopped; !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want the context's error", err)
			}
			if err := <-answer; err == nil {
				t.Error("a request that was cut off has a response")
			}
		}
		close(release)
		if !cut {
			check(t, <-answer)
			check(t, <-stopped)
		}
		cancel()
	}
}

// raw sends bytes and returns the first line of the answer, or why there is none.
func (s *site) raw(t *testing.T, send string) string {
	t.Helper()
	connection, err := net.Dial("tcp", s.Addr().String())
	check(t, err)
	defer connection.Close()
	_, err = io.WriteString(connection, send)
	check(t, err)
	line, err := bufio.NewReader(connection).ReadString('\n')
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(line)
}

// TestBoundsOnClients: large headers, slow requests, bodies that end early and too many connections
// end by themselves.
func TestBoundsOnClients(t *testing.T) {
	s := start(t, gateway.Config{
		MaxHeader: 4 << 10, MaxBody: 100, MaxConnections: 2, ReadTimeout: time.Second, IdleTimeout: time.Second,
		Routes: []gateway.Route{{Path: "/", Target: id("a/echo")}},
	})
	s.deploy(t, "a/echo", func(_ string, m []byte) ([]byte, error) { return m, nil })
	const post = "POST / HTTP/1.1\r\nHost: x\r\n"
	for name, c := range map[string][2]string{
		"large header":    {post + "X: " + strings.Repeat("x", 16<<10) + "\r\n\r\n", "HTTP/1.1 431 Request Header Fields Too Large"},
		"slow header":     {post, "EOF"},
		"slow body":       {post + "Content-Length: 10\r\n\r\nabc", "HTTP/1.1 408 Request Timeout"},
		"long body":       {post + "Content-Length: 101\r\n\r\n", "HTTP/1.1 413 Request Entity Too Large"},
		"long chunk":      {post + "Transfer-Encoding: chunked\r\n\r\n65\r\n" + strings.Repeat("x", 0x65) + "\r\n", "HTTP/1.1 413 Request Entity Too Large"},
		"negative length": {post + "Content-Length: -1\r\n\r\n", "HTTP/1.1 400 Bad Request"},
		"two lengths":     {post + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 200 OK"},
		"silence":         {"", "EOF"},
		"no HTTP":         {"\x16\x03\x01\r\n\r\n", "HTTP/1.1 400 Bad Request"},
	} {
		equal(t, name, s.raw(t, c[0]), c[1])
	}
	var waiting []net.Conn
	for range 4 {
		connection, err := net.Dial("tcp", s.Addr().String())
		check(t, err)
		waiting = append(waiting, connection)
	}
	for _, connection := range waiting { // two at a time, each until it has been idle for too long
		_, err := io.ReadAll(connection)
		check(t, err)
		check(t, connection.Close())
	}
	response, _ := s.do(t, "POST", "/", "after all that")
	equal(t, "status", response.StatusCode, 200)
}

// certificate writes a certificate for 127.0.0.1 and its key, and returns their paths and a pool.
func certificate(t *testing.T) (certificate, key string, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	check(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	check(t, err)
	folder := t.TempDir()
	certificate, key = filepath.Join(folder, "certificate.pem"), filepath.Join(folder, "key.pem")
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	check(t, os.WriteFile(certificate, public, 0o600))
	check(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(public)
	return certificate, key, pool
}

// TestHTTP2: with a certificate the gateway speaks HTTP/2 by TLS, and without one to clients that
// know it.
func TestHTTP2(t *testing.T) {
	public, key, pool := certificate(t)
	for scheme, config := range map[string]gateway.Config{"http": {}, "https": {Certificate: public, Key: key}} {
		config.Routes = []gateway.Route{{Path: "/", Target: id("a/echo")}}
		s := start(t, config)
		s.deploy(t, "a/echo", func(_ string, m []byte) ([]byte, error) { return m, nil })
		protocols := new(http.Protocols)
		protocols.SetHTTP2(scheme == "https")
		protocols.SetUnencryptedHTTP2(scheme == "http")
		s.client.Transport = &http.Transport{Protocols: protocols, TLSClientConfig: &tls.Config{RootCAs: pool}}
		s.url = scheme + "://" + s.Addr().String()
		response, body := s.do(t, "POST", "/", "hello")
		equal(t, scheme, fmt.Sprint(response.Proto, body), "HTTP/2.0hello")
	}
}

// TestBoundOnRequests: requests in progress are bounded also where one connection has several.
func TestBoundOnRequests(t *testing.T) {
	s := start(t, gateway.Config{MaxConnections: 2, Routes: []gateway.Route{{Path: "/{name}", Target: id("a/slow")}}})
	began, release := make(chan struct{}), make(chan struct{})
	check(t, s.host.Deploy(context.Background(), host.Deployment{
		ID: id("a/slow"), Engine: native.Name, Instances: 2, Spread: host.SpreadAny, Limits: core.Limits{HandlerTime: time.Minute},
		Source: native.Source(func() guest.Component {
			return component(func(string, []byte) ([]byte, error) { began <- struct{}{}; <-release; return []byte("done"), nil })
		}),
	}))
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	s.client.Transport = &http.Transport{Protocols: protocols}
	answers := make(chan string, 2)
	for range 2 {
		go func() { _, body := s.do(t, "POST", "/x", "hello"); answers <- body }()
		<-began
	}
	response, body := s.do(t, "POST", "/x", "hello")
	equal(t, "one more", fmt.Sprint(response.StatusCode, response.Header.Get("Retry-After")), "5031")
	equal(t, "its text", body, `{"error":{"code":"busy","message":"there are too many requests, try again"}}`+"\n")
	close(release)
	equal(t, "the others", <-answers+<-answers, "donedone")
	go func() { <-began }()
	response, _ = s.do(t, "POST", "/x", "hello")
	equal(t, "afterwards", response.StatusCode, 200)
}

// TestMistakes: settings that are wrong are found before anything listens, or when it begins.
func TestMistakes(t *testing.T) {
	s := start(t, gateway.Config{})
	for text, config := range map[string]gateway.Config{
		"a certificate needs a key":    {Certificate: "x"},
		"max_body is -1":               {MaxBody: -1},
		"max_header is 1":              {MaxHeader: 1},
		"max_connections is -1":        {MaxConnections: -1},
		"read_timeout is 1ns":          {ReadTimeout: 1},
		"write_timeout is 1ns":         {WriteTimeout: 1},
		"idle_timeout is 1ns":          {IdleTimeout: 1},
		"route /x: there is no target": {Routes: []gateway.Route{{Path: "/x"}}},
	} {
		if _, err := gateway.New(s.host, config); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("got %v, want %q", err, text)
		}
	}
	for text, config := range map[string]gateway.Config{
		"address already in use": {Listen: s.Addr().String()},
		"no such file":           {Listen: "127.0.0.1:0", Certificate: "none.pem", Key: "none.pem"},
	} {
		g, err := gateway.New(s.host, config)
		check(t, err)
		if err := g.Start(context.Background()); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("got %v, want %q", err, text)
		}
		check(t, g.Stop(context.Background()))
	}
}
