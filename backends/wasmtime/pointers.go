//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime

// #include "guest.h"
import "C"

import (
	"errors"
	"reflect"
	"unsafe"

	wasmtime "github.com/bytecodealliance/wasmtime-go/v39"
)

// wasmtime-go exports the pointer of a store's context, and keeps those of the
// engine, the store, of a module and of a configuration to itself. They are
// needed: the engine's to advance its epoch from a thread of C, the store's to be
// called at epochs, the module's to make an instance with functions of C, the
// configuration's to leave out exceptions. They are read here and nowhere else,
// each from the field of this name.
const pointerField = "_ptr"

// checkPointers returns an error if this version of wasmtime-go does not have
// the fields.
func checkPointers() error {
	for _, of := range []any{wasmtime.Engine{}, wasmtime.Store{}, wasmtime.Module{}, wasmtime.Config{}} {
		field, ok := reflect.TypeOf(of).FieldByName(pointerField)
		if !ok || field.Type.Kind() != reflect.Pointer {
			return errors.New("wasmtime: this version of wasmtime-go keeps its pointers elsewhere than the one that airhost is made for, v39.0.1")
		}
	}
	return nil
}

func pointer(object any) unsafe.Pointer {
	return reflect.ValueOf(object).Elem().FieldByName(pointerField).UnsafePointer()
}

func storePointer(s *wasmtime.Store) *C.wasmtime_store_t { return (*C.wasmtime_store_t)(pointer(s)) }

func enginePointer(e *wasmtime.Engine) *C.wasm_engine_t { return (*C.wasm_engine_t)(pointer(e)) }

func modulePointer(m *wasmtime.Module) *C.wasmtime_module_t {
	return (*C.wasmtime_module_t)(pointer(m))
}

// configure sets what wasmtime-go does not: no exceptions, as on the wazero
// engine, and memory that stays where it is, which guest.c relies on. It has
// addresses for as much as 32 bits reach, so that it has no need to move.
func configure(c *wasmtime.Config) {
	config := (*C.wasm_config_t)(pointer(c))
	C.wasmtime_config_wasm_exceptions_set(config, false)
	C.wasmtime_config_memory_reservation_set(config, 4<<30)
	C.wasmtime_config_memory_may_move_set(config, false)
}
