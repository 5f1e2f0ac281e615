// A live guest in C: what a message needs on its way, without going into Go.
//
// Invariants, which guest.c relies on:
//   - A guest is used by one thread at a time, and lives as long as its store.
//   - Its host functions run only within airhost_run, airhost_message,
//     airhost_callback, airhost_relay and airhost_instantiate.
//   - Pointers to Go's memory (first, second) are only held within
//     airhost_message, airhost_callback and airhost_relay.
//   - In a relay one guest runs at a time, never within the other's call. When Go
//     is called it settles the relay: from then on the guest that does not run may
//     be another thread's, or freed. What both know of the relay is on the stack,
//     and the arguments of the call in progress are kept by its own guest.
//   - base stays where it is: the configuration has memory never move. size is
//     what memory had at least when it was last looked at, since it never
//     shrinks; whoever finds it too small, and whoever calls Go, looks again.
//   - What is in granted holds for one call: Go fills it in before.
//   - While it is instantiated none of its code runs: its start function is an
//     export. Whatever it does wrong later is left to Go, which looks at it
//     again, and says what is wrong.
#ifndef AIRHOST_GUEST_H
#define AIRHOST_GUEST_H

#include "capi.h"

// What a guest is doing; sandbox.Phase.
enum { AIRHOST_IDLE, AIRHOST_STARTING, AIRHOST_HANDLING, AIRHOST_ALLOCATING, AIRHOST_CLEANING };

// The longest response and the longest message that are handed over in buffers
// of C's, in bytes.
#define AIRHOST_SMALL 2048

// Room for an id of a component, in bytes: two parts of core.MaxIDPart and a slash.
#define AIRHOST_ID 128

// What the guest has sent, and was answered by what was granted.
enum { AIRHOST_NOTHING, AIRHOST_SENT_MESSAGE, AIRHOST_SENT_REQUEST };

typedef struct airhost_guest airhost_guest;

// What a call in a relay is for; core.RelayKind.
enum { AIRHOST_FIRST, AIRHOST_MESSAGE, AIRHOST_REQUEST, AIRHOST_CALLBACK, AIRHOST_KINDS };

// How far a relay has come: the last call's side and kind, and how many calls of
// each side and kind have ended between the first and the last. Once it is settled
// only the guest of the last call is the caller's.
typedef struct {
  uint8_t side, kind;
  bool settled;
  uint32_t ended[2][AIRHOST_KINDS];
} airhost_turns;

// How a relay has ended, added up.
enum { AIRHOST_FAILED = 1, AIRHOST_SETTLED = 2 };

// One function that a guest imports.
typedef struct {
  airhost_guest *guest;
  int32_t index; // in the component's list
} airhost_import;

struct airhost_guest {
  wasmtime_context_t *context;
  uintptr_t handle; // by which Go knows it
  wasmtime_instance_t instance;
  wasmtime_memory_t memory;
  wasmtime_func_t message, callback; // of the shim
  wasmtime_global_t fuel;            // the meter's counter
  wasmtime_global_t refused;         // pages of the last memory.grow, if it was refused
  bool grows;                        // there is such a global
  uint8_t phase, failed_in;          // failed_in: of the last call that has failed

  // Arguments of the call in progress, until fill has copied them.
  const uint8_t *first, *second;
  uint32_t first_size, second_size;
  // Where its response goes: nowhere, or to small if it fits there.
  bool wanted;
  uint32_t limit;      // the largest response that is taken, in bytes
  int32_t small_size;  // -1: there is none in small

  uint8_t *base; // of its memory
  size_t size;

  // What its host would answer.
  struct {
    uint8_t target[AIRHOST_ID];
    uint32_t target_size;
    uint32_t largest; // message, in bytes
    bool message;     // one may be sent
    uint64_t request; // the id under which one may be sent, or 0
    bool other;       // target is the other side of the relay
  } granted;
  bool clock; // current-time is the system's
  uint32_t self_size;
  uint8_t self[AIRHOST_ID]; // its own id
  wasmtime_func_t realloc;

