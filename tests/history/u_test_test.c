/* The U test against published and hand-worked values, and against counting all arrangements. */
#include "history/u_test.h"

#include <math.h>

#include "base/rng.h"
#include "tests/base/testing.h"

static ap_error failure;

static ap_u_result test_of(const double *a, size_t na, const double *b, size_t nb) {
  ap_u_result u;
  assert_int_equal(ap_u_test(a, na, b, nb, &u, &failure), AP_OK);
  return u;
}

/* The example of SciPy's documentation of mannwhitneyu (ages at diagnosis of diabetes): U1 = 17,
 * exact p = 0.111111; asymptotic with continuity correction p = 0.11134688653314041. */
static void documented_example(void **state) {
  const double males[] = {19, 22, 16, 29, 24}, females[] = {20, 11, 17, 12};
  ap_u_result u = test_of(males, 5, females, 4), v = test_of(females, 4, males, 5);
  double many_a[60], many_b[48];
  (void)state;
  assert_true(u.exact && u.u == 17 && fabs(u.p - 14.0 / 126) < 1e-12);
  assert_true(v.u == 3 && fabs(v.p - u.p) < 1e-12); /* U1 + U2 = na nb */
  /* copies make ties, so the normal distribution is used: checked below for the untied formula */
  for (size_t i = 0; i < 60; i++) many_a[i] = males[i % 5];
  for (size_t i = 0; i < 48; i++) many_b[i] = females[i % 4];
  u = test_of(many_a, 60, many_b, 48);
  assert_true(!u.exact && u.u == 17.0 * 12 * 12);
}

/* Mann and Whitney's table: two-sided critical values at 5 % (the largest U that is significant), n
 * and m from 3 to 10, as in textbooks: n = m = 4: 0, 5: 2, 6: 5, 7: 8, 8: 13, 9: 17, 10: 23. */
static void critical_values(void **state) {
  static const size_t sizes[] = {4, 5, 6, 7, 8, 9, 10}, critical[] = {0, 2, 5, 8, 13, 17, 23};
  (void)state;
  for (size_t s = 0; s < 7; s++) {
    size_t n = sizes[s];
    for (size_t over = 0; over < 2; over++) {
      size_t wanted = critical[s] + over, left = wanted;
      double a[10], b[10];
      ap_u_result u;
      for (size_t i = 0; i < n; i++) b[i] = (double)(i + 1);
      for (size_t i = n; i-- > 0;) { /* a_i exceeds k_i of b, sum of k_i = wanted */
        size_t k = left < n ? left : n;
        left -= k;
        a[i] = (double)k + 0.5 + 0.001 * (double)i;
      }
      u = test_of(a, n, b, n);
      assert_true(u.u == (double)wanted && u.exact);
      assert_true(over ? u.p > 0.05 : u.p <= 0.05);
    }
  }
}

/* By hand: 3 and 4 values wholly apart: 2 of C(7,3) = 35 arrangements are as extreme. 1 and 1: both
 * are. n = m = 9 wholly apart: 2 of C(18,9) = 48620. */
static void smallest_p(void **state) {
  double a[9], b[9];
  (void)state;
  for (size_t i = 0; i < 9; i++) {
    a[i] = (double)i;
    b[i] = 100 + (double)i;
  }
  assert_true(fabs(test_of(a, 3, b, 4).p - 2.0 / 35) < 1e-12);
  assert_true(test_of(a, 1, b, 1).p == 1);
  assert_true(fabs(test_of(a, 9, b, 9).p - 2.0 / 48620) < 1e-12);
  assert_true(test_of(a, 9, b, 9).u == 0 && test_of(b, 9, a, 9).u == 81);
}

/* Counts over all ways to choose which of n + m ranks are a's. */
static double p_by_counting(size_t n, size_t m, double u) {
  size_t all = 0, low = 0, high = 0;
  for (unsigned set = 0; set < 1u << (n + m); set++) {
    size_t ones = 0, sum = 0;
    for (size_t i = 0; i < n + m; i++) {
      if (set >> i & 1) {
        ones++;
        sum += i + 1;
      }
    }
    if (ones != n) continue;
    all++;
    low += ((double)sum - 0.5 * (double)(n * (n + 1))) <= u;
    high += ((double)sum - 0.5 * (double)(n * (n + 1))) >= u;
  }
  return fmin(1, 2 * (double)(low < high ? low : high) / (double)all);
}

static void equals_counting(void **state) {
  ap_rng rng;
  (void)state;
  ap_rng_seed(&rng, 7, 0);
  for (size_t n = 1; n <= 7; n++) {
    for (size_t m = 1; m <= 6; m++) {
      double a[7], b[6];
      ap_u_result u;
      for (size_t i = 0; i < n; i++) a[i] = ap_rng_uniform(&rng);
      for (size_t i = 0; i < m; i++) b[i] = ap_rng_uniform(&rng) + 0.2;
      u = test_of(a, n, b, m);
      assert_true(fabs(u.p - p_by_counting(n, m, u.u)) < 1e-12);
    }
  }
}

