#include "base/threads.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

#define MAX_THREADS ((size_t)1024)
#define CACHE_LINE 64
/* Polls before a thread sleeps, some 10 us: loops often follow each other within that time, and
 * waking a sleeper costs more. None when there are more threads than processors. */
#define SPINS 300

typedef struct {
  ap_pool *pool;
  size_t worker; /* 1.. */
  pthread_t thread;
} worker_record;

struct ap_pool {
  /* The next block to hand out, alone on its cache line: every thread writes it. */
  _Alignas(CACHE_LINE) _Atomic size_t next;
  /* Number of the current run; workers that wait poll it. Changed under the lock only. */
  _Alignas(CACHE_LINE) _Atomic uint64_t run;
  /* Workers inside the current run. Changed under the lock only. */
  _Alignas(CACHE_LINE) _Atomic size_t active;
  /* Constant during a run; written under the lock by the caller while no worker is active. */
  _Alignas(CACHE_LINE) size_t n_blocks;
  ap_pool_body *body;
  void *context;
  int home; /* the caller's processor when the run began; -1: unknown */
  /* Under the lock. */
  pthread_mutex_t lock;
  pthread_cond_t wake, idle;
  bool open; /* workers may still join the current run */
  bool stop;
  /* Constant after creation. */
  size_t n_threads;
  size_t n_started; /* records whose thread runs */
  size_t n_cpus;    /* that this process may use; 0: unknown, nothing is placed */
  unsigned spins;
  cpu_set_t cpus;
  worker_record *workers; /* n_threads - 1 */
  bool running;           /* the caller's alone */
};

