// The fastest way that we know into a guest of Wasmtime and out of it.
#ifndef AIRHOST_FLOOR_H
#define AIRHOST_FLOOR_H

#include "../../../../backends/wasmtime/capi.h"

typedef struct wasm_engine_t wasm_engine_t;

wasm_engine_t *wasm_engine_new(void);
void wasm_engine_delete(wasm_engine_t *engine);
wasmtime_error_t *wasmtime_module_new(wasm_engine_t *engine, const uint8_t *wasm, size_t size, wasmtime_module_t **out);
void wasmtime_module_delete(wasmtime_module_t *module);
wasmtime_store_t *wasmtime_store_new(wasm_engine_t *engine, void *data, void (*finalizer)(void *));
wasmtime_context_t *wasmtime_store_context(wasmtime_store_t *store);
void wasmtime_store_delete(wasmtime_store_t *store);
wasmtime_error_t *wasmtime_memory_grow(wasmtime_context_t *store, const wasmtime_memory_t *memory, uint64_t delta,
                                       uint64_t *before);

// Whether one of them is an error, which it frees.
int floor_dropped(wasmtime_error_t *error, wasm_trap_t *trap);

// Two instances of one module, each in a store of its own.
typedef struct {
  wasmtime_context_t *context;
  wasmtime_store_t *store;
  wasmtime_memory_t memory;
  uint8_t *base; // of its memory, which does not grow, nor move, once it is set up
  size_t size;
  wasmtime_func_t exchange, relay;
  uint8_t *taken; // take copies payload bytes to it
  size_t payload;
  uint64_t takes;
} floor_guest;

typedef struct {
  wasm_engine_t *engine;
  wasmtime_module_t *module;
  floor_guest guests[2];
} floor_guests;

// All return 0, or 1 where something failed.
int floor_open(floor_guests *f, const uint8_t *wasm, size_t size, size_t payload, size_t place);
void floor_close(floor_guests *f);
// The guest is passed as a number: cgo would check a pointer to memory that holds
// pointers.
int floor_call(uintptr_t guest, bool relay, uint32_t place, const uint8_t *payload, uint8_t *response);

// An instance of a caller's module.
typedef struct {
  wasm_engine_t *engine;
  wasmtime_module_t *module;
  wasmtime_store_t *store;
  wasmtime_context_t *context;
  uint8_t *base; // of its memory, which does not grow
  size_t size;
  wasmtime_func_t handle, realloc;
  uint32_t message; // where its message is
  uint64_t called;
} floor_caller;

int floor_caller_open(floor_caller *c, const uint8_t *wasm, size_t size);
void floor_caller_close(floor_caller *c);
int floor_caller_call(uintptr_t caller, uint32_t n);
// Returns the address, or 0 where something failed.
uint32_t floor_caller_realloc(uintptr_t caller, uint32_t size);

#endif
