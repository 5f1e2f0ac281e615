// Uses files by both versions of WASI. A message is a list of operations; see the test. Each one
// is a letter, the version, a slot with a file, an argument, and two texts, each after its
// length in 2 bytes. The answer has the error's number of each operation, a colon with what was
// read, and a zero byte. Slots 0 and 1 are the directories that were granted.
#define BLOCKS (1 << 18)
#define LARGEST (BLOCKS / 2)
#define ANSWER (1 << 17)
#include "guest.h"

#define ONE(name) __attribute__((import_module("wasi_snapshot_preview1"), import_name(name)))
#define TWO(name) __attribute__((import_module("wasi:filesystem/types@0.2.0"), import_name(name)))
#define IO(name) __attribute__((import_module("wasi:io/streams@0.2.0"), import_name(name)))

ONE("path_open") u32 path_open(u32 fd, u32 follow, const u8 *path, u32 size, u32 flags, u64 rights, u64 inherited, u32 fd_flags, u32 *opened);
ONE("fd_pread") u32 fd_pread(u32 fd, const u32 *list, u32 count, u64 at, u32 *n);
ONE("fd_pwrite") u32 fd_pwrite(u32 fd, const u32 *list, u32 count, u64 at, u32 *n);
ONE("fd_write") u32 fd_write(u32 fd, const u32 *list, u32 count, u32 *n);
ONE("fd_fdstat_set_flags") u32 fd_set_flags(u32 fd, u32 flags);
ONE("fd_filestat_set_size") u32 fd_set_size(u32 fd, u64 size);
ONE("fd_allocate") u32 fd_allocate(u32 fd, u64 at, u64 size);
ONE("fd_filestat_set_times") u32 fd_set_times(u32 fd, u64 accessed, u64 modified, u32 flags);
ONE("path_filestat_set_times") u32 path_set_times(u32 fd, u32 follow, const u8 *path, u32 size, u64 accessed, u64 modified, u32 flags);
ONE("path_create_directory") u32 path_create_directory(u32 fd, const u8 *path, u32 size);
ONE("path_unlink_file") u32 path_unlink_file(u32 fd, const u8 *path, u32 size);
ONE("path_remove_directory") u32 path_remove_directory(u32 fd, const u8 *path, u32 size);
ONE("path_rename") u32 path_rename(u32 fd, const u8 *path, u32 size, u32 to, const u8 *new, u32 new_size);
ONE("path_link") u32 path_link(u32 fd, u32 follow, const u8 *path, u32 size, u32 to, const u8 *new, u32 new_size);
ONE("path_symlink") u32 path_symlink(const u8 *target, u32 target_size, u32 fd, const u8 *path, u32 size);
ONE("path_readlink") u32 path_readlink(u32 fd, const u8 *path, u32 size, u8 *to, u32 room, u32 *n);
ONE("path_filestat_get") u32 path_stat(u32 fd, u32 follow, const u8 *path, u32 size, u64 *stat);
ONE("fd_filestat_get") u32 fd_stat(u32 fd, u64 *stat);
ONE("fd_readdir") u32 fd_readdir(u32 fd, u8 *to, u32 room, u64 cookie, u32 *n);
ONE("fd_sync") u32 fd_sync(u32 fd);
ONE("fd_close") u32 fd_close(u32 fd);
ONE("fd_renumber") u32 fd_renumber(u32 fd, u32 to);

