/* Records and imports: what is taken, what is refused, and that damaged text is refused in good
 * order whatever was damaged. */
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "history/google_benchmark.h"
#include "tests/history/history_testing.h"

static const char BENCHMARK[] =
    "{\"context\":{\"date\":\"2026-01-02T03:04:05+00:00\",\"host_name\":\"vm\",\"executable\":"
    "\"x\","
    "\"num_cpus\":2,\"autoprune_commit\":\"abc\",\"autoprune_compiler\":\"GNU 12\"},"
    "\"benchmarks\":["
    "{\"name\":\"a/1\",\"run_name\":\"a/1\",\"run_type\":\"iteration\",\"repetition_index\":0,"
    "\"iterations\":10,\"real_time\":5.0e+02,\"cpu_time\":4.0e+02,\"time_unit\":\"ms\"},"
    "{\"name\":\"a/1\",\"run_name\":\"a/1\",\"run_type\":\"iteration\",\"repetition_index\":1,"
    "\"iterations\":10,\"real_time\":6.0e+02,\"cpu_time\":4.0e+02,\"time_unit\":\"ms\"},"
    "{\"name\":\"a/1_mean\",\"run_name\":\"a/1\",\"run_type\":\"aggregate\",\"aggregate_name\":"
    "\"mean\",\"iterations\":2,\"real_time\":5.5e+02,\"cpu_time\":4.0e+02,\"time_unit\":\"ms\"},"
    "{\"name\":\"b\",\"run_name\":\"b\",\"run_type\":\"iteration\",\"iterations\":3,\"real_time\":"
    "7,\"cpu_time\":7,\"time_unit\":\"ns\"},"
    "{\"name\":\"c\",\"run_name\":\"c\",\"run_type\":\"iteration\",\"error_occurred\":true,"
    "\"error_message\":\"no device\"}]}";

static json_t *parsed(const char *text, size_t n) {
  json_t *document = NULL;
  return ap_json_parse(text, n, "text", &document, NULL) ? NULL : document;
}

static void google_benchmarks_become_records(void **state) {
  json_t *document = parsed(BENCHMARK, strlen(BENCHMARK)), *record = NULL, *series, *values;
  (void)state;
  assert_true(ap_google_benchmark_meant(document));
  must(ap_google_benchmark_record(document, "b.json", NULL, NULL, &record, &failure));
  must(ap_history_record_check(record, "b.json", &failure));
  assert_string_equal(json_string_value(json_object_get(record, "commit")), "abc");
  assert_string_equal(json_string_value(json_object_get(record, "machine")), "vm, 2 processors");
  series = json_object_get(record, "series");
  assert_int_equal(json_array_size(series), 2); /* no aggregate, no skipped case */
  assert_string_equal(json_string_value(json_object_get(json_array_get(series, 0), "name")),
                      "bench a/1");
  values = json_object_get(json_array_get(json_object_get(json_array_get(series, 0), "metrics"), 0),
                           "values");
  assert_int_equal(json_array_size(values), 2);
  assert_true(fabs(json_number_value(json_array_get(values, 1)) - 0.6) < 1e-12);
  json_decref(record);
  must(ap_google_benchmark_record(document, "b.json", "def", "M", &record, &failure));
  assert_string_equal(json_string_value(json_object_get(record, "commit")), "def");
  assert_string_equal(json_string_value(json_object_get(record, "machine")), "M");
  json_decref(record);
  (void)json_object_del(json_object_get(document, "context"), "autoprune_commit");
  assert_int_equal(ap_google_benchmark_record(document, "b.json", NULL, NULL, &record, &failure),
                   AP_ERR_ARG);
  assert_non_null(strstr(failure.text, "--commit"));
  json_decref(document);
}

