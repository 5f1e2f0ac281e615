//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime

// #include <stdlib.h>
import "C"

import (
	"sync"
	"unsafe"
)

// quietTraps changes the environment before Wasmtime first reads it: RUST_BACKTRACE would have
// it describe its own stack at each trap, for the guests' logs and for 100 ms the
// first time, and WASMTIME_BACKTRACE_DETAILS read a guest's debug information, of any
// size, in the host's time. What wins over both is set in C's environment alone: Go,
// and what Go starts, keep theirs.
var quietTraps = sync.OnceFunc(func() {
	for _, name := range []string{"RUST_LIB_BACKTRACE", "WASMTIME_BACKTRACE_DETAILS"} {
		key, value := C.CString(name), C.CString("0")
		C.setenv(key, value, 1)
		C.free(unsafe.Pointer(key))
		C.free(unsafe.Pointer(value))
	}
})
