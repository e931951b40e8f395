/* The pool: every block exactly once, any thread count, many runs, worker numbers in range. */
#include "base/threads.h"

#include <stdatomic.h>

#include "base/alloc.h"
#include "tests/base/testing.h"

#define MAX_BLOCKS 1009
#define MAX_WORKERS 5

typedef struct {
  unsigned visits[MAX_BLOCKS]; /* plain, not atomic: a block has one owner (ThreadSanitizer) */
  size_t scratch[MAX_WORKERS]; /* plain, not atomic: a worker number has one thread at a time */
  size_t n_workers;
  _Atomic unsigned bad_workers;
} record;

static void visit(void *context, size_t block, size_t worker) {
  record *r = context;
  r->visits[block]++;
  if (worker >= r->n_workers) {
    atomic_fetch_add(&r->bad_workers, 1);
  } else {
    r->scratch[worker]++;
  }
}

static void test_every_block_once(void **state) {
  static const size_t counts[] = {0, 1, 2, 3, 4, 5, 6, 7, 64, 101, MAX_BLOCKS};
  (void)state;
  for (size_t n_threads = 1; n_threads <= MAX_WORKERS; n_threads++) {
    ap_pool *pool = NULL;
    assert_int_equal(ap_pool_create(n_threads, &pool, NULL), AP_OK);
    assert_int_equal(ap_pool_threads(pool), n_threads);
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
      record r = {.n_workers = n_threads};
      size_t sum = 0;
      ap_pool_run(pool, counts[c], visit, &r);
      for (size_t b = 0; b < MAX_BLOCKS; b++) assert_int_equal(r.visits[b], b < counts[c]);
      for (size_t w = 0; w < MAX_WORKERS; w++) sum += r.scratch[w];
      assert_int_equal(sum, counts[c]);
      assert_int_equal(r.bad_workers, 0);
    }
    ap_pool_destroy(pool);
  }
}

/* Short runs in a row: a worker that wakes late must not take blocks of the next run twice. */
static void test_many_short_runs(void **state) {
  ap_pool *pool = NULL;
  (void)state;
  for (size_t n_threads = 2; n_threads <= MAX_WORKERS; n_threads++) {
    assert_int_equal(ap_pool_create(n_threads, &pool, NULL), AP_OK);
    for (size_t run = 0; run < 2000; run++) {
      record r = {.n_workers = n_threads};
      size_t n = 2 + run % 7;
      ap_pool_run(pool, n, visit, &r);
      for (size_t b = 0; b < MAX_BLOCKS && b < n + 5; b++) {
        assert_int_equal(r.visits[b], b < n);
      }
    }
    ap_pool_destroy(pool);
  }
}

/* Two blocks that wait for each other end only if two threads really run at the same time. */
typedef struct {
  _Atomic unsigned arrived;
  unsigned expected;
} meeting;

static void meet(void *context, size_t block, size_t worker) {
  meeting *m = context;
  (void)block;
  (void)worker;
  atomic_fetch_add(&m->arrived, 1);
  while (atomic_load(&m->arrived) < m->expected) {
  }
}

static void test_threads_work_together(void **state) {
  (void)state;
  for (unsigned n_threads = 2; n_threads <= MAX_WORKERS; n_threads++) {
    ap_pool *pool = NULL;
    meeting m = {.expected = n_threads};
    assert_int_equal(ap_pool_create(n_threads, &pool, NULL), AP_OK);
    ap_pool_run(pool, n_threads, meet, &m);
    assert_int_equal(m.arrived, n_threads);
    ap_pool_destroy(pool);
  }
}

static void test_two_pools(void **state) {
  ap_pool *a = NULL, *b = NULL;
  record r = {.n_workers = 2}, s = {.n_workers = 3};
  (void)state;
  assert_int_equal(ap_pool_create(2, &a, NULL), AP_OK);
  assert_int_equal(ap_pool_create(3, &b, NULL), AP_OK);
  ap_pool_run(a, 50, visit, &r);
  ap_pool_run(b, 70, visit, &s);
  for (size_t i = 0; i < MAX_BLOCKS; i++) {
    assert_int_equal(r.visits[i], i < 50);
    assert_int_equal(s.visits[i], i < 70);
  }
  ap_pool_destroy(a);
  ap_pool_destroy(b);
}

static void test_default_and_limits(void **state) {
  ap_pool *pool = NULL;
  ap_error err;
  (void)state;
  assert_int_equal(ap_pool_create(0, &pool, &err), AP_OK);
  assert_true(ap_pool_threads(pool) >= 1);
  ap_pool_destroy(pool);
  assert_int_equal(ap_pool_create(1025, &pool, &err), AP_ERR_ARG);
  assert_null(pool);
  assert_non_null(strstr(err.text, "1025"));
  ap_pool_destroy(NULL);
}

static void test_runs_allocate_nothing(void **state) {
  ap_pool *pool = NULL;
  record r = {.n_workers = 3};
  size_t before;
  (void)state;
  assert_int_equal(ap_pool_create(3, &pool, NULL), AP_OK);
  before = ap_alloc_count();
  ap_pool_run(pool, 100, visit, &r);
  assert_int_equal(ap_alloc_count(), before);
  ap_pool_destroy(pool);
}

static void test_failing_allocations(void **state) {
  size_t failures = 0;
  (void)state;
  for (size_t n = 0;; n++) {
    ap_pool *pool = NULL;
    ap_error err;
    ap_status st;
    ap_alloc_fail_after(n);
    st = ap_pool_create(4, &pool, &err);
    ap_alloc_fail_after(SIZE_MAX);
    if (st == AP_OK) {
      ap_pool_destroy(pool);
      break;
    }
    assert_int_equal(st, AP_ERR_MEMORY);
    assert_null(pool);
    failures++;
  }
  assert_int_equal(failures, 2); /* the pool and its thread records */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_block_once),      cmocka_unit_test(test_many_short_runs),
      cmocka_unit_test(test_threads_work_together), cmocka_unit_test(test_two_pools),
      cmocka_unit_test(test_default_and_limits),    cmocka_unit_test(test_runs_allocate_nothing),
      cmocka_unit_test(test_failing_allocations),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
