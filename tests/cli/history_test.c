/* --record and `autoprune history`, as a nightly script uses them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/cli/command.h"

#define MODEL "lenet5_fashion-mnist"

static int fresh(void **state) {
  (void)state;
  (void)unlink("h.sqlite");
  (void)unlink("autoprune-history.sqlite");
  return 0;
}

/* n timings of about `ms` milliseconds, a few per mille apart. */
static void write_benchmark(const char *path, const char *commit, double ms, size_t n) {
  FILE *f = fopen(path, "w");
  assert_non_null(f);
  (void)fprintf(
      f,
      "{\"context\":{\"date\":\"d\",\"host_name\":\"h\",\"num_cpus\":2,\"executable\":\"x\","
      "\"autoprune_commit\":\"%s\"},\"benchmarks\":[",
      commit);
  for (size_t i = 0; i < n; i++) {
    (void)fprintf(
        f,
        "%s{\"name\":\"b\",\"run_name\":\"b\",\"run_type\":\"iteration\",\"real_time\":%.17g,"
        "\"time_unit\":\"ms\"}",
        i ? "," : "", ms * (1 + 0.001 * (double)i));
  }
  (void)fprintf(f, "]}");
  assert_int_equal(fclose(f), 0);
}

static void import(const char *commit, double ms, size_t n) {
  write_benchmark("b.json", commit, ms, n);
  command_good(WORDS("history", "import", "b.json", "--file", "h.sqlite", "--quiet"));
}

static json_int_t count(const json_t *report, const char *verdict) {
  return json_integer_value(json_object_get(json_object_get(report, "counts"), verdict));
}

static void results_are_recorded(void **state) {
  json_t *shown, *values, *listed;
  const char *priced[] = {"area_mm2", "crossbars", "energy_uj", "index_bits", "latency_us"};
  (void)state;
  command_good(WORDS("cost", "--model", MODEL, "--keep", "0.5", "--record=h.sqlite"));
  command_good(WORDS("map", "--model", MODEL, "--record=h.sqlite", "--set", "array.rows=64"));
  listed = command_json(0, WORDS("history", "list", "--file", "h.sqlite", "--json"));
  assert_int_equal(json_array_size(json_object_get(listed, "runs")), 2);
  json_decref(listed);
  shown = command_json(0, WORDS("history", "show", "--file", "h.sqlite", "--json"));
  values = json_object_get(shown, "values");
  for (size_t m = 0; m < sizeof priced / sizeof priced[0]; m++) {
    size_t found = 0;
    for (size_t i = 0; i < json_array_size(values); i++) {
      const json_t *row = json_array_get(values, i);
      found += strcmp(json_string_value(json_object_get(row, "metric")), priced[m]) == 0 &&
               strcmp(json_string_value(json_object_get(row, "series")),
                      "cost " MODEL " hw=ou column-vector keep=0.5") == 0;
    }
    assert_int_equal(found, 1);
  }
  json_decref(shown);
  command_good(WORDS("map", "--model", MODEL, "--record")); /* the default file */
  assert_int_equal(access("autoprune-history.sqlite", F_OK), 0);
}

static void the_same_result_is_equal(void **state) {
  json_t *report;
  (void)state;
  command_good(WORDS("cost", "--model", MODEL, "--record=h.sqlite"));
  /* the first commit has nothing to compare with */
  report = command_json(0, WORDS("history", "check", "--file", "h.sqlite", "--json"));
  assert_true(json_is_null(json_object_get(report, "before")));
  json_decref(report);
  import("c1", 5, 9);
  import("c2", 5, 9);
  report = command_json(0, WORDS("history", "check", "--file", "h.sqlite", "--json", "--all"));
  assert_int_equal(count(report, "same"), 1);
  json_decref(report);
}

static void a_regression_is_status_1(void **state) {
  json_t *report;
  command_result r;
  (void)state;
  import("c1", 5, 9);
  import("c2", 6, 9);
  report = command_json(1, WORDS("history", "check", "--file", "h.sqlite", "--json"));
  assert_int_equal(count(report, "slower"), 1);
  json_decref(report);
  r = command_run(NULL, WORDS("history", "check", "--file", "h.sqlite", "--against", "c1"));
  assert_int_equal(r.status, 1);
  assert_non_null(strstr(r.out, "slower     bench b: real_time 0.00502 -> 0.006024 s (+20 %)"));
  command_release(&r);
  report = command_json(0, WORDS("history", "compare", "c2", "c1", "--file", "h.sqlite", "--json"));
  assert_int_equal(count(report, "faster"), 1);
  json_decref(report);
  report =
      command_json(0, WORDS("history", "check", "--file", "h.sqlite", "--effect", "0.5", "--json"));
  assert_int_equal(count(report, "same"), 1);
  json_decref(report);
}