/* Ties by hand: a = 1 2 2, b = 2 3 3. Ranks: 1; 3 3 3; 5.5 5.5. R = 7, U = 1. variance = 9/12 (7 -
 * (24 + 6)/30) = 4.5; z = (3.5 - 0.5)/sqrt(4.5) = 1.41421; p = 0.157299. */
static void ties_by_hand(void **state) {
  const double a[] = {1, 2, 2}, b[] = {2, 3, 3}, same[] = {5, 5, 5};
  ap_u_result u = test_of(a, 3, b, 3);
  (void)state;
  assert_true(!u.exact && u.u == 1 && fabs(u.p - 0.15729920705) < 1e-9);
  u = test_of(same, 3, same, 3);
  assert_true(u.u == 4.5 && u.p == 1);
}

/* Near the limit of the exact one, both agree; and 50 against 50 keeps its precision. */
static void normal_and_exact_agree(void **state) {
  double a[51], b[51];
  ap_u_result exact, normal;
  ap_rng rng;
  (void)state;
  ap_rng_seed(&rng, 3, 0);
  for (size_t i = 0; i < 51; i++) {
    a[i] = ap_rng_uniform(&rng);
    b[i] = ap_rng_uniform(&rng) + 0.1;
  }
  exact = test_of(a, 50, b, 50);
  normal = test_of(a, 51, b, 50);
  assert_true(exact.exact && !normal.exact);
  assert_true(exact.p > 0.5 * normal.p && exact.p < 2 * normal.p);
}

/* Equal distributions: p below 5 % in about 5 % of the cases, never much more. */
static void false_alarms_are_rare(void **state) {
  size_t alarms = 0, runs = 2000;
  ap_rng rng;
  (void)state;
  ap_rng_seed(&rng, 11, 0);
  for (size_t r = 0; r < runs; r++) {
    double a[9], b[9];
    for (size_t i = 0; i < 9; i++) {
      a[i] = ap_rng_normal(&rng);
      b[i] = ap_rng_normal(&rng);
    }
    alarms += test_of(a, 9, b, 9).p < 0.05;
  }
  assert_true(alarms > runs * 2 / 100 && alarms < runs * 7 / 100);
}

/* Holm's own procedure by hand: 0.01 0.04 0.03 0.005, n = 4: sorted 0.005*4 = 0.02, 0.01*3 = 0.03,
 * 0.03*2 = 0.06, 0.04*1 -> 0.06 (never falls). */
static void holm_by_hand(void **state) {
  const double p[] = {0.01, 0.04, 0.03, 0.005}, expected[] = {0.03, 0.06, 0.06, 0.02};
  double out[4], one = 0.9, large[2] = {0.8, 0.7}, out2[2];
  (void)state;
  assert_int_equal(ap_holm(p, 4, out, &failure), AP_OK);
  for (size_t i = 0; i < 4; i++) assert_true(fabs(out[i] - expected[i]) < 1e-12);
  assert_int_equal(ap_holm(&one, 1, out, &failure), AP_OK);
  assert_true(out[0] == 0.9);
  assert_int_equal(ap_holm(large, 2, out2, &failure), AP_OK);
  assert_true(out2[0] == 1 && out2[1] == 1);
  assert_int_equal(ap_holm(NULL, 0, NULL, &failure), AP_OK);
}

static void medians(void **state) {
  const double odd[] = {3, 1, 2}, even[] = {4, 1, 3, 2};
  double out;
  (void)state;
  assert_int_equal(ap_median(odd, 3, &out, &failure), AP_OK);
  assert_true(out == 2);
  assert_int_equal(ap_median(even, 4, &out, &failure), AP_OK);
  assert_true(out == 2.5);
}

static void bad_input_is_refused(void **state) {
  const double a[] = {1, NAN}, b[] = {2};
  ap_u_result u;
  (void)state;
  assert_int_equal(ap_u_test(a, 0, b, 1, &u, &failure), AP_ERR_ARG);
  assert_int_equal(ap_u_test(b, 1, a, 0, &u, &failure), AP_ERR_ARG);
  assert_int_equal(ap_u_test(a, 2, b, 1, &u, &failure), AP_ERR_ARG);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(documented_example),
                                     cmocka_unit_test(critical_values),
                                     cmocka_unit_test(smallest_p),
                                     cmocka_unit_test(equals_counting),
                                     cmocka_unit_test(ties_by_hand),
                                     cmocka_unit_test(normal_and_exact_agree),
                                     cmocka_unit_test(false_alarms_are_rare),
                                     cmocka_unit_test(holm_by_hand),
                                     cmocka_unit_test(medians),
                                     cmocka_unit_test(bad_input_is_refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
