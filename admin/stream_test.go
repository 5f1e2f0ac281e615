package admin_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/airhost/airhost/admin"
	"github.com/airhost/airhost/core"
)

// collect returns the entries of a stream until it has so many, or ends.
func collect[T any](t testing.TB, most int, all iter.Seq2[T, error], text func(T) string) (got []string) {
	t.Helper()
	for e, err := range all {
		check(t, err)
		if got = append(got, text(e)); len(got) == most {
			break
		}
	}
	return got
}

func same(t testing.TB, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestEvents: a stream has the events that were kept, and then those that come.
func TestEvents(t *testing.T) {
	s := serve(t, nil)
	ctx := t.Context()
	kind := func(e admin.Event) string { return fmt.Sprintf("%d %s %s", e.Number, e.Kind, e.Component) }
	check(t, s.host.Restart(ctx, id))
	events := collect(t, 1, s.Events(ctx, admin.Stream{Follow: true, Last: -1}), kind)
	same(t, events, "1 restarted a/b")
	same(t, collect(t, 9, s.Events(ctx, admin.Stream{Last: -1}), kind), "1 restarted a/b")
	same(t, collect(t, 9, s.Events(ctx, admin.Stream{Last: -1, Component: core.MustComponentID("a/c")}), kind))
	got := make(chan []string)
	go func() {
		got <- collect(t, 2, s.Events(ctx, admin.Stream{Follow: true, Last: 1}), func(e admin.Event) string {
			if e.Number == 1 {
				go func() { _ = s.host.Undeploy(ctx, id) }()
			}
			return kind(e)
		})
	}()
	same(t, <-got, "1 restarted a/b", "2 undeployed a/b")
}

// TestEventsOfDoneChanges: once a change is done, its event is there.
func TestEventsOfDoneChanges(t *testing.T) {
	s := serve(t, nil)
	for i := range 500 {
		check(t, s.host.Restart(t.Context(), id))
		got := httptest.NewRecorder()
		s.Handler().ServeHTTP(got, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/events?last=1", nil))
		if want := fmt.Sprintf("id: %d\n", i+1); !strings.HasPrefix(got.Body.String(), want) {
			t.Fatalf("got %q, want %q", got.Body, want)
		}
	}
}

// TestStreamsEndWithTheServer: also those that follow.
func TestStreamsEndWithTheServer(t *testing.T) {
	s := serve(t, nil)
	first, ended := make(chan struct{}), make(chan error)
	check(t, s.host.Restart(t.Context(), id))
	go func() {
		once := first
		for _, err := range s.Events(context.Background(), admin.Stream{Follow: true, Last: -1}) {
			if err != nil {
				ended <- err
				return
			}
			if once != nil {
				close(once)
				once = nil
			}
		}
		ended <- nil
	}()
	<-first
	check(t, s.Server.Stop(t.Context()))
	check(t, <-ended)
}

// TestSlowReaderLosesEntries: with a count, and it slows nobody.
func TestSlowReaderLosesEntries(t *testing.T) {
	log := admin.NewLog(slog.DiscardHandler, slog.LevelInfo)
	logger := slog.New(log.Handler())
	s := serve(t, func(c *admin.Config) { c.Log = log })
	const lines = 20_000
	text := strings.Repeat("x", 1000) // more than the buffers of a socket hold
	logger.Info("first")
	var got, missed uint64
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for e, err := range s.Logs(ctx, admin.Stream{Follow: true, Last: -1}) {
		check(t, err)
		if got == 0 { // nobody reads meanwhile
			for range lines {
				logger.Info(text)
			}
			go func() {
				for ctx.Err() == nil { // the count comes with a line that has room
					logger.Info("more")
					<-time.After(time.Millisecond)
				}
			}()
		}
		got++
		if missed = e.Missed; missed > 0 {
			break
		}
	}
	if got == 0 || missed+got > 2*lines {
		t.Errorf("got %d lines and missed %d of about %d", got, missed, lines)
	}
}

// TestLog: levels, attributes and groups; a component may have a level of its own.
func TestLog(t *testing.T) {
	var text bytes.Buffer
	log := admin.NewLog(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug - 4}), slog.LevelInfo)
	s := serve(t, func(c *admin.Config) { c.Log = log })
	logger := slog.New(log.Handler())
	write := func(level slog.Level) {
		logger.Log(t.Context(), level, "host")
		logger.With("component", "a/b").Log(t.Context(), level, "with")
		logger.Log(t.Context(), level, "record", "component", "a/b")
		logger.Log(t.Context(), level, "other", "component", "a/c")
	}
	write(slog.LevelDebug)
	check(t, s.SetLogLevel(t.Context(), admin.LogLevel{Level: "debug", Component: "a/b"}))
	write(slog.LevelDebug)
	check(t, s.SetLogLevel(t.Context(), admin.LogLevel{Level: "error"}))
	write(slog.LevelWarn)
	check(t, s.SetLogLevel(t.Context(), admin.LogLevel{Level: "default", Component: "a/b"}))
	write(slog.LevelWarn)
	write(slog.LevelError)
	line := func(e admin.LogEntry) string { return e.Level + " " + e.Message + " " + e.Component }
	want := []string{"debug with a/b", "debug record a/b", "warn with a/b", "warn record a/b", "error host ", "error with a/b", "error record a/b", "error other a/c"}
	same(t, collect(t, 99, s.Logs(t.Context(), admin.Stream{Last: -1}), line), want...)
	same(t, collect(t, 99, s.Logs(t.Context(), admin.Stream{Last: 1, Level: "warn", Component: id}), line), "error record a/b")
	if n := strings.Count(text.String(), "\n"); n != len(want) {
		t.Errorf("the program's own log has %d lines, want %d:\n%s", n, len(want), &text)
	}
	all, err := s.LogLevels(t.Context())
	if err != nil || all.Level != "error" || len(all.Components) != 0 {
		t.Errorf("got %+v, %v", all, err)
	}
	text.Reset()
	logger.With("a", 1).WithGroup("g").With("b", true).Error("m", slog.Group("h", "c", time.Second), "d", errors.New("bad"), "e", math.Inf(1), "", 3)
	for e, err := range s.Logs(t.Context(), admin.Stream{Last: 1}) {
		check(t, err)
		if got := fmt.Sprint(e.Attrs); got != "map[a:1 g.b:true g.d:bad g.e:+Inf g.h.c:1s]" {
			t.Errorf("got %s", got)
		}
	}
	if want := `msg=m a=1 g.b=true g.h.c=1s g.d=bad g.e=+Inf`; !strings.Contains(text.String(), want) {
		t.Errorf("got %s, want %s", &text, want)
	}
}

// TestTooManyStreams: one more gets its status, and there is room again when one has ended.
func TestTooManyStreams(t *testing.T) {
	s := serve(t, nil)
	check(t, s.host.Restart(t.Context(), id))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	open := make(chan struct{})
	ended := make(chan struct{})
	const most = 64
	for range most {
		go func() {
			for range s.Events(ctx, admin.Stream{Follow: true, Last: 1}) {
				open <- struct{}{}
			}
			ended <- struct{}{}
		}()
	}
	for range most {
		<-open
	}
	for _, err := range s.Events(t.Context(), admin.Stream{}) {
		failed(t, err, 429, "too-many")
	}
	cancel()
	for range most {
		select {
		case <-ended:
		case <-open: // the error of the end
			<-ended
		}
	}
	for s.raw(t, "GET", "/v1/events", "") == "429" {
		<-time.After(time.Millisecond)
	}
}
