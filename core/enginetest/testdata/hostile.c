// A guest that breaks the canonical ABI. The first byte of a message, of a callback's
// response, of a configuration's first key or of a state selects the attack: see
// hostile.go. It is built like actor.c.

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

#define HOST(name) __attribute__((import_module("airhost:core/host-services@0.1.0"), import_name(name)))
#define TIMERS(name) __attribute__((import_module("airhost:timers/timers@0.1.0"), import_name(name)))
#define FUNCTIONS(name) __attribute__((import_module("airhost:functions/host-functions@0.1.0"), import_name(name)))
#define PUBSUB(name) __attribute__((import_module("airhost:pubsub/pubsub@0.1.0"), import_name(name)))
#define WASI(name) __attribute__((import_module("wasi_snapshot_preview1"), import_name(name)))
#define LIFECYCLE(name) __attribute__((export_name("airhost:core/component-lifecycle@0.1.0#" name)))
#define MANAGEMENT(name) __attribute__((export_name("airhost:core/component-management@0.1.0#" name)))
#define STATE(name) __attribute__((export_name("airhost:state/component-state@0.1.0#" name)))
#define POST(name) __attribute__((export_name("cabi_post_airhost:" name)))

HOST("send-message") void send_message(u32 to, u32 to_len, u32 msg, u32 len, u32 area);
HOST("send-request") void send_request(u32 to, u32 to_len, u32 req, u32 len, u64 timeout, u32 area);
HOST("cancel-request") void cancel_request(u64 id, u32 area);
HOST("self-id") void self_id(u32 area);
HOST("log") void host_log(u32 level, u32 text, u32 len);
HOST("current-time") u64 current_time(void);
TIMERS("after") void after(u64 milliseconds, u32 payload, u32 len, u32 area);
TIMERS("cancel") u32 cancel_timer(u64 timer);
FUNCTIONS("call") void call(u32 name, u32 name_len, u32 argument, u32 len, u32 area);
PUBSUB("publish") void publish(u32 topic, u32 topic_len, u32 msg, u32 len, u32 area);

extern u8 __heap_base;
static u32 heap;
static u8 realloc_does, post_does, health, saves[8];
static u32 area[6] __attribute__((aligned(8)));

static u32 end(void) { return __builtin_wasm_memory_size(0) << 16; }
static u32 at(const void *p) { return (u32)p; }

static void forever(void) {
  host_log(0, at("endless"), 7);
  for (volatile u32 i = 0;; i++);
}

// The misbehavior of cabi_realloc and of post-returns.
static void misbehave(u8 how) {
  if (how == 'e') for (volatile u32 i = 0;; i++);
  if (how == 'x') __builtin_trap();
  if (how == 'l') host_log(2, at("from inside"), 11);
  if (how == 's') send_message(at("a/b"), 3, at("hi"), 2, at(area));
  if (how == 'r') send_request(at("a/b"), 3, at("hi"), 2, 0, at(area));
  if (how == 'c') cancel_request(1, at(area));
  if (how == 'i') self_id(at(area));
  if (how == 't') current_time();
  if (how == 'a') after(1, at("hi"), 2, at(area));
  if (how == 'q') cancel_timer(1);
  if (how == 'j') call(at("a/b"), 3, at("hi"), 2, at(area));
  if (how == 'v') publish(at("a.b"), 3, at("hi"), 2, at(area));
}

// The upper half of a value; an engine must use only the lower half.
static volatile u64 garbage = 0xdeadbeef00000000;

__attribute__((export_name("cabi_realloc"))) u32 cabi_realloc(u32 old, u32 old_size, u32 align, u32 size) {
  misbehave(realloc_does);
  if (realloc_does == 'g') __builtin_wasm_memory_grow(0, 1);
  if (!heap) heap = at(&__heap_base);
  u32 new = (heap + align - 1) & -align;
  if (new + size > end() && __builtin_wasm_memory_grow(0, (new + size - end() + 0xffff) >> 16) == (u32)-1) __builtin_trap();
  heap = new + size;
  switch (realloc_does) {
  case '0': return 0;
  case 'o': return 0xfffffff0;
  case 'n': return end() - size + align;
  case 'u': return new + 1;
  case 'w': return (u32)(garbage | new);
  case 'p': heap = 0; return at(&__heap_base);
  }
  return new;
}

