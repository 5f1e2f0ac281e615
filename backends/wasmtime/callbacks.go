//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime

// #include "guest.h"
import "C"

import (
	"errors"
	"unsafe"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/sandbox"
)

// C calls these functions, on the goroutine that called C. Each returns 1 to end the
// guest, else 0. A panic does not reach C: it ends the guest.

//export airhostImport
func airhostImport(handle C.uintptr_t, index C.int32_t, values *C.wasmtime_val_raw_t) (end C.int) {
	in := instances.find(uintptr(handle))
	defer in.recovered(in.depth, &end)
	in.reconcile()
	in.endCredit() // a call of the host ends the credit
	in.host(&in.component.hosts[index], values)
	return 0
}

//export airhostCall
func airhostCall(handle C.uintptr_t, values *C.wasmtime_val_raw_t) (end C.int) {
	in := instances.find(uintptr(handle))
	defer in.recovered(in.depth, &end)
	in.reconcile()
	in.endCredit()
	in.call(values)
	return 0
}

//export airhostMisplaced
func airhostMisplaced(handle C.uintptr_t, ptr, size C.uint32_t) (end C.int) {
	in := instances.find(uintptr(handle))
	defer in.recovered(in.depth, &end)
	if err := abi.CheckAllocated(in.Memory(), uint32(ptr), uint32(size)); err != nil {
		panic(err)
	}
	panic(errMisplaced)
}

//export airhostTake
func airhostTake(handle C.uintptr_t, area C.uint32_t) (end C.int) {
	in := instances.find(uintptr(handle))
	defer in.recovered(in.depth, &end)
	if in.c.exchange != nil {
		in.reconcile()
	}
	in.take(uint32(area))
	return 0
}

//export airhostEpoch
func airhostEpoch(handle C.uintptr_t) (end C.int) {
	in := instances.find(uintptr(handle))
	defer in.recovered(in.depth, &end)
	in.component.engine.ticker.use()
	in.reconcile() // the guest may go on for long
	in.GoOn()
	return 0
}

// recovered is deferred. It makes a panic the cause of the guest's end.
func (in *instance) recovered(depth int, end *C.int) {
	if cause := recover(); cause != nil {
		in.depth, in.cause, *end = depth, causeOf(cause), 1
	}
}

// causeOf returns the guest's own fault as it is, and any other panic as the host's.
func causeOf(cause any) error {
	if err, ok := cause.(error); ok && (errors.As(err, new(*core.TrapError)) || errors.As(err, new(*abi.Violation))) {
		return err
	}
	return sandbox.HostPanic(cause)
}

// host calls a host function with the guest's values. Of each value only the bits of
// its type are valid.
func (in *instance) host(h *host, values *C.wasmtime_val_raw_t) {
	before := in.Phase
	in.Phase = sandbox.Phase(in.c.phase)
	stack := in.stacks[in.depth][:max(h.params, h.results)]
	in.depth++
	raw := unsafe.Slice((*[2]uint64)(unsafe.Pointer(values)), len(stack))
	for i := range h.params {
		stack[i] = raw[i][0]
	}
	h.call(&in.State, stack)
	if h.results > 0 {
		raw[0][0] = stack[0]
	}
	in.depth--
	in.Phase = before
}

// take reads a result that is an error, large or wrong.
func (in *instance) take(area uint32) {
	var answer []byte
	var err error
	if mem := in.Memory(); in.c.callback {
		in.failure, err = abi.LiftOutcome(mem, area, abi.HandleCallback)
	} else {
		answer, in.failure, err = abi.LiftResponse(mem, area)
	}
	if err != nil {
		panic(err)
	}
	if in.failure == nil && in.response != nil {
		in.failure = in.Respond(answer, in.response)
	}
}

var errMisplaced = &abi.Violation{Text: "its arguments have no place"} // C and Go disagree

// misplaced is the error of a bad address for the guest's arguments.
func (in *instance) misplaced() error {
	mem := in.Memory()
	for _, b := range []C.airhost_block{in.c.sender, in.c.payload} {
		if err := abi.CheckAllocated(mem, uint32(b.ptr), uint32(b.size)); b.size > 0 && err != nil {
			return err
		}
	}
	return errMisplaced
}
