// The attacking guest. The first byte of a message selects the attack. In the
// configuration, "attack" holds a message to run in initialize, "peer" the receiver of
// the guest's messages, and "send" a message to send to the peer. The tables in package
// hostile describe the attacks. An attack that the guest survives returns counts.

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

#define HOST(name) __attribute__((import_module("airhost:core/host-services@0.1.0"), import_name(name)))
#define TIMERS(name) __attribute__((import_module("airhost:timers/timers@0.1.0"), import_name(name)))
#define FUNCTIONS(name) __attribute__((import_module("airhost:functions/host-functions@0.1.0"), import_name(name)))
#define PUBSUB(name) __attribute__((import_module("airhost:pubsub/pubsub@0.1.0"), import_name(name)))
#define WASI(name) __attribute__((import_module("wasi_snapshot_preview1"), import_name(name)))
#define WASI2(module, name) __attribute__((import_module("wasi:" module "@0.2.0"), import_name(name)))
#define EXPORT(name) __attribute__((export_name(name)))
#define LIFECYCLE(name) EXPORT("airhost:core/component-lifecycle@0.1.0#" name)
#define MANAGEMENT(name) EXPORT("airhost:core/component-management@0.1.0#" name)
#define STATE(name) EXPORT("airhost:state/component-state@0.1.0#" name)
#define POST(name) EXPORT("cabi_post_airhost:core/component-" name)
#define NOINLINE __attribute__((noinline))

HOST("send-message") void send_message(u32 to, u32 to_len, u32 msg, u32 len, u32 area);
HOST("send-request") void send_request(u32 to, u32 to_len, u32 req, u32 len, u64 timeout, u32 area);
HOST("cancel-request") void cancel_request(u64 id, u32 area);
HOST("self-id") void self_id(u32 area);
HOST("log") void host_log(u32 level, u32 text, u32 len);
TIMERS("after") void after(u64 milliseconds, u32 payload, u32 len, u32 area);
TIMERS("cancel") u32 cancel_timer(u64 timer);
FUNCTIONS("call") void call(u32 name, u32 name_len, u32 argument, u32 len, u32 area);
PUBSUB("publish") void publish(u32 topic, u32 topic_len, u32 msg, u32 len, u32 area);
WASI("fd_write") u32 fd_write(u32 fd, u32 buffers, u32 n, u32 written);
WASI("poll_oneoff") u32 poll_oneoff(u32 in, u32 out, u32 n, u32 events);
WASI("random_get") u32 random_get(u32 to, u32 len);
WASI2("io/poll", "poll") void poll(u32 list, u32 n, u32 area);
WASI2("clocks/monotonic-clock", "subscribe-duration") u32 subscribe(u64 nanoseconds);
WASI2("http/types", "[constructor]fields") u32 new_fields(void);
WASI2("http/types", "[method]fields.append") void append(u32 fields, u32 name, u32 name_len, u32 value, u32 len, u32 area);
WASI2("http/types", "[method]fields.has") u32 has(u32 fields, u32 name, u32 name_len);

extern u8 __heap_base;
static u32 heap;
static u32 end(void) { return __builtin_wasm_memory_size(0) << 16; }
static u32 at(const void *p) { return (u32)p; }

// Attacks on the processor's time.

EXPORT("spin") void spin(void) { for (volatile u32 i = 0;; i++); }
EXPORT("trap") void trap(void) { __builtin_trap(); }

// forge.go replaces this body by code that no compiler generates.
EXPORT("forged") NOINLINE void forged(void) { __asm__ volatile(""); }

