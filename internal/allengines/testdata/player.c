// A guest that plays its messages: each message is a script of steps. It also checks the
// order in which the host calls its functions. player_test.go writes the scripts, and
// player_native_test.go is the same guest in Go.
//
// A step is one letter and its operands: bytes, but for w, which has two, and text, which
// has a byte for its size first. A target is an entry of the configuration; 255 is the
// sender, and 224 + n the next one in the ring of the first n entries. The nibbles of how are: the way of the call, and the place of the bytes in
// memory (see place). An idea is a misbehavior (see misbehave).
//
//   s how target w text          send-message of the text, filled up to w bytes with dots
//   r how target w timeout text  send-request, likewise; timeout is an index of timeouts
//   b how target count           sends its whole message with one less for the count, if
//                                that is above 0, and ends the script; otherwise goes on
//   B how target count           the same by requests: as a message it returns itself, and
//                                as a response it sends itself
//   c n                          cancel-request, of the request sent as n-th, or with 255 last
//   i                            self-id, as a part of the response
//   j how name w text            call, of a function by its number in functions, likewise
//   l text                       log, at level info
//   e text                       the text, as a part of the response
//   E                            the whole message as the response, where it is in memory
//   A w                          a response of w bytes at the end of memory
//   a kind                       a result that breaks the ABI: see broken
//   g n                          grows the memory by n pages
//   u w                          counts to w
//   p idea                       what the post-return does
//   q n idea                     what cabi_realloc does, in its n-th call from now on
//   Q idea                       what cabi_realloc does in its next call with an old block
//   h text                       a script for the next callback, unless the response is one
//   #ww                          nothing; sends fill in an instance and a number, so that
//                                messages from one instance must come in their order
//   k                            the record, as a part of the response
//   f                            fails
//   x                            traps
//   o                            never ends
//   .                            the end
//
// s, r, c and j add a byte 0 to the response, or 1 and the error's case; then j the result
// or the error's text. A response to a
// request is run as a script if it begins with '!', which does nothing.
//
// clang-19 and lld-19, no C library.

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define HOST(name) __attribute__((import_module("airhost:core/host-services@0.1.0"), import_name(name)))
#define LIFECYCLE(name) __attribute__((export_name("airhost:core/component-lifecycle@0.1.0#" name)))
#define MANAGEMENT(name) __attribute__((export_name("airhost:core/component-management@0.1.0#" name)))
#define POST(name) __attribute__((export_name("cabi_post_airhost:core/component-lifecycle@0.1.0#" name)))

#define SEND (u32 to, u32 to_len, u32 message, u32 len, u32 area)
#define ASK (u32 to, u32 to_len, u32 request, u32 len, u64 timeout, u32 area)
HOST("send-message") void send_message SEND;
HOST("send-message [v2]") void send_message_2 SEND;
HOST("send-request") void send_request ASK;
HOST("send-request [v2]") void send_request_2 ASK;
HOST("cancel-request") void cancel_request(u64 id, u32 area);
HOST("self-id") void self_id(u32 area);
HOST("log") void host_log(u32 level, u32 text, u32 len);
HOST("current-time") u64 current_time(void);
__attribute__((import_module("airhost:functions/host-functions@0.1.0"), import_name("call"))) void call SEND;
__attribute__((import_module("wasi_snapshot_preview1"), import_name("random_get"))) u32 random_get(u32 to, u32 len);

// Calls by the table, and tail calls.
void (*volatile send_by_table) SEND = send_message;
void (*volatile ask_by_table) ASK = send_request;
__attribute__((noinline)) static void send_by_tail SEND {
  __attribute__((musttail)) return send_message(to, to_len, message, len, area);
}
__attribute__((noinline)) static void ask_by_tail ASK {
  __attribute__((musttail)) return send_request(to, to_len, request, len, timeout, area);
}

static u32 at(const void *p) { return (u32)p; }
static u32 end(void) { return __builtin_wasm_memory_size(0) << 16; }

