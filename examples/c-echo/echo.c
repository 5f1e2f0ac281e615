// A component in C without any library: it answers each message with its bytes.
//
//   clang --target=wasm32 -O2 -nostdlib -Wl,--no-entry -o echo.wasm echo.c
//
// Names and layouts are those of the canonical ABI. A generator such as wit-bindgen
// writes them from wit/airhost.wit; here they are written by hand.
#include <stdint.h>

#define EXPORT(name) __attribute__((export_name(name)))
#define LIFECYCLE "airhost:core/component-lifecycle@0.1.0#"

// ok(response): a discriminant of 0, then pointer and length.
typedef struct {
  uint32_t failed;
  uint8_t *data;
  uint32_t size;
  uint32_t unused;
} result;

// The host asks for memory before each call, for the sender and for the message.
// They lie end to end after the static data, until the call returns.
extern uint8_t __heap_base;
static uint8_t *top = &__heap_base;

EXPORT("cabi_realloc")
void *cabi_realloc(void *old, uint32_t old_size, uint32_t align, uint32_t size) {
  uint64_t start = ((uintptr_t)top + align - 1) & -align, end = start + size;
  uint64_t have = (uint64_t)__builtin_wasm_memory_size(0) << 16;
  if (end > have && __builtin_wasm_memory_grow(0, (end - have + 65535) >> 16) == (uintptr_t)-1) __builtin_trap();
  top = (uint8_t *)(uintptr_t)end;
  for (uint32_t i = 0; i < old_size && i < size; i++) ((uint8_t *)(uintptr_t)start)[i] = ((uint8_t *)old)[i];
  return (void *)(uintptr_t)start;
}

// The host reads the result before its next call, so one static result is enough.
// The memory that cabi_realloc gave belongs to the guest: it is free from here on.
EXPORT(LIFECYCLE "handle-message")
result *handle_message(uint8_t *sender, uint32_t sender_size, uint8_t *message, uint32_t size) {
  static result response;
  response = (result){0, message, size, 0};
  top = &__heap_base;
  return &response;
}

// The host calls this when a request of the component has ended. This component sends
// no request, but each component exports the function. A result of zeros is ok.
EXPORT(LIFECYCLE "handle-callback")
result *handle_callback(uint64_t request, uint32_t failed, uint8_t *data, uint32_t size) {
  static result ok;
  top = &__heap_base;
  return &ok;
}
