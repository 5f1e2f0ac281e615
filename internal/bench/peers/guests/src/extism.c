// A guest for Extism: returns its input. It moves the bytes as Extism's plug-in kits
// do, eight at a time through the host, which is the only way into and out of a
// guest's own memory.
#include "guest.h"

#define EXTISM(name) IMPORT("extism:host/env", name)

EXTISM("input_length") uint64_t input_length(void);
EXTISM("input_load_u64") uint64_t input_load_u64(uint64_t offset);
EXTISM("input_load_u8") uint32_t input_load_u8(uint64_t offset);
EXTISM("alloc") uint64_t alloc(uint64_t size);
EXTISM("store_u64") void store_u64(uint64_t at, uint64_t value);
EXTISM("store_u8") void store_u8(uint64_t at, uint32_t value);
EXTISM("output_set") void output_set(uint64_t at, uint64_t size);

static uint64_t handled;
static uint8_t *buffer;
static uint64_t capacity;

static void load_input(uint64_t size) {
  if (size > capacity) {
    buffer = bump(size);
    capacity = size;
  }
  uint64_t i = 0;
  for (; i + 8 <= size; i += 8) put(buffer + i, input_load_u64(i));
  for (; i < size; i++) buffer[i] = input_load_u8(i);
}

static void store_output(const uint8_t *from, uint64_t size) {
  uint64_t at = alloc(size), i = 0;
  for (; i + 8 <= size; i += 8) store_u64(at + i, get(from + i));
  for (; i < size; i++) store_u8(at + i, from[i]);
  output_set(at, size);
}

EXPORT("echo") int echo(void) {
  uint64_t size = input_length();
  load_input(size);
  handled++;
  store_output(buffer, size);
  return 0;
}

// Returns the number of calls of echo.
EXPORT("count") int count(void) {
  store_output((const uint8_t *)&handled, sizeof handled);
  return 0;
}
