// The guest of the suite. The first byte of a message is a command: see Actor, which is
// the same guest in Go.
//
// clang-19 and lld-19, no C library. cabi_realloc takes memory from one end of the
// heap, and every post-return frees all of it, so that an engine that forgets to call
// post-return runs out of memory. The heap begins after the state.

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

#define HOST(name) __attribute__((import_module("airhost:core/host-services@0.1.0"), import_name(name)))
#define TIMERS(name) __attribute__((import_module("airhost:timers/timers@0.1.0"), import_name(name)))
#define FUNCTIONS(name) __attribute__((import_module("airhost:functions/host-functions@0.1.0"), import_name(name)))
#define PUBSUB(name) __attribute__((import_module("airhost:pubsub/pubsub@0.1.0"), import_name(name)))
#define STORE(name) __attribute__((import_module("wasi:keyvalue/store@0.2.0-draft2"), import_name(name)))
#define ATOMICS(name) __attribute__((import_module("wasi:keyvalue/atomics@0.2.0-draft2"), import_name(name)))
#define LIFECYCLE(name) __attribute__((export_name("airhost:core/component-lifecycle@0.1.0#" name)))
#define MANAGEMENT(name) __attribute__((export_name("airhost:core/component-management@0.1.0#" name)))
#define STATE(name) __attribute__((export_name("airhost:state/component-state@0.1.0#" name)))
#define POST(name) __attribute__((export_name("cabi_post_airhost:" name)))

HOST("send-message") void send_message(const u8 *to, u32 to_len, const u8 *msg, u32 len, u32 *area);
HOST("send-request") void send_request(const u8 *to, u32 to_len, const u8 *req, u32 len, u64 timeout, u64 *area);
HOST("cancel-request") void cancel_request(u64 id, u32 *area);
HOST("self-id") void self_id(u32 *area);
HOST("log") void host_log(u32 level, const u8 *text, u32 len);
HOST("current-time") u64 current_time(void);
TIMERS("after") void after(u64 milliseconds, const u8 *payload, u32 len, u64 *area);
TIMERS("cancel") u32 cancel_timer(u64 timer);
FUNCTIONS("call") void call(const u8 *name, u32 name_len, const u8 *argument, u32 len, u32 *area);
PUBSUB("publish") void publish(const u8 *topic, u32 topic_len, const u8 *msg, u32 len, u32 *area);
#ifdef BUCKETS // it has key-value
STORE("open") void open_bucket(const u8 *name, u32 len, u32 *area);
STORE("[resource-drop]bucket") void drop_bucket(u32 bucket);
STORE("[method]bucket.get") void get(u32 bucket, const u8 *key, u32 len, u32 *area);
STORE("[method]bucket.exists") void exists(u32 bucket, const u8 *key, u32 len, u32 *area);
STORE("[method]bucket.set") void set(u32 bucket, const u8 *key, u32 len, const u8 *value, u32 value_len, u32 *area);
STORE("[method]bucket.delete") void delete(u32 bucket, const u8 *key, u32 len, u32 *area);
STORE("[method]bucket.list-keys") void list_keys(u32 bucket, u32 some, const u8 *cursor, u32 len, u32 *area);
ATOMICS("increment") void increment(u32 bucket, const u8 *key, u32 len, u64 delta, u32 *area);
ATOMICS("[static]cas.new") void new_cas(u32 bucket, const u8 *key, u32 len, u32 *area);
ATOMICS("[method]cas.current") void current(u32 cas, u32 *area);
ATOMICS("[resource-drop]cas") void drop_cas(u32 cas);
ATOMICS("swap") void swap(u32 cas, const u8 *value, u32 len, u32 *area);
#endif

extern u8 __heap_base;
static u32 heap, bottom; // bottom is 0 or where the heap begins

__attribute__((export_name("cabi_realloc"))) u8 *cabi_realloc(u8 *old, u32 old_size, u32 align, u32 size) {
  if (!heap) heap = (u32)&__heap_base;
  u32 at = (heap + align - 1) & -align;
  u32 have = __builtin_wasm_memory_size(0) << 16;
  if (at + size > have && __builtin_wasm_memory_grow(0, (at + size - have + 0xffff) >> 16) == (u32)-1) __builtin_trap();
  heap = at + size;
  u8 *new = (u8 *)at;
  for (u32 i = 0; i < old_size && i < size; i++) new[i] = old[i];
  return new;
}

