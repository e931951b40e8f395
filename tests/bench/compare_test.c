/* A whole comparison on images made here: seeds, sweeps, plug-ins, models and budgets of one's own, and what it
 * refuses. */
#include "bench/sweep.h"
#include "nn/model_file.h"
#include "tests/bench/compare_testing.h"

static void count_lines(void *context, const char *text) {
  size_t *lines = context;
  assert_true(strlen(text) > 0);
  ++*lines;
}

/* Two seeds: the first is the run before; dense is one cell; the rest has a row and a cell a seed. */
static void seeds_are_rows(void **state) {
  ap_compare_options o = small_options();
  json_t *one = NULL, *two = NULL;
  size_t lines = 0, same = 0, before;
  glob_t cells;
  (void)state;
  must(compare(&o, &one));
  find_cells("*-dense-*.json", &cells);
  before = cells.gl_pathc; /* other limits have cells of their own */
  globfree(&cells);
  o.seeds = 2;
  o.say = count_lines;
  o.say_context = &lines;
  must(compare(&o, &two));
  assert_int_equal(json_array_size(two), 2 * METHODS);
  find_cells("*-dense-*.json", &cells);
  assert_int_equal(cells.gl_pathc, before);
  globfree(&cells);
  assert_int_equal(lines, 1 + (METHODS - 1)); /* the plan, and each cell of the second seed */
  for (size_t i = 0; i < json_array_size(two); i++) {
    const json_t *row = json_array_get(two, i);
    assert_string_equal(json_string_value(json_object_get(row, "division")), "open");
    assert_non_null(strstr(json_string_value(json_object_get(row, "open_because")), "suite smoke"));
    assert_non_null(strstr(json_string_value(json_object_get(row, "open_because")), "other data"));
    for (size_t k = 0; k < json_array_size(one); k++)
      same += json_equal(row, json_array_get(one, k)) != 0;
  }
  assert_int_equal(same, METHODS);
  assert_true(ap_file_exists(scratch_path("out/summary.csv")));
  assert_true(ap_file_exists(scratch_path("out/points.csv")));
  assert_true(ap_file_exists(scratch_path("out/convergence.csv")));
  json_decref(one);
  json_decref(two);
}

/* A setting moved: every point has rows of its own, and the suite's own point is the comparison's. */
static void sweeps_compare_anew(void **state) {
  static const char *const axes[] = {"max-loss"}, *const bad[] = {"weather"};
  ap_compare_options o = small_options();
  json_t *table = NULL, *rows = NULL, *provenance = some_provenance();
  double before = 0;
  (void)state;
  must(compare(&o, &table));
  assert_int_equal(ap_sweep_run(&o, bad, 1, provenance, &rows, &failure), AP_ERR_ARG);
  assert_int_equal(ap_sweep_run(&o, axes, 0, provenance, &rows, &failure), AP_ERR_ARG);
  must(ap_sweep_run(&o, axes, 1, provenance, &rows, &failure));
  assert_int_equal(json_array_size(rows), 4 * 4); /* values x methods */
  for (size_t i = 0; i < json_array_size(rows); i++) {
    const json_t *row = json_array_get(rows, i);
    const char *method = json_string_value(json_object_get(row, "method"));
    assert_string_equal(json_string_value(json_object_get(row, "axis")), "max-loss");
    assert_true(number(row, "accuracy_loss") <= number(row, "max_loss") + 1e-9);
    if (strcmp(json_string_value(json_object_get(row, "value")), "0.01") == 0) {
      assert_true(number(row, "crossbars") == number(row_of(table, method), "crossbars"));
    }
    if (strcmp(method, "column-vector") == 0) { /* more loss allowed never means less compression */
      assert_true(number(row, "crossbars_compression") >= before);
      before = number(row, "crossbars_compression");
    }
  }
  assert_true(ap_file_exists(scratch_path("out/sensitivity.csv")));
  json_decref(provenance);
  json_decref(table);
  json_decref(rows);
}

/* ---- plug-ins ---- */

