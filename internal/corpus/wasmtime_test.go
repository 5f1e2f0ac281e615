//go:build cgo && (linux || darwin) && (amd64 || arm64)

package corpus

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/bytecodealliance/wasmtime-go/v39"

	"github.com/airhost/airhost/internal/meter"
	"github.com/airhost/airhost/internal/wasm"
)

func init() {
	newWasmtime = func() engine { return &wasmtimeEngine{engine: wasmtime.NewEngineWithConfig(wasmtimeConfig())} }
}

// wasmtimeConfig is the backend's configuration, as far as wasmtime-go supports it.
func wasmtimeConfig() *wasmtime.Config {
	c := wasmtime.NewConfig()
	c.SetEpochInterruption(true)
	c.SetMaxWasmStack(512 << 10)
	c.SetWasmTailCall(true)
	c.SetWasmThreads(false)
	c.SetWasmRelaxedSIMD(false)
	c.SetWasmMultiMemory(false)
	c.SetWasmMemory64(false)
	c.SetWasmFunctionReferences(false)
	c.SetWasmGC(false)
	return c
}

type wasmtimeEngine struct {
	engine *wasmtime.Engine

	mu       sync.Mutex // guards adapters
	adapters map[*wasm.Module]*wasmtime.Module
}

func (e *wasmtimeEngine) name() string { return "wasmtime" }
func (e *wasmtimeEngine) close()       { e.engine.Close() }

func (e *wasmtimeEngine) check(binary []byte) error { return wasmtime.ModuleValidate(e.engine, binary) }

func (e *wasmtimeEngine) open() store {
	s := &wasmtimeStore{engine: e, store: wasmtime.NewStore(e.engine)}
	s.store.SetEpochDeadline(math.MaxInt32)
	return s
}

// adapter returns the module that adapts plain's functions with vectors to types
// that wasmtime-go supports, or nil if plain has none.
func (e *wasmtimeEngine) adapter(plain *wasm.Module) (*wasmtime.Module, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if known, ok := e.adapters[plain]; ok {
		return known, nil
	}
	var module *wasmtime.Module
	if binary := adapter(plain); binary != nil {
		var err error
		if module, err = wasmtime.NewModule(e.engine, binary); err != nil {
			return nil, err
		}
	}
	if e.adapters == nil {
		e.adapters = make(map[*wasm.Module]*wasmtime.Module)
	}
	e.adapters[plain] = module
	return module, nil
}

type wasmtimeStore struct {
	engine *wasmtimeEngine
	store  *wasmtime.Store
}

func (s *wasmtimeStore) close() { s.store.Close() }

func (s *wasmtimeStore) compile(c *code) (compiled, error) {
	adapter, err := s.engine.adapter(c.plain)
	if err != nil {
		return nil, fmt.Errorf("the adapter: %w", err)
	}
	module, err := wasmtime.NewModule(s.engine.engine, observable(c.made, c.plain).Encode())
	if err != nil {
		return nil, err
	}
	return &wasmtimeCode{s, c, module, adapter}, nil
}

// Names of the exports that observable adds. The global's index follows seenGlobal.
const (
	seenMemory = "corpus:memory"
	seenGlobal = "corpus:global"
)

// observable returns a module that also exports the memory and the globals of the
// plain module.
func observable(m, plain *wasm.Module) *wasm.Module {
	seen := *m
	seen.Exports = slices.Clip(m.Exports)
	if plain.Len(wasm.KindMemory) > 0 {
		seen.Exports = append(seen.Exports, wasm.Export{Name: seenMemory, Kind: wasm.KindMemory})
	}
	for i := range globalTypes(plain) {
		seen.Exports = append(seen.Exports, wasm.Export{Name: fmt.Sprint(seenGlobal, i), Kind: wasm.KindGlobal, Index: uint32(i)})
	}
	return &seen
}

type wasmtimeCode struct {
	store *wasmtimeStore
	*code
	module, adapter *wasmtime.Module
}

