//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime

// #include "guest.h"
import "C"

import (
	"unsafe"

	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/sandbox"
)

// guest is an instance as [sandbox.State] uses it.
type guest instance

var _ sandbox.Guest = (*guest)(nil)

// Memory implements [abi.Guest]. C keeps its address and size up to date.
func (g *guest) Memory() []byte { return unsafe.Slice((*byte)(g.c.base), int(g.c.size)) }

// Realloc implements [abi.Guest].
func (g *guest) Realloc(align, size uint32) (uint32, error) {
	in := (*instance)(g)
	in.component.engine.ticker.use()
	before := in.Phase
	in.Phase = sandbox.Allocating
	result := C.airhost_allocate(in.number(), C.uint32_t(align), C.uint32_t(size))
	in.Phase = before
	if result < 0 {
		return 0, in.trapped()
	}
	return uint32(result), in.Left()
}

// Call implements [sandbox.Guest].
func (g *guest) Call(name string, p sandbox.Phase, stack []uint64) error {
	in := (*instance)(g)
	if name == abi.Save || name == abi.Restore {
		// The guest may free all that it knows of then, as after a message.
		in.c.sender.stale, in.c.payload.stale = true, true
	}
	var f C.wasmtime_func_t
	if !in.find(name, &f) {
		return in.End(&abi.Violation{Text: "the export " + name + " is not there"}) // Compile has checked it
	}
	return in.run(&f, p, stack)
}

// Refused implements [sandbox.Guest].
func (g *guest) Refused() uint32 { return uint32(C.airhost_refused(g.c)) }

// SetFuel implements [sandbox.Guest].
func (g *guest) SetFuel(fuel uint64) { C.airhost_set_fuel(g.c, C.int64_t(fuel)) }

// StackSize implements [sandbox.Guest]: the stack is the thread's.
func (g *guest) StackSize() int64 { return 0 }

// ReleaseStack implements [sandbox.Guest].
func (g *guest) ReleaseStack() bool { return false }

// run runs a function of the guest, whose parameters are all i32. An error has ended the
// instance.
func (in *instance) run(f *C.wasmtime_func_t, p sandbox.Phase, stack []uint64) error {
	in.component.engine.ticker.use()
	before := in.Phase
	in.Phase = p
	callee, values := *f, [4]C.wasmtime_val_raw_t{}
	for i, v := range stack {
		*(*uint64)(unsafe.Pointer(&values[i])) = v
	}
	failed := C.airhost_run(in.c, &callee, C.uint8_t(p), &values[0], C.size_t(len(values)))
	in.Phase = before
	if failed != 0 {
		return in.trapped()
	}
	for i := range stack {
		stack[i] = uint64(*(*uint32)(unsafe.Pointer(&values[i])))
	}
	return in.Left()
}
