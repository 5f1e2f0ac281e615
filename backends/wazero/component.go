package wazero

import (
	"context"
	"fmt"

	"github.com/tetratelabs/wazero"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/refs"
	"github.com/airhost/airhost/internal/sandbox"
)

// component is compiled code.
type component struct {
	engine *Engine
	code   wazero.CompiledModule
	guest  *guestCode
	fuel   bool // whether its code counts it

	postMessage, postCallback bool // whether the guest has these post-returns

	refs refs.Count // of instances
}

var _ core.Component = (*component)(nil)

func newComponent(e *Engine, code wazero.CompiledModule, guest *guestCode, fuel bool) *component {
	guest.instrumented.Module, guest.Module = nil, nil // compiled, and as large as the code
	return &component{engine: e, code: code, guest: guest, fuel: fuel, refs: refs.Count{Of: &e.refs},
		postMessage:  guest.Exports[abi.PostHandleMessage],
		postCallback: guest.Exports[abi.PostHandleCallback]}
}

func (c *component) Traits() core.Traits { return c.guest.Traits }

// anonymous: there may be many instances of one module, none is linked to
// another, and none of their functions runs by itself.
var anonymous = wazero.NewModuleConfig().WithName("").WithStartFunctions()

func (c *component) Instantiate(ctx context.Context, env core.Environment) (core.Instance, error) {
	if err := c.refs.Acquire(); err != nil {
		return nil, err
	}
	in, err := c.load(ctx, env)
	if err != nil {
		c.refs.Release()
		return nil, err
	}
	if env.Starting != nil {
		env.Starting(in)
	}
	if err := in.Run(); err != nil {
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
	return newInstance(c, module, memory, env), nil
}

func (c *component) Close(ctx context.Context) error {
	if err := c.refs.Close(ctx, func() error { return c.code.Close(ctx) }); err != nil {
		return fmt.Errorf("wazero: close a component: %w", err)
	}
	return nil
}