// The record: of each sender, and of callbacks, how many messages there were, a hash
// of them in order, and one without order.
struct line { u32 sender, count, hash, sum; };
static struct line record[80];
static u32 lines;

static u32 hash(u32 h, const u8 *p, u32 len) {
  for (u32 i = 0; i < len; i++) h = (h ^ p[i]) * 16777619;
  return (h ^ len) * 16777619;
}

static void note(u32 sender, u32 h) {
  u32 i = 0;
  while (i < lines && record[i].sender != sender) i++;
  if (i == sizeof record / sizeof *record) return;
  if (i == lines) record[lines++] = (struct line){sender, 0, 2166136261, 0};
  record[i].count++;
  record[i].hash = hash(record[i].hash, (u8 *)&h, 4);
  record[i].sum += h * 2654435761;
}

// The order of the guest's functions. Blocks are what the host has allocated and not
// handed over yet.
struct block { u32 at, size, align; };
static struct block blocks[4];
static u32 open, spare, wrong, returned, no_post;
static enum { starting, idle, handling, cleaning } phase = starting;

static void must(u32 right, u32 number) {
  if (!right && !wrong) wrong = number;
}

static void drop(u32 ptr, u32 size, u32 align, u32 number) {
  for (u32 i = 0; i < open; i++)
    if (blocks[i].at == ptr && blocks[i].size == size && blocks[i].align == align) {
      blocks[i] = blocks[--open];
      return;
    }
  must(0, number);
}

static void take(u32 ptr, u32 size) {
  must(ptr != 0, 1);
  if (size) drop(ptr, size, 1, 2);
}

extern u8 __heap_base;
static u32 heap;
static u8 realloc_does, realloc_when, resize_does, post_does;
static u64 own_area[3];
static u32 targets[32][2], known, me;

// The ideas. Those below allocate are allowed to a guest, but for 0, h and e:
//   g grows the memory          z returns the end of the memory
//   a returns an odd address    v returns the same memory for everything
// 0, h and e have no effect within a host service: Wasmtime's self-id asks once more then.
static void misbehave(u8 idea) {
  switch (idea) {
  case 'x': __builtin_trap();
  case 's': send_message(targets[0][0], targets[0][1], at("hi"), 2, at(own_area)); break;
  case 'r': send_request(targets[0][0], targets[0][1], at("hi"), 2, 0, at(own_area)); break;
  case 'i': self_id(at(own_area)); break;
  case 'l': host_log(2, at("from inside"), 11); break;
  case 't': current_time(); break;
  case 'o':
    for (volatile u32 i = 0;; i++);
  case 'g': __builtin_wasm_memory_grow(0, 1); break;
  }
}

static u32 allocate(u32 align, u32 size) {
  if (!heap) heap = at(&__heap_base);
  u32 new = (heap + align - 1) & -align;
  if (new + size > end() && __builtin_wasm_memory_grow(0, (new + size - end() + 0xffff) >> 16) == (u32)-1) __builtin_trap();
  heap = new + size;
  return new;
}

__attribute__((export_name("cabi_realloc"))) u32 cabi_realloc(u32 old, u32 old_size, u32 align, u32 size) {
  must(size > 0, 3);
  must(phase != cleaning, 4);
  u8 idea = 0;
  if (old_size) {
    drop(old, old_size, align, 5);
    idea = resize_does, resize_does = 0;
  } else {
    must(old == 0, 6);
  }
  if (realloc_when && --realloc_when == 0) idea = realloc_does;
  misbehave(idea);
  u32 new = allocate(align, size + 1);
  if (phase == handling && (idea == '0' || idea == 'h' || idea == 'e')) idea = 0;
  switch (idea) {
  case '0': return 0;
  case 'h': return 0xfffffff0;
  case 'e': return end() - size + 1;
  case 'a': new |= align == 1; break;
  case 'z': new = (end() - size) & -align; break;
  case 'v': new = at(&__heap_base); break;
  }
  if (old_size) __builtin_memmove((u8 *)new, (u8 *)old, old_size < size ? old_size : size);
  if (phase == idle) {
    must(open < 2, 7);
    blocks[open++ & 3] = (struct block){new, size, align};
  }
  return new;
}

