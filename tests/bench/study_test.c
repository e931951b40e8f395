/* Studies on a small network and images made here: what must hold whatever the numbers are, points that
 * are not computed twice, and requests that are refused. */
#include "bench/study.h"

#include <glob.h>

#include "base/file.h"
#include "tests/bench/bench_testing.h"

static char folder[128];
static ap_dataset *images;
static ap_network *net;
static ap_tech *tech;
static ap_study_model models[2];

static int make(void **state) {
  if (scratch_make(state)) return -1;
  write_squares(scratch, "train", 16, 600, 1);
  write_squares(scratch, "t10k", 16, 60, 2);
  (void)snprintf(folder, sizeof folder, "%s/study", scratch);
  must(ap_dataset_open(scratch, &images, &failure));
  must(ap_network_builtin("lenet5:0.25", (ap_shape3){1, 16, 16}, 10, 3, &net, &failure));
  must(ap_tech_open("ou", &tech, &failure));
  models[0] = (ap_study_model){"first", net};
  models[1] = (ap_study_model){"second", net};
  return 0;
}

static int drop(void **state) {
  if (ap_dir_exists(folder)) remove_tree(folder);
  ap_tech_close(tech);
  ap_network_destroy(net);
  ap_dataset_destroy(images);
  return scratch_remove(state);
}

static ap_study_options small_options(void) {
  ap_study_options o = ap_study_defaults();
  o.models = models;
  o.n_models = 1;
  o.tech = tech;
  o.images = 12;
  o.calibration = 8;
  o.samples = 2;
  o.out = folder;
  o.n_threads = 2;
  o.draw = false;
  o.quiet = true;
  return o;
}

static json_t *study(const ap_study_options *o) {
  json_t *provenance = some_provenance(), *tables = NULL;
  must(ap_study_run(o, provenance, &tables, &failure));
  json_decref(provenance);
  return tables;
}

static double number(const json_t *row, const char *column) {
  const json_t *v = json_object_get(row, column);
  if (!json_is_number(v)) fail_msg("%s is no number", column);
  return json_number_value(v);
}

static bool is(const json_t *row, const char *column, const char *text) {
  return strcmp(json_string_value(json_object_get(row, column)), text) == 0;
}

/* Every method keeps the same share; the dense row is what it is compared with; crossbars follow the
 * formula of the dense mapping. */
static void sizes(void **state) {
  static const char *const only[] = {"sizes"};
  ap_study_options o = small_options();
  json_t *tables, *rows;
  size_t crossbars = 0, units = 0;
  (void)state;
  o.only = only;
  o.n_only = 1;
  tables = study(&o);
  assert_int_equal(json_object_size(tables), 1);
  rows = json_object_get(tables, "sizes");
  assert_int_equal(json_array_size(rows), 5 * (5 + 7));
  for (size_t i = 0; i < json_array_size(rows); i++) {
    const json_t *r = json_array_get(rows, i);
    double keep = number(r, "keep_weights");
    crossbars += is(r, "axis", "crossbar");
    units += is(r, "axis", "ou");
    assert_true(number(r, "crossbars_compression") ==
                number(r, "crossbars_dense") / number(r, "crossbars"));
    if (is(r, "method", "dense")) {
      assert_true(keep == 1 && number(r, "area_efficiency") == 1);
      assert_true(number(r, "crossbars") == number(r, "crossbars_dense"));
    } else { /* at most the share, unless one vector alone is more */
      assert_true(keep <= 0.25 && keep > 0.05);
    }
    if (is(r, "method", "column-vector")) assert_true(number(r, "energy_efficiency") > 1);
  }
  assert_int_equal(crossbars, 25);
  assert_int_equal(units, 35);
  assert_true(ap_file_exists(scratch_path("study/sizes.csv")));
  assert_false(ap_file_exists(scratch_path("study/index.csv")));
  json_decref(tables);
}

/* Longer vectors need fewer index bits, in either direction. */
static void index_tables(void **state) {
  static const char *const only[] = {"index"};
  ap_study_options o = small_options();
  json_t *tables, *rows;
  (void)state;
  o.only = only;
  o.n_only = 1;
  tables = study(&o);
  rows = json_object_get(tables, "index");
  assert_int_equal(json_array_size(rows), 16);
  for (size_t i = 1; i < json_array_size(rows); i++) {
    const json_t *r = json_array_get(rows, i), *before = json_array_get(rows, i - 1);
    if (is(r, "shape", "column-vector") != is(before, "shape", "column-vector")) continue;
    assert_true(number(r, "index_bits") < number(before, "index_bits"));
    assert_true(number(r, "index_of_area") > 0 && number(r, "index_of_area") < 1);
  }
  json_decref(tables);
}

/* Whole arrays, no index: 90 % scattered zeros change nothing; removed rows and columns save area. OUs:
 * the saving follows the vectors, above a floor of what inputs and outputs cost in so small a network. */
