// The least that a crossing between host and guest can cost. See ../guests.go.
#include <stdint.h>

#define EXPORT(name) __attribute__((export_name(name)))

__attribute__((import_module("floor"), import_name("take"))) void host_take(const uint8_t *data, uint32_t size);

// Host to guest: takes a pointer to 64 bytes and gives back one to 64 bytes.
EXPORT("exchange") uint8_t *exchange(uint8_t *data) { return data; }

// The same, and guest to host within it: passes the 64 bytes, once.
EXPORT("relay") uint8_t *relay(uint8_t *data) {
  host_take(data, 64);
  return data;
}
