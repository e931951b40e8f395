/* kernels/grouped/host_crew.c - a block of threads played by the processor, see simt_host.h.
 *
 * A crew is what a GPU's warps are to one another: threads without an order but for the counters, and
 * copies that are there when their counter says so and not before. It finds what playing the warps in turns
 * cannot: a warp that reads a slot too early or fills it too early. (With ThreadSanitizer even where
 * the numbers come out right.) Who waits in vain is a fault in the kernel, and the program is aborted. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "kernels/grouped/simt.h"

enum { PATIENCE = 60 }; /* seconds */

/* What stands in the 8 bytes of a counter. */
typedef struct {
  uint16_t expected, missing; /* arrivals a phase, and until the present one ends */
  uint32_t ended;             /* phases */
} counter;
_Static_assert(sizeof(counter) == SIMT_COUNTER, "a counter is 8 bytes");

typedef struct {
  unsigned char *to;
  const unsigned char *from; /* NULL: zeros */
} copy;

/* Copies after which `arrivals` arrive at the counter. */
typedef struct job {
  struct job *next;
  counter *at;
  uint32_t arrivals;
  size_t n, capacity;
  copy *copies;
} job;

struct simt_crew {
  pthread_mutex_t lock; /* of all below, and of counters */
  pthread_cond_t changed;
  job *jobs;
  size_t n_jobs;
  uint32_t random;
  void (*block)(void *data);
  void *data;
  unsigned long runs; /* begun */
  int at_work;        /* of the warps, in this run */
  int at_barrier;
  unsigned long barriers; /* passed */
  bool leaving;
  pthread_t threads[SIMT_BLOCK_WARPS + 1]; /* the last makes the copies */
  int n_threads;
};

typedef struct {
  struct simt_crew *crew;
  int warp;
} seat;

_Thread_local simt_player simt_self = {0, SIMT_BLOCK_WARPS, NULL};
static _Thread_local job *under_way; /* of a warp of a crew: not yet handed over */

int simt_workers_end(void) { return simt_self.end < SIMT_WARPS ? simt_self.end : SIMT_WARPS; }

static void fault(const char *what) {
  (void)fprintf(stderr, "emulated kernel: %s\n", what);
  abort();
}

/* ---- counters --------------------------------------------------------------------------------- */
static void count(counter *c, uint32_t arrivals) {
  for (uint32_t i = 0; i < arrivals; i++) {
    if (--c->missing > 0) continue;
    c->missing = c->expected;
    c->ended++;
  }
}
static bool has_ended(const counter *c, uint32_t parity) { return (c->ended & 1) != parity; }

/* Until something changes; the lock is held. */
static void wait_change(struct simt_crew *crew, const char *what) {
  struct timespec until;
  (void)clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += PATIENCE;
  if (pthread_cond_timedwait(&crew->changed, &crew->lock, &until)) fault(what);
}

/* Hands the warp's copies over. */
static void hand_over(struct simt_crew *crew) {
  job *j = under_way;
  if (!j || !j->at) return;
  under_way = NULL;
  (void)pthread_mutex_lock(&crew->lock);
  j->next = crew->jobs;
  crew->jobs = j;
  crew->n_jobs++;
  (void)pthread_cond_broadcast(&crew->changed);
  (void)pthread_mutex_unlock(&crew->lock);
}

static job *own_job(void) {
  if (!under_way) under_way = ap_calloc(1, sizeof *under_way);
  if (!under_way) fault("out of memory");
  return under_way;
}

void simt_host_counter_set(unsigned char *at, uint32_t arrivals) {
  counter *c = (counter *)(void *)at;
  *c = (counter){(uint16_t)arrivals, (uint16_t)arrivals, 0};
}

static void arrive(unsigned char *at, uint32_t arrivals) {
  struct simt_crew *crew = simt_self.crew;
  if (crew) (void)pthread_mutex_lock(&crew->lock);
  count((counter *)(void *)at, arrivals);
  if (crew) {
    (void)pthread_cond_broadcast(&crew->changed);
    (void)pthread_mutex_unlock(&crew->lock);
  }
}

void simt_host_arrive(unsigned char *at) {
  if (simt_self.crew) hand_over(simt_self.crew);
  arrive(at, 1);
}

void simt_host_wait(unsigned char *at, uint32_t parity) {
  struct simt_crew *crew = simt_self.crew;
  const counter *c = (const counter *)(void *)at;
  if (!crew) {
    if (!has_ended(c, parity)) fault("a warp waits for arrivals that come after it");
    return;
  }
  hand_over(crew);
  (void)pthread_mutex_lock(&crew->lock);
  while (!has_ended(c, parity)) wait_change(crew, "a warp waits for arrivals that do not come");
  (void)pthread_mutex_unlock(&crew->lock);
}

/* ---- copies ----------------------------------------------------------------------------------- */
static void make_copy(const copy *c) {
  if (c->from)
    memcpy(c->to, c->from, 16);
  else
    memset(c->to, 0, 16);
}

void simt_host_copy16(unsigned char *to, const unsigned char *from) {
  const copy c = {to, from};
  if (!simt_self.crew) {
    make_copy(&c);
    return;
  }
  job *j = own_job();
  if (j->n == j->capacity) {
    const size_t capacity = j->capacity ? 2 * j->capacity : 64;
    copy *more = ap_realloc(j->copies, capacity, sizeof *more);
    if (!more) fault("out of memory");
    j->copies = more;
    j->capacity = capacity;
  }
  j->copies[j->n++] = c;
}

