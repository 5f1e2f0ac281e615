// The code that the peers' guests share: messages, and memory.
//
// A message begins with two numbers, little-endian, of 8 bytes each: the number of
// messages still to be sent, and the number sent so far. The rest is filler.
#include <stdint.h>

#define EXPORT(name) __attribute__((export_name(name)))
#define IMPORT(module, name) __attribute__((import_module(module), import_name(name)))

enum { LEFT = 0, SENT = 8, HEADER = 16 };

static inline uint64_t get(const uint8_t *at) { uint64_t v; __builtin_memcpy(&v, at, 8); return v; }
static inline void put(uint8_t *at, uint64_t v) { __builtin_memcpy(at, &v, 8); }

extern uint8_t __heap_base;
static uintptr_t top;

// bump returns memory, aligned to 8 bytes, that is never freed.
static uint8_t *bump(uint32_t size) {
  if (!top) top = (uintptr_t)&__heap_base;
  uint64_t start = ((uint64_t)top + 7) & ~(uint64_t)7, end = start + size;
  uint64_t have = (uint64_t)__builtin_wasm_memory_size(0) << 16;
  if (end > have && __builtin_wasm_memory_grow(0, (end - have + 0xffff) >> 16) == (uintptr_t)-1) __builtin_trap();
  top = end;
  return (uint8_t *)(uintptr_t)start;
}

// spin never returns by itself: it shows whether a host can interrupt a guest.
EXPORT("spin") int spin(void) {
  for (volatile int on = 1; on;) {}
  return 0;
}
