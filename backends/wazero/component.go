package wazero

import (
	"context"
	"fmt"

	"github.com/tetratelabs/wazero"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/refs"
	"github.com/airhost/airhost/internal/sandbox"
)

// component is a guest whose code it shares with others of the same code.
type component struct {
	compiled // a copy, so that a message finds what it needs in one step

	engine *Engine
	use    *sandbox.Use[*compiled]
	refs   refs.Count // of instances
}

var _ core.Component = (*component)(nil)

// compiled is compiled code, and the names of what was added to the guest's.
type compiled struct {
	code   *sandbox.Code
	module wazero.CompiledModule
	fuel   bool // whether its code counts it

	entryName              string // the export that [abi.AddEntry] added
	counterName, stackName string // the meter's

	postMessage, postCallback bool // whether the guest has these post-returns
}

func (c *compiled) close() error {
	if err := c.module.Close(context.Background()); err != nil {
		return fmt.Errorf("wazero: close a component: %w", err)
	}
	return nil
}

func (c *component) Traits() core.Traits { return c.code.Traits }

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
	ctx, memory, err := newMemory(ctx, &c.engine.arena, c.code.Least, c.use.Most)
	if err != nil {
		return nil, fmt.Errorf("wazero: instantiate: %w", err)
	}
	module, err := c.engine.runtime.InstantiateModule(ctx, c.module, anonymous)
	if err != nil {
		memory.Free()
		// No code has run: a data segment does not fit, for example.
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
