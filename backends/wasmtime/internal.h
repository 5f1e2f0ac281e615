// Declarations for the files of C.
#ifndef AIRHOST_INTERNAL_H
#define AIRHOST_INTERNAL_H

#include "guest.h"

#include <string.h>

// Functions of Go; each returns whether the guest must end. See callbacks.go.
extern int airhostImport(uintptr_t handle, int32_t index, wasmtime_val_raw_t *values);
extern int airhostCall(uintptr_t handle, wasmtime_val_raw_t *values);
extern int airhostMisplaced(uintptr_t handle, uint32_t ptr, uint32_t size);
extern int airhostTake(uintptr_t handle, uint32_t area);
extern int airhostEpoch(uintptr_t handle);

// Go knows the cause, and nobody reads the text.
static inline wasm_trap_t *airhost_ended(void) { return wasmtime_trap_new("ended", 5); }

// The ticks of all tickers. A call that sees none since the guest's last call need not
// set the guest's next epoch, which takes 5 ns.
extern uint32_t airhost_ticks_so_far;

// Copies n bytes between memories that do not overlap. Most are a few, and take no call.
static inline void copy_word(uint8_t *to, const uint8_t *from) {
  uint64_t word;
  memcpy(&word, from, 8);
  __asm__("" : "+r"(word));
  memcpy(to, &word, 8);
}

static inline void copy(uint8_t *to, const uint8_t *from, uint32_t n) {
  if (n - 8 <= 8) {
    uint64_t first, last;
    memcpy(&first, from, 8), memcpy(&last, from + n - 8, 8);
    memcpy(to, &first, 8), memcpy(to + n - 8, &last, 8);
  } else if (n == 64) {
    copy_word(to, from), copy_word(to + 8, from + 8), copy_word(to + 16, from + 16), copy_word(to + 24, from + 24);
    copy_word(to + 32, from + 32), copy_word(to + 40, from + 40), copy_word(to + 48, from + 48);
    copy_word(to + 56, from + 56);
  } else {
    memcpy(to, from, n);
  }
}

// Whether n bytes are the same.
static inline bool same(const uint8_t *a, const uint8_t *b, uint32_t n) {
  if (n < 8) return memcmp(a, b, n) == 0;
  uint64_t x, y;
  for (uint32_t i = 0; i + 8 < n; i += 8) {
    memcpy(&x, a + i, 8), memcpy(&y, b + i, 8);
    if (x != y) return false;
  }
  memcpy(&x, a + n - 8, 8), memcpy(&y, b + n - 8, 8);
  return x == y;
}

// Runs a function of the guest. After a failure trap or error is set.
static inline bool airhost_call(airhost_guest *g, const wasmtime_func_t *f, wasmtime_val_raw_t *values, size_t n) {
  wasm_trap_t *trap = NULL;
  wasmtime_error_t *error = wasmtime_func_call_unchecked(g->context, f, values, n, &trap);
  if (error == NULL && trap == NULL) return true;
  g->error = error;
  g->trap = trap;
  return false;
}

// Reads the size of the guest's memory, which may have grown.
static inline void look(airhost_guest *g) {
  if (!g->close) set_size(g, wasmtime_memory_data_size(g->context, &g->memory));
}

// Whether size bytes at ptr are in memory. The sum fits into 64 bits.
static inline bool within(airhost_guest *g, uint32_t ptr, uint32_t size) {
  uint64_t end = (uint64_t)ptr + size;
  if (end > g->size) look(g);
  return end <= g->size;
}

static inline uint32_t load32(const uint8_t *at) {
  uint32_t v;
  memcpy(&v, at, sizeof v);
  return v;
}

// Reads a global of kind i32. This takes 30 ns.
static inline uint32_t get_global(airhost_guest *g, const wasmtime_global_t *global) {
  wasmtime_val_t v;
  wasmtime_global_get(g->context, global, &v);
  return (uint32_t)v.of.i32;
}

// Returns the phase of the call in progress. Only the shim can tell whether the guest
// cleans up or allocates.
uint8_t airhost_phase(airhost_guest *g);

// The function take of the shim.
wasm_trap_t *airhost_take(void *guest, wasmtime_caller_t *caller, wasmtime_val_raw_t *values, size_t n);

// The functions of the host for the guest, by their kinds.
extern const wasmtime_func_unchecked_callback_t airhost_functions[];

// Called at each epoch of a running guest.
wasmtime_error_t *airhost_epoch(wasmtime_context_t *context, void *guest, uint64_t *delta,
                                wasmtime_update_deadline_kind_t *kind);

#endif
