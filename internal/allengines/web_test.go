package allengines

import (
	"context"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/reach/httpout"
)

// webWasm sends requests as its messages say: see testdata/web.c.
//
//go:embed testdata/web.wasm
var webWasm []byte

// webHost is a host with one component that may send requests by some rules.
func webHost(t testing.TB, engine string, client host.HTTPClient, limits core.Limits, rules ...string) *host.Host {
	t.Helper()
	open := func() (core.Engine, error) { return wazero.New(wazero.Config{}) }
	if engine == wasmtime.Name {
		open = func() (core.Engine, error) { return wasmtime.New(wasmtime.Config{}) }
	}
	broker, err := newInproc()
	check(t, err)
	tracker, err := newSlab()
	check(t, err)
	e, err := open()
	check(t, err)
	h, err := host.New(host.Config{Logger: slog.New(slog.DiscardHandler), HTTP: client, RequestTimeout: time.Hour}, broker, tracker, e)
	check(t, err)
	check(t, h.Start(context.Background()))
	t.Cleanup(func() { check(t, h.Stop(context.Background())); check(t, e.Close(context.Background())) })
	var granted core.HTTPRules
	for _, text := range rules {
		r, err := core.ParseHTTPRule(text)
		check(t, err)
		granted = append(granted, r)
	}
	check(t, h.Deploy(t.Context(), host.Deployment{
		ID: id("t/web"), Engine: engine, Source: core.Source{Code: webWasm}, Capabilities: host.Capabilities{HTTP: granted}, Limits: limits,
		Restart: host.Restart{Policy: host.RestartPermanent},
	}))
	return h
}

var patientLimits = core.Limits{HandlerTime: time.Minute, HandlerWallTime: time.Hour}

// mirror answers with the request itself, but for the body.
func mirror(t testing.TB) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header()["X-Got"] = r.Header["X-Sent"]
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprintf(w, "%s %s %d", r.Method, r.URL, len(body))
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// TestWeb: all that a guest can do with wasi:http, on every engine, to a server.
func TestWeb(t *testing.T) {
	for _, engine := range wasmEngines() {
		t.Run(engine, func(t *testing.T) { testWeb(t, engine) })
	}
}

func testWeb(t *testing.T, engine string) {
	client, err := httpout.New(httpout.Config{MaxBody: 200_000})
	check(t, err)
	at := mirror(t)
	h := webHost(t, engine, client, patientLimits, "http://"+at+"/a*")
	get := step('q', at, "/a?b=c") + step('h') + step('y') + step('g')
	with := func(body string) string { return step('q', at, "/a") + step('p') + step('b') + body }
	send := step('h') + step('y') + step('g')
	for i, c := range []struct{ ask, want string }{
		{get + step('r') + step('d') + step('g') + step('x'), "R418 GET /a?b=c 0G"},
		{step('f', "X-Sent", "one") + step('f', "X-Sent", "two") + get + step('v', "x-got") + step('d') + step('x'), "R418 one two "},
		{with(step('w', "hello")+step('w', "you")+step('e')) + send + step('r') + step('d') + step('x'), "R418 POST /a 8"},
		{with(step('h')+step('g')+step('w', "late")+step('e')) + step('y') + step('g') + step('r') + step('d') + step('x'), "NR418 POST /a 4"},
		{with(step('z', "\x03")+step('e')) + send + step('r') + step('d') + step('x'), "R418 POST /a 196608"},
		{with(step('z', "\x04") + step('e') + step('h')), "E17 "},
		{with(step('h')+step('z', "\x04")+step('e')) + step('y') + step('g') + step('x'), "E17 "},
		{with(step('h')+step('w', "x")+step('a')) + step('y') + step('g') + step('x'), "E35 "},
		{step('q', at, "/b") + step('h'), "E15 "},
		{step('q', "localhost", "/a") + step('h'), "E15 "},
		{get + step('r') + step('r') + step('d') + step('x'), "R418 GET /a?b=c 0!"},
	} {
		answer, err := h.Request(within(t), id("t/web"), []byte(c.ask))
		if string(answer) != c.want || err != nil {
			t.Fatalf("step %d: got %q, %v, want %q", i, answer, err, c.want)
		}
	}
	if n := h.Snapshot(); n.HTTPRequests != 10 || n.FailedHTTP["HTTP-request-denied"] != 2 || n.FailedHTTP["HTTP-request-body-size"] != 2 {
		t.Errorf("counted %d requests, %v failed", n.HTTPRequests, n.FailedHTTP)
	}
}

// instant is a client that answers at once, without a network. late does when it is canceled.
type instant struct {
	body []byte
	late bool
}