struct text { u32 at, len; };

// Where a script has its number, or 0. Scripts begin with it, or with '!' and it.
static u32 numbered(u32 script, u32 len) {
  u8 *p = (u8 *)script;
  u32 skip = len && p[0] == '!';
  return len > skip + 4 && p[skip] == '#' ? script + skip + 1 : 0;
}

// The last numbers, by the hash of a target or sender, and the instance.
static struct { u32 name; u16 to, instance, from; } numbers[32];
static u16 instance;
static u32 named(u32 name) {
  u32 i = 0;
  while (i < 31 && numbers[i].name && numbers[i].name != name) i++;
  numbers[i].name = name;
  return i;
}

// Checks the number of a message, and removes it from there.
static void follows(u32 sender, u32 script, u32 len) {
  u16 got[2];
  u32 place = numbered(script, len), i = named(sender);
  if (!place) return;
  __builtin_memcpy(got, (u8 *)place, 4);
  __builtin_memset((u8 *)place, 0, 4);
  if (!got[1]) return; // it is from a Go program
  must(got[0] != numbers[i].instance || got[1] > numbers[i].from, 13);
  numbers[i].instance = got[0], numbers[i].from = got[1];
}

static void number(struct text to, struct text what) {
  u32 place = numbered(what.at, what.len);
  if (!place) return;
  u16 put[2] = {instance, ++numbers[named(hash(2166136261, (u8 *)to.at, to.len))].to};
  __builtin_memcpy((u8 *)place, put, 4);
}

static void unnumber(struct text what) {
  u32 place = numbered(what.at, what.len);
  if (place) __builtin_memset((u8 *)place, 0, 4);
}

static u32 result[4];
static u64 ids[64]; // of requests, in the order sent
static u32 sent;
static u8 out[1 << 14], later[256], scratch[1 << 13];
static u32 out_len, later_len;
static u32 response, response_len, misplaced;

static void put(const void *from, u32 len) {
  if (out_len + len > sizeof out) return;
  __builtin_memcpy(out + out_len, from, len);
  out_len += len;
}
static void put_byte(u8 b) { put(&b, 1); }

// The call in progress.
static struct { u32 base, len, next, sender, sender_len, id; u8 callback, failed; } now;

static u8 byte(void) { return now.next < now.len ? *(u8 *)(now.base + now.next++) : '.'; }
static u32 word(void) {
  u32 low = byte();
  return low | (u32)byte() << 8;
}

static struct text text(void) {
  struct text t = {0, byte()};
  if (t.len > now.len - now.next) t.len = now.len - now.next;
  t.at = now.base + now.next;
  now.next += t.len;
  return t;
}

static struct text target(void) {
  u8 which = byte();
  if (which == 255) return (struct text){now.sender, now.sender_len};
  if (which > 224) which = (me + 1) % (which - 224);
  if (which >= known) which = 0;
  return (struct text){targets[which][0], targets[which][1]};
}

static const u64 timeouts[] = {0, 5, 50, 800, 86400000, 86400001, 1ull << 63, 20000};

