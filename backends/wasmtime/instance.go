//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime

// #include <stdlib.h>
// #include "guest.h"
import "C"

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"unicode/utf8"
	"unsafe"

	wasmtime "github.com/bytecodealliance/wasmtime-go/v39"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/meter"
	"github.com/airhost/airhost/internal/sandbox"
)

// instance is a live guest. c is its part in C's memory, and lives as long as it.
type instance struct {
	sandbox.State
	component *component
	store     *wasmtime.Store
	c         *C.airhost_guest
	handle    uintptr
	credit    *core.Credit // the one that is filled in in c
	ledger    *core.Ledger // of the exchange in progress, or nil
	other     *instance    // the other side of the exchange in progress, or nil

	// Of the call in progress.
	response *[]byte              // the guest's response is appended here, if not nil
	failure  *core.ComponentError // the guest's answer, if it is an error
	cause    error                // why a host function ended the guest, or nil
	stacks   [2][maxParams]uint64 // of host functions; a call of cabi_realloc within one may call another
	depth    int                  // the number of stacks in use

	functions core.Functions // the host's; Env has a caller in their place
}

var (
	_ core.StateKeeper = (*instance)(nil)
	_ core.Sizer       = (*instance)(nil)
)

var errNoMemory = errors.New("wasmtime: instantiate: the system has no memory left for a guest")

// newInstance makes an instance, and runs none of its code.
func newInstance(c *component, env core.Environment) (*instance, error) {
	in := &instance{component: c}
	in.Env, in.Code, in.MostMemory, in.Alone = env, c.code, c.use.Most, true // a call of C keeps its thread
	in.functions, in.Env.Functions = core.FunctionsOf(&env), (*caller)(in)
	in.Bind((*guest)(in))
	if c.counter != "" && env.Limits.Fuel > 0 {
		in.Budget.Limit(env.Limits.Fuel)
	}
	handle, ok := instances.add(in)
	if !ok {
		return nil, errNoMemory
	}
	in.handle = handle
	in.store = wasmtime.NewStore(c.variant.engine)
	// The store has two instances: the guest and its shim. The guest's tables declare
	// their own limits.
	in.store.Limiter(int64(c.use.Most), int64(max(env.Limits.TableElements, meter.MaxReferences)), 2, -1, 1)
	in.c = C.airhost_new(storePointer(in.store), (*C.wasmtime_context_t)(unsafe.Pointer(in.store.Context())),
		C.uintptr_t(handle), C.size_t(len(c.hosts)))
	if in.c == nil {
		in.free()
		return nil, errNoMemory
	}
	in.c.most = C.size_t(c.use.Most)
	in.c.limit = C.uint32_t(min(env.Limits.MessageSize, maxArgument))
	in.c.self_size = C.uint32_t(copy(bytesAt(&in.c.self), env.ID.String()))
	in.c.clock = env.Ledger != nil
	return in, nil
}

// start links the guest and runs its start functions.
func (in *instance) start() error {
	if in.Env.Starting != nil {
		in.Env.Starting(in)
	}
	if err := in.link(); err != nil {
		return in.End(err)
	}
	return in.Run()
}

func (in *instance) link() error {
	c := in.component
	if C.airhost_instantiate(in.c, modulePointer(c.module), unsafe.SliceData(c.types), unsafe.SliceData(c.kinds), C.size_t(len(c.types))) != 0 {
		// No code has run: a data segment does not fit, for example.
		return in.failed()
	}
	if C.airhost_shim(in.c, modulePointer(c.shim.module), c.variant.take,
		unsafe.SliceData(c.shim.names), unsafe.SliceData(c.shim.sizes), C.size_t(len(c.shim.names))) != 0 {
		return in.failed()
	}
	if c.counter != "" {
		in.findGlobal(c.counter, &in.c.fuel)
	}
	in.c.grows = c.code.Refused != ""
	if in.c.grows {
		in.findGlobal(c.code.Refused, &in.c.refused)
	}
	return nil
}

// findGlobal finds a global of the meter.
func (in *instance) findGlobal(name string, global *C.wasmtime_global_t) {
	C.airhost_find_global(in.c, (*C.char)(unsafe.Pointer(unsafe.StringData(name))), C.size_t(len(name)), global)
}

func (in *instance) find(name string, f *C.wasmtime_func_t) bool {
	var found C.wasmtime_func_t // C gets no pointer into an instance
	ok := bool(C.airhost_find(in.c, (*C.char)(unsafe.Pointer(unsafe.StringData(name))), C.size_t(len(name)), &found))
	*f = found
	return ok
}

// HandleMessage implements [core.Instance].
func (in *instance) HandleMessage(sender core.ComponentID, message []byte, response *[]byte) error {
	if err := in.Enter(); err != nil {
		return err
	}
	id := sender.String()
	return in.deliver(C.AIRHOST_MESSAGE, 0, unsafe.Slice(unsafe.StringData(id), len(id)), message, response)
}

// HandleCallback implements [core.Instance].
func (in *instance) HandleCallback(id core.RequestID, response []byte, failure *core.RequestError) error {
	if err := in.Enter(); err != nil {
		return err
	}
	if !in.Code.Traits.Callback {
		return sandbox.ErrNoCallback
	}
	if failure != nil {
		return in.deliver(C.AIRHOST_FAILURE, id, nil, textOf(failure), nil)
	}
	return in.deliver(C.AIRHOST_RESPONSE, id, nil, response, nil)
}

// maxArgument is the largest argument of a guest, in bytes.
const maxArgument = 1<<32 - 1

var errTooLarge = &core.TrapError{Kind: core.TrapFault, Text: "the message does not fit into a guest's memory"}

// textOf returns the text of a failure for the guest, as UTF-8.
func textOf(failure *core.RequestError) []byte {
	text := failure.Error()
	if !utf8.ValidString(text) {
		text = strings.ToValidUTF8(text, "\uFFFD")
	}
	return unsafe.Slice(unsafe.StringData(text), len(text))
}

// number is the guest as airhost_handle takes it.
func (in *instance) number() C.uintptr_t { return C.uintptr_t(uintptr(unsafe.Pointer(in.c))) }

// MemorySize implements [core.Sizer]. Only a close memory says when it grows. C looks at
// another one at least once in each millisecond of running.
func (in *instance) MemorySize(resting bool) int64 {
	if resting && !bool(in.c.close) {
		C.airhost_look(in.c)
	}
	return int64(atomic.LoadUint64((*uint64)(unsafe.Pointer(&in.c.size))))
}

// Close implements [core.Instance].
func (in *instance) Close() error {
	if in.Over == core.ErrClosed {
		return nil
	}
	if in.Phase != sandbox.Idle { // its code would continue in freed memory
		return fmt.Errorf("wasmtime: close an instance: %w", sandbox.ErrReentered)
	}
	in.Release()
	in.free()
	in.component.refs.Release()
	return nil
}

// free frees everything outside of Go's memory.
func (in *instance) free() {
	in.store.Close()
	if in.c != nil {
		C.airhost_free(in.c)
		in.c = nil
	}
	instances.remove(in.handle)
}
