/* Scores, order, quantised columns. */
#include "pruners/pruner.h"

#include <math.h>

#include "base/alloc.h"
#include "pruners/quantised_layer.h"
#include "tests/base/testing.h"

static ap_error failure;

static void names_and_sizes(void **state) {
  ap_pruner p;
  (void)state;
  assert_int_equal(ap_pruner_parse("column-vector:9", &p, &failure), AP_OK);
  assert_int_equal(p.granularity.kind, AP_GRANULARITY_COLUMN_VECTOR);
  assert_int_equal(p.granularity.h, 9);
  assert_string_equal(p.name, "column-vector:9");
  assert_int_equal(ap_pruner_parse("pim-prune:32x16", &p, &failure), AP_OK);
  assert_int_equal(p.granularity.kind, AP_GRANULARITY_BLOCK);
  assert_true(p.granularity.h == 32 && p.granularity.w == 16);
  assert_int_equal(ap_pruner_parse("sre", &p, &failure), AP_OK);
  assert_int_equal(p.granularity.kind, AP_GRANULARITY_ROW_VECTOR);
  for (size_t i = 0; ap_pruner_name(i); i++) { /* every listed name is one */
    assert_int_equal(ap_pruner_parse(ap_pruner_name(i), &p, &failure), AP_OK);
    assert_non_null(ap_pruner_summary(i));
  }
  assert_int_equal(ap_pruner_parse("colum-vector", &p, &failure), AP_ERR_ARG);
  assert_non_null(strstr(failure.text, "column-vector, row-vector"));
  assert_int_equal(ap_pruner_parse("column-vector:0", &p, &failure), AP_ERR_ARG);
  assert_int_equal(ap_pruner_parse("", &p, &failure), AP_ERR_ARG);
}

/* 3 rows in bands of 2: vectors are (rows 0-1, col 0), (rows 0-1, col 1), (row 2, col 0),
 * (row 2, col 1) with mean squares (9+16)/2 = 12.5, (1+0)/2 = 0.5, 16, 0.5. */
static void order_by_mean_square(void **state) {
  const float w[6] = {3, 1, 4, 0, -4, 0.70710678f};
  ap_array_spec spec = ap_array_spec_default();
  ap_partition partition;
  ap_pruner p;
  uint32_t order[4];
  uint8_t kept[4];
  (void)state;
  assert_int_equal(ap_pruner_parse("column-vector:2", &p, &failure), AP_OK);
  assert_int_equal(ap_partition_init(p.granularity, &spec, 3, 2, &partition, &failure), AP_OK);
  assert_int_equal(partition.count, 4);
  assert_int_equal(ap_pruner_order(&partition, AP_CRITERION_L2, w, order, &failure), AP_OK);
  assert_int_equal(order[0], 2);
  assert_int_equal(order[1], 0);
  assert_int_equal(order[2] + order[3], 4); /* 1 and 3 tie up to rounding */
  ap_pruner_keep_first(order, 4, 2, kept);
  assert_true(kept[0] && !kept[1] && kept[2] && !kept[3]);
}

static void ties_go_by_index_and_nan_is_refused(void **state) {
  float w[5] = {1, 1, 1, 1, 1};
  ap_array_spec spec = ap_array_spec_default();
  ap_partition partition;
  ap_pruner p;
  uint32_t order[5];
  (void)state;
  assert_int_equal(ap_pruner_parse("unstructured", &p, &failure), AP_OK);
  assert_int_equal(ap_partition_init(p.granularity, &spec, 5, 1, &partition, &failure), AP_OK);
  assert_int_equal(ap_pruner_order(&partition, AP_CRITERION_L2, w, order, &failure), AP_OK);
  for (uint32_t i = 0; i < 5; i++) assert_int_equal(order[i], i);
  w[3] = NAN;
  assert_int_equal(ap_pruner_order(&partition, AP_CRITERION_L2, w, order, &failure), AP_ERR_FORMAT);
  assert_non_null(strstr(failure.text, "rows 3..3"));
}

static void columns_have_their_own_scale(void **state) {
  float w[6] = {127, 0.5f, 0, -1, -63.5f, 0}; /* column 0: 127, 0, -63.5; column 1: .5, -1, 0 */
  int32_t q[6];
  float scale[2];
  (void)state;
  assert_int_equal(ap_quantise_columns(w, 3, 2, 8, q, scale, &failure), AP_OK);
  assert_true(scale[0] == 1.0f && fabsf(scale[1] - 1.0f / 127) < 1e-9f);
  assert_int_equal(q[0], 127);
  assert_int_equal(q[1], 64); /* 0.5 * 127 = 63.5, halves away from zero */
  assert_int_equal(q[2], 0);
  assert_int_equal(q[3], -127);
  assert_int_equal(q[4], -64);
  assert_int_equal(ap_quantise_in_place(w, 3, 2, 8, &failure), AP_OK);
  assert_true(w[0] == 127 && w[2] == 0 && w[5] == 0 && w[3] == -1);
  w[1] = INFINITY;
  assert_int_equal(ap_quantise_in_place(w, 3, 2, 8, &failure), AP_ERR_FORMAT);
  assert_non_null(strstr(failure.text, "column 1"));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(names_and_sizes),
                                     cmocka_unit_test(order_by_mean_square),
                                     cmocka_unit_test(ties_go_by_index_and_nan_is_refused),
                                     cmocka_unit_test(columns_have_their_own_scale)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
