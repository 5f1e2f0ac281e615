// A guest that dives: it calls itself as often as the message's first 4 bytes say, and then
// does what the next byte says. c calls the host's function "t/next" with the message, and
// returns its result or the text of its error. b returns "bottom", x traps, s stores
// outside of its memory, and o calls itself without end. It is built like player.c.

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

__attribute__((import_module("airhost:functions/host-functions@0.1.0"), import_name("call"))) void call(
    const u8 *name, u32 name_len, const u8 *argument, u32 len, u32 *area);

static u8 heap[4096];
static u32 used;

__attribute__((export_name("cabi_realloc"))) u8 *cabi_realloc(u8 *old, u32 old_size, u32 align, u32 size) {
  u32 at = (used + 7) & ~7u;
  if (at + size > sizeof heap) __builtin_trap();
  used = at + size;
  return heap + at;
}

static u32 result[4];

static u32 bottom(const u8 *msg, u32 len) {
  static u32 area[4];
  switch (msg[4]) {
  case 'x': __builtin_trap();
  case 's': *(volatile u8 *)0xfffffff0 = 1; break;
  case 'c':
    call((const u8 *)"t/next", 6, msg, len, area);
    result[1] = area[0] & 0xff ? area[2] : area[1];
    result[2] = area[0] & 0xff ? area[3] : area[2];
    return 0;
  }
  result[1] = (u32)"bottom", result[2] = 6;
  return 0;
}

// Each call keeps many values in its frame. The pointer hides that it calls itself.
static u32 dive(u32 n, const u8 *msg, u32 len, u64 a, u64 b, u64 c, u64 d, u64 e);
static u32 (*volatile deeper)(u32, const u8 *, u32, u64, u64, u64, u64, u64) = dive;
static u32 dive(u32 n, const u8 *msg, u32 len, u64 a, u64 b, u64 c, u64 d, u64 e) {
  if (n == 0 && msg[4] != 'o') return bottom(msg, len);
  return deeper(n - 1, msg, len, a * 3, b * 5, c * 7, d * 9, e * 11) + (u32)(a ^ b ^ c ^ d ^ e);
}

__attribute__((export_name("airhost:core/component-lifecycle@0.1.0#handle-message"))) u32 *handle_message(
    const u8 *sender, u32 sender_len, const u8 *msg, u32 len) {
  u32 n;
  __builtin_memcpy(&n, msg, 4);
  result[0] = 0;
  result[3] = dive(n, msg, len, n, len, n + 1, len + 1, n + len);
  return result;
}

__attribute__((export_name("cabi_post_airhost:core/component-lifecycle@0.1.0#handle-message"))) void post(u32 *area) {
  used = 0;
}
