// A live guest in C: everything that a call needs, so that most calls never enter Go.
//
// Invariants, which guest.c relies on:
//   - One thread at a time uses a guest. A guest lives as long as its store.
//   - A guest's host functions run only within airhost_instantiate, airhost_run and
//     airhost_handle.
//   - Only airhost_handle holds pointers to Go's memory (first, second, progress).
//   - In an exchange one of two guests runs at a time, never within the other's call.
//     Before Go does anything for the running guest, it reconciles: from then on the
//     other guest may belong to another thread, or be freed. The state that both
//     guests share is therefore on the stack of airhost_handle, and Go first moves
//     the arguments of the current call into the running guest's own buffers.
//   - base and size are those of the guest's memory. Of a close memory (close), memory.c
//     changes both when the guest's code lets it grow: they are always up to date. Of
//     another one base never changes, since the engine's configuration forbids that it
//     moves, and size is what was last seen: a check that fails by size reads it again,
//     and so does every call of Go. No memory shrinks.
//   - A credit is valid for one call: Go fills it in before the call and empties it
//     afterwards.
//   - No guest code runs during instantiation, since the start function is an export.
//   - C only does what is valid. It passes everything else to Go, which checks it
//     again and makes the error.
#ifndef AIRHOST_GUEST_H
#define AIRHOST_GUEST_H

#include "capi.h"

// The phases of a guest; sandbox.Phase.
enum { AIRHOST_IDLE, AIRHOST_STARTING, AIRHOST_HANDLING, AIRHOST_ALLOCATING, AIRHOST_CLEANING };

// The size of a guest's buffers: C itself hands over responses and messages up to
// this size, in bytes.
#define AIRHOST_SMALL 2048

// The longest id of a component in bytes: two parts of core.MaxIDPart and a slash.
#define AIRHOST_ID 128

// How many requests one side of an exchange can send.
#define AIRHOST_REQUESTS 16

// The kinds of transfers between two guests; core.TransferKind. AIRHOST_FAILURE is the
// other outcome of a request, which only the host delivers.
enum {
  AIRHOST_NONE,
  AIRHOST_MESSAGE,
  AIRHOST_REQUEST,
  AIRHOST_RESPONSE,
  AIRHOST_TRANSFERS,
  AIRHOST_FAILURE = AIRHOST_TRANSFERS
};

typedef struct airhost_guest airhost_guest;

// An exchange: the current call's side and transfer, and the calls that ended
// between the first and the current one, by side and transfer.
typedef struct {
  uint8_t side, kind;
  bool reconciled; // the exchange is over, and only the guest of side is the caller's
  uint32_t ended[2][AIRHOST_TRANSFERS];
} airhost_exchange;

// Bit flags of the result of airhost_handle: the last call failed; the last call was
// one of the peer.
enum { AIRHOST_FAILED = 1, AIRHOST_PEER = 2 };

// One function that a guest imports.
typedef struct {
  airhost_guest *guest;
  int32_t index; // in the component's list
} airhost_import;

struct airhost_guest {
  wasmtime_context_t *context;
  uintptr_t handle; // Go's number of the instance
  wasmtime_instance_t instance;
  wasmtime_memory_t memory;
  wasmtime_func_t message, callback; // of the shim
  wasmtime_global_t fuel;            // the meter's counter
  wasmtime_global_t refused;         // pages of the last memory.grow, if it was refused
  bool grows;                        // the guest has the global refused
  uint8_t phase, failed_in;          // failed_in: the phase of the last call that failed

  // Arguments of the current call, until fill has copied them.
  const uint8_t *first, *second;
  uint32_t first_size, second_size;
  // The response of the current call.
  bool wanted;         // the caller wants it
  uint32_t limit;      // its largest size, in bytes
  int32_t small_size;  // its size in small; -1: it is not there

  uint8_t *base; // of memory
  size_t size;   // of memory, in bytes
  bool close;    // memory is close to that of other guests: see memory.c

  // The message or request that the guest may send in the current call without a call
  // of Go; core.Credit.
  struct {
    uint8_t target[AIRHOST_ID];
    uint32_t target_size;
    uint32_t max_size; // of a message or request, in bytes
    bool messages;     // it may send a message
    bool peer;         // in an exchange: the target is the other side
    uint64_t request;  // the id of its next request; 0: it may not send one
    uint64_t later[AIRHOST_REQUESTS]; // in an exchange: the ids after it, with a 0 at the end
  } credit;
  bool clock; // current-time is the system's clock
  uint32_t self_size;
  uint8_t self[AIRHOST_ID]; // the guest's own id
  wasmtime_func_t realloc;

