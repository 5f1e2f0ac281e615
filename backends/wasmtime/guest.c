//go:build (linux || darwin) && (amd64 || arm64)

#include "guest.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

// Functions of Go; each returns whether the guest must end. See callbacks.go.
extern int airhostImport(uintptr_t handle, int32_t index, wasmtime_val_raw_t *values);
extern int airhostFill(uintptr_t handle, uint32_t first, uint32_t second);
extern int airhostTake(uintptr_t handle, uint32_t area);
extern int airhostEpoch(uintptr_t handle);

// Go knows the cause, and nobody reads the text.
static wasm_trap_t *ended(void) { return wasmtime_trap_new("ended", 5); }

// Reads the size of the guest's memory, which may have grown.
static void look(airhost_guest *g) {
  if (!g->close) g->size = wasmtime_memory_data_size(g->context, &g->memory);
}

// Whether size bytes at ptr are in memory. The sum fits into 64 bits.
static bool within(airhost_guest *g, uint32_t ptr, uint32_t size) {
  uint64_t end = (uint64_t)ptr + size;
  if (end > g->size) look(g);
  return end <= g->size;
}

static uint32_t load32(const uint8_t *at) {
  uint32_t v;
  memcpy(&v, at, sizeof v);
  return v;
}

static void set_memory(airhost_guest *g, wasmtime_memory_t memory) {
  g->memory = memory;
  if (!g->close) g->base = wasmtime_memory_data(g->context, &memory);
  look(g);
}

static wasm_trap_t *import(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *values, size_t n) {
  (void)caller, (void)n;
  airhost_import *i = env;
  airhost_guest *g = i->guest;
  look(g);
  return airhostImport(g->handle, i->index, values) ? ended() : NULL;
}

// Whether the guest's credit covers a first message or request of this call with this
// target and size, and target and message are in memory.
static bool covered(airhost_guest *g, wasmtime_val_raw_t *values) {
  uint32_t target = (uint32_t)values[0].i32, target_size = (uint32_t)values[1].i32;
  uint32_t message = (uint32_t)values[2].i32, size = (uint32_t)values[3].i32;
  return g->phase == AIRHOST_HANDLING && g->sent.kind == AIRHOST_NONE && target_size == g->credit.target_size &&
         size <= g->credit.max_size && size <= AIRHOST_SMALL && within(g, target, target_size) &&
         within(g, message, size) && memcmp(g->base + target, g->credit.target, target_size) == 0;
}

static void keep(airhost_guest *g, uint8_t kind, wasmtime_val_raw_t *values) {
  g->sent.kind = kind;
  g->sent.size = (uint32_t)values[3].i32;
  memcpy(g->sent_bytes, g->base + (uint32_t)values[2].i32, g->sent.size);
}

// send-message(target ptr, len, message ptr, len, area); the area has 16 bytes,
// aligned to 4: @0 0 for ok.
static wasm_trap_t *send_message(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *values, size_t n) {
  airhost_guest *g = ((airhost_import *)env)->guest;
  uint32_t area = (uint32_t)values[4].i32;
  if (!g->credit.messages || !covered(g, values) || (area & 3) != 0 || !within(g, area, 16)) {
    return import(env, caller, values, n);
  }
  keep(g, AIRHOST_MESSAGE, values);
  g->base[area] = 0;
  return NULL;
}

// send-request(target ptr, len, request ptr, len, timeout i64, area); the area
// has 24 bytes, aligned to 8: @0 0 for ok, @8 the request's id.
static wasm_trap_t *send_request(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *values, size_t n) {
  const uint64_t longest = 24 * 60 * 60 * 1000; // core.MaxTimeout, in milliseconds
  airhost_guest *g = ((airhost_import *)env)->guest;
  uint32_t area = (uint32_t)values[5].i32;
  if (g->credit.request == 0 || !covered(g, values) || (uint64_t)values[4].i64 > longest || (area & 7) != 0 ||
      !within(g, area, 24)) {
    return import(env, caller, values, n);
  }
  keep(g, AIRHOST_REQUEST, values);
  g->sent.timeout = (uint64_t)values[4].i64;
  g->base[area] = 0;
  memcpy(g->base + area + 8, &g->credit.request, 8);
  return NULL;
}