func (c *wasmtimeCode) instantiate(imports linker) (instance, error) {
	in := &wasmtimeInstance{store: c.store.store, imports: imports, plain: c.plain}
	var given []wasmtime.AsExtern
	for i := range c.made.Imports {
		extern, err := in.imported(c.made, &c.made.Imports[i])
		if err != nil {
			return nil, err
		}
		given = append(given, extern)
	}
	var err error
	if in.instance, err = wasmtime.NewInstance(in.store, c.module, given); err != nil {
		return nil, wasmtimeTrap(err)
	}
	in.export = make(map[string]*wasmtime.Extern)
	if c.adapter == nil {
		return in, nil
	}
	var adapted []wasmtime.AsExtern
	for _, e := range vectorExports(c.plain) {
		adapted = append(adapted, in.instance.GetExport(in.store, e.Name))
	}
	in.adapter, err = wasmtime.NewInstance(in.store, c.adapter, adapted)
	return in, err
}

// imported returns the object for an import.
func (in *wasmtimeInstance) imported(m *wasm.Module, imp *wasm.Import) (wasmtime.AsExtern, error) {
	if imp.Module == meter.YieldModule {
		return wasmtime.WrapFunc(in.store, in.yield), nil
	}
	if other := in.imports.instances[imp.Module]; other != nil {
		if extern := other.(*wasmtimeInstance).instance.GetExport(in.store, imp.Name); extern != nil {
			return extern, nil
		}
	} else if in.imports.host != nil && imp.Kind == wasm.KindFunc {
		return in.hostFunc(imp.Module, imp.Name, m.Types[imp.Type]), nil
	}
	return nil, fmt.Errorf("unknown import %s.%s", imp.Module, imp.Name)
}

func (in *wasmtimeInstance) yield(n int64) (int64, *wasmtime.Trap) {
	next, err := in.imports.tank.yield(n)
	if err != nil {
		return 0, wasmtime.NewTrap(err.Error())
	}
	return next, nil
}

func (in *wasmtimeInstance) hostFunc(module, name string, typ wasm.FuncType) *wasmtime.Func {
	f := func(_ *wasmtime.Caller, args []wasmtime.Val) ([]wasmtime.Val, *wasmtime.Trap) {
		var slots []uint64
		for _, arg := range args {
			slots = append(slots, slotOf(arg.Get()))
		}
		results, err := in.imports.host(in, module, name, slots)
		if err != nil {
			return nil, wasmtime.NewTrap(err.Error())
		}
		var vals []wasmtime.Val
		for i, t := range typ.Results {
			vals = append(vals, valueOf(t, results[i]))
		}
		return vals, nil
	}
	return wasmtime.NewFunc(in.store, wasmtime.NewFuncType(wasmtimeTypes(typ.Params), wasmtimeTypes(typ.Results)), f)
}

func wasmtimeTypes(types []wasm.ValueType) []*wasmtime.ValType {
	kinds := map[wasm.ValueType]wasmtime.ValKind{
		wasm.I32: wasmtime.KindI32, wasm.I64: wasmtime.KindI64, wasm.F32: wasmtime.KindF32, wasm.F64: wasmtime.KindF64,
	}
	var all []*wasmtime.ValType
	for _, t := range types {
		all = append(all, wasmtime.NewValType(kinds[t]))
	}
	return all
}

type wasmtimeInstance struct {
	store    *wasmtime.Store
	instance *wasmtime.Instance
	adapter  *wasmtime.Instance // or nil
	imports  linker
	plain    *wasm.Module
	export   map[string]*wasmtime.Extern // cache of exports
}

func (in *wasmtimeInstance) lookup(name string) *wasmtime.Extern {
	e, ok := in.export[name]
	if !ok {
		if in.adapter != nil {
			e = in.adapter.GetExport(in.store, name)
		}
		if e == nil {
			e = in.instance.GetExport(in.store, name)
		}
		in.export[name] = e
	}
	return e
}

