//go:build cgo && linux && (amd64 || arm64)

package wasmtime_test

import (
	"errors"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/enginetest"
	"github.com/airhost/airhost/internal/wasm"
)

// life is what an instance goes through before it is closed.
type life struct {
	name string
	code []byte
	// live returns the instance to be closed, if there is one.
	live func(t *testing.T, c core.Component) core.Instance
}

// lives are all ways to end. Each leaves nothing behind.
func lives(t *testing.T) []life {
	loop := []byte{0x03, 0x40, 0x0c, 0, 0x0b}
	return []life{
		{"closed unused", actor(), func(t *testing.T, c core.Component) core.Instance { return begun(t, c, sink{}) }},
		{"used", actor(), goesOn(sink{}, padded("e"))},
		{"granted", actor(), goesOn(newGenerous(), sends)},
		{"trapped", actor(), ends(sink{}, "x")},
			{"broke the ABI", withBody(t, 0x41, 2, 0x0f), ends(sink{}, "")},
		{"host panicked", actor(), ends(panicky{}, string(sends))},
		{"interrupted", actor(), interrupted},
		{"interrupted in a loop", actor(), interruptedInALoop},
		{"did not link", withData(t, 1<<30), notBegun},
		{"trapped at its start", withStart(t, 0x00), notBegun},
		{"out of fuel at its start", withStart(t, loop...), notBegun},
	}
}

func begun(t *testing.T, c core.Component, host core.Services) core.Instance {
	t.Helper()
	in, err := c.Instantiate(t.Context(), core.Environment{ID: self, Host: host, Limits: lifeLimits})
	must(t, err)
	return in
}

// lifeLimits have code end that would not.
var lifeLimits = core.Limits{Fuel: 100_000}

// goesOn has an instance handle a message.
func goesOn(host core.Services, message []byte) func(*testing.T, core.Component) core.Instance {
	return func(t *testing.T, c core.Component) core.Instance {
		in := begun(t, c, host)
		must(t, in.HandleMessage(self, message, nil))
		return in
	}
}

// ends has an instance handle a message that is its end.
func ends(host core.Services, message string) func(*testing.T, core.Component) core.Instance {
	return func(t *testing.T, c core.Component) core.Instance {
		in := begun(t, c, host)
		var trap *core.TrapError
		if err := in.HandleMessage(self, []byte(message), nil); !errors.As(err, &trap) {
			t.Fatalf("got %v, want a TrapError", err)
		}
		return in
	}
}

// panicky panics when something is sent.
type panicky struct{ sink }

func (panicky) SendMessage(_, _ []byte) error { panic("boom") }

func interrupted(t *testing.T, c core.Component) core.Instance {
	in := begun(t, c, sink{})
	in.Interrupt()
	trapOf(t, in.HandleMessage(self, nil, nil), core.TrapHandler)
	return in
}

func interruptedInALoop(t *testing.T, c core.Component) core.Instance {
	host := &enginetest.Services{}
	in := begun(t, c, host)
	host.Calling = func(string) { in.Interrupt() }
	trapOf(t, in.HandleMessage(self, []byte("o"), nil), core.TrapHandler)
	return in
}

// notBegun tries to make an instance of what does not start.
func notBegun(t *testing.T, c core.Component) core.Instance {
	_, err := c.Instantiate(t.Context(), core.Environment{ID: self, Host: sink{}, Limits: lifeLimits})
	if !errors.As(err, new(*core.TrapError)) {
		t.Fatalf("got %v, want a TrapError", err)
	}
	return nil
}

// withStart returns a guest whose start function has this body, without its end.
func withStart(t *testing.T, body ...byte) []byte {
	t.Helper()
	m, err := wasm.Parse(enginetest.ResponderWasm().Code)
	must(t, err)
	start := uint32(m.Len(wasm.KindFunc))
	m.Functions, m.Types = append(m.Functions, uint32(len(m.Types))), append(m.Types, wasm.FuncType{})
	m.Code = append(m.Code, wasm.Code{Expr: append(body, 0x0b)})
	m.Start = &start
	return m.Encode()
}