static void negative_control(void **state) {
  static const char *const only[] = {"control"};
  ap_study_options o = small_options();
  json_t *tables, *rows;
  size_t checked = 0;
  (void)state;
  o.only = only;
  o.n_only = 1;
  tables = study(&o);
  rows = json_object_get(tables, "control");
  for (size_t i = 0; i < json_array_size(rows); i++) {
    const json_t *r = json_array_get(rows, i);
    double zeros = number(r, "zeros"), area = number(r, "relative_area");
    double latency = number(r, "relative_latency_with_copies");
    if (zeros == 0) {
      assert_true(area == 1 && latency == 1 && number(r, "relative_energy") == 1);
    } else if (is(r, "case", "array:scattered")) {
      assert_true(area == 1 && latency == 1 && number(r, "relative_latency") == 1);
      checked++;
    } else if (is(r, "case", "array:rows+columns") && zeros >= 0.9) {
      assert_true(area < 0.8 && number(r, "relative_energy") < 0.5);
      checked++;
    } else if (is(r, "case", "ou:column-vectors") && zeros >= 0.75) {
      double left = 1 - zeros, energy = number(r, "relative_energy");
      if (!(energy > left / 2 && energy < 2 * left + 0.1))
        fail_msg("energy %g, left %g", energy, left);
      assert_true(number(r, "relative_latency") < 1);
      checked++;
    }
  }
  assert_int_equal(checked, 5 + 2 + 3);
  json_decref(tables);
}

static size_t points(void) {
  glob_t found;
  size_t n;
  (void)glob(scratch_path("study/points/*.json"), 0, NULL, &found);
  n = found.gl_pathc;
  globfree(&found);
  return n;
}

/* Exact converters and ideal cells give the quantised network's accuracy; what was computed is kept. */
static void accuracies(void **state) {
  static const char *const only[] = {"converter", "devices"};
  ap_study_options o = small_options();
  json_t *tables, *again, *rows, *last;
  glob_t found;
  (void)state;
  o.data = images;
  o.split = AP_SPLIT_TEST;
  o.only = only;
  o.n_only = 2;
  tables = study(&o);
  rows = json_object_get(tables, "converter");
  assert_int_equal(json_array_size(rows), 5); /* 9 rows of 2-bit cells: 5 bits are exact */
  last = json_array_get(rows, 4);
  assert_true(number(last, "accuracy") == number(last, "quantised_accuracy"));
  assert_true(number(last, "saturated_share") == 0);
  assert_true(number(json_array_get(rows, 0), "saturated_share") > 0);
  for (size_t i = 1; i < 5; i++) {
    assert_true(number(json_array_get(rows, i), "saturated_share") <=
                number(json_array_get(rows, i - 1), "saturated_share"));
  }
  rows = json_object_get(tables, "devices");
  assert_int_equal(json_array_size(rows), 8);
  assert_true(number(json_array_get(rows, 0), "accuracy") ==
              number(json_array_get(rows, 0), "quantised_accuracy"));
  for (size_t i = 0; i < 8; i++) {
    const json_t *r = json_array_get(rows, i);
    assert_true(number(r, "accuracy_low") <= number(r, "accuracy"));
    assert_true(number(r, "accuracy_high") >= number(r, "accuracy"));
    assert_int_equal(number(r, "images"), 12);
  }
  assert_int_equal(points(), 5 + 8);
  /* one point is damaged and computed again, another is changed by hand and believed */
  assert_int_equal(glob(scratch_path("study/points/*.json"), 0, NULL, &found), 0);
  {
    FILE *file = fopen(found.gl_pathv[0], "wb");
    assert_non_null(file);
    (void)fputs("{\"config\": ", file);
    assert_int_equal(fclose(file), 0);
  }
  globfree(&found);
  again = study(&o);
  assert_true(json_equal(tables, again));
  assert_int_equal(points(), 5 + 8);
  json_decref(again);
  json_decref(tables);
}

static void refuse(const ap_study_options *o, const char *why) {
  json_t *provenance = some_provenance(), *tables = NULL;
  assert_int_equal(ap_study_run(o, provenance, &tables, &failure), AP_ERR_ARG);
  if (!strstr(failure.text, why)) fail_msg("\"%s\" does not say: %s", failure.text, why);
  assert_null(tables);
  json_decref(provenance);
}

static void bad_requests(void **state) {
  static const char *const unknown[] = {"sizes", "weather"}, *const pictures[] = {"devices"};
  static ap_study_model same[2];
  ap_study_options o = small_options();
  (void)state;
  o.out = scratch_path("never");
  o.only = unknown;
  o.n_only = 2;
  refuse(&o, "unknown study \"weather\"");
  o.only = pictures;
  o.n_only = 1;
  refuse(&o, "needs images");
  o.n_only = 0;
  o.keep = 0;
  refuse(&o, "kept share");
  o.keep = 0.5;
  same[0] = same[1] = models[0];
  o.models = same;
  o.n_models = 2;
  refuse(&o, "two models");
  o.models = models;
  o.data = images;
  o.images = 1000000;
  refuse(&o, "1000000 images");
  o.n_models = 0;
  refuse(&o, "no model");
  assert_false(ap_dir_exists(scratch_path("never")));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(sizes), cmocka_unit_test(index_tables),
                                     cmocka_unit_test(negative_control),
                                     cmocka_unit_test(accuracies), cmocka_unit_test(bad_requests)};
  return cmocka_run_group_tests(tests, make, drop);
}