static void what_is_no_benchmark_is_refused(void **state) {
  static const char *const bad[] = {
      "{\"context\":{\"autoprune_commit\":\"a\"},\"benchmarks\":[]}",
      "{\"context\":{\"autoprune_commit\":\"a\"},\"benchmarks\":[3]}",
      "{\"context\":{\"autoprune_commit\":\"a\"},\"benchmarks\":[{\"name\":\"x\"}]}",
      "{\"context\":{\"autoprune_commit\":\"a\"},\"benchmarks\":[{\"name\":\"x\",\"real_time\":"
      "\"1\","
      "\"time_unit\":\"s\"}]}",
      "{\"context\":{\"autoprune_commit\":\"a\"},\"benchmarks\":[{\"name\":\"x\",\"real_time\":1,"
      "\"time_unit\":\"h\"}]}",
      "{\"context\":{\"autoprune_commit\":\"a\"},\"benchmarks\":[{\"name\":\"x\",\"real_time\":-1,"
      "\"time_unit\":\"s\"}]}"};
  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    json_t *document = parsed(bad[i], strlen(bad[i])), *record = NULL;
    assert_non_null(document);
    assert_int_equal(ap_google_benchmark_record(document, "f", NULL, NULL, &record, &failure),
                     AP_ERR_FORMAT);
    assert_null(record);
    assert_int_equal(strncmp(failure.text, "f:", 2), 0);
    json_decref(document);
  }
}

static void records_are_checked(void **state) {
  static const struct {
    const char *path[3]; /* member to replace; numbers index arrays */
    const char *with;    /* JSON; NULL: removed */
    const char *says;
  } cases[] = {
      {{"schema"}, "\"other\"", "schema"},
      {{"commit"}, "\"\"", "commit"},
      {{"machine"}, "7", "machine"},
      {{"date"}, NULL, "date"},
      {{"kind"}, "\"a\\nb\"", "control"},
      {{"series"}, "[]", "series"},
      {{"series"}, "[5]", "series[0]"},
      {{"series"}, "[{\"name\":\"x\",\"configuration\":{},\"metrics\":[]}]", "metrics"},
      {{"series"},
       "[{\"name\":\"x\",\"configuration\":3,\"metrics\":[{\"name\":\"m\",\"kind\":\"model\","
       "\"unit\":\"\",\"values\":[1]}]}]",
       "configuration"},
      {{"series"},
       "[{\"name\":\"x\",\"configuration\":{},\"metrics\":[{\"name\":\"m\",\"kind\":\"model\","
       "\"unit\":\"\",\"values\":[1,2]}]}]",
       "1 to 1"},
      {{"series"},
       "[{\"name\":\"x\",\"configuration\":{},\"metrics\":[{\"name\":\"m\",\"kind\":\"time\","
       "\"unit\":\"s\",\"values\":[1,0]}]}]",
       "values[1]"},
      {{"series"},
       "[{\"name\":\"x\",\"configuration\":{},\"metrics\":[{\"name\":\"m\",\"kind\":\"guess\","
       "\"unit\":\"s\",\"values\":[1]}]}]",
       "model or time"},
      {{"series"},
       "[{\"name\":\"x\",\"configuration\":{},\"metrics\":[{\"name\":\"m\",\"kind\":\"model\","
       "\"unit\":\"\",\"values\":[1]},{\"name\":\"m\",\"kind\":\"time\",\"unit\":\"s\",\"values\":["
       "2]}]}]",
       "r: series[0]: metrics[1]: metric \"m\" of series \"x\" is there twice"},
      {{"series"},
       "[{\"name\":\"x\",\"configuration\":{},\"metrics\":[{\"name\":\"m\",\"kind\":\"model\","
       "\"unit\":\"\",\"values\":[1]}]},{\"name\":\"x\",\"configuration\":{},\"metrics\":[{"
       "\"name\":"
       "\"m\",\"kind\":\"model\",\"unit\":\"\",\"values\":[1]}]}]",
       "r: series[1]: metrics[0]: metric \"m\" of series \"x\""}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    json_t *record = record_of("c1");
    put_model(record, "s", "m", 1);
    must(ap_history_record_check(record, "r", &failure));
    if (cases[i].with) {
      json_t *value = json_loads(cases[i].with, JSON_DECODE_ANY, NULL);
      assert_non_null(value);
      (void)json_object_set_new(record, cases[i].path[0], value);
    } else {
      (void)json_object_del(record, cases[i].path[0]);
    }
    assert_int_equal(ap_history_record_check(record, "r", &failure), AP_ERR_FORMAT);
    if (!strstr(failure.text, cases[i].says)) print_message("%s\n", failure.text);
    assert_non_null(strstr(failure.text, cases[i].says));
    json_decref(record);
  }
}

