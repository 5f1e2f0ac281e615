package wazero

import (
	"context"
	"fmt"

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

	entry      api.Function // looked up on first use: it holds a stack of 10 KiB
	stack      [abi.EntrySlots]uint64
	running    api.Function // the function of the current call, the inner one of two nested calls
	stackField int          // see stackField; 0 while unknown
	realloc    api.Function // like entry, for allocations during a call of the host
	nested     [4]uint64
}

var _ core.Instance = (*instance)(nil)

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
	in.entry, in.realloc = nil, nil // frees their stacks until the first message
	return err
}

// HandleMessage implements [core.Instance].
func (in *instance) HandleMessage(sender core.ComponentID, message []byte, response *[]byte) error {
	if err := in.Enter(); err != nil {
		return err
	}
	id := sender.String()
	senderPtr, messagePtr, err := abi.LowerMessage((*guest)(in), id, message)
	if err != nil {
		return in.End(err)
	}
	in.stack[1], in.stack[2] = uint64(senderPtr), uint64(len(id))
	in.stack[3], in.stack[4] = uint64(messagePtr), uint64(len(message))
	if err := in.enterAt(abi.OpMessage, sandbox.Handling); err != nil {
		return err
	}
	area := in.stack[0]
	answer, failure, err := abi.LiftResponse(in.view(), uint32(area))
	if err != nil {
		return in.End(err)
	}
	if failure == nil && response != nil {
		failure = in.Respond(answer, response)
	}
	if err := in.cleanUp(in.component.postMessage, abi.OpPostMessage, area); err != nil {
		return err
	}
	return sandbox.Failure(failure)
}

// HandleCallback implements [core.Instance].
func (in *instance) HandleCallback(id core.RequestID, response []byte, failure *core.RequestError) error {
	if err := in.Enter(); err != nil {
		return err
	}
	if !in.Code.Traits.Callback {
		return sandbox.ErrNoCallback
	}
	tag, ptr, size, err := in.lowerOutcome(response, failure)
	if err != nil {
		return in.End(err)
	}
	in.stack[1], in.stack[2], in.stack[3], in.stack[5] = tag, uint64(ptr), uint64(size), uint64(id)
	if err := in.enterAt(abi.OpCallback, sandbox.Handling); err != nil {
		return err
	}
	area := in.stack[0]
	refusal, err := abi.LiftOutcome(in.view(), uint32(area), abi.HandleCallback)
	if err != nil {
		return in.End(err)
	}
	if err := in.cleanUp(in.component.postCallback, abi.OpPostCallback, area); err != nil {
		return err
	}
	return sandbox.Failure(refusal)
}

// lowerOutcome writes a request's outcome into the guest's memory, as a
// result<list<u8>, string>.
func (in *instance) lowerOutcome(response []byte, failure *core.RequestError) (tag uint64, ptr, size uint32, err error) {
	if failure != nil {
		ptr, size, err = abi.LowerString((*guest)(in), failure.Error())
		return 1, ptr, size, err
	}
	ptr, err = abi.LowerBytes((*guest)(in), response)
	return 0, ptr, uint32(len(response)), err
}

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
	in.entry, in.realloc = nil, nil
	if err := in.module.Close(context.Background()); err != nil {
		return fmt.Errorf("wazero: close an instance: %w", err)
	}
	return nil
}
