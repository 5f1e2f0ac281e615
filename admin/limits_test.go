package admin_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/airhost/airhost/admin"
	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// held is a component that says when it has a message, and answers when it is released.
type held struct{ began, release chan struct{} }

func (h held) HandleMessage(_ guest.Host, _ string, message []byte) ([]byte, error) {
	h.began <- struct{}{}
	<-h.release
	return message, nil
}

var heldID = core.MustComponentID("a/held")

// hold deploys a held component with some instances.
func (s *site) hold(t testing.TB, instances int) held {
	t.Helper()
	h := held{make(chan struct{}), make(chan struct{})}
	check(t, s.host.Deploy(t.Context(), host.Deployment{
		ID: heldID, Engine: native.Name, Source: native.Source(func() guest.Component { return h }), Instances: instances, Spread: host.SpreadAny,
		Limits: core.Limits{HandlerTime: time.Hour},
	}))
	return h
}

// dial opens a connection without a request.
func (s *site) dial(t testing.TB) net.Conn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), s.Addr().Network(), s.Addr().String())
	check(t, err)
	t.Cleanup(func() { conn.Close() })
	return conn
}

// answerOf reads the answer on a connection.
func answerOf(t testing.TB, conn net.Conn) (status int, body string) {
	t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	check(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	check(t, err)
	return response.StatusCode, string(text)
}

// TestTooManyRequests: one more message gets its status, while changes go on, and the other way
// round.
func TestTooManyRequests(t *testing.T) {
	s := serve(t, func(c *admin.Config) { c.MaxRequests = 2 })
	h := s.hold(t, 2)
	answers := make(chan error)
	for range 2 {
		go func() {
			_, err := s.Request(t.Context(), heldID, []byte("x"), time.Minute)
			answers <- err
		}()
	}
	<-h.began
	<-h.began
	_, err := s.Request(t.Context(), id, nil, 0)
	failed(t, err, 429, admin.CodeTooMany)
	failed(t, s.Send(t.Context(), id, nil), 429, admin.CodeTooMany)
	check(t, s.Client.Restart(t.Context(), id))
	close(h.release)
	check(t, <-answers)
	check(t, <-answers)
	_, err = s.Request(t.Context(), id, nil, 0)
	check(t, err)
}

// TestMessageBytes: messages count as they come, whatever their sender has announced, and the room
// is free again afterwards.
func TestMessageBytes(t *testing.T) {
	s := serve(t, func(c *admin.Config) { c.MaxMessage, c.MaxMessageBytes = 60_000, 80_000 })
	announced := s.dial(t)
	fmt.Fprintf(announced, "POST /v1/messages?target=a/b HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n")
	for range 20 {
		for _, size := range []int{0, 1, 4095, 4096, 4097, 60_000} {
			if got, err := s.Request(t.Context(), id, make([]byte, size), 0); err != nil || len(got) != size {
				t.Fatalf("%d bytes: got %d, %v", size, len(got), err)
			}
		}
		_, err := s.Request(t.Context(), id, make([]byte, 60_001), 0)
		failed(t, err, 413, admin.CodeTooLarge)
	}
	h := s.hold(t, 1)
	done := make(chan error)
	go func() {
		_, err := s.Request(t.Context(), heldID, make([]byte, 60_000), time.Minute)
		done <- err
	}()
	<-h.began
	_, err := s.Request(t.Context(), id, make([]byte, 30_000), 0)
	failed(t, err, 429, admin.CodeTooMany)
	_, err = s.Request(t.Context(), id, make([]byte, 100), 0)
	check(t, err)
	close(h.release)
	check(t, <-done)
	chunked := s.dial(t)
	fmt.Fprintf(chunked, "POST /v1/requests?target=a/b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
	if status, body := answerOf(t, chunked); status != 200 || body != "hello" {
		t.Errorf("in chunks: got %d %s", status, body)
	}
	broken := s.dial(t)
	fmt.Fprintf(broken, "POST /v1/requests?target=a/b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
	if status, body := answerOf(t, broken); status != 400 || !strings.Contains(body, admin.CodeInvalidRequest) {
		t.Errorf("broken chunks: got %d %s", status, body)
	}
}

// TestSlowClients: a request must come in time, its headers too.
func TestSlowClients(t *testing.T) {
	s := serve(t, func(c *admin.Config) { c.ReadTimeout = 300 * time.Millisecond })
	for _, path := range []string{"/v1/messages?target=a/b", "/v1/apply"} {
		conn := s.dial(t)
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf", path)
		if status, body := answerOf(t, conn); status != 408 || !strings.Contains(body, admin.CodeSlowRequest) {
			t.Errorf("%s: got %d %s", path, status, body)
		}
	}
	conn := s.dial(t)
	fmt.Fprint(conn, "GET /livez HTTP/1.1\r\nHo")
	if text, err := io.ReadAll(conn); err != nil || len(text) > 0 && !strings.HasPrefix(string(text), "HTTP/1.1 4") {
		t.Errorf("half a header: got %q, %v", text, err)
	}
}

// TestLongRequest: the time for a request to come does not end its handling.
func TestLongRequest(t *testing.T) {
	s := serve(t, func(c *admin.Config) { c.ReadTimeout, c.Heartbeat = 300*time.Millisecond, 50*time.Millisecond })
	release := make(chan struct{})
	s.manager.hold = func(ctx context.Context) error {
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	done := make(chan error)
	go func() { done <- s.Client.Restart(t.Context(), id) }()
	go func() {
		_, err := s.Client.Apply(t.Context(), admin.ApplyRequest{}, nil)
		done <- err
	}()
	conn := s.dial(t) // a stream has more than the time for a request, to tell when that has passed
	fmt.Fprint(conn, "GET /v1/events?follow=true HTTP/1.1\r\nHost: x\r\n\r\n")
	lines := bufio.NewScanner(conn)
	for beats := 0; beats < 10 && lines.Scan(); {
		if lines.Text() == ":" {
			beats++
		}
	}
	check(t, lines.Err())
	close(release)
	check(t, <-done)
	check(t, <-done)
}

// TestTooManyConnections: one more is told so, and there is room again when one has ended.
func TestTooManyConnections(t *testing.T) {
	s := serve(t, func(c *admin.Config) { c.MaxConnections = 2 })
	first, second := s.dial(t), s.dial(t)
	for _, conn := range []net.Conn{first, second} { // both are with the server when they have an answer
		fmt.Fprint(conn, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
		if status, _ := answerOf(t, conn); status != 200 {
			t.Fatalf("got %d", status)
		}
	}
	if status, body := answerOf(t, s.dial(t)); status != 503 || !strings.Contains(body, `{"error":{"code":"too-many"`) {
		t.Errorf("got %d %s", status, body)
	}
	check(t, first.Close())
	for { // the server notices when it reads
		conn := s.dial(t)
		fmt.Fprint(conn, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
		if status, _ := answerOf(t, conn); status == 200 {
			return
		}
	}
}

// TestLargeHeader: headers are bounded.
func TestLargeHeader(t *testing.T) {
	s := serve(t, nil)
	conn := s.dial(t)
	go fmt.Fprintf(conn, "GET /livez HTTP/1.1\r\nHost: x\r\nA: %s\r\n\r\n", strings.Repeat("x", 100_000))
	if status, _ := bufio.NewReader(conn).ReadString('\n'); !strings.HasPrefix(status, "HTTP/1.1 431 ") {
		t.Errorf("got %s", status)
	}
}

// TestClientGoesAway: its change ends with it.
func TestClientGoesAway(t *testing.T) {
	s := serve(t, nil)
	began, ended := make(chan struct{}), make(chan error)
	s.manager.hold = func(ctx context.Context) error {
		began <- struct{}{}
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	}
	for _, request := range []func(context.Context) error{
		func(ctx context.Context) error { return s.Client.Restart(ctx, id) },
		func(ctx context.Context) error { return s.Client.Undeploy(ctx, id) },
		func(ctx context.Context) error {
			_, err := s.Client.Apply(ctx, admin.ApplyRequest{}, nil)
			return err
		},
		func(ctx context.Context) error { _, err := s.Client.Put(ctx, id, []byte("id: a/b"), nil); return err },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- request(ctx) }()
		<-began
		cancel()
		if err := <-ended; err == nil {
			t.Error("the work went on")
		}
		if err := <-done; err == nil {
			t.Error("the client got no error")
		}
	}
}

// TestSenderGoesAway: its request ends with it, and its place is free.
func TestSenderGoesAway(t *testing.T) {
	s := serve(t, func(c *admin.Config) { c.MaxRequests = 1 })
	h := s.hold(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := s.Request(ctx, heldID, nil, time.Minute)
		done <- err
	}()
	<-h.began
	cancel()
	if err := <-done; err == nil {
		t.Error("the client got no error")
	}
	for { // its place is free when the server has noticed
		_, err := s.Request(t.Context(), id, []byte("x"), 0)
		if err == nil {
			break
		}
		failed(t, err, 429, admin.CodeTooMany)
	}
	close(h.release)
}

// TestSettings: wrong ones are refused by New.
func TestSettings(t *testing.T) {
	h := newHost(t, discard)
	for want, c := range map[string]admin.Config{
		"a server needs a host": {},
		"max_streams":           {Host: h, MaxStreams: -1},
		"max_requests":          {Host: h, MaxRequests: 1e9},
		"max_connections":       {Host: h, MaxConnections: -1},
		"max_message":           {Host: h, MaxMessage: 65 << 20},
		"max_message_bytes":     {Host: h, MaxMessageBytes: -1},
		"read_timeout":          {Host: h, ReadTimeout: 1},
		"write_timeout":         {Host: h, WriteTimeout: -1},
		"heartbeat":             {Host: h, Heartbeat: 25 * time.Hour},
	} {
		if _, err := admin.New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	s, err := admin.New(admin.Config{Host: h, Logger: discard, Listen: filepath.Join(shortDir(t), "s"), Token: "short"})
	check(t, err)
	if err := s.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "16") {
		t.Errorf("a short token: got %v", err)
	}
}
