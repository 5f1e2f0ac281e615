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
func (g *guest) Memory() []byte { return (*instance)(g).view() }

// Realloc implements [abi.Guest].
func (g *guest) Realloc(align, first, second uint32) (uint32, uint32, error) {
	in := (*instance)(g)
	if in.Phase != sandbox.Idle {
		pointers, err := in.nestedRealloc(align, first, second)
		return pointers[0], pointers[1], err
	}
	in.stack[1], in.stack[2], in.stack[3] = uint64(first), uint64(second), uint64(align)
	err := in.enterAt(abi.OpRealloc, sandbox.Allocating)
	return uint32(in.stack[0]), uint32(in.stack[1]), err
}

// nestedRealloc allocates during a call of the host by the guest, when the guest's
// entry is in use.
func (in *instance) nestedRealloc(align, first, second uint32) (pointers [2]uint32, err error) {
	if in.realloc == nil {
		in.realloc = in.module.ExportedFunction(abi.Realloc)
	}
	for i, size := range [2]uint32{first, second} {
		if size == 0 {
			continue
		}
		in.nested = [4]uint64{0, 0, uint64(align), uint64(size)}
		if err := in.run(in.realloc, sandbox.Allocating, in.nested[:]); err != nil {
			return pointers, err
		}
		pointers[i] = uint32(in.nested[0])
	}
	return pointers, nil
}

// view returns the guest's memory. It is valid until the guest's code runs again.
func (in *instance) view() []byte { return in.memory.current }

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
	g.running, g.entry, g.realloc = nil, nil, nil
	left := g.module.ExportedGlobal(g.component.stackName)
	left.(api.MutableGlobal).Set(meter.StackSlice)
	return true
}

// Call implements [sandbox.Guest].
func (g *guest) Call(name string, p sandbox.Phase, stack []uint64) error {
	in := (*instance)(g)
	return in.run(in.module.ExportedFunction(name), p, stack)
}

// enterAt runs an operation of the guest's entry in phase p. The arguments are in
// in.stack from index 1 on, the results from index 0 on.
func (in *instance) enterAt(op abi.Op, p sandbox.Phase) error {
	if in.entry == nil {
		in.entry = in.module.ExportedFunction(in.component.entryName)
	}
	in.stack[0] = uint64(op)
	return in.run(in.entry, p, in.stack[:])
}

// cleanUp runs a post-return if the guest has it.
func (in *instance) cleanUp(has bool, op abi.Op, area uint64) error {
	if !has {
		return nil
	}
	in.stack[1] = area
	return in.enterAt(op, sandbox.Cleaning)
}

// run runs guest code. If it returns an error, the instance has ended.
func (in *instance) run(fn api.Function, p sandbox.Phase, stack []uint64) error {
	before, outer := in.Phase, in.running
	in.Phase, in.running = p, fn
	err := fn.CallWithStack((*guest)(in), stack)
	in.Phase, in.running = before, outer
	if err != nil {
		return in.Trapped(in.trapOf(err), p)
	}
	return in.Left()
}