/* Too few repetitions: the command of --rerun gives more, until there is a verdict. */
static void ambiguous_timings_are_measured_again(void **state) {
  json_t *report;
  char command[600];
  (void)state;
  import("c1", 5, 9);
  import("c2", 6, 5);
  report = command_json(0, WORDS("history", "check", "--file", "h.sqlite", "--json"));
  assert_int_equal(count(report, "ambiguous"), 1);
  json_decref(report);
  report = command_json(1, WORDS("history", "check", "--file", "h.sqlite", "--json", "--strict"));
  json_decref(report);
  write_benchmark("more.json", "c2", 6.1, 4);
  (void)snprintf(command, sizeof command, "%s history import more.json", AP_PROGRAM);
  report = command_json(
      1, WORDS("history", "check", "--file", "h.sqlite", "--json", "--quiet", "--rerun", command));
  assert_int_equal(count(report, "slower"), 1);
  json_decref(report);
  import("c3", 8, 5);
  command_bad("ended with status 3",
              WORDS("history", "check", "--file", "h.sqlite", "--quiet", "--rerun", "exit 3"));
}

static void moved_metrics_are_explained(void **state) {
  static const char record[] =
      "{\"schema\":\"autoprune-history-record-1\",\"kind\":\"k\",\"commit\":\"%s\",\"machine\":"
      "\"m\","
      "\"date\":\"d\",\"command\":\"\",\"series\":[{\"name\":\"cost a\",\"configuration\":{},"
      "\"metrics\":[{\"name\":\"area_mm2\",\"kind\":\"model\",\"unit\":\"mm2\",\"values\":[%s]}]}]"
      "}";
  json_t *report;
  (void)state;
  for (int i = 0; i < 2; i++) {
    char text[600];
    (void)snprintf(text, sizeof text, record, i ? "bbbb" : "aaaa", i ? "2.5" : "2");
    command_write("r.json", text, strlen(text));
    command_good(WORDS("history", "import", "r.json", "--file", "h.sqlite"));
  }
  report = command_json(1, WORDS("history", "check", "--file", "h.sqlite", "--json"));
  assert_int_equal(count(report, "moved"), 1);
  json_decref(report);
  command_good(
      WORDS("history", "explain", "wider buses", "--metric", "area*", "--file", "h.sqlite"));
  report = command_json(0, WORDS("history", "check", "--file", "h.sqlite", "--json"));
  assert_int_equal(count(report, "explained"), 1);
  json_decref(report);
}

/* The metrics of all series in a file, as text. */
static char *all_values(const char *file) {
  json_t *shown = command_json(0, WORDS("history", "show", "--file", file, "--json"));
  json_t *values = json_object_get(shown, "values");
  char *text;
  for (size_t i = json_array_size(values); i-- > 0;) { /* without times */
    const char *kind = json_string_value(json_object_get(json_array_get(values, i), "kind"));
    if (strcmp(kind, "time") == 0) (void)json_array_remove(values, i);
  }
  assert_true(json_array_size(values) > 0);
  text = json_dumps(values, JSON_SORT_KEYS | JSON_REAL_PRECISION(17));
  assert_non_null(text);
  json_decref(shown);
  return text;
}

/* Two runs of a search and an evaluation with one seed give the same numbers, policy
 * included; another seed does not. */
static void seeded_results_repeat(void **state) {
  static const char *const files[] = {"--record=1.sqlite", "--record=2.sqlite",
                                      "--record=3.sqlite"};
  static const char *const outs[] = {"s1", "s2", "s3"}, *const seeds[] = {"5", "5", "6"};
  char *first, *second, *third;
  (void)state;
  command_write_images("images", 4500, 60);
  for (int i = 0; i < 3; i++) {
    command_good(WORDS("eval", "--model", MODEL, "--data", "images", files[i]));
    command_good(WORDS("search", "--model", MODEL, "--data", "images", "--searcher", "random",
                       "--episodes", "4", "--images", "100", "--max-loss", "1", "--no-repair",
                       "--seed", seeds[i], "--out", outs[i], files[i]));
  }
  first = all_values("1.sqlite");
  second = all_values("2.sqlite");
  third = all_values("3.sqlite");
  assert_string_equal(first, second);
  assert_non_null(strstr(first, "policy_fingerprint"));
  assert_string_not_equal(first, third);
  free(first);
  free(second);
  free(third);
}