func (c instant) Prepare(*core.HTTPRequest, core.HTTPRules) (host.SendHTTP, error) {
	return func(ctx context.Context) (*core.HTTPResponse, error) {
		if c.late {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return &core.HTTPResponse{Status: 200, Body: c.body}, nil
	}, nil
}

// TestWebEnds: a request that is under way ends with the call that began it, and a guest that waits is
// stopped by its limits. Its running time does not pass meanwhile.
func TestWebEnds(t *testing.T) {
	for _, engine := range wasmEngines() {
		limits := core.Limits{HandlerTime: 500 * time.Millisecond, HandlerWallTime: time.Second}
		h := webHost(t, engine, instant{late: true}, limits, "https://*.example.com/*")
		ask := func(ask string) (string, error) {
			answer, err := h.Request(within(t), id("t/web"), []byte(ask))
			return string(answer), err
		}
		begin := step('q', "a.example.com", "/") + step('h')
		if answer, err := ask(begin + step('y') + step('g') + step('x')); answer != "E33 " || err != nil {
			t.Errorf("%s, a request that takes too long: got %q, %v", engine, answer, err)
		}
		if answer, err := ask(begin + step('g')); answer != "N" || err != nil {
			t.Errorf("%s, a request that is left: got %q, %v", engine, answer, err)
		}
		if answer, err := ask(step('y') + step('g') + step('x')); answer != "E7 " || err != nil {
			t.Errorf("%s, its outcome in the next call: got %q, %v", engine, answer, err)
		}
		if _, err := ask(step('q', "a.example.com", "/") + step('b') + step('h') + step('y')); !errors.Is(err, core.ErrRequestTrapped) || !strings.Contains(err.Error(), "whose body it has not finished") {
			t.Errorf("%s, a guest that waits for itself: got %v", engine, err)
		}
	}
}

// TestWebForged: a guest that uses resources which it has not ends, and its next instance goes on.
func TestWebForged(t *testing.T) {
	for _, engine := range wasmEngines() {
		h := webHost(t, engine, instant{body: []byte("x")}, patientLimits, "https://a/*", "http://a/*")
		get := step('q', "a", "/") + step('h') + step('y') + step('g')
		for _, c := range []struct{ ask, text string }{
			{step('h'), "the handle 0 to wasi:http/outgoing-handler handle"},
			{step('q', "a", "/") + step('h') + step('h'), "wasi:http/outgoing-handler handle"},
			{get + step('x') + step('x'), "wasi:http/types future-incoming-response"},
			{get + step('x') + step('y'), "future-incoming-response.subscribe"},
			{get + step('d') + step('r'), "incoming-response.consume"},
			{step('q', "a", "/") + step('b') + step('e') + step('e'), "outgoing-body.finish"},
			{step('q', "a", "/") + step('b') + step('a') + step('w', "x"), "outgoing-body.write"},
		} {
			if _, err := h.Request(within(t), id("t/web"), []byte(c.ask)); !errors.Is(err, core.ErrRequestTrapped) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%s: got %v, want a trap with %q", engine, err, c.text)
			}
			check(t, h.Restart(within(t), id("t/web")))
			answer, err := h.Request(within(t), id("t/web"), []byte(get+step('r')+step('d')+step('x')))
			if string(answer) != "R200 x" || err != nil {
				t.Fatalf("%s, after %q: got %q, %v", engine, c.text, answer, err)
			}
		}
	}
}

// TestWebHeld: the bodies that a guest holds are bounded together, and large ones come whole.
func TestWebHeld(t *testing.T) {
	for _, engine := range wasmEngines() {
		h := webHost(t, engine, instant{body: make([]byte, 6<<20)}, patientLimits, "https://a/*")
		get := step('q', "a", "/") + step('h') + step('y') + step('g')
		answer, err := h.Request(within(t), id("t/web"), []byte(strings.Repeat(get, 3)))
		if want := "R200 R200 E28 "; string(answer) != want || err != nil {
			t.Errorf("%s: got %q, %v, want %q", engine, answer, err, want)
		}
	}
}

// BenchmarkWeb is a request of a guest with its response: "exchange" is answered in the
// process, and "server" by a server, which "net/http" asks without a guest.
func BenchmarkWeb(b *testing.B) {
	client, err := httpout.New(httpout.Config{})
	check(b, err)
	at := mirror(b)
	for _, engine := range wasmEngines() {
		for _, c := range []struct {
			name   string
			client host.HTTPClient
		}{{"exchange", instant{body: make([]byte, 64)}}, {"server", client}} {
			h := webHost(b, engine, c.client, patientLimits, "http://"+at+"/*")
			b.Run(engine+"/"+c.name, func(b *testing.B) {
				b.ReportAllocs()
				ask := append(binary.LittleEndian.AppendUint32([]byte("n"), uint32(b.N)), at...)
				_, err := h.Request(context.Background(), id("t/web"), ask)
				check(b, err)
			})
		}
	}
	b.Run("net/http", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r, err := http.Get("http://" + at + "/")
			check(b, err)
			_, err = io.Copy(io.Discard, r.Body)
			check(b, errors.Join(err, r.Body.Close()))
		}
	})
}
