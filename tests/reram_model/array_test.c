#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the headers above */
#include <cmocka.h>
#include <math.h>

#include "reram_model/array.h"
#include "reram_model/tech.h"

/* ceil(log2(R*(2^w-1)+1)), and of half the range with inverted columns: the table of the sources. */
static void exact_widths(void **state) {
  static const struct {
    size_t rows;
    unsigned w1, w1f, w2, w2f, w4, w4f;
  } table[] = {{4, 3, 2, 4, 3, 6, 5},    {8, 4, 3, 5, 4, 7, 6},  {9, 4, 3, 5, 4, 8, 7},
               {16, 5, 4, 6, 5, 8, 7},   {32, 6, 5, 7, 6, 9, 8}, {64, 7, 6, 8, 7, 10, 9},
               {128, 8, 7, 9, 8, 11, 10}};
  (void)state;
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    ap_array_spec spec = ap_array_spec_default();
    spec.ou_rows = table[i].rows;
    for (int flip = 0; flip < 2; flip++) {
      spec.flip = flip;
      spec.cell_bits = 1;
      assert_int_equal(ap_array_exact_adc_bits(&spec), flip ? table[i].w1f : table[i].w1);
      spec.cell_bits = 2;
      assert_int_equal(ap_array_exact_adc_bits(&spec), flip ? table[i].w2f : table[i].w2);
      spec.cell_bits = 4;
      assert_int_equal(ap_array_exact_adc_bits(&spec), flip ? table[i].w4f : table[i].w4);
    }
  }
}

static void slices_a_weight(void **state) {
  static const struct {
    unsigned weight, cell;
    size_t offset, twos, differential;
  } table[] = {
      {8, 2, 4, 5, 8}, {8, 1, 8, 8, 14}, {16, 2, 8, 9, 16}, {8, 3, 3, 4, 6}, {2, 4, 1, 2, 2}};
  (void)state;
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    ap_array_spec spec = ap_array_spec_default();
    spec.weight_bits = table[i].weight;
    spec.cell_bits = table[i].cell;
    assert_int_equal(ap_array_slices(&spec), table[i].offset);
    assert_true(ap_array_needs_input_sum(&spec));
    spec.encoding = AP_ENCODING_TWOS_COMPLEMENT;
    assert_int_equal(ap_array_slices(&spec), table[i].twos);
    assert_false(ap_array_needs_input_sum(&spec));
    assert_int_equal(ap_array_weight_min(&spec), -(1 << (table[i].weight - 1)));
    spec.encoding = AP_ENCODING_DIFFERENTIAL;
    assert_int_equal(ap_array_slices(&spec), table[i].differential);
    assert_int_equal(ap_array_weight_min(&spec), -ap_array_weight_max(&spec));
  }
}

static void refuse(ap_array_spec spec, const char *text) {
  ap_error err;
  assert_int_equal(ap_array_spec_check(&spec, &err), AP_ERR_ARG);
  if (!strstr(err.text, text)) fail_msg("'%s' does not name '%s'", err.text, text);
}

static void impossible_arrays(void **state) {
  const ap_array_spec good = ap_array_spec_default();
  ap_array_spec s = good;
  (void)state;
  assert_int_equal(ap_array_spec_check(&good, NULL), AP_OK);
  assert_int_equal(ap_array_ous(&good), 14 * 16);
  s.ou_rows = 200, refuse(s, "200 x 8 is larger than the crossbar of 128 x 128"), s = good;
  s.ou_cols = 129, refuse(s, "9 x 129"), s = good;
  s.ou_cols = 0, refuse(s, "9 x 0"), s = good;
  s.rows = 0, refuse(s, "0 x 128"), s = good;
  s.cols = 65537, refuse(s, "128 x 65537"), s = good;
  s.cell_bits = 0, refuse(s, "cell_bits is 0"), s = good;
  s.cell_bits = 5, refuse(s, "cell_bits is 5"), s = good;
  s.weight_bits = 1, refuse(s, "weight_bits is 1"), s = good;
  s.weight_bits = 17, refuse(s, "weight_bits is 17"), s = good;
  s.activation_bits = 0, refuse(s, "activation_bits is 0"), s = good;
  s.dac_bits = 2, refuse(s, "dac_bits is 2"), s = good;
  s.adc_bits = 17, refuse(s, "adc_bits is 17"), s = good;
  s.encoding = (ap_encoding)7, refuse(s, "encoding 7"), s = good;
  s.slices = (ap_slices)2, refuse(s, "slices 2"), s = good;
  s.rows = s.ou_rows = 65536, s.cell_bits = 4, refuse(s, "20 bits");
}

