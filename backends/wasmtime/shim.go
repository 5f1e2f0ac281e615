//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime

// #include <stdlib.h>
// #include "guest.h"
import "C"

import (
	"fmt"
	"unsafe"

	wasmtime "github.com/bytecodealliance/wasmtime-go/v39"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/sandbox"
)

// shim is the compiled code of [abi.Shim], and the names of the guest's exports that it
// imports, in C's memory.
type shim struct {
	module *wasmtime.Module
	names  []*C.char
	sizes  []C.size_t
}

// shim returns the shim for a guest with these exports.
func (v *variant) shim(exports map[string]bool) (*shim, error) {
	binary, imports := abi.Shim(exports)
	v.mu.Lock()
	defer v.mu.Unlock()
	if known := v.shims[string(binary)]; known != nil {
		return known, nil
	}
	module, err := v.compile(binary, false)
	if err != nil {
		return nil, fmt.Errorf("wasmtime: compile the shim: %w", err)
	}
	s := &shim{module: module}
	for _, name := range imports {
		s.names, s.sizes = append(s.names, C.CString(name)), append(s.sizes, C.size_t(len(name)))
	}
	v.shims[string(binary)] = s
	return s, nil
}

func (s *shim) close() {
	s.module.Close()
	for _, name := range s.names {
		C.free(unsafe.Pointer(name))
	}
}

// C's constants are those of Go: otherwise an index is out of range.
var (
	_ = [1]bool{}[C.AIRHOST_ADVANCE^abi.MaxAdvance]

	_ = [1]bool{}[C.AIRHOST_IDLE^sandbox.Idle]
	_ = [1]bool{}[C.AIRHOST_STARTING^sandbox.Starting]
	_ = [1]bool{}[C.AIRHOST_HANDLING^sandbox.Handling]
	_ = [1]bool{}[C.AIRHOST_ALLOCATING^sandbox.Allocating]
	_ = [1]bool{}[C.AIRHOST_CLEANING^sandbox.Cleaning]

	_ = [1]bool{}[C.AIRHOST_NONE^core.TransferNone]
	_ = [1]bool{}[C.AIRHOST_MESSAGE^core.TransferMessage]
	_ = [1]bool{}[C.AIRHOST_REQUEST^core.TransferRequest]
	_ = [1]bool{}[C.AIRHOST_RESPONSE^core.TransferResponse]
)
