/* Claims on tables made here: both outcomes, what is not tested, reasons that the tables back and none that they
 * do not; and the leaderboard's order. */
#include "bench/claims.h"

#include <math.h>

#include "base/file.h"
#include "bench/leaderboard.h"
#include "tests/bench/bench_testing.h"

#define COLUMNS                                                                                 \
  "network,data,suite,division,open_because,method,crossbar,ou,n,within_limit,accuracy_test,"   \
  "accuracy_loss,macs_compression,crossbars_dense,crossbars_compression,crossbars_compression_" \
  "low,"                                                                                        \
  "crossbars_compression_high,area_efficiency,energy_efficiency,compression_vs_pim,"            \
  "compression_vs_pim_low,compression_vs_pim_high,area_efficiency_vs_pim,"                      \
  "energy_efficiency_vs_pim,accuracy_test_vs_pim\n"

/* macs, compression (interval 0.5 either way), area, energy, over pim: compression, area, energy, accuracy */
static void row(FILE *f, const char *network, const char *method, double within,
                const double v[8]) {
  (void)fprintf(f,
                "%s,toy,paper,closed,,%s,128x128,9x8,3,%g,0.9,0.005,%g,120,%g,%g,%g,%g,%g,%g,%g,%g,"
                "%g,%g,%g\n",
                network, method, within, v[0], v[1], v[1] - 0.5, v[1] + 0.5, v[2], v[3], v[4],
                v[4] - 0.25, v[4] + 0.25, v[5], v[6], v[7]);
}

static FILE *summary(const char *folder) {
  char path[300];
  FILE *f;
  must(ap_dir_create(folder, &failure));
  (void)snprintf(path, sizeof path, "%s/summary.csv", folder);
  f = fopen(path, "wb");
  assert_non_null(f);
  (void)fprintf(f,
                "# suite: paper\n# commit: 0123456789abcdef\n"
                "# left_out: [\"vgg16 is left out: no checkpoint\"]\n" COLUMNS);
  return f;
}

static const json_t *claim(const json_t *judged, const char *id) {
  const json_t *claims = json_object_get(judged, "claims");
  for (size_t i = 0; i < json_array_size(claims); i++) {
    const json_t *one = json_array_get(claims, i);
    if (strcmp(json_string_value(json_object_get(one, "id")), id) == 0) return one;
  }
  fail_msg("no claim %s", id);
  return NULL;
}

static const char *member(const json_t *judged, const char *id, const char *name) {
  return json_string_value(json_object_get(claim(judged, id), name));
}

static double value(const json_t *judged, const char *id, const char *name) {
  return json_number_value(json_object_get(claim(judged, id), name));
}

static bool gives_reason(const json_t *judged, const char *id, const char *text) {
  const json_t *reasons = json_object_get(claim(judged, id), "reasons");
  for (size_t i = 0; i < json_array_size(reasons); i++) {
    if (strstr(json_string_value(json_array_get(reasons, i)), text)) return true;
  }
  return false;
}

static char *printed(const json_t *judged) {
  char *text = NULL;
  size_t size = 0;
  FILE *f = open_memstream(&text, &size);
  assert_non_null(f);
  ap_claims_print(judged, f);
  assert_int_equal(fclose(f), 0);
  return text;
}

/* All that was published, and more: every claim holds, on two networks of which the better one decides. */
static void all_hold(void **state) {
  const char *folder = scratch_path("good");
  FILE *f = summary(folder);
  static const double pim[] = {3, 3, 3, 3, 1, 1, 1, 0}, uniform[] = {4, 5, 4, 4, 1.7, 1.5, 1.4, 0};
  static const double random[] = {5, 7, 6, 5, 2.4, 2.2, 2, 0};
  static const double best[] = {9, 12, 11, 10, 4, 3.7, 3.4, 0.001},
                      fair[] = {6, 9, 8, 7, 3, 2.6, 2.3, -0.004};
  json_t *judged = NULL;
  char *text;
  (void)state;
  for (int i = 0; i < 2; i++) {
    const char *network = i ? "second" : "first";
    row(f, network, "pim-prune", 1, pim);
    row(f, network, "column-vector", 1, uniform);
    row(f, network, "random", 1, random);
    row(f, network, "auto-prune", 1, i ? best : fair);
  }
  assert_int_equal(fclose(f), 0);
  must(ap_claims_judge(folder, &judged, &failure));
  assert_int_equal(json_integer_value(json_object_get(judged, "not_reproduced")), 0);
  assert_int_equal(json_integer_value(json_object_get(judged, "not_tested")), 0);
  assert_string_equal(member(judged, "compression", "outcome"), "reproduced");
  assert_string_equal(member(judged, "compression", "network"), "second");
  assert_true(value(judged, "compression", "value") == 4);
  assert_true(fabs(value(judged, "compression", "by") - 0.7) < 1e-12);
  assert_true(value(judged, "compression", "low") == 3.75);
  assert_string_equal(member(judged, "accuracy", "network"), "first"); /* the worst decides */
  assert_int_equal(json_array_size(json_object_get(claim(judged, "compression"), "networks")), 2);
  text = printed(judged);
  assert_non_null(strstr(text, "REPRODUCED: up to 3.3x compression rate"));
  assert_non_null(strstr(text, "4.00x (3.75 to 4.25, 3 seeds) on second, 0.70x above 3.30x"));
  assert_non_null(strstr(text, "not tested on a network: vgg16 is left out"));
  assert_null(strstr(text, "NOT REPRODUCED"));
  assert_null(strstr(text, "chance"));
  free(text);
  json_decref(judged);
  remove_tree(folder);
}

