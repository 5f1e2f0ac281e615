//go:build cgo && (linux || darwin) && (amd64 || arm64)

package fusetest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/bytecodealliance/wasmtime-go/v39"
)

func init() { machines["wasmtime"] = newWasmtime }

// onWasmtime is a machine on Wasmtime, with the features that airhost switches on.
type onWasmtime struct {
	engine    *wasmtime.Engine
	store     *wasmtime.Store
	linker    *wasmtime.Linker
	instances map[string]*wasmtime.Instance
	log       []int32
}

func newWasmtime(t testing.TB) machine {
	config := wasmtime.NewConfig()
	config.SetWasmTailCall(true)
	config.SetWasmThreads(false)
	config.SetWasmRelaxedSIMD(false)
	config.SetWasmMultiMemory(false)
	config.SetWasmMemory64(false)
	config.SetWasmFunctionReferences(false)
	config.SetWasmGC(false)
	m := &onWasmtime{engine: wasmtime.NewEngineWithConfig(config), instances: make(map[string]*wasmtime.Instance)}
	m.store, m.linker = wasmtime.NewStore(m.engine), wasmtime.NewLinker(m.engine)
	must(t, m.linker.DefineFunc(m.store, "host", "log", func(n int32) { m.log = append(m.log, n) }))
	must(t, m.linker.DefineFunc(m.store, "host", "fail", func() *wasmtime.Trap { return wasmtime.NewTrap("fail") }))
	t.Cleanup(func() { m.linker.Close(); m.store.Close(); m.engine.Close() })
	return m
}

func (m *onWasmtime) instantiate(name string, module []byte) error {
	compiled, err := wasmtime.NewModule(m.engine, module)
	if err != nil {
		return fmt.Errorf("invalid: %w", err)
	}
	instance, err := m.linker.Instantiate(m.store, compiled)
	if err != nil {
		return err
	}
	m.instances[name] = instance
	return m.linker.DefineInstance(m.store, name, instance)
}

func (m *onWasmtime) call(instance, export string, arguments []uint64) ([]uint64, error) {
	f := m.instances[instance].GetFunc(m.store, export)
	if f == nil {
		return nil, errors.New("no such export")
	}
	params := f.Type(m.store).Params()
	values := make([]any, len(arguments))
	for i, a := range arguments {
		if values[i] = int32(a); params[i].Kind() == wasmtime.KindI64 {
			values[i] = int64(a)
		}
	}
	got, err := f.Call(m.store, values...)
	if err != nil {
		return nil, err
	}
	switch v := got.(type) {
	case int32:
		return []uint64{uint64(uint32(v))}, nil
	case int64:
		return []uint64{uint64(v)}, nil
	}
	return nil, nil
}

func (m *onWasmtime) logged() []int32 { return m.log }

// wat assembles modules.
func wat(t testing.TB, texts ...string) (modules [][]byte) {
	t.Helper()
	for _, text := range texts {
		module, err := wasmtime.Wat2Wasm("(module " + text + ")")
		if err != nil {
			t.Fatal(err, "in", text)
		}
		modules = append(modules, module)
	}
	return modules
}
