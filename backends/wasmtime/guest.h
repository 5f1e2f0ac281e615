// A live guest in C: what a message needs on its way, without going into Go.
//
// Invariants, which guest.c relies on:
//   - A guest is used by one thread at a time, and lives as long as its store.
//   - Its host functions run only within airhost_run, airhost_message,
//     airhost_callback and airhost_instantiate.
//   - Pointers to Go's memory (first, second) are only held within
//     airhost_message and airhost_callback.
//   - base and size are right from a call of Go on until the guest's code runs
//     again.
//   - Whatever is not as it should be is left to Go, which looks at it again,
//     and says what is wrong: no error is made in C.
#ifndef AIRHOST_GUEST_H
#define AIRHOST_GUEST_H

#include "capi.h"

// What a guest is doing; sandbox.Phase.
enum { AIRHOST_IDLE, AIRHOST_STARTING, AIRHOST_HANDLING, AIRHOST_ALLOCATING, AIRHOST_CLEANING };

// The longest response that is handed over in small, in bytes.
#define AIRHOST_SMALL 4096

typedef struct airhost_guest airhost_guest;

// One function that a guest imports.
typedef struct {
  airhost_guest *guest;
  int32_t index; // in the component's list
} airhost_import;

struct airhost_guest {
  wasmtime_context_t *context;
  uintptr_t handle; // by which Go knows it
  wasmtime_instance_t instance;
  wasmtime_memory_t memory;
  wasmtime_func_t message, callback; // of the shim
  wasmtime_global_t fuel;            // the meter's counter
  bool has_memory, has_fuel;
  uint8_t phase;

  // Arguments of the call in progress, which fill copies.
  const uint8_t *first, *second;
  uint32_t first_size, second_size;
  // Where its response goes: nowhere, or to small if it fits there.
  bool wanted;
  uint32_t limit;      // the largest response that is taken, in bytes
  int32_t small_size;  // -1: there is none in small
  uint8_t small[AIRHOST_SMALL];

  uint8_t *base; // of its memory
  size_t size;

  wasm_trap_t *trap; // how the last call ended, or NULL
  wasmtime_error_t *error;

  airhost_import *imports;
};

wasm_functype_t *airhost_functype(const uint8_t *kinds, size_t params, size_t results);

airhost_guest *airhost_new(wasmtime_store_t *store, wasmtime_context_t *context, uintptr_t handle, size_t imports);
void airhost_free(airhost_guest *g);

// All of these return 0, or 1 where trap or error says why not.
int airhost_instantiate(airhost_guest *g, const wasmtime_module_t *module, wasm_functype_t *const *types, size_t n);
int airhost_shim(airhost_guest *g, const wasmtime_module_t *module, wasm_functype_t *fill, wasm_functype_t *take,
                 const char *const *names, const size_t *sizes, size_t n);
int airhost_run(airhost_guest *g, const wasmtime_func_t *f, uint8_t phase, wasmtime_val_raw_t *values, size_t n);
int airhost_message(airhost_guest *g, const uint8_t *sender, uint32_t sender_size,
                    const uint8_t *message, uint32_t message_size);
int airhost_callback(airhost_guest *g, uint64_t id, uint32_t tag, const uint8_t *outcome, uint32_t size);

bool airhost_find(airhost_guest *g, const char *name, size_t size, wasmtime_func_t *f);
bool airhost_find_fuel(airhost_guest *g, const char *name, size_t size);
void airhost_set_fuel(airhost_guest *g, int64_t fuel);

#endif
