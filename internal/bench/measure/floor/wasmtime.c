//go:build (linux || darwin) && (amd64 || arm64)

#include "wasmtime.h"

#include <stdlib.h>
#include <string.h>

static bool in_memory(const floor_guest *g, uint32_t at) {
  return (uint64_t)at + g->payload <= g->size;
}

// It takes as many bytes as the cell's payload has, whatever length the guest gives.
static wasm_trap_t *take(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *values, size_t n) {
  (void)caller, (void)n;
  floor_guest *g = env;
  uint32_t at = (uint32_t)values[0].i32;
  if (!in_memory(g, at)) return wasmtime_trap_new("range", 5);
  memcpy(g->taken, g->base + at, g->payload);
  g->takes++;
  return NULL;
}

static int find(floor_guest *g, wasmtime_instance_t *in, const char *name, uint8_t kind, wasmtime_extern_t *item) {
  return !wasmtime_instance_export_get(g->context, in, name, strlen(name), item) || item->kind != kind;
}

// Errors are dropped: wazero's floor reports the same faults of a module in words.
int floor_dropped(wasmtime_error_t *error, wasm_trap_t *trap) {
  if (error != NULL) wasmtime_error_delete(error);
  if (trap != NULL) wasm_trap_delete(trap);
  return error != NULL || trap != NULL;
}

static int grow(floor_guest *g, size_t size) {
  size_t now = wasmtime_memory_data_size(g->context, &g->memory);
  uint64_t before;
  if (size <= now) return 0;
  return floor_dropped(wasmtime_memory_grow(g->context, &g->memory, (size - now + 65535) / 65536, &before), NULL);
}

static int open_guest(floor_guests *f, floor_guest *g, size_t payload, size_t place) {
  g->store = wasmtime_store_new(f->engine, NULL, NULL);
  g->context = wasmtime_store_context(g->store);
  g->payload = payload;
  g->taken = malloc(payload);
  if (g->taken == NULL) return 1;
  wasm_valtype_t *types[] = {wasm_valtype_new(WASM_I32), wasm_valtype_new(WASM_I32)};
  wasm_valtype_vec_t params, results;
  wasm_valtype_vec_new(&params, 2, types);
  wasm_valtype_vec_new(&results, 0, NULL);
  wasm_functype_t *type = wasm_functype_new(&params, &results);
  wasmtime_extern_t import = {.kind = WASMTIME_EXTERN_FUNC}, item;
  wasmtime_func_new_unchecked(g->context, type, take, g, NULL, &import.of.func);
  wasm_functype_delete(type);
  wasmtime_instance_t in;
  wasm_trap_t *trap = NULL;
  wasmtime_error_t *error = wasmtime_instance_new(g->context, f->module, &import, 1, &in, &trap);
  if (floor_dropped(error, trap)) return 1;
  if (find(g, &in, "memory", WASMTIME_EXTERN_MEMORY, &item)) return 1;
  g->memory = item.of.memory;
  if (find(g, &in, "exchange", WASMTIME_EXTERN_FUNC, &item)) return 1;
  g->exchange = item.of.func;
  if (find(g, &in, "relay", WASMTIME_EXTERN_FUNC, &item)) return 1;
  g->relay = item.of.func;
  if (grow(g, place + payload)) return 1;
  g->base = wasmtime_memory_data(g->context, &g->memory);
  g->size = wasmtime_memory_data_size(g->context, &g->memory);
  return 0;
}

int floor_open(floor_guests *f, const uint8_t *wasm, size_t size, size_t payload, size_t place) {
  memset(f, 0, sizeof *f);
  f->engine = wasm_engine_new();
  if (floor_dropped(wasmtime_module_new(f->engine, wasm, size, &f->module), NULL)) return 1;
  return open_guest(f, &f->guests[0], payload, place) || open_guest(f, &f->guests[1], payload, place);
}

void floor_close(floor_guests *f) {
  for (int i = 0; i < 2; i++) {
    if (f->guests[i].store != NULL) wasmtime_store_delete(f->guests[i].store);
    free(f->guests[i].taken);
  }
  if (f->module != NULL) wasmtime_module_delete(f->module);
  wasm_engine_delete(f->engine);
}

int floor_call(uintptr_t guest, bool relay, uint32_t place, const uint8_t *payload, uint8_t *response) {
  floor_guest *g = (floor_guest *)guest;
  memcpy(g->base + place, payload, g->payload);
  wasmtime_val_raw_t value;
  value.i32 = (int32_t)place;
  wasm_trap_t *trap = NULL;
  wasmtime_error_t *error =
      wasmtime_func_call_unchecked(g->context, relay ? &g->relay : &g->exchange, &value, 1, &trap);
  if (floor_dropped(error, trap)) return 1;
  uint32_t at = (uint32_t)value.i32;
  if (!in_memory(g, at)) return 1;
  memcpy(response, g->base + at, g->payload);
  return 0;
}
