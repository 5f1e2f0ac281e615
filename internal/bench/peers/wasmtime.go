//go:build cgo

package main

import (
	"context"
	"errors"

	"github.com/bytecodealliance/wasmtime-go/v39"

	"github.com/airhost/airhost/internal/bench/data/cells"
)

// wasmtimeMissing is the reason why this build has no Wasmtime.
const wasmtimeMissing = ""

// openWasmtime sets up bare Wasmtime by the calls that wasmtime-go offers to its
// users: Func.Call, and host functions by NewFunc, which is no slower than WrapFunc.
// Each guest has a store of its own: Wasmtime frees memory by stores.
func openWasmtime(_ context.Context, pattern cells.Pattern, payload int) (host, error) {
	e := &wasmtimeEngine{engine: wasmtime.NewEngine()}
	e.bare = &bare{pattern: pattern, message: newMessage(payload), engine: e}
	if err := e.setUp(payload); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e.bare, nil
}

// wasmtimeEngine is an engine with the two guests.
type wasmtimeEngine struct {
	*bare
	engine *wasmtime.Engine
	guests [2]*wasmtimeGuest
}

// Close implements io.Closer.
func (e *wasmtimeEngine) Close() error {
	for _, g := range e.guests {
		if g != nil {
			g.store.Close()
		}
	}
	e.engine.Close()
	return nil
}

func (e *wasmtimeEngine) setUp(payload int) error {
	module, err := wasmtime.NewModule(e.engine, bareModule)
	if err != nil {
		return err
	}
	defer module.Close()
	for i := range e.guests {
		g := &wasmtimeGuest{store: wasmtime.NewStore(e.engine)}
		e.guests[i], e.bare.guests[i] = g, g
		// In the order of the module's imports.
		imports := []wasmtime.AsExtern{e.sender(g, 1-i, bareHandle), e.sender(g, 1-i, bareAnswer)}
		instance, err := wasmtime.NewInstance(g.store, module, imports)
		if err != nil {
			return err
		}
		if err := g.setUp(instance, payload); err != nil {
			return err
		}
	}
	return nil
}

// sender returns the host function that queues a guest's message for the other
// guest's export.
func (e *wasmtimeEngine) sender(from *wasmtimeGuest, to int, export bareExport) *wasmtime.Func {
	i32 := wasmtime.NewValType(wasmtime.KindI32)
	ty := wasmtime.NewFuncType([]*wasmtime.ValType{i32, i32}, nil)
	return wasmtime.NewFunc(from.store, ty, func(caller *wasmtime.Caller, args []wasmtime.Val) ([]wasmtime.Val, *wasmtime.Trap) {
		message, err := within(from.memory.UnsafeData(caller), uint32(args[0].I32()), int(args[1].I32()))
		if err == nil {
			err = e.queue.push(to, export, message)
		}
		if err != nil {
			return nil, wasmtime.NewTrap(err.Error())
		}
		return nil, nil
	})
}

// wasmtimeGuest implements bareGuest.
type wasmtimeGuest struct {
	store        *wasmtime.Store
	memory       *wasmtime.Memory
	exports      [len(bareExports)]*wasmtime.Func
	readCounters *wasmtime.Func
	inbox        uint32
}

func (g *wasmtimeGuest) setUp(instance *wasmtime.Instance, payload int) error {
	g.memory = instance.GetExport(g.store, "memory").Memory()
	g.readCounters = instance.GetFunc(g.store, "counters")
	for i, name := range bareExports {
		g.exports[i] = instance.GetFunc(g.store, name)
	}
	inbox, err := instance.GetFunc(g.store, "reserve").Call(g.store, int32(payload))
	if err != nil {
		return err
	}
	g.inbox = uint32(inbox.(int32))
	return nil
}

func (g *wasmtimeGuest) enter(export bareExport, payload []byte) ([]byte, error) {
	inbox, err := within(g.memory.UnsafeData(g.store), g.inbox, len(payload))
	if err != nil {
		return nil, err
	}
	copy(inbox, payload)
	pointer, err := g.exports[export].Call(g.store, int32(len(payload)))
	if err != nil || export != bareAnswer {
		return nil, err
	}
	// The view is made anew, since the guest may have grown its memory in the call.
	return within(g.memory.UnsafeData(g.store), uint32(pointer.(int32)), len(payload))
}

func (g *wasmtimeGuest) counters() ([]byte, error) {
	pointer, err := g.readCounters.Call(g.store)
	if err != nil {
		return nil, err
	}
	return within(g.memory.UnsafeData(g.store), uint32(pointer.(int32)), 16)
}

// within returns size bytes of memory at a guest's pointer.
func within(memory []byte, pointer uint32, size int) ([]byte, error) {
	if uint64(pointer)+uint64(size) > uint64(len(memory)) {
		return nil, errOutOfRange
	}
	return memory[pointer:][:size], nil
}