// Where the bytes of a send are: the target, the message, and the result's area of size bytes.
static void place(u8 how, struct text *to, struct text *what, u32 *area, u32 size) {
  static u8 moved[320];
  static u32 turn;
  *area = at(own_area);
  if (how != 2) {
    u32 shift = turn++ % 8; // names begin anywhere
    __builtin_memcpy(moved + shift, (u8 *)to->at, to->len);
    to->at = at(moved) + shift;
  }
  switch (how) {
  case 1:
    __builtin_memmove((u8 *)(end() - what->len), (u8 *)what->at, what->len);
    what->at = end() - what->len;
    break;
  case 3:
    if (what->at == at(scratch)) *area = at(scratch);
    break;
  case 4: *area = end() - size; break;
  case 5:
    __builtin_memmove((u8 *)(end() - to->len), (u8 *)to->at, to->len);
    to->at = end() - to->len;
    break;
  case 6: what->at = to->at; break;
  case 7: *area = (to->at + 7) & -8; break;
  case 8: *area += 2; break;
  case 9: *area = end() - 8; break;
  case 10: what->at = end() - what->len + 1; break;
  case 11: to->at = end() - to->len + 1; break;
  case 12: ((u8 *)to->at)[0] = 0xff; break;
  case 13: what->len = 0xffffffff; break;
  }
}

static struct text filled(u32 size, struct text t) {
  if (size <= t.len) return t;
  if (size > sizeof scratch) size = sizeof scratch;
  __builtin_memmove(scratch, (u8 *)t.at, t.len);
  __builtin_memset(scratch + t.len, '.', size - t.len);
  return (struct text){at(scratch), size};
}

// Reads the area: whether it is an error. The case is at the place given.
static u32 answer(u32 area, u32 where) {
  u8 failed = *(u8 *)area;
  put_byte(failed);
  if (failed) put_byte(*(u8 *)(area + where));
  return failed;
}

// The bytes of a send are the guest's again.
static void overwrite(struct text what) {
  if (what.at == at(scratch) || what.at + what.len == end()) __builtin_memset((u8 *)what.at, 0xdd, what.len);
}

static void send(u8 how, struct text to, struct text what) {
  u32 area;
  struct text own = what;
  number(to, own);
  place(how >> 4, &to, &what, &area, 16);
  switch (how & 3) {
  case 0: send_message(to.at, to.len, what.at, what.len, area); break;
  case 1: send_by_table(to.at, to.len, what.at, what.len, area); break;
  case 2: send_message_2(to.at, to.len, what.at, what.len, area); break;
  case 3: send_by_tail(to.at, to.len, what.at, what.len, area); break;
  }
  answer(area, 4);
  unnumber(own);
  overwrite(what);
}

static void ask(u8 how, struct text to, struct text what, u64 timeout) {
  u32 area;
  struct text own = what;
  number(to, own);
  place(how >> 4, &to, &what, &area, 24);
  switch (how & 3) {
  case 0: send_request(to.at, to.len, what.at, what.len, timeout, area); break;
  case 1: ask_by_table(to.at, to.len, what.at, what.len, timeout, area); break;
  case 2: send_request_2(to.at, to.len, what.at, what.len, timeout, area); break;
  case 3: ask_by_tail(to.at, to.len, what.at, what.len, timeout, area); break;
  }
  if (!answer(area, 8) && sent < 64) __builtin_memcpy(&ids[sent++], (u8 *)area + 8, 8);
  unnumber(own);
  overwrite(what);
}

static const struct { const char *name; u32 len; } functions[] = {{"t/echo", 6}, {"t/fails", 7}, {"t/none", 6}, {"", 0}};

static void call_function(u8 how, struct text name, struct text what) {
  u32 area;
  place(how >> 4, &name, &what, &area, 16);
  call(name.at, name.len, what.at, what.len, area);
  u32 *result = (u32 *)area, failed = answer(area, 4);
  put((u8 *)result[1 + failed], result[2 + failed]);
  overwrite(what);
}

// Returns whether the script ends here.
static u32 bounce(u8 step) {
  u8 how = byte();
  struct text to = target(), all = {now.base, now.len};
  u8 *count = (u8 *)now.base + now.next;
  if (now.next >= now.len || !byte()) return 0;
  if (step == 'B' && !now.callback) {
    response = now.base, response_len = now.len;
    return 1;
  }
  --*count;
  if (step == 'b') send(how, to, all);
  else ask(how, to, all, 0);
  ++*count;
  return 1;
}

