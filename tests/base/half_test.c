/* float16: every one of the 65,536 values, and every rounding boundary between two of them. */
#include "base/half.h"

#include <math.h>

#include "tests/base/testing.h"

/* Value by definition: (-1)^s * 2^(e - 25) * (1024 + m), or 2^-24 * m for e = 0. */
static double value_of(unsigned half) {
  int exponent = (int)(half >> 10 & 31);
  double mantissa = half & 1023;
  double magnitude = exponent ? ldexp(1024.0 + mantissa, exponent - 25) : ldexp(mantissa, -24);
  return half & 0x8000 ? -magnitude : magnitude;
}

static void test_exact(void **state) {
  (void)state;
  for (unsigned h = 0; h < 65536; h++) {
    float value = ap_half_to_float((uint16_t)h);
    if ((h & 0x7fff) > 0x7c00) {
      assert_true(isnan(value));
      assert_true((ap_half_from_float(value) & 0x7fff) > 0x7c00);
      continue;
    }
    if ((h & 0x7fff) == 0x7c00) {
      assert_true(isinf(value) && (value < 0.0f) == (h > 0x7fff));
    } else {
      assert_true((double)value == value_of(h));
    }
    assert_int_equal(ap_half_from_float(value), h);
  }
}

/* Half-way between neighbours: to the even one; the next float on either side: to the nearer. */
static void test_rounding(void **state) {
  (void)state;
  for (unsigned h = 0; h < 0x7c00; h++) {
    double above = h == 0x7bff ? 65536.0 : value_of(h + 1);
    float middle = (float)((value_of(h) + above) / 2.0);
    assert_true((double)middle == (value_of(h) + above) / 2.0);
    assert_int_equal(ap_half_from_float(middle), h & 1 ? h + 1 : h);
    assert_int_equal(ap_half_from_float(nextafterf(middle, INFINITY)), h + 1);
    assert_int_equal(ap_half_from_float(nextafterf(middle, 0.0f)), h);
    assert_int_equal(ap_half_from_float(-middle), 0x8000 | (h & 1 ? h + 1 : h));
  }
  assert_int_equal(ap_half_from_float(0x1p-149f), 0);
  assert_int_equal(ap_half_from_float(-0x1p-26f), 0x8000);
  assert_int_equal(ap_half_from_float(3e38f), 0x7c00);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_exact), cmocka_unit_test(test_rounding)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
