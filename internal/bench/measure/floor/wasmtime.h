// The fastest way that we know into a guest of Wasmtime and out of it.
#ifndef AIRHOST_FLOOR_H
#define AIRHOST_FLOOR_H

#include "../../../../backends/wasmtime/capi.h"

typedef struct wasm_engine_t wasm_engine_t;

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

#endif
