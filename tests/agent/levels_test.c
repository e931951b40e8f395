/* The knapsack against enumeration; changes of policies; the population. */
#include "test_agent.h"
/* after CMocka's own */
#include <math.h>
#include <string.h>

#include "agent/elites_impl.h"
#include "agent/knapsack_impl.h"
#include "base/alloc.h"
#include "toy_env.h"

#define LAYERS 4
#define MOST 6

typedef struct {
  size_t count[LAYERS];
  double costs[LAYERS][MOST], errors[LAYERS][MOST];
  const double *cost_rows[LAYERS], *error_rows[LAYERS];
} problem;

static void make(problem *p, ap_rng *rng, double scale) {
  for (size_t t = 0; t < LAYERS; t++) {
    p->count[t] = 1 + ap_rng_below(rng, MOST);
    for (size_t k = 0; k < MOST; k++) {
      p->costs[t][k] = floor(scale * (double)ap_rng_below(rng, 9));
      p->errors[t][k] = (double)ap_rng_below(rng, 64) / 16; /* sums are exact */
    }
    p->cost_rows[t] = p->costs[t];
    p->error_rows[t] = p->errors[t];
  }
}

/* Least error within the bound by trying everything; INFINITY if nothing fits. */
static double enumerate(const problem *p, double bound) {
  size_t k[LAYERS] = {0}, t;
  double best = INFINITY;
  do {
    double cost = 0, error = 0;
    for (t = 0; t < LAYERS; t++) {
      cost += p->costs[t][k[t]];
      error += p->errors[t][k[t]];
    }
    if (cost <= bound && error < best) best = error;
    for (t = 0; t < LAYERS && ++k[t] == p->count[t]; t++) k[t] = 0;
  } while (t < LAYERS);
  return best;
}

static void knapsack_equals_enumeration(void **state) {
  ap_rng rng;
  (void)state;
  ap_rng_seed(&rng, 21, 0);
  for (int round = 0; round < 50; round++) {
    problem p;
    ap_knapsack *s;
    make(&p, &rng, 1);
    assert_int_equal(ap_knapsack_create(LAYERS, p.count, p.cost_rows, 1000, &s, NULL), AP_OK);
    for (int again = 0; again < 2; again++) { /* the second solve sees nothing of the first */
      ap_knapsack_solve(s, p.error_rows);
      for (int bound = -1; bound < 40; bound++) {
        size_t choice[LAYERS];
        double cost = 0, error = 0, truth = enumerate(&p, bound);
        bool fits = ap_knapsack_choose(s, bound, choice);
        for (size_t t = 0; t < LAYERS; t++) {
          assert_true(choice[t] < p.count[t]);
          cost += p.costs[t][choice[t]];
          error += p.errors[t][choice[t]];
        }
        if (bound >= 0) assert_true(fits == isfinite(truth));
        if (fits && bound >= 0) assert_true(cost <= bound && error == truth);
      }
      for (size_t t = 0; t < LAYERS; t++) p.errors[t][0] += 1;
    }
    ap_knapsack_destroy(s);
  }
}

/* Costs too large for the table are rounded up: a bound still holds. */
static void coarse_knapsack_keeps_bounds(void **state) {
  ap_rng rng;
  (void)state;
  ap_rng_seed(&rng, 22, 0);
  for (int round = 0; round < 20; round++) {
    problem p;
    ap_knapsack *s;
    make(&p, &rng, 1234.5);
    assert_int_equal(ap_knapsack_create(LAYERS, p.count, p.cost_rows, 200, &s, NULL), AP_OK);
    ap_knapsack_solve(s, p.error_rows);
    for (double bound = 0; bound < 50000; bound += 777) {
      size_t choice[LAYERS];
      double cost = 0;
      if (!ap_knapsack_choose(s, bound, choice)) continue;
      for (size_t t = 0; t < LAYERS; t++) cost += p.costs[t][choice[t]];
      assert_true(cost <= bound);
    }
    ap_knapsack_destroy(s);
  }
  for (size_t n = 0;; n++) {
    problem p;
    ap_knapsack *s;
    ap_status st;
    make(&p, &rng, 1);
    ap_alloc_fail_after(n);
    st = ap_knapsack_create(LAYERS, p.count, p.cost_rows, 100, &s, NULL);
    ap_alloc_fail_after(SIZE_MAX);
    if (st == AP_OK) {
      ap_knapsack_destroy(s);
      break;
    }
    assert_int_equal(st, AP_ERR_MEMORY);
    assert_null(s);
  }
}

/* Changed policies stay between the least and the last level, and most changes cost nothing more. */
static void mutations_stay_in_range(void **state) {
  toy world = toy_eight();
  ap_env env = toy_env(&world);
  ap_levels levels = {0};
  size_t dearer = 0, changed = 0;
  ap_rng rng;
  (void)state;
  assert_int_equal(ap_levels_init(&levels, &env, 0.3, NULL), AP_OK);
  ap_rng_seed(&rng, 23, 0);
  for (int i = 0; i < 5000; i++) {
    uint32_t policy[8], old[8], again[8];
    double executed[8];
    for (size_t t = 0; t < 8; t++) {
      assert_true(levels.least[t] + 1 >= 0.3 * levels.count[t]);
      policy[t] = levels.least[t] + (uint32_t)ap_rng_below(&rng, levels.count[t] - levels.least[t]);
    }
    memcpy(old, policy, sizeof old);
    ap_levels_mutate(&levels, &rng, policy);
    for (size_t t = 0; t < 8; t++) {
      assert_true(policy[t] >= levels.least[t] && policy[t] < levels.count[t]);
    }
    dearer += ap_levels_cost(&levels, policy) > ap_levels_cost(&levels, old);
    changed += memcmp(old, policy, sizeof old) != 0;
    ap_levels_execute(&levels, policy, executed);
    ap_levels_read(&levels, executed, again);
    assert_memory_equal(again, policy, sizeof again);
  }
  assert_true(dearer < 2000 && dearer > 500);
  assert_true(changed > 4000);
  ap_levels_release(&levels);
}

static void elites_are_the_best_different_ones(void **state) {
  ap_elites e = {0};
  const double note[2] = {1, 2};
  (void)state;
  assert_int_equal(ap_elites_init(&e, 3, 2, NULL), AP_OK);
  for (uint32_t i = 0; i < 20; i++) {
    uint32_t policy[2] = {i * 7 % 10, 1};
    ap_elites_add(&e, policy, note, (double)policy[0]); /* each of 0..9 twice */
  }
  assert_int_equal(e.n, 3);
  for (size_t i = 0; i < 3; i++) {
    assert_int_equal(e.policies[2 * i], 9 - i);
    assert_true(e.rewards[i] == (double)(9 - i) && e.notes[2 * i + 1] == 2);
  }
  assert_true(ap_elites_hold(&e, (uint32_t[]){8, 1}));
  assert_false(ap_elites_hold(&e, (uint32_t[]){8, 2}));
  ap_elites_release(&e);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(knapsack_equals_enumeration),
      cmocka_unit_test(coarse_knapsack_keeps_bounds),
      cmocka_unit_test(mutations_stay_in_range),
      cmocka_unit_test(elites_are_the_best_different_ones),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
