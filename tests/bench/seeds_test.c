/* Rows over seeds: means and Student's intervals worked by hand, ratios of equal seeds, fronts and
 * convergence of made-up cells, what opens a division, and the suite's own rules. */
#include <math.h>

#include "base/csv_read.h"
#include "base/file.h"
#include "bench/division_impl.h"
#include "bench/summary_impl.h"
#include "bench/table_impl.h"
#include "bench/trained_impl.h"
#include "pruners/network_price.h"
#include "tests/bench/bench_testing.h"

static json_t *cell(const char *method, int seed, double accuracy, double crossbars) {
  json_t *c = json_pack(
      "{s:s, s:s, s:s, s:s, s:s, s:i, s:s, s:s, s:s, s:f, s:f, s:{s:s, s:s, s:f},"
      " s:{s:{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}}, s:f}",
      "network", "net", "data", "toy", "suite", "paper", "division", "closed", "method", method,
      "seed", seed, "open_because", "", "crossbar", "128x128", "ou", "9x8", "accuracy_selection",
      accuracy, "accuracy_test", accuracy, "config", "pruner", "block", "searcher", "uniform",
      "max_loss", 0.01, "hardware", "total", "weights", 1000.0, "weights_kept", 500.0, "macs", 8.0,
      "macs_kept", 4.0, "ous", 10.0, "crossbars", crossbars, "crossbars_dense", 120.0, "index_bits",
      1.0, "area_mm2", crossbars / 10, "energy_uj", crossbars / 5, "latency_us", 1.0, "seconds",
      1.0);
  assert_non_null(c);
  return c;
}

/* Three seeds. pim-prune: 60, 40, 60 crossbars; auto-prune: 20, 20, 30: compressions 6, 6, 4, ratios over
 * pim-prune of the same seed 3, 2, 2. */
static json_t *three_seeds(void) {
  static const double pim[] = {60, 40, 60}, mine[] = {20, 20, 30};
  json_t *cells = json_array();
  for (int s = 0; s < 3; s++) {
    (void)json_array_append_new(cells, cell("dense", s + 1, 0.9, 120));
  }
  for (int s = 0; s < 3; s++) {
    (void)json_array_append_new(cells, cell("pim-prune", s + 1, 0.895, pim[s]));
  }
  for (int s = 0; s < 3; s++) {
    (void)json_array_append_new(cells, cell("auto-prune", s + 1, s == 2 ? 0.88 : 0.895, mine[s]));
  }
  return cells;
}

static double of(const json_t *row, const char *column) {
  const json_t *v = json_object_get(row, column);
  if (!json_is_number(v)) fail_msg("no number in %s", column);
  return json_number_value(v);
}

static void near_equal(double a, double b) {
  if (!(fabs(a - b) <= 1e-6 * (1 + fabs(b)))) fail_msg("%.12g, expected %.12g", a, b);
}

/* t of 2 degrees of freedom: 4.302653. Compressions 6, 6, 4: mean 16/3, s = sqrt(4/3), half width
 * 4.302653 * sqrt(4/3) / sqrt(3) = 4.302653 * 2/3. Ratios 3, 2, 2: mean 7/3, half width 4.302653 / 3. */
static void means_and_intervals(void **state) {
  json_t *cells = three_seeds(), *rows = NULL, *summary = NULL;
  const json_t *mine, *dense;
  (void)state;
  must(ap_table_rows(cells, &rows, &failure));
  must(ap_summary_rows(rows, &summary, &failure));
  assert_int_equal(json_array_size(summary), 3);
  dense = json_array_get(summary, 0);
  mine = json_array_get(summary, 2);
  assert_string_equal(json_string_value(json_object_get(mine, "method")), "auto-prune");
  assert_true(of(mine, "n") == 3 && of(mine, "failed") == 0);
  near_equal(of(mine, "within_limit"), 2.0 / 3);
  near_equal(of(mine, "crossbars_compression"), 16.0 / 3);
  near_equal(of(mine, "crossbars_compression_high"), 16.0 / 3 + 4.302653 * 2 / 3);
  near_equal(of(mine, "crossbars_compression_low"), 16.0 / 3 - 4.302653 * 2 / 3);
  near_equal(of(mine, "compression_vs_pim"), 7.0 / 3);
  near_equal(of(mine, "compression_vs_pim_high"), 7.0 / 3 + 4.302653 / 3);
  near_equal(of(mine, "accuracy_test_vs_pim"), -0.005);
  near_equal(of(dense, "compression_vs_pim"), (0.5 + 1.0 / 3 + 0.5) / 3);
  assert_true(of(dense, "accuracy_test_low") == of(dense, "accuracy_test_high"));
  json_decref(rows);
  json_decref(summary);
  json_decref(cells);
}