static volatile u32 leaves;
static NOINLINE void x0(void) { leaves++; }
#define TWICE(n, next) static NOINLINE void x##n(void) { x##next(); x##next(); }
TWICE(1, 0) TWICE(2, 1) TWICE(3, 2) TWICE(4, 3) TWICE(5, 4) TWICE(6, 5) TWICE(7, 6) TWICE(8, 7)
TWICE(9, 8) TWICE(10, 9) TWICE(11, 10) TWICE(12, 11) TWICE(13, 12) TWICE(14, 13) TWICE(15, 14)
TWICE(16, 15) TWICE(17, 16) TWICE(18, 17) TWICE(19, 18) TWICE(20, 19) TWICE(21, 20) TWICE(22, 21)
TWICE(23, 22) TWICE(24, 23) TWICE(25, 24) TWICE(26, 25) TWICE(27, 26) TWICE(28, 27) TWICE(29, 28)
TWICE(30, 29) TWICE(31, 30) TWICE(32, 31) TWICE(33, 32) TWICE(34, 33) TWICE(35, 34) TWICE(36, 35)

static NOINLINE void pong(u32 depth);
static NOINLINE void ping(u32 depth) { leaves++; if (depth) pong(depth - 1), pong(depth - 1); }
static NOINLINE void pong(u32 depth) { leaves++; if (depth) ping(depth - 1), ping(depth - 1); }
static NOINLINE u32 deep(u32 n) { return deep(n + 1) + leaves; }

static void grow_all(void) {
  for (u32 by = 16; by; by /= 2)
    while (__builtin_wasm_memory_grow(0, by) != (u32)-1) {}
}
static u32 spare(void) { return (at(&__heap_base) + 65535) & ~65535u; }
static void fill(u8 with) { __builtin_memset((void *)spare(), with, end() - spare()); }

// Fills the memory with a letter of two bytes.
static void letters(void) {
  u8 *to = (u8 *)spare();
  to[0] = 0xc3, to[1] = 0xa9;
  for (u32 n = 2; n <= (end() - spare()) / 2; n *= 2) __builtin_memcpy(to + n, to, n);
}

// The actions in the host's other calls into the guest, set by 'a' messages.
static u8 in_realloc, in_resize, in_post, in_health, in_shutdown, in_callback, in_save, in_restore;
static u32 area[8] __attribute__((aligned(8)));
static u32 result[4];
static const u8 *peer;
static u32 peer_len;
static u32 callbacks, failures;

static u32 answer(u32 ptr, u32 len) {
  result[0] = 0, result[1] = ptr, result[2] = len;
  return at(result);
}
static u32 counts[8] __attribute__((aligned(8)));
static u32 tell(void) { return answer(at(counts), sizeof counts); }

static void misbehave(u8 how) {
  switch (how) {
  case 'o': spin();
  case 't': trap();
  case 's': send_message(at("a/b"), 3, at("hi"), 2, at(area)); break;
  case 'q': send_request(at("a/b"), 3, at("hi"), 2, 0, at(area)); break;
  case 'A': after(0, at("hi"), 2, at(area)); break;
  case 'J': call(at("a/b"), 3, at("hi"), 2, at(area)); break;
  case 'U': publish(at("a.b"), 3, at("hi"), 2, at(area)); break;
  case 'z': area[0] = deep(0);
  }
}

EXPORT("cabi_realloc") u32 cabi_realloc(u32 old, u32 old_size, u32 align, u32 size) {
  u8 how = old_size ? in_resize : in_realloc;
  misbehave(how);
  switch (how) {
  case '0': return 0;
  case 'h': return 0xfffffff0;
  case 'e': return end() - size + align;
  case 'v': return at(&__heap_base); // the same for each call, so arguments overlap
  case 'g': __builtin_wasm_memory_grow(0, 1); break;
  case 'G': grow_all(); break;
  case 'f': fill(0xff); // the host's blocks, and all that it has been given
  }
  if (heap < at(&__heap_base)) heap = at(&__heap_base);
  u32 fresh = (heap + align - 1) & -align;
  if (fresh + size > end() && __builtin_wasm_memory_grow(0, (fresh + size - end() + 65535) >> 16) == (u32)-1) __builtin_trap();
  heap = fresh + size;
  return how == 'u' ? fresh + 1 : fresh;
}