// withData returns a guest with one byte of data there.
func withData(t *testing.T, at int64) []byte {
	t.Helper()
	m, err := wasm.Parse(enginetest.ResponderWasm().Code)
	must(t, err)
	place := []byte{0, 0x41}
	for ; at >= 0x40; at >>= 7 {
		place = append(place, byte(at)|0x80)
	}
	m.Data = wasm.Segments{Count: 1, Raw: append(place, byte(at), 0x0b, 1, 'x')}
	return m.Encode()
}

// lead leads a life so many times.
func (l life) lead(t *testing.T, c core.Component, times int) {
	for range times {
		if in := l.live(t, c); in != nil {
			must(t, in.Close())
			must(t, in.Close())
		}
	}
}

func TestNothingIsLeftOfInstances(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // so that no finalizer runs
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := wasmtime.Alive()
	e := newEngine(t, wasmtime.Config{})
	for _, l := range lives(t) {
		t.Run(l.name, func(t *testing.T) { l.leavesNothing(t, e) })
	}
	equal(t, "instances that are alive", wasmtime.Alive(), before)
}

func (l life) leavesNothing(t *testing.T, e *wasmtime.Engine) {
	c := compile(t, e, l.code, lifeLimits)
	l.lead(t, c, 20)
	first, alive := usage(t), wasmtime.Alive()
	l.lead(t, c, 1000)
	second := usage(t)
	// A leaked store maps memory, so that there would be 1000 mappings or more.
	if second.mappings > first.mappings+50 || second.threads > first.threads+50 {
		t.Errorf("got %+v after 1000 more instances, want about %+v", second, first)
	}
	// What C has of an instance takes 9 KiB, a store more.
	if grown := second.notGo - first.notGo; measures && grown > 1000*4096 {
		t.Errorf("got %d bytes more outside of Go's memory after 1000 instances", grown)
	}
	equal(t, "instances that are alive", wasmtime.Alive(), alive)
}

func TestNothingIsLeftOfEngines(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	lead := func(times int) {
		for range times {
			e, err := wasmtime.New(wasmtime.Config{})
			must(t, err)
			c, err := e.Compile(t.Context(), core.Source{Code: actor()}, core.Limits{})
			must(t, err)
			in := begun(t, c, sink{})
			must(t, in.HandleMessage(self, padded("e"), nil))
			must(t, errors.Join(in.Close(), c.Close(t.Context()), e.Close(t.Context())))
		}
	}
	lead(10)
	first := usage(t)
	lead(50)
	second := usage(t)
	if second.mappings > first.mappings+25 || second.threads > first.threads+25 {
		t.Errorf("got %+v after 50 more engines, want about %+v", second, first)
	}
	if grown := second.notGo - first.notGo; measures && grown > 50*64<<10 {
		t.Errorf("got %d bytes more outside of Go's memory after 50 engines", grown)
	}
}

// resources are what the process has of the system.
type resources struct {
	mappings, threads int
	notGo             int // bytes of memory in use that is not Go's
}

func usage(t *testing.T) resources {
	t.Helper()
	var r resources
	maps, err := os.ReadFile("/proc/self/maps")
	must(t, err)
	r.mappings = strings.Count(string(maps), "\n")
	tasks, err := os.ReadDir("/proc/self/task")
	must(t, err)
	r.threads = len(tasks)
	statm, err := os.ReadFile("/proc/self/statm")
	must(t, err)
	pages, err := strconv.Atoi(strings.Fields(string(statm))[1])
	must(t, err)
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	r.notGo = pages*os.Getpagesize() - int(m.HeapInuse+m.StackInuse+m.MSpanInuse+m.GCSys+m.OtherSys)
	return r
}
