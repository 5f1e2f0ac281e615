// The part of Wasmtime's C API that this package uses. Wasmtime's own headers come
// with another Go module, where cgo does not find them. layout_test.go compiles this
// file together with them: it fails if a function differs, or the size of a type.
#ifndef AIRHOST_CAPI_H
#define AIRHOST_CAPI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef WASMTIME_API_H

typedef struct wasm_config_t wasm_config_t;
typedef struct wasm_engine_t wasm_engine_t;
typedef struct wasmtime_store wasmtime_store_t;
typedef struct wasmtime_context wasmtime_context_t;
typedef struct wasmtime_caller wasmtime_caller_t;
typedef struct wasmtime_module wasmtime_module_t;
typedef struct wasmtime_error wasmtime_error_t;
typedef struct wasm_trap_t wasm_trap_t;
typedef struct wasm_functype_t wasm_functype_t;
typedef struct wasm_valtype_t wasm_valtype_t;
typedef struct wasm_memorytype_t wasm_memorytype_t;

typedef struct { size_t size; char *data; } wasm_byte_vec_t;
typedef struct { size_t size; wasm_valtype_t **data; } wasm_valtype_vec_t;

typedef struct { uint64_t store_id; void *__private; } wasmtime_func_t;
typedef struct { uint64_t store_id; size_t __private; } wasmtime_instance_t;
typedef struct {
  struct { uint64_t store_id; uint32_t __private1; };
  uint32_t __private2;
} wasmtime_memory_t;
typedef struct {
  uint64_t store_id;
  uint32_t __private1, __private2, __private3;
} wasmtime_global_t;

typedef union { int32_t i32; int64_t i64; uint8_t v128[16]; } wasmtime_val_raw_t;

typedef struct {
  uint8_t kind;
  union { int32_t i32; int64_t i64; uint64_t size[3]; } of;
} wasmtime_val_t;

typedef struct {
  uint8_t kind;
  union { wasmtime_func_t func; wasmtime_global_t global; wasmtime_memory_t memory; } of;
} wasmtime_extern_t;

typedef uint8_t wasmtime_update_deadline_kind_t;
typedef uint8_t wasmtime_trap_code_t;

typedef wasm_trap_t *(*wasmtime_func_unchecked_callback_t)(
    void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *args_and_results, size_t n);

typedef uint8_t *(*wasmtime_memory_get_callback_t)(void *env, size_t *byte_size, size_t *byte_capacity);
typedef wasmtime_error_t *(*wasmtime_memory_grow_callback_t)(void *env, size_t new_size);
typedef struct wasmtime_linear_memory {
  void *env;
  wasmtime_memory_get_callback_t get_memory;
  wasmtime_memory_grow_callback_t grow_memory;
  void (*finalizer)(void *);
} wasmtime_linear_memory_t;
typedef wasmtime_error_t *(*wasmtime_new_memory_callback_t)(
    void *env, const wasm_memorytype_t *ty, size_t minimum, size_t maximum, size_t reserved_size_in_bytes,
    size_t guard_size_in_bytes, wasmtime_linear_memory_t *memory_ret);
typedef struct wasmtime_memory_creator {
  void *env;
  wasmtime_new_memory_callback_t new_memory;
  void (*finalizer)(void *);
} wasmtime_memory_creator_t;

#define WASM_I32 0
#define WASM_I64 1
#define WASMTIME_I64 1
#define WASMTIME_EXTERN_FUNC 0
#define WASMTIME_EXTERN_GLOBAL 1
#define WASMTIME_EXTERN_MEMORY 3

#endif

_Static_assert(sizeof(wasmtime_func_t) == 16, "wasmtime_func_t");
_Static_assert(sizeof(wasmtime_instance_t) == 16, "wasmtime_instance_t");
_Static_assert(sizeof(wasmtime_memory_t) == 24, "wasmtime_memory_t");
_Static_assert(sizeof(wasmtime_global_t) == 24, "wasmtime_global_t");
_Static_assert(sizeof(wasmtime_val_raw_t) == 16, "wasmtime_val_raw_t");
_Static_assert(sizeof(wasmtime_val_t) == 32, "wasmtime_val_t");
_Static_assert(offsetof(wasmtime_val_t, of) == 8, "wasmtime_val_t.of");
_Static_assert(sizeof(wasmtime_extern_t) == 32, "wasmtime_extern_t");
_Static_assert(offsetof(wasmtime_extern_t, of) == 8, "wasmtime_extern_t.of");
_Static_assert(sizeof(wasmtime_linear_memory_t) == 32, "wasmtime_linear_memory_t");
_Static_assert(sizeof(wasmtime_memory_creator_t) == 24, "wasmtime_memory_creator_t");
_Static_assert(sizeof(wasmtime_update_deadline_kind_t) == 1, "wasmtime_update_deadline_kind_t");
_Static_assert(sizeof(wasmtime_trap_code_t) == 1, "wasmtime_trap_code_t");
_Static_assert(WASM_I32 == 0 && WASM_I64 == 1 && WASMTIME_I64 == 1, "value kinds");
_Static_assert(WASMTIME_EXTERN_FUNC == 0 && WASMTIME_EXTERN_GLOBAL == 1 && WASMTIME_EXTERN_MEMORY == 3, "extern kinds");

