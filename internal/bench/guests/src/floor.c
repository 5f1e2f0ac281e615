// The least that a crossing between host and guest can cost. See ../guests.go.
#include <stdint.h>

#define EXPORT(name) __attribute__((export_name(name)))

__attribute__((import_module("floor"), import_name("take"))) void host_take(const uint8_t *data, uint32_t size);

static uint8_t payload[64] __attribute__((aligned(8)));

// Where the 64 bytes are.
EXPORT("payload") uint8_t *where(void) { return payload; }

// Host to guest: takes a pointer to 64 bytes and gives back one to 64 bytes.
EXPORT("exchange") uint8_t *exchange(uint8_t *data) { return data; }

// Guest to host: hands over 64 bytes, count times.
EXPORT("give") void give(uint32_t count) {
  while (count--) host_take(payload, sizeof payload);
}