TWO("[method]descriptor.open-at") void open_at(u32 d, u32 follow, const u8 *path, u32 size, u32 flags, u32 kinds, u32 *area);
TWO("[method]descriptor.read") void read2(u32 d, u64 n, u64 at, u32 *area);
TWO("[method]descriptor.write") void write2(u32 d, const u8 *from, u32 size, u64 at, u32 *area);
TWO("[method]descriptor.append-via-stream") void append_stream(u32 d, u32 *area);
TWO("[method]descriptor.read-via-stream") void read_stream(u32 d, u64 at, u32 *area);
TWO("[method]descriptor.set-size") void set_size2(u32 d, u64 size, u32 *area);
TWO("[method]descriptor.set-times") void set_times2(u32 d, u32 k, u64 s, u32 n, u32 k2, u64 s2, u32 n2, u32 *area);
TWO("[method]descriptor.set-times-at") void set_times_at(u32 d, u32 follow, const u8 *path, u32 size, u32 k, u64 s, u32 n, u32 k2, u64 s2, u32 n2, u32 *area);
TWO("[method]descriptor.create-directory-at") void create_directory_at(u32 d, const u8 *path, u32 size, u32 *area);
TWO("[method]descriptor.unlink-file-at") void unlink_file_at(u32 d, const u8 *path, u32 size, u32 *area);
TWO("[method]descriptor.remove-directory-at") void remove_directory_at(u32 d, const u8 *path, u32 size, u32 *area);
TWO("[method]descriptor.rename-at") void rename_at(u32 d, const u8 *path, u32 size, u32 to, const u8 *new, u32 new_size, u32 *area);
TWO("[method]descriptor.link-at") void link_at(u32 d, u32 follow, const u8 *path, u32 size, u32 to, const u8 *new, u32 new_size, u32 *area);
TWO("[method]descriptor.symlink-at") void symlink_at(u32 d, const u8 *target, u32 target_size, const u8 *path, u32 size, u32 *area);
TWO("[method]descriptor.readlink-at") void readlink_at(u32 d, const u8 *path, u32 size, u32 *area);
TWO("[method]descriptor.stat-at") void stat_at(u32 d, u32 follow, const u8 *path, u32 size, u32 *area);
TWO("[method]descriptor.stat") void stat2(u32 d, u32 *area);
TWO("[method]descriptor.sync") void sync2(u32 d, u32 *area);
TWO("[method]descriptor.read-directory") void read_directory(u32 d, u32 *area);
TWO("[method]directory-entry-stream.read-directory-entry") void read_entry(u32 s, u32 *area);
TWO("[resource-drop]directory-entry-stream") void entries_drop(u32 s);
TWO("[resource-drop]descriptor") void descriptor_drop(u32 d);
IO("[method]output-stream.blocking-write-and-flush") void stream_write(u32 s, const u8 *from, u32 size, u32 *area);
IO("[method]input-stream.blocking-read") void stream_read(u32 s, u64 n, u32 *area);
IO("[resource-drop]output-stream") void output_drop(u32 s);
IO("[resource-drop]input-stream") void input_drop(u32 s);
TWO("filesystem-error-code") void error_code(u32 e, u8 *area);
__attribute__((import_module("wasi:filesystem/preopens@0.2.0"), import_name("get-directories"))) void get_directories(u32 *area);

static void put_number(u64 n) {
  u8 digits[20];
  u32 at = sizeof digits;
  do digits[--at] = '0' + n % 10;
  while (n /= 10);
  put(digits + at, sizeof digits - at);
}

static u32 slots[3][128];
static u64 space[16];
static u8 room[1 << 16];

struct step {
  u8 what, version, slot, extra;
  const u8 *a, *b;
  u32 a_size, b_size;
};

// failed writes the error's number of a result, whose error stands so many bytes behind.
static int failed(u32 at) {
  u8 *bytes = (u8 *)space;
  put_number(bytes[0] ? 100 + bytes[at] : 0);
  return bytes[0];
}

