/* kernels/curve.h against double: accuracy over its range, its ends, rows of every length. */
#include "kernels/curve.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "tests/kernels/packed_cmocka.h"

#define POINTS 2000001

typedef struct {
  ap_curve curve;
  double least, most, limit; /* range of x; relative error below the limit */
  double slope_limit;        /* of the slope: absolute, its largest value is 0.25 to 1.1 */
  bool even;                 /* the same on both sides of 0, where it is largest */
} known;

static const known curves[] = {{AP_CURVE_LOGISTIC, -87, 87, 3e-7, 1e-7, false},
                               {AP_CURVE_NORMAL, -12.5, 20, 1e-6, 3e-7, false},
                               {AP_CURVE_DECAY, -87, 87, 3e-7, 3e-7, false},
                               {AP_CURVE_MISH, -86, 87, 6e-7, 6e-7, false},
                               {AP_CURVE_BEND, -87, 87, 6e-7, 3e-7, true},
                               {AP_CURVE_NEAR, -1e4, 1e4, 3e-7, 3e-7, true},
                               {AP_CURVE_FADE, -1e4, 1e4, 6e-7, 3e-7, true}};
#define N_CURVES (sizeof curves / sizeof curves[0])

static void accuracy(void **state) {
  (void)state;
  for (size_t k = 0; k < N_CURVES; k++) {
    const known *c = &curves[k];
    double worst = 0, at = 0, worst_slope = 0, slope_at = 0;
    for (int i = 0; i < POINTS; i++) {
      const float x = (float)(c->least + (c->most - c->least) * i / (POINTS - 1));
      const float y = ap_curve_value(c->curve, x), kept = ap_curve_keeps_value(c->curve) ? y : x;
      const double want = ap_curve_exact(c->curve, (double)x);
      const double error = fabs((double)y - want) / want;
      float slope;
      if (!(error <= worst)) worst = error, at = (double)x;
      ap_curve_slope_row(c->curve, &kept, 1, &slope);
      const double off = fabs((double)slope - ap_curve_exact_slope(c->curve, (double)kept));
      if (!(off <= worst_slope)) worst_slope = off, slope_at = (double)x;
    }
    if (!(worst < c->limit))
      fail_msg("%s: relative error %.3g at %.9g", ap_curve_name(c->curve), worst, at);
    if (!(worst_slope < c->slope_limit))
      fail_msg("%s: error of the slope %.3g at %.9g", ap_curve_name(c->curve), worst_slope,
               slope_at);
  }
}

/* The exact slope against differences of the exact value. */
static void slopes(void **state) {
  (void)state;
  for (size_t k = 0; k < N_CURVES; k++)
    for (int i = -90; i < 90; i++) {
      const double x = i * 0.1 + 0.05;
      const double h = 1e-5, y = ap_curve_exact(curves[k].curve, x);
      const double want =
          (ap_curve_exact(curves[k].curve, x + h) - ap_curve_exact(curves[k].curve, x - h)) /
          (2 * h);
      const double got =
          ap_curve_exact_slope(curves[k].curve, ap_curve_keeps_value(curves[k].curve) ? y : x);
      if (!(fabs(got - want) < 1e-9))
        fail_msg("%s at %g: slope %g, by differences %g", ap_curve_name(curves[k].curve), x, got,
                 want);
    }
}

/* The activations that the header makes of curves, against their own definitions. */
static void activations(void **state) {
  (void)state;
  for (int i = -2000; i < 2000; i++) {
    const double x = i * 0.01;
    const double gelu = 0.5 * x * (1 + erf(x / sqrt(2.0)));
    const double elu = x > 0 ? x : 1.3 * expm1(x);
    const double mish = x * tanh(log1p(exp(x)));
    const double softplus = log(1 + exp(x)), softsign = x / (1 + fabs(x));
    assert_true(fabs(x * ap_curve_exact(AP_CURVE_NORMAL, x) - gelu) < 1e-13);
    assert_true(fabs(fmax(x, 0) + 1.3 * ap_curve_exact(AP_CURVE_DECAY, x) - 1.3 - elu) < 1e-13);
    assert_true(fabs(x * ap_curve_exact(AP_CURVE_MISH, x) - mish) < 1e-13);
    assert_true(fabs(fmax(x, 0) + ap_curve_exact(AP_CURVE_BEND, x) - softplus) < 1e-13);
    assert_true(fabs(x * ap_curve_exact(AP_CURVE_NEAR, x) - softsign) < 1e-13);
    assert_true(fabs(2 * ap_curve_exact(AP_CURVE_LOGISTIC, 2 * x) - 1 - tanh(x)) < 1e-13);
  }
}

static void ends(void **state) {
  (void)state;
  for (size_t k = 0; k < N_CURVES; k++) {
    const ap_curve c = curves[k].curve;
    const float least = (float)curves[k].least;
    assert_true(isnan(ap_curve_value(c, NAN)) && isnan(ap_curve_value(c, -NAN)));
    assert_true(ap_curve_value(c, least) > 0);
    if (curves[k].even) {
      for (int i = 0; i < 500; i++) {
        const float x = 0.37f * (float)i;
        assert_true(ap_curve_value(c, -x) == ap_curve_value(c, x));
      }
      assert_true(ap_curve_value(c, INFINITY) < 1e-37f && ap_curve_value(c, 1e30f) < 1e-22f);
    } else {
      assert_true(ap_curve_value(c, INFINITY) == 1 && ap_curve_value(c, 1e30f) == 1);
      assert_true(ap_curve_value(c, -INFINITY) == ap_curve_value(c, least));
      assert_true(ap_curve_value(c, least - 1) == ap_curve_value(c, least));
    }
  }
  assert_true(ap_curve_value(AP_CURVE_LOGISTIC, 0) == 0.5f);
  assert_true(ap_curve_value(AP_CURVE_LOGISTIC, -0.0f) == 0.5f);
  assert_true(ap_curve_value(AP_CURVE_DECAY, 0) == 1 && ap_curve_value(AP_CURVE_NEAR, 0) == 1);
  assert_true(ap_curve_value(AP_CURVE_FADE, 0) == 1 && ap_curve_value(AP_CURVE_FADE, 15) == 0.125f);
  assert_true(isnan(ap_curve_value(AP_CURVE_NONE, 1)));
  assert_true(isnan(ap_curve_exact(AP_CURVE_MISH, NAN)));
}

static uint32_t bits(float v) {
  uint32_t word;
  memcpy(&word, &v, sizeof word);
  return word;
}
static bool same_bits(float a, float b) { return bits(a) == bits(b); }

/* A row of n from offset 1, also in place; the neighbours stay. */
static void compare_row(ap_curve c, const float *x, size_t n) {
  float y[160] = {0}, guarded[160] = {0};
  for (size_t i = 0; i < n + 2; i++) y[i] = -7;
  memcpy(guarded, x, (n + 2) * sizeof *x);
  ap_curve_row(c, x + 1, n, y + 1);
  ap_curve_row(c, guarded + 1, n, guarded + 1);
  for (size_t i = 1; i <= n; i++) {
    assert_true(isnan(x[i])
                    ? isnan(y[i]) && isnan(guarded[i])
                    : same_bits(y[i], ap_curve_value(c, x[i])) && same_bits(guarded[i], y[i]));
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
  for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
    for (size_t k = 0; k < N_CURVES; k++) compare_row(curves[k].curve, x + i, lengths[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(accuracy), cmocka_unit_test(slopes),
                                     cmocka_unit_test(activations), cmocka_unit_test(ends),
                                     cmocka_unit_test(rows)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
