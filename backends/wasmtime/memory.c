//go:build (linux || darwin) && (amd64 || arm64)

#include "guest.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

// A memory of one page of WebAssembly is a slot of a region. A memory that outgrows its
// slot moves to a mapping of its own, of the largest size that it may have: it takes
// physical memory only for the pages that the guest touches. The guest's code compares
// each address with the size of the memory.
//
// A slot is one cache line larger than a page, so that the same addresses of two guests
// are in different sets of the processor's caches.
enum { PAGE = 64 << 10, SLOT = PAGE + 64, REGION = 32 << 20, HUGE_PAGE = 2 << 20, SLOTS = REGION / SLOT };

typedef struct region {
  struct region *next;
  void *mapping;
  uint8_t *slots;       // in the mapping, at the start of a huge page
  uint32_t fresh;       // slots at the end that were never used
  uint32_t free;        // the number of indices in freed
  uint16_t freed[SLOTS]; // the zeroed slots that were used before
} region;

static region *regions;                                   // of this process
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; // guards regions and their fields

// The guest whose memory new_memory makes. Wasmtime calls it on the thread that makes
// the instance.
static __thread airhost_guest *instantiating;

// Returns zeroed memory, or NULL. The system provides each page on first use.
static void *map(size_t size) {
  void *mapping = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON | MAP_NORESERVE, -1, 0);
  return mapping == MAP_FAILED ? NULL : mapping;
}

// Gives advice about huge pages. A system without them returns an error, which does no
// harm.
static void advise(void *at, size_t size, bool huge) {
#ifdef MADV_HUGEPAGE
  (void)madvise(at, size, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
#else
  (void)at, (void)size, (void)huge;
#endif
}

static region *add_region(void) {
  region *r = calloc(1, sizeof *r);
  if (r == NULL) return NULL;
  r->mapping = map(REGION + HUGE_PAGE);
  if (r->mapping == NULL) {
    free(r);
    return NULL;
  }
  r->slots = (uint8_t *)(((uintptr_t)r->mapping + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE);
  advise(r->slots, REGION, true);
  r->fresh = SLOTS;
  r->next = regions;
  return regions = r;
}

// Returns a zeroed slot, or NULL if the system has no memory left.
static uint8_t *take_slot(void) {
  pthread_mutex_lock(&mutex);
  region *r = regions;
  while (r != NULL && r->free + r->fresh == 0) r = r->next;
  if (r == NULL) r = add_region();
  size_t i = 0;
  if (r != NULL) i = r->free > 0 ? r->freed[--r->free] : SLOTS - r->fresh--;
  pthread_mutex_unlock(&mutex);
  return r == NULL ? NULL : r->slots + i * SLOT;
}

// Unmaps a region without used slots, except the last one.
static void give_slot(uint8_t *slot) {
  memset(slot, 0, PAGE);
  pthread_mutex_lock(&mutex);
  region **at = &regions;
  while (slot < (*at)->slots || slot >= (*at)->slots + REGION) at = &(*at)->next;
  region *r = *at;
  r->freed[r->free++] = (uint16_t)((size_t)(slot - r->slots) / SLOT);
  if (r->free + r->fresh == SLOTS && regions->next != NULL) {
    *at = r->next;
    munmap(r->mapping, REGION + HUGE_PAGE);
    free(r);
  }
  pthread_mutex_unlock(&mutex);
}

static void release(void *env) {
  airhost_guest *g = env;
  if (g->mapped > 0) {
    munmap(g->base, g->mapped);
  } else if (g->base != NULL) {
    give_slot(g->base);
  }
  g->base = NULL;
  g->mapped = 0;
  set_size(g, 0);
}

static wasmtime_error_t *no_memory(void) { return wasmtime_error_new("the system has no memory left for a guest"); }

// Moves the guest's memory to a mapping of its own.
static bool move(airhost_guest *g) {
  uint8_t *base = map(g->most);
  if (base == NULL) return false;
  advise(base, g->most, false); // an idle guest would take 2 MiB for each byte that it touched
  if (g->base != NULL) {
    memcpy(base, g->base, g->size);
    give_slot(g->base);
  }
  g->base = base;
  g->mapped = g->most;
  return true;
}

static wasmtime_error_t *grow(void *env, size_t size) {
  airhost_guest *g = env;
  if (size > g->most) return wasmtime_error_new("the memory is at its limit");
  if (size > PAGE && g->mapped == 0 && !move(g)) return no_memory();
  set_size(g, size);
  return NULL;
}

static uint8_t *get(void *env, size_t *size, size_t *capacity) {
  airhost_guest *g = env;
  *size = g->size;
  *capacity = g->mapped > 0 ? g->mapped : PAGE;
  return g->base;
}

static wasmtime_error_t *new_memory(void *env, const wasm_memorytype_t *type, size_t minimum, size_t maximum,
                                    size_t reserved, size_t guard, wasmtime_linear_memory_t *memory) {
  (void)env, (void)type, (void)maximum, (void)reserved, (void)guard;
  airhost_guest *g = instantiating;
  g->base = take_slot();
  if (g->base == NULL) return no_memory();
  g->close = true;
  *memory = (wasmtime_linear_memory_t){g, get, grow, release};
  wasmtime_error_t *error = grow(g, minimum);
  if (error != NULL) release(g);
  return error;
}

void airhost_close_memories(wasm_config_t *config) {
  wasmtime_memory_creator_t creator = {NULL, new_memory, NULL};
  wasmtime_config_host_memory_creator_set(config, &creator);
}

void airhost_close_memory_for(airhost_guest *g) { instantiating = g; }
