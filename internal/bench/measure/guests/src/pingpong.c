// Fire-and-forget: keeps a ball in the air. See ../guests.go for the protocol.
#include "guest.h"

EXPORT(LIFECYCLE "handle-message")
area *handle_message(uint8_t *sender, uint32_t sender_size, uint8_t *data, uint32_t size) {
  if (!size || data[OP] != 'B') return common((bytes){data, size});
  if (size < HEADER) return fail(0, TEXT("a ball has at least 24 bytes"));
  counters.handled++;
  uint64_t left = get(data + SLOT_NUMBER), sequence = get(data + SLOT_SEQUENCE);
  if (left == 0) {
    tell_done(FINISHED, 0, 0, sequence);
    return respond(data, 0);
  }
  put(data + SLOT_NUMBER, left - 1);
  put(data + SLOT_SEQUENCE, sequence + 1);
  area sent;
  send_message(peer.data, peer.size, data, size, &sent);
  if (sent.failed) {
    counters.refused++;
    tell_done(SEND_REFUSED, sent.a, left, sequence);
  } else {
    counters.sent++;
  }
  return respond(data, 0);
}