static void one(struct step *s) {
  u32 fd = slots[1][s->slot], n = 0, error;
  u32 list[2] = {(u32)s->a, s->a_size};
  u64 size = 0;
  if (s->what == 'z' || s->what == 'a') __builtin_memcpy(&size, s->a, 8);
  switch (s->what) {
  case 'o': {
    u64 rights = (s->extra & 32 ? 2 : 0) | (s->extra & 64 ? 1 << 6 : 0);
    error = path_open(fd, s->extra & 1, s->a, s->a_size, s->extra >> 1 & 15, rights, rights, 0, &n);
    if (!error) slots[1][s->b[0]] = n;
    break;
  }
  case 'r': case 'i':
    list[0] = (u32)room, list[1] = 4096;
    error = fd_pread(fd, list, 1, s->extra, &n);
    put_number(error);
    if (error) return;
    put(":", 1);
    put(room, n);
    return;
  case 'w': error = fd_pwrite(fd, list, 1, s->extra, &n); break;
  case 'A':
    fd_set_flags(fd, 1);
    error = fd_write(fd, list, 1, &n);
    break;
  case 'z': error = fd_set_size(fd, size); break;
  case 'a': error = fd_allocate(fd, 0, size); break;
  case 't': error = s->a_size ? path_set_times(fd, s->extra & 1, s->a, s->a_size, 0, 1000000007, 4) : fd_set_times(fd, 0, 1000000007, 4); break;
  case 'm': error = path_create_directory(fd, s->a, s->a_size); break;
  case 'u': error = path_unlink_file(fd, s->a, s->a_size); break;
  case 'd': error = path_remove_directory(fd, s->a, s->a_size); break;
  case 'n': error = path_rename(fd, s->a, s->a_size, slots[1][s->extra], s->b, s->b_size); break;
  case 'l': error = path_link(fd, 0, s->a, s->a_size, slots[1][s->extra], s->b, s->b_size); break;
  case 's': error = path_symlink(s->a, s->a_size, fd, s->b, s->b_size); break;
  case 'k':
    error = path_readlink(fd, s->a, s->a_size, room, sizeof room, &n);
    put_number(error);
    put(":", 1);
    put(room, n);
    return;
  case 'f':
    error = s->a_size ? path_stat(fd, s->extra & 1, s->a, s->a_size, space) : fd_stat(fd, space);
    put_number(error);
    if (error) return;
    put(":", 1);
    put_number(((u8 *)space)[16]);
    put(" ", 1);
    put_number(space[4]);
    put(" ", 1);
    put_number(space[6]);
    return;
  case 'e':
    error = fd_readdir(fd, room, sizeof room, 0, &n);
    put_number(error);
    put(":", 1);
    for (u32 at = 0; at + 24 <= n;) {
      u32 name;
      __builtin_memcpy(&name, room + at + 16, 4);
      if (name > 2 || room[at + 24] != '.') put(room + at + 24, name), put(" ", 1);
      at += 24 + name;
    }
    return;
  case 'y': error = fd_sync(fd); break;
  case 'x': error = fd_close(fd); break;
  case 'p': error = fd_renumber(fd, slots[1][s->extra]); break;
  default: __builtin_trap();
  }
  put_number(error);
}

static void stream(struct step *s, u32 d) {
  u32 *area = (u32 *)space;
  if (s->what == 'A')
    append_stream(d, area);
  else
    read_stream(d, s->extra, area);
  if (((u8 *)area)[0]) {
    failed(4);
    return;
  }
  u32 stream = area[1];
  if (s->what == 'A')
    stream_write(stream, s->a, s->a_size, area);
  else
    stream_read(stream, 4096, area);
  if (!((u8 *)area)[0]) {
    put_number(0);
    if (s->what == 'i') put(":", 1), put((void *)area[1], area[2]);
  } else if (((u8 *)area)[4]) {
    put("closed", 6);
  } else {
    u8 code[2];
    error_code(area[2], code);
    put_number(100 + code[1]);
  }
  if (s->what == 'A')
    output_drop(stream);
  else
    input_drop(stream);
}

