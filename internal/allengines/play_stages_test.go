package allengines

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/wasm"
)

// stage is a choice of engines for the players, which take them in turn.
type stage struct {
	name    string
	engines []string
	tame    bool // an engine runs no WebAssembly, and so no script can break the ABI
}

// all returns the names of the stage's engines, each once.
func (s stage) all() []string { return slices.Compact(slices.Sorted(slices.Values(s.engines))) }

// Names of engines beside their own ones.
const (
	interpreter = "interpreter"
	asked       = " asked" // wazero and Wasmtime without a ledger: the host is asked for everything
)

// stages are compared with the first one.
func stages() []stage {
	all := []stage{
		{"wazero", []string{wazero.Name}, false},
		{"wazero without a ledger", []string{wazero.Name + asked}, false},
		{"wazero's interpreter", []string{interpreter}, false},
		{"native", []string{native.Name}, true},
		{"wazero and native", []string{wazero.Name, native.Name}, true},
	}
	if wasmtime.Available {
		all = append(all,
			stage{"wasmtime", []string{wasmtime.Name}, false},
			stage{"wasmtime without a ledger", []string{wasmtime.Name + asked}, false},
			stage{"wazero and wasmtime", []string{wazero.Name, wasmtime.Name}, false},
			stage{"wasmtime and native", []string{wasmtime.Name, wasmtime.Name, native.Name}, true},
		)
	}
	return all
}

// withoutLedger is an engine that does not say that it keeps a ledger.
type withoutLedger struct{ core.Engine }

type componentWithoutLedger struct{ core.Component }

func (e withoutLedger) Compile(ctx context.Context, src core.Source, limits core.Limits) (core.Component, error) {
	c, err := e.Engine.Compile(ctx, src, limits)
	if err != nil {
		return nil, err
	}
	return componentWithoutLedger{c}, nil
}

func (c componentWithoutLedger) Traits() core.Traits {
	traits := c.Component.Traits()
	traits.KeepsLedger, traits.Exchanges = false, false
	return traits
}

// house has the engines of a test, and keeps the compiled players, so that a play takes
// only a few milliseconds.
type house struct {
	code    [][]byte // the player in several forms
	engines map[string]*keptEngine
}

func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{code: modules(t), engines: make(map[string]*keptEngine)}
	open := func(name string, e core.Engine, err error) {
		check(t, err)
		kept := &keptEngine{Engine: e, compiled: make(map[compiledKey]core.Component)}
		h.engines[name] = kept
		t.Cleanup(func() { kept.end(t) })
	}
	e, err := native.New(native.Config{})
	open(native.Name, e, err)
	wz, err := wazero.New(wazero.Config{})
	open(wazero.Name, wz, err)
	slow, err := wazero.New(wazero.Config{Interpreter: true})
	open(interpreter, slow, err)
	if wasmtime.Available {
		wt, err := wasmtime.New(wasmtime.Config{})
		open(wasmtime.Name, wt, err)
	}
	return h
}

// engine returns an engine. A host may close it.
func (h *house) engine(name string) core.Engine {
	if plain, ok := strings.CutSuffix(name, asked); ok {
		return withoutLedger{h.engines[plain]}
	}
	return h.engines[name]
}

// keptEngine is an engine that does not close, and compiles nothing twice.
type keptEngine struct {
	core.Engine
	mu       sync.Mutex
	compiled map[compiledKey]core.Component
}

type compiledKey struct {
	code   string
	limits core.Limits
}

func (e *keptEngine) Compile(ctx context.Context, src core.Source, limits core.Limits) (core.Component, error) {
	if src.Value != nil {
		return e.Engine.Compile(ctx, src, limits)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	key := compiledKey{string(src.Code), limits}
	if e.compiled[key] == nil {
		c, err := e.Engine.Compile(ctx, src, limits)
		if err != nil {
			return nil, err
		}
		e.compiled[key] = c
	}
	return keptComponent{e.compiled[key]}, nil
}

func (*keptEngine) Close(context.Context) error { return nil }

func (e *keptEngine) end(t testing.TB) {
	for _, c := range e.compiled {
		check(t, c.Close(context.Background()))
	}
	check(t, e.Engine.Close(context.Background()))
}

type keptComponent struct{ core.Component }

func (keptComponent) Close(context.Context) error { return nil }

// modules are the player in several forms.
func modules(t testing.TB) (all [][]byte) {
	t.Helper()
	for _, change := range []func(*wasm.Module){
		func(*wasm.Module) {},
		without(abi.PostHandleMessage, abi.PostHandleCallback),
		without(abi.PostHandleCallback),
		crowded,
	} {
		m, err := wasm.Parse(slices.Clone(playerWasm))
		check(t, err)
		change(m)
		all = append(all, m.Encode())
	}
	return all
}

func without(names ...string) func(*wasm.Module) {
	return func(m *wasm.Module) {
		m.Exports = slices.DeleteFunc(m.Exports, func(e wasm.Export) bool { return slices.Contains(names, e.Name) })
	}
}

// crowded exports 1,000 functions and globals, some by the names that a host might add,
// and its imports.
func crowded(m *wasm.Module) {
	m.Globals = append(m.Globals, wasm.Global{Type: wasm.GlobalType{Value: wasm.I32}, Init: []byte{0x41, 0, 0x0b}})
	global := uint32(m.Len(wasm.KindGlobal) - 1)
	for i, name := range []string{"airhost:entry", "airhost:entry'", "airhost:entry''", "airhost:next", "airhost:target", "airhost:credit", "airhost:answer"} {
		m.Exports = append(m.Exports, wasm.Export{Name: name, Kind: wasm.KindFunc, Index: uint32(i % 2)})
	}
	for i := range 1000 {
		m.Exports = append(m.Exports, wasm.Export{Name: fmt.Sprint("airhost:", i), Kind: wasm.KindGlobal, Index: global})
	}
}
