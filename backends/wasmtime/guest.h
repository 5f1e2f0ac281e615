// A live guest in C: everything that a call needs, so that most calls never enter Go.
//
// Invariants, which the files of C rely on:
//   - One thread at a time uses a guest. A guest lives as long as its store.
//   - A guest's host functions run only within airhost_instantiate, airhost_run and
//     airhost_handle.
//   - Only airhost_handle has pointers to Go's memory, while it runs.
//   - In an exchange one of two guests runs at a time, never within the other's call.
//     Before Go does anything for the running guest, it reconciles: from then on the
//     other guest may belong to another thread, or be freed. The state that both
//     guests share is therefore on the stack of airhost_handle, and nothing of the other
//     guest is read after code of this one has run.
//   - base and size are those of the guest's memory. Of a close memory (close), memory.c
//     changes both when the guest's code lets it grow: they are always up to date. Of
//     another one base never changes, since the engine's configuration forbids that it
//     moves, and size is the size that was last seen: a check that fails by size reads it again,
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

// The largest block that a guest allocates in advance, in bytes; abi.MaxAdvance.
#define AIRHOST_ADVANCE (64 << 10)

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

// The stack in bytes that another guest and the host take at most on a thread: a guest's
// maxStack, and as much for the rest.
#define AIRHOST_ROOM (2 << 20)

typedef struct airhost_guest airhost_guest;

// An exchange: the current call's side and transfer, and the calls that ended
// between the first and the current one, by side and transfer.
typedef struct {
  uint8_t side, kind;
  bool reconciled; // the exchange is over, and only the guest of side is the caller's
  uint32_t ended[2][AIRHOST_TRANSFERS];
} airhost_exchange;

// Bit flags of the result of airhost_handle, about the last call.
enum {
  AIRHOST_FAILED = 1, // it failed: by trap or error, or else by a bad address for its arguments
  AIRHOST_LATE = 2,   // it ended, and then the guest failed to allocate for the next call
  AIRHOST_PEER = 4    // it was one of the peer
};

// One function that a guest imports.
typedef struct {
  airhost_guest *guest;
  int32_t index; // in the component's list
} airhost_import;

// A block that the guest has allocated for an argument of its next call. The size is 0 if
// there is none. The block is stale if the last call did not take it: a guest may have
// freed it all the same, if it frees everything in its post-returns.
typedef struct {
  uint32_t ptr, size;
  bool stale;
} airhost_block;

struct airhost_guest {
  // The first lines are those that each call touches.
  wasmtime_context_t *context;
  wasmtime_func_t handle_message, handle_callback; // of the shim
  uint8_t *base;                                   // of memory
  size_t size;                                     // of memory, in bytes; see set_size
  airhost_block sender, payload;                   // for the next call

  bool close;               // memory is close to that of other guests: see memory.c
  bool wanted;              // the caller wants the response of the current call
  bool callback;            // the current call is handle-callback
  uint8_t phase, failed_in; // failed_in: the phase of the last call that failed
  uint32_t limit;           // the largest size of a response, in bytes
  int32_t small_size;       // the response's size in small; -1: it is not there
  uint32_t ticks;           // airhost_ticks_so_far when the next epoch was set

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

  // The message or request that the guest may send in the current call without a call
  // of Go; core.Credit.
  struct {
    uint32_t target_size;
    uint32_t max_size;   // of a message or request, in bytes
    bool messages;       // it may send a message
    bool peer;           // in an exchange: the target is the other side
    uint64_t request;    // the id of its next request; 0: it may not send one
    uint8_t target[AIRHOST_ID];
    uint64_t later[AIRHOST_REQUESTS]; // in an exchange: the ids after it, with a 0 at the end
  } credit;
  uint32_t self_size;
  uint8_t self[AIRHOST_ID]; // the guest's own id

  uintptr_t handle;     // Go's number of the instance
  bool clock;           // current-time is the system's clock
  int32_t result_size;  // the size of the result of call in small; -1: it is not there
  bool low;             // at the last call of call: the thread's stack has no room for another guest
  bool grows;           // the guest has the global refused
  wasm_trap_t *trap;    // how the last call ended, or NULL
  wasmtime_error_t *error;

  // Of a close memory.
  size_t most;   // its largest size, in bytes
  size_t mapped; // the size of its mapping, or 0 if it is in a slot

  wasmtime_instance_t instance;
  wasmtime_memory_t memory;
  wasmtime_func_t realloc;
  wasmtime_global_t fuel;    // the meter's counter
  wasmtime_global_t refused; // pages of the last memory.grow, if it was refused
  wasmtime_global_t allocating; // of the shim
  airhost_import *imports;

  uint8_t small[AIRHOST_SMALL];      // the response; before, the result of call
  uint8_t sent_bytes[AIRHOST_SMALL]; // the payload of sent
  uint8_t own_sender[AIRHOST_ID];    // see own_arguments
};

// The functions of the host that C answers in the usual case; Go answers all others. Of
// AIRHOST_CALL, C looks after the stack before Go calls the function, and takes the result
// over after it.
enum { AIRHOST_GO, AIRHOST_SEND_MESSAGE, AIRHOST_SEND_REQUEST, AIRHOST_SELF_ID, AIRHOST_CURRENT_TIME, AIRHOST_CALL };

wasm_functype_t *airhost_functype(const uint8_t *kinds, size_t params, size_t results);

airhost_guest *airhost_new(wasmtime_store_t *store, wasmtime_context_t *context, uintptr_t handle, size_t imports);
void airhost_free(airhost_guest *g);

// These three return 0, or 1 after a failure: then trap or error is set.
int airhost_instantiate(airhost_guest *g, const wasmtime_module_t *module, wasm_functype_t *const *types,
                        const uint8_t *kinds, size_t n);
int airhost_shim(airhost_guest *g, const wasmtime_module_t *module, wasm_functype_t *take, const char *const *names,
                 const size_t *sizes, size_t n);
int airhost_run(airhost_guest *g, const wasmtime_func_t *f, uint8_t phase, wasmtime_val_raw_t *values, size_t n);

// Returns the result of cabi_realloc(0, 0, align, size), or -1 after a failure.
int64_t airhost_allocate(uintptr_t guest, uint32_t align, uint32_t size);

// Runs handle-message for AIRHOST_MESSAGE, with the sender in first and the message in
// second; or handle-callback for AIRHOST_RESPONSE and AIRHOST_FAILURE, with the request's
// id, and the response or failure in second.
//
// With a peer it runs an exchange: it delivers the messages, requests and responses of
// each guest to the other, in at most `most` calls after the first, and keeps
// core.Ledger.Progress up to date in progress. If Go has not reconciled the exchange by
// its end, the guest of the last call keeps it. Without a peer the guest can send once
// by its credit.
//
// Guests are numbers here since cgo checks pointers to memory that holds pointers at
// each call.
int airhost_handle(uintptr_t guest, uint8_t kind, uint64_t id, const uint8_t *first, uint32_t first_size,
                   const uint8_t *second, uint32_t second_size, uintptr_t peer, uint32_t most, uint32_t *progress);

// Other threads than the one that uses the guest may read the size.
static inline void set_size(airhost_guest *g, size_t size) { __atomic_store_n(&g->size, size, __ATOMIC_RELAXED); }

// Reads the size of the guest's memory, which may have grown in its last call.
void airhost_look(airhost_guest *g);

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
