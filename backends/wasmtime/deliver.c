//go:build (linux || darwin) && (amd64 || arm64)

#include "internal.h"

typedef struct {
  const uint8_t *at;
  uint32_t size;
} bytes;

uint8_t airhost_phase(airhost_guest *g) {
  return g->phase == AIRHOST_CLEANING && get_global(g, &g->allocating) != 0 ? AIRHOST_ALLOCATING : g->phase;
}

// Returns the size that the block must get for an argument, or 0 if it fits or is not
// needed.
static uint32_t resized(const airhost_block *b, uint32_t size) { return size == b->size && !b->stale ? 0 : size; }

// Makes the block the one at ptr that was allocated for an argument of this size. An empty
// argument takes no block.
static bool become(airhost_guest *g, airhost_block *b, uint32_t ptr, uint32_t size) {
  if (size == 0) {
    b->stale = true;
    return true;
  }
  *b = (airhost_block){ptr, size, false};
  return ptr != 0 && within(g, ptr, size);
}

// The same for the next call's argument: a large block is not allocated in advance.
static bool become_next(airhost_guest *g, airhost_block *b, uint32_t ptr, uint32_t size) {
  if (size <= AIRHOST_ADVANCE) return become(g, b, ptr, size);
  *b = (airhost_block){0};
  return true;
}

// Makes the block fit an argument.
static bool fit_block(airhost_guest *g, airhost_block *b, uint32_t size) {
  if (resized(b, size) == 0) return true;
  wasmtime_val_raw_t v[4] = {
      {.i32 = (int32_t)b->ptr}, {.i32 = (int32_t)b->size}, {.i32 = 1}, {.i32 = (int32_t)size}};
  g->phase = AIRHOST_ALLOCATING;
  if (airhost_call(g, &g->realloc, v, 4)) {
    g->phase = AIRHOST_IDLE;
    return become(g, b, (uint32_t)v[0].i32, size);
  }
  g->failed_in = AIRHOST_ALLOCATING;
  g->phase = AIRHOST_IDLE;
  return false;
}

// Moves arguments that are in the other guest of an exchange into the guest's own
// buffers, which it uses only after it has taken its arguments.
static void own_arguments(airhost_guest *g, bool callback, bytes *sender, bytes *payload) {
  uint8_t *to = callback ? g->small : g->sent_bytes;
  memcpy(to, payload->at, payload->size);
  payload->at = to;
  if (callback) return;
  memcpy(g->own_sender, sender->at, sender->size);
  sender->at = g->own_sender;
}

// Makes the blocks fit the arguments.
static bool fit(airhost_guest *g, bool first, bool callback, bytes *sender, bytes *payload) {
  if ((resized(&g->sender, sender->size) | resized(&g->payload, payload->size)) == 0) return true;
  if (!first) own_arguments(g, callback, sender, payload);
  return fit_block(g, &g->sender, sender->size) && fit_block(g, &g->payload, payload->size);
}

// Writes an argument into its block, and returns the address.
static int32_t put(airhost_guest *g, const airhost_block *b, bytes argument) {
  if (argument.size == 0) return 1; // as the contract has it for an empty list
  copy(g->base + b->ptr, argument.at, argument.size);
  return (int32_t)b->ptr;
}

// Runs one call of the guest: handle-message, or handle-callback with this id and tag.
// first says that the arguments are Go's. The guest asks Go whether it may go on at the
// epochs that begin during the call.
static int deliver(airhost_guest *g, bool callback, uint64_t id, uint32_t tag, bool first, bytes sender,
                   bytes payload) {
  wasmtime_val_raw_t v[4];
  uint32_t ticks = __atomic_load_n(&airhost_ticks_so_far, __ATOMIC_RELAXED);
  if (ticks != g->ticks) {
    g->ticks = ticks;
    look(g);
    wasmtime_context_set_epoch_deadline(g->context, 1);
  }
  g->small_size = -1;
  g->callback = callback;
  if (!fit(g, first, callback, &sender, &payload)) return AIRHOST_FAILED;
  if (callback) {
    v[0].i64 = (int64_t)id;
    v[1].i32 = (int32_t)tag;
  } else {
    v[0].i32 = put(g, &g->sender, sender);
    v[1].i32 = (int32_t)sender.size;
  }
  v[2].i32 = put(g, &g->payload, payload);
  v[3].i32 = (int32_t)payload.size;
  g->phase = AIRHOST_HANDLING;
  if (!airhost_call(g, callback ? &g->handle_callback : &g->handle_message, v, 4)) {
    bool late = get_global(g, &g->allocating) != 0;
    g->failed_in = late ? AIRHOST_ALLOCATING : g->phase;
    g->phase = AIRHOST_IDLE;
    return late ? AIRHOST_LATE : AIRHOST_FAILED;
  }
  g->phase = AIRHOST_IDLE;
  uint64_t next = (uint64_t)v[0].i64;
  bool valid = become_next(g, &g->payload, (uint32_t)(next >> 32), payload.size);
  valid = become_next(g, &g->sender, (uint32_t)next, sender.size) && valid;
  return valid ? 0 : AIRHOST_LATE;
}