/* Short of everything, with the reasons that the rows show: the search is not what limits the compression (random
 * has more), energy goes with the MACs, the intervals of auto-prune and random touch. */
static void none_holds(void **state) {
  char folder[128], path[200];
  FILE *f;
  static const double pim[] = {2.5, 4, 3.9, 2.6, 1, 1, 1, 0};
  static const double uniform[] = {2.4, 4.5, 4, 2.5, 1.1, 1, 0.9, 0};
  static const double random[] = {1.8, 5.2, 5, 1.9, 1.3, 1.2, 0.7, 0};
  static const double mine[] = {1.7, 4.8, 4.5, 1.75, 1.2, 1.15, 0.66, -0.02};
  json_t *judged = NULL;
  char *text;
  (void)state;
  (void)snprintf(folder, sizeof folder, "%s", scratch_path("bad"));
  f = summary(folder);
  row(f, "first", "pim-prune", 1, pim);
  row(f, "first", "column-vector", 1, uniform);
  row(f, "first", "random", 1, random);
  row(f, "first", "auto-prune", 0.67, mine);
  assert_int_equal(fclose(f), 0);
  must(ap_claims_judge(folder, &judged, &failure));
  assert_int_equal(json_integer_value(json_object_get(judged, "reproduced")), 0);
  assert_true(fabs(value(judged, "compression", "by") + 2.1) < 1e-12);
  assert_true(gives_reason(judged, "compression", "the best is random with 1.30x"));
  assert_true(gives_reason(judged, "compression", "13.2x over dense, 9.1 of 120 crossbars"));
  assert_true(gives_reason(judged, "energy", "follows the MACs"));
  assert_true(gives_reason(judged, "ahead", "intervals over the seeds touch"));
  assert_true(gives_reason(judged, "learning", "auto-prune has 4.80x on first, random 5.20x"));
  assert_false(gives_reason(judged, "energy", "converter")); /* there is no laws.csv */
  text = printed(judged);
  assert_non_null(strstr(text, "1.20x (0.95 to 1.45, 3 seeds) on first, 2.10x short of 3.30x"));
  assert_non_null(
      strstr(text, "-2.00 points (3 seeds) on first, 1.50 points short of -0.50 points"));
  assert_non_null(strstr(text, "no reason that these tables show")); /* of accuracy */
  free(text);
  json_decref(judged);
  (void)snprintf(path, sizeof path, "%s/laws.csv", folder);
  f = fopen(path, "wb");
  assert_non_null(f);
  (void)fputs(
      "network,method,seed,law,area_efficiency_vs_pim,energy_efficiency_vs_pim\n"
      "first,auto-prune,1,isaac,1.2,0.6\nfirst,auto-prune,2,isaac,1.2,0.8\n"
      "first,auto-prune,1,sre,1.1,3.2\nfirst,auto-prune,2,sre,1.1,3.6\n",
      f);
  assert_int_equal(fclose(f), 0);
  must(ap_claims_judge(folder, &judged, &failure));
  assert_true(gives_reason(judged, "energy",
                           "depends on the converter's law: 3.40x under sre, from 0.70x"));
  assert_true(gives_reason(judged, "area", "does not decide it: 1.10x to 1.20x"));
  json_decref(judged);
  remove_tree(folder);
}

/* Energy that is far from what the MACs would give gets no such reason. */
static void no_reason_without_ground(void **state) {
  char folder[128];
  static const double pim[] = {2, 4, 4, 4, 1, 1, 1, 0}, mine[] = {2, 8, 7, 6, 2, 1.8, 1.5, 0};
  json_t *judged = NULL;
  FILE *f;
  (void)state;
  (void)snprintf(folder, sizeof folder, "%s", scratch_path("groundless"));
  f = summary(folder);
  row(f, "first", "pim-prune", 1, pim);
  row(f, "first", "auto-prune", 1, mine);
  assert_int_equal(fclose(f), 0);
  must(ap_claims_judge(folder, &judged, &failure));
  assert_string_equal(member(judged, "energy", "outcome"), "not reproduced");
  assert_false(gives_reason(judged, "energy", "follows the MACs"));
  assert_string_equal(member(judged, "learning", "outcome"), "not tested"); /* no random search */
  assert_string_equal(member(judged, "granularity", "outcome"), "not tested");
  assert_true(json_is_null(json_object_get(claim(judged, "learning"), "value")));
  assert_string_equal(member(judged, "ahead", "outcome"), "reproduced");
  json_decref(judged);
  remove_tree(folder);
}