static void names(void **state) {
  ap_encoding e;
  ap_slices s;
  (void)state;
  for (int i = 0; i < 3; i++) {
    assert_int_equal(ap_encoding_parse(ap_encoding_name((ap_encoding)i), &e, NULL), AP_OK);
    assert_int_equal(e, i);
  }
  for (int i = 0; i < 2; i++) {
    assert_int_equal(ap_slices_parse(ap_slices_name((ap_slices)i), &s, NULL), AP_OK);
    assert_int_equal(s, i);
  }
  assert_int_equal(ap_encoding_parse("Offset", &e, NULL), AP_ERR_ARG);
  assert_int_equal(ap_slices_parse("", &s, NULL), AP_ERR_ARG);
}

static double energy(ap_adc_law law, unsigned bits) {
  double factor = 0;
  assert_int_equal(ap_adc_law_energy(law, bits, 8, &factor, NULL), AP_OK);
  return factor;
}

static double area(ap_adc_law law, unsigned bits) {
  double factor = 0;
  assert_int_equal(ap_adc_law_area(law, bits, 8, &factor, NULL), AP_OK);
  return factor;
}

static void near(double value, double expected, double relative) {
  if (!(fabs(value - expected) <= relative * fabs(expected))) {
    fail_msg("%g, expected %g within %g", value, expected, relative);
  }
}

/* The published lists, as ratios to 8 bits. */
static void converter_laws(void **state) {
  static const double isaac_pj[] = {0.79, 0.99, 1.20, 1.42, 1.67, 1.97, 2.38};
  static const double isaac_um2[] = {361, 477, 627, 845, 1200, 1828, 3002};
  static const double sre_pj[] = {0.117, 0.188, 0.313, 0.536, 0.938, 1.667, 3.0};
  double factor = 1;
  (void)state;
  for (unsigned b = 4; b <= 10; b++) {
    near(energy(AP_ADC_LAW_ISAAC, b), isaac_pj[b - 4] / 1.67, 0.01);
    near(area(AP_ADC_LAW_ISAAC, b), isaac_um2[b - 4] / 1200, 0.01);
  }
  for (unsigned b = 3; b <= 9; b++) near(energy(AP_ADC_LAW_SRE, b), sre_pj[b - 3] / 1.667, 0.005);
  near(energy(AP_ADC_LAW_POW2, 4), 1.0 / 16, 1e-12);
  near(energy(AP_ADC_LAW_LINEAR, 4), 0.5, 1e-12);
  near(energy(AP_ADC_LAW_SURVEY, 4), 0.924 / 1.849, 1e-12);
  near(area(AP_ADC_LAW_SURVEY, 4), 5130.0 / 6313, 1e-12);
  for (int law = 0; law <= (int)AP_ADC_LAW_SURVEY; law++) {
    bool survey = law == (int)AP_ADC_LAW_SURVEY;
    near(energy((ap_adc_law)law, 8), 1, 1e-12);
    for (unsigned b = survey ? 4 : 1; b < (survey ? 8U : 16U); b++) { /* finer never costs less */
      assert_true(energy((ap_adc_law)law, b + 1) > energy((ap_adc_law)law, b));
      assert_true(area((ap_adc_law)law, b + 1) > area((ap_adc_law)law, b));
    }
  }
  assert_int_equal(ap_adc_law_energy(AP_ADC_LAW_ISAAC, 0, 8, &factor, NULL), AP_ERR_ARG);
  assert_int_equal(ap_adc_law_energy(AP_ADC_LAW_ISAAC, 17, 8, &factor, NULL), AP_ERR_ARG);
  assert_int_equal(ap_adc_law_area(AP_ADC_LAW_SURVEY, 3, 8, &factor, NULL), AP_ERR_ARG);
  assert_int_equal(ap_adc_law_area(AP_ADC_LAW_SURVEY, 8, 9, &factor, NULL), AP_ERR_ARG);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(exact_widths),
                                     cmocka_unit_test(slices_a_weight),
                                     cmocka_unit_test(impossible_arrays), cmocka_unit_test(names),
                                     cmocka_unit_test(converter_laws)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
