//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/enginetest"
	"github.com/airhost/airhost/internal/wasm"
)

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// sink takes every message and log line.
type sink struct{ core.Services }

func (sink) SendMessage(_, _ []byte) error { return nil }
func (sink) Log(core.LogLevel, []byte)     {}

var self = core.MustComponentID("bench/guest")

// padded returns a message of 64 bytes.
func padded(text string) []byte { return append([]byte(text), make([]byte, 64-len(text))...) }

// sends tells the suite's guest to send.
var sends = padded("s\x0ebench/neighbor")

// newEngine returns an engine that is closed after the test.
func newEngine(tb testing.TB, config wasmtime.Config) *wasmtime.Engine {
	tb.Helper()
	e, err := wasmtime.New(config)
	must(tb, err)
	tb.Cleanup(func() { must(tb, e.Close(context.Background())) }) // tb's own has ended
	return e
}

// compile compiles a guest, for the test.
func compile(tb testing.TB, e core.Engine, code []byte, limits core.Limits) core.Component {
	tb.Helper()
	c, err := e.Compile(tb.Context(), core.Source{Code: code}, limits)
	must(tb, err)
	tb.Cleanup(func() { must(tb, c.Close(context.Background())) })
	return c
}

// instantiate makes an instance, for the test.
func instantiate(tb testing.TB, c core.Component, env core.Environment) core.Instance {
	tb.Helper()
	env.ID = self
	in, err := c.Instantiate(tb.Context(), env)
	must(tb, err)
	tb.Cleanup(func() { must(tb, in.Close()) })
	return in
}

// open returns an instance of a guest, with an engine of its own.
func open(tb testing.TB, code []byte, host core.Services, limits core.Limits) core.Instance {
	tb.Helper()
	c := compile(tb, newEngine(tb, wasmtime.Config{}), code, limits)
	return instantiate(tb, c, core.Environment{Host: host, Limits: limits})
}

func actor() []byte { return enginetest.ActorWasm().Code }

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// trapOf checks that err is a TrapError of the kind, and returns it.
func trapOf(t *testing.T, err error, kind core.TrapKind) *core.TrapError {
	t.Helper()
	var trap *core.TrapError
	if !errors.As(err, &trap) || trap.Kind != kind {
		t.Fatalf("got %v, want a TrapError of kind %v", err, kind)
	}
	return trap
}

func TestSources(t *testing.T) {
	e := newEngine(t, wasmtime.Config{MaxModule: int64(len(actor()))})
	file := filepath.Join(t.TempDir(), "guest.wasm")
	must(t, os.WriteFile(file, actor(), 0o600))
	c, err := e.Compile(t.Context(), core.Source{Path: file}, core.Limits{})
	must(t, err)
	must(t, c.Close(t.Context()))

	_, err = e.Compile(t.Context(), core.Source{Path: file + ".not"}, core.Limits{})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: got %v", err)
	}
	must(t, os.WriteFile(file, append(actor(), 0), 0o600))
	_, err = e.Compile(t.Context(), core.Source{Path: file}, core.Limits{})
	if !errors.As(err, new(*core.LimitError)) || !strings.Contains(err.Error(), file) {
		t.Errorf("a file that is too large: got %v, want a LimitError that names it", err)
	}
}

func TestCompileOfWhatWasmtimeRefuses(t *testing.T) {
	e := newEngine(t, wasmtime.Config{})
	code := enginetest.ResponderWasm().Code
	code[len(code)-3] = 0x42 // the result, an i32.const, becomes an i64.const
	for name, limits := range map[string]core.Limits{"no fuel": {}, "fuel": {Fuel: 1000}} {
		_, err := e.Compile(t.Context(), core.Source{Path: "bad.wasm", Code: code}, limits)
		var refused *core.ModuleError
		if !errors.As(err, &refused) || refused.Source != "bad.wasm" || refused.Cause == nil {
			t.Errorf("%s: got %#v, want a ModuleError of bad.wasm with Wasmtime's error", name, err)
		}
	}
}

// TestDeclaredTooMuch compiles modules that declare more than any guest needs.
func TestDeclaredTooMuch(t *testing.T) {
	e := newEngine(t, wasmtime.Config{})
	for limit, change := range map[string]func(*wasm.Module){
		"tables": func(m *wasm.Module) { m.Tables = slices.Repeat([]wasm.Table{{Elem: wasm.FuncRef}}, 101) },
		"results": func(m *wasm.Module) {
			m.Types = append(m.Types, wasm.FuncType{Results: slices.Repeat([]wasm.ValueType{wasm.I32}, 1001)})
		},
		"locals": func(m *wasm.Module) {
			m.Code[0].Groups, m.Code[0].Decls = 1, wasm.AppendValueType(wasm.AppendIndex(nil, 1<<31), wasm.I64)
		},
	} {
		m, err := wasm.Parse(enginetest.ResponderWasm().Code)
		must(t, err)
		change(m)
		_, err = e.Compile(t.Context(), core.Source{Code: m.Encode()}, core.Limits{})
		var got *core.LimitError
		if !errors.As(err, &got) || got.Limit != limit {
			t.Errorf("got %v, want a LimitError of %s", err, limit)
		}
	}
}

