// Does one thing for each word that it is sent, as probe.mjs does, and answers with the outcome
// as JSON. With WASI defined it asks WASI preview 1 for the time, for randomness, and to
// write; else it asks the host for the time, and knows no other of these words.
#include <stdint.h>

#define EXPORT(name) __attribute__((export_name(name)))
#define IMPORT(module, name) __attribute__((import_module(module), import_name(name)))
#define LIFECYCLE "airhost:core/component-lifecycle@0.1.0#"
#define MANAGEMENT "airhost:core/component-management@0.1.0#"
#define HOST "airhost:core/host-services@0.1.0"
#define TIMERS "airhost:timers/timers@0.1.0"
#define PREVIEW1 "wasi_snapshot_preview1"

typedef struct {
  const char *data;
  uint32_t size;
} text;

// The result of the contract's functions: ok or an error, then pointer and length, or case,
// pointer and length.
typedef struct {
  uint32_t failed;
  uintptr_t first, second, third;
} result;

// The result of send-request and after.
typedef struct {
  uint32_t failed;
  uint32_t unused;
  uint64_t id; // of an error: case and pointer
  uint64_t size;
} idresult;

IMPORT(HOST, "send-message") void send_message(const char *target, uint32_t, const char *message, uint32_t, result *);
IMPORT(HOST, "send-request") void send_request(const char *target, uint32_t, const char *request, uint32_t, uint64_t timeout, idresult *);
IMPORT(HOST, "self-id") void self_id(text *);
IMPORT(HOST, "log") void log_line(uint32_t level, const char *, uint32_t);
IMPORT(HOST, "current-time") uint64_t current_time(void);
IMPORT(TIMERS, "after") void after(uint64_t milliseconds, const char *payload, uint32_t, idresult *);
#ifdef WASI
IMPORT(PREVIEW1, "clock_time_get") int clock_time_get(int clock, uint64_t precision, uint64_t *time);
IMPORT(PREVIEW1, "random_get") int random_get(void *, uint32_t size);
IMPORT(PREVIEW1, "fd_write") int fd_write(int fd, const text *, uint32_t count, uint32_t *written);
#endif

// Memory that the host asks for lies end to end after the static data, until the call returns.
extern uint8_t __heap_base;
static uintptr_t top = (uintptr_t)&__heap_base;

EXPORT("cabi_realloc")
void *cabi_realloc(void *old, uint32_t old_size, uint32_t align, uint32_t size) {
  uint64_t start = ((uint64_t)top + align - 1) & -(uint64_t)align, end = start + size;
  uint64_t have = (uint64_t)__builtin_wasm_memory_size(0) << 16;
  if (end > have && __builtin_wasm_memory_grow(0, (end - have + 65535) >> 16) == (uintptr_t)-1) __builtin_trap();
  top = (uintptr_t)end;
  __builtin_memcpy((void *)(uintptr_t)start, old, old_size < size ? old_size : size);
  return (void *)(uintptr_t)start;
}

typedef struct {
  char data[65536];
  uint32_t size;
} buffer;

static buffer answer, callbacks, fired;

static void put(buffer *to, text t) {
  if (t.size > sizeof to->data - to->size) __builtin_trap();
  __builtin_memcpy(to->data + to->size, t.data, t.size);
  to->size += t.size;
}

static uint32_t length(const char *s) {
  uint32_t n = 0;
  while (s[n]) n++;
  return n;
}

static void puts_(buffer *to, const char *s) { put(to, (text){s, length(s)}); }

static void quote(buffer *to, text t) { puts_(to, "\""), put(to, t), puts_(to, "\""); }

static void number(buffer *to, uint64_t n) {
  char digits[20];
  uint32_t at = sizeof digits;
  do digits[--at] = '0' + n % 10;
  while (n /= 10);
  put(to, (text){digits + at, sizeof digits - at});
}

static void quoted(buffer *to, uint64_t n) { puts_(to, "\""), number(to, n), puts_(to, "\""); }

// word cuts the first word off.
static text word(text *t) {
  uint32_t n = 0;
  while (n < t->size && t->data[n] != ' ') n++;
  text first = {t->data, n};
  if (n < t->size) n++;
  *t = (text){t->data + n, t->size - n};
  return first;
}

static int is(text t, const char *s) {
  if (t.size != length(s)) return 0;
  for (uint32_t i = 0; i < t.size; i++)
    if (t.data[i] != s[i]) return 0;
  return 1;
}

static uint64_t number_of(text t) {
  uint64_t n = 0;
  for (uint32_t i = 0; i < t.size; i++) n = 10 * n + (t.data[i] - '0');
  return n;
}

static void answer_id(idresult *r) {
  if (r->failed & 255) puts_(&answer, "{\"refused\":true}");
  else quoted(&answer, r->id);
}

