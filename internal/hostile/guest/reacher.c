// The guest that attacks by things outside of the host: files, requests of HTTP, secrets. The first
// byte of a message selects the attack. The tables in package hostile describe the attacks. An attack that
// the guest survives returns counts.

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

#define IMPORT(module, name) __attribute__((import_module(module), import_name(name)))
#define FILE1(name) IMPORT("wasi_snapshot_preview1", name)
#define FILES(name) IMPORT("wasi:filesystem/types@0.2.0", name)
#define HTTP(name) IMPORT("wasi:http/types@0.2.0", name)
#define EXPORT(name) __attribute__((export_name(name)))
#define LIFECYCLE(name) EXPORT("airhost:core/component-lifecycle@0.1.0#" name)
#define MANAGEMENT(name) EXPORT("airhost:core/component-management@0.1.0#" name)

FILE1("path_open") u32 path_open(u32 fd, u32 look, u32 path, u32 len, u32 how, u64 rights, u64 inherited, u32 flags, u32 area);
FILE1("path_create_directory") u32 make_directory(u32 fd, u32 path, u32 len);
FILE1("path_rename") u32 rename(u32 fd, u32 path, u32 len, u32 to, u32 to_path, u32 to_len);
FILE1("path_symlink") u32 symlink(u32 target, u32 target_len, u32 fd, u32 path, u32 len);
FILE1("path_link") u32 hard_link(u32 fd, u32 look, u32 path, u32 len, u32 to, u32 to_path, u32 to_len);
FILE1("path_unlink_file") u32 unlink(u32 fd, u32 path, u32 len);
FILE1("fd_close") u32 close(u32 fd);
FILE1("fd_pwrite") u32 pwrite(u32 fd, u32 buffers, u32 n, u64 at, u32 area);
FILE1("fd_seek") u32 seek(u32 fd, u64 by, u32 from, u32 area);
FILE1("fd_filestat_set_size") u32 set_size(u32 fd, u64 size);
FILE1("fd_filestat_set_times") u32 set_times(u32 fd, u64 accessed, u64 modified, u32 flags);
FILE1("fd_allocate") u32 allocate(u32 fd, u64 at, u64 size);
FILE1("fd_readdir") u32 read_directory(u32 fd, u32 to, u32 len, u64 place, u32 area);
FILE1("fd_write") u32 fd_write(u32 fd, u32 buffers, u32 n, u32 area);
IMPORT("wasi:filesystem/preopens@0.2.0", "get-directories") void directories(u32 area);
FILES("[method]descriptor.open-at") void open_at(u32 in, u32 look, u32 path, u32 len, u32 how, u32 kind, u32 area);
FILES("[method]descriptor.read") void read_at(u32 file, u64 n, u64 at, u32 area);
FILES("[method]descriptor.append-via-stream") void append_to(u32 file, u32 area);
FILES("[resource-drop]descriptor") void drop_file(u32 file);
HTTP("[constructor]fields") u32 new_fields(void);
HTTP("[constructor]outgoing-request") u32 new_request(u32 fields);
HTTP("[method]outgoing-request.set-scheme") u32 set_scheme(u32 request, u32 some, u32 number, u32 text, u32 len);
HTTP("[method]outgoing-request.set-authority") u32 set_authority(u32 request, u32 some, u32 text, u32 len);
HTTP("[method]outgoing-request.body") void request_body(u32 request, u32 area);
HTTP("[method]outgoing-body.write") void write_body(u32 body, u32 area);
HTTP("[resource-drop]outgoing-request") void drop_request(u32 request);
HTTP("[resource-drop]future-incoming-response") void drop_future(u32 future);
IMPORT("wasi:http/outgoing-handler@0.2.0", "handle") void handle(u32 request, u32 some, u32 options, u32 area);
IMPORT("wasi:io/streams@0.2.0", "[method]output-stream.check-write") void check_write(u32 stream, u32 area);
IMPORT("wasi:io/streams@0.2.0", "[method]output-stream.write") void write(u32 stream, u32 from, u32 len, u32 area);
IMPORT("airhost:functions/host-functions@0.1.0", "call") void call(u32 name, u32 name_len, u32 argument, u32 len, u32 area);
IMPORT("airhost:core/host-services@0.1.0", "log") void log_line(u32 level, u32 text, u32 len);

extern u8 __heap_base;
static u32 heap;
static u32 end(void) { return __builtin_wasm_memory_size(0) << 16; }
static u32 at(const void *p) { return (u32)p; }
static u32 size_of(const char *text) { u32 n = 0; while (text[n]) n++; return n; }
#define TEXT(text) at(text), size_of(text)