// Host calls with few arguments and much to look at, for ever.
static void looks(u8 which) {
  grow_all();
  u32 fields = new_fields(), *list = (u32 *)spare();
  for (u32 i = 0; which == 'f' && i < 13000; i++) append(fields, at("v"), 1, 0, 0, at(area));
  for (u32 i = 0; which == 'q' && i < 4000; i++) list[i] = subscribe(0);
  if (which == 'o') __builtin_memset(list, 0, 1024 * 48);
  for (;;) {
    u32 mark = heap;
    switch (which) {
    case 'f': counts[0] += has(fields, at("w"), 1); break;
    case 'q': poll(spare(), 4000, at(area)); break;
    case 'o': poll_oneoff(spare(), spare() + (1 << 20), 1024, at(area));
    }
    heap = mark;
  }
}

// Host calls with as many bytes as the guest has, for ever.
static void calls(u8 which) {
  grow_all();
  fill('e');
  if (which == 'u' || which == 'j' || which == 'U') letters();
  u32 all = end() - spare();
  for (;;) {
    u32 mark = heap;
    switch (which) {
    case 't': case 'u': send_message(spare(), all, 0, 0, at(area)); break;
    case 'm': send_message(at(peer), peer_len, spare(), all, at(area)); break;
    case 's': send_message(at(peer), peer_len, spare(), 1 << 20, at(area)); break;
    case 'r': send_request(at(peer), peer_len, spare(), all, 0, at(area)); break;
    case 'l': host_log(4, spare(), all); break;
    case 'n': random_get(spare(), all); break;
    case 'A': after(0, spare(), all, at(area)); break;
    case 'B': // each canceled at once
      after(60000, spare(), 1 << 20, at(area));
      cancel_timer(*(u64 *)(area + 2));
      break;
    case 'j': call(spare(), all, 0, 0, at(area)); break;
    case 'J': call(at("a/b"), 3, spare(), all, at(area)); break;
    case 'U': publish(spare(), all, 0, 0, at(area)); break;
    case 'V': publish(at("a.b"), 3, spare(), all, at(area)); break;
    case 'w': fd_write(2, spare(), 1u << 28, at(area)); break;
    case 'i': fd_write(2, at(area), 1u << 28, at(area)); break;
    case 'p': poll_oneoff(spare(), spare(), 1u << 20, at(area)); break;
    case 'z': { // sleeps for an hour
      static u64 hour[6] = {1, 0, 1, 3600000000000ull, 0, 0};
      poll_oneoff(at(hour), spare(), 1, at(area));
    }
    }
    heap = mark;
  }
}

// Sends messages of 1 MiB to the peer until the host refuses one.
static u32 fill_mailbox(void) {
  grow_all();
  for (counts[0] = 0, area[0] = 0;; counts[0]++) {
    u32 mark = heap;
    send_message(at(peer), peer_len, spare(), 1 << 20, at(area));
    heap = mark;
    if (((u8 *)area)[0]) break;
  }
  counts[1] = 1 + ((u8 *)area)[4];
  return tell();
}

