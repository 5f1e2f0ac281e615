package wazero

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/wasm"
)

var services = map[string]api.GoFunc{
	abi.SendMessage:   sendMessage,
	abi.SendRequest:   sendRequest,
	abi.CancelRequest: cancelRequest,
	abi.SelfID:        selfID,
	abi.Log:           log,
	abi.CurrentTime:   currentTime,
}

func linkServices(ctx context.Context, r wazero.Runtime) error {
	return link(ctx, r, abi.HostServices, abi.Imports(), func(f abi.Func) api.GoFunc { return services[f.Name] })
}

// link makes a host module of functions that need no reflection.
func link(ctx context.Context, r wazero.Runtime, module string, funcs []abi.Func, find func(abi.Func) api.GoFunc) error {
	b := r.NewHostModuleBuilder(module)
	for _, f := range funcs {
		b.NewFunctionBuilder().
			WithGoFunction(find(f), valueTypes(f.Type.Params), valueTypes(f.Type.Results)).
			Export(f.Name)
	}
	if _, err := b.Instantiate(ctx); err != nil {
		return fmt.Errorf("wazero: link %s: %w", module, err)
	}
	return nil
}

func valueTypes(types []wasm.ValueType) []api.ValueType {
	out := make([]api.ValueType, len(types))
	for i, t := range types {
		out[i] = t.Code
	}
	return out
}

func sendMessage(ctx context.Context, stack []uint64) {
	g := caller(ctx, abi.SendMessage)
	mem := g.Memory()
	target, message, err := abi.LiftSend(mem, uint32(stack[0]), uint32(stack[1]), uint32(stack[2]), uint32(stack[3]), abi.SendMessage)
	must(err)
	g.pass(len(message))
	area := uint32(stack[4])
	must(abi.CheckResultArea(mem, area, abi.SendMessage))
	must(abi.LowerResult(g, area, g.send(target, message), abi.SendMessage))
}

func (g *guest) send(target, message []byte) error {
	defer hostPanicked()
	return g.env.Host.SendMessage(target, message)
}

func sendRequest(ctx context.Context, stack []uint64) {
	g := caller(ctx, abi.SendRequest)
	mem := g.Memory()
	target, request, err := abi.LiftSend(mem, uint32(stack[0]), uint32(stack[1]), uint32(stack[2]), uint32(stack[3]), abi.SendRequest)
	must(err)
	g.pass(len(request))
	timeout, area := stack[4], uint32(stack[5])
	must(abi.CheckRequestArea(mem, area))
	id, refused := g.request(target, request, timeout)
	must(abi.LowerRequest(g, area, id, refused))
}

func (g *guest) request(target, request []byte, timeoutMillis uint64) (core.RequestID, error) {
	defer hostPanicked()
	return g.env.Host.SendRequest(target, request, timeoutMillis)
}

func cancelRequest(ctx context.Context, stack []uint64) {
	g := caller(ctx, abi.CancelRequest)
	id, area := core.RequestID(stack[0]), uint32(stack[1])
	must(abi.CheckResultArea(g.Memory(), area, abi.CancelRequest))
	must(abi.LowerResult(g, area, g.cancel(id), abi.CancelRequest))
}

func (g *guest) cancel(id core.RequestID) error {
	defer hostPanicked()
	return g.env.Host.CancelRequest(id)
}

func selfID(ctx context.Context, stack []uint64) {
	g := caller(ctx, abi.SelfID)
	must(abi.LowerSelfID(g, uint32(stack[0]), g.env.ID))
}

func log(ctx context.Context, stack []uint64) {
	g := caller(ctx, abi.Log)
	level, err := abi.LiftLogLevel(uint32(stack[0]))
	must(err)
	message, err := abi.LiftBytes(g.Memory(), uint32(stack[1]), uint32(stack[2]), "the message of log")
	must(err)
	g.pass(len(message))
	defer hostPanicked()
	g.env.Host.Log(level, message)
}

func currentTime(ctx context.Context, stack []uint64) {
	g := caller(ctx, abi.CurrentTime)
	defer hostPanicked()
	stack[0] = g.env.Host.Now()
}

// must leaves a host function and the guest's code below it, of which wazero
// returns err to who called it.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// hostPanicked turns a panic of the host's services, deferred around a call of
// them, into the end of the instance.
func hostPanicked() {
	if cause := recover(); cause != nil {
		panic(hostPanic(cause))
	}
}

func hostPanic(cause any) *core.TrapError {
	return &core.TrapError{
		Kind:    core.TrapFault,
		Text:    firstLine(fmt.Sprintf("the host panicked: %v", cause)),
		Details: fmt.Sprintf("%v\n%s", cause, debug.Stack()),
	}
}