// A result area has 16 bytes, aligned to 4: @0 0 for ok; for handle-message also @4 ptr,
// @8 len.
wasm_trap_t *airhost_take(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *values, size_t n) {
  (void)caller, (void)n;
  airhost_guest *g = env;
  uint32_t area = (uint32_t)values[0].i32;
  g->phase = AIRHOST_CLEANING;
  if ((area & 3) == 0 && within(g, area, 16) && g->base[area] == 0) {
    if (g->callback) return NULL; // handle-callback has no response
    uint32_t ptr = load32(g->base + area + 4), size = load32(g->base + area + 8);
    if (within(g, ptr, size)) {
      if (!g->wanted) return NULL;
      if (size <= AIRHOST_SMALL && size <= g->limit) {
        copy(g->small, g->base + ptr, size);
        g->small_size = (int32_t)size;
        return NULL;
      }
    }
  }
  look(g);
  return airhostTake(g->handle, area) ? airhost_ended() : NULL;
}

// Returns the transfer from g, which ran the current call, to the other side o;
// AIRHOST_NONE ends the exchange.
static uint8_t next_transfer(const airhost_exchange *x, const airhost_guest *g, const airhost_guest *o) {
  if (x->kind != AIRHOST_REQUEST) return g->credit.peer ? g->sent.kind : AIRHOST_NONE;
  if (g->sent.kind != AIRHOST_NONE) return AIRHOST_NONE; // the host sends it, and then the response
  return g->small_size >= 0 && (uint32_t)g->small_size <= o->limit ? AIRHOST_RESPONSE : AIRHOST_NONE;
}

// Runs calls of the two sides in turn, after the first call.
static int take_turns(airhost_exchange *x, airhost_guest *sides[2], uint32_t most, uint32_t *progress) {
  uint32_t requests[2] = {0, 0}; // sent by each side
  uint64_t id = 0;               // of the last request
  int result = 0;
  for (uint32_t calls = 1; calls <= most && result == 0 && !x->reconciled; calls++) {
    airhost_guest *g = sides[x->side], *o = sides[1 - x->side];
    uint8_t kind = next_transfer(x, g, o);
    if (kind == AIRHOST_NONE) break;
    if (kind == AIRHOST_REQUEST) {
      id = g->credit.request;
      g->credit.request = g->credit.later[requests[x->side]++];
    }
    if (x->kind != AIRHOST_NONE) x->ended[x->side][x->kind]++;
    x->side = 1 - x->side;
    x->kind = kind;
    __atomic_store_n(progress, calls << 1 | x->side, __ATOMIC_RELEASE);
    g->sent.kind = AIRHOST_NONE;
    o->wanted = kind == AIRHOST_REQUEST;
    result = kind == AIRHOST_RESPONSE
                 ? deliver(o, true, id, 0, false, (bytes){0}, (bytes){g->small, (uint32_t)g->small_size})
                 : deliver(o, false, 0, 0, false, (bytes){g->self, g->self_size}, (bytes){g->sent_bytes, g->sent.size});
  }
  return result;
}

int airhost_handle(uintptr_t guest, uint8_t kind, uint64_t id, const uint8_t *first, uint32_t first_size,
                   const uint8_t *second, uint32_t second_size, uintptr_t peer, uint32_t most, uint32_t *progress) {
  airhost_guest *sides[2] = {(airhost_guest *)guest, (airhost_guest *)peer};
  airhost_exchange x = {0};
  if (peer != 0) sides[0]->exchange = sides[1]->exchange = &x;
  int result = deliver(sides[0], kind != AIRHOST_MESSAGE, id, kind == AIRHOST_FAILURE, true, (bytes){first, first_size},
                       (bytes){second, second_size});
  if (peer == 0) return result;
  if (result == 0) result = take_turns(&x, sides, most, progress);
  if (!x.reconciled) {
    sides[1 - x.side]->exchange = NULL;
    sides[x.side]->last = x;
    sides[x.side]->exchange = &sides[x.side]->last;
  }
  return result | (x.side == 1 ? AIRHOST_PEER : 0);
}