WASI("fd_write") u32 fd_write(u32 fd, u32 buffers, u32 n, u32 written);
WASI("proc_exit") void proc_exit(u32 code);
WASI("poll_oneoff") u32 poll_oneoff(u32 in, u32 out, u32 n, u32 events);
WASI("random_get") u32 random_get(u32 to, u32 len);
WASI("clock_time_get") u32 clock_time_get(u32 id, u64 precision, u32 time);
WASI("path_open") u32 path_open(u32 fd, u32 flags, u32 path, u32 len, u32 open, u64 rights, u64 inherited, u32 fdflags, u32 to);
WASI("args_sizes_get") u32 args_sizes_get(u32 n, u32 size);
WASI("environ_sizes_get") u32 environ_sizes_get(u32 n, u32 size);
WASI("fd_prestat_get") u32 fd_prestat_get(u32 fd, u32 to);
WASI("fd_read") u32 fd_read(u32 fd, u32 buffers, u32 n, u32 read);
WASI("sock_accept") u32 sock_accept(u32 fd, u32 flags, u32 to);

static u32 four[4];
static u32 result(u32 a, u32 b, u32 c, u32 d) {
  four[0] = a, four[1] = b, four[2] = c, four[3] = d;
  return at(four);
}

static u32 wasi(const u8 *rest, u32 len) {
  static u32 out[64], buffer[2];
  buffer[0] = at(rest + 1), buffer[1] = len - 1;
  switch (rest[0]) {
  case 'e': fd_write(2, at(buffer), 1, at(out)); break;
  case 'o': fd_write(1, at(buffer), 1, at(out)); break;
  case 'x': proc_exit(7); break;
  case 'r': random_get(at(out), 32); return result(0, at(out), 32, 0);
  case 'R': random_get(0, end() - 65536); break;
  case 't': clock_time_get(rest[1], 0, at(out)); return result(0, at(out), 8, 0);
  case 's': { // sleeps an hour, after a look at the time
    current_time();
    static u64 in[6] = {1, 0, 1, 3600000000000ull, 0, 0};
    poll_oneoff(at(in), at(out), 1, at(out + 32));
    break;
  }
  case 'f': // opens a file, and reads some of it
    out[0] = path_open(3, 0, at(rest + 1), len - 1, 0, 2, 2, 0, at(out + 1));
    if (out[0]) return result(0, at(out), 4, 0);
    buffer[0] = at(out + 3), buffer[1] = 16;
    out[0] = fd_read(out[1], at(buffer), 1, at(out + 2));
    return result(0, at(out + 3), out[0] ? 0 : out[2], 0);
  case 'a': // asks for all that it may not have
    out[0] = args_sizes_get(at(out + 1), at(out + 2));
    out[3] = environ_sizes_get(at(out + 4), at(out + 5));
    out[6] = fd_prestat_get(3, at(out + 20));
    out[7] = path_open(3, 0, at("/etc/passwd"), 11, 0, 2, 2, 0, at(out + 20));
    out[8] = fd_read(0, at(buffer), 1, at(out + 9));
    out[10] = sock_accept(3, 0, at(out + 20));
    return result(0, at(out), 44, 0);
  }
  return result(0, at(out), 0, 0);
}

static u32 host(u8 attack) {
  u32 good = at("a/b"), bad = at("\xff/b");
  switch (attack) {
  case '1': send_message(end() - 1, 2, good, 3, at(area)); break;
  case '2': send_message(bad, 3, good, 3, at(area)); break;
  case '3': send_message(good, 3, good, 0xffffffff, at(area)); break;
  case '4': send_message(good, 3, good, 3, 0xfffffff0); break;
  case '5': send_message(good, 3, good, 3, at(area) + 2); break;
  case '6': send_request(good, 3, good, 3, 0, at(area) + 4); break;
  case '7': host_log(5, good, 3); break;
  case '8': host_log(2, end(), 1); break;
  case '9': self_id(end() - 4); break;
  case '0': cancel_request(1, end() - 15); break;
  case 'a': send_request(bad, 3, good, 3, 0, at(area)); break;
  case 'b': send_request(good, 3, end(), 1, 0, at(area)); break;
  case 'c': send_request(good, 3, good, 3, 0, end() - 23); break;
  case 'd': cancel_request(1, at(area) + 1); break;
  case 'e': self_id(at(area) + 1); break;
  case 'f': after(1, end() - 1, 2, at(area)); break;
  case 'g': after(1, good, 0xffffffff, at(area)); break;
  case 'h': after(1, good, 3, end() - 16); break;
  case 'i': after(1, good, 3, at(area) + 4); break;
  case 'j': call(end() - 1, 2, good, 3, at(area)); break;
  case 'k': call(bad, 3, good, 3, at(area)); break;
  case 'm': call(good, 3, end(), 1, at(area)); break;
  case 'n': call(good, 3, good, 0xffffffff, at(area)); break;
  case 'o': call(good, 3, good, 3, end() - 12); break;
  case 'p': call(good, 3, good, 3, at(area) + 2); break;
  case 'q': publish(end() - 1, 2, good, 3, at(area)); break;
  case 'r': publish(bad, 3, good, 3, at(area)); break;
  case 's': publish(good, 3, end(), 1, at(area)); break;
  case 't': publish(good, 3, good, 0xffffffff, at(area)); break;
  case 'u': publish(good, 3, good, 3, end() - 12); break;
  case 'v': publish(good, 3, good, 3, at(area) + 2); break;
  case 'l': host_log(2, bad, 3); break;
  }
  return result(0, 8, 0, 0);
}

