package admin_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/admin"
	"github.com/airhost/airhost/core"
)

// TestLastEventID: a client that comes back goes on where it was, and is told of the entries that
// are gone.
func TestLastEventID(t *testing.T) {
	log := admin.NewLog(slog.DiscardHandler, slog.LevelInfo)
	s := serve(t, func(c *admin.Config) { c.Log = log })
	logger := slog.New(log.Handler())
	for i := range 1500 {
		logger.Info(strconv.Itoa(i + 1))
	}
	for _, c := range []struct{ last, query, first, missed string }{
		{"1498", "", "1499", ""}, {"1498", "?last=1", "1499", ""}, {"1500", "", "", ""}, {"100", "", "501", `"missed":400`},
		{"9999", "?last=2", "1499", ""}, {"0", "?last=1", "1500", ""}, {"500", "", "501", ""}, {"499", "", "501", `"missed":1`},
	} {
		got := s.raw(t, "GET", "/v1/logs"+c.query, "", "Last-Event-ID", c.last)
		first, _, _ := strings.Cut(strings.TrimPrefix(got, "200 "), "\n\n")
		wanted := c.first == "" && first == "" || strings.Contains(first, "id: "+c.first+"\n") && strings.Contains(first, `"message":"`+c.first+`"`)
		if !wanted || strings.Contains(first, "missed") != (c.missed != "") || !strings.Contains(first, c.missed) {
			t.Errorf("after %s%s: got %s, want %s %s", c.last, c.query, first, c.first, c.missed)
		}
	}
}

// TestMissedOfOthers: the count of entries that are gone comes with the next one that a client wants,
// also if others come between.
func TestMissedOfOthers(t *testing.T) {
	log := admin.NewLog(slog.DiscardHandler, slog.LevelInfo)
	s := serve(t, func(c *admin.Config) { c.Log = log })
	logger := slog.New(log.Handler())
	conn := s.dial(t)
	fmt.Fprint(conn, "GET /v1/logs?follow=true&component=a/b HTTP/1.1\r\nHost: x\r\n\r\n")
	lines := bufio.NewScanner(conn)
	lines.Buffer(nil, 1<<20)
	next := func() string {
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				return data
			}
		}
		t.Fatalf("the stream ended: %v", lines.Err())
		return ""
	}
	mine := logger.With("component", "a/b")
	mine.Info("first")
	if got := next(); !strings.Contains(got, "first") {
		t.Fatal(got)
	}
	text := strings.Repeat("x", 8000)
	for range 5000 { // more than the connection and the feed hold
		mine.Info(text)
	}
	for range 1100 {
		logger.Info("of the host")
	}
	mine.Info("last")
	for got := ""; !strings.Contains(got, `"last"`); {
		if got = next(); strings.Contains(got, `"last"`) && !strings.Contains(got, "missed") {
			t.Errorf("the last line tells nothing of those before: %s", got)
		}
	}
}

// TestSlowReaderIsCutOff: a client that reads nothing for long loses its connection, and its
// place.
func TestSlowReaderIsCutOff(t *testing.T) {
	log := admin.NewLog(slog.DiscardHandler, slog.LevelInfo)
	s := serve(t, func(c *admin.Config) { c.Log, c.WriteTimeout, c.MaxStreams = log, 300*time.Millisecond, 1 })
	logger := slog.New(log.Handler())
	conn := s.dial(t)
	check(t, conn.(*net.UnixConn).SetReadBuffer(1))
	fmt.Fprint(conn, "GET /v1/logs?follow=true HTTP/1.1\r\nHost: x\r\n\r\n")
	text := strings.Repeat("x", 8000)
	for free := false; !free; {
		logger.Info(text)
		for _, err := range s.Logs(t.Context(), admin.Stream{Last: 0}) {
			failed(t, err, 429, admin.CodeTooMany)
		}
		got := s.raw(t, "GET", "/v1/logs?last=1", "")
		free = strings.HasPrefix(got, "200 ")
	}
}

// TestRingIsBounded: by the number of lines, and by their bytes.
func TestRingIsBounded(t *testing.T) {
	log := admin.NewLog(slog.DiscardHandler, slog.LevelInfo)
	s := serve(t, func(c *admin.Config) { c.Log = log })
	logger := slog.New(log.Handler())
	message := func(e admin.LogEntry) string { return e.Message }
	for i := range 2000 {
		logger.Info(strconv.Itoa(i))
	}
	if got := entries(t, s.Logs(t.Context(), admin.Stream{Last: -1}), message); len(got) != 1000 || got[999] != "1999" {
		t.Errorf("%d lines are kept", len(got))
	}
	for range 2000 {
		logger.With("a", strings.Repeat("x", 10_000)).Info("large")
	}
	if got := entries(t, s.Logs(t.Context(), admin.Stream{Last: -1}), message); len(got) < 300 || len(got) > 420 {
		t.Errorf("%d lines of 10,000 bytes are kept, want about 4 MiB", len(got))
	}
	logger.Info(strings.Repeat("x", 10<<20), "a", strings.Repeat("y", 10<<20))
	for e, err := range s.Logs(t.Context(), admin.Stream{Last: 1}) {
		check(t, err)
		if text := e.Attrs["a"].(string); len(e.Message) > 20_000 || len(text) > 20_000 {
			t.Errorf("a line has %d and %d bytes", len(e.Message), len(text))
		}
	}
	many := make([]any, 0, 2000)
	for i := range 1000 {
		many = append(many, strconv.Itoa(i), i)
	}
	logger.Info("many", many...)
	for e, err := range s.Logs(t.Context(), admin.Stream{Last: 1}) {
		check(t, err)
		if len(e.Attrs) > 100 {
			t.Errorf("a line has %d attributes", len(e.Attrs))
		}
	}
}

