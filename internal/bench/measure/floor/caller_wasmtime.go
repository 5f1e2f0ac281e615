//go:build cgo && (linux || darwin) && (amd64 || arm64)

package floor

// #include <stdlib.h>
// #include "wasmtime.h"
import "C"

import (
	"errors"
	"unsafe"
)

// floorCalled is the function in Go that the guest of a caller calls, through C.
//
//export floorCalled
func floorCalled(called *C.uint64_t) { *called++ }

// NewWasmtimeCaller returns the floor on Wasmtime: unchecked calls from C, and a function in
// Go that C calls.
func NewWasmtimeCaller(module []byte) (*Caller, error) {
	guest := (*C.floor_caller)(C.calloc(1, C.sizeof_floor_caller))
	c := &Caller{close: func() error {
		C.floor_caller_close(guest)
		C.free(unsafe.Pointer(guest))
		return nil
	}}
	if C.floor_caller_open(guest, (*C.uint8_t)(unsafe.SliceData(module)), C.size_t(len(module))) != 0 {
		return nil, errors.Join(errCaller, c.Close())
	}
	number := C.uintptr_t(uintptr(unsafe.Pointer(guest)))
	c.call = func(n int) error {
		if C.floor_caller_call(number, C.uint32_t(n)) != 0 {
			return errCaller
		}
		c.called = int(guest.called)
		return nil
	}
	c.realloc = func(n int) error {
		for range n {
			if C.floor_caller_realloc(number, 64) == 0 {
				return errCaller
			}
		}
		return nil
	}
	return c, nil
}
