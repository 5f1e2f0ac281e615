// The guest that attacks by wasi:keyvalue. The first byte of a message selects the attack. The tables in
// package hostile describe the attacks. An attack that the guest survives returns counts.

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

#define STORE(name) __attribute__((import_module("wasi:keyvalue/store@0.2.0-draft2"), import_name(name)))
#define ATOMICS(name) __attribute__((import_module("wasi:keyvalue/atomics@0.2.0-draft2"), import_name(name)))
#define BATCH(name) __attribute__((import_module("wasi:keyvalue/batch@0.2.0-draft2"), import_name(name)))
#define EXPORT(name) __attribute__((export_name(name)))
#define LIFECYCLE(name) EXPORT("airhost:core/component-lifecycle@0.1.0#" name)
#define MANAGEMENT(name) EXPORT("airhost:core/component-management@0.1.0#" name)
#define POST(name) EXPORT("cabi_post_airhost:core/component-" name)

STORE("open") void open_bucket(u32 name, u32 len, u32 area);
STORE("[method]bucket.get") void get(u32 bucket, u32 key, u32 key_len, u32 area);
STORE("[method]bucket.set") void set(u32 bucket, u32 key, u32 key_len, u32 value, u32 len, u32 area);
STORE("[method]bucket.delete") void delete(u32 bucket, u32 key, u32 key_len, u32 area);
STORE("[method]bucket.list-keys") void list_keys(u32 bucket, u32 some, u32 cursor, u32 len, u32 area);
STORE("[resource-drop]bucket") void drop_bucket(u32 bucket);
ATOMICS("increment") void increment(u32 bucket, u32 key, u32 key_len, u64 delta, u32 area);
ATOMICS("[static]cas.new") void new_cas(u32 bucket, u32 key, u32 key_len, u32 area);
ATOMICS("swap") void swap(u32 cas, u32 value, u32 len, u32 area);
BATCH("get-many") void get_many(u32 bucket, u32 keys, u32 n, u32 area);
BATCH("set-many") void set_many(u32 bucket, u32 pairs, u32 n, u32 area);

extern u8 __heap_base;
static u32 heap;
static u32 end(void) { return __builtin_wasm_memory_size(0) << 16; }
static u32 at(const void *p) { return (u32)p; }

static u8 in_resize, in_post;
static u32 area[8] __attribute__((aligned(8)));
static u32 result[4];
static u32 counts[8] __attribute__((aligned(8)));
static u32 answer(u32 ptr, u32 len) {
  result[0] = 0, result[1] = ptr, result[2] = len;
  return at(result);
}
static u32 tell(void) { return answer(at(counts), sizeof counts); }
static u32 failed(void) { return ((u8 *)area)[0]; }
static u32 error(void) { return 1 + ((u8 *)area)[4]; }

static void grow_all(void) {
  for (u32 by = 16; by; by /= 2)
    while (__builtin_wasm_memory_grow(0, by) != (u32)-1) {}
}

EXPORT("cabi_realloc") u32 cabi_realloc(u32 old, u32 old_size, u32 align, u32 size) {
  if (in_resize && old_size) open_bucket(at("default"), 7, at(area));
  if (heap < at(&__heap_base)) heap = at(&__heap_base);
  u32 fresh = (heap + align - 1) & -align;
  if (fresh + size > end() && __builtin_wasm_memory_grow(0, (fresh + size - end() + 65535) >> 16) == (u32)-1) __builtin_trap();
  heap = fresh + size;
  return fresh;
}

static u32 own(void) {
  open_bucket(at("default"), 7, at(area));
  if (failed()) __builtin_trap();
  return area[1];
}

// Opens n buckets that it may not have, of which few have a name that is one. counts has the number of
// those that it got, and of the errors by their cases.
static u32 open_all(u32 n) {
  static const char *const names[] = {"good/echo", "shared", "../evil/a", "default/", "DEFAULT", "", "\x1b[2J\x1b]0;owned\x07", "evil/a", "a\nb"};
  for (u32 i = 0; i < n; i++) {
    const char *name = names[i % (sizeof names / sizeof *names)];
    u32 len = 0, mark = heap;
    while (name[len]) len++;
    open_bucket(at(name), len, at(area));
    counts[failed() ? error() : 0]++;
    heap = mark;
  }
  return tell();
}

static char key[] = "k\0/\x1b[2J.00000000";
static u32 number_key(u32 n) {
  for (u32 i = 0; i < 8; i++) key[8 + i] = 'a' + (n >> 4 * i & 15);
  return at(key);
}
#define KEY_LEN (sizeof key - 1)

// Sets ever more keys until the host refuses. counts[0] is the number of keys, counts[1] the refusal.
static u32 flood(u32 size) {
  u32 bucket = own();
  for (;; counts[0]++) {
    u32 mark = heap;
    set(bucket, number_key(counts[0]), KEY_LEN, 0, size, at(area));
    heap = mark;
    if (failed()) break;
  }
  counts[1] = error();
  return tell();
}

