/* tests/bench/compare_testing.h - comparisons of the smoke suite on images made here, in a folder of the test's. */
#ifndef AP_TESTS_BENCH_COMPARE_TESTING_H
#define AP_TESTS_BENCH_COMPARE_TESTING_H
#include <glob.h>

#include "base/file.h"
#include "bench/compare.h"
#include "tests/bench/bench_testing.h"

#define SIDE_LENET 16
#define METHODS 7

static char folder[128]; /* of the results */

static inline int make_data(void **state) {
  if (scratch_make(state)) return -1;
  write_squares(scratch, "train", SIDE_LENET, 6000, 1);
  write_squares(scratch, "t10k", SIDE_LENET, 300, 2);
  (void)snprintf(folder, sizeof folder, "%s/out", scratch);
  return 0;
}

static inline int drop_data(void **state) {
  remove_tree(folder);
  return scratch_remove(state);
}

static inline ap_compare_options small_options(void) {
  ap_compare_options o = ap_compare_defaults();
  o.suite = "smoke";
  o.data = scratch;
  o.out = folder;
  o.n_threads = 2;
  o.draw = false;
  o.quiet = true;
  return o;
}

static inline ap_status compare(const ap_compare_options *o, json_t **table) {
  json_t *provenance = some_provenance();
  ap_status st = ap_compare_run(o, provenance, table, &failure);
  json_decref(provenance);
  return st;
}

static inline const json_t *row_of(const json_t *table, const char *method) {
  for (size_t i = 0; i < json_array_size(table); i++) {
    const json_t *row = json_array_get(table, i);
    if (strcmp(json_string_value(json_object_get(row, "method")), method) == 0) return row;
  }
  fail_msg("no row of %s", method);
  return NULL;
}

static inline double number(const json_t *row, const char *column) {
  const json_t *v = json_object_get(row, column);
  if (!json_is_number(v)) fail_msg("%s is no number", column);
  return json_number_value(v);
}

static inline void find_cells(const char *pattern, glob_t *found) {
  char text[300];
  (void)snprintf(text, sizeof text, "%s/cells/%s", folder, pattern);
  assert_int_equal(glob(text, 0, NULL, found), 0);
}

/* Rows without the columns that tell time. */
static inline json_t *timeless(const json_t *table) {
  json_t *copy = json_deep_copy(table);
  for (size_t i = 0; i < json_array_size(copy); i++) {
    assert_int_equal(json_object_del(json_array_get(copy, i), "seconds"), 0);
  }
  return copy;
}

static inline void check_first(const json_t *table) {
  const json_t *dense = row_of(table, "dense");
  assert_int_equal(json_array_size(table), METHODS);
  assert_true(number(dense, "weights_compression") == 1);
  assert_true(number(dense, "area_efficiency") == 1);
  assert_true(number(dense, "accuracy_loss") == 0);
  assert_true(number(dense, "accuracy_test") > 0.3); /* it has learned something */
  for (size_t i = 0; i < METHODS; i++) {
    const json_t *row = json_array_get(table, i);
    double accuracy = number(row, "accuracy_test");
    assert_true(accuracy >= 0 && accuracy <= 1);
    assert_true(number(row, "feasible") == 1); /* what keeps everything always is */
    assert_true(number(row, "accuracy_loss") <= 0.01 + 1e-9);
    assert_true(number(row, "finetunes") <= 2);
    assert_true(number(row, "crossbars") >= 1);
    assert_true(number(row, "crossbars_dense") == number(dense, "crossbars_dense"));
    assert_true(number(row, "area_mm2") > 0 && number(row, "energy_uj") > 0);
  }
  assert_true(number(row_of(table, "pim-prune"), "compression_vs_pim") == 1);
}
#endif