static void build(const char *source, const char *flags, const char *out) {
  char command[1024];
  (void)snprintf(command, sizeof command, AP_CC " -shared -fPIC -w -I %s %s %s/%s -o %s/%s",
                 AP_SOURCE, flags, AP_SOURCE, source, scratch, out);
  assert_int_equal(system(command), 0);
}

/* Rows of their own beside the suite's: numbers where a plug-in works, a reason where it does not,
 * in the same run. Its answers are kept as long as its file stays the same. */
static void plugins_are_rows(void **state) {
  char good[200], crash[200], program[300], loading[200], path[300];
  const char *pruners[] = {good, crash, program, loading};
  ap_compare_options o = small_options();
  json_t *table = NULL, *again = NULL, *cell;
  glob_t cells;
  char *text;
  (void)state;
  if (system(AP_CC " --version > /dev/null 2>&1") != 0) skip();
  build("examples/l1.c", "", "mine.so");
  build("tests/pruners/plugins/evil.c", "-DEVIL=1", "crash.so");
  build("tests/pruners/plugins/evil.c", "-DEVIL=40", "loading.so");
  (void)snprintf(good, sizeof good, "%s/mine.so", scratch);
  (void)snprintf(crash, sizeof crash, "%s/crash.so", scratch);
  (void)snprintf(loading, sizeof loading, "%s/loading.so", scratch);
  (void)snprintf(program, sizeof program, "exec:%s/examples/random.sh", AP_SOURCE);
  o.pruners = pruners;
  o.n_pruners = 4;
  must(compare(&o, &table));
  assert_int_equal(json_array_size(table), METHODS + 4);
  assert_true(number(row_of(table, "mine"), "crossbars_compression") >= 1);
  assert_int_equal(
      strncmp(json_string_value(json_object_get(json_array_get(table, METHODS + 2), "method")),
              "random-", 7),
      0); /* beside the suite's own random search */
  assert_true(number(json_array_get(table, METHODS + 2), "crossbars_compression") >= 1);
  assert_string_equal(json_string_value(json_object_get(row_of(table, "mine"), "failed")), "");
  assert_non_null(
      strstr(json_string_value(json_object_get(row_of(table, "crash"), "failed")), "signal 11"));
  assert_non_null(
      strstr(json_string_value(json_object_get(row_of(table, "loading"), "failed")), "signal 6"));
  assert_true(json_is_null(json_object_get(row_of(table, "crash"), "crossbars")));
  (void)snprintf(path, sizeof path, "%s/table.md", folder);
  text = slurp(path);
  assert_non_null(strstr(text, "- crash failed: plug-in crash, layer conv1"));
  free(text);

  find_cells("lenet5-mine-*.json", &cells);
  assert_int_equal(cells.gl_pathc, 1);
  cell = load_json(cells.gl_pathv[0]);
  assert_string_equal(json_string_value(json_object_get(
                          json_object_get(json_object_get(cell, "config"), "plugin"), "kind")),
                      "library");
  (void)json_object_set_new(cell, "seconds", json_real(12345));
  must(ap_json_save(cells.gl_pathv[0], cell, true, &failure));
  json_decref(cell);
  globfree(&cells);
  must(compare(&o, &again));
  assert_true(number(row_of(again, "mine"), "seconds") == 12345);
  json_decref(again);
  build("examples/l1.c", "-g -DOTHER=1", "mine.so"); /* another file: another cell */
  must(compare(&o, &again));
  assert_true(number(row_of(again, "mine"), "seconds") != 12345);
  find_cells("lenet5-mine-*.json", &cells);
  assert_int_equal(cells.gl_pathc, 2);
  globfree(&cells);
  json_decref(table);
  json_decref(again);
}

/* Fine-tuning and searches of the caller's own length: no row has been fine-tuned, the search tried so many, and
 * all say that they are not the suite's. */