static inline void pause_cpu(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

static void do_blocks(ap_pool *pool, size_t worker) {
  for (;;) {
    size_t block = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
    if (block >= pool->n_blocks) return;
    pool->body(pool->context, block, worker);
  }
}

/* The calling thread lies on the caller's processor while there are enough for all: seen to last on
 * virtual machines, where two threads then take turns. It moves to another one, the i-th after the
 * caller's for worker i, and is free again: on a busy machine a thread that stays tied to one
 * processor makes all wait for it. */
static void move_away(const ap_pool *pool, const worker_record *record) {
  size_t at = (size_t)pool->home;
  cpu_set_t one;
  if (pool->home < 0 || at >= CPU_SETSIZE || !CPU_ISSET(at, &pool->cpus)) return;
  for (size_t i = 0; i < record->worker; i++) {
    do {
      at = (at + 1) % CPU_SETSIZE;
    } while (!CPU_ISSET(at, &pool->cpus));
  }
  CPU_ZERO(&one);
  CPU_SET(at, &one);
  /* Refused (a changed cpuset, a sandbox): the thread stays where the system puts it. */
  if (sched_setaffinity(0, sizeof one, &one) == 0) {
    (void)sched_setaffinity(0, sizeof pool->cpus, &pool->cpus);
  }
}

static void *work(void *argument) {
  const worker_record *record = argument;
  ap_pool *pool = record->pool;
  uint64_t seen = 0;
  for (;;) {
    for (unsigned i = 0; i < pool->spins; i++) {
      if (atomic_load_explicit(&pool->run, memory_order_relaxed) != seen) break;
      pause_cpu();
    }
    (void)pthread_mutex_lock(&pool->lock);
    while (!pool->stop && (!pool->open || atomic_load(&pool->run) == seen)) {
      (void)pthread_cond_wait(&pool->wake, &pool->lock);
    }
    if (pool->stop) break;
    seen = atomic_load(&pool->run);
    atomic_fetch_add(&pool->active, 1);
    (void)pthread_mutex_unlock(&pool->lock);

    if (pool->n_cpus >= pool->n_threads && sched_getcpu() == pool->home) move_away(pool, record);
    do_blocks(pool, record->worker);

    (void)pthread_mutex_lock(&pool->lock);
    pool->open = false; /* no blocks are left: late sleepers need not come */
    if (atomic_fetch_sub(&pool->active, 1) == 1) (void)pthread_cond_signal(&pool->idle);
    (void)pthread_mutex_unlock(&pool->lock);
  }
  (void)pthread_mutex_unlock(&pool->lock);
  return NULL;
}

void ap_pool_run(ap_pool *pool, size_t n_blocks, ap_pool_body *body, void *context) {
  if (n_blocks == 0) return;
  assert(!pool->running); /* one caller at a time, and no run inside a run */
  pool->running = true;
  if (n_blocks == 1 || pool->n_threads == 1) {
    for (size_t block = 0; block < n_blocks; block++) body(context, block, 0);
    pool->running = false;
    return;
  }
  (void)pthread_mutex_lock(&pool->lock);
  pool->n_blocks = n_blocks;
  pool->body = body;
  pool->context = context;
  pool->home = sched_getcpu();
  atomic_store(&pool->next, 0);
  atomic_fetch_add(&pool->run, 1);
  pool->open = true;
  (void)pthread_cond_broadcast(&pool->wake);
  (void)pthread_mutex_unlock(&pool->lock);

  do_blocks(pool, 0);

  for (unsigned i = 0; i < pool->spins; i++) {
    if (atomic_load_explicit(&pool->active, memory_order_relaxed) == 0) break;
    pause_cpu();
  }
  (void)pthread_mutex_lock(&pool->lock);
  pool->open = false;
  while (atomic_load(&pool->active) > 0) (void)pthread_cond_wait(&pool->idle, &pool->lock);
  (void)pthread_mutex_unlock(&pool->lock);
  pool->running = false;
}

size_t ap_pool_threads(const ap_pool *pool) { return pool->n_threads; }

void ap_pool_destroy(ap_pool *pool) {
  if (!pool) return;
  (void)pthread_mutex_lock(&pool->lock);
  pool->stop = true;
  (void)pthread_cond_broadcast(&pool->wake);
  (void)pthread_mutex_unlock(&pool->lock);
  for (size_t i = 0; i < pool->n_started; i++) (void)pthread_join(pool->workers[i].thread, NULL);
  (void)pthread_cond_destroy(&pool->wake);
  (void)pthread_cond_destroy(&pool->idle);
  (void)pthread_mutex_destroy(&pool->lock);
  ap_free(pool->workers);
  ap_free(pool);
}

/* Workers take no signals: these belong to the thread that runs main. */
static ap_status start_workers(ap_pool *pool, ap_error *err) {
  sigset_t all, old;
  int reason = 0;
  (void)sigfillset(&all);
  (void)pthread_sigmask(SIG_SETMASK, &all, &old);
  while (pool->n_started + 1 < pool->n_threads) {
    worker_record *record = &pool->workers[pool->n_started];
    record->pool = pool;
    record->worker = pool->n_started + 1;
    reason = pthread_create(&record->thread, NULL, work, record);
    if (reason) break;
    pool->n_started++;
  }
  (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
  if (reason) {
    return ap_fail(err, AP_ERR_INTERNAL, "cannot start thread %zu of %zu: %s", pool->n_started + 2,
                   pool->n_threads, strerror(reason));
  }
  return AP_OK;
}

ap_status ap_pool_create(size_t n_threads, ap_pool **out, ap_error *err) {
  ap_pool *pool = NULL;
  ap_status st;
  size_t n_cpus = 0;
  cpu_set_t cpus;
  *out = NULL;
  CPU_ZERO(&cpus);
  if (sched_getaffinity(0, sizeof cpus, &cpus) == 0) n_cpus = (size_t)CPU_COUNT(&cpus);
  if (n_threads == 0) {
    long online = n_cpus ? (long)n_cpus : sysconf(_SC_NPROCESSORS_ONLN);
    n_threads = online < 1 ? 1 : (size_t)online;
    if (n_threads > MAX_THREADS) n_threads = MAX_THREADS;
  }
  if (n_threads > MAX_THREADS) {
    return ap_fail(err, AP_ERR_ARG, "%zu threads asked for, at most %zu are possible", n_threads,
                   MAX_THREADS);
  }
  pool = ap_calloc(1, sizeof *pool);
  if (!pool) return ap_fail(err, AP_ERR_MEMORY, "thread pool");
  pool->n_threads = n_threads;
  pool->n_cpus = n_cpus;
  pool->cpus = cpus;
  pool->spins = n_cpus >= n_threads ? SPINS : 0;
  (void)pthread_mutex_init(&pool->lock, NULL);
  (void)pthread_cond_init(&pool->wake, NULL);
  (void)pthread_cond_init(&pool->idle, NULL);
  pool->workers = ap_calloc(n_threads, sizeof *pool->workers);
  if (!pool->workers) {
    st = ap_fail(err, AP_ERR_MEMORY, "records of %zu threads", n_threads);
    goto done;
  }
  st = start_workers(pool, err);
  if (st) goto done;
  *out = pool;
  pool = NULL;
done:
  ap_pool_destroy(pool);
  return st;
}
