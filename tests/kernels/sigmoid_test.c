/* kernels/sigmoid.h against double: accuracy over its range, its ends, rows of every length. */
#include "kernels/sigmoid.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "tests/kernels/packed_cmocka.h"

#define RANGE 87.0
#define POINTS 4000001

static void accuracy(void **state) {
  double worst = 0, at = 0;
  (void)state;
  for (int i = 0; i < POINTS; i++) {
    const float x = (float)(-RANGE + 2 * RANGE * i / (POINTS - 1));
    const double want = 1 / (1 + exp(-(double)x));
    const double error = fabs((double)ap_sigmoid(x) - want) / want;
    if (!(error <= worst)) worst = error, at = (double)x;
  }
  if (!(worst < 3e-7)) fail_msg("relative error %.3g at %.9g", worst, at);
}

static void ends(void **state) {
  (void)state;
  assert_true(isnan(ap_sigmoid(NAN)) && isnan(ap_sigmoid(-NAN)));
  assert_true(ap_sigmoid(0) == 0.5f && ap_sigmoid(-0.0f) == 0.5f);
  assert_true(ap_sigmoid(INFINITY) == 1 && ap_sigmoid(1e30f) == 1);
  assert_true(ap_sigmoid(-INFINITY) == ap_sigmoid(-87));
  assert_true(ap_sigmoid(-88) == ap_sigmoid(-87) && ap_sigmoid(-87) > 0);
}

static uint32_t bits(float v) {
  uint32_t word;
  memcpy(&word, &v, sizeof word);
  return word;
}
static bool same_bits(float a, float b) { return bits(a) == bits(b); }

/* A row of n from offset 1, also in place; the neighbours stay. */
static void compare_row(const float *x, size_t n) {
  float y[160] = {0}, guarded[160] = {0};
  for (size_t i = 0; i < n + 2; i++) y[i] = -7;
  memcpy(guarded, x, (n + 2) * sizeof *x);
  ap_sigmoid_row(x + 1, n, y + 1);
  ap_sigmoid_row(guarded + 1, n, guarded + 1);
  for (size_t i = 1; i <= n; i++) {
    assert_true(isnan(x[i]) ? isnan(y[i]) && isnan(guarded[i])
                            : same_bits(y[i], ap_sigmoid(x[i])) && same_bits(guarded[i], y[i]));
  }
  assert_true(y[0] == -7 && y[n + 1] == -7);
  assert_true(same_bits(guarded[0], x[0]) && same_bits(guarded[n + 1], x[n + 1]));
}

static void rows(void **state) {
  static const float special[] = {NAN, INFINITY, -INFINITY, 0, -0.0f, 87, -87, 1e-40f, 3e38f};
  static const size_t lengths[] = {0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 63, 65, 127, 131};
  float x[160];
  (void)state;
  for (size_t i = 0; i < 160; i++) {
    x[i] = i % 5 == 4 ? special[i / 5 % (sizeof special / sizeof special[0])]
                      : (float)(37 * i % 161) - 80.3f;
  }
  for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) compare_row(x + i, lengths[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(accuracy), cmocka_unit_test(ends),
                                     cmocka_unit_test(rows)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
