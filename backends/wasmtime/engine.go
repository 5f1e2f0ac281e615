//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime

import (
	"context"
	"errors"
	"fmt"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/codecache"
	"github.com/airhost/airhost/internal/refs"
	"github.com/airhost/airhost/internal/sandbox"
)

// Available says whether this build has Wasmtime.
const Available = true

// Engine is Wasmtime as a [core.Engine].
type Engine struct {
	config   Config
	variants [2]variant // for guests with a large memory, and with a small one
	code     *codecache.Cache
	shared   sandbox.Shared[*compiled]
	ticker   ticker

	refs refs.Count // of instances and compilations
}

var _ core.Engine = (*Engine)(nil)

// CodeVersion names the compiler, with its configuration, whose code this engine can use.
func CodeVersion() string {
	return codecache.Module("github.com/bytecodealliance/wasmtime-go/v39") + " " + configuration
}

// New returns an engine. It must be closed.
func New(config Config) (*Engine, error) {
	if config.MaxModule == 0 {
		config.MaxModule = sandbox.DefaultMaxModule
	}
	if err := checkPointers(); err != nil {
		return nil, err
	}
	quietTraps()
	e := &Engine{config: config}
	e.shared.Close = (*compiled).close
	e.code = codecache.Open(config.CacheDir, Name, CodeVersion(), config.Logger)
	cache := e.code
	if config.CacheDir == "" && len(config.TrustedKeys) == 0 {
		cache = nil // compiled code is not even copied
	}
	e.variants[0].open(false, cache)
	e.variants[1].open(true, cache)
	if err := e.ticker.start(e.variants[0].engine, e.variants[1].engine); err != nil {
		e.closeVariants()
		return nil, err
	}
	return e, nil
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
	request := sandbox.Request{Source: src, Limits: limits, MaxModule: e.config.MaxModule, Trusted: e.config.TrustedKeys}
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
	v := &e.variants[0]
	if small(code.Module) {
		v = &e.variants[1]
	}
	c := newCompiled(v, code, metered)
	binary, err := c.prepare(metered)
	if err != nil {
		return nil, err
	}
	defer e.code.Offer(code.Precompiled, src.Path)()
	if c.module, err = v.compile(binary, code.Long()); err != nil {
		return nil, sandbox.ModuleError(src, errors.New(innermost(err.Error())))
	}
	if c.shim, err = v.shim(code.Exports); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// Close implements [core.Engine].
func (e *Engine) Close(ctx context.Context) error {
	if err := e.refs.Close(ctx, e.free); err != nil {
		return fmt.Errorf("wasmtime: close: %w", err)
	}
	return nil
}

func (e *Engine) free() error {
	e.ticker.close()
	e.closeVariants()
	return nil
}

func (e *Engine) closeVariants() {
	for i := range e.variants {
		e.variants[i].close()
	}
}