/* Values that are not finite are left out, a commit is no configuration. */
static void records_from_results(void **state) {
  json_t *provenance = json_pack("{s:s, s:s, s:i, s:s, s:s}", "commit", "c", "cpu", "P", "threads",
                                 4, "date", "d", "command", "autoprune x");
  json_t *record = ap_history_record_new("cost", provenance), *series;
  json_t *configuration = json_pack("{s:s, s:i}", "commit", "c", "seed", 1);
  (void)state;
  series = ap_history_record_series(record, "s", configuration);
  assert_true(ap_history_series_model(series, "a", "mm2", 1.5));
  assert_true(ap_history_series_model(series, "b", "", (double)NAN));
  assert_true(ap_history_series_time(series, "t", 2));
  must(ap_history_record_check(record, "r", &failure));
  assert_string_equal(json_string_value(json_object_get(record, "machine")), "P, 4 threads");
  assert_int_equal(json_array_size(json_object_get(series, "metrics")), 2);
  assert_int_equal(json_object_size(json_object_get(series, "configuration")), 1);
  json_decref(record);
  json_decref(configuration);
  json_decref(provenance);
}

/* Bytes changed, cut and doubled at random: an error with a text or a record that is one, no crash. */
static void damaged_imports_are_survived(void **state) {
  ap_rng rng;
  size_t good = 0, bad = 0;
  (void)state;
  ap_rng_seed(&rng, 20261125, 0);
  for (size_t round = 0; round < 6000; round++) {
    char text[4096];
    size_t n = strlen(BENCHMARK), edits = 1 + ap_rng_below(&rng, 4);
    json_t *document, *record = NULL;
    memcpy(text, BENCHMARK, n);
    for (size_t e = 0; e < edits; e++) {
      static const char bits[] = "{}[]\",:0-9eE.tnull\\ \x01\xff";
      size_t at = ap_rng_below(&rng, n);
      switch (ap_rng_below(&rng, 3)) {
        case 0:
          text[at] = bits[ap_rng_below(&rng, sizeof bits - 1)];
          break;
        case 1: /* cut a piece out */
          memmove(text + at, text + at + (n - at < 5 ? n - at : 5),
                  n - at - (n - at < 5 ? n - at : 5));
          n -= n - at < 5 ? n - at : 5;
          break;
        default: /* double a piece */
          if (n + 7 < sizeof text && n - at > 7) {
            memmove(text + at + 7, text + at, n - at);
            n += 7;
          }
      }
      if (n < 2) break;
    }
    document = parsed(text, n);
    failure.text[0] = '\0';
    if (document && ap_google_benchmark_meant(document) &&
        ap_google_benchmark_record(document, "f", NULL, NULL, &record, &failure) == AP_OK) {
      ap_status st = ap_history_record_check(record, "f", &failure);
      assert_true(st == AP_OK || (st == AP_ERR_FORMAT && failure.text[0]));
      good++;
    } else {
      bad++;
    }
    if (document && !record && ap_google_benchmark_meant(document)) assert_true(failure.text[0]);
    json_decref(record);
    json_decref(document);
  }
  assert_true(good > 100 && bad > 100);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(google_benchmarks_become_records),
      cmocka_unit_test(what_is_no_benchmark_is_refused), cmocka_unit_test(records_are_checked),
      cmocka_unit_test(records_from_results), cmocka_unit_test(damaged_imports_are_survived)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
