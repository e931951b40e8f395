/* Random numbers: the published sequence, moments within 5 standard errors, ranges, streams. */
#include "base/rng.h"

#include <math.h>

#include "tests/base/testing.h"

/* By hand from the algorithm (state 1, 2, 3, 4): result = rotl(s1 * 5, 7) * 9.
 * First: s1 = 2: rotl(10, 7) = 1280, * 9 = 11520. Then s1' = s1 ^ s2 ^ s0 = 2 ^ (3 ^ 1) = 0: 0.
 * The next two follow the same way: s1'' = 262149 gives 1509978240, and 1215971899390074240. */
static void test_known_sequence(void **state) {
  ap_rng rng = {{1, 2, 3, 4}};
  (void)state;
  assert_true(ap_rng_u64(&rng) == 11520u);
  assert_true(ap_rng_u64(&rng) == 0u);
  assert_true(ap_rng_u64(&rng) == 1509978240u);
  assert_true(ap_rng_u64(&rng) == 1215971899390074240u);
}

static void test_seeds_and_streams(void **state) {
  ap_rng a, b, c, d, copy;
  (void)state;
  ap_rng_seed(&a, 7, 0);
  ap_rng_seed(&b, 7, 0);
  ap_rng_seed(&c, 7, 1);
  ap_rng_seed(&d, 8, 0);
  copy = a;
  for (int i = 0; i < 100; i++) {
    uint64_t x = ap_rng_u64(&a);
    assert_true(x == ap_rng_u64(&b));
    assert_true(x == ap_rng_u64(&copy));
    assert_true(x != ap_rng_u64(&c));
    assert_true(x != ap_rng_u64(&d));
  }
  ap_rng_seed(&a, 0, 0);
  assert_true(a.s[0] | a.s[1] | a.s[2] | a.s[3]); /* all zeros would stay zero */
}

static void test_moments(void **state) {
  const size_t n = 100000;
  double sum = 0, sum2 = 0, normal = 0, normal2 = 0;
  ap_rng rng;
  (void)state;
  ap_rng_seed(&rng, 1, 2);
  for (size_t i = 0; i < n; i++) {
    double u = ap_rng_uniform(&rng), g = ap_rng_normal(&rng);
    assert_true(u >= 0 && u < 1);
    sum += u;
    sum2 += u * u;
    normal += g;
    normal2 += g * g;
  }
  /* Standard errors: mean of uniform sqrt(1/12/n), of its square sqrt(4/45/n), normal mean
   * sqrt(1/n), normal square sqrt(2/n). */
  assert_true(fabs(sum / (double)n - 0.5) < 5 * sqrt(1.0 / 12 / (double)n));
  assert_true(fabs(sum2 / (double)n - 1.0 / 3) < 5 * sqrt(4.0 / 45 / (double)n));
  assert_true(fabs(normal / (double)n) < 5 * sqrt(1.0 / (double)n));
  assert_true(fabs(normal2 / (double)n - 1) < 5 * sqrt(2.0 / (double)n));
}

static void test_below(void **state) {
  size_t counts[7] = {0};
  ap_rng rng;
  (void)state;
  ap_rng_seed(&rng, 3, 0);
  for (size_t i = 0; i < 70000; i++) {
    size_t x = ap_rng_below(&rng, 7);
    assert_true(x < 7);
    counts[x]++;
  }
  for (size_t i = 0; i < 7; i++) { /* 5 standard errors of 10000 * (1 - 1/7) */
    assert_true(fabs((double)counts[i] - 10000) < 5 * sqrt(10000 * 6.0 / 7));
  }
  assert_int_equal(ap_rng_below(&rng, 1), 0);
}

static void test_truncated_normal(void **state) {
  const size_t n = 20000;
  double sum = 0;
  ap_rng rng;
  (void)state;
  ap_rng_seed(&rng, 4, 0);
  for (size_t i = 0; i < n; i++) {
    double x = ap_rng_truncated_normal(&rng, 0, 1, 0, 1e3);
    assert_true(x >= 0 && x <= 1e3);
    sum += x;
  }
  /* Half normal: mean sqrt(2/pi), variance 1 - 2/pi. */
  assert_true(fabs(sum / (double)n - sqrt(2 / 3.141592653589793)) <
              5 * sqrt((1 - 2 / 3.141592653589793) / (double)n));
  for (size_t i = 0; i < 100; i++) { /* far out in a tail: still inside, still ends */
    double x = ap_rng_truncated_normal(&rng, 50, 1, 0, 1);
    assert_true(x >= 0 && x <= 1);
  }
  assert_true(ap_rng_truncated_normal(&rng, 0.5, 0, 0, 1) == 0.5);
  assert_true(ap_rng_truncated_normal(&rng, -3, 0, 0, 1) == 0);
  assert_true(ap_rng_truncated_normal(&rng, 3, 0, 0, 1) == 1);
}

static void test_shuffle(void **state) {
  uint32_t items[101], seen[101] = {0};
  size_t moved = 0;
  ap_rng rng;
  (void)state;
  ap_rng_seed(&rng, 5, 0);
  for (uint32_t i = 0; i < 101; i++) items[i] = i;
  ap_rng_shuffle(&rng, items, 101);
  for (uint32_t i = 0; i < 101; i++) {
    seen[items[i]]++;
    moved += items[i] != i;
  }
  for (uint32_t i = 0; i < 101; i++) assert_int_equal(seen[i], 1);
  assert_true(moved > 80);
  ap_rng_shuffle(&rng, items, 0);
  ap_rng_shuffle(&rng, items, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_known_sequence),   cmocka_unit_test(test_seeds_and_streams),
      cmocka_unit_test(test_moments),          cmocka_unit_test(test_below),
      cmocka_unit_test(test_truncated_normal), cmocka_unit_test(test_shuffle),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