static u8 in_resize;
static u8 web[64];
static u32 web_len;
static u32 area[16] __attribute__((aligned(8)));
static u32 result[4];
static u32 counts[8] __attribute__((aligned(8)));
static u32 answer(u32 ptr, u32 len) {
  result[0] = 0, result[1] = ptr, result[2] = len;
  return at(result);
}
static u32 tell(void) { return answer(at(counts), sizeof counts); }
static u32 failed(void) { return ((u8 *)area)[0]; }

#define ROOT 3 // the first directory
#define OPEN(path, how) path_open(ROOT, 1, TEXT(path), how, 1 << 1 | 1 << 6, ~0ull, 0, at(area))
enum { CREATE = 1, DIRECTORY = 2, TRUNCATE = 8 };

static void must(u32 error) { if (error) __builtin_trap(); }
static u32 file(void) { must(OPEN("f", CREATE)); return area[0]; }

static void grow_all(void) {
  for (u32 by = 16; by; by /= 2)
    while (__builtin_wasm_memory_grow(0, by) != (u32)-1) {}
}

EXPORT("cabi_realloc") u32 cabi_realloc(u32 old, u32 old_size, u32 align, u32 size) {
  if (in_resize && old_size) directories(at(area));
  if (heap < at(&__heap_base)) heap = at(&__heap_base);
  u32 fresh = (heap + align - 1) & -align;
  if (fresh + size > end() && __builtin_wasm_memory_grow(0, (fresh + size - end() + 65535) >> 16) == (u32)-1) __builtin_trap();
  heap = fresh + size;
  return fresh;
}

static char name[] = "n.00000000";
static u32 number_name(u32 n) {
  for (u32 i = 0; i < 8; i++) name[2 + i] = 'a' + (n >> 4 * i & 15);
  return at(name);
}

// Tries to leave its directory. counts[0] is how often it could.
static u32 leave(void) {
  static const char *const out[] = {
    "..", "../x", "/", "/etc/passwd", "a/../../x", "./..", "d/../..", "....//..", "\\..\\x", "..\\x", "/proc/self/environ", "d/./../../x", "//etc", "C:\\", "d/..",
  };
  make_directory(ROOT, TEXT("d"));
  for (u32 i = 0; i < sizeof out / sizeof *out - 1; i++) {
    counts[0] += !OPEN(out[i], 0) + !OPEN(out[i], DIRECTORY);
    counts[0] += !hard_link(ROOT, 1, TEXT(out[i]), ROOT, TEXT("h")) + !rename(ROOT, TEXT(out[i]), ROOT, TEXT("r"));
    if (!symlink(TEXT(out[i]), ROOT, number_name(i), sizeof name - 1)) counts[0] += !OPEN(name, 0);
  }
  counts[0] += !rename(ROOT, TEXT("d"), ROOT, TEXT("d/d")) + !rename(ROOT, TEXT("d"), ROOT, TEXT("../d")) + !rename(ROOT, TEXT("."), ROOT, TEXT("d/d"));
  return tell();
}

// Makes directories until the host refuses, each in the last one if deep is 1. counts[0] is the number of
// them, counts[1] the error.
static u32 folders(u32 deep) {
  for (u32 in = ROOT;; counts[0]++) {
    u32 folder = deep ? at("d") : number_name(counts[0]), len = deep ? 1 : sizeof name - 1;
    if ((counts[1] = make_directory(in, folder, len))) return tell();
    if (!deep) continue;
    must(path_open(in, 0, folder, len, DIRECTORY, ~0ull, ~0ull, 0, at(area)));
    if (in != ROOT) close(in);
    in = area[0];
  }
}

// Opens files until the host refuses. counts are as in folders.
static u32 open_all(void) {
  while (!(counts[1] = OPEN("f", CREATE))) counts[0]++;
  return tell();
}

// Makes a file longer by MiB until the host refuses. counts[0] is its size, counts[1] the error.
static u32 longer(void) {
  for (u32 f = file(), n = 1; !(counts[1] = n & 1 ? set_size(f, (u64)n << 20) : allocate(f, 0, (u64)n << 20)); n++) counts[0] = n << 20;
  return tell();
}

// Passes numbers that are out of any range. counts[0] is how many were taken, with a result that is wrong.
static u32 numbers(void) {
  static u32 buffer[] = {0, 8};
  u32 f = file();
  const u64 least = 1ull << 63, most = least - 1;
  counts[0] += !pwrite(f, at(buffer), 1, most, at(area)) + !pwrite(f, at(buffer), 1, ~0ull, at(area)) + !pwrite(f, at(buffer), 1, most - 8, at(area));
  counts[0] += !set_size(f, ~0ull) + !set_size(f, most) + !allocate(f, most, most) + !allocate(f, 1, most) + !allocate(f, ~0ull, 1);
  counts[0] += !seek(f, least, 0, at(area)) + !seek(f, most, 0, end()) + !path_open(ROOT, 1, 0, 1 << 20, 0, 2, 0, 0, at(area)) + !path_open(ROOT, 1, end(), 8, 0, 2, 0, 0, at(area));
  counts[0] += !read_directory(ROOT, 8, ~0u, 0, at(area)) + !close(~0u) + !close(f + 1) + !pwrite(1 << 31, at(buffer), 1, 0, at(area));
  set_times(f, ~0ull, ~0ull - 1, 5);
  return tell();
}