// Results and arguments that violate the ABI.
static u32 violate(u8 how) {
  u32 good = at("a/b"), bad = at("\xff/b");
  answer(8, 0);
  switch (how) {
  case 'a': return 0xfffffff8;
  case 'e': return end() - 8;
  case 'm': return at(result) + 2;
  case 'd': result[0] = 7; break;
  case 'c': result[0] = 1, result[1] = 9; break;
  case 'p': return answer(end(), 1);
  case 'o': return answer(16, 0xffffffff);
  case 'u': result[0] = 1, result[1] = 0, result[2] = bad, result[3] = 3; break;
  case 's': return answer(at(result), 16); // the response is its own area
  case '1': send_message(end() - 1, 2, good, 3, at(area)); break;
  case '2': send_message(bad, 3, good, 3, at(area)); break;
  case '3': send_message(good, 3, good, 0xffffffff, at(area)); break;
  case '4': send_message(good, 3, good, 3, 0xfffffff0); break;
  case '5': send_request(good, 3, good, 3, 0, at(area) + 4); break;
  case '6': self_id(end() - 4); break;
  case '7': cancel_request(1, end() - 15); break;
  case '8': host_log(5, good, 3); break;
  case '9': host_log(2, end() - 1, 2); break;
  case 'A': after(0, end() - 1, 2, at(area)); break;
  case 'B': after(0, good, 3, at(area) + 4); break;
  case 'C': call(end() - 1, 2, good, 3, at(area)); break;
  case 'D': call(bad, 3, good, 3, at(area)); break;
  case 'E': call(good, 3, good, 0xffffffff, at(area)); break;
  case 'F': call(good, 3, good, 3, end() - 12); break;
  case 'G': call(good, 3, good, 3, at(area) + 2); break;
  case 'H': publish(end() - 1, 2, good, 3, at(area)); break;
  case 'I': publish(bad, 3, good, 3, at(area)); break;
  case 'K': publish(good, 3, good, 0xffffffff, at(area)); break;
  case 'L': publish(good, 3, good, 3, end() - 12); break;
  case 'M': publish(good, 3, good, 3, at(area) + 2); break;
  }
  return at(result);
}

static u32 refused(u32 case_at) { return 1 + ((u8 *)area)[case_at]; }

// Sends until the host refuses. counts[0] is the number of messages sent, counts[1] the refusal.
static u32 flood(u32 most) {
  for (counts[0] = 0, area[0] = 0; counts[0] < most; counts[0]++) {
    u32 mark = heap;
    send_message(at(peer), peer_len, at("e flood"), 7, at(area));
    heap = mark;
    if (((u8 *)area)[0]) { counts[1] = refused(4); break; }
  }
  return tell();
}

static u32 request(u8 op, u64 timeout) {
  u32 mark = heap;
  send_request(at(peer), peer_len, at(&op), 1, timeout, at(area));
  heap = mark;
  return ((u8 *)area)[0] ? refused(8) : 0;
}
static u64 last_id(void) { return *(u64 *)(area + 2); }
static u32 cancel(u64 id) {
  u32 mark = heap;
  cancel_request(id, at(area));
  heap = mark;
  return ((u8 *)area)[0] ? refused(4) : 0;
}

// Sends n requests and cancels each at once, twice.
static u32 cancels(u32 n) {
  for (; n; n--) {
    if (request('e', 0)) { counts[3]++; continue; }
    u64 id = last_id();
    counts[cancel(id) ? 1 : 0]++;
    if (cancel(id) == 6) counts[2]++; // request-not-found
  }
  return tell();
}

// Guesses request ids: near its own, small, large and random ones.
static u32 guess(u32 n) {
  request('e', 0);
  u64 own = last_id(), random = 0;
  for (u32 i = 1; i <= n; i++) {
    random_get(at(&random), 8);
    u64 guesses[] = {i, own + i, own - i, own ^ ((u64)i << 32), random, ~(u64)i, 0};
    for (u32 g = 0; g < sizeof guesses / sizeof *guesses; g++) counts[cancel(guesses[g]) == 6 ? 0 : 1]++;
  }
  return tell();
}

static u32 requests(u32 n, u8 op, u64 timeout) {
  for (counts[0] = 0; counts[0] < n; counts[0]++) if ((counts[1] = request(op, timeout))) break;
  *(u64 *)(counts + 6) = last_id();
  return tell();
}

// Starts timers until the host refuses one. counts[0] is the number of timers, counts[1] the refusal.
static u32 timers(u64 milliseconds, u32 size) {
  if (size > 7) grow_all();
  for (counts[0] = 0;; counts[0]++) {
    u32 mark = heap;
    after(milliseconds, size > 7 ? spare() : at("e timer"), size, at(area));
    heap = mark;
    if (((u8 *)area)[0]) break;
  }
  counts[1] = refused(8);
  return tell();
}