static void copy(u8 *to, const u8 *from, u32 len) {
  if (len) __builtin_memcpy(to, from, len); // without bytes, from may be anything
}

static u64 number(const u8 *at) {
  u64 n;
  copy((u8 *)&n, at, 8);
  return n;
}

static u8 *put_number(u64 n) {
  u8 *at = cabi_realloc(0, 0, 8, 8);
  copy(at, (u8 *)&n, 8);
  return at;
}

// The areas of this guest's results.
static u32 result[4];
static u32 *ok(const u8 *at, u32 len) {
  result[0] = 0, result[1] = (u32)at, result[2] = len;
  return result;
}
static u32 *error(u8 which, const u8 *text, u32 len) {
  result[0] = 1, result[1] = which, result[2] = (u32)text, result[3] = len;
  return result;
}

// What a host service answered, as a response: 0, or 1, the case and the text.
static u32 *answer(const u32 *area, const u32 *failure) {
  if (!(u8)area[0]) return ok((const u8 *)"", 1); // one byte: 0
  u32 len = (u8)failure[0] == 5 ? 0 : failure[2];
  u8 *at = cabi_realloc(0, 0, 1, len + 2);
  at[0] = 1, at[1] = (u8)failure[0];
  copy(at + 2, (const u8 *)failure[1], len);
  return ok(at, len + 2);
}

// What a service that returns an id answered: 0 and the id, or as above.
static u32 *answer_id(const u64 *area) {
  if ((u8)area[0]) return answer((const u32 *)area, (const u32 *)(area + 1));
  u8 *at = cabi_realloc(0, 0, 1, 9);
  at[0] = 0;
  copy(at + 1, (const u8 *)&area[1], 8);
  return ok(at, 9);
}

// What call answered: 0 and the result, or as above.
static u32 *called(const u32 *area) {
  if ((u8)area[0]) return answer(area, area + 1);
  u8 *at = cabi_realloc(0, 0, 1, area[2] + 1);
  at[0] = 0;
  copy(at + 1, (const u8 *)area[1], area[2]);
  return ok(at, area[2] + 1);
}

#ifdef BUCKETS
// The answer of a call of a bucket: 0 and some bytes, or 1, the case and, for other, the text. The error
// is in the area from a word on.
static u32 *told(const u32 *area, u32 word, const u8 *some, u32 some_len, const u8 *more, u32 more_len) {
  u32 failed = (u8)area[0], which = (u8)area[word];
  if (failed) some_len = 1, some = (const u8 *)&area[word], more = (const u8 *)area[word + 1], more_len = which == 2 ? area[word + 2] : 0;
  u8 *at = cabi_realloc(0, 0, 1, 1 + some_len + more_len);
  at[0] = failed != 0;
  copy(at + 1, some, some_len);
  copy(at + 1 + some_len, more, more_len);
  return ok(at, 1 + some_len + more_len);
}

// The keys in an area, each behind its length, which is that of the response without 2 bytes.
static u32 *listed(u32 *area) {
  if ((u8)area[0]) return told(area, 1, 0, 0, 0, 0);
  u32 len = 0, n = area[2], *list = (u32 *)area[1];
  for (u32 i = 0; i < n; i++) len += 1 + list[2 * i + 1];
  u8 *at = cabi_realloc(0, 0, 1, len), *to = at, more = (u8)area[3];
  for (u32 i = 0; i < n; to += list[2 * i + 1], i++) {
    *to++ = (u8)list[2 * i + 1];
    copy(to, (const u8 *)list[2 * i], list[2 * i + 1]);
  }
  return told(area, 1, &more, 1, at, len);
}

// Appends to a value, until nobody has changed it meanwhile.
static u32 *update(u32 bucket, const u8 *key, u32 key_len, const u8 *value, u32 len) {
  static u32 area[8];
  new_cas(bucket, key, key_len, area);
  while (!(u8)area[0]) {
    u32 cas = area[1];
    current(cas, area);
    if ((u8)area[0]) {
      drop_cas(cas);
      break;
    }
    u32 old_len = (u8)area[1] ? area[3] : 0;
    u8 *now = cabi_realloc(0, 0, 1, old_len + len);
    copy(now, (const u8 *)area[2], old_len);
    copy(now + old_len, value, len);
    swap(cas, now, old_len + len, area);
    if (!(u8)area[0]) return told(area, 1, 0, 0, 0, 0);
    if (!(u8)area[1]) return told(area, 2, 0, 0, 0, 0);
    area[0] = 0, area[1] = area[2]; // the cas of the new value
  }
  return told(area, 1, 0, 0, 0, 0);
}

