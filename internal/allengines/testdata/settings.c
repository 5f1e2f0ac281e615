// Asks for settings of wasi:config and for secrets. The first byte of a message says how, the rest is
// the key: by the names of the interface "d" draft, "r" rc.1 and "o" of old; "a" for all settings; "s"
// for the function airhost/secret.
#define BLOCKS (1 << 16)
#define LARGEST (BLOCKS / 4)
#define ANSWER (1 << 12)
#include "guest.h"

#define IMPORT(module, name) __attribute__((import_module(module), import_name(name)))

IMPORT("wasi:config/store@0.2.0-draft", "get") void draft_get(const u8 *key, u32 size, u32 *area);
IMPORT("wasi:config/store@0.2.0-draft", "get-all") void get_all(u32 *area);
IMPORT("wasi:config/store@0.2.0-rc.1", "get") void rc_get(const u8 *key, u32 size, u32 *area);
IMPORT("wasi:config/runtime@0.2.0-draft", "get") void old_get(const u8 *key, u32 size, u32 *area);
IMPORT("airhost:functions/host-functions@0.1.0", "call")
void call(const u8 *name, u32 name_size, const u8 *argument, u32 size, u32 *area);

// put_value writes a result<option<string>, error>.
static void put_value(u32 *area) {
  u8 *bytes = (u8 *)area;
  put_byte(bytes[0] ? 'E' : bytes[4] ? 'V' : 'N');
  if (bytes[0] || bytes[4]) put((void *)area[2], area[3]);
}

static void put_all(u32 *area) {
  u32 *pair = (u32 *)area[1];
  for (u32 n = area[2]; n; n--, pair += 4) {
    put((void *)pair[0], pair[1]);
    put_byte('=');
    put((void *)pair[2], pair[3]);
    put_byte(' ');
  }
}

// put_result writes a result<list<u8>, call-error>.
static void put_result(u32 *area) {
  u8 *bytes = (u8 *)area;
  if (!bytes[0]) {
    put_byte('V');
    put((void *)area[1], area[2]);
    return;
  }
  put_byte('E');
  put_byte('0' + bytes[4]);
  put((void *)area[2], area[3]);
}

__attribute__((export_name("airhost:core/component-lifecycle@0.1.0#handle-message"))) u32 *handle_message(
    const u8 *sender, u32 sender_len, const u8 *msg, u32 len) {
  static u32 result[4];
  static u32 area[8];
  static u8 key[256]; // its block is soon used again
  if (len == 0 || len > sizeof key) __builtin_trap();
  u8 how = msg[0];
  __builtin_memcpy(key, msg + 1, --len);
  length = 0;
  switch (how) {
  case 'd':
    draft_get(key, len, area);
    put_value(area);
    break;
  case 'r':
    rc_get(key, len, area);
    put_value(area);
    break;
  case 'o':
    old_get(key, len, area);
    put_value(area);
    break;
  case 'a':
    get_all(area);
    put_all(area);
    break;
  case 's':
    call((const u8 *)"airhost/secret", 14, key, len, area);
    put_result(area);
    break;
  }
  result[1] = (u32)answer;
  result[2] = length;
  return result;
}
