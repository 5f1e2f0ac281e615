// Request-response: sends requests, and answers them. See ../guests.go for the
// protocol.
#include "guest.h"

enum { MAX_RUNS = 256, SLOT_PLACE = 2 };

// A run: a number of requests, one after the other. Its place among the runs is in
// each of them.
typedef struct {
  uint64_t left, sequence;  // of the pending request; with 0 left the place is free
  uint64_t id;
} run;

static run runs[MAX_RUNS];
static uint32_t last;       // the place that a run was given last
static run *asked;          // the run of the data in request, or 0
static bytes request;
static uint32_t capacity;   // of request.data

// stamp makes request the run's pending request.
static void stamp(run *at) {
  uint16_t place = at - runs;
  asked = at;
  __builtin_memcpy(request.data + SLOT_PLACE, &place, 2);
  put(request.data + SLOT_NUMBER, at->left);
  put(request.data + SLOT_SEQUENCE, at->sequence);
}

static void finish(run *at, uint8_t status, uint8_t error) {
  tell_done(status, error, at->left, at->sequence);
  at->left = 0;
  asked = 0;
}

static void ask(run *at) {
  at->sequence++;
  stamp(at);
  request_area sent;
  send_request(peer.data, peer.size, request.data, request.size, 0, &sent);
  if (sent.failed) {
    counters.refused++;
    finish(at, SEND_REFUSED, sent.error);
    return;
  }
  counters.sent++;
  at->id = sent.id;
}

static run *find_free(void) {
  for (uint32_t i = 0; i < MAX_RUNS; i++) {
    last = (last + 1) % MAX_RUNS;
    if (!runs[last].left) return &runs[last];
  }
  return 0;
}

// find_pending returns the run of the request with this id, or 0. The response names
// the place to look at first.
static run *find_pending(uint64_t id, bytes response) {
  uint16_t place = MAX_RUNS;
  if (response.size >= HEADER) __builtin_memcpy(&place, response.data + SLOT_PLACE, 2);
  if (place < MAX_RUNS && runs[place].left && runs[place].id == id) return &runs[place];
  for (run *at = runs; at < runs + MAX_RUNS; at++)
    if (at->left && at->id == id) return at;
  return 0;
}

// start keeps a copy of the message as the request, below all parameters to come.
static area *start(bytes message) {
  if (message.size < HEADER) return fail(0, TEXT("a start has at least 24 bytes"));
  run *at = find_free();
  if (!at) return fail(2, TEXT("too many runs are under way"));
  counters.handled++;
  if (message.size > capacity) {
    request.data = bump(8, message.size);
    capacity = message.size;
    base = top;
  }
  request.size = message.size;
  __builtin_memcpy(request.data, message.data, message.size);
  request.data[OP] = 'R';
  at->left = get(message.data + SLOT_NUMBER);
  at->sequence = get(message.data + SLOT_SEQUENCE);
  if (at->left) ask(at); else finish(at, FINISHED, 0);
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
  bytes response = {data, failed ? 0 : size};
  run *at = asked; // with one run it is always this one
  if (!at || at->id != id) at = find_pending(id, response);
  if (!at) {
    counters.mismatches++;
    return respond(data, 0);
  }
  if (failed) {
    counters.callbacks_failed++;
    finish(at, CALLBACK_FAILED, 0);
    return respond(data, 0);
  }
  if (at != asked) stamp(at);
  if (!equal(response, request)) {
    counters.mismatches++;
    finish(at, MISMATCH, 0);
    return respond(data, 0);
  }
  counters.callbacks++;
  if (--at->left) ask(at); else finish(at, FINISHED, 0);
  return respond(data, 0);
}