  // What it has sent by that.
  struct {
    uint8_t what;
    uint32_t size;
    uint64_t timeout;
  } sent;

  airhost_turns *turns; // of the relay in progress, unless it is settled
  airhost_turns last;   // of the last one, if it ended without being settled

  wasm_trap_t *trap; // how the last call ended, or NULL
  wasmtime_error_t *error;

  airhost_import *imports;

  uint8_t small[AIRHOST_SMALL];      // the response
  uint8_t sent_bytes[AIRHOST_SMALL]; // what was sent
  uint8_t sender[AIRHOST_ID];        // of a message whose sender was given up
};

// The functions that are answered in C, in the usual case; all others go to Go.
enum { AIRHOST_GO, AIRHOST_SEND_MESSAGE, AIRHOST_SEND_REQUEST, AIRHOST_SELF_ID, AIRHOST_CURRENT_TIME };

wasm_functype_t *airhost_functype(const uint8_t *kinds, size_t params, size_t results);

airhost_guest *airhost_new(wasmtime_store_t *store, wasmtime_context_t *context, uintptr_t handle, size_t imports);
void airhost_free(airhost_guest *g);

// All of these return 0, or 1 where trap or error says why not.
int airhost_instantiate(airhost_guest *g, const wasmtime_module_t *module, wasm_functype_t *const *types,
                        const uint8_t *kinds, size_t n);
int airhost_shim(airhost_guest *g, const wasmtime_module_t *module, wasm_functype_t *fill, wasm_functype_t *take,
                 const char *const *names, const size_t *sizes, size_t n);
int airhost_run(airhost_guest *g, const wasmtime_func_t *f, uint8_t phase, wasmtime_val_raw_t *values, size_t n);
// These two take the guest as a number: cgo looks closely at pointers to what
// holds pointers.
int airhost_message(uintptr_t guest, const uint8_t *sender, uint32_t sender_size,
                    const uint8_t *message, uint32_t message_size);
int airhost_callback(uintptr_t guest, uint64_t id, uint32_t tag, const uint8_t *outcome, uint32_t size);

// Runs a guest as airhost_message or airhost_callback do, and then has the other and
// it handle in turns what they send by what was granted, in at most so many calls
// more. The ids are those of granted.request and what follows.
int airhost_relay(uintptr_t guest, uintptr_t other, bool callback, uint64_t id,
                  const uint8_t *first, uint32_t first_size, const uint8_t *second, uint32_t second_size, uint32_t most,
                  const uint64_t *ids, uint32_t n, const uint64_t *other_ids, uint32_t other_n, uint32_t *progress);

// Has a guest keep the arguments of its call in progress that are in the memory of
// the other guest of its relay, if it has not got them yet. What it keeps them in is
// free until then.
void airhost_keep_arguments(airhost_guest *g, bool callback);

bool airhost_find(airhost_guest *g, const char *name, size_t size, wasmtime_func_t *f);
bool airhost_find_global(airhost_guest *g, const char *name, size_t size, wasmtime_global_t *global);
void airhost_set_fuel(airhost_guest *g, int64_t fuel);
uint32_t airhost_refused(airhost_guest *g);

// A thread that advances an engine's epoch every millisecond, so that all guests
// that run ask Go whether they may go on. A second after the engine was used last
// it rests. It is C's: Go's timers wait for a processor of Go's, up to 10 ms where
// guests keep all of them busy.
//
// Who uses the engine sets used and then, if resting is set, wakes it. Both are
// accessed atomically.
typedef struct {
  uint32_t used, resting;
} airhost_ticks;
typedef struct airhost_ticker airhost_ticker;

// Returns NULL without a thread or memory for it. It keeps engine and ticks, and
// must be freed before them.
airhost_ticker *airhost_ticker_new(wasm_engine_t *engine, airhost_ticks *ticks);
void airhost_ticker_wake(airhost_ticker *t);
void airhost_ticker_free(airhost_ticker *t);

#endif
