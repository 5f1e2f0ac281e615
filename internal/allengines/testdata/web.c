// Sends requests by wasi:http. A message is the names of operations with their arguments, each of
// these as a byte with its length and the bytes; see the test. "n" repeats a request, for a benchmark.
#define BLOCKS (1 << 18)
#define LARGEST (BLOCKS / 2)
#define ANSWER (1 << 17)
#include "guest.h"

#define IMPORT(module, name) __attribute__((import_module(module "@0.2.6"), import_name(name)))
#define TYPES(name) IMPORT("wasi:http/types", name)
#define STREAMS(name) IMPORT("wasi:io/streams", name)

TYPES("[constructor]fields") u32 new_fields(void);
TYPES("[method]fields.append") void fields_append(u32 fields, const u8 *name, u32 size, const u8 *value, u32 value_size, u32 *area);
TYPES("[constructor]outgoing-request") u32 new_request(u32 fields);
TYPES("[method]outgoing-request.set-method") u32 set_method(u32 request, u32 method, const u8 *other, u32 size);
TYPES("[method]outgoing-request.set-scheme") u32 set_scheme(u32 request, u32 given, u32 scheme, const u8 *other, u32 size);
TYPES("[method]outgoing-request.set-authority") u32 set_authority(u32 request, u32 given, const u8 *text, u32 size);
TYPES("[method]outgoing-request.set-path-with-query") u32 set_path(u32 request, u32 given, const u8 *text, u32 size);
TYPES("[method]outgoing-request.body") void request_body(u32 request, u32 *area);
TYPES("[method]outgoing-body.write") void body_write(u32 body, u32 *area);
TYPES("[static]outgoing-body.finish") void body_finish(u32 body, u32 given, u32 trailers, u32 *area);
TYPES("[method]future-incoming-response.subscribe") u32 subscribe(u32 future);
TYPES("[method]future-incoming-response.get") void future_get(u32 future, u32 *area);
TYPES("[method]incoming-response.status") u32 response_status(u32 response);
TYPES("[method]incoming-response.headers") u32 response_headers(u32 response);
TYPES("[method]fields.get") void fields_get(u32 fields, const u8 *name, u32 size, u32 *area);
TYPES("[method]incoming-response.consume") void response_consume(u32 response, u32 *area);
TYPES("[method]incoming-body.stream") void body_stream(u32 body, u32 *area);
TYPES("[resource-drop]fields") void fields_drop(u32);
TYPES("[resource-drop]outgoing-body") void body_drop(u32);
TYPES("[resource-drop]future-incoming-response") void future_drop(u32);
TYPES("[resource-drop]incoming-response") void response_drop(u32);
TYPES("[resource-drop]incoming-body") void incoming_drop(u32);
IMPORT("wasi:http/outgoing-handler", "handle") void handle(u32 request, u32 given, u32 options, u32 *area);
STREAMS("[method]output-stream.blocking-write-and-flush") void stream_write(u32 stream, const u8 *, u32 size, u32 *area);
STREAMS("[method]output-stream.check-write") void stream_check(u32 stream, u64 *area);
STREAMS("[method]output-stream.write-zeroes") void stream_zeroes(u32 stream, u64 size, u32 *area);
STREAMS("[method]input-stream.blocking-read") void stream_read(u32 stream, u64 size, u32 *area);
STREAMS("[resource-drop]output-stream") void output_drop(u32);
STREAMS("[resource-drop]input-stream") void input_drop(u32);
IMPORT("wasi:io/poll", "[method]pollable.block") void block(u32 pollable);
IMPORT("wasi:io/poll", "[resource-drop]pollable") void pollable_drop(u32);

static void put_number(u32 n) {
  if (n >= 10) put_number(n / 10);
  put_byte('0' + n % 10);
}

static void put_error(u32 code) { put_byte('E'), put_number(code), put_byte(' '); }

static u64 space[16];
static u32 *const area = (u32 *)space;
static u8 *const bytes = (u8 *)space;

static u32 fields, request, body, stream, future, response;

static u32 fields_now(void) {
  if (!fields) fields = new_fields();
  return fields;
}

static void make(const u8 *authority, u32 size, const u8 *path, u32 path_size) {
  request = new_request(fields_now());
  fields = 0;
  if (set_scheme(request, 1, 0, 0, 0) | set_authority(request, 1, authority, size) | set_path(request, 1, path, path_size)) put_byte('!');
}

static void send(void) {
  handle(request, 0, 0, area);
  if (bytes[0]) put_error(bytes[8]);
  else future = area[2];
}

static void wait(void) {
  u32 pollable = subscribe(future);
  block(pollable);
  pollable_drop(pollable);
}

// get writes none, given, an error or the status.
static void get(void) {
  future_get(future, area);
  if (!bytes[0]) put_byte('N');
  else if (bytes[8]) put_byte('G');
  else if (bytes[16]) put_error(bytes[24]);
  else response = area[6], put_byte('R'), put_number(response_status(response)), put_byte(' ');
}

static void header(const u8 *name, u32 size) {
  u32 of = response_headers(response);
  fields_get(of, name, size, area);
  for (u32 i = 0, n = area[1], *list = (u32 *)area[0]; i < n; i++) put((void *)list[2 * i], list[2 * i + 1]), put_byte(' ');
  fields_drop(of);
}

static void read(int writes) {
  response_consume(response, area);
  if (bytes[0]) { put_byte('!'); return; }
  u32 in = area[1];
  body_stream(in, area);
  u32 from = area[1];
  for (;;) {
    stream_read(from, 1 << 16, area);
    if (bytes[0]) break;
    if (writes) put((void *)area[1], area[2]);
  }
  input_drop(from), incoming_drop(in);
}

static void write(void) {
  if (!stream) body_write(body, area), stream = area[1];
}

static void run(u8 what, const u8 *a, u32 a_size, const u8 *b, u32 b_size) {
  switch (what) {
  case 'f': fields_append(fields_now(), a, a_size, b, b_size, area); if (bytes[0]) put_byte('!'); break;
  case 'q': make(a, a_size, b, b_size); break;
  case 'p': set_method(request, 2, 0, 0); break;
  case 'b': request_body(request, area), body = area[1], stream = 0; break;
  case 'w': write(), stream_write(stream, a, a_size, area); if (bytes[0]) put_byte('!'); break;
  case 'z': // so many times 64 KiB
    for (u32 i = 0; i < a[0]; i++) {
      write(), stream_check(stream, space), stream_zeroes(stream, 1 << 16, area);
      if (bytes[0]) { put_byte('!'); break; }
    }
    break;
  case 'e':
    if (stream) output_drop(stream);
    body_finish(body, 0, 0, area);
    if (bytes[0]) put_error(bytes[8]);
    break;
  case 'a':
    if (stream) output_drop(stream);
    body_drop(body);
    break;
  case 'h': send(); break;
  case 'y': wait(); break;
  case 'g': get(); break;
  case 'v': header(a, a_size); break;
  case 'r': read(1); break;
  case 'd': response_drop(response); break;
  case 'x': future_drop(future); break;
  }
}

// repeat sends a request and reads its response as often as 4 bytes say.
static void repeat(const u8 *count, const u8 *authority, u32 size) {
  u32 n;
  __builtin_memcpy(&n, count, 4);
  for (; n; n--) {
    make(authority, size, (const u8 *)"/", 1), send(), wait(), get(), future_drop(future), read(0), response_drop(response);
    if (length < 2 || answer[0] != 'R') __builtin_trap();
    length = 0;
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
    repeat(message + 1, message + 5, len - 5);
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