static u32 root2(void) {
  directories(at(area));
  if (area[1] != 1) __builtin_trap();
  return *(u32 *)area[0];
}

static u32 file2(u32 root) {
  open_at(root, 1, TEXT("f"), CREATE, 3, at(area));
  must(failed());
  return area[1];
}

static u32 request(void) {
  u32 made = new_request(new_fields());
  must(set_scheme(made, 1, 0, 0, 0) || set_authority(made, 1, at(web), web_len));
  return made;
}

// Sends requests that nobody answers, until one is refused. counts[0] is the number of them, counts[1] the error.
static u32 send_all(void) {
  for (;; counts[0]++) {
    handle(request(), 0, 0, at(area));
    if (failed()) break;
  }
  counts[1] = ((u8 *)area)[8];
  return tell();
}

// Writes bodies of requests until the host refuses. counts[0] is the size of all together, in KiB.
static u32 fill_bodies(void) {
  u32 stream;
  for (u32 n = 0;; counts[0] += 64, n++) {
    if (n % 16 == 0) {
      request_body(request(), at(area)), must(failed());
      write_body(area[1], at(area)), must(failed());
      stream = area[1];
    }
    check_write(stream, at(area)), must(failed());
    write(stream, 0, 64 << 10, at(area));
    if (failed()) return tell();
  }
}

static void fetch(const char *argument, u32 len) { call(TEXT("airhost/fetch"), at(argument), len, at(area)); }

// Sends requests without a grant. counts[0] is how many were answered, counts[1] how many were refused.
static u32 refused(u32 n) {
  static const char *const requests[] = {
    "GET http://localhost/ HTTP/1.1\r\n\r\n", "GET http://169.254.169.254/ HTTP/1.1\r\n\r\n", "GET http://user@127.0.0.1:1/ HTTP/1.1\r\n\r\n", "GET /x HTTP/1.1\r\n\r\n",
    "GET http://[::1]/ HTTP/1.1\r\n\r\n", "GET file:///etc/passwd HTTP/1.1\r\n\r\n", "CONNECT 127.0.0.1:1 HTTP/1.1\r\n\r\n", "GET http://0x7f.1/ HTTP/1.1\r\n\r\n", "",
    "\x1b[2J\r\n\r\n", "GET http://\xff/ HTTP/1.1\r\n\r\n", "GET http://127.0.0.1:1/\r\nX: y HTTP/1.1\r\n\r\n", "POST http://127.0.0.1:1/ HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\n",
  };
  for (u32 i = 0; i < n; i++) {
    u32 mark = heap;
    const char *r = requests[i % (sizeof requests / sizeof *requests)];
    fetch(r, size_of(r));
    counts[failed()]++;
    heap = mark;
  }
  return tell();
}

static void ask_secret(const char *key, u32 len) { call(TEXT("airhost/secret"), at(key), len, at(area)); }

// Asks for secrets that it does not have. counts are as in refused.
static u32 ask(u32 n) {
  static const char *const keys[] = {"", "TOKEN", "token\0", "token ", "../token", "peer", "\xff\xfe", "\x1b[2J"};
  for (u32 i = 0; i < n; i++) {
    u32 mark = heap, which = i % (sizeof keys / sizeof *keys);
    ask_secret(keys[which], which == 2 ? 6 : size_of(keys[which]));
    counts[failed()]++;
    heap = mark;
  }
  return tell();
}

// Writes its secret wherever it can, at every place of a long line, and traps.
static void shout(void) {
  static u8 line[8192];
  ask_secret("token", 5);
  if (failed()) return;
  const u8 *secret = (u8 *)area[1];
  u32 len = area[2];
  static u32 buffer[2];
  for (u32 from = 4096 - len; from <= 4096; from += 3) {
    for (u32 i = 0; i < from; i++) line[i] = '-';
    for (u32 i = 0; i < len; i++) line[from + i] = secret[i];
    line[from + len] = '\n';
    buffer[0] = at(line), buffer[1] = from + len + 1;
    fd_write(1, at(buffer), 1, at(area)), fd_write(2, at(buffer), 1, at(area));
    log_line(1, at(line), from + len);
  }
  buffer[0] = at(secret), buffer[1] = len;
  fd_write(2, at(buffer), 1, at(area));
  path_open(ROOT, 1, at(secret), len, 0, ~0ull, 0, 0, at(area)); // is in no record, or without it
  set_authority(new_request(new_fields()), 1, at(secret), len);
  __builtin_trap();
}

