package admin_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/airhost/airhost/admin"
)

// TestStopEndsStreams: with an event that says so, after the entries that came before.
func TestStopEndsStreams(t *testing.T) {
	s := serve(t, nil)
	check(t, s.host.Restart(t.Context(), id))
	for _, path := range []string{"/v1/events", "/v1/logs"} {
		conn := s.dial(t)
		fmt.Fprintf(conn, "GET %s?follow=true HTTP/1.1\r\nHost: x\r\n\r\n", path)
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		check(t, err)
		defer response.Body.Close()
		defer func() {
			var names []string
			last := ""
			for lines := bufio.NewScanner(response.Body); lines.Scan(); {
				if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
					names = append(names, name)
				}
				if lines.Text() != "" {
					last = lines.Text()
				}
			}
			if fmt.Sprint(names) != "[end]" || last != `data: {"reason":"stopping"}` {
				t.Errorf("%s: ends with %q, %s", path, names, last)
			}
		}()
	}
	check(t, s.Server.Stop(t.Context()))
}

// TestStreamEndsWithTheHost: so does that of a server that goes on.
func TestStreamEndsWithTheHost(t *testing.T) {
	s := serve(t, nil)
	got := make(chan int)
	began := make(chan struct{}, 10)
	check(t, s.host.Restart(t.Context(), id))
	go func() {
		n := 0
		for _, err := range s.Events(t.Context(), admin.Stream{Follow: true, Last: -1}) {
			if err != nil {
				t.Error(err)
			}
			n++
			began <- struct{}{}
		}
		got <- n
	}()
	<-began
	_ = s.host.Stop(t.Context())
	if n := <-got; n == 0 {
		t.Error("the stream had no event")
	}
}

// TestStopWaitsForRequests: those in progress are answered, and others are refused.
func TestStopWaitsForRequests(t *testing.T) {
	s := serve(t, nil)
	began, release := make(chan struct{}), make(chan struct{})
	s.manager.hold = func(context.Context) error {
		close(began)
		<-release
		return nil
	}
	answered, stopped := make(chan error), make(chan error)
	go func() { answered <- s.Client.Restart(context.Background(), id) }()
	<-began
	go func() { stopped <- s.Server.Stop(t.Context()) }()
	untilStopping(s.Server)
	select {
	case err := <-stopped:
		t.Errorf("Stop returned %v before the request was answered", err)
	default:
	}
	close(release)
	check(t, <-answered)
	check(t, <-stopped)
}

// TestStopCancelsRequests: when its time has passed.
func TestStopCancelsRequests(t *testing.T) {
	for name, request := range map[string]func(*site) error{
		"json": func(s *site) error { return s.Client.Restart(context.Background(), id) },
		"stream": func(s *site) error {
			_, err := s.Client.Apply(context.Background(), admin.ApplyRequest{}, nil)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, nil)
			began, canceled := make(chan struct{}), make(chan struct{})
			s.manager.hold = func(ctx context.Context) error {
				close(began)
				<-ctx.Done()
				close(canceled)
				return ctx.Err()
			}
			answered := make(chan error)
			go func() { answered <- request(s) }()
			<-began
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := s.Server.Stop(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			<-canceled
			if err := <-answered; err == nil {
				t.Error("the client got no error")
			}
		})
	}
}

// TestStartAndStopAtAnyMoment: whatever the order, nothing is left: no goroutine (TestMain) and no
// socket.
func TestStartAndStopAtAnyMoment(t *testing.T) {
	h := newHost(t, discard)
	path := filepath.Join(shortDir(t), "s")
	for range 50 {
		s, err := admin.New(admin.Config{Host: h, Listen: path, Logger: discard})
		check(t, err)
		client := admin.NewClient(path, "")
		var all sync.WaitGroup
		all.Go(func() { _ = s.Start(t.Context()) }) // or it was stopped before
		all.Go(func() { check(t, s.Stop(t.Context())) })
		all.Go(func() { _, _ = client.Components(t.Context()) }) // or nobody answers
		all.Go(func() {
			for range client.Events(t.Context(), admin.Stream{Follow: true, Last: -1}) {
			}
		})
		all.Wait()
		check(t, s.Stop(t.Context()))
		client.Close()
		if err := s.Start(t.Context()); err == nil {
			t.Fatal("a server that was stopped has been started")
		}
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("the socket is left: %v", err)
		}
	}
}