// Cancels timers that it has not started.
static u32 guess_timers(u32 n) {
  after(60000, at("e timer"), 7, at(area));
  u64 own = *(u64 *)(area + 2), random = 0;
  for (u32 i = 1; i <= n; i++) {
    random_get(at(&random), 8);
    u64 guesses[] = {own + i, own - i, random, ~(u64)i};
    for (u32 g = 0; g < sizeof guesses / sizeof *guesses; g++) counts[guesses[g] == own ? 2 : cancel_timer(guesses[g]) ? 1 : 0]++;
  }
  return tell();
}

// Calls n functions by names that it has no capability for, of which few are valid. counts
// has the number of results, and of the errors by their cases.
static u32 call_all(u32 n) {
  static const char name[] = "a/b/../c\0\x1b[2J";
  for (u32 i = 0; i < n; i++) {
    u32 mark = heap;
    call(at(name), i % sizeof name, at(name), 8, at(area));
    counts[((u8 *)area)[0] ? 1 + ((u8 *)area)[4] : 0]++;
    heap = mark;
  }
  return tell();
}

// Publishes on n topics that it has no capability for, of which few are valid. counts is as
// that of call_all.
static u32 publish_all(u32 n) {
  static const char topic[] = "a.b..c.>\0\x1b[2J";
  for (u32 i = 0; i < n; i++) {
    u32 mark = heap;
    publish(at(topic), i % sizeof topic, at(topic), 8, at(area));
    counts[((u8 *)area)[0] ? 1 + ((u8 *)area)[4] : 0]++;
    heap = mark;
  }
  return tell();
}

// Publishes, each time on another topic, until the host refuses. counts is as that of flood.
static u32 publish_flood(u32 most) {
  static char topic[] = "t.00000000";
  for (counts[0] = 0, area[0] = 0; counts[0] < most; counts[0]++) {
    u32 mark = heap;
    for (u32 i = 0; i < 8; i++) topic[2 + i] = 'a' + (counts[0] >> 4 * i & 15);
    publish(at(topic), 10, at("e flood"), 7, at(area));
    heap = mark;
    if (((u8 *)area)[0]) { counts[1] = refused(4); break; }
  }
  return tell();
}

// Logs control sequences of terminals, and bytes that are no text.
static void logs(u32 n) {
  static const char text[] = "\x1b[2J\x1b]0;owned\x07 \r\n forged level=ERROR \xff\xfe\x80 \xc2\x9b" "31m \xe2\x80\xae";
  for (; n; n--) host_log(2, at(text), sizeof text - 1);
}

static u32 number(const u8 *msg, u32 len) { return len >= 5 ? msg[1] | msg[2] << 8 | msg[3] << 16 | (u32)msg[4] << 24 : 0; }

