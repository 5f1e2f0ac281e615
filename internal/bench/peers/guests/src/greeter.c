// A plug-in for knqyf263/go-plugin's own example, the greeter. It has the exports of
// the generated Go code for plug-ins, without Go's runtime. The reply's message is
// the request's name. The reply to an empty name is the number of other names so far,
// as text.
#include "guest.h"

static uint64_t handled;
static uint32_t living; // allocations that the host has not freed

// The end of the last allocation frees all memory.
EXPORT("malloc") void *allocate(uint32_t size) {
  living++;
  return bump(size);
}

EXPORT("free") void release(void *memory) {
  if (!--living) top = 0;
}

EXPORT("greeter_api_version") uint64_t api_version(void) { return 1; }

enum { FIELD_1_TEXT = 1 << 3 | 2, MAX_VARINT = 5 };

// The bytes of field 1, the only one of a request. A malformed field traps.
static uint32_t field(const uint8_t **data, const uint8_t *end) {
  const uint8_t *at = *data;
  if (at == end) return 0;
  if (*at++ != FIELD_1_TEXT) __builtin_trap();
  uint32_t size = 0;
  for (int shift = 0;; shift += 7) {
    if (at == end || shift == 7 * MAX_VARINT) __builtin_trap();
    size |= (uint32_t)(*at & 0x7f) << shift;
    if (!(*at++ & 0x80)) break;
  }
  if (size != (uint32_t)(end - at)) __builtin_trap();
  *data = at;
  return size;
}

// A reply with this text: its address in the upper half, its size in the lower.
static uint64_t reply(const uint8_t *text, uint32_t size) {
  uint8_t *start = allocate(1 + MAX_VARINT + size), *at = start;
  *at++ = FIELD_1_TEXT;
  uint32_t rest = size;
  for (; rest >= 0x80; rest >>= 7) *at++ = rest | 0x80;
  *at++ = rest;
  __builtin_memcpy(at, text, size);
  return (uint64_t)(uintptr_t)start << 32 | (uint32_t)(at + size - start);
}

static uint64_t reply_count(void) {
  uint8_t text[20];
  uint32_t at = sizeof text;
  uint64_t rest = handled;
  do text[--at] = '0' + rest % 10; while (rest /= 10);
  return reply(text + at, sizeof text - at);
}

EXPORT("greeter_greet") uint64_t greet(const uint8_t *request, uint32_t size) {
  const uint8_t *name = request;
  uint32_t length = field(&name, request + size);
  if (!length) return reply_count();
  handled++;
  return reply(name, length);
}
