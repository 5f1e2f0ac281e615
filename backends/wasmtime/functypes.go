//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime

// #include "guest.h"
import "C"

import (
	"unsafe"

	"github.com/airhost/airhost/internal/wasm"
)

// functypes are the types of host functions. An engine makes each of them once, and
// guards them by its lock.
type functypes map[string]*C.wasm_functype_t

// of returns the type of a function whose values are all i32 or i64.
func (f functypes) of(t wasm.FuncType) *C.wasm_functype_t {
	kinds := make([]C.uint8_t, 0, len(t.Params)+len(t.Results)+1)
	for _, list := range [][]wasm.ValueType{t.Params, t.Results} {
		for _, v := range list {
			kind := C.uint8_t(C.WASM_I32)
			if v == wasm.I64 {
				kind = C.WASM_I64
			}
			kinds = append(kinds, kind)
		}
	}
	key := t.String()
	if f[key] == nil {
		f[key] = C.airhost_functype(unsafe.SliceData(kinds), C.size_t(len(t.Params)), C.size_t(len(t.Results)))
	}
	return f[key]
}

func (f functypes) close() {
	for _, t := range f {
		C.wasm_functype_delete(t)
	}
	clear(f)
}
