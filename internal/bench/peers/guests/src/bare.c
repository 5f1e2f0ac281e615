// A component for an engine without a host around it: wazero and Wasmtime by their
// public calls. Its host writes each message to the address that reserve returned.
#include "guest.h"

IMPORT("bare", "send") void host_send(const uint8_t *message, uint32_t size);
IMPORT("bare", "request") void host_request(const uint8_t *request, uint32_t size);

static struct { uint64_t handled, callbacks; } counters;
static uint8_t *inbox, *pending;

// Makes room for messages of this size; called once, before anything else.
EXPORT("reserve") uint8_t *reserve(uint32_t size) {
  pending = bump(size);
  return inbox = bump(size);
}

EXPORT("counters") const void *read_counters(void) { return &counters; }

// Fire-and-forget: sends the message back. The message that starts the run does not
// count, since no component has sent it.
EXPORT("handle") void handle(uint32_t size) {
  uint64_t left = get(inbox + LEFT), sent = get(inbox + SENT);
  if (sent) counters.handled++;
  if (!left) return;
  put(inbox + LEFT, left - 1);
  put(inbox + SENT, sent + 1);
  host_send(inbox, size);
}

// Request-response, the side that answers: returns the request's bytes.
EXPORT("answer") const uint8_t *answer(uint32_t size) {
  counters.handled++;
  return inbox;
}

static void ask(uint32_t size) {
  uint64_t left = get(pending + LEFT);
  if (!left) return;
  put(pending + LEFT, left - 1);
  put(pending + SENT, get(pending + SENT) + 1);
  host_request(pending, size);
}

// Request-response, the side that sends requests.
EXPORT("start") void start(uint32_t size) {
  __builtin_memcpy(pending, inbox, size);
  ask(size);
}

EXPORT("callback") void callback(uint32_t size) {
  for (uint32_t i = 0; i + 8 <= size; i += 8)
    if (get(inbox + i) != get(pending + i)) __builtin_trap();
  for (uint32_t i = size & ~7u; i < size; i++)
    if (inbox[i] != pending[i]) __builtin_trap();
  counters.callbacks++;
  ask(size);
}
