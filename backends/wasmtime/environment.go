//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime

// #include <stdlib.h>
import "C"

import (
	"sync"
	"unsafe"
)

// quietTraps changes the environment before Wasmtime first reads it. With RUST_BACKTRACE,
// Wasmtime would describe its own stack at each trap: in the guests' logs, and for
// 100 ms the first time. With WASMTIME_BACKTRACE_DETAILS it would read a guest's debug
// information, of any size, in the host's time. Two variables prevent that. They are set
// in C's environment alone: Go and the processes that it starts keep theirs.
var quietTraps = sync.OnceFunc(func() {
	for _, name := range []string{"RUST_LIB_BACKTRACE", "WASMTIME_BACKTRACE_DETAILS"} {
		key, value := C.CString(name), C.CString("0")
		C.setenv(key, value, 1)
		C.free(unsafe.Pointer(key))
		C.free(unsafe.Pointer(value))
	}
})
