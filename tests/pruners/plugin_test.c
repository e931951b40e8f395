/* Shared libraries as plug-ins, good and evil: what comes back, and what is said when nothing good does. The
 * compiler makes them from source while the test runs, as a user would. */
#include "base/file.h"
#include "pruners/policy.h"
#include "tests/pruners/plugin_testing.h"

/* The scores that l1.c gives, by another way: whole columns summed in bands. */
static void score_of_l1(const ap_partition *p, const float *w, double *scores) {
  for (size_t i = 0; i < p->count; i++) {
    size_t band = i / p->n, n = i % p->n, rows = 0;
    for (size_t k = band * p->granularity.h; k < p->k && k < (band + 1) * p->granularity.h; k++) {
      scores[i] += fabs((double)w[k * p->n + n]);
      rows++;
    }
    scores[i] /= (double)rows;
  }
}

static void a_score_decides_what_stays(void **state) {
  ap_level_db *db;
  (void)state;
  build(AP_SOURCE "/examples/l1.c", "-Wall -Werror", "l1.so");
  db = good_levels(at("l1.so"));
  for (size_t l = 0; l < ap_level_db_layers(db); l++) {
    const ap_layer_info *info = ap_level_db_layer(db, l);
    ap_partition p;
    float *w = ap_calloc(info->k * info->n, sizeof *w);
    double *scores;
    uint32_t *order = NULL;
    uint8_t *kept, *expected;
    ap_granularity column = {.kind = AP_GRANULARITY_COLUMN_VECTOR};
    must(ap_partition_init(column, ap_tech_array(tech), info->k, info->n, &p, &failure));
    assert_int_equal(ap_level_db_vectors(db, l), p.count);
    scores = ap_calloc(p.count, sizeof *scores);
    kept = ap_calloc(p.count, 1);
    expected = ap_calloc(p.count, 1);
    ap_layer_get_matrix(net, info->node, w);
    score_of_l1(&p, w, scores);
    must(ap_pruner_order_by(scores, p.count, &order, &failure));
    assert_true(ap_level_db_levels(db, l) >= 2);
    for (size_t i = 0; i < ap_level_db_levels(db, l); i++) {
      ap_pruner_keep_first(order, p.count, ap_level_db_level(db, l, i)->n_kept, expected);
      ap_level_db_kept(db, l, i, kept);
      assert_memory_equal(kept, expected, p.count);
    }
    ap_free(w);
    ap_free(scores);
    ap_free(order);
    ap_free(kept);
    ap_free(expected);
  }
  ap_level_db_destroy(db);
}

static void masks_and_levels_of_ones_own(void **state) {
  ap_level_db *db;
  (void)state;
  build(AP_SOURCE "/examples/every_fourth.c", "-Wall -Werror", "fourth.so");
  db = good_levels(at("fourth.so"));
  for (size_t l = 0; l < ap_level_db_layers(db); l++) {
    size_t count = ap_level_db_vectors(db, l), n = ap_level_db_levels(db, l);
    uint8_t *kept = ap_calloc(count, 1);
    assert_int_equal(n, 4); /* 1:4, 2:4, 3:4 and everything */
    for (size_t i = 0; i < n; i++) {
      ap_level_db_kept(db, l, i, kept);
      for (size_t g = 0; g + 4 <= count; g += 4) {
        assert_int_equal(kept[g] + kept[g + 1] + kept[g + 2] + kept[g + 3], i + 1);
      }
      assert_int_equal(ap_level_db_level(db, l, i)->n_kept, count / 4 * (i + 1) + count % 4);
    }
    ap_free(kept);
  }
  ap_level_db_destroy(db);
}

