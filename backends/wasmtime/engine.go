//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime

// #include "guest.h"
import "C"

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"

	wasmtime "github.com/bytecodealliance/wasmtime-go/v39"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/codecache"
	"github.com/airhost/airhost/internal/refs"
	"github.com/airhost/airhost/internal/sandbox"
)

// Available says whether this build has Wasmtime.
const Available = true

// maxStack bounds the stack of guest code, in bytes, for all guests of an engine. It is
// the default of limits.stack. Guests run on the stacks of threads, which are much
// larger. The meter enforces a lower limit.
const maxStack = 1 << 20

// Engine is Wasmtime as a [core.Engine].
type Engine struct {
	config     Config
	engine     *wasmtime.Engine
	fill, take *C.wasm_functype_t // of the imports of shims
	cache      *codecache.Cache   // nil without a directory
	shared     sandbox.Shared[*compiled]
	ticker     ticker

	refs refs.Count // of instances and compilations

	mu    sync.Mutex // guards the fields below
	types functypes
	shims map[string]*shim // by their code
}

var _ core.Engine = (*Engine)(nil)

// New returns an engine. It must be closed.
func New(config Config) (*Engine, error) {
	if config.MaxModule == 0 {
		config.MaxModule = sandbox.DefaultMaxModule
	}
	if err := checkPointers(); err != nil {
		return nil, err
	}
	quietTraps()
	e := &Engine{config: config, types: make(functypes), shims: make(map[string]*shim)}
	e.shared.Close = (*compiled).close
	if config.CacheDir != "" {
		e.cache = codecache.Open(config.CacheDir, Name, codecache.Module("github.com/bytecodealliance/wasmtime-go/v39")+" "+configuration, config.Logger)
	}
	e.engine = wasmtime.NewEngineWithConfig(engineConfig())
	if err := e.ticker.start(e.engine); err != nil {
		e.engine.Close()
		return nil, err
	}
	e.fill, e.take = e.types.of(abi.FillType), e.types.of(abi.TakeType)
	return e, nil
}

// configuration changes whenever [engineConfig] does: it is part of the cache's key.
const configuration = "epochs unmoved memory stack=1MiB tail-calls no: threads relaxed-simd multi-memory memory64 function-references gc exceptions"

// engineConfig is the same for all engines: the cache relies on it. It allows guests
// the same features of WebAssembly as the engine wazero.
func engineConfig() *wasmtime.Config {
	c := wasmtime.NewConfig()
	c.SetEpochInterruption(true)
	c.SetMaxWasmStack(maxStack)
	c.SetWasmTailCall(true)
	c.SetWasmThreads(false)
	c.SetWasmRelaxedSIMD(false)
	c.SetWasmMultiMemory(false)
	c.SetWasmMemory64(false)
	c.SetWasmFunctionReferences(false)
	c.SetWasmGC(false)
	configure(c)
	return c
}

// Name returns [Name].
func (e *Engine) Name() string { return Name }

// Compile implements [core.Engine]. It uses src.Code or, if that is nil, the file at
// src.Path. It uses the limits Memory, TableElements, Nesting and Stack, and whether
// Fuel is limited. Components of the same code share the compiled code. All compilations
// of the process share a bounded memory: Compile waits for its part until ctx ends.
func (e *Engine) Compile(ctx context.Context, src core.Source, limits core.Limits) (core.Component, error) {
	if err := e.refs.Acquire(); err != nil {
		return nil, err
	}
	defer e.refs.Release()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	limits = limits.WithDefaults()
	if limits.Stack > maxStack {
		return nil, sandbox.ModuleError(src, &core.LimitError{Limit: "limits.stack on wasmtime", Got: uint64(limits.Stack), Max: maxStack, Unit: "bytes"})
	}
	metered := limits.Fuel > 0 || limits.Stack < maxStack
	request := sandbox.Request{Source: src, Limits: limits, MaxModule: e.config.MaxModule}
	if metered {
		request.Variant = "metered"
	}
	use, err := e.shared.Compile(ctx, request, func(code *sandbox.Code) (*compiled, error) {
		return e.compileGuest(src, code, metered)
	})
	if err != nil {
		return nil, err
	}
	return &component{compiled: *use.Compiled, engine: e, use: use, refs: refs.Count{Of: &e.refs}}, nil
}

func (e *Engine) compileGuest(src core.Source, code *sandbox.Code, metered bool) (*compiled, error) {
	c := newCompiled(e, code, metered)
	binary, err := c.prepare(metered)
	if err != nil {
		return nil, err
	}
	if c.module, err = e.compile(binary, code.Long()); err != nil {
		return nil, sandbox.ModuleError(src, errors.New(innermost(err.Error())))
	}
	if c.shim, err = e.shim(code.Exports); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// compile returns compiled code, from the cache if it has it. Code with long functions
// is not optimized.
func (e *Engine) compile(binary []byte, long bool) (*wasmtime.Module, error) {
	if e.cache == nil {
		return e.translate(binary, long)
	}
	key := sha256.Sum256(binary)
	if code := e.cache.Get(key); code != nil {
		module, err := wasmtime.NewModuleDeserialize(e.engine, code)
		if err == nil {
			return module, nil
		}
		e.cache.Reject(key, err)
	}
	module, err := e.translate(binary, long)
	if err == nil {
		if code, err := module.Serialize(); err == nil {
			e.cache.Put(key, code)
		}
	}
	return module, err
}

// translate compiles. It compiles long functions one after the other and without
// Cranelift's optimizer, which takes 1.6 GB for some functions of 444 KB. A temporary
// engine does so; its code works on all engines.
func (e *Engine) translate(binary []byte, long bool) (*wasmtime.Module, error) {
	if !long {
		return wasmtime.NewModule(e.engine, binary)
	}
	config := engineConfig()
	config.SetCraneliftOptLevel(wasmtime.OptLevelNone)
	config.SetParallelCompilation(false)
	plain := wasmtime.NewEngineWithConfig(config)
	defer plain.Close()
	module, err := wasmtime.NewModule(plain, binary)
	if err != nil {
		return nil, err
	}
	defer module.Close()
	code, err := module.Serialize()
	if err != nil {
		return nil, err
	}
	return wasmtime.NewModuleDeserialize(e.engine, code)
}

// Close implements [core.Engine].
func (e *Engine) Close(ctx context.Context) error {
	if err := e.refs.Close(ctx, e.free); err != nil {
		return fmt.Errorf("wasmtime: close: %w", err)
	}
	return nil
}

func (e *Engine) free() error {
	for _, shim := range e.shims {
		shim.close()
	}
	e.types.close()
	e.ticker.close()
	e.engine.Close()
	return nil
}