/* One seed has no interval; a seed that failed is counted, and the others are averaged. */
static void few_seeds(void **state) {
  json_t *cells = json_array(), *rows = NULL, *summary = NULL, *bad = cell("mine", 2, 0.9, 30);
  (void)state;
  (void)json_array_append_new(cells, cell("mine", 1, 0.9, 30));
  (void)json_object_set_new(bad, "failed", json_string("it hung"));
  (void)json_array_append_new(cells, bad);
  must(ap_table_rows(cells, &rows, &failure));
  must(ap_summary_rows(rows, &summary, &failure));
  assert_int_equal(json_array_size(summary), 1);
  assert_true(of(json_array_get(summary, 0), "n") == 1);
  assert_true(of(json_array_get(summary, 0), "failed") == 1);
  assert_true(of(json_array_get(summary, 0), "crossbars_compression") == 4);
  assert_true(
      json_is_null(json_object_get(json_array_get(summary, 0), "crossbars_compression_low")));
  json_decref(rows);
  json_decref(summary);
  json_decref(cells);
}

/* ---- points and convergence ---- */

static json_t *table_of(const char *name) {
  json_t *rows = NULL;
  must(ap_csv_load(scratch_path(name), &rows, NULL, &failure));
  return rows;
}

/* Two seeds. Episodes cost 10 each: seed 1 finds 2 at 10 and 4 at 30 (6 at 20 is infeasible); seed 2
 * finds 3 at 20. Means over x: (2 + 1)/2 at 10, (2 + 3)/2 at 20, (4 + 3)/2 at 30. Tuned points (crossbars,
 * accuracy): (40, 0.9), (20, 0.8) of seed 1, (30, 0.9), (20, 0.7) of seed 2: the front is (30, 0.9), (20, 0.8). */
static void curves_by_hand(void **state) {
  json_t *cells = three_seeds(), *rows, *points, *table = NULL, *provenance = some_provenance();
  json_t *one = json_array_get(cells, 6), *two = json_array_get(cells, 7);
  double first = NAN, second = NAN;
  (void)state;
  (void)json_object_set_new(
      one, "episodes",
      json_pack("[[i,f,f,f,f,f,i,n,n,f],[i,f,f,f,f,f,i,n,n,f],[i,f,f,f,f,f,i,n,n,f]]", 0, 0.1, 0.9,
                0.0, 2.0, 60.0, 1, 10.0, 1, -0.1, 0.9, 0.0, 6.0, 20.0, 0, 20.0, 2, 0.1, 0.9, 0.0,
                4.0, 30.0, 1, 30.0));
  (void)json_object_set_new(
      two, "episodes",
      json_pack("[[i,f,f,f,f,f,i,n,n,f],[i,f,f,f,f,f,i,n,n,f]]", 0, 0.1, 0.9, 0.0, 9.0, 60.0, 0,
                10.0, 1, 0.1, 0.9, 0.0, 3.0, 40.0, 1, 20.0));
  (void)json_object_set_new(
      one, "tunings",
      json_pack("[{s:f, s:f, s:b}, {s:f, s:f, s:b}]", "crossbars", 40.0, "accuracy_selection", 0.9,
                "accepted", 1, "crossbars", 20.0, "accuracy_selection", 0.8, "accepted", 0));
  (void)json_object_set_new(
      two, "tunings",
      json_pack("[{s:f, s:f, s:b}, {s:f, s:f, s:b}]", "crossbars", 30.0, "accuracy_selection", 0.9,
                "accepted", 1, "crossbars", 20.0, "accuracy_selection", 0.7, "accepted", 0));
  (void)json_object_set_new(one, "front", json_pack("[[f,f],[f,f]]", 10.0, 0.5, 60.0, 0.85));
  must(ap_table_rows(cells, &table, &failure));
  must(ap_table_write(scratch, cells, table, provenance, &failure));
  rows = table_of("convergence.csv");
  assert_int_equal(json_array_size(rows), 60);
  for (size_t i = 0; i < 60; i++) {
    const json_t *row = json_array_get(rows, i);
    double x = ap_csv_field_number(row, "image_forwards");
    assert_true(fabs(x - 0.5 * (double)(i + 1)) < 1e-9);
    assert_true(ap_csv_field_number(row, "n") == 2);
    near_equal(ap_csv_field_number(row, "compression"), x < 10   ? 1
                                                        : x < 20 ? 1.5
                                                        : x < 30 ? 2.5
                                                                 : 3.5);
  }
  json_decref(rows);
  points = table_of("points.csv");
  assert_int_equal(json_array_size(points), 6);
  for (size_t i = 0; i < 6; i++) {
    const json_t *p = json_array_get(points, i);
    double crossbars = ap_csv_field_number(p, "crossbars");
    double accuracy = ap_csv_field_number(p, "accuracy");
    bool tuned = strcmp(ap_csv_field_text(p, "kind"), "recovered") == 0;
    bool front = crossbars == 30 || (crossbars == 20 && accuracy == 0.8);
    assert_int_equal(ap_csv_field_number(p, "front") == 1, !tuned || front);
    near_equal(ap_csv_field_number(p, "compression"), 120 / crossbars);
    if (!tuned) first = crossbars;
    if (tuned) second = ap_csv_field_number(p, "dense_accuracy");
  }
  assert_true(first == 60 && second == 0.9);
  json_decref(points);
  json_decref(table);
  json_decref(cells);
  json_decref(provenance);
}