static void nothing_to_test(void **state) {
  char folder[128];
  json_t *judged = NULL;
  char *text;
  (void)state;
  (void)snprintf(folder, sizeof folder, "%s", scratch_path("empty"));
  assert_int_equal(fclose(summary(folder)), 0);
  must(ap_claims_judge(folder, &judged, &failure));
  assert_int_equal(json_integer_value(json_object_get(judged, "not_tested")), 9);
  text = printed(judged);
  assert_non_null(strstr(text, "NOT TESTED"));
  free(text);
  json_decref(judged);
  remove_tree(folder);
  assert_int_equal(ap_claims_judge(scratch_path("absent"), &judged, &failure), AP_ERR_IO);
  assert_null(judged);
  must(ap_dir_create(folder, &failure));
  (void)snprintf(folder + strlen(folder), sizeof folder - strlen(folder), "/summary.csv");
  must(ap_file_write(folder, "a,b\n1,2\n", 8, true, &failure));
  *strrchr(folder, '/') = 0;
  assert_int_equal(ap_claims_judge(folder, &judged, &failure), AP_ERR_ARG);
  remove_tree(folder);
}

/* A field that is there and wrong is neither absent nor passed over, by claims and leaderboard alike. */
static void broken_numbers_are_refused(void **state) {
  static const struct {
    const char *column, *field, *says;
  } cases[] = {{"compression_vs_pim", "abc", "'abc', a number of 1e-09 to 1e+09 is expected"},
               {"compression_vs_pim", "1e308", "'1e308'"},
               {"compression_vs_pim", "0", "'0'"},
               {"compression_vs_pim_low", "1.2.3", "'1.2.3'"},
               {"crossbars_compression", "nan", "'nan'"},
               {"area_efficiency", "-2", "'-2'"},
               {"accuracy_test", "700", "'700', a number of 0 to 1 is expected"},
               {"accuracy_loss", "-1.5", "'-1.5', a number of -1 to 1"},
               {"within_limit", "yes", "'yes'"},
               {"n", "-3", "'-3'"}};
  char folder[128], path[200], text[300];
  const char *folders[1] = {folder};
  json_t *judged = NULL;
  (void)state;
  (void)snprintf(folder, sizeof folder, "%s", scratch_path("broken"));
  must(ap_dir_create(folder, &failure));
  (void)snprintf(path, sizeof path, "%s/summary.csv", folder);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    (void)snprintf(text, sizeof text, "# suite: x\nnetwork,method,%s\nn,m,\nn,m,%s\n",
                   cases[i].column, cases[i].field);
    must(ap_file_write(path, text, strlen(text), true, &failure));
    (void)snprintf(text, sizeof text, "summary.csv, line 4, column \"%s\": ", cases[i].column);
    assert_int_equal(ap_claims_judge(folder, &judged, &failure), AP_ERR_FORMAT);
    if (!strstr(failure.text, text)) fail_msg("%s", failure.text);
    if (!strstr(failure.text, cases[i].says)) fail_msg("%s", failure.text);
    assert_int_equal(ap_leaderboard_write(folders, 1, stderr, &failure), AP_ERR_FORMAT);
    if (!strstr(failure.text, text)) fail_msg("%s", failure.text);
  }
  assert_int_equal(fclose(summary(folder)), 0);
  (void)snprintf(path, sizeof path, "%s/laws.csv", folder);
  must(ap_file_write(path, "network,law,area_mm2\nn,isaac,-1\n", 32, true, &failure));
  assert_int_equal(ap_claims_judge(folder, &judged, &failure), AP_ERR_FORMAT);
  assert_non_null(strstr(failure.text, "laws.csv, line 2, column \"area_mm2\""));
  remove_tree(folder);
}

/* ---- leaderboard ---- */

static __attribute__((noinline)) char *board(const char *const *folders, size_t n) {
  char *text = NULL;
  size_t size = 0;
  FILE *f = open_memstream(&text, &size);
  assert_non_null(f);
  must(ap_leaderboard_write(folders, n, f, &failure));
  assert_int_equal(fclose(f), 0);
  return text;
}

