// A guest for Extism that calls a function of its host with its input, and returns the
// result. The bytes move as in extism.c; the result stays where Extism has put it.
#include "guest.h"

#define EXTISM(name) IMPORT("extism:host/env", name)

EXTISM("input_length") uint64_t input_length(void);
EXTISM("input_load_u64") uint64_t input_load_u64(uint64_t offset);
EXTISM("input_load_u8") uint32_t input_load_u8(uint64_t offset);
EXTISM("alloc") uint64_t alloc(uint64_t size);
EXTISM("length") uint64_t length(uint64_t at);
EXTISM("store_u64") void store_u64(uint64_t at, uint64_t value);
EXTISM("store_u8") void store_u8(uint64_t at, uint32_t value);
EXTISM("output_set") void output_set(uint64_t at, uint64_t size);
IMPORT("extism:host/user", "function") uint64_t function(uint64_t argument);

static uint8_t *buffer;
static uint64_t capacity;

EXPORT("ask") int ask(void) {
  uint64_t size = input_length(), at = alloc(size), i = 0;
  if (size > capacity) buffer = bump(size), capacity = size;
  for (; i + 8 <= size; i += 8) put(buffer + i, input_load_u64(i));
  for (; i < size; i++) buffer[i] = input_load_u8(i);
  for (i = 0; i + 8 <= size; i += 8) store_u64(at + i, get(buffer + i));
  for (; i < size; i++) store_u8(at + i, buffer[i]);
  uint64_t result = function(at);
  output_set(result, length(result));
  return 0;
}