static u32 attack(const u8 *msg, u32 len) {
  switch (msg[0]) {
  case 'R': realloc_does = msg[1]; break;
  case 'Q': post_does = msg[1]; break;
  case 'h': health = msg[1]; break;
  case 'V': __builtin_memcpy(saves, msg + 1, len - 1); break; // the attack of save
  case 'H': return host(msg[1]);
  case 'W': return wasi(msg + 1, len - 1);
  case 'o': forever(); break;
  case 'F': // fills all that it may, again and again
    while (__builtin_wasm_memory_grow(0, 1) != (u32)-1);
    host_log(0, at("endless"), 7);
    for (volatile u32 fill = 0;; fill++) __builtin_memset((void *)65536, (int)fill, end() - 65536);
  case 'g':
    while (__builtin_wasm_memory_grow(0, 1) != (u32)-1);
    area[0] = __builtin_wasm_memory_size(0);
    return result(0, at(area), 4, 0);
  case 'a': return 0xfffffff8;
  case 'A': return end() - 8;
  case 'u': return result(0, 8, 0, 0) + 2;
  case 'd': return result(2, 8, 0, 0);
  case 'D': return result(1, 3, 8, 0);
  case 'p': return result(0, end(), 1, 0);
  case 'P': return result(0, 0xffffffff, 2, 0);
  case 'q': return result(0, 16, 0xffffffff, 0);
  case 't': return result(1, 0, end() - 1, 2);
  case 'U': return result(1, 0, at("\xc0\x80"), 2);
  case 's': return result(0, at(four), 16, 0);
  case 'w': return (u32)(garbage | result(0, (u32)(garbage | at("fine")), 4, 0));
  case 'e': return result(0, at(msg), len, 0);
  case 'J': // from call on, cabi_realloc misbehaves; name, argument and area share memory
    realloc_does = msg[1];
    __builtin_memcpy(area, "a/b", 4);
    call(at(area), 3, at(area), 4, at(area));
    return (u8)area[0] ? result(0, area[2], area[3], 0) : result(0, area[1], area[2], 0);
  case 'S': // from a host service on, cabi_realloc misbehaves
    realloc_does = msg[1];
    self_id(at(area));
    return result(0, area[0], area[1], 0);
  }
  return result(0, 8, 0, 0);
}

LIFECYCLE("handle-message") u32 handle_message(u32 sender, u32 sender_len, const u8 *msg, u32 len) {
  return attack(msg, len);
}
LIFECYCLE("handle-callback") u32 handle_callback(u64 id, u32 failed, const u8 *text, u32 len) {
  return attack(text, len);
}

struct pair { const u8 *key; u32 key_len; const u8 *value; u32 value_len; };
MANAGEMENT("initialize") u32 initialize(struct pair *pairs, u32 n) { return attack(pairs->key, pairs->key_len); }
MANAGEMENT("health") u32 health_status(void) { return health == 255 ? 0xffffffff : health; }
MANAGEMENT("shutdown") void shutdown(void) {}

STATE("save") u32 save(void) { return attack(saves, sizeof saves); }
STATE("restore") u32 restore(const u8 *state, u32 len) { return attack(state, len); }

static void post(void) {
  heap = 0;
  misbehave(post_does);
}
POST("core/component-lifecycle@0.1.0#handle-message") void post_message(u32 area) { post(); }
POST("core/component-lifecycle@0.1.0#handle-callback") void post_callback(u32 area) { post(); }
POST("core/component-management@0.1.0#initialize") void post_initialize(u32 area) { post(); }
POST("state/component-state@0.1.0#save") void post_save(u32 area) { post(); }
POST("state/component-state@0.1.0#restore") void post_restore(u32 area) { post(); }
