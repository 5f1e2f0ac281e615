// Request-response, both sides: asks, and answers. See ../guests.go for the protocol.
#include "guest.h"

// The run of the side that asks.
static struct {
  int under_way;
  uint64_t left;        // rounds
  uint64_t sequence;    // of the last request; goes on over all runs
  uint64_t id;          // of the pending request
  bytes request;        // what was sent last
  uint32_t capacity;    // of request.data
} run;

static void finish(uint8_t status, uint8_t error) {
  run.under_way = 0;
  tell_done(status, error, run.left, run.sequence);
}

static void ask(void) {
  put(run.request.data + SLOT_NUMBER, run.left);
  put(run.request.data + SLOT_SEQUENCE, ++run.sequence);
  request_area sent;
  send_request(peer.data, peer.size, run.request.data, run.request.size, 0, &sent);
  if (sent.failed) {
    counters.refused++;
    finish(SEND_REFUSED, sent.error);
    return;
  }
  counters.sent++;
  run.id = sent.id;
}

// start keeps a copy of the message as the request, below all parameters to come.
static area *start(bytes message) {
  if (message.size < HEADER) return fail(0, TEXT("a start has at least 24 bytes"));
  if (run.under_way) return fail(2, TEXT("a run is under way"));
  counters.handled++;
  if (message.size > run.capacity) {
    run.request.data = bump(8, message.size);
    run.capacity = message.size;
    base = top;
  }
  run.request.size = message.size;
  __builtin_memcpy(run.request.data, message.data, message.size);
  run.request.data[OP] = 'R';
  run.left = get(message.data + SLOT_NUMBER);
  run.under_way = 1;
  if (run.left) ask(); else finish(FINISHED, 0);
  return respond(message.data, 0);
}

EXPORT(LIFECYCLE "handle-message")
area *handle_message(uint8_t *sender, uint32_t sender_size, uint8_t *data, uint32_t size) {
  if (size && data[OP] == 'R') {
    counters.handled++;
    return respond(data, size);
  }
  if (size && data[OP] == 'S') return start((bytes){data, size});
  return common((bytes){data, size});
}

EXPORT(LIFECYCLE "handle-callback")
area *handle_callback(uint64_t id, uint32_t failed, uint8_t *data, uint32_t size) {
  if (!run.under_way || id != run.id) {
    counters.mismatches++;
  } else if (failed) {
    counters.callbacks_failed++;
    finish(CALLBACK_FAILED, 0);
  } else if (!equal((bytes){data, size}, run.request)) {
    counters.mismatches++;
    finish(MISMATCH, 0);
  } else {
    counters.callbacks++;
    if (--run.left) ask(); else finish(FINISHED, 0);
  }
  return respond(data, 0);
}
