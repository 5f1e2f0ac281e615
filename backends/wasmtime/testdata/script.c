// A guest that does what its messages say, several things in one call. A message
// is a script: steps, each one letter and its numbers, and bytes that the steps
// name by where they are in the message. Numbers are little-endian u32, timeouts
// and ids u64. script_test.go writes them.
//
//   s target len message len area           send-message
//   r target len request len timeout area   send-request
//   R target len request len timeout area   the same, without its id in the response
//   c id                                    cancel-request
//   C n                                     cancel-request, of the request sent as n-th
//   l text len                              log, at level info
//   n                                       current-time
//   i                                       self-id
//   e text len                              echo
//   k                                       what handle-callback was told so far
//   d                                       health and shutdown run the rest, as a script of its own
//   f                                       fails: nothing after it is done
//   x                                       traps
//   o                                       never ends
//   .                                       the end
//
// The response is what the steps gave, one after the other: of s, r and c a byte
// 0, which for r the id follows, or 1 and the error's case; of the others the
// bytes. An area of 0 is the guest's own; of another one nothing is told. A
// response to a request that begins with '!' is run as a script, after it.
//
// clang-19 and lld-19, no C library.

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

#define HOST(name) __attribute__((import_module("airhost:core/host-services@0.1.0"), import_name(name)))
#define LIFECYCLE(name) __attribute__((export_name("airhost:core/component-lifecycle@0.1.0#" name)))
#define MANAGEMENT(name) __attribute__((export_name("airhost:core/component-management@0.1.0#" name)))
#define POST(name) __attribute__((export_name("cabi_post_airhost:core/component-lifecycle@0.1.0#" name)))

HOST("send-message") void send_message(const u8 *to, u32 to_len, const u8 *msg, u32 len, u32 area);
HOST("send-request") void send_request(const u8 *to, u32 to_len, const u8 *req, u32 len, u64 timeout, u32 area);
HOST("cancel-request") void cancel_request(u64 id, u32 area);
HOST("self-id") void self_id(u32 area);
HOST("log") void host_log(u32 level, const u8 *text, u32 len);
HOST("current-time") u64 current_time(void);

extern u8 __heap_base;
static u32 heap;

__attribute__((export_name("cabi_realloc"))) u8 *cabi_realloc(u8 *old, u32 old_size, u32 align, u32 size) {
  if (!heap) heap = (u32)&__heap_base;
  u32 at = (heap + align - 1) & -align;
  u32 have = __builtin_wasm_memory_size(0) << 16;
  if (at + size > have && __builtin_wasm_memory_grow(0, (at + size - have + 0xffff) >> 16) == (u32)-1) __builtin_trap();
  heap = at + size;
  return (u8 *)at;
}

static u64 own_area[3];
static u32 result[4];

static u64 ids[64]; // of requests, in the order sent
static u32 sent;

static u8 told[8192], later[4096], out[1 << 16];
static u32 told_len, later_len, out_len;

static void put(const void *from, u32 len) {
  if (out_len + len > sizeof out) __builtin_trap();
  __builtin_memcpy(out + out_len, from, len);
  out_len += len;
}

static void put_byte(u8 b) { put(&b, 1); }

static const u8 *next; // of the script

static u32 number(void) {
  u32 n;
  __builtin_memcpy(&n, next, 4);
  next += 4;
  return n;
}

static u64 wide(void) {
  u64 n;
  __builtin_memcpy(&n, next, 8);
  next += 8;
  return n;
}

// Tells what is in the guest's own area: whether it is an error, whose case is
// at the place given.
static void answer(u32 area, u32 where) {
  if (area) return;
  const u8 *own = (const u8 *)own_area;
  put_byte(own[0]);
  if (own[0]) put_byte(own[where]);
}

static u32 place(u32 area) { return area ? area : (u32)own_area; }

static void send(const u8 *base) {
  u32 to = number(), to_len = number(), message = number(), len = number(), area = number();
  send_message(base + to, to_len, base + message, len, place(area));
  answer(area, 4);
}

static void request(const u8 *base, u8 step) {
  u32 to = number(), to_len = number(), message = number(), len = number();
  u64 timeout = wide();
  u32 area = number();
  send_request(base + to, to_len, base + message, len, timeout, place(area));
  answer(area, 8);
  if (area || (u8)own_area[0]) return;
  if (step == 'r') put(&own_area[1], 8);
  if (sent < 64) ids[sent++] = own_area[1];
}

static void cancel(u64 id) {
  cancel_request(id, (u32)own_area);
  answer(0, 4);
}

// Runs a script; returns whether it says to fail.
static u32 run(const u8 *base, u32 len) {
  u32 at, size;
  for (next = base; next < base + len;) {
    u8 step = *next++;
    switch (step) {
    case 's': send(base); break;
    case 'r':
    case 'R': request(base, step); break;
    case 'c': cancel(wide()); break;
    case 'C': cancel(ids[number() % 64]); break;
    case 'l': at = number(), size = number(), host_log(2, base + at, size); break;
    case 'e': at = number(), size = number(), put(base + at, size); break;
    case 'k': put(told, told_len); break;
    case 'n': {
      u64 now = current_time();
      put(&now, 8);
      break;
    }
    case 'i': {
      u32 *area = (u32 *)own_area;
      self_id((u32)area);
      put((const u8 *)area[0], area[1]);
      break;
    }
    case 'd':
      later_len = (u32)(base + len - next);
      if (later_len > sizeof later) __builtin_trap();
      __builtin_memcpy(later, next, later_len);
      return 0;
    case 'f': return 1;
    case 'o':
      for (volatile u32 i = 0;; i++);
    case '.': return 0;
    default: __builtin_trap(); // x
    }
  }
  return 0;
}

static u32 *done(u32 failed) {
  static const u8 text[] = "it was told to";
  if (failed) {
    result[0] = 1, result[1] = 2, result[2] = (u32)text, result[3] = sizeof text - 1;
  } else {
    result[0] = 0, result[1] = (u32)out, result[2] = out_len;
  }
  return result;
}

LIFECYCLE("handle-message")
u32 *handle_message(const u8 *sender, u32 sender_len, const u8 *message, u32 len) {
  out_len = 0;
  return done(run(message, len));
}

// Of each outcome it keeps which request it was, whether it failed, and the
// beginning.
LIFECYCLE("handle-callback")
u32 *handle_callback(u64 id, u32 failed, const u8 *outcome, u32 len) {
  u32 which = 0, kept = len < 100 ? len : 100;
  while (which < sent && ids[which] != id) which++;
  if (told_len + 3 + kept <= sizeof told) {
    u8 *at = told + told_len;
    at[0] = (u8)which, at[1] = (u8)failed, at[2] = (u8)kept;
    __builtin_memcpy(at + 3, outcome, kept);
    told_len += 3 + kept;
  }
  out_len = 0;
  return done(!failed && len > 0 && outcome[0] == '!' ? run(outcome + 1, len - 1) : 0);
}

POST("handle-message") void post_message(u32 *area) { heap = 0; }
POST("handle-callback") void post_callback(u32 *area) { heap = 0; }

MANAGEMENT("initialize") u32 *initialize(u32 list, u32 len) { return done(0); }

MANAGEMENT("health") u32 health(void) {
  out_len = 0;
  run(later, later_len);
  return 0;
}

MANAGEMENT("shutdown") void shutdown(void) { health(); }
