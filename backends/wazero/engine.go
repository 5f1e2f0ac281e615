// Package wazero runs guests that are WebAssembly modules, in pure Go, by the
// wazero runtime.
//
// Guests are compiled to machine code where wazero has a compiler (amd64 and
// arm64), and interpreted elsewhere or where [Config] asks for it. A guest may
// use WebAssembly 2.0 with SIMD, extended constant expressions and tail calls.
// Of WASI preview 1 it gets clocks, randomness, and a standard output and a standard
// error whose lines become log lines; everything else is there to link and refuses.
//
// A guest's code is changed when it is loaded: checks at function entries and
// loops stop it when its host interrupts it, or when its fuel is used up.
package wazero

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/refs"
	"github.com/airhost/airhost/internal/sandbox"
)

// Name is the engine's name in configurations and results.
const Name = "wazero"

// Config configures an engine. Its zero value compiles guests and keeps the
// compiled code in memory.
type Config struct {
	// Interpreter runs guests by wazero's interpreter, which starts faster, runs
	// slower by about two orders of magnitude, and exists on all platforms.
	Interpreter bool

	// CacheDir is a directory in which compiled code is kept between runs; it is
	// made if it does not exist. "" keeps it in memory. Whoever can write to the
	// directory can run code in the host's process: where others than the user and
	// root can, it is not used. Whatever is wrong with it costs time and a warning.
	// The interpreter has no use for it.
	CacheDir string

	// Logger gets the warning of what is first found wrong with CacheDir;
	// slog.Default by default.
	Logger *slog.Logger

	// MaxModule is the largest module in bytes; 64 MiB by default.
	MaxModule int64
}

// features are what both of wazero's engines support and guests may use.
// Exceptions are left out: at every try_table, wazero copies the guest's whole
// stack, with which a few lines of guest code use up the host's memory. Threads
// are left out since the contract has no shared memory.
const features = api.CoreFeaturesV2 | experimental.CoreFeaturesExtendedConst | experimental.CoreFeaturesTailCall

// Engine is wazero as a [core.Engine].
type Engine struct {
	config  Config
	runtime wazero.Runtime
	cache   *cache // nil without a directory
	shared  sandbox.Shared[*compiled]
	arena   arena
	refs    refs.Count // of instances and compilations

	compiling chan struct{} // full while code comes from the cache, or goes there

	interprets bool
}

var _ core.Engine = (*Engine)(nil)

// New returns an engine. It must be closed.
func New(config Config) (*Engine, error) {
	if config.MaxModule == 0 {
		config.MaxModule = sandbox.DefaultMaxModule
	}
	e := &Engine{config: config, compiling: make(chan struct{}, 1)}
	e.shared.Close = (*compiled).close
	options := wazero.NewRuntimeConfig() // compiles where it can
	e.interprets = config.Interpreter || runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64"
	if e.interprets {
		options = wazero.NewRuntimeConfigInterpreter()
	}
	options = options.WithCoreFeatures(features).WithDebugInfoEnabled(false)
	if config.CacheDir != "" && !e.interprets {
		e.cache = openCache(config)
		options = options.WithCompilationCache(e.cache.wazero)
	}
	ctx := context.Background()
	e.runtime = wazero.NewRuntimeWithConfig(ctx, options)
	if err := linkAll(ctx, e.runtime); err != nil {
		return nil, errors.Join(err, e.Close(ctx))
	}
	return e, nil
}

// Name returns [Name].
func (e *Engine) Name() string { return Name }

// Compile implements [core.Engine]. It uses src.Code or, where that is nil, the
// file at src.Path. Of the limits it uses Memory, TableElements, Nesting, Stack
// and whether there is Fuel: these are the same for all instances of the component.
// Components of the same code share what was compiled, and all compiling in the
// process shares a bounded memory, so that Compile may wait until ctx ends.
func (e *Engine) Compile(ctx context.Context, src core.Source, limits core.Limits) (core.Component, error) {
	if err := e.refs.Acquire(); err != nil {
		return nil, err
	}
	defer e.refs.Release()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	limits = limits.WithDefaults()
	request := sandbox.Request{Source: src, Limits: limits, MaxModule: e.config.MaxModule}
	use, err := e.shared.Compile(ctx, request, func(code *sandbox.Code) (*compiled, error) {
		return e.compileGuest(ctx, src, code, limits.Fuel > 0)
	})
	if err != nil {
		return nil, err
	}
	return &component{compiled: *use.Compiled, engine: e, use: use, refs: refs.Count{Of: &e.refs}}, nil
}

func (e *Engine) compileGuest(ctx context.Context, src core.Source, code *sandbox.Code, fuel bool) (*compiled, error) {
	instrumented, err := code.Instrument(code.Module)
	if err != nil {
		return nil, err
	}
	instrumented.Module.MergeData()
	entry := abi.AddEntry(instrumented.Module) // which is not the guest's, and uses no fuel
	ctx = experimental.WithCompilationWorkers(ctx, code.CompilationWorkers())
	module, err := e.compile(ctx, instrumented.Module.Encode())
	if cause := ctx.Err(); cause != nil && err != nil {
		return nil, cause // nothing is wrong with the module
	}
	if err != nil {
		return nil, sandbox.ModuleError(src, err)
	}
	code.Module = nil // compiled, and as large as the code
	return &compiled{
		code: code, module: module, fuel: fuel,
		entryName: entry, counterName: instrumented.CounterGlobal, stackName: instrumented.StackGlobal,
		postMessage: code.Exports[abi.PostHandleMessage], postCallback: code.Exports[abi.PostHandleCallback],
	}, nil
}

// compile compiles, once more if it may have been the cache that it failed for.
func (e *Engine) compile(ctx context.Context, binary []byte) (wazero.CompiledModule, error) {
	if e.cache != nil {
		// wazero lets others have code from a cache before it is ready: guests that
		// differ may be the same once they are instrumented.
		select {
		case e.compiling <- struct{}{}:
			defer func() { <-e.compiling }()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	module, err := e.runtime.CompileModule(ctx, binary)
	if err != nil && e.cache.refused(err) {
		module, err = e.runtime.CompileModule(ctx, binary)
	}
	return module, err
}

// Close implements [core.Engine].
func (e *Engine) Close(ctx context.Context) error {
	err := e.refs.Close(ctx, func() error {
		err := e.runtime.Close(ctx)
		if e.cache != nil {
			err = errors.Join(err, e.cache.wazero.Close(ctx))
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("wazero: close: %w", err)
	}
	return nil
}
