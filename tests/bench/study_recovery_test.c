/* The studies of recovery, curves and bits on a small network that was trained here: what is pruned stays pruned whatever
 * follows, what was computed is not computed again, and bad requests are refused. */
#include <glob.h>
#include <sys/stat.h>

#include "base/file.h"
#include "bench/study.h"
#include "kernels/backend.h"
#include "nn/train.h"
#include "tests/bench/bench_testing.h"

enum { SIDE_16 = 16, N_WAYS = 6 };
static char folder[128];
static ap_dataset *squares;
static ap_network *net; /* with batch normalisation */
static ap_tech *tech;
static ap_study_model model;
static const char *const only[] = {"recovery"};

static int make(void **state) {
  ap_backend *be = NULL;
  ap_train_options recipe;
  if (scratch_make(state)) return -1;
  write_squares(scratch, "train", SIDE_16, 1200, 1);
  write_squares(scratch, "t10k", SIDE_16, 60, 2);
  (void)snprintf(folder, sizeof folder, "%s/study", scratch);
  must(ap_dataset_open(scratch, &squares, &failure));
  must(ap_network_builtin("resnet8:0.5", (ap_shape3){1, SIDE_16, SIDE_16}, 10, 3, &net, &failure));
  ap_dataset_statistics(squares, net->mean, net->std);
  must(ap_backend_open("cpu", 2, &be, &failure));
  recipe = ap_train_defaults(squares);
  recipe.epochs = 6;
  recipe.batch = 32;
  must(ap_train(be, net, squares, &recipe, NULL, NULL, NULL, NULL, &failure));
  ap_backend_close(be);
  must(ap_tech_open("ou", &tech, &failure));
  model = (ap_study_model){"squares", net};
  return 0;
}

static int drop(void **state) {
  if (ap_dir_exists(folder)) remove_tree(folder);
  ap_tech_close(tech);
  ap_network_destroy(net);
  ap_dataset_destroy(squares);
  return scratch_remove(state);
}

static ap_study_options small_options(void) {
  ap_study_options o = ap_study_defaults();
  o.models = &model;
  o.n_models = 1;
  o.tech = tech;
  o.data = squares;
  o.only = only;
  o.n_only = 1;
  o.images = 50;
  o.calibration = 20;
  o.sparsities[0] = 0.5;
  o.sparsities[1] = 0.8;
  o.n_sparsities = 2;
  o.epochs = 2;
  o.out = folder;
  o.n_threads = 2;
  o.draw = false;
  o.quiet = true;
  return o;
}

/* Rows of the one study that is asked for. */
static json_t *rows_of(const ap_study_options *o) {
  json_t *provenance = some_provenance(), *tables = NULL, *rows;
  must(ap_study_run(o, provenance, &tables, &failure));
  rows = json_incref(json_object_get(tables, o->only[0]));
  json_decref(provenance);
  json_decref(tables);
  return rows;
}

static double number(const json_t *row, const char *column) {
  const json_t *v = json_object_get(row, column);
  if (!json_is_number(v)) fail_msg("%s is no number", column);
  return json_number_value(v);
}

/* The row of one way at one sparsity. */
static const json_t *row(const json_t *rows, const char *way, double sparsity) {
  for (size_t i = 0; i < json_array_size(rows); i++) {
    const json_t *r = json_array_get(rows, i);
    bool same = !(number(r, "sparsity") < sparsity) && !(number(r, "sparsity") > sparsity);
    if (same && strcmp(json_string_value(json_object_get(r, "recovery")), way) == 0) return r;
  }
  fail_msg("no row of %s at %g", way, sparsity);
  return NULL;
}

static size_t files(const char *pattern) {
  glob_t found;
  size_t n;
  (void)glob(scratch_path(pattern), 0, NULL, &found);
  n = found.gl_pathc;
  globfree(&found);
  return n;
}

static void remove_all(const char *pattern) {
  glob_t found;
  assert_int_equal(glob(scratch_path(pattern), 0, NULL, &found), 0);
  for (size_t i = 0; i < found.gl_pathc; i++) assert_int_equal(unlink(found.gl_pathv[i]), 0);
  globfree(&found);
}

static const char *const ways[] = {
    "one-shot",  "recalibrated", "repaired", "repaired+recalibrated", "repaired-in-sequence",
    "fine-tuned"};

