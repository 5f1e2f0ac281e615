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

// pointerField is the name of the fields of wasmtime-go that hold its pointers to
// Wasmtime's objects. wasmtime-go exports only the pointer to a store's context. This
// package needs four more: to the engine, since a thread of C advances its epoch; to the
// store, to set the function that Wasmtime calls at epochs; to a module, to make an
// instance with functions of C; and to a configuration, to turn off exceptions. Only the
// functions of this file read them.
const pointerField = "_ptr"

// checkPointers returns an error if this version of wasmtime-go lacks one of the fields.
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

// configure sets options that wasmtime-go cannot set. Exceptions are off, as on the
// engine wazero. The memories of small guests are close, and their code compares each
// address with the size: see memory.c. Any other memory never moves, which guest.c relies
// on: Wasmtime reserves 4 GiB of addresses for it, as much as it can ever have.
func configure(c *wasmtime.Config, small bool) {
	config := (*C.wasm_config_t)(pointer(c))
	C.wasmtime_config_wasm_exceptions_set(config, false)
	C.wasmtime_config_memory_may_move_set(config, C.bool(small))
	if !small {
		C.wasmtime_config_memory_reservation_set(config, 4<<30)
		return
	}
	C.wasmtime_config_memory_reservation_set(config, 0)
	C.wasmtime_config_memory_reservation_for_growth_set(config, 0)
	C.wasmtime_config_memory_guard_size_set(config, 0)
	C.wasmtime_config_memory_init_cow_set(config, false)
	C.airhost_close_memories(config)
}
