package wazero

import (
	"context"
	"fmt"
	"strings"
	"unsafe"

	"github.com/tetratelabs/wazero/api"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/meter"
	"github.com/airhost/airhost/internal/sandbox"
)

// instance is a running guest.
type instance struct {
	sandbox.State
	component *component
	module    api.Module
	memory    *memory
	counter   api.MutableGlobal // of fuel; nil without a limit

	entry      entry
	running    api.Function // the function of the current call, the inner one of two nested calls
	stackField int          // see stackField; 0 while unknown
	realloc    api.Function // like entry.fn, for allocations beside the entry
	nested     [4]uint64
}

var (
	_ core.StateKeeper = (*instance)(nil)
	_ core.Sizer       = (*instance)(nil)
)

// interpretedSlice is the fuel of a slice for interpreted code, which takes longer
// for its fuel: see docs/costs.md.
const interpretedSlice = meter.Slice / 4

func newInstance(c *component, module api.Module, memory *memory, env core.Environment) *instance {
	in := &instance{component: c, module: module, memory: memory}
	in.Env, in.Code, in.MostMemory = env, c.code, c.use.Most
	in.Bind((*guest)(in))
	counter := module.ExportedGlobal(c.counterName).(api.MutableGlobal)
	if c.engine.interprets {
		in.Budget.Slice = interpretedSlice
		counter.Set(interpretedSlice)
	}
	if c.fuel && env.Limits.Fuel > 0 {
		in.Budget.Limit(env.Limits.Fuel)
		in.counter = counter
	}
	return in
}

// Initialize implements [core.Instance].
func (in *instance) Initialize(config []core.ConfigPair) error {
	err := in.State.Initialize(config)
	in.entry.fn, in.realloc = nil, nil // frees their stacks until the first message
	return err
}

// HandleMessage implements [core.Instance].
func (in *instance) HandleMessage(sender core.ComponentID, message []byte, response *[]byte) error {
	if err := in.Enter(); err != nil {
		return err
	}
	return in.deliver(abi.OpMessage, 0, bytesOf(sender.String()), message, response)
}

// HandleCallback implements [core.Instance].
func (in *instance) HandleCallback(id core.RequestID, response []byte, failure *core.RequestError) error {
	if err := in.Enter(); err != nil {
		return err
	}
	if !in.Code.Traits.Callback {
		return sandbox.ErrNoCallback
	}
	if failure != nil {
		text := strings.ToValidUTF8(failure.Error(), "\uFFFD") // returns valid text as it is
		return in.deliver(abi.OpCallback|abi.OpFailure, id, nil, bytesOf(text), nil)
	}
	return in.deliver(abi.OpCallback, id, nil, response, nil)
}

// bytesOf returns the bytes of s, which nobody may change.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// MemorySize implements [core.Sizer]. The memory itself says when it grows.
func (in *instance) MemorySize(bool) int64 { return in.memory.size.Load() }

// Close implements [core.Instance].
func (in *instance) Close() error {
	if in.Over == core.ErrClosed {
		return nil
	}
	if in.Phase != sandbox.Idle { // the guest's code would go on in freed memory
		return fmt.Errorf("wazero: close an instance: %w", sandbox.ErrReentered)
	}
	defer in.component.refs.Release()
	in.Release()
	in.entry, in.running, in.realloc = entry{}, nil, nil
	if err := in.module.Close(context.Background()); err != nil {
		return fmt.Errorf("wazero: close an instance: %w", err)
	}
	return nil
}
