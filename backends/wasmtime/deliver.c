//go:build (linux || darwin) && (amd64 || arm64)

#include "internal.h"

// The operations of the entry, their flags, and what it takes and returns: see abi.Op,
// abi.Status and the constants there. entry.go checks that they are the same.
enum { STATUS_KINDS = 7, STATUS_SIZE = 8 /* bits */ };
enum { OP, SENDER, SENDER_SIZE, PAYLOAD, PAYLOAD_SIZE, ID, REQUEST };
enum { BUFFERS, STATUS, TIMEOUT, WORDS, SLOTS = WORDS + AIRHOST_WORDS };

typedef struct {
  const uint8_t *at;
  uint32_t size;
} bytes;

uint8_t airhost_phase(airhost_guest *g) {
  return g->inside ? (uint8_t)get_global(g, &g->globals.phase) : g->phase;
}

void airhost_end_credit(airhost_guest *g) {
  if (g->given) set_global(g, &g->globals.credit, WASMTIME_I32, 0);
  g->given = false;
}

// Reads the results of a call that has not returned.
static void read_results(airhost_guest *g, wasmtime_val_raw_t *v) {
  v[STATUS].i64 = (int64_t)get_global(g, &g->globals.status);
  v[TIMEOUT].i64 = (int64_t)get_global(g, &g->globals.timeout);
  for (int i = 0; i < AIRHOST_WORDS; i++) v[WORDS + i].i64 = (int64_t)get_global(g, &g->globals.words[i]);
}

static void copy_words(uint8_t *to, const wasmtime_val_raw_t *v) {
  for (int i = 0; i < AIRHOST_WORDS; i++) memcpy(to + 8 * i, &v[WORDS + i].i64, 8);
}

// Notes what the guest has sent by its credit, or its response.
static void note_results(airhost_guest *g, const wasmtime_val_raw_t *v) {
  uint64_t status = (uint64_t)v[STATUS].i64;
  uint8_t kind = status & STATUS_KINDS;
  uint32_t size = (uint32_t)(status >> STATUS_SIZE);
  if (kind == AIRHOST_RESPONSE) {
    copy_words(g->small, v);
    g->small_size = (int32_t)size;
  } else if (kind != AIRHOST_NONE && g->given) {
    copy_words(g->sent_bytes, v);
    g->sent.kind = kind;
    g->sent.size = size;
    g->sent.timeout = kind == AIRHOST_REQUEST ? (uint64_t)v[TIMEOUT].i64 : 0;
  }
}

void airhost_note_sent(airhost_guest *g) {
  wasmtime_val_raw_t v[SLOTS];
  if (!g->given) return;
  uint8_t kind = get_global(g, &g->globals.status) & STATUS_KINDS;
  if (kind != AIRHOST_MESSAGE && kind != AIRHOST_REQUEST) return;
  read_results(g, v);
  note_results(g, v);
  g->given = false;
  set_global(g, &g->globals.status, WASMTIME_I64, 0);
}