static void every_way_at_every_sparsity(void **state) {
  ap_study_options o = small_options();
  json_t *rows = rows_of(&o);
  double dense;
  (void)state;
  assert_int_equal(json_array_size(rows), 1 + 2 * N_WAYS);
  dense = number(row(rows, "dense", 0), "accuracy");
  assert_true(dense > 0.8);
  assert_true(number(row(rows, "dense", 0), "keep_weights") == 1);
  for (size_t s = 0; s < 2; s++) {
    double kept = number(row(rows, "one-shot", o.sparsities[s]), "keep_weights");
    /* ends stay whole: a little more is left than asked for, and masks hold whatever follows */
    assert_true(kept > 1 - o.sparsities[s] && kept < 1 - o.sparsities[s] + 0.1);
    for (size_t w = 0; w < N_WAYS; w++) {
      const json_t *r = row(rows, ways[w], o.sparsities[s]);
      assert_true(number(r, "keep_weights") <= kept);
      assert_int_equal(number(r, "images"), 50);
    }
    assert_true(number(row(rows, "fine-tuned", o.sparsities[s]), "loss") <
                number(row(rows, "one-shot", o.sparsities[s]), "loss"));
    assert_true(number(row(rows, "repaired", o.sparsities[s]), "loss") <
                number(row(rows, "one-shot", o.sparsities[s]), "loss"));
    assert_true(number(row(rows, "repaired-in-sequence", o.sparsities[s]), "loss") <
                number(row(rows, "repaired", o.sparsities[s]), "loss"));
  }
  assert_true(number(row(rows, "fine-tuned", 0.5), "accuracy") > dense - 0.1);
  assert_true(number(row(rows, "fine-tuned", 0.5), "quantised_accuracy") > dense - 0.15);
  json_decref(rows);
}

/* Points, and networks that were fine-tuned, are kept: other images need no new training. */
static void nothing_is_computed_twice(void **state) {
  ap_study_options o = small_options();
  json_t *rows = rows_of(&o), *again = rows_of(&o), *test;
  struct stat before, after;
  glob_t found;
  (void)state;
  assert_true(json_equal(rows, again));
  assert_int_equal(files("study/points/*.json"), 1 + 2 * N_WAYS);
  assert_int_equal(files("study/points/*.apm"), 2);
  assert_int_equal(files("study/points/*.checkpoint"), 0);
  assert_int_equal(glob(scratch_path("study/points/*.apm"), 0, NULL, &found), 0);
  assert_int_equal(stat(found.gl_pathv[0], &before), 0);
  o.split = AP_SPLIT_TEST;
  test = rows_of(&o);
  assert_string_equal(json_string_value(json_object_get(row(test, "dense", 0), "split")), "test");
  assert_int_equal(files("study/points/*.json"), 2 + 4 * N_WAYS);
  assert_int_equal(files("study/points/*.apm"), 2);
  assert_int_equal(stat(found.gl_pathv[0], &after), 0);
  assert_true(before.st_mtim.tv_sec == after.st_mtim.tv_sec &&
              before.st_mtim.tv_nsec == after.st_mtim.tv_nsec && before.st_ino == after.st_ino);
  /* a damaged network is trained again, with the same result */
  assert_int_equal(truncate(found.gl_pathv[0], 100), 0);
  remove_all("study/points/*.json");
  o = small_options();
  json_decref(again);
  again = rows_of(&o);
  assert_true(json_equal(rows, again));
  globfree(&found);
  json_decref(test);
  json_decref(again);
  json_decref(rows);
}

static void ends_are_pruned_where_asked_for(void **state) {
  ap_study_options o = small_options();
  json_t *whole, *pruned;
  (void)state;
  o.n_sparsities = 1;
  o.sparsities[0] = 0.8;
  o.epochs = 0.1;
  whole = rows_of(&o);
  o.prune_ends = true;
  pruned = rows_of(&o);
  assert_true(number(row(pruned, "one-shot", 0.8), "keep_weights") <
              number(row(whole, "one-shot", 0.8), "keep_weights"));
  assert_true(number(row(pruned, "one-shot", 0.8), "keep_weights") < 0.21);
  json_decref(whole);
  json_decref(pruned);
}

/* Recalibration is left out where there is nothing to recalibrate; the study is not done unasked. */
static void networks_without_normalisation(void **state) {
  static const char *const sizes[] = {"sizes"};
  ap_study_options o = small_options();
  ap_study_model folded = {"folded", NULL};
  ap_network *plain = NULL;
  json_t *rows, *tables = NULL, *provenance = some_provenance();
  (void)state;
  must(ap_network_fold(net, &plain, &failure));
  folded.net = plain;
  o.models = &folded;
  o.n_sparsities = 1;
  o.epochs = 0.1;
  rows = rows_of(&o);
  assert_int_equal(json_array_size(rows), 1 + 4);
  assert_int_equal(number(row(rows, "repaired", 0.5), "images"), 50);
  json_decref(rows);
  o.only = sizes;
  must(ap_study_run(&o, provenance, &tables, &failure));
  assert_null(json_object_get(tables, "recovery"));
  json_decref(tables);
  json_decref(provenance);
  ap_network_destroy(plain);
}

