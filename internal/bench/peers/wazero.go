package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/airhost/airhost/internal/bench/data/cells"
)

// openWazero sets up bare wazero: its compiler, where it has one for the machine,
// its fastest call (CallWithStack on a function that was looked up once) and its
// fastest kind of host function.
func openWazero(_ context.Context, pattern cells.Pattern, payload int) (host, error) {
	return newWazero(context.Background(), func() {}, wazero.NewRuntimeConfig(), pattern, payload)
}

// openWazeroInterruptible is the same with WithCloseOnContextDone, without which
// nothing ends a guest that loops. All calls have one context, whose end would end
// them. A time limit for each message, like airhost's, would need a
// context.WithTimeout for each call besides.
func openWazeroInterruptible(_ context.Context, pattern cells.Pattern, payload int) (host, error) {
	ctx, cancel := context.WithCancel(context.Background())
	config := wazero.NewRuntimeConfig().WithCloseOnContextDone(true)
	return newWazero(ctx, cancel, config, pattern, payload)
}

// wazeroEngine is a runtime with the two guests.
type wazeroEngine struct {
	*bare
	runtime wazero.Runtime
	guests  [2]*wazeroGuest
	cancel  context.CancelFunc // ends the context of all calls
}

// Close implements io.Closer.
func (e *wazeroEngine) Close() error {
	e.cancel()
	return e.runtime.Close(context.Background())
}

func newWazero(ctx context.Context, cancel context.CancelFunc, config wazero.RuntimeConfig, pattern cells.Pattern, payload int) (host, error) {
	e := &wazeroEngine{runtime: wazero.NewRuntimeWithConfig(ctx, config), cancel: cancel}
	e.bare = &bare{pattern: pattern, message: newMessage(payload), engine: e}
	if err := e.setUp(ctx, payload); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e.bare, nil
}

func (e *wazeroEngine) setUp(ctx context.Context, payload int) error {
	pointerAndSize := []api.ValueType{api.ValueTypeI32, api.ValueTypeI32}
	_, err := e.runtime.NewHostModuleBuilder("bare").
		NewFunctionBuilder().WithGoModuleFunction(e.sender(bareHandle), pointerAndSize, nil).Export("send").
		NewFunctionBuilder().WithGoModuleFunction(e.sender(bareAnswer), pointerAndSize, nil).Export("request").
		Instantiate(ctx)
	if err != nil {
		return err
	}
	compiled, err := e.runtime.CompileModule(ctx, bareModule)
	if err != nil {
		return err
	}
	for i := range e.guests {
		// A module without a name can have several instances.
		module, err := e.runtime.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithName(""))
		if err != nil {
			return err
		}
		if e.guests[i], err = newWazeroGuest(ctx, module, payload); err != nil {
			return err
		}
		e.bare.guests[i] = e.guests[i]
	}
	return nil
}

// sender returns the host function that queues a guest's message for the other
// guest's export. The value of its panic is the error of the guest's call.
func (e *wazeroEngine) sender(export bareExport) api.GoModuleFunc {
	return func(_ context.Context, from api.Module, stack []uint64) {
		to := 0
		if from == e.guests[0].module {
			to = 1
		}
		message, ok := from.Memory().Read(uint32(stack[0]), uint32(stack[1]))
		if !ok {
			panic(errOutOfRange)
		}
		if err := e.queue.push(to, export, message); err != nil {
			panic(err)
		}
	}
}

// wazeroGuest implements bareGuest.
type wazeroGuest struct {
	ctx           context.Context // of all calls
	module        api.Module
	exports       [len(bareExports)]api.Function
	readCounters  api.Function
	inbox         uint32
	stack         [1]uint64
	countersStack [1]uint64
}

func newWazeroGuest(ctx context.Context, module api.Module, payload int) (*wazeroGuest, error) {
	g := &wazeroGuest{ctx: ctx, module: module, readCounters: module.ExportedFunction("counters")}
	for i, name := range bareExports {
		g.exports[i] = module.ExportedFunction(name)
	}
	inbox, err := module.ExportedFunction("reserve").Call(ctx, uint64(payload))
	if err != nil {
		return nil, fmt.Errorf("reserving room for messages: %w", err)
	}
	g.inbox = uint32(inbox[0])
	return g, nil
}

func (g *wazeroGuest) enter(export bareExport, payload []byte) ([]byte, error) {
	memory := g.module.Memory()
	if !memory.Write(g.inbox, payload) {
		return nil, errOutOfRange
	}
	g.stack[0] = uint64(len(payload))
	if err := g.exports[export].CallWithStack(g.ctx, g.stack[:]); err != nil {
		return nil, err
	}
	if export != bareAnswer {
		return nil, nil
	}
	response, ok := memory.Read(uint32(g.stack[0]), uint32(len(payload)))
	if !ok {
		return nil, errOutOfRange
	}
	return response, nil
}

func (g *wazeroGuest) counters() ([]byte, error) {
	if err := g.readCounters.CallWithStack(g.ctx, g.countersStack[:]); err != nil {
		return nil, err
	}
	counters, ok := g.module.Memory().Read(uint32(g.countersStack[0]), 16)
	if !ok {
		return nil, errOutOfRange
	}
	return counters, nil
}