static u32 broken(u8 kind) {
  u32 *r = result;
  switch (kind) {
  case 0: return 0xfffffff8;
  case 1: return end() - 8;
  case 2: return at(r) + 2;
  case 3: r[0] = 2; break;
  case 4: r[0] = 1, r[1] = 3, r[2] = 8, r[3] = 0; break;
  case 5: r[0] = 0, r[1] = end(), r[2] = 1; break;
  case 6: r[0] = 0, r[1] = 0xffffffff, r[2] = 2; break;
  case 7: r[0] = 0, r[1] = 16, r[2] = 0xffffffff; break;
  case 8: r[0] = 1, r[1] = 0, r[2] = end() - 1, r[3] = 2; break;
  case 9: r[0] = 1, r[1] = 0, r[2] = at("\xc0\x80"), r[3] = 2; break;
  case 10: r[0] = 0x100, r[1] = at(out), r[2] = out_len; break; // only the lowest byte counts
  case 11: r = (u32 *)(end() - 16), r[0] = 0, r[1] = end() - 16, r[2] = 16; break;
  case 12: r[0] = 0, r[1] = end(), r[2] = 0; break;
  }
  return at(r);
}

static void script(void);

// A step that needs a host service. Returns whether the step was one.
static u32 service(u8 step) {
  struct text t;
  switch (step) {
  case 's':
  case 'r': {
    u8 how = byte();
    struct text to = target();
    u32 size = word();
    u64 timeout = step == 'r' ? timeouts[byte() % 8] : 0;
    t = filled(size, text());
    if (step == 's') send(how, to, t);
    else ask(how, to, t, timeout);
    return 1;
  }
  case 'j': {
    u8 how = byte();
    u32 which = byte() % 4, size = word();
    call_function(how, (struct text){at(functions[which].name), functions[which].len}, filled(size, text()));
    return 1;
  }
  case 'c': {
    u32 which = byte();
    if (which == 255 && sent) which = sent - 1;
    cancel_request(which < sent ? ids[which] : (u64)which << 56, at(own_area));
    answer(at(own_area), 4);
    return 1;
  }
  case 'i': {
    u32 *area = (u32 *)own_area;
    self_id(at(area));
    put((u8 *)area[0], area[1]);
    return 1;
  }
  case 'l': t = text(), host_log(2, t.at, t.len); return 1;
  }
  return 0;
}

static void script(void) {
  struct text t;
  for (;;) {
    u8 step = byte();
    if (service(step)) continue;
    switch (step) {
    case 'b':
    case 'B':
      if (bounce(step)) return;
      break;
    case 'e': t = text(), put((u8 *)t.at, t.len); break;
    case 'E': response = now.base, response_len = now.len; break;
    case 'A':
      response_len = word(), response = end() - response_len;
      __builtin_memset((u8 *)response, '.', response_len); // there may be an id, which is never the same
      break;
    case 'a': misplaced = 1 + byte(); return;
    case 'g': __builtin_wasm_memory_grow(0, byte()); break;
    case 'u':
      for (volatile u32 i = word(); i; i--);
      break;
    case 'p': post_does = byte(); break;
    case 'q': realloc_when = byte(), realloc_does = byte(); break;
    case 'Q': resize_does = byte(); break;
    case 'h':
      t = text();
      later_len = t.len;
      __builtin_memcpy(later, (u8 *)t.at, t.len);
      break;
    case 'k': put(record, lines * sizeof *record); break;
    case 'f': now.failed = 1; return;
    case 'o':
      for (volatile u32 i = 0;; i++);
    case '!': break;
    case '#': now.next += 4; break;
    case 'x': __builtin_trap();
    default: return;
    }
  }
}

// A block that the call does not need stays.
static void begin(u32 unused) {
  must(phase == idle, 8);
  must(open <= unused, 9);
  spare = unused;
  must(!returned || no_post, 10);
  phase = handling;
  out_len = response = misplaced = 0;
}