static void budgets_can_be_chosen(void **state) {
  ap_compare_options o = small_options();
  json_t *table = NULL;
  char path[300], *text = NULL;
  size_t size, tried = 0;
  (void)state;
  o.max_loss = 0.3;
  o.methods = "dense,pim-prune,random";
  o.tune_epochs = 0;
  o.episodes = 9;
  must(compare(&o, &table));
  assert_int_equal(json_array_size(table), 4); /* and column-vector, which goes before a search */
  assert_true(number(row_of(table, "pim-prune"), "weights_compression") > 1);
  for (size_t i = 0; i < 4; i++) {
    const json_t *row = json_array_get(table, i);
    const char *why = json_string_value(json_object_get(row, "open_because"));
    assert_true(fabs(number(row, "finetunes")) < 0.5);
    assert_non_null(strstr(why, "other recovery, other search budget"));
  }
  (void)snprintf(path, sizeof path, "%s/episodes.csv", folder);
  must(ap_file_read(path, (size_t)1 << 20, &text, &size, &failure));
  for (const char *at = text; (at = strstr(at, "\nlenet5,random,")) != NULL; at++) tried++;
  assert_int_equal(tried, 9);
  ap_free(text);
  json_decref(table);
}

/* The network that the runs above trained, given back twice as files of one name, on other hardware: compared as
 * the suite's are, under names of their own. */
static void models_and_hardware_of_ones_own(void **state) {
  static const ap_tech_change changes[] = {{"array.rows", "64"}, {"array.cols", "32"}};
  ap_compare_options o = small_options();
  ap_compare_model models[2] = {{"here/my net.apm", NULL}, {"there/my net.onnx", NULL}};
  json_t *suite = NULL, *table = NULL;
  ap_network *net = NULL;
  glob_t found;
  char pattern[300];
  (void)state;
  o.methods = "dense,column-vector";
  must(compare(&o, &suite));
  (void)snprintf(pattern, sizeof pattern, "%s/models/*.apm", folder);
  assert_int_equal(glob(pattern, 0, NULL, &found), 0);
  must(ap_model_load(found.gl_pathv[0], &net, NULL, &failure));
  globfree(&found);
  models[0].net = models[1].net = net;
  o.models = models;
  o.n_models = 2;
  o.max_loss = 0.3;
  must(compare(&o, &table));
  assert_int_equal(json_array_size(table), 4);
  for (size_t i = 0; i < 4; i++) {
    const json_t *row = json_array_get(table, i);
    assert_string_equal(json_string_value(json_object_get(row, "network")),
                        i < 2 ? "my_net" : "my_net-2");
    assert_non_null(strstr(json_string_value(json_object_get(row, "open_because")),
                           "network of one's own, loss limit 0.3"));
    assert_true(fabs(number(row, "finetunes")) < 0.5); /* repair alone */
    assert_true(number(row, "accuracy_loss") <= 0.3 + 1e-9);
  }
  assert_true(number(row_of(table, "dense"), "accuracy_test") ==
              number(row_of(suite, "dense"), "accuracy_test"));
  assert_true(number(row_of(table, "dense"), "crossbars") ==
              number(row_of(suite, "dense"), "crossbars")); /* the preset and the suite agree */
  assert_true(number(row_of(table, "column-vector"), "weights_compression") > 1);
  json_decref(table);
  o.n_models = 1;
  o.hardware = "sre";
  o.changes = changes;
  o.n_changes = 2;
  must(compare(&o, &table));
  for (size_t i = 0; i < 2; i++) {
    const json_t *row = json_array_get(table, i);
    assert_string_equal(json_string_value(json_object_get(row, "crossbar")), "64x32");
    assert_non_null(
        strstr(json_string_value(json_object_get(row, "open_because")), "other hardware"));
  }
  assert_true(number(row_of(table, "dense"), "crossbars") >
              number(row_of(suite, "dense"), "crossbars"));
  json_decref(table);
  json_decref(suite);
  table = NULL;
  for (int i = 0; i < 4; i++) { /* each is refused before anything is computed */
    ap_compare_options bad = o;
    if (i == 0) bad.data = NULL;
    if (i == 1) bad.networks = "lenet5";
    if (i == 2) bad.train = true;
    if (i == 3) bad.hardware = "/nowhere/at-all.ini";
    assert_int_not_equal(compare(&bad, &table), AP_OK);
    assert_non_null(strstr(failure.text, i < 3 ? "here/my net.apm" : "at-all.ini"));
    assert_null(table);
  }
  ap_network_destroy(net);
}

