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
	"runtime"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/meter"
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
	// directory can run code in the host's process.
	CacheDir string

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
	cache   wazero.CompilationCache // nil without a directory
	arena   arena
	refs    refs.Count // of instances and compilations

	interprets bool
}

var _ core.Engine = (*Engine)(nil)

// New returns an engine. It must be closed.
func New(config Config) (*Engine, error) {
	if config.MaxModule == 0 {
		config.MaxModule = sandbox.DefaultMaxModule
	}
	e := &Engine{config: config}
	options := wazero.NewRuntimeConfig() // compiles where it can
	e.interprets = config.Interpreter || runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64"
	if e.interprets {
		options = wazero.NewRuntimeConfigInterpreter()
	}
	options = options.WithCoreFeatures(features).WithDebugInfoEnabled(false)
	if config.CacheDir != "" {
		cache, err := wazero.NewCompilationCacheWithDir(config.CacheDir)
		if err != nil {
			return nil, fmt.Errorf("wazero: open the compilation cache: %w", err)
		}
		e.cache = cache
		options = options.WithCompilationCache(cache)
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
// file at src.Path. Of the limits it uses Memory, TableElements and whether
// there is Fuel: these are the same for all instances of the component.
func (e *Engine) Compile(ctx context.Context, src core.Source, limits core.Limits) (core.Component, error) {
	if err := e.refs.Acquire(); err != nil {
		return nil, err
	}
	defer e.refs.Release()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	guest, err := prepare(src, limits.WithDefaults(), e.config.MaxModule)
	if err != nil {
		return nil, err
	}
	ctx = experimental.WithCompilationWorkers(ctx, guest.CompilationWorkers())
	code, err := e.runtime.CompileModule(ctx, guest.instrumented.Module.Encode())
	if cause := ctx.Err(); cause != nil && err != nil {
		return nil, cause // nothing is wrong with the module
	}
	if err != nil {
		return nil, sandbox.ModuleError(src, err)
	}
	return newComponent(e, code, guest, limits.Fuel > 0), nil
}

// guestCode is a guest's code, ready to be compiled.
type guestCode struct {
	*sandbox.Code
	instrumented *meter.Result
	entry        string // the export that [abi.AddEntry] added
}

func prepare(src core.Source, limits core.Limits, maxModule int64) (*guestCode, error) {
	code, err := sandbox.Load(src, limits, maxModule)
	if err != nil {
		return nil, err
	}
	guest := &guestCode{Code: code}
	if guest.instrumented, err = code.Instrument(code.Module); err != nil {
		return nil, err
	}
	guest.entry = abi.AddEntry(guest.instrumented.Module) // which is not the guest's, and uses no fuel
	return guest, nil
}

// Close implements [core.Engine].
func (e *Engine) Close(ctx context.Context) error {
	err := e.refs.Close(ctx, func() error {
		err := e.runtime.Close(ctx)
		if e.cache != nil {
			err = errors.Join(err, e.cache.Close(ctx))
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("wazero: close: %w", err)
	}
	return nil
}