static void list(buffer *of) { puts_(&answer, "["), put(&answer, (text){of->data, of->size}), puts_(&answer, "]"); }

#ifdef WASI
static int system_word(text w, text rest) {
  if (is(w, "date")) {
    uint64_t now;
    if (clock_time_get(0, 1, &now)) __builtin_trap();
    puts_(&answer, "["), number(&answer, now / 1000000), puts_(&answer, ","), quoted(&answer, current_time() / 1000000), puts_(&answer, "]");
  } else if (is(w, "random")) {
    uint32_t r[3];
    if (random_get(r, sizeof r)) __builtin_trap();
    for (int i = 0; i < 3; i++) puts_(&answer, i ? ",0." : "[0."), number(&answer, r[i]);
    puts_(&answer, "]");
  } else if (is(w, "console")) {
    for (int fd = 1; fd <= 2; fd++) {
      uint32_t written;
      text line[3] = {fd == 1 ? (text){"to stdout: ", 11} : (text){"to stderr: ", 11}, rest, {"\n", 1}};
      for (int i = 0; i < 3; i++)
        if (line[i].size && (fd_write(fd, &line[i], 1, &written) || written != line[i].size)) __builtin_trap();
    }
    puts_(&answer, "\"written\"");
  } else return 0;
  return 1;
}
#else
static int system_word(text w, text rest) {
  if (!is(w, "date")) return 0;
  uint64_t now = current_time() / 1000000;
  puts_(&answer, "["), number(&answer, now), puts_(&answer, ","), quoted(&answer, now), puts_(&answer, "]");
  return 1;
}
#endif

static int host_word(text w, text rest) {
  result r = {0};
  idresult id = {0};
  text self;
  if (is(w, "echo")) quote(&answer, rest);
  else if (is(w, "self")) self_id(&self), quote(&answer, self);
  else if (is(w, "callbacks")) list(&callbacks);
  else if (is(w, "fired")) list(&fired);
  else if (is(w, "log")) log_line(2, rest.data, rest.size), puts_(&answer, "\"logged\"");
  else if (is(w, "send")) {
    text target = word(&rest);
    send_message(target.data, target.size, rest.data, rest.size, &r);
    puts_(&answer, r.failed & 255 ? "{\"refused\":true}" : "\"sent\"");
  } else if (is(w, "request")) {
    text target = word(&rest);
    send_request(target.data, target.size, rest.data, rest.size, 0, &id), answer_id(&id);
  } else if (is(w, "after")) {
    static buffer payload;
    uint64_t wait = number_of(word(&rest));
    payload.size = 0, puts_(&payload, "timer "), put(&payload, rest);
    after(wait, payload.data, payload.size, &id), answer_id(&id);
  } else if (is(w, "timer")) {
    if (fired.size) puts_(&fired, ",");
    quote(&fired, rest), puts_(&answer, "null");
  } else if (is(w, "trap")) __builtin_trap();
  else if (is(w, "spin")) for (volatile int i = 0;; i++) {}
  else return 0;
  return 1;
}

EXPORT(LIFECYCLE "handle-message")
result *handle_message(const char *sender, uint32_t sender_size, const char *message, uint32_t size) {
  static result response;
  text rest = {message, size}, w = word(&rest);
  answer.size = 0;
  if (is(w, "fail")) response = (result){1, 2, (uintptr_t)rest.data, rest.size};
  else if (is(w, "invalid")) response = (result){1, 0, (uintptr_t)rest.data, rest.size};
  else if (host_word(w, rest) || system_word(w, rest)) response = (result){0, (uintptr_t)answer.data, answer.size, 0};
  else response = (result){1, 0, (uintptr_t)"no such word", 12};
  return &response;
}

// The host has read the response: all memory of the call is free.
EXPORT("cabi_post_" LIFECYCLE "handle-message")
void handled(result *response) { top = (uintptr_t)&__heap_base; }

static result ok;

EXPORT(LIFECYCLE "handle-callback")
result *handle_callback(uint64_t request, uint32_t failed, const char *data, uint32_t size) {
  if (callbacks.size) puts_(&callbacks, ",");
  puts_(&callbacks, "["), quoted(&callbacks, request), puts_(&callbacks, failed ? ",\"err\"," : ",\"ok\",");
  quote(&callbacks, (text){data, size}), puts_(&callbacks, "]");
  top = (uintptr_t)&__heap_base;
  return &ok;
}

EXPORT(MANAGEMENT "initialize")
result *initialize(const void *pairs, uint32_t count) {
  top = (uintptr_t)&__heap_base;
  return &ok;
}

EXPORT(MANAGEMENT "health") uint32_t health(void) { return 0; }
EXPORT(MANAGEMENT "shutdown") void shutdown_(void) {}
