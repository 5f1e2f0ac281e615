//go:build (linux || darwin) && (amd64 || arm64)

#define _GNU_SOURCE // for pthread_getattr_np

#include "internal.h"

#include <pthread.h>
#include <time.h>

static wasm_trap_t *import(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *values, size_t n) {
  (void)caller, (void)n;
  airhost_import *i = env;
  airhost_guest *g = i->guest;
  g->phase = airhost_phase(g);
  look(g);
  return airhostImport(g->handle, i->index, values) ? airhost_ended() : NULL;
}

wasmtime_error_t *airhost_epoch(wasmtime_context_t *context, void *guest, uint64_t *delta,
                                wasmtime_update_deadline_kind_t *kind) {
  (void)context, (void)kind;
  airhost_guest *g = guest;
  look(g);
  *delta = 1;
  return airhostEpoch(g->handle) ? wasmtime_error_new("ended") : NULL;
}

// Whether the guest's credit covers a first message or request of this call with this
// target and size, and target and message are in memory.
static bool covered(airhost_guest *g, wasmtime_val_raw_t *values) {
  uint32_t target = (uint32_t)values[0].i32, target_size = (uint32_t)values[1].i32;
  uint32_t message = (uint32_t)values[2].i32, size = (uint32_t)values[3].i32;
  return g->phase == AIRHOST_HANDLING && g->sent.kind == AIRHOST_NONE && target_size == g->credit.target_size &&
         size <= g->credit.max_size &&
         size <= AIRHOST_SMALL && within(g, target, target_size) && within(g, message, size) &&
         same(g->base + target, g->credit.target, target_size);
}

static void keep(airhost_guest *g, uint8_t kind, uint64_t timeout, wasmtime_val_raw_t *values) {
  g->sent.kind = kind;
  g->sent.timeout = timeout;
  g->sent.size = (uint32_t)values[3].i32;
  copy(g->sent_bytes, g->base + (uint32_t)values[2].i32, g->sent.size);
}

// send-message(target ptr, len, message ptr, len, area); the area has 16 bytes,
// aligned to 4: @0 0 for ok.
static wasm_trap_t *send_message(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *values, size_t n) {
  airhost_guest *g = ((airhost_import *)env)->guest;
  uint32_t area = (uint32_t)values[4].i32;
  if (!g->credit.messages || (area & 3) != 0 || !within(g, area, 16) || !covered(g, values)) {
    return import(env, caller, values, n);
  }
  keep(g, AIRHOST_MESSAGE, 0, values);
  g->base[area] = 0;
  return NULL;
}

// send-request(target ptr, len, request ptr, len, timeout i64, area); the area
// has 24 bytes, aligned to 8: @0 0 for ok, @8 the request's id.
static wasm_trap_t *send_request(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *values, size_t n) {
  const uint64_t longest = 24 * 60 * 60 * 1000; // core.MaxTimeout, in milliseconds
  airhost_guest *g = ((airhost_import *)env)->guest;
  uint32_t area = (uint32_t)values[5].i32;
  if (g->credit.request == 0 || (uint64_t)values[4].i64 > longest || (area & 7) != 0 || !within(g, area, 24) ||
      !covered(g, values)) {
    return import(env, caller, values, n);
  }
  keep(g, AIRHOST_REQUEST, (uint64_t)values[4].i64, values);
  g->base[area] = 0;
  memcpy(g->base + area + 8, &g->credit.request, 8);
  return NULL;
}

// Calls cabi_realloc for size bytes. The pointer is not checked.
static wasm_trap_t *allocate(airhost_guest *g, uint32_t size, uint32_t *ptr) {
  wasmtime_val_raw_t call[4] = {{.i32 = 0}, {.i32 = 0}, {.i32 = 1}, {.i32 = (int32_t)size}};
  wasm_trap_t *trap = NULL;
  g->phase = AIRHOST_ALLOCATING; // and stays so if the call fails
  wasmtime_error_t *error = wasmtime_func_call_unchecked(g->context, &g->realloc, call, 4, &trap);
  if (error != NULL) {
    wasmtime_error_delete(error); // Go knows the cause
    return airhost_ended();
  }
  if (trap != NULL) return trap;
  g->phase = AIRHOST_HANDLING;
  *ptr = (uint32_t)call[0].i32;
  return NULL;
}

// self-id(area); the area has 8 bytes, aligned to 4: @0 ptr, @4 len.
static wasm_trap_t *self_id(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *values, size_t n) {
  airhost_guest *g = ((airhost_import *)env)->guest;
  uint32_t area = (uint32_t)values[0].i32;
  if (g->phase != AIRHOST_HANDLING || (area & 3) != 0 || !within(g, area, 8)) {
    return import(env, caller, values, n);
  }
  uint32_t ptr;
  wasm_trap_t *trap = allocate(g, g->self_size, &ptr);
  if (trap != NULL) return trap;
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

// Returns the lowest address of the thread's stack, or 1 if the system does not tell.
static uintptr_t stack_end(void) {
#ifdef __APPLE__
  pthread_t self = pthread_self();
  return (uintptr_t)pthread_get_stackaddr_np(self) - pthread_get_stacksize_np(self);
#else
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return 1;
  void *end;
  size_t size;
  bool known = pthread_attr_getstack(&attributes, &end, &size) == 0;
  pthread_attr_destroy(&attributes);
  return known ? (uintptr_t)end : 1;
#endif
}

// call(name ptr, len, argument ptr, len, area); the area has 16 bytes, aligned to 4: @0 0
// for ok, @4 ptr, @8 len. The function may be another guest of this
// thread, whose stack begins here and is as large as Wasmtime allows. Without room for it
// Go calls the function on another thread.
static wasm_trap_t *call(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *values, size_t n) {
  (void)caller, (void)n;
  static __thread uintptr_t end;
  airhost_guest *g = ((airhost_import *)env)->guest;
  if (end == 0) end = stack_end();
  g->low = (uintptr_t)__builtin_frame_address(0) - end < AIRHOST_ROOM;
  g->phase = airhost_phase(g);
  look(g);
  g->result_size = -1;
  if (airhostCall(g->handle, values)) return airhost_ended();
  if (g->result_size < 0) return NULL;
  uint32_t size = (uint32_t)g->result_size, ptr;
  wasm_trap_t *trap = allocate(g, size, &ptr);
  if (trap != NULL) return trap;
  if (ptr == 0 || !within(g, ptr, size)) return airhostMisplaced(g->handle, ptr, size) ? airhost_ended() : NULL;
  uint8_t *area = g->base + (uint32_t)values[4].i32; // Go has checked it
  copy(g->base + ptr, g->small, size);
  area[0] = 0;
  memcpy(area + 4, &ptr, 4);
  memcpy(area + 8, &size, 4);
  return NULL;
}

const wasmtime_func_unchecked_callback_t airhost_functions[] = {
    [AIRHOST_GO] = import,
    [AIRHOST_SEND_MESSAGE] = send_message,
    [AIRHOST_SEND_REQUEST] = send_request,
    [AIRHOST_SELF_ID] = self_id,
    [AIRHOST_CURRENT_TIME] = current_time,
    [AIRHOST_CALL] = call,
};
