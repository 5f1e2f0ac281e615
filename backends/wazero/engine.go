// Package wazero runs guests that are WebAssembly modules, in pure Go, with the
// wazero runtime.
//
// The engine compiles guests to machine code on amd64 and arm64. It interprets them
// on other processors, or if [Config] says so. A guest may use WebAssembly 2.0 with
// SIMD, extended constant expressions and tail calls. Of WASI, preview 1 or
// 0.2, a guest gets clocks, randomness, and standard output and standard error, whose
// lines become log lines. All other functions can be linked, and are refused.
//
// The engine changes a guest's code when it loads it. The added checks at function
// entries and loops end a call when the host interrupts it or when its fuel is used
// up.
package wazero

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/codecache"
	"github.com/airhost/airhost/internal/refs"
	"github.com/airhost/airhost/internal/sandbox"
)

// Name is the engine's name in configurations and results.
const Name = "wazero"

// Config configures an engine. The zero value compiles guests and keeps the compiled
// code in memory.
type Config struct {
	// Interpreter runs guests with wazero's interpreter. It starts faster, runs
	// slower by about two orders of magnitude, and works on all platforms.
	Interpreter bool

	// CacheDir is a directory that keeps compiled code between runs. The engine
	// creates it if needed; "" keeps the code in memory. Anyone who can write to the
	// directory can run code in the host's process, so the engine does not use a
	// directory that others than the user and root can write to. A fault of the
	// cache costs time and a warning. The interpreter does not use the cache.
	CacheDir string

	// TrustedKeys are those who may give the engine code. A precompiled file, which
	// "airhost compile" writes, is compiled again unless one of them has signed it.
	TrustedKeys []ed25519.PublicKey

	// Logger gets a warning about the first fault of the cache, and about precompiled
	// code that was not used; slog.Default by default.
	Logger *slog.Logger

	// MaxModule is the largest module in bytes; 64 MiB by default.
	MaxModule int64
}

// compiler is a runtime of wazero, and its cache.
type compiler struct {
	runtime wazero.Runtime
	cache   *cache // nil if it has none

	linking sync.Mutex      // guards linked
	linked  map[string]bool // the modules of WASI 0.2 that are there
}

func (e *Engine) newCompiler(cached bool) (*compiler, error) {
	c := new(compiler)
	options := wazero.NewRuntimeConfig() // uses the compiler if there is one
	if e.interprets {
		options = wazero.NewRuntimeConfigInterpreter()
	}
	options = options.WithCoreFeatures(features).WithDebugInfoEnabled(false)
	if cached {
		c.cache = openCache(e.code)
		options = options.WithCompilationCache(c.cache.wazero)
	}
	ctx := context.Background()
	c.runtime = wazero.NewRuntimeWithConfig(ctx, options)
	if err := linkAll(ctx, c.runtime); err != nil {
		return nil, errors.Join(err, c.close(ctx))
	}
	return c, nil
}

func (c *compiler) close(ctx context.Context) error {
	err := c.runtime.Close(ctx)
	if c.cache != nil {
		err = errors.Join(err, c.cache.wazero.Close(ctx))
	}
	return err
}

// features are the features that both of wazero's engines support and guests may
// use. Exceptions are excluded: wazero copies the guest's whole stack at every
// try_table, so a few lines of guest code could use up the host's memory. Threads
// are excluded since the contract has no shared memory.
const features = api.CoreFeaturesV2 | experimental.CoreFeaturesExtendedConst | experimental.CoreFeaturesTailCall

// Engine is wazero as a [core.Engine].
type Engine struct {
	config Config
	code   *codecache.Cache
	plain  *compiler
	// ahead takes precompiled code where plain has no cache: wazero copies all code that it
	// compiles if it has one. It is made when it is needed.
	ahead     func() (*compiler, error)
	usedAhead atomic.Bool
	shared    sandbox.Shared[*compiled]
	arena     arena
	refs      refs.Count // counts instances and compilations

	compiling [64]chan struct{} // each holds a token while some code is loaded from the cache or stored there

	interprets bool
}

var _ core.Engine = (*Engine)(nil)