static void two(struct step *s) {
  u32 d = slots[2][s->slot], *area = (u32 *)space;
  u64 size = 0;
  if (s->what == 'z') __builtin_memcpy(&size, s->a, 8);
  switch (s->what) {
  case 'o':
    open_at(d, s->extra & 1, s->a, s->a_size, s->extra >> 1 & 15, s->extra >> 5, area);
    if (!failed(4)) slots[2][s->b[0]] = area[1];
    return;
  case 'r':
    read2(d, 4096, s->extra, area);
    if (failed(4)) return;
    put(":", 1);
    put((void *)area[1], area[2]);
    return;
  case 'w':
    write2(d, s->a, s->a_size, s->extra, area);
    failed(8);
    return;
  case 'A': case 'i': stream(s, d); return;
  case 'z': set_size2(d, size, area); break;
  case 't':
    if (s->a_size)
      set_times_at(d, s->extra & 1, s->a, s->a_size, 0, 0, 0, 2, 1, 7, area);
    else
      set_times2(d, 0, 0, 0, 2, 1, 7, area);
    break;
  case 'm': create_directory_at(d, s->a, s->a_size, area); break;
  case 'u': unlink_file_at(d, s->a, s->a_size, area); break;
  case 'd': remove_directory_at(d, s->a, s->a_size, area); break;
  case 'n': rename_at(d, s->a, s->a_size, slots[2][s->extra], s->b, s->b_size, area); break;
  case 'l': link_at(d, 0, s->a, s->a_size, slots[2][s->extra], s->b, s->b_size, area); break;
  case 's': symlink_at(d, s->a, s->a_size, s->b, s->b_size, area); break;
  case 'k':
    readlink_at(d, s->a, s->a_size, area);
    if (failed(4)) return;
    put(":", 1);
    put((void *)area[1], area[2]);
    return;
  case 'f':
    if (s->a_size)
      stat_at(d, s->extra & 1, s->a, s->a_size, area);
    else
      stat2(d, area);
    if (failed(8)) return;
    put(":", 1);
    put_number(((u8 *)space)[8]);
    put(" ", 1);
    put_number(space[3]);
    put(" ", 1);
    put_number(space[8] * 1000000000 + (u32)space[9]);
    return;
  case 'e':
    read_directory(d, area);
    if (failed(4)) return;
    put(":", 1);
    for (u32 entries = area[1];;) {
      read_entry(entries, area);
      if (((u8 *)area)[0] || !((u8 *)area)[4]) {
        entries_drop(entries);
        return;
      }
      put((void *)area[3], area[4]);
      put(" ", 1);
    }
  case 'y': sync2(d, area); break;
  case 'x':
    descriptor_drop(d);
    put_number(0);
    return;
  default: __builtin_trap();
  }
  failed(1);
}

static void begin(void) {
  u32 *area = (u32 *)space;
  get_directories(area);
  for (u32 i = 0, *list = (u32 *)area[0]; i < area[1] && i < 2; i++) {
    slots[2][i] = list[3 * i];
    slots[1][i] = 3 + i;
  }
}

// repeat reads or writes 4 KiB of the file in slot 2 by preview 1, as often as 4 bytes say.
static void repeat(u8 what, const u8 *count) {
  u32 list[2] = {(u32)room, 4096}, n, got;
  __builtin_memcpy(&n, count, 4);
  for (; n; n--)
    if (what == 'w' ? fd_pwrite(slots[1][2], list, 1, 0, &got) : fd_pread(slots[1][2], list, 1, 0, &got)) __builtin_trap();
}

__attribute__((export_name("airhost:core/component-lifecycle@0.1.0#handle-message"))) u32 *handle_message(
    const u8 *sender, u32 sender_len, const u8 *msg, u32 len) {
  static u32 result[4];
  static u8 message[1 << 17]; // its block is soon used again
  if (len > sizeof message) __builtin_trap();
  __builtin_memcpy(message, msg, len);
  length = 0;
  if (!slots[1][0]) begin();
  if (len == 6 && message[0] == '#') {
    repeat(message[1], message + 2);
    len = 0;
  }
  for (u32 at = 0; at < len;) {
    struct step s = {message[at], message[at + 1], message[at + 2], message[at + 3], 0, 0, 0, 0};
    u16 n;
    __builtin_memcpy(&n, message + at + 4, 2);
    s.a = message + at + 6, s.a_size = n;
    at += 6 + n;
    __builtin_memcpy(&n, message + at, 2);
    s.b = message + at + 2, s.b_size = n;
    at += 2 + n;
    if (s.version == 1)
      one(&s);
    else
      two(&s);
    put("", 1);
  }
  result[1] = (u32)answer;
  result[2] = length;
  return result;
}