// self-id(area); the area has 8 bytes, aligned to 4: @0 ptr, @4 len.
static wasm_trap_t *self_id(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *values, size_t n) {
  airhost_guest *g = ((airhost_import *)env)->guest;
  uint32_t area = (uint32_t)values[0].i32;
  if (g->phase != AIRHOST_HANDLING || (area & 3) != 0 || !within(g, area, 8)) {
    return import(env, caller, values, n);
  }
  wasmtime_val_raw_t call[4] = {{.i32 = 0}, {.i32 = 0}, {.i32 = 1}, {.i32 = (int32_t)g->self_size}};
  wasm_trap_t *trap = NULL;
  g->phase = AIRHOST_ALLOCATING; // and stays so if the call fails
  wasmtime_error_t *error = wasmtime_func_call_unchecked(g->context, &g->realloc, call, 4, &trap);
  if (error != NULL) {
    wasmtime_error_delete(error); // Go knows the cause
    return ended();
  }
  if (trap != NULL) return trap;
  g->phase = AIRHOST_HANDLING;
  uint32_t ptr = (uint32_t)call[0].i32;
  if (ptr == 0 || !within(g, ptr, g->self_size)) { // Go asks once more, and makes the error
    return import(env, caller, values, n);
  }
  memcpy(g->base + ptr, g->self, g->self_size);
  memcpy(g->base + area, &ptr, 4);
  memcpy(g->base + area + 4, &g->self_size, 4);
  return NULL;
}

// current-time() -> i64
static wasm_trap_t *current_time(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *values, size_t n) {
  airhost_guest *g = ((airhost_import *)env)->guest;
  struct timespec now;
  if (!g->clock || g->phase != AIRHOST_HANDLING || clock_gettime(CLOCK_REALTIME, &now) != 0) {
    return import(env, caller, values, n);
  }
  values[0].i64 = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
  return NULL;
}

static const wasmtime_func_unchecked_callback_t functions[] = {
    [AIRHOST_GO] = import,
    [AIRHOST_SEND_MESSAGE] = send_message,
    [AIRHOST_SEND_REQUEST] = send_request,
    [AIRHOST_SELF_ID] = self_id,
    [AIRHOST_CURRENT_TIME] = current_time,
};

// Whether ptr is a valid address for size bytes that the guest has allocated. Without
// bytes any address is valid.
static bool placed(airhost_guest *g, uint32_t ptr, uint32_t size) {
  return size == 0 || (ptr != 0 && within(g, ptr, size));
}

static wasm_trap_t *fill(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *values, size_t n) {
  (void)caller, (void)n;
  airhost_guest *g = env;
  uint32_t first = (uint32_t)values[0].i32, second = (uint32_t)values[1].i32;
  if (!placed(g, first, g->first_size) || !placed(g, second, g->second_size)) {
    look(g);
    return airhostFill(g->handle, first, second) ? ended() : NULL;
  }
  if (g->first_size > 0) memcpy(g->base + first, g->first, g->first_size);
  if (g->second_size > 0) memcpy(g->base + second, g->second, g->second_size);
  g->first = g->second = NULL;
  g->phase = AIRHOST_HANDLING;
  return NULL;
}

// A result area has 16 bytes, aligned to 4: @0 0 for ok; for handle-message also @4 ptr,
// @8 len.
static wasm_trap_t *take(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *values, size_t n) {
  (void)caller, (void)n;
  airhost_guest *g = env;
  uint32_t area = (uint32_t)values[0].i32;
  g->phase = AIRHOST_CLEANING;
  if ((area & 3) == 0 && within(g, area, 16) && g->base[area] == 0) {
    if (g->limit == 0) return NULL; // handle-callback has no response
    uint32_t ptr = load32(g->base + area + 4), size = load32(g->base + area + 8);
    if (within(g, ptr, size)) {
      if (!g->wanted) return NULL;
      if (size <= AIRHOST_SMALL && size <= g->limit) {
        memcpy(g->small, g->base + ptr, size);
        g->small_size = (int32_t)size;
        return NULL;
      }
    }
  }
  look(g);
  return airhostTake(g->handle, area) ? ended() : NULL;
}

static wasmtime_error_t *epoch(wasmtime_context_t *context, void *data, uint64_t *delta,
                               wasmtime_update_deadline_kind_t *kind) {
  (void)context, (void)kind;
  airhost_guest *g = data;
  *delta = 1;
  return airhostEpoch(g->handle) ? wasmtime_error_new("ended") : NULL;
}

