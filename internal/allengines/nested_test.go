package allengines

import (
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/enginetest"
)

//go:embed testdata/diver.wasm
var diver []byte

// levels is how deep calls of functions may be nested.
const levels = 16

// dive is a message for the diver.
func dive(depth uint32, how byte) []byte {
	return append(binary.LittleEndian.AppendUint32(nil, depth), how)
}

// chain is instances of which each calls the next one by the function t/next. The message
// of the last one is last; if that is nil, its function panics.
type chain struct {
	t         testing.TB
	compiled  []core.Component // of the instances, in turn
	instances [levels]core.Instance
	last      []byte
}

// link is the functions of one instance of a chain.
type link struct {
	*chain
	next   int
	result []byte
}

func (l *link) CallFunction(name, argument []byte) ([]byte, error) {
	l.result = l.result[:0]
	if l.next == levels-1 {
		if argument = l.last; argument == nil {
			panic("boom")
		}
	}
	if err := l.instances[l.next].HandleMessage(id("t/caller"), argument, &l.result); err != nil {
		return nil, &core.CallError{Case: core.CallFailed, Text: err.Error()}
	}
	return l.result, nil
}

func newChain(t testing.TB, compiled ...core.Component) *chain {
	c := &chain{t: t, compiled: compiled}
	for i := range c.instances {
		c.make(i)
	}
	t.Cleanup(func() {
		for _, in := range c.instances {
			check(t, in.Close())
		}
	})
	return c
}

// make makes an instance, in place of one that has ended.
func (c *chain) make(i int) {
	in, err := c.compiled[i%len(c.compiled)].Instantiate(c.t.Context(), core.Environment{
		ID: id(fmt.Sprintf("t/level%d", i)), Host: &enginetest.Services{}, Functions: &link{chain: c, next: i + 1},
		Limits: core.Limits{HandlerTime: time.Hour, HandlerWallTime: time.Hour}.WithDefaults(),
	})
	check(c.t, err)
	if c.instances[i] != nil {
		check(c.t, c.instances[i].Close())
	}
	c.instances[i] = in
}

// call calls the first instance.
func (c *chain) call(depth uint32, last []byte) string {
	c.t.Helper()
	c.last = last
	var response []byte
	if err := c.instances[0].HandleMessage(id("t/caller"), dive(depth, 'c'), &response); err != nil {
		c.t.Fatal(err)
	}
	return string(response)
}

func compileDiver(t testing.TB, engine core.Engine, err error) core.Component {
	t.Helper()
	check(t, err)
	t.Cleanup(func() { check(t, engine.Close(within(t))) })
	component, err := engine.Compile(t.Context(), core.Source{Code: diver}, core.Limits{}.WithDefaults())
	check(t, err)
	t.Cleanup(func() { check(t, component.Close(within(t))) })
	return component
}

// deepest returns how deep a guest can dive before its stack is used up, within 1%.
func deepest(t *testing.T, component core.Component) uint32 {
	t.Helper()
	low, high := uint32(100), uint32(1<<20)
	for high-low > low/100 {
		middle := (low + high) / 2
		in, err := component.Instantiate(t.Context(), core.Environment{ID: id("t/probe"), Host: &enginetest.Services{}, Limits: core.Limits{}.WithDefaults()})
		check(t, err)
		var trap *core.TrapError
		if err = in.HandleMessage(id("t/caller"), dive(middle, 'b'), nil); err == nil {
			low = middle
		} else if high = middle; !errors.As(err, &trap) || trap.Kind != core.TrapStack {
			t.Fatal(err)
		}
		check(t, in.Close())
	}
	return low
}

// TestNestedFunctions: guests call each other by functions, nested as deep as a host
// allows, each with most of its stack in use. All of them run on the goroutine of the first
// one's caller, and together they use more stack than a thread has. The innermost may trap
// in any way, and ends alone.
func TestNestedFunctions(t *testing.T) {
	components := map[string]core.Component{}
	wz, err := wazero.New(wazero.Config{})
	components[wazero.Name] = compileDiver(t, wz, err)
	if wasmtime.Available {
		wt, err := wasmtime.New(wasmtime.Config{})
		components[wasmtime.Name] = compileDiver(t, wt, err)
		slow, err := wazero.New(wazero.Config{Interpreter: true})
		components[interpreter] = compileDiver(t, slow, err)
	}
	depth := map[string]uint32{}
	for name, component := range components {
		depth[name] = deepest(t, component)
		t.Run(name, func(t *testing.T) { testNested(t, newChain(t, component), depth[name]) })
	}
	if wasmtime.Available {
		t.Run("mixed", func(t *testing.T) {
			mixed := newChain(t, components[wasmtime.Name], components[wazero.Name], components[interpreter])
			testNested(t, mixed, min(depth[wasmtime.Name], depth[wazero.Name], depth[interpreter]))
		})
	}
}

func testNested(t *testing.T, c *chain, deepest uint32) {
	t.Logf("a guest dives %d calls deep", deepest)
	deep := deepest / 10 * 9
	for _, depth := range []uint32{0, deep} {
		for range 3 {
			if got := c.call(depth, dive(depth, 'b')); got != "bottom" {
				t.Fatalf("depth %d: got %q", depth, got)
			}
		}
		for how, want := range map[byte]string{'x': "unreachable", 's': "out of bounds memory access", 'o': "it used up its stack"} {
			if got := c.call(depth, dive(depth, how)); !strings.Contains(got, want) {
				t.Errorf("depth %d: the innermost traps: got %q, want %q", depth, got, want)
			}
			c.make(levels - 1)
		}
		if got, want := c.call(depth, nil), "the host panicked: boom"; !strings.Contains(got, want) {
			t.Errorf("depth %d: a function panics: got %q, want %q", depth, got, want)
		}
		c.make(levels - 2)
		if got := c.call(depth, dive(depth, 'b')); got != "bottom" {
			t.Errorf("depth %d: after the traps: got %q", depth, got)
		}
	}
	var all sync.WaitGroup
	for range 3 { // on threads that have been used, and on new ones
		other := newChain(t, c.compiled...)
		all.Go(func() {
			if got := other.call(deep, dive(deep, 'b')); got != "bottom" {
				t.Errorf("at the same time: got %q", got)
			}
		})
	}
	all.Wait()
}