static u32 finish(void) {
  if (wrong) {
    static u8 line[] = "broken order 00";
    line[13] = '0' + wrong / 10, line[14] = '0' + wrong % 10;
    host_log(4, at(line), 15);
  }
  phase = idle;
  heap = 0; // the next block takes the place of this call's
  if (now.failed) {
    static const u8 why[] = "it was told to";
    result[0] = 1, result[1] = 2, result[2] = at(why), result[3] = sizeof why - 1;
  } else if (misplaced) {
    return returned = broken(misplaced - 1);
  } else {
    result[0] = 0, result[1] = response ? response : at(out), result[2] = response ? response_len : out_len;
  }
  return returned = at(result);
}

LIFECYCLE("handle-message") u32 handle_message(u32 sender, u32 sender_len, u32 message, u32 len) {
  take(sender, sender_len);
  take(message, len);
  begin(len == 0);
  follows(hash(2166136261, (u8 *)sender, sender_len), message, len);
  note(hash(2166136261, (u8 *)sender, sender_len), hash(2166136261, (u8 *)message, len));
  now.base = message, now.len = len, now.next = 0, now.callback = now.failed = 0;
  now.sender = sender, now.sender_len = sender_len;
  script();
  return finish();
}

LIFECYCLE("handle-callback") u32 handle_callback(u64 id, u32 failed, u32 outcome, u32 len) {
  take(outcome, len);
  begin(1 + (len == 0));
  u32 which = 0;
  while (which < sent && ids[which] != id) which++;
  if (which == sent) which = 64; // of an instance before this one
  u32 known_len = 0; // of the text of a failure, only the word that is the same everywhere
  while (known_len < len && (!failed || ((u8 *)outcome)[known_len] != ':')) known_len++;
  note(1 + which, hash(failed, (u8 *)outcome, known_len));
  now.sender = targets[0][0], now.sender_len = targets[0][1];
  now.callback = 1, now.failed = 0, now.next = 0;
  u32 scripted = !failed && len && *(u8 *)outcome == '!';
  if (later_len && !scripted) {
    static u8 running[sizeof later]; // the script may replace itself
    __builtin_memcpy(running, later, later_len);
    now.base = at(running), now.len = later_len;
    later_len = 0;
    script();
  }
  if (scripted) {
    now.base = outcome, now.len = len, now.next = 0;
    script();
  }
  return finish();
}

static void post(u32 area) {
  must(area == returned, 11);
  must(open <= spare, 12);
  phase = cleaning;
  returned = 0;
  u32 *r = (u32 *)area;
  if (!misplaced && !r[0]) __builtin_memset((u8 *)r[1], 0xee, r[2]);
  u8 idea = post_does;
  post_does = 0;
  misbehave(idea);
  phase = idle;
}
POST("handle-message") void post_message(u32 area) { post(area); }
POST("handle-callback") void post_callback(u32 area) { post(area); }

struct pair { u32 key, key_len, value, value_len; };
MANAGEMENT("initialize") u32 initialize(struct pair *pairs, u32 n) {
  static u8 names[4096];
  u32 used = 0;
  for (u32 i = known = 0; i < n && known < 32; i++) {
    u8 key = *(u8 *)pairs[i].key;
    if (key == 'm') me = *(u8 *)pairs[i].value - 'a';
    if (key == 'n') no_post = 1;
    if (key != 't') continue;
    targets[known][0] = at(names) + used, targets[known++][1] = pairs[i].value_len;
    __builtin_memcpy(names + used, (u8 *)pairs[i].value, pairs[i].value_len);
    used += pairs[i].value_len;
  }
  open = heap = 0;
  random_get(at(&instance), sizeof instance);
  phase = idle;
  result[0] = 0;
  return at(result);
}

MANAGEMENT("health") u32 health(void) { return 0; }
MANAGEMENT("shutdown") void shutdown(void) {}
