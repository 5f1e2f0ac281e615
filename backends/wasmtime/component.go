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

// component is a guest. Components of the same code share the compiled code.
type component struct {
	compiled // a copy, which saves each message a step

	engine *Engine
	use    *sandbox.Use[*compiled]
	refs   refs.Count // of instances
}

var _ core.Component = (*component)(nil)

// compiled is compiled code.
type compiled struct {
	code    *sandbox.Code
	variant *variant
	module  *wasmtime.Module
	shim    *shim
	hosts   []host               // the guest's imports, in its order
	types   []*C.wasm_functype_t // of hosts
	kinds   []C.uint8_t          // of hosts
	counter string               // the meter's counter, "" in code without the meter
}

func newCompiled(v *variant, code *sandbox.Code, metered bool) *compiled {
	code.Traits.KeepsLedger = !code.Traits.HTTP
	code.Traits.Exchanges = code.Traits.KeepsLedger
	c := &compiled{code: code, variant: v, hosts: v.resolve(code.Module, metered)}
	for i := range c.hosts {
		c.types, c.kinds = append(c.types, c.hosts[i].typ), append(c.kinds, c.hosts[i].kind)
	}
	return c
}

func (c *compiled) close() error {
	c.module.Close()
	return nil
}

// prepare returns the code to compile: the guest's own without its start function, or
// with the meter if fuel or stack is counted.
func (c *compiled) prepare(metered bool) ([]byte, error) {
	module := c.code.Module
	c.code.Module = nil // it is large and no longer needed
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
	in, err := c.instantiate(ctx, env)
	if err != nil {
		return nil, err
	}
	if !c.code.Traits.HTTP {
		return in, nil
	}
	return sandbox.NewServer(in, c.code.Traits, func(starting func(core.Instance)) (sandbox.Serving, error) {
		env.Starting = starting
		return c.instantiate(context.Background(), env)
	}), nil
}

func (c *component) instantiate(ctx context.Context, env core.Environment) (*instance, error) {
	if err := c.refs.Acquire(); err != nil {
		return nil, err
	}
	in, err := c.load(ctx, env)
	if err != nil {
		c.refs.Release()
		return nil, err
	}
	if err := in.start(); err != nil {
		_ = in.Close() // the caller needs the first error
		return nil, err
	}
	return in, nil
}

// load makes an instance, and runs none of its code. The instance's Close releases the
// reference that the caller has acquired.
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

// dropLongNames drops a name section that would make a trap's stack long. Only people
// read the names.
func dropLongNames(m *wasm.Module) {
	m.Customs = slices.DeleteFunc(slices.Clone(m.Customs), func(c wasm.Custom) bool {
		_, valid := c.StableNames()
		return c.Name == "name" && !valid
	})
}
