package wazero

import (
	"context"
	"fmt"

	"github.com/tetratelabs/wazero/api"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/sandbox"
)

// instance is a live guest.
type instance struct {
	sandbox.State
	component *component
	module    api.Module
	memory    *memory
	counter   api.MutableGlobal // of its fuel, or nil

	entry   api.Function // looked up when first called: it holds a stack of 10 KiB
	stack   [abi.EntrySlots]uint64
	realloc api.Function // as entry: for what a call of the host allocates
	nested  [4]uint64
}

var _ core.Instance = (*instance)(nil)

func newInstance(c *component, module api.Module, memory *memory, env core.Environment) *instance {
	in := &instance{component: c, module: module, memory: memory}
	in.Env, in.Guest = env, (*guest)(in)
	if c.fuel && env.Limits.Fuel > 0 {
		counter := module.ExportedGlobal(c.guest.instrumented.CounterGlobal)
		in.counter, in.Budget = counter.(api.MutableGlobal), sandbox.NewBudget(env.Limits.Fuel)
	}
	return in
}

// start runs the guest's start function and _initialize.
func (in *instance) start() error {
	if in.Env.Starting != nil {
		in.Env.Starting(in)
	}
	if err := in.enter(); err != nil {
		return err
	}
	for _, name := range []string{in.component.guest.instrumented.StartExport, abi.Start} {
		if name == "" || name == abi.Start && !in.component.guest.Exports[name] {
			continue
		}
		if err := in.callOnce(name, sandbox.Starting); err != nil {
			return err
		}
	}
	return nil
}

// Initialize implements [core.Instance].
func (in *instance) Initialize(config []core.ConfigPair) error {
	if err := in.enter(); err != nil || !in.component.guest.Traits.Management {
		return err
	}
	list, err := abi.LowerPairs((*guest)(in), config)
	if err != nil {
		return in.End(err)
	}
	in.stack[0], in.stack[1] = uint64(list), uint64(len(config))
	if err := in.callOnce(abi.Initialize, sandbox.Handling); err != nil {
		return err
	}
	area := in.stack[0]
	failure, err := abi.LiftOutcome(in.view(), uint32(area), abi.Initialize)
	if err != nil {
		return in.End(err)
	}
	if in.component.guest.Exports[abi.PostInitialize] {
		in.stack[0] = area
		if err := in.callOnce(abi.PostInitialize, sandbox.Cleaning); err != nil {
			return err
		}
	}
	in.entry, in.realloc = nil, nil // until there are messages
	return componentError(failure)
}

// HandleMessage implements [core.Instance].
func (in *instance) HandleMessage(sender core.ComponentID, message []byte, response *[]byte) error {
	if err := in.enter(); err != nil {
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
		failure = in.respond(answer, response)
	}
	if err := in.cleanUp(in.component.postMessage, abi.OpPostMessage, area); err != nil {
		return err
	}
	return componentError(failure)
}

// respond copies the guest's answer, unless it is larger than the component's
// messages may be.
func (in *instance) respond(answer []byte, response *[]byte) *core.ComponentError {
	if most := in.Env.Limits.MessageSize; len(answer) > most {
		return &core.ComponentError{Case: core.CaseFailed,
			Text: fmt.Sprintf("the response has %d bytes, allowed are %d (quota.message_size)", len(answer), most)}
	}
	*response = append(*response, answer...)
	return nil
}

// HandleCallback implements [core.Instance].
func (in *instance) HandleCallback(id core.RequestID, response []byte, failure *core.RequestError) error {
	if err := in.enter(); err != nil {
		return err
	}
	if !in.component.guest.Traits.Callback {
		return &core.ComponentError{Case: core.CaseComponentUnavailable, Text: "it does not export handle-callback"}
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
	return componentError(refusal)
}

// lowerOutcome puts a request's outcome into the guest's memory, as a
// result<list<u8>, string>.
func (in *instance) lowerOutcome(response []byte, failure *core.RequestError) (tag uint64, ptr, size uint32, err error) {
	if failure != nil {
		ptr, size, err = abi.LowerString((*guest)(in), failure.Error())
		return 1, ptr, size, err
	}
	ptr, err = abi.LowerBytes((*guest)(in), response)
	return 0, ptr, uint32(len(response)), err
}

// Health implements [core.Instance].
func (in *instance) Health() (core.HealthStatus, error) {
	if err := in.enter(); err != nil || !in.component.guest.Traits.Management {
		return core.HealthHealthy, err
	}
	if err := in.callOnce(abi.Health, sandbox.Handling); err != nil {
		return 0, err
	}
	status, err := abi.LiftHealth(uint32(in.stack[0]))
	if err != nil {
		return 0, in.End(err)
	}
	return status, nil
}

// Shutdown implements [core.Instance].
func (in *instance) Shutdown() error {
	if err := in.enter(); err != nil || !in.component.guest.Traits.Management {
		return err
	}
	if err := in.callOnce(abi.Shutdown, sandbox.Handling); err != nil {
		return err
	}
	return in.Flush()
}

// Close implements [core.Instance].
func (in *instance) Close() error {
	if in.Over == core.ErrClosed {
		return nil
	}
	if in.Phase != sandbox.Idle { // its code would go on in memory that is no more
		return fmt.Errorf("wazero: close an instance: %w", sandbox.ErrReentered)
	}
	in.Release()
	in.entry, in.realloc = nil, nil
	if err := in.module.Close(context.Background()); err != nil {
		return fmt.Errorf("wazero: close an instance: %w", err)
	}
	return nil
}

// componentError makes an error of a guest's answer.
func componentError(failure *core.ComponentError) error {
	if failure == nil {
		return nil
	}
	return failure
}