/* ---- divisions ---- */

static void what_opens_a_division(void **state) {
  const ap_suite *paper, *smoke;
  ap_suite_network run;
  char why[300];
  (void)state;
  must(ap_suite_find("paper", &paper, &failure));
  must(ap_suite_find("smoke", &smoke, &failure));
  run = paper->networks[0];
  ap_division_reasons(paper, &paper->networks[0], &run, paper->max_loss, true, false, why,
                      sizeof why);
  assert_string_equal(why, "");
  ap_division_reasons(paper, &paper->networks[0], &run, paper->max_loss, false, false, why,
                      sizeof why);
  assert_string_equal(why, "network not the shipped one");
  ap_division_reasons(paper, &paper->networks[0], &run, 0.02, true, false, why, sizeof why);
  assert_string_equal(why, "loss limit 0.02");
  ap_division_reasons(smoke, &smoke->networks[0], &smoke->networks[0], 0.01, true, false, why,
                      sizeof why);
  assert_string_equal(why, "suite smoke");
  run.tune_epochs = 2;
  run.episodes++;
  run.data = "elsewhere";
  ap_division_reasons(paper, &paper->networks[0], &run, paper->max_loss, true, true, why,
                      sizeof why);
  assert_string_equal(why, "other data, other hardware, other recovery, other search budget");
}

/* ---- the paper suite ---- */

static double dense_crossbars(const ap_suite_network *n, const char *size) {
  ap_network *net = NULL, *folded = NULL;
  ap_network_price *price = NULL;
  ap_tech *tech = NULL;
  ap_granularity dense = {AP_GRANULARITY_DENSE, 0, 0};
  ap_shape3 shape = {3, 32, 32};
  double crossbars;
  if (strcmp(n->data, "fashion-mnist") == 0) shape = (ap_shape3){1, 28, 28};
  must(ap_network_builtin(n->network, shape, 10, 1, &net, &failure));
  must(ap_network_fold(net, &folded, &failure));
  must(ap_tech_open(n->hardware, &tech, &failure));
  must(ap_tech_override(tech, "array.rows", size, &failure));
  must(ap_tech_override(tech, "array.cols", size, &failure));
  must(ap_network_price_create(folded, tech, dense, false, &price, &failure));
  crossbars = (double)price->map.crossbars_dense;
  ap_network_price_destroy(price);
  ap_tech_close(tech);
  ap_network_destroy(folded);
  ap_network_destroy(net);
  return crossbars;
}

/* 128 x 128 where the dense network fills at least 100 of them, else 64 x 64. */
static void crossbars_follow_the_rule(void **state) {
  const ap_suite *paper;
  (void)state;
  must(ap_suite_find("paper", &paper, &failure));
  for (size_t i = 0; i < paper->n_networks; i++) {
    const ap_suite_network *n = &paper->networks[i];
    const char *size = dense_crossbars(n, "128") >= 100 ? "128" : "64";
    assert_string_equal(n->rows, size);
    assert_string_equal(n->cols, size);
  }
}

/* A name that is a file name everywhere. */
static void names_of_checkpoints(void **state) {
  ap_suite_network n = {.network = "vgg16:0.5", .data = "cifar10"};
  ap_trained_place where;
  char *name = ap_trained_name(&n);
  (void)state;
  assert_string_equal(name, "vgg16-0.5_cifar10");
  ap_free(name);
  n.data = "/a/b";
  name = ap_trained_name(&n);
  assert_string_equal(name, "vgg16-0.5_-a-b");
  ap_free(name);
  must(ap_trained_find(&n, scratch, false, &where, &failure));
  assert_int_equal(where, AP_TRAINED_NOWHERE);
  must(ap_dir_create(scratch_path("models"), &failure));
  must(ap_file_write(scratch_path("models/vgg16-0.5_-a-b.apm"), "x", 1, true, &failure));
  must(ap_trained_find(&n, scratch, true, &where, &failure));
  assert_int_equal(where, AP_TRAINED_HERE);
  remove_tree(scratch_path("models"));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(means_and_intervals),
                                     cmocka_unit_test(few_seeds),
                                     cmocka_unit_test(curves_by_hand),
                                     cmocka_unit_test(what_opens_a_division),
                                     cmocka_unit_test(crossbars_follow_the_rule),
                                     cmocka_unit_test(names_of_checkpoints)};
  return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