static void export_writes_csv_once(void **state) {
  char text[400] = "";
  FILE *f;
  (void)state;
  import("c1", 5, 9);
  import("c2", 6, 9);
  command_good(WORDS("history", "export", "--out", "t.csv", "--file", "h.sqlite"));
  f = fopen("t.csv", "r");
  assert_non_null(f);
  assert_non_null(fgets(text, sizeof text, f));
  assert_string_equal(text, "# machine: h, 2 processors\n");
  assert_non_null(fgets(text, sizeof text, f));
  assert_string_equal(text,
                      "panel,series,metric,kind,unit,place,commit,n,value,low,high,verdict\n");
  assert_non_null(fgets(text, sizeof text, f));
  assert_non_null(fgets(text, sizeof text, f));
  assert_int_equal(strncmp(text, "1,bench b,real_time,time,s,1,c2,9,0.006024", 42), 0);
  assert_non_null(strstr(text, ",slower\n"));
  assert_null(fgets(text, sizeof text, f));
  (void)fclose(f);
  command_bad("t.csv", WORDS("history", "export", "--out", "t.csv", "--file", "h.sqlite"));
  command_bad("--out is needed", WORDS("history", "export", "--file", "h.sqlite"));
  command_good(WORDS("history", "export", "--out", "t.csv", "--file", "h.sqlite", "--force"));
}

/* A name with an escape in it reaches the terminal without. */
static void notes_are_one_clean_line(void **state) {
  command_result r = command_run(NULL, WORDS("cost", "--model", MODEL, "--record=a\x1b[31m\nb"));
  (void)state;
  assert_int_equal(r.status, 0);
  assert_non_null(strstr(r.err, "recorded in a [31m b as run 1"));
  command_release(&r);
  assert_int_equal(unlink("a\x1b[31m\nb"), 0);
}

static void bad_wishes_are_one_line(void **state) {
  (void)state;
  command_bad("no such file", WORDS("history", "list", "--file", "h.sqlite"));
  command_bad("./: is a directory", WORDS("history", "list", "--file", "./"));
  command_bad("list, show, compare, check, explain, export or import", WORDS("history", "burn"));
  command_bad("a word is missing", WORDS("history"));
  import("c1", 5, 9);
  command_bad("h.sqlite: commit zz is not recorded",
              WORDS("history", "compare", "zz", "c1", "--file", "h.sqlite"));
  command_bad("two commits are expected", WORDS("history", "compare", "c1", "--file", "h.sqlite"));
  command_bad("--series or --metric", WORDS("history", "explain", "why", "--file", "h.sqlite"));
  command_write("x.json", "{\"a\":1}", 7);
  command_bad("x.json: member \"schema\"",
              WORDS("history", "import", "x.json", "--file", "h.sqlite"));
  command_write("y.json", "[1]", 3);
  command_bad("y.json", WORDS("history", "import", "y.json", "--file", "h.sqlite"));
  command_write("not.sqlite", "this is no database but a text that goes on and on and on", 56);
  command_bad("not.sqlite", WORDS("history", "list", "--file", "not.sqlite"));
  command_bad("--record: not.sqlite",
              WORDS("map", "--model", MODEL, "--record=not.sqlite")); /* before any work */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(results_are_recorded, fresh),
      cmocka_unit_test_setup(the_same_result_is_equal, fresh),
      cmocka_unit_test_setup(a_regression_is_status_1, fresh),
      cmocka_unit_test_setup(ambiguous_timings_are_measured_again, fresh),
      cmocka_unit_test_setup(moved_metrics_are_explained, fresh),
      cmocka_unit_test_setup(seeded_results_repeat, fresh),
      cmocka_unit_test_setup(export_writes_csv_once, fresh),
      cmocka_unit_test_setup(notes_are_one_clean_line, fresh),
      cmocka_unit_test_setup(bad_wishes_are_one_line, fresh)};
  return cmocka_run_group_tests(tests, command_setup, command_teardown);
}