// TestEnabled: a logger of a component with a level of its own knows it, for a caller to spare the
// making of a line.
func TestEnabled(t *testing.T) {
	log := admin.NewLog(slog.DiscardHandler, slog.LevelInfo)
	logger := slog.New(log.Handler())
	mine, other := logger.With("component", "a/b"), logger.With("component", "a/c")
	ctx := context.Background()
	check(t, log.SetLevel(id, "trace"))
	if !mine.Enabled(ctx, slog.LevelDebug-4) || other.Enabled(ctx, slog.LevelDebug) || !logger.Enabled(ctx, slog.LevelDebug-4) {
		t.Error("the level of a component is not its own")
	}
	check(t, log.SetLevel(id, "error"))
	if mine.Enabled(ctx, slog.LevelWarn) || !other.Enabled(ctx, slog.LevelInfo) || logger.Enabled(ctx, slog.LevelDebug) {
		t.Error("the level of a component hides others, or does not hide its own")
	}
	if allocated := testing.AllocsPerRun(100, func() { logger.Enabled(ctx, slog.LevelDebug); mine.Enabled(ctx, slog.LevelDebug) }); allocated > 0 {
		t.Errorf("Enabled allocates %v times", allocated)
	}
	if err := log.SetLevel(core.ComponentID{}, "default"); err == nil {
		t.Error("the host has no level any more")
	}
}

// TestValues: a line's values are those of JSON where JSON has them.
func TestValues(t *testing.T) {
	log := admin.NewLog(slog.DiscardHandler, slog.LevelInfo)
	s := serve(t, func(c *admin.Config) { c.Log = log })
	slog.New(log.Handler()).Info("m", "float", 1.5, "int", -1, "uint", uint64(1)<<40, "bool", true, "duration", time.Second, "nil", nil,
		"time", time.Unix(0, 0).UTC(), "error", fmt.Errorf("bad"), "list", []string{"a"}, "valuer", valuer{}, "panics", panics{})
	for e, err := range s.Logs(t.Context(), admin.Stream{Last: 1}) {
		check(t, err)
		for key, want := range map[string]any{"float": 1.5, "int": -1.0, "uint": float64(1 << 40), "bool": true, "duration": "1s", "nil": "<nil>",
			"time": "1970-01-01T00:00:00Z", "error": "bad", "list": "[a]", "valuer": "resolved"} {
			if e.Attrs[key] != want {
				t.Errorf("%s: got %v, want %v", key, e.Attrs[key], want)
			}
		}
	}
}

type valuer struct{}

func (valuer) LogValue() slog.Value { return slog.StringValue("resolved") }

type panics struct{}

func (panics) String() string { panic("on purpose") }

// TestReaderGoesAway: its place is free, although nothing is written.
func TestReaderGoesAway(t *testing.T) {
	s := serve(t, func(c *admin.Config) { c.MaxStreams, c.Heartbeat = 1, time.Hour })
	check(t, s.host.Restart(t.Context(), id))
	for range s.Events(t.Context(), admin.Stream{Follow: true, Last: -1}) {
		break
	}
	for strings.HasPrefix(s.raw(t, "GET", "/v1/events", ""), "429 ") {
	}
}

// TestHead: a request for the header of a stream ends.
func TestHead(t *testing.T) {
	s := serve(t, nil)
	conn := s.dial(t)
	fmt.Fprint(conn, "HEAD /v1/events?follow=true HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	header, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(header), "HTTP/1.1 200 ") || !strings.Contains(string(header), "text/event-stream") {
		t.Errorf("got %q, %v", header, err)
	}
}

// TestStreamIsCutOff: a client learns that its stream has ended early.
func TestStreamIsCutOff(t *testing.T) {
	path := filepath.Join(shortDir(t), "s")
	listener, err := net.Listen("unix", path)
	check(t, err)
	defer listener.Close()
	const header = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = http.ReadRequest(bufio.NewReader(conn)) // it is one of the two below
			event := "event: progress\ndata: {}\n\n"
			fmt.Fprintf(conn, "%s%x\r\n%s\r\n", header, len(event), event)
			conn.Close()
		}
	}()
	client := admin.NewClient(path, "")
	defer client.Close()
	last := error(nil)
	for _, err := range client.Events(t.Context(), admin.Stream{}) {
		last = err
	}
	if !errors.Is(last, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", last)
	}
	if _, err := client.Apply(t.Context(), admin.ApplyRequest{}, nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
}

// TestRate: it is the mean of the last five seconds.
func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, discard)
		s, err := admin.New(admin.Config{Host: h, Logger: discard})
		check(t, err)
		check(t, s.Start(context.Background()))
		defer func() { check(t, s.Stop(context.Background())) }()
		rate := func() float64 {
			w := newRecorder()
			r, err := newRequest("GET", "/v1/components/a/b", "")
			check(t, err)
			s.Handler().ServeHTTP(w, r)
			return decode[admin.Component](t, w.Body.Bytes()).Rate
		}
		synctest.Wait()
		for _, want := range []float64{10, 10, 10, 10, 10, 8, 6, 4, 2, 0, 0} {
			if want == 10 {
				for range 10 {
					_, err := h.Request(context.Background(), id, []byte("x"))
					check(t, err)
				}
			}
			<-time.After(time.Second)
			synctest.Wait()
			if got := rate(); got != want {
				t.Errorf("got %v messages a second, want %v", got, want)
			}
		}
		check(t, h.Undeploy(context.Background(), id))
		deploy(t, h)
		<-time.After(time.Second)
		synctest.Wait()
		if got := rate(); got != 0 {
			t.Errorf("got %v messages a second of a component that was deployed anew", got)
		}
	})
}
