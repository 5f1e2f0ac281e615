//go:build (linux || darwin) && (amd64 || arm64)

#include "wasmtime.h"

#include <string.h>

extern void floorCalled(uint64_t *called);

// It answers with no result.
static wasm_trap_t *called(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *values, size_t n) {
  (void)caller, (void)n;
  floor_caller *c = env;
  uint32_t area = (uint32_t)values[4].i32;
  if ((uint64_t)area + 16 > c->size) return wasmtime_trap_new("range", 5);
  floorCalled(&c->called);
  c->base[area] = 0;
  return NULL;
}

static int find(floor_caller *c, wasmtime_instance_t *in, const char *name, uint8_t kind, wasmtime_extern_t *item) {
  return !wasmtime_instance_export_get(c->context, in, name, strlen(name), item) || item->kind != kind;
}

int floor_caller_open(floor_caller *c, const uint8_t *wasm, size_t size) {
  c->engine = wasm_engine_new();
  if (floor_dropped(wasmtime_module_new(c->engine, wasm, size, &c->module), NULL)) return 1;
  c->store = wasmtime_store_new(c->engine, NULL, NULL);
  c->context = wasmtime_store_context(c->store);
  wasm_valtype_t *types[5];
  for (int i = 0; i < 5; i++) types[i] = wasm_valtype_new(WASM_I32);
  wasm_valtype_vec_t params, results;
  wasm_valtype_vec_new(&params, 5, types);
  wasm_valtype_vec_new(&results, 0, NULL);
  wasm_functype_t *type = wasm_functype_new(&params, &results);
  wasmtime_extern_t import = {.kind = WASMTIME_EXTERN_FUNC}, item;
  wasmtime_func_new_unchecked(c->context, type, called, c, NULL, &import.of.func);
  wasm_functype_delete(type);
  wasmtime_instance_t in;
  wasm_trap_t *trap = NULL;
  if (floor_dropped(wasmtime_instance_new(c->context, c->module, &import, 1, &in, &trap), trap)) return 1;
  if (find(c, &in, "memory", WASMTIME_EXTERN_MEMORY, &item)) return 1;
  c->base = wasmtime_memory_data(c->context, &item.of.memory);
  c->size = wasmtime_memory_data_size(c->context, &item.of.memory);
  if (find(c, &in, "cabi_realloc", WASMTIME_EXTERN_FUNC, &item)) return 1;
  c->realloc = item.of.func;
  if (find(c, &in, "airhost:core/component-lifecycle@0.1.0#handle-message", WASMTIME_EXTERN_FUNC, &item)) return 1;
  c->handle = item.of.func;
  c->message = floor_caller_realloc((uintptr_t)c, 68);
  return c->message == 0 || (uint64_t)c->message + 68 > c->size;
}

void floor_caller_close(floor_caller *c) {
  if (c->store != NULL) wasmtime_store_delete(c->store);
  if (c->module != NULL) wasmtime_module_delete(c->module);
  wasm_engine_delete(c->engine);
}

static int run(floor_caller *c, const wasmtime_func_t *f, wasmtime_val_raw_t *values) {
  wasm_trap_t *trap = NULL;
  return floor_dropped(wasmtime_func_call_unchecked(c->context, f, values, 4, &trap), trap);
}

int floor_caller_call(uintptr_t caller, uint32_t n) {
  floor_caller *c = (floor_caller *)caller;
  memcpy(c->base + c->message, &n, 4);
  wasmtime_val_raw_t values[4] = {{.i32 = 0}, {.i32 = 0}, {.i32 = (int32_t)c->message}, {.i32 = 68}};
  return run(c, &c->handle, values);
}

uint32_t floor_caller_realloc(uintptr_t caller, uint32_t size) {
  floor_caller *c = (floor_caller *)caller;
  wasmtime_val_raw_t values[4] = {{.i32 = 0}, {.i32 = 0}, {.i32 = 1}, {.i32 = (int32_t)size}};
  return run(c, &c->realloc, values) ? 0 : (uint32_t)values[0].i32;
}