static u32 attack(const u8 *msg, u32 len) {
  switch (len ? msg[0] : 0) {
  case 'e': return answer(at(msg), len);
  case 'o': spin();
  case 't': trap();
  case 'x': x36(); break;
  case 'm': ping(60); break;
  case 'j': forged(); break;
  case 'F': grow_all(); for (u8 with = 0;; with++) fill(with);
  case 'z': return deep(0);
  case 'g': grow_all(); fill(7); counts[0] = __builtin_wasm_memory_size(0); return tell();
  case 'T': grow_all(); fill(7); trap();
  case 'b': grow_all(); return answer(spare(), end() - spare());
  case 'c': calls(msg[1]);
  case 'W': looks(msg[1]);
  case 'v': return violate(msg[1]);
  case 'a':
    *(msg[1] == 'r' ? &in_realloc : msg[1] == 'R' ? &in_resize : msg[1] == 'p' ? &in_post : msg[1] == 'h' ? &in_health : msg[1] == 's' ? &in_shutdown : msg[1] == 'v' ? &in_save : msg[1] == 'V' ? &in_restore : &in_callback) = msg[2];
    break;
  case 'f': return flood(number(msg, len));
  case 'M': return fill_mailbox();
  case 's': // two messages, and the peer does the same for each
    send_message(at(peer), peer_len, at("s"), 1, at(area));
    send_message(at(peer), peer_len, at("s"), 1, at(area));
    break;
  case 'r': return requests(number(msg, len), 'e', 60000);
  case 'R': requests(number(msg, len), 'e', 60000); trap();
  case 'n': return requests(number(msg, len), 'e', 1);  // for answers that never come in time
  case 'l': return requests(number(msg, len), 'w', 1);  // answered too late
  case 'q': return requests(1, 'e', 0);                 // for the callback
  case 'w': for (volatile u32 i = 0; i < 20000000; i++); break;
  case 'k': return cancels(number(msg, len));
  case 'i': return guess(number(msg, len));
  case 'y': counts[0] = number(msg, len) ? cancel((u64)number(msg + 4, len) << 32 | number(msg, len)) : 0; return tell();
  case 'N': return timers(number(msg, len), 7);
  case 'O': return timers(~0ull, 7);
  case 'P': return timers(60000, 1 << 20);
  case 'Q': timers(60000, 1 << 20); trap();
  case 'S': // two timers, and each starts two more
    after(0, at("S"), 1, at(area));
    after(0, at("S"), 1, at(area));
    break;
  case 'I': return guess_timers(number(msg, len));
  case 'J': return call_all(number(msg, len));
  case 'U': return publish_all(number(msg, len));
  case 'u': return publish_flood(number(msg, len));
  case 'p': // two publications, and who gets one does the same
    publish(at("t"), 1, at("p"), 1, at(area));
    publish(at("t"), 1, at("p"), 1, at(area));
    break;
  case 'L': logs(number(msg, len)); break;
  case 'C': counts[4] = callbacks, counts[5] = failures; return tell();
  }
  return answer(8, 0);
}

LIFECYCLE("handle-message") u32 handle_message(u32 sender, u32 sender_len, const u8 *msg, u32 len) {
  for (u32 i = 0; i < sizeof counts / sizeof *counts; i++) counts[i] = 0;
  return attack(msg, len);
}
LIFECYCLE("handle-callback") u32 handle_callback(u64 id, u32 failed, const u8 *text, u32 len) {
  callbacks++;
  failures += failed;
  misbehave(in_callback);
  return answer(8, 0);
}

struct pair { const u8 *key; u32 key_len; const u8 *value; u32 value_len; };
MANAGEMENT("initialize") u32 initialize(struct pair *pairs, u32 n) {
  for (u32 i = 0; i < n; i++) {
    if (pairs[i].key[0] == 'p') peer = pairs[i].value, peer_len = pairs[i].value_len;
    if (pairs[i].key[0] == 's') send_message(at(peer), peer_len, at(pairs[i].value), pairs[i].value_len, at(area));
    if (pairs[i].key[0] == 'a') return attack(pairs[i].value, pairs[i].value_len);
  }
  heap = at(&__heap_base) > heap ? at(&__heap_base) : heap;
  return answer(8, 0);
}
MANAGEMENT("health") u32 health(void) { misbehave(in_health); return in_health == 'b' ? 99 : 0; }
MANAGEMENT("shutdown") void shutdown(void) { misbehave(in_shutdown); }

// Saves a few bytes, or all of its memory.
STATE("save") u32 save(void) {
  misbehave(in_save);
  if (in_save == 'b') return grow_all(), answer(spare(), end() - spare());
  return in_save ? violate(in_save) : answer(at("a state"), 7);
}
STATE("restore") u32 restore(u32 state, u32 len) {
  misbehave(in_restore);
  return violate(in_restore);
}

static void post(void) {
  misbehave(in_post);
  heap = peer ? at(peer) + peer_len : 0; // keep the strings that initialize got
}
POST("lifecycle@0.1.0#handle-message") void post_message(u32 area) { post(); }
POST("lifecycle@0.1.0#handle-callback") void post_callback(u32 area) { post(); }
