//go:build cgo && linux && (amd64 || arm64)

package wasmtime_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/enginetest"
	"github.com/airhost/airhost/internal/wasm"
)

// life is an instance's use before it is closed.
type life struct {
	name string
	code []byte
	// live returns the instance to close, or nil.
	live func(t *testing.T, c core.Component) core.Instance
}

// lives are all ways to end. Each leaves nothing behind.
func lives(t *testing.T) []life {
	loop := []byte{0x03, 0x40, 0x0c, 0, 0x0b}
	return []life{
		{"closed unused", actor(), func(t *testing.T, c core.Component) core.Instance { return begun(t, c, core.Environment{Host: sink{}}) }},
		{"used", actor(), goesOn(core.Environment{Host: sink{}}, padded("e"))},
		{"used its credit", actor(), goesOn(generousEnvironment(), sends)},
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

func begun(t *testing.T, c core.Component, env core.Environment) core.Instance {
	t.Helper()
	env.ID, env.Limits = self, lifeLimits
	in, err := c.Instantiate(t.Context(), env)
	must(t, err)
	return in
}

// lifeLimits end endless code.
var lifeLimits = core.Limits{Fuel: 100_000}

// goesOn makes an instance that handles a message.
func goesOn(env core.Environment, message []byte) func(*testing.T, core.Component) core.Instance {
	return func(t *testing.T, c core.Component) core.Instance {
		in := begun(t, c, env)
		must(t, in.HandleMessage(self, message, nil))
		return in
	}
}

// ends makes an instance that handles a message and traps.
func ends(host core.Services, message string) func(*testing.T, core.Component) core.Instance {
	return func(t *testing.T, c core.Component) core.Instance {
		in := begun(t, c, core.Environment{Host: host})
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
	in := begun(t, c, core.Environment{Host: sink{}})
	in.Interrupt()
	trapOf(t, in.HandleMessage(self, nil, nil), core.TrapHandler)
	return in
}

func interruptedInALoop(t *testing.T, c core.Component) core.Instance {
	host := &enginetest.Services{}
	in := begun(t, c, core.Environment{Host: host})
	host.Calling = func(string) { in.Interrupt() }
	trapOf(t, in.HandleMessage(self, []byte("o"), nil), core.TrapHandler)
	return in
}

// notBegun tries to make an instance of a guest that does not start.
func notBegun(t *testing.T, c core.Component) core.Instance {
	_, err := c.Instantiate(t.Context(), core.Environment{ID: self, Host: sink{}, Limits: lifeLimits})
	if !errors.As(err, new(*core.TrapError)) {
		t.Fatalf("got %v, want a TrapError", err)
	}
	return nil
}

// withStart returns a guest with this body of its start function, without the end.
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

// withData returns a guest with one byte of data at an address.
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

// once leads a life once.
func (l life) once(t *testing.T, c core.Component) {
	if in := l.live(t, c); in != nil {
		must(t, in.Close())
		must(t, in.Close())
	}
}

func TestNothingIsLeftOfInstances(t *testing.T) {
	e := newEngine(t, wasmtime.Config{})
	for _, l := range lives(t) {
		t.Run(l.name, func(t *testing.T) {
			c, alive := compile(t, e, l.code, lifeLimits), wasmtime.Alive()
			leavesNothing(t, 500, 1<<10, func() { l.once(t, c) })
			equal(t, "instances that are alive", wasmtime.Alive(), alive)
		})
	}
}

func TestNothingIsLeftOfEngines(t *testing.T) {
	leavesNothing(t, 30, 32<<10, func() {
		e, err := wasmtime.New(wasmtime.Config{})
		must(t, err)
		c, err := e.Compile(t.Context(), core.Source{Code: actor()}, core.Limits{})
		must(t, err)
		in := begun(t, c, core.Environment{Host: sink{}})
		must(t, in.HandleMessage(self, padded("e"), nil))
		must(t, errors.Join(in.Close(), c.Close(t.Context()), e.Close(t.Context())))
	})
}

// leavesNothing runs a function many times and compares the process's resources, without
// a garbage collection, so that no finalizer runs. A leak grows in all of three rounds; a
// new thread, or a library's own memory, may grow in one. Each run must leave less than
// the given bytes.
func leavesNothing(t *testing.T, times, bytes int, do func()) {
	t.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	const rounds = 3
	least := resources{math.MaxInt, math.MaxInt, math.MaxInt}
	for range times / 10 {
		do()
	}
	for range rounds {
		before := usage(t)
		for range times {
			do()
		}
		after := usage(t)
		least.mappings = min(least.mappings, after.mappings-before.mappings)
		least.threads = min(least.threads, after.threads-before.threads)
		least.notGo = min(least.notGo, after.notGo-before.notGo)
	}
	if least.mappings > times/2 || least.threads > times/2 || measures && least.notGo > times*bytes {
		t.Errorf("each of %d rounds of %d left %+v or more", rounds, times, least)
	}
}

// resources are the process's resources of the system.
type resources struct {
	mappings, threads int
	notGo             int // bytes of memory to write to that is not Go's
}

func usage(t *testing.T) resources {
	t.Helper()
	var r resources
	maps, err := os.ReadFile("/proc/self/maps")
	must(t, err)
	for line := range strings.Lines(string(maps)) {
		var from, to uint64
		var access string
		_, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &access)
		must(t, err)
		r.mappings++
		if access == "rw-p" {
			r.notGo += int(to - from)
		}
	}
	tasks, err := os.ReadDir("/proc/self/task")
	must(t, err)
	r.threads = len(tasks)
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	r.notGo -= int(m.Sys)
	return r
}
