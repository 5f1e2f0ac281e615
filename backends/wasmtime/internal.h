// What the files of C share.
#ifndef AIRHOST_INTERNAL_H
#define AIRHOST_INTERNAL_H

#include "guest.h"

#include <string.h>

// Functions of Go; each returns whether the guest must end. See callbacks.go.
extern int airhostImport(uintptr_t handle, int32_t index, wasmtime_val_raw_t *values);
extern int airhostEpoch(uintptr_t handle);

// Reads the size of the guest's memory, which may have grown.
static inline void look(airhost_guest *g) {
  if (!g->close) g->size = wasmtime_memory_data_size(g->context, &g->memory);
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

static inline uint64_t load64(const uint8_t *at) {
  uint64_t v;
  memcpy(&v, at, sizeof v);
  return v;
}

// Reads a global of the guest's module.
static inline uint64_t get_global(airhost_guest *g, const wasmtime_global_t *global) {
  wasmtime_val_t v;
  wasmtime_global_get(g->context, global, &v);
  return v.kind == WASMTIME_I64 ? (uint64_t)v.of.i64 : (uint32_t)v.of.i32;
}

// Sets a global of kind WASMTIME_I32 or WASMTIME_I64. It cannot fail, since all globals of
// which C knows are mutable and of the kind that C expects.
static inline void set_global(airhost_guest *g, const wasmtime_global_t *global, uint8_t kind, int64_t value) {
  wasmtime_val_t v = {.kind = kind};
  if (kind == WASMTIME_I64) v.of.i64 = value;
  else v.of.i32 = (int32_t)value;
  wasmtime_error_t *error = wasmtime_global_set(g->context, global, &v);
  if (error != NULL) wasmtime_error_delete(error);
}

// The number of ticks so far, of all tickers.
extern uint32_t airhost_ticks_so_far;

// Finds out the phase of the call in progress.
uint8_t airhost_phase(airhost_guest *g);

// Notes what the guest's module has sent by its credit in the call in progress, if it has
// done so: then the module has no credit any more.
void airhost_note_sent(airhost_guest *g);

// Ends the credit that the guest's module has in the call in progress.
void airhost_end_credit(airhost_guest *g);

// The functions of the host for the guest, by their kinds.
extern const wasmtime_func_unchecked_callback_t airhost_functions[];

// Called at each epoch of a running guest.
wasmtime_error_t *airhost_epoch(wasmtime_context_t *context, void *guest, uint64_t *delta,
                                wasmtime_update_deadline_kind_t *kind);

#endif
