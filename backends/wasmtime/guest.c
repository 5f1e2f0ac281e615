//go:build (linux || darwin) && (amd64 || arm64)

#include "internal.h"

#include <stdlib.h>

static void set_memory(airhost_guest *g, wasmtime_memory_t memory) {
  g->memory = memory;
  if (!g->close) g->base = wasmtime_memory_data(g->context, &memory);
  look(g);
}

void airhost_look(airhost_guest *g) { look(g); }

wasm_functype_t *airhost_functype(const uint8_t *kinds, size_t params, size_t results) {
  wasm_valtype_t *types[16];
  for (size_t i = 0; i < params + results; i++) types[i] = wasm_valtype_new(kinds[i]);
  wasm_valtype_vec_t in, out;
  wasm_valtype_vec_new(&in, params, types);
  wasm_valtype_vec_new(&out, results, types + params);
  return wasm_functype_new(&in, &out); // it owns all of them
}

airhost_guest *airhost_new(wasmtime_store_t *store, wasmtime_context_t *context, uintptr_t handle, size_t imports) {
  airhost_guest *g = aligned_alloc(64, (sizeof *g + 63) / 64 * 64);
  if (g == NULL) return NULL;
  memset(g, 0, sizeof *g);
  g->imports = calloc(imports + 1, sizeof *g->imports);
  if (g->imports == NULL) {
    free(g);
    return NULL;
  }
  g->context = context;
  g->handle = handle;
  wasmtime_store_epoch_deadline_callback(store, airhost_epoch, g, NULL);
  return g;
}

void airhost_free(airhost_guest *g) {
  free(g->imports);
  free(g);
}

static int outcome(airhost_guest *g, wasmtime_error_t *error, wasm_trap_t *trap) {
  bool failed = error != NULL || trap != NULL;
  if (failed) g->failed_in = g->phase;
  g->phase = AIRHOST_IDLE;
  g->error = error;
  g->trap = trap;
  return failed;
}

int airhost_instantiate(airhost_guest *g, const wasmtime_module_t *module, wasm_functype_t *const *types,
                        const uint8_t *kinds, size_t n) {
  wasmtime_extern_t *imports = calloc(n + 1, sizeof *imports);
  if (imports == NULL) return outcome(g, wasmtime_error_new("no memory"), NULL);
  for (size_t i = 0; i < n; i++) {
    g->imports[i] = (airhost_import){g, (int32_t)i};
    imports[i].kind = WASMTIME_EXTERN_FUNC;
    wasmtime_func_new_unchecked(g->context, types[i], airhost_functions[kinds[i]], &g->imports[i], NULL,
                                &imports[i].of.func);
  }
  airhost_close_memory_for(g);
  wasm_trap_t *trap = NULL;
  wasmtime_error_t *error = wasmtime_instance_new(g->context, module, imports, n, &g->instance, &trap);
  free(imports);
  if (outcome(g, error, trap)) return 1;
  wasmtime_extern_t memory;
  if (!wasmtime_instance_export_get(g->context, &g->instance, "memory", 6, &memory)) {
    return outcome(g, wasmtime_error_new("no memory is exported"), NULL);
  }
  set_memory(g, memory.of.memory);
  if (!airhost_find(g, "cabi_realloc", 12, &g->realloc)) return outcome(g, wasmtime_error_new("no cabi_realloc"), NULL);
  return 0;
}

int airhost_shim(airhost_guest *g, const wasmtime_module_t *module, wasm_functype_t *take, const char *const *names,
                 const size_t *sizes, size_t n) {
  wasmtime_extern_t imports[8] = {0};
  imports[0].kind = WASMTIME_EXTERN_FUNC;
  wasmtime_func_new_unchecked(g->context, take, airhost_take, g, NULL, &imports[0].of.func);
  for (size_t i = 0; i < n; i++) {
    imports[1 + i].kind = WASMTIME_EXTERN_FUNC;
    if (!airhost_find(g, names[i], sizes[i], &imports[1 + i].of.func)) {
      return outcome(g, wasmtime_error_new("an export is missing"), NULL);
    }
  }
  wasmtime_instance_t shim;
  wasm_trap_t *trap = NULL;
  wasmtime_error_t *error = wasmtime_instance_new(g->context, module, imports, 1 + n, &shim, &trap);
  if (outcome(g, error, trap)) return 1;
  wasmtime_extern_t item;
  if (wasmtime_instance_export_get(g->context, &shim, "message", 7, &item)) g->handle_message = item.of.func;
  if (wasmtime_instance_export_get(g->context, &shim, "callback", 8, &item)) g->handle_callback = item.of.func;
  if (wasmtime_instance_export_get(g->context, &shim, "allocating", 10, &item)) g->allocating = item.of.global;
  return 0;
}

int airhost_run(airhost_guest *g, const wasmtime_func_t *f, uint8_t phase, wasmtime_val_raw_t *values, size_t n) {
  uint8_t before = g->phase;
  g->phase = phase;
  bool ended = airhost_call(g, f, values, n);
  if (!ended) g->failed_in = phase;
  g->phase = before;
  look(g);
  return !ended;
}

int64_t airhost_allocate(uintptr_t guest, uint32_t align, uint32_t size) {
  wasmtime_val_raw_t values[4] = {{.i32 = 0}, {.i32 = 0}, {.i32 = (int32_t)align}, {.i32 = (int32_t)size}};
  airhost_guest *g = (airhost_guest *)guest;
  if (airhost_run(g, &g->realloc, AIRHOST_ALLOCATING, values, 4)) return -1;
  return (uint32_t)values[0].i32;
}

bool airhost_find(airhost_guest *g, const char *name, size_t size, wasmtime_func_t *f) {
  wasmtime_extern_t item;
  if (!wasmtime_instance_export_get(g->context, &g->instance, name, size, &item) || item.kind != WASMTIME_EXTERN_FUNC) {
    return false;
  }
  *f = item.of.func;
  return true;
}

bool airhost_find_global(airhost_guest *g, const char *name, size_t size, wasmtime_global_t *global) {
  wasmtime_extern_t item;
  if (!wasmtime_instance_export_get(g->context, &g->instance, name, size, &item) || item.kind != WASMTIME_EXTERN_GLOBAL) {
    return false;
  }
  *global = item.of.global;
  return true;
}

void airhost_set_fuel(airhost_guest *g, int64_t fuel) {
  wasmtime_val_t value = {.kind = WASMTIME_I64};
  value.of.i64 = fuel;
  wasmtime_error_t *error = wasmtime_global_set(g->context, &g->fuel, &value);
  if (error != NULL) wasmtime_error_delete(error); // cannot happen: the global is the meter's, an i64
}

uint32_t airhost_refused(airhost_guest *g) {
  if (!g->grows) return 0;
  look(g);
  return get_global(g, &g->refused);
}
