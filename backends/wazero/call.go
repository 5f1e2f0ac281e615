package wazero

import (
	"context"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
)

// guest is an instance as its own code's surroundings see it: what lowering
// needs, and the context of every call, through which host functions find their
// instance. wazero asks a context for values at every call, and this one has
// none.
type guest instance

var (
	_ abi.Guest       = (*guest)(nil)
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
	if in.phase != idle {
		pointers, err := in.nestedRealloc(align, first, second)
		return pointers[0], pointers[1], err
	}
	in.stack[1], in.stack[2], in.stack[3] = uint64(first), uint64(second), uint64(align)
	err := in.enterAt(abi.OpRealloc, allocating)
	return uint32(in.stack[0]), uint32(in.stack[1]), err
}

// nestedRealloc allocates while the guest is in a call of the host, as which its
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
		if err := in.run(in.realloc, allocating, in.nested[:]); err != nil {
			return pointers, err
		}
		pointers[i] = uint32(in.nested[0])
	}
	return pointers, nil
}

// view returns the guest's memory, for use until its code runs again.
func (in *instance) view() []byte { return in.memory.current }

var errInterrupted = &core.TrapError{Kind: core.TrapHandler, Text: "the host interrupted it"}

var errReentered = &core.TrapError{Kind: core.TrapFault, Text: "the host called it from within its own call"}

// enter is the beginning of all that a host asks of a guest. It refuses where
// the instance has ended.
func (in *instance) enter() error {
	if in.over != nil {
		return in.over
	}
	if in.phase != idle {
		return in.end(errReentered)
	}
	if in.interrupted.Load() {
		return in.end(errInterrupted)
	}
	in.yielded = 0
	if in.budget.counter != nil {
		in.budget.reset()
	}
	return nil
}

// enterAt runs the guest's entry. The operation's arguments are in in.stack from
// 1 on, its results will be from 0 on.
func (in *instance) enterAt(op abi.Op, p phase) error {
	if in.entry == nil {
		in.entry = in.module.ExportedFunction(in.component.guest.entry)
	}
	in.stack[0] = uint64(op)
	return in.run(in.entry, p, in.stack[:])
}

// callOnce runs a function that is seldom needed.
func (in *instance) callOnce(name string, p phase) error {
	return in.run(in.module.ExportedFunction(name), p, in.stack[:])
}

// cleanUp runs a post-return, if the guest has it.
func (in *instance) cleanUp(has bool, op abi.Op, area uint64) error {
	if !has {
		return nil
	}
	in.stack[1] = area
	return in.enterAt(op, cleaning)
}

// run runs guest code. An error of it has ended the instance.
func (in *instance) run(fn api.Function, p phase, stack []uint64) error {
	before := in.phase
	in.phase = p
	err := fn.CallWithStack((*guest)(in), stack)
	in.phase = before
	if err != nil {
		return in.end(err)
	}
	if in.interrupted.Load() {
		return in.end(errInterrupted)
	}
	return in.over // of a call from within this one
}

// end ends the instance, unless it has ended before, and returns why.
func (in *instance) end(cause error) error {
	if in.over == nil {
		in.over = trapOf(cause)
		_ = in.flushStderr() // the first reason counts
	}
	return in.over
}

// flushStderr logs the last line of standard error, outside of guest code.
func (in *instance) flushStderr() (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = in.end(hostPanic(cause))
		}
	}()
	in.stderr.flush(in.env.Host)
	return nil
}

// caller returns the instance whose code called a host function. Where that
// code must not call the host, the instance ends.
func caller(ctx context.Context, function string) *guest {
	g := ctx.(*guest)
	if g.phase != handling {
		refuse(g, function)
	}
	return g
}

// phaseNames say what a guest must not call the host from.
var phaseNames = map[phase]string{
	starting:   "its start function or _initialize",
	allocating: "cabi_realloc",
	cleaning:   "a post-return",
}

func refuse(g *guest, function string) {
	if g.phase == starting && quiet(function) {
		return
	}
	panic(&core.TrapError{Kind: core.TrapABI, Text: "it called " + function + " from " + phaseNames[g.phase]})
}

// quiet reports whether a host function only tells or is told, which a guest
// that starts may do.
func quiet(function string) bool {
	return function == abi.Log || function == abi.SelfID || function == abi.CurrentTime
}