static void storm(u8 which) {
  static u32 buffers[2 * 1024];
  u32 f = file(), mark = heap, root, file;
  grow_all();
  for (u32 i = 0; i < 1024; i++) buffers[2 * i] = 0, buffers[2 * i + 1] = 1 << 20;
  if (which == 's' || which == 'a') root = root2(), file = file2(root);
  for (u32 n = 0;; n++) {
    switch (which) {
    case 'o': must(OPEN("g", CREATE | TRUNCATE)), close(area[0]); break;
    case 'w': pwrite(f, at(buffers), 1024, 0, at(area)); break;
    case 'l':
      read_directory(ROOT, 1 << 20, 1 << 20, 0, at(area));
      if (n & 1) unlink(ROOT, number_name(n >> 1 & 63), 10);
      else if (!path_open(ROOT, 0, number_name(n >> 1 & 63), 10, CREATE, 2, 0, 0, at(area))) close(area[0]);
      break;
    case 's': append_to(file, at(area)); break;
    case 'a': read_at(file, ~0ull, 0, at(area)); break;
    case 'd': handle(request(), 0, 0, at(area)); if (!failed()) drop_future(area[2]); break;
    case 'r': request(); break;
    case 'f': fetch((char *)(1 << 20), 14 << 20); break;
    case 'S': ask_secret("token", 5); break;
    case 'k': ask_secret((char *)(1 << 20), 1 << 20); break;
    }
    heap = mark;
  }
}

// Arguments that violate the ABI.
static void violate(u8 how) {
  u32 root = root2(), made;
  switch (how) {
  case 'p': open_at(root, 1, end() - 1, 2, 0, 1, at(area)); break;
  case 'u': open_at(root, 1, at("\xff"), 1, 0, 1, at(area)); break;
  case 'a': open_at(root, 1, TEXT("f"), 0, 1, end() - 4); break;
  case 'm': open_at(root, 1, TEXT("f"), 0, 1, at(area) + 2); break;
  case 'd': made = file2(root); drop_file(made); append_to(made, at(area)); break;
  case 's': check_write(file2(root), at(area)); break; // a file in place of its stream
  case 'h': made = request(); drop_request(made); handle(made, 0, 0, at(area)); break;
  case 't': made = request(); handle(made, 0, 0, at(area)); handle(made, 0, 0, at(area)); break;
  case 'o': handle(request(), 1, root, at(area)); break; // a directory in place of the options
  case 'n': set_authority(request(), 1, end() - 1, 2); break;
  case 'c': set_scheme(request(), 1, 3, 0, 0); break;
  case 'b': request_body(request(), end() - 4); break;
  case 'f': fetch((char *)end() - 1, 2); break;
  }
}

LIFECYCLE("handle-message") u32 handle_message(u32 sender, u32 sender_len, const u8 *msg, u32 len) {
  for (u32 i = 0; i < sizeof counts / sizeof *counts; i++) counts[i] = 0;
  u32 number = len >= 5 ? msg[1] | msg[2] << 8 | msg[3] << 16 | (u32)msg[4] << 24 : 0;
  switch (len ? msg[0] : 0) {
  case 'e': return answer(at(msg), len);
  case 'l': return leave();
  case 'd': return folders(number);
  case 'o': return open_all();
  case 'O': open_all(); __builtin_trap();
  case 'g': return longer();
  case 'n': return numbers();
  case 'h': return send_all();
  case 'H': send_all(); __builtin_trap();
  case 'b': return fill_bodies();
  case 'r': return refused(number);
  case 'k': return ask(number);
  case 'S': shout(); break;
  case 's': storm(msg[1]);
  case 'v': violate(msg[1]); break;
  case 'a': in_resize = 1; break;
  }
  return answer(8, 0);
}
LIFECYCLE("handle-callback") u32 handle_callback(u64 id, u32 failed, const u8 *text, u32 len) { return answer(8, 0); }

// Takes the server's address out of the configuration.
MANAGEMENT("initialize") u32 initialize(const u32 *pairs, u32 n) {
  for (; n; n--, pairs += 4) {
    const u8 *key = (u8 *)pairs[0], *value = (u8 *)pairs[2];
    if (pairs[1] != 3 || key[0] != 'w' || pairs[3] > sizeof web) continue;
    for (web_len = 0; web_len < pairs[3]; web_len++) web[web_len] = value[web_len];
  }
  return answer(8, 0);
}
MANAGEMENT("health") u32 health(void) { return 0; }
MANAGEMENT("shutdown") void shutdown(void) {}

EXPORT("cabi_post_airhost:core/component-lifecycle@0.1.0#handle-message") void post_message(u32 area) { heap = 0; }
EXPORT("cabi_post_airhost:core/component-lifecycle@0.1.0#handle-callback") void post_callback(u32 area) { heap = 0; }
