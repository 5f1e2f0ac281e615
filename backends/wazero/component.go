package wazero

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/tetratelabs/wazero"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/sandbox"
)

// component is compiled code.
type component struct {
	engine *Engine
	code   wazero.CompiledModule
	guest  *guestCode
	fuel   bool // whether its code counts it

	postMessage, postCallback bool // whether the guest has these post-returns

	closed atomic.Bool
}

var _ core.Component = (*component)(nil)

func newComponent(e *Engine, code wazero.CompiledModule, guest *guestCode, fuel bool) *component {
	guest.instrumented.Module, guest.Module = nil, nil // compiled, and as large as the code
	return &component{engine: e, code: code, guest: guest, fuel: fuel,
		postMessage:  guest.Exports[abi.PostHandleMessage],
		postCallback: guest.Exports[abi.PostHandleCallback]}
}

func (c *component) Traits() core.Traits { return c.guest.Traits }

// anonymous: there may be many instances of one module, none is linked to
// another, and none of their functions runs by itself.
var anonymous = wazero.NewModuleConfig().WithName("").WithStartFunctions()

func (c *component) Instantiate(ctx context.Context, env core.Environment) (core.Instance, error) {
	if c.closed.Load() {
		return nil, core.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	env.Limits = env.Limits.WithDefaults()
	ctx, memory, err := newMemory(ctx, &c.engine.arena, c.guest.Least, c.guest.Most)
	if err != nil {
		return nil, fmt.Errorf("wazero: instantiate: %w", err)
	}
	module, err := c.engine.runtime.InstantiateModule(ctx, c.code, anonymous)
	if err != nil {
		memory.Free()
		// No code has run: a data segment does not fit, for example.
		return nil, &core.TrapError{Kind: core.TrapFault, Text: sandbox.FirstLine(err.Error())}
	}
	in := newInstance(c, module, memory, env)
	if env.Starting != nil {
		env.Starting(in)
	}
	if err := in.Run(); err != nil {
		_ = in.Close() // what matters is why it did not start
		return nil, err
	}
	return in, nil
}

func (c *component) Close(ctx context.Context) error {
	if c.closed.Swap(true) {
		return nil
	}
	if err := c.code.Close(ctx); err != nil {
		return fmt.Errorf("wazero: close a component: %w", err)
	}
	return nil
}