static void ranks(void **state) {
  char one[128], two[128], path[200];
  const char *folders[2] = {one, two}, *absent[1] = {"/nowhere/at-all"};
  static const double slow[] = {2, 4, 3, 2, 1, 1, 1, 0}, fast[] = {3, 8, 6, 2, 2, 2, 1, 0};
  static const double wild[] = {3, 20, 9, 9, 5, 5, 5, 0};
  FILE *f;
  char *text;
  const char *at;
  (void)state;
  (void)snprintf(one, sizeof one, "%s", scratch_path("one"));
  (void)snprintf(two, sizeof two, "%s", scratch_path("two"));
  f = summary(one);
  row(f, "net", "pim-prune", 1, slow);
  row(f, "net", "greedy", 0.5, wild);
  assert_int_equal(fclose(f), 0);
  f = summary(two);
  row(f, "net", "mine", 1, fast);
  row(f, "net", "twin", 1, fast);
  row(f, "net", "pim-prune", 1, slow); /* as in the other folder */
  (void)fputs(
      "net,toy,paper,open,loss limit "
      "0.05,loose,128x128,9x8,1,1,0.8,0.04,2,120,30,,,9,9,5,,,5,5,0\n",
      f);
  (void)fputs("net,toy,paper,closed,,broken,128x128,9x8,0,,,,,,,,,,,,,,,,\n", f);
  assert_int_equal(fclose(f), 0);
  text = board(folders, 2);
  assert_non_null(strstr(text, "## Closed division"));
  assert_non_null(strstr(text, "### net on toy, suite paper, crossbars 128x128, OU 9x8"));
  assert_non_null(strstr(text, "\n| 1 | mine | 3 | 8.00 ± 0.50x | 6.00x | 2.00x |"));
  assert_non_null(strstr(text, "\n| 1 | twin |"));
  assert_non_null(strstr(text, "\n| 3 | pim-prune |"));
  assert_non_null(strstr(text, "| one, two | 0123456789ab |"));
  at = strstr(text, "| pim-prune |");
  assert_null(strstr(at + 1, "| pim-prune |")); /* once */
  assert_non_null(strstr(text, "\n| limit not met | greedy |"));
  assert_non_null(strstr(text, "## Open division"));
  assert_non_null(strstr(text, "\n| 1 | loose | 1 | 30.00x |"));
  assert_non_null(strstr(text, "| two | 0123456789ab | loss limit 0.05 |"));
  assert_true(strstr(text, "## Closed") < strstr(text, "## Open"));
  assert_non_null(strstr(text, "|\n\n- broken failed: why is in table.md of two\n")); /* no rank */
  free(text);
  assert_int_equal(ap_leaderboard_write(absent, 1, stderr, &failure), AP_ERR_IO);
  assert_int_equal(ap_leaderboard_write(NULL, 0, stderr, &failure), AP_ERR_ARG);
  (void)snprintf(path, sizeof path, "%s/summary.csv", one);
  must(ap_file_write(path, "network,method\nn,m\n", 19, true, &failure));
  assert_int_equal(ap_leaderboard_write(folders, 1, stderr, &failure), AP_ERR_ARG);
  assert_non_null(strstr(failure.text, "no column data"));
  remove_tree(one);
  remove_tree(two);
}

/* Two people's plug-ins of one name, in folders of one name; failures among them. */
static void rows_are_told_apart(void **state) {
  char one[128], two[128], expected[300];
  const char *folders[2] = {one, two};
  static const double v[] = {2, 4, 3, 2, 1, 1, 1, 0};
  FILE *f;
  char *text;
  (void)state;
  for (int i = 0; i < 2; i++) {
    (void)snprintf(i ? two : one, sizeof one, "%s", scratch_path(i ? "y/mine" : "x/mine"));
    f = summary(folders[i]);
    row(f, "net", "a|b", i ? 0.5 : 1, v);
    if (i) (void)fputs("other,toy,paper,closed,,a|b,128x128,9x8,0,,,,,,,,,,,,,,,,\n", f);
    assert_int_equal(fclose(f), 0);
  }
  text = board(folders, 2);
  for (int i = 0; i < 2; i++) {
    (void)snprintf(expected, sizeof expected, "| %s | 0123456789ab |", folders[i]);
    assert_non_null(strstr(text, expected));
  }
  assert_non_null(strstr(text, "\n| 1 | a\\|b | 3 |"));
  assert_non_null(strstr(text, "9x8\n\n- a\\|b failed: why is in table.md of /"));
  free(text);
  remove_tree(scratch_path("x"));
  remove_tree(scratch_path("y"));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(rows_are_told_apart),
                                     cmocka_unit_test(all_hold),
                                     cmocka_unit_test(none_holds),
                                     cmocka_unit_test(no_reason_without_ground),
                                     cmocka_unit_test(nothing_to_test),
                                     cmocka_unit_test(broken_numbers_are_refused),
                                     cmocka_unit_test(ranks)};
  return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