  // The message or request that the guest has sent by its credit, and that nobody has
  // handled yet. The payload is in sent_bytes.
  struct {
    uint8_t kind;
    uint32_t size;
    uint64_t timeout;
  } sent;

  // The exchange in progress, or last after its end, until Go has reconciled it; else
  // NULL.
  airhost_exchange *exchange, last;

  // Of a close memory.
  size_t most;   // its largest size, in bytes
  size_t mapped; // the size of its mapping, or 0 if it is in a slot

  wasm_trap_t *trap; // how the last call ended, or NULL
  wasmtime_error_t *error;

  airhost_import *imports;

  uint8_t small[AIRHOST_SMALL];      // the response
  uint8_t sent_bytes[AIRHOST_SMALL]; // the payload of sent
  uint8_t sender[AIRHOST_ID];        // see airhost_keep_arguments
};

// The functions of the host that C answers in the usual case; Go answers all others.
enum { AIRHOST_GO, AIRHOST_SEND_MESSAGE, AIRHOST_SEND_REQUEST, AIRHOST_SELF_ID, AIRHOST_CURRENT_TIME };

wasm_functype_t *airhost_functype(const uint8_t *kinds, size_t params, size_t results);

airhost_guest *airhost_new(wasmtime_store_t *store, wasmtime_context_t *context, uintptr_t handle, size_t imports);
void airhost_free(airhost_guest *g);

// These three return 0, or 1 after a failure: then trap or error is set.
int airhost_instantiate(airhost_guest *g, const wasmtime_module_t *module, wasm_functype_t *const *types,
                        const uint8_t *kinds, size_t n);
int airhost_shim(airhost_guest *g, const wasmtime_module_t *module, wasm_functype_t *fill, wasm_functype_t *take,
                 const char *const *names, const size_t *sizes, size_t n);
int airhost_run(airhost_guest *g, const wasmtime_func_t *f, uint8_t phase, wasmtime_val_raw_t *values, size_t n);

// Runs handle-message for AIRHOST_MESSAGE, with the sender in first and the message in
// second; or handle-callback for AIRHOST_RESPONSE and AIRHOST_FAILURE, with the request's
// id and the response or failure in first.
//
// With a peer it runs an exchange: it delivers the messages, requests and responses of
// each guest to the other, in at most `most` calls after the first, and keeps
// core.Ledger.Progress up to date in progress. If Go has not reconciled the exchange by
// its end, the guest of the last call keeps it. Without a peer the guest can send once
// by its credit.
//
// Guests are numbers since cgo checks pointers to memory that holds pointers at
// each call.
int airhost_handle(uintptr_t guest, uint8_t kind, uint64_t id, const uint8_t *first, uint32_t first_size,
                   const uint8_t *second, uint32_t second_size, uintptr_t peer, uint32_t most, uint32_t *progress);

// Moves the arguments of a guest's current call out of the other guest of an exchange,
// into buffers that the guest uses only after it has read its arguments.
void airhost_keep_arguments(airhost_guest *g, uint8_t kind);

bool airhost_find(airhost_guest *g, const char *name, size_t size, wasmtime_func_t *f);
bool airhost_find_global(airhost_guest *g, const char *name, size_t size, wasmtime_global_t *global);
void airhost_set_fuel(airhost_guest *g, int64_t fuel);
uint32_t airhost_refused(airhost_guest *g);

// Makes the memories of an engine's guests close: small memories lie side by side, on huge
// pages, and move when they grow. The guests start with a page at most.
void airhost_close_memories(wasm_config_t *config);
// Tells memory.c the guest that this thread makes an instance for.
void airhost_close_memory_for(airhost_guest *g);

// A thread that advances the epochs of two engines every millisecond: then each running guest
// asks Go whether it may go on. A second after the last use of the engines the thread
// rests. It is a thread of C since Go's timers wait for one of Go's processors, up to
// 10 ms if guests keep all of them busy.
//
// Each use of the engines sets used and then, if resting is set, wakes the thread. Both
// are accessed atomically.
typedef struct {
  uint32_t used, resting;
} airhost_ticks;
typedef struct airhost_ticker airhost_ticker;

// Returns NULL if the system has no thread or memory for it. The ticker keeps engines and
// ticks, and must be freed before them.
airhost_ticker *airhost_ticker_new(wasm_engine_t *engine, wasm_engine_t *other, airhost_ticks *ticks);
void airhost_ticker_wake(airhost_ticker *t);
void airhost_ticker_free(airhost_ticker *t);

#endif