static u32 *keyed(u8 operation, const u8 *key, u32 key_len, const u8 *value, u32 len) {
  static u64 space[4];
  u32 *area = (u32 *)space, *response = 0;
  open_bucket((const u8 *)"default", 7, area);
  if ((u8)area[0]) return told(area, 1, 0, 0, 0, 0);
  u32 bucket = area[1];
  switch (operation) {
  case 'g':
    get(bucket, key, key_len, area);
    response = told(area, 1, (u8 *)&area[1], 1, (const u8 *)area[2], (u8)area[1] ? area[3] : 0);
    break;
  case 'h':
    exists(bucket, key, key_len, area);
    response = told(area, 1, (u8 *)&area[1], 1, 0, 0);
    break;
  case 's':
    set(bucket, key, key_len, value, len, area);
    response = told(area, 1, 0, 0, 0, 0);
    break;
  case 'd':
    delete(bucket, key, key_len, area);
    response = told(area, 1, 0, 0, 0, 0);
    break;
  case 'l':
    list_keys(bucket, 1, key, key_len, area);
    response = listed(area);
    break;
  case 'i':
    increment(bucket, key, key_len, number(value), area);
    response = told(area, 2, (u8 *)&area[2], 8, 0, 0);
    break;
  case 'u':
    response = update(bucket, key, key_len, value, len);
  }
  drop_bucket(bucket);
  return response;
}
#endif

static u8 seen[4096], config[4096], health;
static u32 seen_len, config_len;
static u64 count;

static const u8 *state;
static u32 state_len;

// Moves the state, which lies in the heap, to where the heap began.
static void keep(const u8 *from, u32 len) {
  state = &__heap_base, state_len = len;
  __builtin_memmove(&__heap_base, from, len);
  bottom = (u32)&__heap_base + len;
}

static void forever(void) {
  for (volatile u32 i = 0;; i++);
}
// Through a pointer that the compiler cannot see through: it would make a loop.
static u32 deep(u32 n);
static u32 (*volatile deeper)(u32) = deep;
static u32 deep(u32 n) { return deeper(n + 1) + n; }

static void hurt(u8 how) {
  if (how == 'x') __builtin_trap();
  if (how == 'o') {
    host_log(0, (const u8 *)"endless", 7);
    forever();
  }
  if (how == 'z') deep(0);
}

static u32 *obey(const u8 *sender, u32 sender_len, const u8 *msg, u32 len) {
  static u32 small[4];
  static u64 large[3];
  if (!len) return ok(msg, 0);
  const u8 *rest = msg + 1;
  u32 rest_len = len - 1;
  switch (msg[0]) {
  case 'e': return ok(rest, rest_len);
  case 'f': return error(rest[0], rest + 1, rest_len - 1);
  case 'w': return ok(sender, sender_len);
  case 'g': return ok(config, config_len);
  case 'k': return ok(seen, seen_len);
  case 'n': return ok(put_number(count), 8);
  case 'b': return ok(cabi_realloc(0, 0, 1, (u32)number(rest)), (u32)number(rest));
  case 'h': health = rest[0]; return ok(rest, 0);
  case 'p': keep(rest, rest_len); return ok(rest, 0);
  case 'd': return ok(state, state_len);
  case 'l': host_log(rest[0], rest + 1, rest_len - 1); return ok(rest, 0);
  case 't': return ok(put_number(current_time()), 8);
  case 'i': self_id(small); return ok((u8 *)small[0], small[1]);
  case 's':
    send_message(rest + 1, rest[0], rest + 1 + rest[0], rest_len - 1 - rest[0], small);
    return answer(small, small + 1);
  case 'u':
    publish(rest + 1, rest[0], rest + 1 + rest[0], rest_len - 1 - rest[0], small);
    return answer(small, small + 1);
  case 'c':
    cancel_request(number(rest), small);
    return answer(small, small + 1);
  case 'r':
    send_request(rest + 9, rest[8], rest + 9 + rest[8], rest_len - 9 - rest[8], number(rest), large);
    return answer_id(large);
  case 'a':
    after(number(rest), rest + 8, rest_len - 8, large);
    return answer_id(large);
  case 'q':
    small[0] = cancel_timer(number(rest));
    return ok((u8 *)small, 1);
  case 'j':
    call(rest + 1, rest[0], rest + 1 + rest[0], rest_len - 1 - rest[0], small);
    return called(small);
#ifdef BUCKETS
  case 'v': return keyed(rest[0], rest + 2, rest[1], rest + 2 + rest[1], rest_len - 2 - rest[1]);
#endif
  case 'm': {
    u32 *last = ok(rest, 0);
    for (u32 i = 0; i < rest_len; i += 1 + rest[i]) last = obey(sender, sender_len, rest + i + 1, rest[i]);
    return last;
  }
  }
  hurt(msg[0]);
  return error(0, (const u8 *)"unknown command", 15);
}