/* One layer alone: what keeps everything is the dense network, repair helps where little is left, and
 * crossbars follow what is kept. */
static void curves_of_layers(void **state) {
  static const char *const curves[] = {"curves"};
  ap_study_options o = small_options();
  json_t *rows, *again;
  double dense = NAN, as_they_were = 0, repaired = 0;
  size_t layers = 0, n_low = 0;
  (void)state;
  o.only = curves;
  rows = rows_of(&o);
  for (size_t i = 0; i < json_array_size(rows); i++) {
    const json_t *r = json_array_get(rows, i);
    const json_t *before = i ? json_array_get(rows, i - 1) : NULL;
    double keep = number(r, "keep_vectors");
    assert_string_equal(json_string_value(json_object_get(r, "split")), "search");
    if (keep >= 1) { /* the last of its layer: everything is as in every other layer's last */
      if (isnan(dense)) dense = number(r, "loss");
      assert_true(!(number(r, "loss") < dense) && !(number(r, "loss") > dense));
      layers += number(r, "repaired") > 0;
    } else if (before && number(before, "keep_vectors") < keep) {
      assert_true(number(before, "ous") < number(r, "ous"));
      assert_true(number(before, "crossbars") <= number(r, "crossbars"));
    }
    if (keep < 0.15) {
      (number(r, "repaired") > 0 ? (repaired += number(r, "loss"))
                                 : (as_they_were += number(r, "loss")));
      n_low++;
    }
  }
  assert_int_equal(layers, 8); /* of resnet8 */
  assert_true(n_low > 0);
  assert_true(repaired < as_they_were);
  assert_int_equal(json_array_size(rows) % 2, 0);
  again = rows_of(&o);
  assert_true(json_equal(rows, again));
  json_decref(rows);
  json_decref(again);
}

/* All at 8 bits is the quantised network, whichever layer's row it stands in; fewer bits take fewer
 * crossbars and less energy; a layer alone takes no fewer than all of them. */
static void bits_of_weights(void **state) {
  static const char *const bits[] = {"bits"};
  ap_study_options o = small_options();
  json_t *rows, *again;
  double eight, floats, energy[9] = {0};
  (void)state;
  o.only = bits;
  rows = rows_of(&o);
  assert_int_equal(json_array_size(rows), (1 + 8) * 7);
  eight = number(json_array_get(rows, 6), "loss");
  floats = number(json_array_get(rows, 6), "float_loss");
  assert_true(fabs(eight - floats) < 0.1);
  assert_true(number(json_array_get(rows, 0), "loss") > eight + 0.1); /* 2 bits are too few */
  for (size_t i = 0; i < json_array_size(rows); i++) {
    const json_t *r = json_array_get(rows, i);
    size_t width = (size_t)number(r, "weight_bits");
    assert_int_equal(width, 2 + i % 7);
    if (width == 8) assert_true(!(number(r, "loss") < eight) && !(number(r, "loss") > eight));
    if (i < 7) {
      energy[width] = number(r, "energy_uj");
      if (width > 2) assert_true(energy[width] >= energy[width - 1]);
    } else {
      assert_true(number(r, "energy_uj") >= energy[width]);
      assert_true(number(r, "energy_uj") <= energy[8]);
    }
  }
  assert_true(energy[2] < 0.5 * energy[8]);
  again = rows_of(&o);
  assert_true(json_equal(rows, again));
  json_decref(rows);
  json_decref(again);
}

static void refuse(const ap_study_options *o, const char *why) {
  json_t *provenance = some_provenance(), *tables = NULL;
  assert_int_equal(ap_study_run(o, provenance, &tables, &failure), AP_ERR_ARG);
  if (!strstr(failure.text, why)) fail_msg("\"%s\" does not say: %s", failure.text, why);
  assert_null(tables);
  json_decref(provenance);
}

static void bad_requests(void **state) {
  ap_study_options o = small_options();
  (void)state;
  o.sparsities[1] = 1;
  refuse(&o, "sparsity 1:");
  o.n_sparsities = 0;
  refuse(&o, "0 sparsities");
  o = small_options();
  o.epochs = 0;
  refuse(&o, "0 epochs");
  o = small_options();
  o.data = NULL;
  refuse(&o, "needs images");
  o = small_options();
  o.images = 1000000;
  refuse(&o, "1000000 images");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_way_at_every_sparsity),
                                     cmocka_unit_test(nothing_is_computed_twice),
                                     cmocka_unit_test(ends_are_pruned_where_asked_for),
                                     cmocka_unit_test(networks_without_normalisation),
                                     cmocka_unit_test(curves_of_layers),
                                     cmocka_unit_test(bits_of_weights),
                                     cmocka_unit_test(bad_requests)};
  return cmocka_run_group_tests(tests, make, drop);
}
