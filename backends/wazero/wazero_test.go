package wazero_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/enginetest"
)

func TestCallsDoNotAllocate(t *testing.T) {
	failure := &core.RequestError{Reason: core.ReasonTimeout}
	message, response := padded("e"), make([]byte, 0, 64)
	for name, limits := range map[string]core.Limits{"no fuel": {}, "fuel": {Fuel: 1 << 30}} {
		in := open(t, wazero.Config{}, limits)
		calls := map[string]func() error{
			"echo":     func() error { response = response[:0]; return in.HandleMessage(self, message, &response) },
			"send":     func() error { return in.HandleMessage(self, sends, nil) },
			"callback": func() error { return in.HandleCallback(1, response, nil) },
			"failure":  func() error { return in.HandleCallback(1, nil, failure) },
		}
		for what, call := range calls {
			if n := testing.AllocsPerRun(100, func() { must(t, call()) }); n != 0 {
				t.Errorf("%s, %s: got %v allocations, want none", name, what, n)
			}
		}
	}
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// compile compiles the suite's guest.
func compile(tb testing.TB, e *wazero.Engine) core.Component {
	tb.Helper()
	c, err := e.Compile(tb.Context(), enginetest.ActorWasm(), core.Limits{})
	must(tb, err)
	return c
}

// heap returns the bytes in use on Go's heap.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestIdleInstancesAreSmall(t *testing.T) {
	e, err := wazero.New(wazero.Config{})
	must(t, err)
	c := compile(t, e)
	instances := make([]core.Instance, 1000)
	before := heap()
	for i := range instances {
		instances[i], err = c.Instantiate(t.Context(), core.Environment{ID: self, Host: sink{}})
		must(t, err)
		must(t, instances[i].Initialize([]core.ConfigPair{{Key: "key", Value: "value"}}))
	}
	each := (heap() - before) / uint64(len(instances))
	t.Logf("an idle instance takes %d bytes", each)
	if each > 16<<10 {
		t.Errorf("an idle instance takes %d bytes, want at most 16 KiB", each)
	}
	for _, in := range instances {
		must(t, in.Close())
	}
	must(t, c.Close(t.Context()))
	must(t, e.Close(t.Context()))
}

// mappings counts the process's memory mappings.
func mappings(t *testing.T) int {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Skip(err)
	}
	return strings.Count(string(maps), "\n")
}

func TestCloseGivesMemoryBack(t *testing.T) {
	e, err := wazero.New(wazero.Config{})
	must(t, err)
	c := compile(t, e)
	before := mappings(t)
	for range 2000 {
		in, err := c.Instantiate(t.Context(), core.Environment{ID: self, Host: sink{}})
		must(t, err)
		must(t, in.HandleMessage(self, padded("e"), nil))
		must(t, in.Close())
	}
	if after := mappings(t); after > before+50 {
		t.Errorf("got %d mappings after 2000 instances, want about the %d from before", after, before)
	}
	must(t, c.Close(t.Context()))
	must(t, e.Close(t.Context()))
}

func TestComponentsOfOneModuleShareNothing(t *testing.T) {
	e, err := wazero.New(wazero.Config{})
	must(t, err)
	first, second := compile(t, e), compile(t, e)
	in, err := second.Instantiate(t.Context(), core.Environment{ID: self, Host: sink{}})
	must(t, err)
	must(t, first.Close(t.Context())) // the second one shares its code
	must(t, in.HandleMessage(self, padded("e"), nil))
	must(t, errors.Join(in.Close(), second.Close(t.Context()), e.Close(t.Context())))
}

func TestSources(t *testing.T) {
	e, err := wazero.New(wazero.Config{MaxModule: int64(len(enginetest.ActorWasm().Code))})
	must(t, err)
	file := filepath.Join(t.TempDir(), "guest.wasm")
	must(t, os.WriteFile(file, enginetest.ActorWasm().Code, 0o600))
	c, err := e.Compile(t.Context(), core.Source{Path: file}, core.Limits{})
	must(t, err)
	must(t, c.Close(t.Context()))

	_, err = e.Compile(t.Context(), core.Source{Path: file + ".not"}, core.Limits{})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: got %v", err)
	}
	must(t, os.WriteFile(file, append(enginetest.ActorWasm().Code, 0), 0o600))
	_, err = e.Compile(t.Context(), core.Source{Path: file}, core.Limits{})
	if !errors.As(err, new(*core.LimitError)) || !strings.Contains(err.Error(), file) {
		t.Errorf("a file that is too large: got %v, want a LimitError that names it", err)
	}
	must(t, e.Close(t.Context()))
}

func TestCompileRefusedByWazero(t *testing.T) {
	e, err := wazero.New(wazero.Config{})
	must(t, err)
	code := enginetest.ResponderWasm().Code
	code[len(code)-3] = 0x42 // the result's i32.const becomes an i64.const
	_, err = e.Compile(t.Context(), core.Source{Path: "bad.wasm", Code: code}, core.Limits{})
	var refused *core.ModuleError
	if !errors.As(err, &refused) || refused.Source != "bad.wasm" || refused.Cause == nil {
		t.Errorf("got %#v, want a ModuleError of bad.wasm with wazero's error", err)
	}
	must(t, e.Close(t.Context()))
}

func TestCanceledContext(t *testing.T) {
	e, err := wazero.New(wazero.Config{})
	must(t, err)
	c := compile(t, e)
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.Compile(canceled, enginetest.ActorWasm(), core.Limits{}); !errors.Is(err, context.Canceled) {
		t.Errorf("compile: got %v", err)
	}
	if _, err := c.Instantiate(canceled, core.Environment{ID: self, Host: sink{}}); !errors.Is(err, context.Canceled) {
		t.Errorf("instantiate: got %v", err)
	}
	must(t, errors.Join(c.Close(t.Context()), e.Close(t.Context())))
}

func TestTrapDetailsHaveTheGuestsStack(t *testing.T) {
	in := open(t, wazero.Config{}, core.Limits{})
	var trap *core.TrapError
	if err := in.HandleMessage(self, []byte("x"), nil); !errors.As(err, &trap) || !strings.Contains(trap.Details, "wasm stack trace") {
		t.Errorf("got %#v", trap)
	}
}

// intruder calls the instance by which it is called.
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
	e, err := wazero.New(wazero.Config{})
	must(t, err)
	c := compile(t, e)
	for what, call := range map[string]func(core.Instance) error{
		"handle-message": func(in core.Instance) error { return in.HandleMessage(self, padded("e"), nil) },
		"close":          core.Instance.Close,
	} {
		host := &intruder{}
		in, err := c.Instantiate(t.Context(), core.Environment{ID: self, Host: host})
		must(t, err)
		host.call = func() error { return call(in) }
		_ = in.HandleMessage(self, sends, nil)
		if host.err == nil {
			t.Errorf("%s from within a call: got no error", what)
		}
		must(t, in.Close())
	}
	must(t, errors.Join(c.Close(t.Context()), e.Close(t.Context())))
}