/* The model in the results' folder was trained on other images. */
static void other_images_are_refused(void **state) {
  ap_compare_options o = small_options();
  json_t *table = NULL;
  (void)state;
  write_squares(scratch, "t10k", SIDE_LENET, 300, 3);
  assert_int_equal(compare(&o, &table), AP_ERR_ARG);
  assert_non_null(strstr(failure.text, "other images"));
  assert_null(table);
}

static ap_status plan_of(const char *const *pruners, size_t n) {
  ap_compare_options o = small_options();
  o.pruners = pruners;
  o.n_pruners = n;
  o.plan = true;
  return compare(&o, NULL);
}

/* A plug-in may be given with several arguments or granularities, but not twice the same. */
static void a_pruner_is_given_once(void **state) {
  char plain[200], again[200], rows[200], blocks[200], more[200];
  const char *const several[] = {plain, rows, blocks, more}, *const twice[] = {plain, rows, again};
  const char *const built_in[] = {"filter+l1", "column-vector"};
  (void)state;
  if (system(AP_CC " --version > /dev/null 2>&1") != 0) skip();
  build("examples/l1.c", "", "mine.so");
  (void)snprintf(plain, sizeof plain, "%s/mine.so", scratch);
  (void)snprintf(again, sizeof again, "column-vector@%s/../%s/mine.so", scratch,
                 strrchr(scratch, '/') + 1);
  (void)snprintf(rows, sizeof rows, "row-vector:8@%s/mine.so", scratch);
  (void)snprintf(blocks, sizeof blocks, "block@%s/mine.so", scratch);
  (void)snprintf(more, sizeof more, "%s/mine.so x=1", scratch);
  must(plan_of(several, 4));
  assert_int_equal(plan_of(twice, 3), AP_ERR_ARG);
  assert_non_null(strstr(failure.text, "is given twice (it is mine, too)"));
  must(plan_of(built_in, 1));
  assert_int_equal(plan_of(built_in, 2), AP_ERR_ARG); /* the suite has it */
  assert_non_null(strstr(failure.text, "'column-vector': a method column-vector is compared"));
}

static void bad_wishes_are_refused(void **state) {
  static const char *const pruners[] = {"column-vector", "sculptor"};
  char fresh[128];
  (void)state;
  (void)snprintf(fresh, sizeof fresh, "%s/fresh", scratch);
  for (int i = 0; i < 10; i++) {
    ap_compare_options o = small_options();
    json_t *table = NULL;
    o.out = fresh;
    if (i == 0) o.suite = "everything";
    if (i == 1) o.max_loss = -0.01;
    if (i == 2) o.max_loss = 1;
    if (i == 3) o.max_loss = NAN;
    if (i == 4) o.pruners = pruners;
    if (i == 4) o.n_pruners = 2;
    if (i == 5) o.data = "/nowhere/at-all";
    if (i == 6) o.networks = "lenet5,alexnet";
    if (i == 7) o.seeds = 1000;
    if (i == 9) o.tune_epochs = -1;
    if (i == 8)
      o.suite = "paper"; /* nothing was trained on these images: named, with the command */
    assert_int_equal(compare(&o, &table), i == 5 || i == 8 ? AP_ERR_IO : AP_ERR_ARG);
    if (i == 8) assert_non_null(strstr(failure.text, "autoprune train --net lenet5"));
    if (i == 6) assert_non_null(strstr(failure.text, "'alexnet': names of lenet5"));
    assert_null(table);
    assert_false(ap_dir_exists(fresh)); /* refused before anything is made */
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {

      cmocka_unit_test(seeds_are_rows),           cmocka_unit_test(sweeps_compare_anew),
      cmocka_unit_test(plugins_are_rows),         cmocka_unit_test(a_pruner_is_given_once),
      cmocka_unit_test(budgets_can_be_chosen),    cmocka_unit_test(models_and_hardware_of_ones_own),
      cmocka_unit_test(other_images_are_refused), cmocka_unit_test(bad_wishes_are_refused)};
  return cmocka_run_group_tests(tests, make_data, drop_data);
}