/* A policy of a plug-in says itself what it keeps: read back, it prunes the same without it. */
static void policies_do_without_the_plugin(void **state) {
  ap_level_db *db;
  uint32_t levels[4] = {0, 1, 2, 0};
  ap_policy *policy = NULL, *again = NULL;
  ap_network *pruned = NULL;
  (void)state;
  build(AP_SOURCE "/examples/every_fourth.c", "", "gone.so");
  db = good_levels(at("gone.so"));
  assert_int_equal(ap_level_db_layers(db), 4);
  must(ap_policy_from_levels(db, levels, &policy, &failure));
  must(ap_policy_save(at("policy.json"), policy, NULL, true, &failure));
  assert_int_equal(unlink(at("gone.so")), 0);
  must(ap_policy_load(at("policy.json"), &again, &failure));
  must(ap_network_copy(net, &pruned, &failure));
  must(ap_policy_apply(again, ap_tech_array(tech), pruned, &failure));
  for (size_t l = 0; l < 4; l++) {
    const ap_layer_info *info = ap_level_db_layer(db, l);
    size_t size = info->k * info->n;
    float *mask = ap_calloc(size, sizeof *mask), *w = ap_calloc(size, sizeof *w);
    float *dense = ap_calloc(size, sizeof *dense);
    must(ap_level_db_mask(db, l, levels[l], mask, &failure));
    ap_layer_get_matrix(pruned, info->node, w);
    ap_layer_get_matrix(net, info->node, dense);
    for (size_t i = 0; i < size; i++) assert_true(w[i] == (mask[i] != 0 ? dense[i] : 0));
    ap_free(mask);
    ap_free(w);
    ap_free(dense);
  }
  ap_network_destroy(pruned);
  ap_policy_destroy(policy);
  ap_policy_destroy(again);
  ap_level_db_destroy(db);
}

static void damaged_kept_sets_are_refused(void **state) {
  static const char *const kept[] = {"", "f", "ff0", "zz", "fe", "FF", "f0"};
  ap_policy *policy = NULL;
  (void)state;
  for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
    char text[512];
    (void)snprintf(
        text, sizeof text,
        "{\"schema\":\"autoprune-policy-1\",\"granularity\":\"column-vector\",\"layers\":"
        "[{\"name\":\"a\",\"keep\":1,\"vectors_kept\":8,\"vectors\":8,\"kept\":\"%s\"}]}",
        kept[i]);
    must(ap_file_write(at("bad.json"), text, strlen(text), true, &failure));
    assert_int_equal(ap_policy_load(at("bad.json"), &policy, &failure), AP_ERR_FORMAT);
    assert_non_null(strstr(failure.text, "kept"));
  }
}

static void check_failure(int evil, ap_status expected, const char *says) {
  char flags[32];
  ap_level_db *db = NULL;
  ap_status st;
  (void)snprintf(flags, sizeof flags, "-DEVIL=%d", evil);
  build(AP_SOURCE "/tests/pruners/plugins/evil.c", flags, "evil.so");
  st = levels_by(at("evil.so"), &db);
  if (st != expected || (st && !strstr(failure.text, says))) {
    print_message("EVIL %d: %s: %s; expected %s \"%s\"\n", evil, ap_status_name(st),
                  st ? failure.text : "", ap_status_name(expected), says);
  }
  assert_int_equal(st, expected);
  if (st) assert_non_null(strstr(failure.text, says));
  if (st) assert_null(db);
  ap_level_db_destroy(db);
}

/* Inputs, seed and arguments arrive: rows are ranked by their inputs, turned round by a negative
 * argument; without inputs there is nothing to read. */
static void inputs_seed_and_arguments_arrive(void **state) {
  const double squares[5] = {3, 1, 4, 2, 5};
  const uint32_t falling[5] = {4, 2, 0, 3, 1};
  float weights[5] = {1, 1, 1, 1, 1};
  ap_layer_info info = {.name = "x", .k = 5, .n = 1, .groups = 1};
  ap_granularity single = {.kind = AP_GRANULARITY_UNSTRUCTURED};
  ap_partition partition;
  ap_plugin_question q = {.partition = &partition,
                          .weights = weights,
                          .info = &info,
                          .n_layers = 1,
                          .input_mean_square = squares,
                          .max_levels = 4};
  ap_plugin_answer answer;
  ap_pruner p;
  char text[600];
  (void)state;
  build(AP_SOURCE "/tests/pruners/plugins/evil.c", "-DEVIL=15", "inputs.so");
  must(ap_partition_init(single, ap_tech_array(tech), 5, 1, &partition, &failure));
  for (int sign = 0; sign < 2; sign++) {
    (void)snprintf(text, sizeof text, "%s %s", at("inputs.so"), sign ? "-0.5" : "0.5");
    must(ap_pruner_parse(text, &p, &failure));
    p.plugin.seed = 7;
    must(ap_plugin_ask(&p.plugin, &q, &answer, &failure));
    for (size_t i = 0; i < 5; i++) {
      assert_int_equal(answer.order[i], falling[sign ? 4 - i : i]);
    }
    ap_plugin_answer_release(&answer);
  }
  q.input_mean_square = NULL;
  assert_int_equal(ap_plugin_ask(&p.plugin, &q, &answer, &failure), AP_ERR_PLUGIN);
}

