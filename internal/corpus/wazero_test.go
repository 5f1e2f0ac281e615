package corpus

import (
	"context"
	"errors"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/airhost/airhost/internal/meter"
	"github.com/airhost/airhost/internal/wasm"
)

// features are the backend's features.
const features = api.CoreFeaturesV2 | experimental.CoreFeaturesExtendedConst | experimental.CoreFeaturesTailCall

// wazeroEngine is wazero's compiler or interpreter.
type wazeroEngine struct {
	called string
	config func() wazero.RuntimeConfig
	// shared only checks modules.
	shared wazero.Runtime
}

func newWazero(called string, config func() wazero.RuntimeConfig) *wazeroEngine {
	e := &wazeroEngine{called: called, config: config}
	e.shared = e.runtime()
	return e
}

func (e *wazeroEngine) runtime() wazero.Runtime {
	config := e.config().WithCoreFeatures(features).WithDebugInfoEnabled(false)
	return wazero.NewRuntimeWithConfig(context.Background(), config)
}

func (e *wazeroEngine) name() string { return e.called }
func (e *wazeroEngine) close()       { e.shared.Close(context.Background()) }

func (e *wazeroEngine) check(binary []byte) error {
	code, err := e.shared.CompileModule(context.Background(), binary)
	if err == nil {
		code.Close(context.Background())
	}
	return err
}

func (e *wazeroEngine) open() store {
	s := &wazeroStore{runtime: e.runtime(), hosts: make(map[api.Module]*wazeroInstance)}
	i64 := wasm.FuncType{Params: []wasm.ValueType{wasm.I64}, Results: []wasm.ValueType{wasm.I64}}
	s.yield = s.hostModule(meter.YieldModule, map[string]wasm.FuncType{meter.YieldName: i64})
	return s
}

type wazeroStore struct {
	runtime wazero.Runtime
	yield   api.Module
	hosts   map[api.Module]*wazeroInstance // finds the calling instance for a host function
}

func (s *wazeroStore) close() { s.runtime.Close(context.Background()) }

func (s *wazeroStore) compile(c *code) (compiled, error) {
	module, err := s.runtime.CompileModule(context.Background(), c.binary)
	if err != nil {
		return nil, err
	}
	return &wazeroCode{s, c, module, make(map[string]api.Module)}, nil
}

type wazeroCode struct {
	store *wazeroStore
	*code
	module wazero.CompiledModule
	hosts  map[string]api.Module // created on first use
}

func (c *wazeroCode) instantiate(imports linker) (instance, error) {
	resolve := func(name string) api.Module {
		if in := imports.instances[name]; in != nil {
			return in.(*wazeroInstance).module
		}
		if name == meter.YieldModule {
			return c.store.yield
		}
		if imports.host == nil {
			return nil
		}
		if c.hosts[name] == nil {
			c.hosts[name] = c.store.hostModule(name, imported(c.plain, name))
		}
		return c.hosts[name]
	}
	ctx := experimental.WithImportResolver(context.Background(), resolve)
	module, err := c.store.runtime.InstantiateModule(ctx, c.module, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		return nil, wazeroTrap(err)
	}
	in := &wazeroInstance{module: module, imports: imports, plain: c.plain}
	c.store.hosts[module] = in
	return in, nil
}

// imported returns the functions that a module imports from another module, by name.
func imported(m *wasm.Module, from string) map[string]wasm.FuncType {
	all := make(map[string]wasm.FuncType)
	for _, imp := range m.Imports {
		if imp.Module == from && imp.Kind == wasm.KindFunc {
			all[imp.Name] = m.Types[imp.Type]
		}
	}
	return all
}

// hostModule returns a module of functions that call the calling instance's host.
func (s *wazeroStore) hostModule(module string, functions map[string]wasm.FuncType) api.Module {
	builder := s.runtime.NewHostModuleBuilder(module)
	for name, typ := range functions {
		f := func(_ context.Context, caller api.Module, stack []uint64) {
			results, err := s.hosts[caller].answer(module, name, stack[:len(typ.Params)])
			if err != nil {
				panic(err)
			}
			copy(stack, results)
		}
		builder.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(f), apiTypes(typ.Params), apiTypes(typ.Results)).Export(name)
	}
	code, err := builder.Compile(context.Background())
	if err != nil {
		panic(err)
	}
	host, err := s.runtime.InstantiateModule(context.Background(), code, wazero.NewModuleConfig().WithName(""))
	if err != nil {
		panic(err)
	}
	return host
}

