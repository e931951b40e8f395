/* Means, deviations and Student's intervals against values of the tables. */
#include "base/statistics.h"

#include <math.h>

#include "tests/base/testing.h"

static void sample_statistics(void **state) {
  const double two[] = {0, 2}, three[] = {1, 2, 3}, four[] = {1, 1, 1, 5};
  double eleven[11];
  ap_sample_statistics s = ap_sample_statistics_of(two, 1);
  (void)state;
  assert_true(s.mean == 0 && s.deviation == 0 && s.half_width == 0);
  s = ap_sample_statistics_of(two, 2);
  assert_true(s.mean == 1 && fabs(s.deviation - sqrt(2)) < 1e-12);
  assert_true(fabs(s.half_width - 12.7062) < 1e-4); /* table of t: 1 degree of freedom */
  s = ap_sample_statistics_of(three, 3);
  assert_true(fabs(s.half_width - 4.30265 / sqrt(3)) < 1e-5);
  s = ap_sample_statistics_of(four, 4);
  assert_true(fabs(s.deviation - 2) < 1e-12 && fabs(s.half_width - 3.18245) < 1e-5);
  for (size_t i = 0; i < 11; i++) eleven[i] = (double)i;
  s = ap_sample_statistics_of(eleven, 11);
  assert_true(fabs(s.half_width - 2.22814 * sqrt(11) / sqrt(11)) < 1e-5);
}

/* Tables of t, 97.5 %: 2 degrees of freedom 4.302653, 4: 2.776445, 30: 2.042272. */
static void more_degrees(void **state) {
  static const struct {
    size_t n;
    double t;
  } table[] = {{3, 4.302653}, {5, 2.776445}, {31, 2.042272}};
  double values[31];
  (void)state;
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    ap_sample_statistics s;
    for (size_t k = 0; k < table[i].n; k++) values[k] = k % 2 ? 4.0 : 1.0;
    s = ap_sample_statistics_of(values, table[i].n);
    assert_true(fabs(s.half_width * sqrt((double)table[i].n) / s.deviation - table[i].t) < 1e-5);
  }
}

/* Equal values have that mean and no width, to the last bit. */
static void equal_values(void **state) {
  double values[7];
  (void)state;
  for (size_t n = 1; n <= 7; n++) {
    ap_sample_statistics s;
    for (size_t k = 0; k < n; k++) values[k] = 0.9184;
    s = ap_sample_statistics_of(values, n);
    assert_true(s.mean == 0.9184 && s.deviation == 0 && s.half_width == 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(sample_statistics),
                                     cmocka_unit_test(more_degrees),
                                     cmocka_unit_test(equal_values)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