func TestCanceledContext(t *testing.T) {
	e := newEngine(t, wasmtime.Config{})
	c := compile(t, e, actor(), core.Limits{})
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.Compile(canceled, enginetest.ActorWasm(), core.Limits{}); !errors.Is(err, context.Canceled) {
		t.Errorf("compile: got %v", err)
	}
	if _, err := c.Instantiate(canceled, core.Environment{ID: self, Host: sink{}}); !errors.Is(err, context.Canceled) {
		t.Errorf("instantiate: got %v", err)
	}
}

func TestTrapDetailsHaveTheGuestsStack(t *testing.T) {
	in := open(t, actor(), sink{}, core.Limits{})
	trap := trapOf(t, in.HandleMessage(self, []byte("x"), nil), core.TrapFault)
	if !strings.Contains(trap.Details, "wasm function") {
		t.Errorf("got the details %q, want the guest's stack in them", trap.Details)
	}
}

// TestLargestMessageSize: a quota may be more than 32 bits hold.
func TestLargestMessageSize(t *testing.T) {
	for _, size := range []int{1 << 32, 1<<32 + 1, math.MaxInt} {
		in := open(t, actor(), sink{}, core.Limits{MessageSize: size})
		var response []byte
		must(t, in.HandleMessage(self, []byte("eon"), &response))
		equal(t, fmt.Sprint("response where ", size, " bytes are allowed"), string(response), "on")
		if err := in.HandleMessage(self, []byte("f\x02no"), nil); !errors.Is(err, core.ErrFailed) {
			t.Errorf("got %v, want the guest's answer", err)
		}
	}
}

// intruder calls the instance that calls it.
type intruder struct {
	core.Services
	call func() error
	err  error
}

func (i *intruder) SendMessage(_, _ []byte) error {
	i.err = i.call()
	return nil
}

func TestReentryIsRefused(t *testing.T) {
	c := compile(t, newEngine(t, wasmtime.Config{}), actor(), core.Limits{})
	for what, call := range map[string]func(core.Instance) error{
		"handle-message":  func(in core.Instance) error { return in.HandleMessage(self, padded("e"), nil) },
		"handle-callback": func(in core.Instance) error { return in.HandleCallback(1, nil, nil) },
		"health":          func(in core.Instance) error { _, err := in.Health(); return err },
		"close":           core.Instance.Close,
	} {
		host := &intruder{}
		in := instantiate(t, c, core.Environment{Host: host})
		host.call = func() error { return call(in) }
		_ = in.HandleMessage(self, sends, nil)
		if host.err == nil {
			t.Errorf("%s from within a call: got no error", what)
		}
	}
}

func TestCloseTwiceAndCompileAfter(t *testing.T) {
	e, err := wasmtime.New(wasmtime.Config{})
	must(t, err)
	must(t, e.Close(t.Context()))
	must(t, e.Close(t.Context()))
	if _, err := e.Compile(t.Context(), enginetest.ActorWasm(), core.Limits{}); !errors.Is(err, core.ErrClosed) {
		t.Errorf("compile after close: got %v", err)
	}
}

// TestInterruptAtAnyTime interrupts from another goroutine while instances live
// and die, and goes on after their Close and the engine's.
func TestInterruptAtAnyTime(t *testing.T) {
	e, err := wasmtime.New(wasmtime.Config{})
	must(t, err)
	c, err := e.Compile(t.Context(), core.Source{Code: actor()}, core.Limits{})
	must(t, err)
	var others sync.WaitGroup
	for range 50 {
		begun, over := make(chan struct{}), make(chan struct{})
		in, err := c.Instantiate(t.Context(), core.Environment{ID: self, Host: sink{}, Starting: func(in core.Instance) {
			others.Go(func() {
				<-begun
				for range 100 {
					in.Interrupt()
				}
				<-over
				in.Interrupt()
			})
		}})
		must(t, err)
		close(begun)
		for err == nil {
			err = in.HandleMessage(self, padded("e"), nil)
		}
		trapOf(t, err, core.TrapHandler)
		must(t, in.Close())
		defer close(over)
	}
	must(t, errors.Join(c.Close(t.Context()), e.Close(t.Context())))
	t.Cleanup(others.Wait)
}

func TestInterruptEndsALoop(t *testing.T) {
	host := &enginetest.Services{}
	in := open(t, actor(), host, core.Limits{})
	done := make(chan struct{})
	defer func() { <-done }()
	host.Calling = func(string) { // that it does not end
		go func() {
			defer close(done)
			in.Interrupt()
		}()
	}
	trapOf(t, in.HandleMessage(self, []byte("o"), nil), core.TrapHandler)
}

// TestEndsByItself: the engine ends an endless call that nobody interrupts.
func TestEndsByItself(t *testing.T) {
	in := open(t, actor(), sink{}, core.Limits{HandlerTime: 1})
	trapOf(t, in.HandleMessage(self, []byte("o"), nil), core.TrapHandler)
}

func TestComponentsOfOneModuleShareNothing(t *testing.T) {
	e := newEngine(t, wasmtime.Config{})
	first, err := e.Compile(t.Context(), core.Source{Code: actor()}, core.Limits{})
	must(t, err)
	in := instantiate(t, compile(t, e, actor(), core.Limits{}), core.Environment{Host: sink{}})
	must(t, first.Close(t.Context()))
	must(t, in.HandleMessage(self, padded("e"), nil))
}
