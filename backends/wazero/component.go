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

// component is a guest. Components with the same code share a compiled.
type component struct {
	compiled // copied here, which saves a step for each message

	engine *Engine
	use    *sandbox.Use[*compiled]
	refs   refs.Count // counts instances
}

var _ core.Component = (*component)(nil)

// compiled is compiled code, with the names of the exports added to the guest's
// code.
type compiled struct {
	code    *sandbox.Code
	runtime wazero.Runtime // has compiled the module
	module  wazero.CompiledModule
	fuel    bool // the code counts fuel

	entry                  abi.Entry
	counterName, stackName string // added by the meter
}

func (c *compiled) close() error {
	if err := c.module.Close(context.Background()); err != nil {
		return fmt.Errorf("wazero: close a component: %w", err)
	}
	return nil
}

func (c *component) Traits() core.Traits { return c.code.Traits }

// anonymous is the configuration of all instances. They have no name, since a module
// may have many instances and none is linked to another. wazero runs no start
// function.
var anonymous = wazero.NewModuleConfig().WithName("").WithStartFunctions()

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
	if env.Starting != nil {
		env.Starting(in)
	}
	if err := in.Run(); err != nil {
		_ = in.Close() // the error of the start matters more
		return nil, err
	}
	return in, nil
}

// load creates an instance and runs none of its code. Its Close releases the
// reference that the caller has acquired.
func (c *component) load(ctx context.Context, env core.Environment) (*instance, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	env.Limits = env.Limits.WithDefaults()
	ctx, memory, err := newMemory(ctx, &c.engine.arena, c.code.Least, c.use.Most)
	if err != nil {
		return nil, fmt.Errorf("wazero: instantiate: %w", err)
	}
	module, err := c.runtime.InstantiateModule(ctx, c.module, anonymous)
	if err != nil {
		memory.Free()
		// No code has run. The cause is, for example, a data segment that does not
		// fit.
		return nil, &core.TrapError{Kind: core.TrapFault, Text: sandbox.FirstLine(err.Error())}
	}
	return newInstance(c, module, memory, env), nil
}

func (c *component) Close(ctx context.Context) error {
	if err := c.refs.Close(ctx, c.use.Release); err != nil {
		return fmt.Errorf("wazero: close a component: %w", err)
	}
	return nil
}
