//go:build (linux || darwin) && (amd64 || arm64)

#include "internal.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

uint32_t airhost_ticks_so_far;

enum { PERIOD = 1000 * 1000 /* ns */, REST_AFTER = 1000 /* ticks */ };

struct airhost_ticker {
  airhost_ticks *ticks;
  wasm_engine_t *engines[2];
  pthread_t thread;
  pthread_mutex_t mutex; // guards quit, and the change of resting to 0
  pthread_cond_t changed;
  bool quit;
};

// Waits until the engine is used again or the ticker is closed. Here resting is set
// before used is read, and Go sets used before it reads resting: so one of the two sees
// the other.
static void rest(airhost_ticker *t) {
  pthread_mutex_lock(&t->mutex);
  __atomic_store_n(&t->ticks->resting, 1, __ATOMIC_SEQ_CST);
  if (__atomic_load_n(&t->ticks->used, __ATOMIC_SEQ_CST)) __atomic_store_n(&t->ticks->resting, 0, __ATOMIC_SEQ_CST);
  while (t->ticks->resting && !t->quit) pthread_cond_wait(&t->changed, &t->mutex); // only change sets it back
  pthread_mutex_unlock(&t->mutex);
}

static bool over(airhost_ticker *t) {
  pthread_mutex_lock(&t->mutex);
  bool quit = t->quit;
  pthread_mutex_unlock(&t->mutex);
  return quit;
}

static void *run(void *data) {
  airhost_ticker *t = data;
  for (int idle = 0; !over(t);) {
    struct timespec left = {0, PERIOD};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
    for (int i = 0; i < 2; i++) wasmtime_engine_increment_epoch(t->engines[i]);
    __atomic_fetch_add(&airhost_ticks_so_far, 1, __ATOMIC_RELAXED);
    if (__atomic_exchange_n(&t->ticks->used, 0, __ATOMIC_SEQ_CST)) {
      idle = 0;
    } else if (++idle >= REST_AFTER) {
      rest(t);
      idle = 0;
    }
  }
  return NULL;
}

airhost_ticker *airhost_ticker_new(wasm_engine_t *engine, wasm_engine_t *other, airhost_ticks *ticks) {
  airhost_ticker *t = calloc(1, sizeof *t);
  if (t == NULL) return NULL;
  t->engines[0] = engine;
  t->engines[1] = other;
  t->ticks = ticks;
  pthread_mutex_init(&t->mutex, NULL);
  pthread_cond_init(&t->changed, NULL);
  // Only Go's threads handle signals.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int failed = pthread_create(&t->thread, NULL, run, t);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (failed) {
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->mutex);
    free(t);
    return NULL;
  }
  return t;
}

// Changes the state under the lock, and wakes the thread.
static void change(airhost_ticker *t, bool quit) {
  pthread_mutex_lock(&t->mutex);
  __atomic_store_n(&t->ticks->resting, 0, __ATOMIC_SEQ_CST);
  t->quit = quit;
  pthread_cond_signal(&t->changed);
  pthread_mutex_unlock(&t->mutex);
}

void airhost_ticker_wake(airhost_ticker *t) { change(t, false); }

void airhost_ticker_free(airhost_ticker *t) {
  change(t, true);
  pthread_join(t->thread, NULL);
  pthread_cond_destroy(&t->changed);
  pthread_mutex_destroy(&t->mutex);
  free(t);
}
