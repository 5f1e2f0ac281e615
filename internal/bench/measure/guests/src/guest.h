// The code that both benchmark guests share: the contract's names, memory, counters,
// and the way in and out. The protocol is described in ../guests.go.
//
// Memory: parameters of a call are placed one after the other from the end of the
// static data on, and all are released when the call returns. A response is part of a
// parameter, or static; the host has read it before the next call.
#include <stdint.h>

#define LIFECYCLE "airhost:core/component-lifecycle@0.1.0#"
#define MANAGEMENT "airhost:core/component-management@0.1.0#"
#define EXPORT(name) __attribute__((export_name(name)))
#define IMPORT(name) __attribute__((import_module("airhost:core/host-services@0.1.0"), import_name(name)))

typedef struct { uint8_t *data; uint32_t size; } bytes;
#define TEXT(literal) (bytes){(uint8_t *)literal, sizeof literal - 1}

// Areas of the contract. The first byte is 0 for ok and 1 for an error.
typedef struct { uint8_t failed; uint32_t a, b, c; } area;
typedef struct { uint8_t failed; union { uint64_t id; uint8_t error; }; uint32_t text; } request_area;
_Static_assert(sizeof(area) == 16 && sizeof(request_area) == 24, "the contract's areas");

// Structures would be passed by address, so that the parameters are single numbers.
IMPORT("send-message") void send_message(
    const uint8_t *target, uint32_t target_size, const uint8_t *message, uint32_t size, area *);
IMPORT("send-request") void send_request(
    const uint8_t *target, uint32_t target_size, const uint8_t *request, uint32_t size, uint64_t timeout_ms, request_area *);

enum { OP, SLOT_NUMBER = 8, SLOT_SEQUENCE = 16, HEADER = 24 };
enum { FINISHED, SEND_REFUSED, CALLBACK_FAILED, MISMATCH };

static struct { uint64_t handled, sent, refused, callbacks, callbacks_failed, mismatches; } counters;

// An id is at most 63 + 1 + 63 bytes long.
static uint8_t peer_text[127], done_text[127];
static bytes peer = {peer_text, 0}, done = {done_text, 0};

static uint64_t get(const uint8_t *at) { uint64_t v; __builtin_memcpy(&v, at, 8); return v; }
static void put(uint8_t *at, uint64_t v) { __builtin_memcpy(at, &v, 8); }

// ---- memory ----

extern uint8_t __heap_base;
static uintptr_t base, top;

static uint8_t *bump(uintptr_t align, uintptr_t size) {
  if (!top) top = base = (uintptr_t)&__heap_base;
  uint64_t start = ((uint64_t)top + align - 1) & -(uint64_t)align, end = start + size;
  uint64_t have = (uint64_t)__builtin_wasm_memory_size(0) << 16;
  if (end > have && __builtin_wasm_memory_grow(0, (end - have + 0xffff) >> 16) == (uintptr_t)-1) __builtin_trap();
  top = end;
  return (uint8_t *)(uintptr_t)start;
}

EXPORT("cabi_realloc") void *cabi_realloc(void *old, uintptr_t old_size, uintptr_t align, uintptr_t size) {
  void *p = bump(align, size);
  if (old_size) __builtin_memcpy(p, old, old_size < size ? old_size : size);
  return p;
}

// ---- the way out ----

static area result;

static area *respond(uint8_t *data, uint32_t size) {
  top = base;
  result = (area){0, (uintptr_t)data, size, 0};
  return &result;
}

// fail returns component-error's case invalid-message (0) or failed (2).
static area *fail(uint32_t kind, bytes text) {
  top = base;
  result = (area){1, kind, (uintptr_t)text.data, text.size};
  return &result;
}

// tell_done reports the end of a run; nothing follows a refusal of this message.
static void tell_done(uint8_t status, uint8_t error, uint64_t left, uint64_t sequence) {
  uint8_t message[HEADER] = {'D', status, error};
  put(message + SLOT_NUMBER, left);
  put(message + SLOT_SEQUENCE, sequence);
  area refused;
  if (done.size) send_message(done.data, done.size, message, HEADER, &refused);
}

// common answers the messages that both guests understand.
static area *common(bytes message) {
  if (message.size && message.data[OP] == 'C') return respond((uint8_t *)&counters, sizeof counters);
  if (!message.size || message.data[OP] != 'E') return fail(0, TEXT("unknown first byte"));
  counters.handled++;
  return respond(message.data, message.size);
}

// ---- component-management ----

typedef struct { bytes key, value; } pair;

static int equal(bytes x, bytes y) {
  if (x.size != y.size) return 0;
  const uint8_t *a = x.data, *b = y.data;
  uint64_t differ = 0;
  uint32_t left = x.size;
  for (; left >= 8; left -= 8, a += 8, b += 8) differ |= get(a) ^ get(b);
  for (; left; left--) differ |= *a++ ^ *b++;
  return !differ;
}

EXPORT(MANAGEMENT "initialize") area *initialize(pair *config, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    bytes key = config[i].key;
    bytes *to = equal(key, TEXT("peer")) ? &peer : equal(key, TEXT("done")) ? &done : 0;
    if (!to) return fail(2, TEXT("configuration: unknown key, want peer and done"));
    if (config[i].value.size > sizeof peer_text) return fail(2, TEXT("configuration: id too long"));
    to->size = config[i].value.size;
    __builtin_memcpy(to->data, config[i].value.data, to->size);
  }
  return respond(0, 0);
}

EXPORT(MANAGEMENT "health") uint32_t health(void) { return 0; }
EXPORT(MANAGEMENT "shutdown") void shutdown(void) {}
