/* The paired test: its hypergeometric tails against counting all draws, and its error against
 * drawings from populations that are just within the limit. */
#include "nn/paired.h"

#include "base/rng.h"
#include "tests/nn/train_testing.h"

/* P(lost among m telling ones >= x) over all ways to draw m of `all` of which `marked` are lost ones, by
 * walking through the draws one by one. */
static double by_draws(size_t all, size_t marked, size_t m, size_t x) {
  double now[64] = {1}, next[64];
  for (size_t drawn = 0; drawn < m; ++drawn) {
    const double left = (double)(all - drawn);
    memset(next, 0, sizeof next);
    for (size_t k = 0; k <= drawn; ++k) {
      const double lost_left = (double)marked - (double)k;
      const double other_left = left - lost_left;
      if (lost_left > 0) next[k + 1] += now[k] * lost_left / left;
      if (other_left > 0) next[k] += now[k] * other_left / left;
    }
    memcpy(now, next, sizeof now);
  }
  double sum = 0;
  for (size_t k = x; k <= m; ++k) sum += now[k];
  return sum;
}

/* All images seen: M is m, and only the hypothesis that is true there remains. */
static void test_everything_seen(void **state) {
  (void)state;
  ap_paired p;
  must(ap_paired_init(&p, 40, &failure));
  for (size_t lost = 0; lost <= 12; ++lost)
    for (size_t gained = 0; gained <= 12; ++gained)
      for (int most = -3; most <= 6; ++most) {
        const bool within = (double)lost - (double)gained <= most;
        const double value = ap_paired_p_value(&p, 40, lost, gained, most, 1e-6);
        if (within)
          assert_true(value >= 1 - 1e-9);
        else
          assert_true(value <= 1.1e-6);
      }
  ap_paired_release(&p);
}

/* A wide interval leaves every M in: the largest of the tails counted by draws. */
static void test_against_draws(void **state) {
  (void)state;
  enum { ALL = 31 };
  ap_paired p;
  must(ap_paired_init(&p, ALL, &failure));
  const double interval = 1e-12;
  for (size_t n = 1; n <= ALL; n += 5)
    for (size_t lost = 0; lost <= n; lost += 2)
      for (size_t gained = 0; lost + gained <= n; gained += 3)
        for (int most = -2; most <= 4; most += 2) {
          const size_t m = lost + gained;
          double want = 0;
          for (size_t all = m; all <= ALL - (n - m); ++all) {
            /* all ways in which B - C <= most */
            for (size_t b = 0; b <= all; ++b) {
              if ((int)b - (int)(all - b) > most) continue;
              const double at = by_draws(all, b, m, lost);
              if (at > want) want = at;
            }
          }
          const double got = ap_paired_p_value(&p, n, lost, gained, most, interval);
          if (fabs(got - fmin(want + interval, 1)) > 1e-9)
            fail_msg("n %zu lost %zu gained %zu most %d: %g, by draws %g", n, lost, gained, most,
                     got, want);
        }
  ap_paired_release(&p);
}

/* How often a population of the given numbers is rejected at one of the looks. */
static double rejected(size_t population, size_t lost, size_t gained, double most, double error,
                       size_t trials, uint64_t seed) {
  static uint32_t order[4000];
  ap_paired p;
  ap_rng rng;
  size_t looks = 0, count = 0;
  must(ap_paired_init(&p, population, &failure));
  ap_rng_seed(&rng, seed, 0);
  for (size_t n = 256; n < population; n *= 2) ++looks;
  for (size_t trial = 0; trial < trials; ++trial) {
    bool out = false;
    size_t b = 0, c = 0, at = 0;
    for (size_t i = 0; i < population; ++i) order[i] = (uint32_t)i;
    ap_rng_shuffle(&rng, order, population);
    for (size_t n = 256; n < population && !out; n *= 2) {
      for (; at < n; ++at) {
        b += order[at] < lost;
        c += order[at] >= lost && order[at] < lost + gained;
      }
      const double each = error / (double)looks;
      out = ap_paired_p_value(&p, n, b, c, most, each / 10) <= each;
    }
    count += out;
  }
  ap_paired_release(&p);
  return (double)count / (double)trials;
}

static void test_error_and_power(void **state) {
  (void)state;
  /* Just within the limit: at most 5 % may be rejected; 400 trials of a 5 % event exceed 34 once in 500. */
  assert_true(rejected(2500, 25, 0, 25, 0.05, 400, 1) <= 0.085);
  assert_true(rejected(2500, 75, 50, 25, 0.05, 400, 2) <= 0.085);
  assert_true(rejected(1000, 210, 200, 10, 0.05, 400, 3) <= 0.085);
  assert_true(rejected(1000, 0, 20, -20, 0.05, 400, 4) <= 0.085);
  /* Far beyond it: nearly always, so that the test is of use. */
  assert_true(rejected(2500, 500, 20, 25, 0.05, 100, 5) >= 0.99);
  assert_true(rejected(2500, 200, 50, 25, 0.05, 100, 6) >= 0.9);
  assert_true(rejected(1000, 60, 60, -60, 0.05, 100, 7) >= 0.9);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_everything_seen),
                                     cmocka_unit_test(test_against_draws),
                                     cmocka_unit_test(test_error_and_power)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