static void evil_scores(void **state) {
  static const struct {
    int evil;
    const char *says;
  } cases[] = {{1, "score() crashed: signal 11"},
               {2, "score() crashed: signal 6"},
               {3, "no answer within 0.5 s"},
               {4, "not a number"},
               {5, "of vector 0 (rows 0..8, columns 0..0) is infinite"},
               {6, "past the end of scores"},
               {7, "read only: weights"},
               {8, "past the end of weights"},
               {9, "exit status 3"},
               {10, "exit status 0"},
               {11, "score() returned 7: cannot prune layers called conv"},
               {12, "score() crashed: signal 8"},
               {13, "was not written"},
               {14, "score() crashed: signal 11"}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    check_failure(cases[i].evil, AP_ERR_PLUGIN, cases[i].says);
    assert_non_null(strstr(failure.text, "plug-in evil, layer conv1 (25 x 20, 60 vectors)"));
  }
}

static void evil_masks_and_levels(void **state) {
  (void)state;
  check_failure(20, AP_ERR_PLUGIN, "the layer would be empty");
  check_failure(21, AP_ERR_PLUGIN, "vectors, ");
  check_failure(22, AP_ERR_PLUGIN, "kept[0] is 2");
  check_failure(23, AP_ERR_PLUGIN, "past the end of kept");
  check_failure(30, AP_ERR_PLUGIN, "levels() gives 0 levels, 1 to 5");
  check_failure(31, AP_ERR_PLUGIN, "levels() gives 6 levels");
  check_failure(32, AP_ERR_PLUGIN, "rising numbers in 1..60");
  check_failure(33, AP_ERR_PLUGIN, "level 0 keeps 0 vectors");
  check_failure(34, AP_ERR_PLUGIN, "keeps 61 vectors");
  check_failure(35, AP_ERR_PLUGIN, "past the end of n_keep");
}

static void what_is_no_plugin_is_refused(void **state) {
  ap_pruner p;
  (void)state;
  check_failure(40, AP_ERR_PLUGIN, "loading the library crashed: signal 6");
  check_failure(41, AP_ERR_ARG, "no function autoprune_pruner");
  check_failure(42, AP_ERR_ARG, "interface version 2");
  check_failure(43, AP_ERR_ARG, "table of 16 bytes");
  check_failure(44, AP_ERR_ARG, "either score or keep");
  check_failure(45, AP_ERR_ARG, "either score or keep");
  check_failure(46, AP_ERR_ARG, "refuses interface version 1");
  check_failure(47, AP_ERR_ARG, "granularity 'diagonal'");
  check_failure(48, AP_OK, "");
  must(ap_file_write(at("text.so"), "no ELF file", 11, true, &failure));
  assert_int_equal(ap_pruner_parse(at("text.so"), &p, &failure), AP_ERR_ARG);
  assert_non_null(strstr(failure.text, "/text.so: cannot be loaded as a shared library: "));
  assert_null(strstr(strstr(failure.text, "text.so") + 1, "text.so")); /* named once */
  assert_int_equal(ap_pruner_parse("./not-there.so", &p, &failure), AP_ERR_ARG);
  assert_non_null(strstr(failure.text, "./not-there.so: no such file"));
  assert_int_equal(ap_pruner_parse("exec:", &p, &failure), AP_ERR_ARG);
  assert_int_equal(ap_pruner_parse("exec:./not-there", &p, &failure), AP_ERR_ARG);
  assert_int_equal(ap_pruner_parse("exec:'a b", &p, &failure), AP_ERR_ARG);
  assert_non_null(strstr(failure.text, "not closed"));
  assert_int_equal(ap_pruner_parse("dense@./not-there.so", &p, &failure), AP_ERR_ARG);
  assert_int_equal(ap_pruner_parse("column-vector@filter", &p, &failure), AP_ERR_ARG);
}