// The same with ever larger values of one key. counts[0] is the size of the largest one.
static u32 larger(void) {
  u32 bucket = own();
  grow_all();
  for (u32 size = 1 << 10;; size += 1 << 10) {
    u32 mark = heap;
    set(bucket, at(key), KEY_LEN, 0, size, at(area));
    heap = mark;
    if (failed()) break;
    counts[0] = size;
  }
  counts[1] = error();
  return tell();
}

static void storm(u8 which) {
  u32 bucket = own();
  grow_all();
  set(bucket, at("s"), 1, at("0"), 1, at(area));
  set(bucket, at("large"), 5, 0, 1 << 20, at(area));
  static u32 keys[4096 * 2];
  for (u32 i = 0; i < 4096; i++) keys[2 * i] = at("large"), keys[2 * i + 1] = 5;
  for (u32 n = 0;; n++) {
    u32 mark = heap;
    switch (which) {
    case 'k': get(bucket, 4 << 20, 1 << 20, at(area)); break;
    case 'v': set(bucket, at("v"), 1, 0, end(), at(area)); break;
    case 'i': increment(bucket, at("s"), 1, n, at(area)); break;
    case 'g': get(bucket, at("large"), 5, at(area)); break;
    case 'm': get_many(bucket, at(keys), 4096, at(area)); break;
    case 'l':
      list_keys(bucket, 0, 0, 0, at(area));
      n & 1 ? set(bucket, number_key(n >> 1 & 63), KEY_LEN, 0, 0, at(area)) : delete(bucket, number_key(n >> 1 & 63), KEY_LEN, at(area));
      break;
    case 's': {
      new_cas(bucket, at("s"), 1, at(area));
      u32 cas = area[1];
      set(bucket, at("s"), 1, at("1"), 1, at(area)); // so that the swap fails, with another cas
      swap(cas, at("2"), 1, at(area));
      if (!failed() || area[1] != 1) __builtin_trap();
      swap(area[2], at("2"), 1, at(area));
      break;
    }
    case 'o': drop_bucket(bucket); bucket = own(); break;
    case 'O': open_bucket(at("default"), 7, at(area)); break;
    case 'c': new_cas(bucket, at("s"), 1, at(area)); break;
    }
    heap = mark;
  }
}

// Arguments that violate the ABI.
static void violate(u8 how) {
  u32 bucket = own();
  static u32 pair[] = {0, 1, 0xfffffff0, 32};
  switch (how) {
  case 'n': open_bucket(end() - 1, 2, at(area)); break;
  case 'k': get(bucket, end() - 1, 2, at(area)); break;
  case 'u': get(bucket, at("\xff"), 1, at(area)); break;
  case 'w': set(bucket, at("k"), 1, end() - 1, 2, at(area)); break;
  case 'a': get(bucket, at("k"), 1, end() - 8); break;
  case 'm': get(bucket, at("k"), 1, at(area) + 2); break;
  case 'h': get(bucket + 7, at("k"), 1, at(area)); break;
  case 'd': drop_bucket(bucket); get(bucket, at("k"), 1, at(area)); break;
  case 'c': swap(bucket, at("k"), 1, at(area)); break; // no cas
  case 'p': set_many(bucket, at(pair), 1, at(area)); break;
  case 'e': get_many(bucket, at(pair) + 2, 1, at(area)); break;
  case 'E': get_many(bucket, 0, 0xffffffff, at(area)); break;
  case 'L': grow_all(); get(bucket, 4 << 20, (1 << 20) + 1, at(area)); break;
  }
}

LIFECYCLE("handle-message") u32 handle_message(u32 sender, u32 sender_len, const u8 *msg, u32 len) {
  for (u32 i = 0; i < sizeof counts / sizeof *counts; i++) counts[i] = 0;
  u32 number = len >= 5 ? msg[1] | msg[2] << 8 | msg[3] << 16 | (u32)msg[4] << 24 : 0;
  switch (len ? msg[0] : 0) {
  case 'e': return answer(at(msg), len);
  case 'o': return open_all(number);
  case 'k': grow_all(); return flood(number);
  case 'l': return larger();
  case 's': storm(msg[1]);
  case 'v': violate(msg[1]); break;
  case 'a': *(msg[1] == 'R' ? &in_resize : &in_post) = 1; break;
  }
  return answer(8, 0);
}
LIFECYCLE("handle-callback") u32 handle_callback(u64 id, u32 failed, const u8 *text, u32 len) { return answer(8, 0); }
MANAGEMENT("initialize") u32 initialize(u32 pairs, u32 n) { return answer(8, 0); }
MANAGEMENT("health") u32 health(void) { return 0; }
MANAGEMENT("shutdown") void shutdown(void) {}

static void post(void) {
  if (in_post) open_bucket(at("default"), 7, at(area));
  heap = 0;
}
POST("lifecycle@0.1.0#handle-message") void post_message(u32 area) { post(); }
POST("lifecycle@0.1.0#handle-callback") void post_callback(u32 area) { post(); }