LIFECYCLE("handle-message") u32 *handle_message(const u8 *sender, u32 sender_len, const u8 *msg, u32 len) {
  count++;
  return obey(sender, sender_len, msg, len);
}

LIFECYCLE("handle-callback") u32 *handle_callback(u64 id, u32 failed, const u8 *text, u32 len) {
  if (!failed && len) hurt(text[0]);
  u32 kept = len > sizeof seen - 9 ? sizeof seen - 9 : len;
  copy(seen, (u8 *)&id, 8);
  seen[8] = (u8)failed;
  copy(seen + 9, text, kept);
  seen_len = kept + 9;
  return !failed && len && text[0] == 'f' ? error(text[1], text + 2, len - 2) : ok(0, 0);
}

struct pair { const u8 *key; u32 key_len; const u8 *value; u32 value_len; };

MANAGEMENT("initialize") u32 *initialize(struct pair *pairs, u32 n) {
  static u32 area[4];
  count++;
  for (u32 i = 0; i < n; i++) {
    struct pair *p = pairs + i;
    if (config_len + p->key_len + p->value_len + 2 > sizeof config) __builtin_trap();
    copy(config + config_len, p->key, p->key_len), config_len += p->key_len;
    config[config_len++] = '=';
    copy(config + config_len, p->value, p->value_len), config_len += p->value_len;
    config[config_len++] = '\n';
    if (p->key_len != 1) continue;
    if (p->key[0] == 's') send_message(p->value, p->value_len, (const u8 *)"hello", 5, area);
    if (p->key[0] == 'f') return error(p->value[0] - '0', p->value + 1, p->value_len - 1);
    hurt(p->key[0]);
  }
  return ok(0, 0);
}

MANAGEMENT("health") u32 health_status(void) {
  hurt(health);
  return health;
}

MANAGEMENT("shutdown") void shutdown(void) {
  host_log(2, (const u8 *)"shutdown", 8);
  hurt(health);
}

STATE("save") u32 *save(void) {
  static u32 area[4];
  host_log(2, (const u8 *)"save", 4);
  if (state_len) {
    if (state[0] == 'f') return error(state[1], state + 2, state_len - 2);
    if (state[0] == 'b') return ok(cabi_realloc(0, 0, 1, (u32)number(state + 1)), (u32)number(state + 1));
    if (state[0] == 's') send_message(state + 1, state_len - 1, (const u8 *)"hello", 5, area);
    hurt(state[0]);
  }
  return ok(state, state_len);
}

STATE("restore") u32 *restore(const u8 *from, u32 len) {
  host_log(2, (const u8 *)"restore", 7);
  if (len) {
    if (from[0] == 'f') return error(from[1], from + 2, len - 2);
    hurt(from[0]);
  }
  keep(from, len);
  return ok(0, 0);
}

POST("core/component-lifecycle@0.1.0#handle-message") void post_message(u32 *area) { heap = bottom; }
POST("core/component-lifecycle@0.1.0#handle-callback") void post_callback(u32 *area) { heap = bottom; }
POST("core/component-management@0.1.0#initialize") void post_initialize(u32 *area) { heap = bottom; }
POST("state/component-state@0.1.0#save") void post_save(u32 *area) { heap = bottom; }
POST("state/component-state@0.1.0#restore") void post_restore(u32 *area) { heap = bottom; }
