package wazero

import (
	"context"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/meter"
	"github.com/airhost/airhost/internal/sandbox"
)

// guest gives code around the instance access to it: package abi allocates in it,
// and host functions find their instance through it, since it is the context of
// every call. wazero asks a context for values at every call; this one has none.
type guest instance

var (
	_ sandbox.Guest   = (*guest)(nil)
	_ context.Context = (*guest)(nil)
)

func (*guest) Deadline() (time.Time, bool) { return time.Time{}, false }
func (*guest) Done() <-chan struct{}       { return nil }
func (*guest) Err() error                  { return nil }
func (*guest) Value(any) any               { return nil }

// Memory implements [abi.Guest].
func (g *guest) Memory() []byte { return g.memory.current }

// Realloc implements [abi.Guest].
func (g *guest) Realloc(align, size uint32) (uint32, error) {
	if g.realloc == nil {
		g.realloc = g.module.ExportedFunction(abi.Realloc)
	}
	g.nested = [4]uint64{0, 0, uint64(align), uint64(size)}
	err := (*instance)(g).run(g.realloc, sandbox.Allocating, g.nested[:])
	return uint32(g.nested[0]), err
}

// Refused implements [sandbox.Guest].
func (g *guest) Refused() uint32 {
	name := g.component.code.Refused
	if name == "" {
		return 0
	}
	return uint32(g.module.ExportedGlobal(name).Get())
}

// SetFuel implements [sandbox.Guest].
func (g *guest) SetFuel(fuel uint64) { g.counter.Set(fuel) }

// StackSize implements [sandbox.Guest].
func (g *guest) StackSize() int64 {
	if g.stackField == 0 { // the index 0 belongs to another field, so 0 means unknown
		g.stackField = stackField(g.running)
	}
	return stackSize(g.running, g.stackField)
}

// ReleaseStack implements [sandbox.Guest]. It drops the functions, each of which
// owns a stack.
func (g *guest) ReleaseStack() bool {
	g.running, g.entry.fn, g.realloc = nil, nil, nil
	left := g.module.ExportedGlobal(g.component.stackName)
	left.(api.MutableGlobal).Set(meter.StackSlice)
	return true
}

// Call implements [sandbox.Guest].
func (g *guest) Call(name string, p sandbox.Phase, stack []uint64) error {
	in := (*instance)(g)
	if name == abi.Save || name == abi.Restore {
		// The guest may free all that it knows of then, as after a message.
		in.entry.sender.stale, in.entry.payload.stale = true, true
	}
	return in.run(in.module.ExportedFunction(name), p, stack)
}

// run runs guest code. If it returns an error, the instance has ended.
func (in *instance) run(fn api.Function, p sandbox.Phase, stack []uint64) error {
	before, outer, inside := in.Phase, in.running, in.entry.inside
	in.Phase, in.running, in.entry.inside = p, fn, false
	err := fn.CallWithStack((*guest)(in), stack)
	in.Phase, in.running, in.entry.inside = before, outer, inside
	if err != nil {
		return in.Trapped(in.trapOf(err), p)
	}
	return in.Left()
}
