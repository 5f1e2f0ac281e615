package airhost_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/airhost/airhost"
	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const echo = "examples/c-echo/echo.wasm"

var quiet = slog.New(slog.DiscardHandler)

func newHost(t *testing.T, config airhost.Config) *airhost.Host {
	t.Helper()
	config.Logger = quiet
	h, err := airhost.New(config)
	check(t, err)
	t.Cleanup(func() { check(t, h.Close(context.Background())) })
	return h
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestRequestAndSend(t *testing.T) {
	h := newHost(t, airhost.Config{})
	id, err := h.DeployFile(t.Context(), "demo/echo", echo)
	check(t, err)
	if id != core.MustComponentID("demo/echo") {
		t.Errorf("got id %s, want demo/echo", id)
	}
	if got, err := h.Request(t.Context(), id, []byte("hello")); string(got) != "hello" || err != nil {
		t.Errorf("got %q, %v; want hello", got, err)
	}
	requests := []host.Request{{Payload: []byte("a")}, {Payload: []byte("b")}}
	check(t, h.RequestMany(t.Context(), id, requests))
	if a, b := string(requests[0].Response), string(requests[1].Response); a != "a" || b != "b" {
		t.Errorf("got %q and %q, want a and b", a, b)
	}
	check(t, h.Send(id, []byte("hello")))
	check(t, h.Host().Quiesce(t.Context()))
	if s := h.Host().Snapshot(); s.Handled != 4 {
		t.Errorf("%d messages were handled, want 4", s.Handled)
	}
}

func TestDeployFileRefuses(t *testing.T) {
	h := newHost(t, airhost.Config{})
	text := filepath.Join(t.TempDir(), "text.wasm")
	check(t, os.WriteFile(text, []byte("not a module"), 0o600))
	for _, c := range []struct {
		name, id, path string
		want           error
	}{
		{"an id without a namespace", "echo", echo, core.ErrInvalidID},
		{"no id", "", echo, core.ErrInvalidID},
		{"a missing file", "demo/echo", "missing.wasm", fs.ErrNotExist},
		{"a file that is no module", "demo/echo", text, core.ErrModuleRefused},
		{"no path", "demo/echo", "", fs.ErrNotExist},
	} {
		if id, err := h.DeployFile(t.Context(), c.id, c.path); !errors.Is(err, c.want) || !id.IsZero() {
			t.Errorf("%s: got %q, %v; want no id and %v", c.name, id, err, c.want)
		}
	}
	if all := h.Host().Components(); len(all) != 0 {
		t.Errorf("components are left: %v", all)
	}
	_, err := h.DeployFile(t.Context(), "demo/echo", echo)
	check(t, err)
	if _, err := h.DeployFile(t.Context(), "demo/echo", echo); !errors.Is(err, host.ErrAlreadyDeployed) {
		t.Errorf("a second component of one id: got %v, want ErrAlreadyDeployed", err)
	}
}

func TestClose(t *testing.T) {
	h := newHost(t, airhost.Config{})
	id, err := h.DeployFile(t.Context(), "demo/echo", echo)
	check(t, err)
	for range 2 {
		check(t, h.Close(t.Context()))
	}
	if _, err := h.DeployFile(t.Context(), "demo/more", echo); !errors.Is(err, host.ErrNotRunning) {
		t.Errorf("DeployFile: got %v, want ErrNotRunning", err)
	}
	if _, err := h.Request(t.Context(), id, nil); !errors.Is(err, core.ErrUnavailable) {
		t.Errorf("Request: got %v, want ErrUnavailable", err)
	}
	if err := h.Send(id, nil); !errors.Is(err, core.ErrUnavailable) {
		t.Errorf("Send: got %v, want ErrUnavailable", err)
	}
}

// waiting is a component in Go that handles a message until it is released.
type waiting struct{ begun, released chan struct{} }

func (w waiting) HandleMessage(guest.Host, string, []byte) ([]byte, error) {
	close(w.begun)
	<-w.released
	return nil, nil
}

// TestCloseReturnsTheErrorOfStop: it is an error if a component in Go does not return in
// time, and a second Close says so, too.
func TestCloseReturnsTheErrorOfStop(t *testing.T) {
	engine, err := native.New(native.Config{})
	check(t, err)
	h, err := airhost.New(airhost.Config{Logger: quiet, Engines: []core.Engine{engine}})
	check(t, err)
	w, id := waiting{make(chan struct{}), make(chan struct{})}, core.MustComponentID("demo/waiting")
	source := native.Source(func() guest.Component { return w })
	check(t, h.Host().Deploy(t.Context(), host.Deployment{ID: id, Engine: native.Name, Source: source}))
	check(t, h.Send(id, nil))
	<-w.begun
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	first := h.Close(ended)
	close(w.released)
	second := h.Close(t.Context())
	if first == nil || !strings.Contains(first.Error(), "demo/waiting") || second == nil || second.Error() != first.Error() {
		t.Errorf("got %v, then %v; want two errors that name demo/waiting", first, second)
	}
	check(t, engine.Close(t.Context()))
}

// TestNewLeavesNothing relies on TestMain, which finds goroutines that are left.
func TestNewLeavesNothing(t *testing.T) {
	second, err := wazero.New(wazero.Config{})
	check(t, err)
	h, err := airhost.New(airhost.Config{Logger: quiet, Engines: []core.Engine{second}})
	if h != nil || err == nil || !strings.Contains(err.Error(), "same name") {
		t.Errorf("got %v, %v; want an error that says that two engines have the same name", h, err)
	}
	if _, err := airhost.New(airhost.Config{Engines: []core.Engine{nil}}); err == nil {
		t.Error("New takes an engine that is nil")
	}
	check(t, second.Close(t.Context())) // it remains the caller's
}

// upper is a component in Go.
type upper struct{}

func (upper) HandleMessage(_ guest.Host, _ string, message []byte) ([]byte, error) {
	return []byte(strings.ToUpper(string(message))), nil
}

func TestFurtherEngines(t *testing.T) {
	engine, err := native.New(native.Config{})
	check(t, err)
	t.Cleanup(func() { check(t, engine.Close(context.Background())) })
	h := newHost(t, airhost.Config{Engines: []core.Engine{engine}})
	id := core.MustComponentID("demo/upper")
	source := native.Source(func() guest.Component { return upper{} })
	check(t, h.Host().Deploy(t.Context(), host.Deployment{ID: id, Engine: native.Name, Source: source}))
	if got, err := h.Request(t.Context(), id, []byte("hello")); string(got) != "HELLO" || err != nil {
		t.Errorf("got %q, %v; want HELLO", got, err)
	}
}

func TestCacheDirIsUsed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	h := newHost(t, airhost.Config{CacheDir: dir})
	_, err := h.DeployFile(t.Context(), "demo/echo", echo)
	check(t, err)
	if kept, err := os.ReadDir(dir); err != nil || len(kept) == 0 {
		t.Errorf("got %v, %v; want compiled code in the directory", kept, err)
	}
}

func TestMust(t *testing.T) {
	if got := airhost.Must(7, nil); got != 7 {
		t.Errorf("got %d, want 7", got)
	}
	failure := errors.New("on purpose")
	defer func() {
		if got := recover(); got != failure {
			t.Errorf("Must panics with %v, want %v", got, failure)
		}
	}()
	airhost.Must(7, failure)
}