// TestStartTwice: the second one changes nothing.
func TestStartTwice(t *testing.T) {
	s := serve(t, nil)
	if err := s.Server.Start(t.Context()); err == nil {
		t.Error("it was started twice")
	}
	_, err := s.Components(t.Context())
	check(t, err)
}

// TestHostsThatStartAtOnce: one of them has the socket, and the others say so.
func TestHostsThatStartAtOnce(t *testing.T) {
	h := newHost(t, discard)
	path := filepath.Join(shortDir(t), "s")
	for range 20 {
		dead, err := net.Listen("unix", path) // they find a socket that was left behind
		check(t, err)
		dead.(*net.UnixListener).SetUnlinkOnClose(false)
		check(t, dead.Close())
		var all sync.WaitGroup
		var mu sync.Mutex
		var running []*admin.Server
		now := make(chan struct{})
		for range 8 {
			s, err := admin.New(admin.Config{Host: h, Listen: path, Logger: discard})
			check(t, err)
			all.Go(func() {
				<-now
				err := s.Start(t.Context())
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					running = append(running, s)
				} else if !strings.Contains(err.Error(), "a host listens on") {
					t.Error(err)
				}
			})
		}
		close(now)
		all.Wait()
		if len(running) != 1 {
			t.Fatalf("%d hosts have the socket", len(running))
		}
		check(t, running[0].Stop(t.Context()))
	}
}

// TestHandler: a program may serve the API itself, with or without a token.
func TestHandler(t *testing.T) {
	h := newHost(t, discard)
	for _, token := range []string{"", "0123456789abcdef"} {
		s, err := admin.New(admin.Config{Host: h, Logger: discard, Token: token})
		check(t, err)
		check(t, s.Start(t.Context()))
		if s.Addr() != nil {
			t.Errorf("it listens on %v", s.Addr())
		}
		own := httptest.NewServer(s.Handler())
		address := strings.TrimPrefix(own.URL, "http://")
		client := admin.NewClient(address, token)
		_, err = client.Components(t.Context())
		check(t, err)
		stranger := admin.NewClient(address, "")
		if _, err := stranger.Components(t.Context()); (err == nil) != (token == "") {
			t.Errorf("without a token: %v", err)
		}
		check(t, client.Restart(t.Context(), id))
		_, err = client.Apply(t.Context(), admin.ApplyRequest{}, nil)
		failed(t, err, 501, admin.CodeNotSupported)
		_, err = client.LogLevels(t.Context())
		failed(t, err, 501, admin.CodeNotSupported)
		check(t, s.Stop(t.Context()))
		if _, err := client.Components(t.Context()); err == nil {
			t.Error("it answers after Stop")
		}
		client.Close()
		stranger.Close()
		own.Close()
	}
}

// TestStopOfHandler: it waits for requests that came by a server of the program's own, and cancels
// them when its time has passed.
func TestStopOfHandler(t *testing.T) {
	h := newHost(t, discard)
	for _, inTime := range []bool{true, false} {
		m := &manager{Host: h}
		s, err := admin.New(admin.Config{Host: h, Manager: m, Logger: discard})
		check(t, err)
		check(t, s.Start(t.Context()))
		began, release := make(chan struct{}), make(chan struct{})
		m.hold = func(ctx context.Context) error {
			close(began)
			select {
			case <-ctx.Done():
			case <-release:
			}
			return ctx.Err()
		}
		ended, stopped := make(chan int), make(chan error)
		go func() {
			w := httptest.NewRecorder()
			s.Handler().ServeHTTP(w, httptest.NewRequest("POST", "/v1/components/a/b/restart", nil))
			ended <- w.Code
		}()
		<-began
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if !inTime {
			cancel()
		}
		go func() { stopped <- s.Stop(ctx) }()
		if inTime {
			untilStopping(s)
			select {
			case <-stopped:
				t.Error("Stop has not waited")
			default:
			}
			close(release)
		}
		if code := <-ended; (code == http.StatusNoContent) != inTime {
			t.Errorf("in time: %v, and the request ends with %d", inTime, code)
		}
		if err := <-stopped; (err == nil) != inTime {
			t.Errorf("in time: %v, and Stop returns %v", inTime, err)
		}
	}
}

// untilStopping returns when the Stop of a server has begun.
func untilStopping(s *admin.Server) {
	for {
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/livez", nil))
		if w.Code == http.StatusServiceUnavailable {
			return
		}
	}
}