func (in *wasmtimeInstance) call(export string, args []uint64) ([]uint64, error) {
	e := in.lookup(export)
	if e == nil || e.Func() == nil {
		return nil, errors.New("no function " + export)
	}
	typ, _ := functionType(in.plain, export) // the export was added: () -> ()
	var vals []any
	for _, t := range withoutVectors(typ.Params) {
		vals, args = append(vals, valueOf(t, args[0])), args[1:]
	}
	got, err := e.Func().Call(in.store, vals...)
	if err != nil {
		return nil, wasmtimeTrap(err)
	}
	var results []uint64
	switch list, several := got.([]wasmtime.Val); {
	case several:
		for _, v := range list {
			results = append(results, slotOf(v.Get()))
		}
	case len(typ.Results) > 0:
		results = append(results, slotOf(got))
	}
	return results, nil
}

// valueOf converts a slot to a value of wasmtime-go.
func valueOf(t wasm.ValueType, slot uint64) wasmtime.Val {
	switch t {
	case wasm.I32:
		return wasmtime.ValI32(int32(slot))
	case wasm.I64:
		return wasmtime.ValI64(int64(slot))
	case wasm.F32:
		return wasmtime.ValF32(math.Float32frombits(uint32(slot)))
	case wasm.F64:
		return wasmtime.ValF64(math.Float64frombits(slot))
	case wasm.ExternRef:
		if slot == 0 {
			return wasmtime.ValExternref(nil)
		}
		return wasmtime.ValExternref(slot)
	}
	return wasmtime.ValFuncref(nil)
}

func slotOf(v any) uint64 {
	switch v := v.(type) {
	case int32:
		return uint64(uint32(v))
	case int64:
		return uint64(v)
	case float32:
		return uint64(math.Float32bits(v))
	case float64:
		return math.Float64bits(v)
	case uint64: // a reference to host data
		return v
	case *wasmtime.Func:
		if v != nil {
			return 1
		}
	}
	return 0
}

func (in *wasmtimeInstance) exported(name string) ([]uint64, error) {
	e := in.lookup(name)
	if e == nil || e.Global() == nil {
		return nil, errors.New("no global " + name)
	}
	return []uint64{slotOf(e.Global().Get(in.store).Get())}, nil
}

func (in *wasmtimeInstance) setCounter(name string, value int64) {
	if err := in.lookup(name).Global().Set(in.store, wasmtime.ValI64(value)); err != nil {
		panic(err)
	}
}

func (in *wasmtimeInstance) counter(name string) int64 {
	return in.lookup(name).Global().Get(in.store).I64()
}

func (in *wasmtimeInstance) memory() []byte {
	if e := in.lookup(seenMemory); e != nil {
		return e.Memory().UnsafeData(in.store)
	}
	return nil
}

func (in *wasmtimeInstance) globals() []uint64 {
	var all []uint64
	for i, typ := range globalTypes(in.plain) {
		if isNumber(typ.Value) {
			all = append(all, slotOf(in.lookup(fmt.Sprint(seenGlobal, i)).Global().Get(in.store).Get()))
		}
	}
	return all
}

var wasmtimeKinds = map[wasmtime.TrapCode]string{
	wasmtime.StackOverflow: trapStack, wasmtime.MemoryOutOfBounds: trapMemory,
	wasmtime.TableOutOfBounds: trapTable, wasmtime.IndirectCallToNull: trapTable, wasmtime.BadSignature: trapSignature,
	wasmtime.IntegerOverflow: "integer overflow", wasmtime.IntegerDivisionByZero: "integer divide by zero",
	wasmtime.BadConversionToInteger: "invalid conversion to integer", wasmtime.UnreachableCodeReached: "unreachable",
}

func wasmtimeTrap(err error) error {
	var t *wasmtime.Trap
	if errors.As(err, &t) && t.Code() != nil {
		if kind, ok := wasmtimeKinds[*t.Code()]; ok {
			return &trap{kind, err}
		}
	}
	for _, known := range []error{errTooDeep, errNoFuel, errHost} {
		if strings.Contains(err.Error(), known.Error()) {
			return &trap{kindOfOwn(known), err}
		}
	}
	return err
}