// New returns an engine. The caller must close it.
func New(config Config) (*Engine, error) {
	if config.MaxModule == 0 {
		config.MaxModule = sandbox.DefaultMaxModule
	}
	e := &Engine{config: config, code: codecache.Open(config.CacheDir, Name, CodeVersion(), config.Logger)}
	for i := range e.compiling {
		e.compiling[i] = make(chan struct{}, 1)
	}
	e.shared.Close = (*compiled).close
	e.interprets = config.Interpreter || runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64"
	e.ahead = sync.OnceValues(func() (*compiler, error) { return e.newCompiler(true) })
	var err error
	if e.plain, err = e.newCompiler(config.CacheDir != "" && !e.interprets); err != nil {
		return nil, err
	}
	return e, nil
}

// Name returns [Name].
func (e *Engine) Name() string { return Name }

// Compile implements [core.Engine]. It compiles src.Code or, if that is nil, the
// file at src.Path. It uses the limits Memory, TableElements, Nesting, Stack, and
// whether Fuel is set; these are the same for all instances of the component.
// Components with the same code share the compiled code. All compilations of the
// process share a bounded memory, so Compile may wait for it until ctx ends.
func (e *Engine) Compile(ctx context.Context, src core.Source, limits core.Limits) (core.Component, error) {
	if err := e.refs.Acquire(); err != nil {
		return nil, err
	}
	defer e.refs.Release()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	limits = limits.WithDefaults()
	request := sandbox.Request{Source: src, Limits: limits, MaxModule: e.config.MaxModule, Trusted: e.config.TrustedKeys}
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
	entry, err := abi.AddEntry(instrumented.Module, phases) // the entry is not the guest's and uses no fuel
	if err != nil {
		return nil, sandbox.ModuleError(src, err)
	}
	code.Traits.KeepsLedger = !code.Traits.HTTP
	ctx = experimental.WithCompilationWorkers(ctx, code.CompilationWorkers())
	by := e.plain
	if !e.interprets {
		if by.cache == nil && e.code.Fits(code.Precompiled) {
			e.usedAhead.Store(true)
			if by, err = e.ahead(); err != nil {
				return nil, err
			}
		}
		defer e.code.Offer(code.Precompiled, src.Path)()
	}
	if err := by.linkWASI2(context.WithoutCancel(ctx), instrumented.Module); err != nil {
		return nil, err
	}
	module, err := e.compile(ctx, by, instrumented.Module.Encode())
	if cause := ctx.Err(); cause != nil && err != nil {
		return nil, cause // the module is not at fault
	}
	if err != nil {
		return nil, sandbox.ModuleError(src, err)
	}
	code.Module = nil // no longer needed, and as large as the code
	return &compiled{
		code: code, runtime: by.runtime, module: module, fuel: fuel,
		entry: entry, counterName: instrumented.CounterGlobal, stackName: instrumented.StackGlobal,
	}, nil
}

// compile compiles a module. It tries again if the cache may have caused the error.
func (e *Engine) compile(ctx context.Context, by *compiler, binary []byte) (wazero.CompiledModule, error) {
	if by.cache != nil {
		// wazero returns code from a cache before it is ready, if two compilations
		// share it. Different guests may have the same code after the
		// instrumentation. Compilations of different code go on side by side.
		sum := sha256.Sum256(binary)
		same := e.compiling[sum[0]%byte(len(e.compiling))]
		select {
		case same <- struct{}{}:
			defer func() { <-same }()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	module, err := by.runtime.CompileModule(ctx, binary)
	if err != nil && by.cache.refused(err) {
		module, err = by.runtime.CompileModule(ctx, binary)
	}
	return module, err
}

// Close implements [core.Engine].
func (e *Engine) Close(ctx context.Context) error {
	err := e.refs.Close(ctx, func() error {
		err := e.plain.close(ctx)
		if e.usedAhead.Load() {
			if ahead, failed := e.ahead(); failed == nil { // it was made before
				err = errors.Join(err, ahead.close(ctx))
			}
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("wazero: close: %w", err)
	}
	return nil
}