void simt_host_copied(unsigned char *at) {
  counter *c = (counter *)(void *)at;
  if (!simt_self.crew) {
    arrive(at, 1);
    return;
  }
  job *j = own_job();
  if (j->at && j->at != c) fault("copies of one thread for two counters");
  j->at = c;
  j->arrivals++;
}

static void free_job(job *j) {
  ap_free(j->copies);
  ap_free(j);
}

void simt_host_copies_wait(void) {
  job *j = under_way;
  if (!j) return;
  if (j->at) fault("a thread waits for copies that a counter tells of");
  under_way = NULL;
  for (size_t i = 0; i < j->n; i++) make_copy(&j->copies[i]);
  free_job(j);
}

/* Makes copies, the jobs in any order, until the crew is left. */
static void *copy_jobs(void *data) {
  struct simt_crew *crew = data;
  (void)pthread_mutex_lock(&crew->lock);
  while (true) {
    while (crew->n_jobs == 0 && !crew->leaving)
      (void)pthread_cond_wait(&crew->changed, &crew->lock);
    if (crew->n_jobs == 0) break;
    job **at = &crew->jobs;
    crew->random = crew->random * 1664525U + 1013904223U;
    for (size_t skip = (crew->random >> 8) % crew->n_jobs; skip > 0; skip--) at = &(*at)->next;
    job *j = *at;
    *at = j->next;
    crew->n_jobs--;
    const bool late = (crew->random >> 28) == 0;
    (void)pthread_mutex_unlock(&crew->lock);
    const struct timespec while_others_run = {0, 20000};
    if (late) (void)nanosleep(&while_others_run, NULL);
    for (size_t i = 0; i < j->n; i++) make_copy(&j->copies[i]);
    (void)pthread_mutex_lock(&crew->lock);
    count(j->at, j->arrivals);
    (void)pthread_cond_broadcast(&crew->changed);
    free_job(j);
  }
  (void)pthread_mutex_unlock(&crew->lock);
  return NULL;
}

/* ---- the crew --------------------------------------------------------------------------------- */
void simt_host_barrier(void) {
  struct simt_crew *crew = simt_self.crew;
  if (!crew) return;
  hand_over(crew);
  (void)pthread_mutex_lock(&crew->lock);
  const unsigned long number = crew->barriers;
  if (++crew->at_barrier == SIMT_BLOCK_WARPS) {
    crew->at_barrier = 0;
    crew->barriers++;
    (void)pthread_cond_broadcast(&crew->changed);
  }
  while (crew->barriers == number) wait_change(crew, "a warp waits at a barrier alone");
  (void)pthread_mutex_unlock(&crew->lock);
}

static void *play(void *data) {
  seat *s = data;
  struct simt_crew *crew = s->crew;
  simt_self = (simt_player){s->warp, s->warp + 1, crew};
  ap_free(s);
  unsigned long seen = 0;
  (void)pthread_mutex_lock(&crew->lock);
  while (true) {
    while (crew->runs == seen && !crew->leaving)
      (void)pthread_cond_wait(&crew->changed, &crew->lock);
    if (crew->runs == seen) break;
    seen = crew->runs;
    (void)pthread_mutex_unlock(&crew->lock);
    crew->block(crew->data);
    hand_over(crew);
    if (under_way) fault("copies that no counter tells of");
    (void)pthread_mutex_lock(&crew->lock);
    crew->at_work--;
    (void)pthread_cond_broadcast(&crew->changed);
  }
  (void)pthread_mutex_unlock(&crew->lock);
  return NULL;
}

struct simt_crew *simt_crew_create(void) {
  struct simt_crew *crew = ap_calloc(1, sizeof *crew);
  if (!crew) return NULL;
  (void)pthread_mutex_init(&crew->lock, NULL);
  (void)pthread_cond_init(&crew->changed, NULL);
  crew->random = 1;
  for (int w = 0; w <= SIMT_BLOCK_WARPS; w++) {
    seat *s = w < SIMT_BLOCK_WARPS ? ap_calloc(1, sizeof *s) : NULL;
    bool failed = w < SIMT_BLOCK_WARPS && !s;
    if (s) *s = (seat){crew, w};
    if (!failed)
      failed = pthread_create(&crew->threads[w], NULL, s ? play : copy_jobs, s ? (void *)s : crew);
    if (failed) {
      ap_free(s);
      simt_crew_destroy(crew);
      return NULL;
    }
    crew->n_threads++;
  }
  return crew;
}

void simt_crew_run(struct simt_crew *crew, void (*block)(void *data), void *data) {
  (void)pthread_mutex_lock(&crew->lock);
  crew->block = block;
  crew->data = data;
  crew->at_work = SIMT_BLOCK_WARPS;
  crew->runs++;
  (void)pthread_cond_broadcast(&crew->changed);
  while (crew->at_work > 0) (void)pthread_cond_wait(&crew->changed, &crew->lock);
  (void)pthread_mutex_unlock(&crew->lock);
}

void simt_crew_destroy(struct simt_crew *crew) {
  if (!crew) return;
  (void)pthread_mutex_lock(&crew->lock);
  crew->leaving = true;
  (void)pthread_cond_broadcast(&crew->changed);
  (void)pthread_mutex_unlock(&crew->lock);
  for (int i = 0; i < crew->n_threads; i++) (void)pthread_join(crew->threads[i], NULL);
  (void)pthread_cond_destroy(&crew->changed);
  (void)pthread_mutex_destroy(&crew->lock);
  ap_free(crew);
}