// Runs an operation of the entry.
static bool enter(airhost_guest *g, wasmtime_val_raw_t *v, uint32_t op) {
  wasm_trap_t *trap = NULL;
  v[OP].i32 = (int32_t)op;
  g->inside = true;
  wasmtime_error_t *error = wasmtime_func_call_unchecked(g->context, &g->entry, v, SLOTS, &trap);
  if (error == NULL && trap == NULL) {
    g->inside = false;
    return true;
  }
  g->failed_in = airhost_phase(g);
  g->late = g->inside && g->failed_in == AIRHOST_ALLOCATING;
  g->inside = false;
  g->error = error;
  g->trap = trap;
  return false;
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

static bool keep_blocks(airhost_guest *g, uint64_t pointers, uint32_t sender_size, uint32_t payload_size) {
  bool valid = become(g, &g->sender, (uint32_t)pointers, sender_size);
  return become(g, &g->payload, (uint32_t)(pointers >> 32), payload_size) && valid;
}

// The same after a call: larger blocks are not allocated in advance.
static bool keep_next(airhost_guest *g, uint64_t pointers, uint32_t sender_size, uint32_t payload_size) {
  if (sender_size <= AIRHOST_ADVANCE && payload_size <= AIRHOST_ADVANCE) {
    return keep_blocks(g, pointers, sender_size, payload_size);
  }
  bool valid = keep_blocks(g, pointers, sender_size <= AIRHOST_ADVANCE ? sender_size : 0,
                           payload_size <= AIRHOST_ADVANCE ? payload_size : 0);
  if (sender_size > AIRHOST_ADVANCE) g->sender = (airhost_block){0};
  if (payload_size > AIRHOST_ADVANCE) g->payload = (airhost_block){0};
  return valid;
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
static bool fit(airhost_guest *g, wasmtime_val_raw_t *v, bool callback, bool first, bytes *sender, bytes *payload) {
  uint32_t new_sender = resized(&g->sender, sender->size), new_payload = resized(&g->payload, payload->size);
  if ((new_sender | new_payload) == 0) return true;
  if (!first) own_arguments(g, callback, sender, payload);
  v[SENDER].i32 = (int32_t)g->sender.ptr;
  v[SENDER_SIZE].i32 = (int32_t)g->sender.size;
  v[PAYLOAD].i32 = (int32_t)g->payload.ptr;
  v[PAYLOAD_SIZE].i32 = (int32_t)g->payload.size;
  v[ID].i64 = (int64_t)((uint64_t)new_payload << 32 | new_sender);
  return enter(g, v, AIRHOST_OP_RESIZE) && keep_blocks(g, (uint64_t)v[BUFFERS].i64, sender->size, payload->size);
}

// Writes an argument into its block, and returns the address.
static int32_t put(airhost_guest *g, const airhost_block *b, bytes argument) {
  if (argument.size == 0) return 1; // as the contract has it for an empty list
  memcpy(g->base + b->ptr, argument.at, argument.size);
  return (int32_t)b->ptr;
}

// Gives the guest's module its credit at the second call with it: a guest that sends to
// many others seldom sends to the same one twice. Before that, and after a large message,
// C answers by the credit. Returns the flags of the operation.
static uint32_t give_credit(airhost_guest *g, wasmtime_val_raw_t *v) {
  uint32_t flags = (g->credit.messages ? AIRHOST_OP_MESSAGES : 0) | (g->credit.request != 0 ? AIRHOST_OP_REQUESTS : 0);
  if (flags == 0 || g->credit.large) return 0;
  if (g->credit.uses < 2) {
    if (++g->credit.uses < 2) return 0;
    for (uint32_t i = 0; i < g->credit.words; i++) {
      uint32_t n = g->credit.target_size > 8 * i ? g->credit.target_size - 8 * i : 0;
      v[SENDER].i32 = (int32_t)i;
      v[SENDER_SIZE].i32 = (int32_t)g->credit.target_size;
      v[PAYLOAD].i32 = (int32_t)(g->credit.max_size < AIRHOST_WORD_BYTES ? g->credit.max_size : AIRHOST_WORD_BYTES);
      v[ID].i64 = (int64_t)load64(g->credit.target + 8 * i);
      v[REQUEST].i64 = n >= 8 ? -1 : (int64_t)(((uint64_t)1 << 8 * n) - 1);
      if (!enter(g, v, AIRHOST_OP_TARGET)) return 0;
    }
  }
  return flags;
}

// Ends a call whose result was taken.
static int finish(airhost_guest *g, wasmtime_val_raw_t *v, bool callback, uint32_t area, uint32_t sender_size,
                  uint32_t payload_size) {
  v[SENDER_SIZE].i32 = (int32_t)sender_size;
  v[PAYLOAD].i32 = (int32_t)area;
  v[PAYLOAD_SIZE].i32 = (int32_t)payload_size;
  if (!enter(g, v, callback ? AIRHOST_OP_FINISH_CALLBACK : AIRHOST_OP_FINISH_MESSAGE)) {
    return g->late ? AIRHOST_LATE : AIRHOST_FAILED;
  }
  return keep_next(g, (uint64_t)v[BUFFERS].i64, sender_size, payload_size) ? 0 : AIRHOST_LATE;
}

int airhost_finish(uintptr_t guest) {
  airhost_guest *g = (airhost_guest *)guest;
  wasmtime_val_raw_t v[SLOTS];
  return finish(g, v, g->callback, g->area, g->sender_size, g->payload_size);
}

// Reads a response that is too large for the words. A result area has 16 bytes, aligned to
// 4: @0 0 for ok, @4 ptr, @8 len.
static bool take(airhost_guest *g, uint32_t area) {
  if (!g->wanted || (area & 3) != 0 || !within(g, area, 16) || g->base[area] != 0) return false;
  uint32_t ptr = load32(g->base + area + 4), size = load32(g->base + area + 8);
  if (size > AIRHOST_SMALL || size > g->limit || !within(g, ptr, size)) return false;
  memcpy(g->small, g->base + ptr, size);
  g->small_size = (int32_t)size;
  return true;
}

// Runs one call of the guest: a message or request, or the outcome of a request. first
// says that the arguments are Go's. The guest asks Go whether it may go on at the epochs
// that begin during the call; to set the next one takes 5 ns, and is done once a tick.
static int deliver(airhost_guest *g, uint32_t op, uint64_t id, bool first, bytes sender, bytes payload) {
  wasmtime_val_raw_t v[SLOTS];
  bool callback = (op & AIRHOST_OP_CALLBACK) != 0;
  uint32_t ticks = __atomic_load_n(&airhost_ticks_so_far, __ATOMIC_RELAXED);
  if (ticks != g->ticks) {
    g->ticks = ticks;
    wasmtime_context_set_epoch_deadline(g->context, 1);
  }
  g->small_size = -1;
  if (!fit(g, v, callback, first, &sender, &payload)) return AIRHOST_FAILED;
  uint32_t flags = give_credit(g, v);
  g->given = flags != 0;
  v[SENDER].i32 = put(g, &g->sender, sender);
  v[SENDER_SIZE].i32 = (int32_t)sender.size;
  v[PAYLOAD].i32 = put(g, &g->payload, payload);
  v[PAYLOAD_SIZE].i32 = (int32_t)payload.size;
  v[ID].i64 = (int64_t)id;
  v[REQUEST].i64 = (int64_t)g->credit.request;
  bool ended = enter(g, v, op | flags | (g->wanted ? AIRHOST_OP_WANTED : 0));
  if (!ended && g->failed_in != AIRHOST_IDLE) read_results(g, v);
  if (ended || g->failed_in != AIRHOST_IDLE) note_results(g, v);
  g->given = false;
  if (!ended) return g->late ? AIRHOST_LATE : AIRHOST_FAILED;
  uint64_t buffers = (uint64_t)v[BUFFERS].i64;
  if ((v[STATUS].i64 & AIRHOST_TAKE_RESULT) == 0) {
    return keep_next(g, buffers, sender.size, payload.size) ? 0 : AIRHOST_LATE;
  }
  g->area = (uint32_t)buffers;
  if (take(g, g->area)) return finish(g, v, callback, g->area, sender.size, payload.size);
  g->callback = callback, g->sender_size = sender.size, g->payload_size = payload.size;
  look(g);
  return AIRHOST_TAKE;
}

// Returns the transfer from g, which ran the current call, to the other side o;
// AIRHOST_NONE ends the exchange.
static uint8_t next_transfer(const airhost_exchange *x, const airhost_guest *g, const airhost_guest *o) {
  if (x->kind != AIRHOST_REQUEST) return g->credit.peer ? g->sent.kind : AIRHOST_NONE;
  if (g->sent.kind != AIRHOST_NONE) return AIRHOST_NONE; // the host sends it, and then the response
  return g->small_size >= 0 && (uint32_t)g->small_size <= g->limit && (uint32_t)g->small_size <= o->limit
             ? AIRHOST_RESPONSE
             : AIRHOST_NONE;
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
    if (kind == AIRHOST_RESPONSE) {
      result = deliver(o, AIRHOST_OP_CALLBACK, id, false, (bytes){0}, (bytes){g->small, (uint32_t)g->small_size});
    } else {
      result = deliver(o, AIRHOST_OP_MESSAGE, 0, false, (bytes){g->self, g->self_size}, (bytes){g->sent_bytes, g->sent.size});
    }
  }
  return result;
}

int airhost_handle(uintptr_t guest, uint8_t kind, uint64_t id, const uint8_t *first, uint32_t first_size,
                   const uint8_t *second, uint32_t second_size, uintptr_t peer, uint32_t most, uint32_t *progress) {
  airhost_guest *sides[2] = {(airhost_guest *)guest, (airhost_guest *)peer};
  uint32_t op = kind == AIRHOST_MESSAGE    ? AIRHOST_OP_MESSAGE
                : kind == AIRHOST_RESPONSE ? AIRHOST_OP_CALLBACK
                                           : AIRHOST_OP_CALLBACK | AIRHOST_OP_FAILURE;
  bytes sender = {first, first_size}, payload = {second, second_size};
  if (peer == 0) return deliver(sides[0], op, id, true, sender, payload);
  airhost_exchange x = {0};
  sides[0]->exchange = sides[1]->exchange = &x;
  int result = deliver(sides[0], op, id, true, sender, payload);
  if (result == 0) result = take_turns(&x, sides, most, progress);
  if (!x.reconciled) {
    sides[1 - x.side]->exchange = NULL;
    sides[x.side]->last = x;
    sides[x.side]->exchange = &sides[x.side]->last;
  }
  return result | (x.side == 1 ? AIRHOST_PEER : 0);
}
