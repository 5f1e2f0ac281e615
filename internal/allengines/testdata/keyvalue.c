// Uses buckets of wasi:keyvalue. A message is the name of an operation and its arguments, each
// as a byte with its length and the bytes; see the test. "n" repeats get or set, for a benchmark.
#define BLOCKS (1 << 16)
#define LARGEST (BLOCKS / 4)
#define ANSWER (1 << 12)
#include "guest.h"

#define STORE(name) __attribute__((import_module("wasi:keyvalue/store@0.2.0-draft2"), import_name(name)))
#define ATOMICS(name) __attribute__((import_module("wasi:keyvalue/atomics@0.2.0-draft2"), import_name(name)))
#define BATCH(name) __attribute__((import_module("wasi:keyvalue/batch@0.2.0-draft2"), import_name(name)))

STORE("open") void bucket_open(const u8 *name, u32 size, u32 *area);
STORE("[resource-drop]bucket") void bucket_drop(u32 bucket);
STORE("[method]bucket.get") void bucket_get(u32 bucket, const u8 *key, u32 size, u32 *area);
STORE("[method]bucket.set") void bucket_set(u32 bucket, const u8 *key, u32 size, const u8 *value, u32 value_size, u32 *area);
STORE("[method]bucket.delete") void bucket_delete(u32 bucket, const u8 *key, u32 size, u32 *area);
STORE("[method]bucket.exists") void bucket_exists(u32 bucket, const u8 *key, u32 size, u32 *area);
STORE("[method]bucket.list-keys") void bucket_list(u32 bucket, u32 given, const u8 *cursor, u32 size, u32 *area);
ATOMICS("increment") void bucket_increment(u32 bucket, const u8 *key, u32 size, u64 delta, u32 *area);
ATOMICS("[static]cas.new") void cas_new(u32 bucket, const u8 *key, u32 size, u32 *area);
ATOMICS("[method]cas.current") void cas_current(u32 cas, u32 *area);
ATOMICS("swap") void cas_swap(u32 cas, const u8 *value, u32 size, u32 *area);
BATCH("get-many") void get_many(u32 bucket, const u32 *keys, u32 n, u32 *area);
BATCH("set-many") void set_many(u32 bucket, const u32 *pairs, u32 n, u32 *area);
BATCH("delete-many") void delete_many(u32 bucket, const u32 *keys, u32 n, u32 *area);

// failed writes the error of a result that is not ok, which stands so many bytes behind.
static int failed(u32 *area, u32 at) {
  u8 *bytes = (u8 *)area;
  if (!bytes[0]) return 0;
  put_byte('E');
  put_byte('0' + bytes[at]);
  if (bytes[at] == 2) put((void *)area[at / 4 + 1], area[at / 4 + 2]);
  return 1;
}

static void put_value(u32 *area) {
  if (failed(area, 4)) return;
  put_byte(((u8 *)area)[4] ? 'V' : 'N');
  if (((u8 *)area)[4]) put((void *)area[2], area[3]);
}

static u32 bucket;
static u32 kept; // a cas

static void run(u8 what, const u8 *a, u32 a_size, const u8 *b, u32 b_size) {
  static u64 space[4];
  u32 *area = (u32 *)space;
  switch (what) {
  case 'o':
    bucket_open(a, a_size, area);
    if (!failed(area, 4)) bucket = area[1];
    break;
  case 'x':
    bucket_drop(bucket);
    break;
  case 'g':
    bucket_get(bucket, a, a_size, area);
    put_value(area);
    break;
  case 's':
    bucket_set(bucket, a, a_size, b, b_size, area);
    failed(area, 4);
    break;
  case 'd':
    bucket_delete(bucket, a, a_size, area);
    failed(area, 4);
    break;
  case 'e':
    bucket_exists(bucket, a, a_size, area);
    if (!failed(area, 4)) put_byte('0' + ((u8 *)area)[4]);
    break;
  case 'l':
    bucket_list(bucket, a_size > 0, a, a_size, area);
    if (failed(area, 4)) break;
    for (u32 i = 0, *list = (u32 *)area[1]; i < area[2]; i++) {
      put((void *)list[2 * i], list[2 * i + 1]);
      put_byte(' ');
    }
    if (((u8 *)area)[12]) put_byte('+');
    break;
  case 'i':
    bucket_increment(bucket, a, a_size, (u64)(long long)(signed char)b[0], area);
    if (!failed(area, 8)) put(space + 1, 8);
    break;
  case 'S': { // a becomes b, and b becomes a
    u32 pairs[] = {(u32)a, a_size, (u32)b, b_size, (u32)b, b_size, (u32)a, a_size};
    set_many(bucket, pairs, 2, area);
    failed(area, 4);
    break;
  }
  case 'G':
  case 'D': {
    u32 keys[] = {(u32)a, a_size, (u32)b, b_size};
    (what == 'G' ? get_many : delete_many)(bucket, keys, 2, area);
    if (failed(area, 4) || what == 'D') break;
    for (u32 i = 0, *pair = (u32 *)area[1]; i < area[2]; i++, pair += 5) {
      put_byte(((u8 *)pair)[0] ? 'V' : 'N');
      if (((u8 *)pair)[0]) put((void *)pair[1], pair[2]), put_byte('='), put((void *)pair[3], pair[4]);
    }
    break;
  }
  case 'c':
    cas_new(bucket, a, a_size, area);
    if (!failed(area, 4)) kept = area[1];
    break;
  case 'r':
    cas_current(kept, area);
    put_value(area);
    break;
  case 'w':
    cas_swap(kept, a, a_size, area);
    if (!((u8 *)area)[0]) {
      put_byte('W');
    } else if (((u8 *)area)[4]) {
      put_byte('F');
      kept = area[2];
    } else {
      put_byte('E');
      put_byte('0' + ((u8 *)area)[8]);
    }
    break;
  }
}

// repeat sets or gets the key "key" as often as 4 bytes say, with 64 bytes.
static void repeat(u8 what, const u8 *count) {
  static u64 space[4];
  static u8 value[64];
  u32 *area = (u32 *)space, n;
  __builtin_memcpy(&n, count, 4);
  for (; n; n--) {
    if (what == 's')
      bucket_set(bucket, (const u8 *)"key", 3, value, 64, area);
    else
      bucket_get(bucket, (const u8 *)"key", 3, area);
    if (((u8 *)area)[0]) __builtin_trap();
  }
}

__attribute__((export_name("airhost:core/component-lifecycle@0.1.0#handle-message"))) u32 *handle_message(
    const u8 *sender, u32 sender_len, const u8 *msg, u32 len) {
  static u32 result[4];
  static u8 message[1 << 12]; // its block is soon used again
  if (len > sizeof message) __builtin_trap();
  __builtin_memcpy(message, msg, len);
  length = 0;
  if (len > 5 && message[0] == 'n') {
    repeat(message[1], message + 2);
    len = 0;
  }
  for (u32 at = 0; at < len;) {
    u8 what = message[at], n = message[at + 1];
    const u8 *a = message + at + 2;
    u8 m = a[n];
    run(what, a, n, a + n + 1, m);
    at += 3 + n + m;
  }
  result[1] = (u32)answer;
  result[2] = length;
  return result;
}
