//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime

// #include "guest.h"
import "C"

import (
	"context"
	"fmt"
	"slices"

	wasmtime "github.com/bytecodealliance/wasmtime-go/v39"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/refs"
	"github.com/airhost/airhost/internal/sandbox"
	"github.com/airhost/airhost/internal/wasm"
)

// component is a guest whose code it shares with others of the same code.
type component struct {
	compiled // a copy, so that a message finds what it needs in one step

	engine *Engine
	use    *sandbox.Use[*compiled]
	refs   refs.Count // of instances
}

var _ core.Component = (*component)(nil)

// compiled is compiled code.
type compiled struct {
	code    *sandbox.Code
	module  *wasmtime.Module
	shim    *shim
	hosts   []host               // what the guest imports, in its order
	types   []*C.wasm_functype_t // theirs
	kinds   []C.uint8_t
	counter string // the meter's counter, "" in code without the meter
}

func newCompiled(e *Engine, code *sandbox.Code, metered bool) *compiled {
	code.Traits.KeepsLedger = true
	c := &compiled{code: code, hosts: e.resolve(code.Module, metered)}
	for i := range c.hosts {
		c.types, c.kinds = append(c.types, c.hosts[i].typ), append(c.kinds, c.hosts[i].kind)
	}
	return c
}

func (c *compiled) close() error {
	c.module.Close()
	return nil
}

// prepare returns the code to be compiled: the guest's own, but for its start
// function, or with the meter in it where there is fuel or stack to count.
func (c *compiled) prepare(metered bool) ([]byte, error) {
	module := c.code.Module
	c.code.Module = nil // of no use any more, and large
	if !metered {
		c.code.Start = abi.ExportStart(module)
		dropLongNames(module)
		if err := c.code.Bound(module); err != nil {
			return nil, err
		}
		return module.Encode(), nil
	}
	instrumented, err := c.code.Instrument(module)
	if err != nil {
		return nil, err
	}
	c.counter = instrumented.CounterGlobal
	return instrumented.Module.Encode(), nil
}

func (c *component) Traits() core.Traits { return c.code.Traits }

func (c *component) Instantiate(ctx context.Context, env core.Environment) (core.Instance, error) {
	if err := c.refs.Acquire(); err != nil {
		return nil, err
	}
	in, err := c.load(ctx, env)
	if err != nil {
		c.refs.Release()
		return nil, err
	}
	if err := in.start(); err != nil {
		_ = in.Close() // what matters is why it did not start
		return nil, err
	}
	return in, nil
}

// load makes an instance in which nothing has run. Its Close releases the reference
// that the caller has acquired.
func (c *component) load(ctx context.Context, env core.Environment) (*instance, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	env.Limits = env.Limits.WithDefaults()
	return newInstance(c, env)
}

func (c *component) Close(ctx context.Context) error {
	if err := c.refs.Close(ctx, c.use.Release); err != nil {
		return fmt.Errorf("wasmtime: close a component: %w", err)
	}
	return nil
}

// dropLongNames drops a name section that makes a trap's stack long; it is for
// people only.
func dropLongNames(m *wasm.Module) {
	m.Customs = slices.DeleteFunc(slices.Clone(m.Customs), func(c wasm.Custom) bool {
		_, valid := c.StableNames()
		return c.Name == "name" && !valid
	})
}