void wasmtime_config_wasm_exceptions_set(wasm_config_t *config, bool enabled);
void wasmtime_config_memory_may_move_set(wasm_config_t *config, bool enabled);
void wasmtime_config_memory_reservation_set(wasm_config_t *config, uint64_t bytes);
void wasmtime_config_memory_reservation_for_growth_set(wasm_config_t *config, uint64_t bytes);
void wasmtime_config_memory_guard_size_set(wasm_config_t *config, uint64_t bytes);
void wasmtime_config_memory_init_cow_set(wasm_config_t *config, bool enabled);
void wasmtime_config_host_memory_creator_set(wasm_config_t *config, wasmtime_memory_creator_t *creator);

wasm_valtype_t *wasm_valtype_new(uint8_t kind);
void wasm_valtype_vec_new(wasm_valtype_vec_t *out, size_t size, wasm_valtype_t *const data[]);
wasm_functype_t *wasm_functype_new(wasm_valtype_vec_t *params, wasm_valtype_vec_t *results);
void wasm_functype_delete(wasm_functype_t *type);
void wasm_byte_vec_delete(wasm_byte_vec_t *vec);
void wasm_trap_message(const wasm_trap_t *trap, wasm_byte_vec_t *out);
void wasm_trap_delete(wasm_trap_t *trap);

wasm_trap_t *wasmtime_trap_new(const char *message, size_t size);
bool wasmtime_trap_code(const wasm_trap_t *trap, wasmtime_trap_code_t *code);
wasmtime_error_t *wasmtime_error_new(const char *message);
void wasmtime_error_message(const wasmtime_error_t *error, wasm_byte_vec_t *message);
void wasmtime_error_delete(wasmtime_error_t *error);

void wasmtime_engine_increment_epoch(wasm_engine_t *engine);
void wasmtime_store_epoch_deadline_callback(
    wasmtime_store_t *store,
    wasmtime_error_t *(*func)(wasmtime_context_t *context, void *data, uint64_t *delta,
                              wasmtime_update_deadline_kind_t *update_kind),
    void *data, void (*finalizer)(void *));
void wasmtime_context_set_epoch_deadline(wasmtime_context_t *context, uint64_t ticks_beyond_current);
void wasmtime_func_new_unchecked(
    wasmtime_context_t *store, const wasm_functype_t *type, wasmtime_func_unchecked_callback_t callback,
    void *env, void (*finalizer)(void *), wasmtime_func_t *ret);
wasmtime_error_t *wasmtime_func_call_unchecked(
    wasmtime_context_t *store, const wasmtime_func_t *func, wasmtime_val_raw_t *args_and_results,
    size_t args_and_results_len, wasm_trap_t **trap);
wasmtime_error_t *wasmtime_instance_new(
    wasmtime_context_t *store, const wasmtime_module_t *module, const wasmtime_extern_t *imports,
    size_t nimports, wasmtime_instance_t *instance, wasm_trap_t **trap);
bool wasmtime_instance_export_get(
    wasmtime_context_t *store, const wasmtime_instance_t *instance, const char *name, size_t name_len,
    wasmtime_extern_t *item);
uint8_t *wasmtime_memory_data(const wasmtime_context_t *store, const wasmtime_memory_t *memory);
size_t wasmtime_memory_data_size(const wasmtime_context_t *store, const wasmtime_memory_t *memory);
void wasmtime_global_get(wasmtime_context_t *store, const wasmtime_global_t *global, wasmtime_val_t *out);
wasmtime_error_t *wasmtime_global_set(
    wasmtime_context_t *store, const wasmtime_global_t *global, const wasmtime_val_t *val);

#endif
