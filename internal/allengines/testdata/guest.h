// The memory and the answer of a guest for tests. BLOCKS is the size of the memory that the host writes to,
// which is used again when it is full, LARGEST the most that it asks for at once, and ANSWER the size of the
// longest answer.
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

static u8 blocks[BLOCKS] __attribute__((aligned(8)));
static u32 used;

__attribute__((export_name("cabi_realloc"))) u8 *cabi_realloc(u8 *old, u32 old_size, u32 align, u32 size) {
  if (size > LARGEST) __builtin_trap();
  u32 at = (used + 7) & -8;
  if (at + size > sizeof blocks) at = 0;
  used = at + size;
  return blocks + at;
}

static u8 answer[ANSWER];
static u32 length;

static void put(const void *from, u32 size) {
  if (length + size > sizeof answer) __builtin_trap();
  __builtin_memcpy(answer + length, from, size);
  length += size;
}

static inline void put_byte(u8 b) { put(&b, 1); }