wasm_functype_t *airhost_functype(const uint8_t *kinds, size_t params, size_t results) {
  wasm_valtype_t *types[16];
  for (size_t i = 0; i < params + results; i++) types[i] = wasm_valtype_new(kinds[i]);
  wasm_valtype_vec_t in, out;
  wasm_valtype_vec_new(&in, params, types);
  wasm_valtype_vec_new(&out, results, types + params);
  return wasm_functype_new(&in, &out); // it owns all of them
}

airhost_guest *airhost_new(wasmtime_store_t *store, wasmtime_context_t *context, uintptr_t handle, size_t imports) {
  airhost_guest *g = calloc(1, sizeof *g);
  if (g == NULL) return NULL;
  g->imports = calloc(imports + 1, sizeof *g->imports);
  if (g->imports == NULL) {
    free(g);
    return NULL;
  }
  g->context = context;
  g->handle = handle;
  wasmtime_store_epoch_deadline_callback(store, epoch, g, NULL);
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
    wasmtime_func_new_unchecked(g->context, types[i], functions[kinds[i]], &g->imports[i], NULL, &imports[i].of.func);
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

int airhost_shim(airhost_guest *g, const wasmtime_module_t *module, wasm_functype_t *fill_type,
                 wasm_functype_t *take_type, const char *const *names, const size_t *sizes, size_t n) {
  wasmtime_extern_t imports[8] = {0};
  imports[0].kind = imports[1].kind = WASMTIME_EXTERN_FUNC;
  wasmtime_func_new_unchecked(g->context, fill_type, fill, g, NULL, &imports[0].of.func);
  wasmtime_func_new_unchecked(g->context, take_type, take, g, NULL, &imports[1].of.func);
  for (size_t i = 0; i < n; i++) {
    imports[2 + i].kind = WASMTIME_EXTERN_FUNC;
    if (!airhost_find(g, names[i], sizes[i], &imports[2 + i].of.func)) {
      return outcome(g, wasmtime_error_new("an export is missing"), NULL);
    }
  }
  wasmtime_instance_t shim;
  wasm_trap_t *trap = NULL;
  wasmtime_error_t *error = wasmtime_instance_new(g->context, module, imports, 2 + n, &shim, &trap);
  if (outcome(g, error, trap)) return 1;
  wasmtime_extern_t f;
  if (wasmtime_instance_export_get(g->context, &shim, "message", 7, &f)) g->message = f.of.func;
  if (wasmtime_instance_export_get(g->context, &shim, "callback", 8, &f)) g->callback = f.of.func;
  return 0;
}

int airhost_run(airhost_guest *g, const wasmtime_func_t *f, uint8_t phase, wasmtime_val_raw_t *values, size_t n) {
  uint8_t before = g->phase;
  g->phase = phase;
  wasm_trap_t *trap = NULL;
  wasmtime_error_t *error = wasmtime_func_call_unchecked(g->context, f, values, n, &trap);
  int failed = outcome(g, error, trap);
  g->phase = before;
  look(g);
  return failed;
}

// Runs a function of the shim, with its arguments in first and second. The guest asks Go
// whether it may go on at the epochs that begin during the call.
static int deliver(airhost_guest *g, const wasmtime_func_t *f, wasmtime_val_raw_t *values, size_t n) {
  wasmtime_context_set_epoch_deadline(g->context, 1);
  wasm_trap_t *trap = NULL;
  g->phase = AIRHOST_ALLOCATING;
  g->small_size = -1;
  wasmtime_error_t *error = wasmtime_func_call_unchecked(g->context, f, values, n, &trap);
  g->first = g->second = NULL;
  return outcome(g, error, trap);
}

static int message(airhost_guest *g, const uint8_t *sender, uint32_t sender_size, const uint8_t *bytes, uint32_t size) {
  g->first = sender, g->first_size = sender_size;
  g->second = bytes, g->second_size = size;
  wasmtime_val_raw_t values[2];
  values[0].i32 = (int32_t)sender_size;
  values[1].i32 = (int32_t)size;
  return deliver(g, &g->message, values, 2);
}

static int callback(airhost_guest *g, uint64_t id, uint32_t tag, const uint8_t *bytes, uint32_t size) {
  g->first = bytes, g->first_size = size;
  g->second_size = 0;
  wasmtime_val_raw_t values[3];
  values[0].i64 = (int64_t)id;
  values[1].i32 = (int32_t)tag;
  values[2].i32 = (int32_t)size;
  uint32_t limit = g->limit;
  g->limit = 0;
  int failed = deliver(g, &g->callback, values, 3);
  g->limit = limit;
  return failed;
}

static int handle(airhost_guest *g, uint8_t kind, uint64_t id, const uint8_t *first, uint32_t first_size,
                  const uint8_t *second, uint32_t second_size) {
  if (kind == AIRHOST_MESSAGE) return message(g, first, first_size, second, second_size);
  return callback(g, id, kind == AIRHOST_FAILURE, first, first_size);
}

void airhost_keep_arguments(airhost_guest *g, uint8_t kind) {
  uint8_t *first = kind == AIRHOST_RESPONSE ? g->small : g->sender;
  memcpy(first, g->first, g->first_size);
  g->first = first;
  if (kind == AIRHOST_RESPONSE) return;
  memcpy(g->sent_bytes, g->second, g->second_size);
  g->second = g->sent_bytes;
}

// Returns the transfer from g, which ran the current call, to the other side o;
// AIRHOST_NONE ends the exchange.
static uint8_t next_transfer(const airhost_exchange *x, const airhost_guest *g, const airhost_guest *o) {
  if (x->kind != AIRHOST_REQUEST) return g->credit.peer ? g->sent.kind : AIRHOST_NONE;
  if (g->sent.kind != AIRHOST_NONE) return AIRHOST_NONE; // the host sends it, and then the response
  return g->small_size >= 0 && (uint32_t)g->small_size <= o->limit ? AIRHOST_RESPONSE : AIRHOST_NONE;
}

// Runs calls of the two sides in turn, after the first call.
static int take_turns(airhost_exchange *x, airhost_guest *sides[2], uint32_t most, uint32_t *progress) {
  uint32_t requests[2] = {0, 0}; // sent by each side
  uint64_t id = 0;               // of the last request
  int failed = 0;
  for (uint32_t calls = 1; calls <= most && !failed && !x->reconciled; calls++) {
    airhost_guest *g = sides[x->side], *o = sides[1 - x->side];
    uint8_t kind = next_transfer(x, g, o);
    if (kind == AIRHOST_NONE) break;
    if (kind == AIRHOST_REQUEST) {
      id = g->credit.request;
      g->credit.request = g->credit.later[requests[x->side]++];
    }
    if (x->kind != AIRHOST_NONE) x->ended[x->side][x->kind]++;
    x->side = 1 - x->side;
    x->kind = kind;
    __atomic_store_n(progress, calls << 1 | x->side, __ATOMIC_RELEASE);
    g->sent.kind = AIRHOST_NONE;
    o->wanted = kind == AIRHOST_REQUEST;
    failed = kind == AIRHOST_RESPONSE ? callback(o, id, 0, g->small, (uint32_t)g->small_size)
                                      : message(o, g->self, g->self_size, g->sent_bytes, g->sent.size);
  }
  return failed;
}

int airhost_handle(uintptr_t guest, uint8_t kind, uint64_t id, const uint8_t *first, uint32_t first_size,
                   const uint8_t *second, uint32_t second_size, uintptr_t peer, uint32_t most, uint32_t *progress) {
  airhost_guest *sides[2] = {(airhost_guest *)guest, (airhost_guest *)peer};
  if (peer == 0) return handle(sides[0], kind, id, first, first_size, second, second_size) ? AIRHOST_FAILED : 0;
  airhost_exchange x = {0};
  sides[0]->exchange = sides[1]->exchange = &x;
  int failed = handle(sides[0], kind, id, first, first_size, second, second_size);
  if (!failed) failed = take_turns(&x, sides, most, progress);
  if (!x.reconciled) {
    sides[1 - x.side]->exchange = NULL;
    sides[x.side]->last = x;
    sides[x.side]->exchange = &sides[x.side]->last;
  }
  return (failed ? AIRHOST_FAILED : 0) | (x.side == 1 ? AIRHOST_PEER : 0);
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
  wasmtime_val_t value;
  wasmtime_global_get(g->context, &g->refused, &value);
  return (uint32_t)value.of.i32;
}
