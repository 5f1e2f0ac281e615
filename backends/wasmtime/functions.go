//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime

// #include "guest.h"
import "C"

import (
	"errors"
	"fmt"
	"runtime/debug"
	"unsafe"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/sandbox"
)

// call is the host function call. It leaves a small result to C, which allocates in the
// guest for less.
func (in *instance) call(values *C.wasmtime_val_raw_t) {
	before := in.Phase
	in.Phase = sandbox.Phase(in.c.phase)
	stack := in.stacks[in.depth][:5]
	in.depth++
	raw := unsafe.Slice((*[2]uint64)(unsafe.Pointer(values)), len(stack))
	for i := range stack {
		stack[i] = raw[i][0]
	}
	area, result, refused := in.CallFunction(stack)
	if refused == nil && len(result) > 0 && len(result) <= len(in.c.small) {
		in.c.result_size = C.int32_t(copy(unsafe.Slice((*byte)(&in.c.small[0]), len(in.c.small)), result))
	} else if err := in.LowerCall(area, result, refused); err != nil {
		panic(err)
	}
	in.depth--
	in.Phase = before
}

// caller is an instance that calls functions of its host. A function may be another guest,
// which runs within this one's call, on the same thread: each of them may take maxStack of
// its stack, and a thread has room for few. C tells whether there is room for one more.
type caller instance

var _ core.Functions = (*caller)(nil)

// CallFunction implements [core.Functions].
func (c *caller) CallFunction(name, argument []byte) ([]byte, error) {
	if c.c.low {
		return c.elsewhere(name, argument)
	}
	return c.functions.CallFunction(name, argument)
}

var errExited = errors.New("it called runtime.Goexit")

// elsewhere calls a function on another thread, with an empty stack, while this thread
// waits. A panic of the function goes on here, with its stack.
func (c *caller) elsewhere(name, argument []byte) (result []byte, err error) {
	ended := make(chan error)
	go func() {
		cause := errExited
		defer func() {
			if reason := recover(); reason != nil {
				cause = fmt.Errorf("%v\n%s", reason, debug.Stack())
			}
			ended <- cause
		}()
		result, err = c.functions.CallFunction(name, argument)
		cause = nil
	}()
	if cause := <-ended; cause != nil {
		panic(cause)
	}
	return result, err
}