func apiTypes(types []wasm.ValueType) []api.ValueType {
	var all []api.ValueType
	for _, t := range types {
		all = append(all, t.Code)
	}
	return all
}

type wazeroInstance struct {
	module  api.Module
	imports linker
	plain   *wasm.Module
}

// answer runs a call of the host.
func (in *wazeroInstance) answer(module, name string, args []uint64) ([]uint64, error) {
	if module == meter.YieldModule {
		next, err := in.imports.tank.yield(int64(args[0]))
		return []uint64{uint64(next)}, err
	}
	return in.imports.host(in, module, name, args)
}

func (in *wazeroInstance) call(export string, args []uint64) ([]uint64, error) {
	f := in.module.ExportedFunction(export)
	if f == nil {
		return nil, errors.New("no function " + export)
	}
	results, err := f.Call(context.Background(), args...)
	if err != nil {
		return nil, wazeroTrap(err)
	}
	at := 0
	for _, typ := range f.Definition().ResultTypes() {
		switch wasm.ValueType.String(wasm.ValueType{Code: typ}) {
		case "v128":
			at++
		case "funcref": // a pointer
			results[at] = min(results[at], 1)
		case "i32", "f32":
			results[at] = uint64(uint32(results[at]))
		}
		at++
	}
	return results, nil
}

func (in *wazeroInstance) exported(name string) ([]uint64, error) {
	g := in.module.ExportedGlobal(name)
	if g == nil {
		return nil, errors.New("no global " + name)
	}
	return []uint64{g.Get()}, nil
}

func (in *wazeroInstance) setCounter(name string, value int64) {
	in.module.ExportedGlobal(name).(api.MutableGlobal).Set(uint64(value))
}

func (in *wazeroInstance) counter(name string) int64 {
	return int64(in.module.ExportedGlobal(name).Get())
}

func (in *wazeroInstance) memory() []byte {
	if in.plain.Len(wasm.KindMemory) == 0 {
		return nil
	}
	memory := in.module.Memory()
	view, _ := memory.Read(0, memory.Size())
	return view
}

func (in *wazeroInstance) globals() []uint64 {
	var all []uint64
	inside := in.module.(experimental.InternalModule)
	for i, typ := range globalTypes(in.plain) {
		if isNumber(typ.Value) {
			all = append(all, inside.Global(i).Get())
		}
	}
	return all
}

// globalTypes returns the types of all globals, imported ones first.
func globalTypes(m *wasm.Module) []wasm.GlobalType {
	var all []wasm.GlobalType
	for i := range m.Imports {
		if m.Imports[i].Kind == wasm.KindGlobal {
			all = append(all, m.Imports[i].Global)
		}
	}
	for i := range m.Globals {
		all = append(all, m.Globals[i].Type)
	}
	return all
}

func isNumber(t wasm.ValueType) bool {
	return t == wasm.I32 || t == wasm.I64 || t == wasm.F32 || t == wasm.F64
}

// wazeroTrap returns the kind of a trap. wazero reports it only in the error's text.
func wazeroTrap(err error) error {
	for _, known := range []error{errTooDeep, errNoFuel, errHost} {
		if errors.Is(err, known) {
			return &trap{kindOfOwn(known), err}
		}
	}
	text, _, _ := strings.Cut(err.Error(), " (recovered by wazero)")
	text, _, _ = strings.Cut(text, "\n")
	for _, kind := range []string{
		trapStack, trapTable, trapSignature, trapMemory,
		"integer overflow", "invalid conversion to integer", "integer divide by zero", "unreachable",
	} {
		if strings.HasSuffix(text, kind) {
			return &trap{kind, err}
		}
	}
	return err
}