static void names_hashes_and_arguments(void **state) {
  char text[600], hash[65], command[700];
  ap_pruner p, q;
  FILE *pipe;
  (void)state;
  build(AP_SOURCE "/examples/l1.c", "", "l1.so");
  must(ap_pruner_parse(at("l1.so"), &p, &failure));
  assert_string_equal(ap_pruner_label(&p), "l1");
  assert_int_equal(p.granularity.kind, AP_GRANULARITY_COLUMN_VECTOR);
  (void)snprintf(command, sizeof command, "sha256sum %s", at("l1.so"));
  pipe = popen(command, "r");
  assert_non_null(pipe);
  assert_int_equal(fscanf(pipe, "%64s", hash), 1);
  (void)pclose(pipe);
  assert_string_equal(p.plugin.sha256, hash);
  (void)snprintf(text, sizeof text, "row-vector:3@%s alpha=1 beta", at("l1.so"));
  must(ap_pruner_parse(text, &q, &failure));
  assert_string_equal(ap_pruner_label(&q), "l1+alpha=1+beta");
  assert_true(q.granularity.kind == AP_GRANULARITY_ROW_VECTOR && q.granularity.w == 3);
  assert_string_equal(q.plugin.sha256, hash);
  write_program("p.sh", "#!/bin/sh\n");
  (void)snprintf(text, sizeof text, "exec:sh %s 'one word' two", at("p.sh"));
  must(ap_pruner_parse(text, &q, &failure));
  assert_int_equal(q.plugin.n_words, 4);
  assert_string_equal(ap_pruner_label(&q), "p+one+word+two");
}

static void a_changed_file_is_noticed(void **state) {
  ap_level_db_options options = ap_level_db_defaults();
  ap_level_db *db = NULL;
  (void)state;
  build(AP_SOURCE "/examples/l1.c", "", "l1.so");
  must(ap_pruner_parse(at("l1.so"), &options.pruner, &failure));
  build(AP_SOURCE "/examples/l1.c", "-DSOMETHING -g", "l1.so");
  assert_int_equal(ap_level_db_create(net, tech, NULL, NULL, &options, &db, &failure),
                   AP_ERR_PLUGIN);
  assert_non_null(strstr(failure.text, "has changed"));
}

static void header_is_cpp_too(void **state) {
  (void)state;
  if (system("c++ --version > /dev/null 2>&1") != 0) {
    print_message("no C++ compiler: not tried\n");
    return;
  }
  write_program(
      "cpp.cpp",
      "#include \"pruners/plugin.h\"\n"
      "static int score(const ap_plugin_layer *l, double *s) {\n"
      "  for (size_t i = 0; i < l->n_vectors; i++) s[i] = double(i);\n  return 0;\n}\n"
      "static const ap_plugin_pruner table = {AP_PLUGIN_ABI, sizeof table, nullptr, score,"
      " nullptr, nullptr};\n"
      "const ap_plugin_pruner *autoprune_pruner(uint32_t) { return &table; }\n");
  {
    char command[900];
    ap_level_db *db;
    (void)snprintf(command, sizeof command,
                   "c++ -std=c++17 -Wall -Wextra -Werror -shared -fPIC -I %s %s -o %s", AP_SOURCE,
                   at("cpp.cpp"), at("cpp.so"));
    assert_int_equal(system(command), 0);
    db = good_levels(at("cpp.so"));
    ap_level_db_destroy(db);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_score_decides_what_stays),
                                     cmocka_unit_test(masks_and_levels_of_ones_own),
                                     cmocka_unit_test(policies_do_without_the_plugin),
                                     cmocka_unit_test(damaged_kept_sets_are_refused),
                                     cmocka_unit_test(inputs_seed_and_arguments_arrive),
                                     cmocka_unit_test(evil_scores),
                                     cmocka_unit_test(evil_masks_and_levels),
                                     cmocka_unit_test(what_is_no_plugin_is_refused),
                                     cmocka_unit_test(names_hashes_and_arguments),
                                     cmocka_unit_test(a_changed_file_is_noticed),
                                     cmocka_unit_test(header_is_cpp_too)};
  if (!have_compiler()) {
    print_message("skipped: no compiler " AP_CC "\n");
    return 77;
  }
  return cmocka_run_group_tests(tests, setup, teardown);
}
