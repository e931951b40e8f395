/* Verdicts: equal, moved, explained; same, faster, slower, ambiguous. */
#include "history/judge.h"

#include <math.h>
#include <string.h>

#include "history/trend.h"
#include "tests/history/history_testing.h"

static ap_history *h;

static int fresh(void **state) {
  (void)history_fresh(state);
  must(ap_history_open(file, true, &h, &failure));
  return 0;
}

static int done(void **state) {
  (void)state;
  ap_history_close(h);
  h = NULL;
  return 0;
}

static void measured(const char *commit, double area, double time, double noise, size_t n,
                     uint64_t seed) {
  json_t *record = record_of(commit);
  put_model(record, "cost lenet5", "area_mm2", area);
  if (n) put_times(record, "bench a", time, noise, n, seed);
  add_record(h, record);
}

static ap_report *judged(const char *before, const char *after) {
  ap_judge_options options = ap_judge_defaults();
  ap_report *r = NULL;
  must(ap_history_judge(h, MACHINE, before, after, &options, &r, &failure));
  return r;
}

static ap_verdict verdict_of(const ap_report *r, const char *series) {
  for (size_t i = 0; i < r->n; i++) {
    if (strcmp(r->changes[i].series, series) == 0) return r->changes[i].verdict;
  }
  fail_msg("%s is not in the report", series);
  return AP_VERDICT_EQUAL;
}

static void expect(const char *before, const char *after, ap_verdict area, ap_verdict time,
                   bool regression) {
  ap_report *r = judged(before, after);
  assert_int_equal(verdict_of(r, "cost lenet5"), area);
  assert_int_equal(verdict_of(r, "bench a"), time);
  assert_int_equal(r->regression, regression);
  ap_report_destroy(r);
}

static void timings(void **state) {
  (void)state;
  measured("base", 1, 2.0, 0.02, 9, 1);
  measured("same", 1, 2.0, 0.02, 9, 2);
  measured("slow", 1, 2.4, 0.02, 9, 3);
  measured("fast", 1, 1.6, 0.02, 12, 4);
  measured("few", 1, 2.4, 0.02, 8, 5);    /* too few to tell */
  measured("noisy", 1, 2.3, 0.6, 9, 16);  /* a large difference in a lot of noise */
  measured("bit", 1, 2.04, 0.001, 20, 7); /* certain, but small */
  expect("base", "same", AP_VERDICT_EQUAL, AP_VERDICT_SAME, false);
  expect("base", "slow", AP_VERDICT_EQUAL, AP_VERDICT_SLOWER, true);
  expect("base", "fast", AP_VERDICT_EQUAL, AP_VERDICT_FASTER, false);
  expect("base", "few", AP_VERDICT_EQUAL, AP_VERDICT_AMBIGUOUS, false);
  expect("base", "noisy", AP_VERDICT_EQUAL, AP_VERDICT_AMBIGUOUS, false);
  expect("base", "bit", AP_VERDICT_EQUAL, AP_VERDICT_SAME, false);
  measured("few", 1, 2.4, 0.02, 8, 8); /* measured again: repetitions add up */
  expect("base", "few", AP_VERDICT_EQUAL, AP_VERDICT_SLOWER, true);
}

static void modelled_metrics_are_exact(void **state) {
  ap_report *r;
  (void)state;
  measured("a", 1, 1, 0.01, 9, 1);
  measured("b", nextafter(1, 2), 1, 0.01, 9, 2);
  expect("a", "b", AP_VERDICT_MOVED, AP_VERDICT_SAME, true);
  must(ap_history_add_note(h, "b", "other*", "*", "not this one", &failure));
  expect("a", "b", AP_VERDICT_MOVED, AP_VERDICT_SAME, true);
  must(ap_history_add_note(h, "b", "cost *", "area_*", "rounding of the sum", &failure));
  expect("a", "b", AP_VERDICT_EXPLAINED, AP_VERDICT_SAME, false);
  r = judged("a", "b");
  for (size_t i = 0; i < r->n; i++) {
    if (!r->changes[i].time) assert_string_equal(r->changes[i].note, "rounding of the sum");
  }
  ap_report_destroy(r);
  /* Later commits with the accepted value are explained against the old one, others are not. */
  measured("c", nextafter(1, 2), 1, 0.01, 9, 3);
  measured("d", 1.5, 1, 0.01, 9, 3);
  expect("a", "c", AP_VERDICT_EXPLAINED, AP_VERDICT_SAME, false);
  expect("b", "c", AP_VERDICT_EQUAL, AP_VERDICT_SAME, false);
  expect("a", "d", AP_VERDICT_MOVED, AP_VERDICT_SAME, true);
  expect("c", "d", AP_VERDICT_MOVED, AP_VERDICT_SAME, true);
}

static void what_comes_and_goes(void **state) {
  json_t *record = record_of("a"), *json;
  ap_report *r;
  (void)state;
  put_model(record, "left", "m", 1);
  put_model(record, "old", "m", 1);
  add_record(h, record);
  record = record_of("b");
  put_model(record, "left", "m", 1);
  put_model(record, "young", "m", 1);
  add_record(h, record);
  r = judged("a", "b");
  assert_int_equal(r->n, 3);
  assert_int_equal(verdict_of(r, "left"), AP_VERDICT_EQUAL);
  assert_int_equal(verdict_of(r, "old"), AP_VERDICT_GONE);
  assert_int_equal(verdict_of(r, "young"), AP_VERDICT_NEW);
  assert_false(r->regression);
  json = ap_report_to_json(r);
  assert_int_equal(json_array_size(json_object_get(json, "changes")), 3);
  assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "counts"), "gone")), 1);
  json_decref(json);
  ap_report_destroy(r);
}

static void a_changed_configuration_is_named(void **state) {
  ap_report *r;
  (void)state;
  for (int i = 0; i < 2; i++) {
    json_t *record = record_of(i ? "b" : "a");
    json_t *configuration = json_pack("{s:s, s:i}", "hardware_sha256", i ? "ff" : "00", "seed", 1);
    json_t *series = ap_history_record_series(record, "s", configuration);
    assert_true(ap_history_series_model(series, "m", "", i));
    json_decref(configuration);
    add_record(h, record);
  }
  r = judged("a", "b");
  assert_int_equal(r->n, 1);
  assert_int_equal(r->changes[0].verdict, AP_VERDICT_MOVED);
  assert_string_equal(r->changes[0].note, "configuration differs in hardware_sha256");
  ap_report_destroy(r);
}

/* 40 benchmarks, nothing changed, ten times: Holm's correction keeps false alarms away. */
static void many_rows_make_no_alarms(void **state) {
  size_t alarms = 0;
  (void)state;
  for (uint64_t night = 0; night < 10; night++) {
    char commit[16], series[16];
    json_t *record;
    (void)snprintf(commit, sizeof commit, "n%d", (int)night);
    record = record_of(commit);
    for (uint64_t i = 0; i < 40; i++) {
      (void)snprintf(series, sizeof series, "b%02d", (int)i);
      put_times(record, series, 1, 0.15, 9, 100 * night + i);
    }
    add_record(h, record);
    if (night > 0) {
      char before[16];
      ap_report *r;
      (void)snprintf(before, sizeof before, "n%d", (int)night - 1);
      r = judged(before, commit);
      alarms += r->counts[AP_VERDICT_SLOWER] + r->counts[AP_VERDICT_FASTER];
      ap_report_destroy(r);
    }
  }
  assert_true(alarms == 0);
}

/* Quartiles by hand: of 1 2 3 4 5: 2, 3, 4. Rows by series, metric, commit; patterns; the limit. */
static void trends_have_bands_and_verdicts(void **state) {
  const double values[] = {4, 1, 5, 2, 3};
  ap_trend_options options = {.limit = 10, .judge = ap_judge_defaults()};
  json_t *rows = NULL, *list, *record, *series;
  (void)state;
  measured("c1", 1, 2, 0.01, 9, 1);
  measured("c2", 1, 3, 0.01, 9, 2);
  record = record_of("c3");
  put_model(record, "cost lenet5", "area_mm2", 2);
  series = ap_history_record_series(record, "bench b", NULL);
  list = json_array();
  for (size_t i = 0; i < 5; i++) (void)json_array_append_new(list, json_real(values[i]));
  (void)json_array_append_new(json_object_get(series, "metrics"),
                              json_pack("{s:s, s:s, s:s, s:o}", "name", "real_time", "kind", "time",
                                        "unit", "s", "values", list));
  add_record(h, record);
  must(ap_history_trend(h, MACHINE, &options, &rows, &failure));
  assert_int_equal(json_array_size(rows), 6); /* bench a: 2, bench b: 1, cost: 3 */
  assert_string_equal(json_string_value(json_object_get(json_array_get(rows, 1), "verdict")),
                      "slower");
  assert_true(json_number_value(json_object_get(json_array_get(rows, 2), "low")) == 2);
  assert_true(json_number_value(json_object_get(json_array_get(rows, 2), "value")) == 3);
  assert_true(json_number_value(json_object_get(json_array_get(rows, 2), "high")) == 4);
  assert_string_equal(json_string_value(json_object_get(json_array_get(rows, 4), "verdict")),
                      "equal");
  assert_string_equal(json_string_value(json_object_get(json_array_get(rows, 5), "verdict")),
                      "moved");
  assert_int_equal(json_integer_value(json_object_get(json_array_get(rows, 5), "place")), 2);
  json_decref(rows);
  options.metric = "@(area_mm2|other)";
  options.limit = 2;
  must(ap_history_trend(h, MACHINE, &options, &rows, &failure));
  assert_int_equal(json_array_size(rows), 2);
  assert_string_equal(json_string_value(json_object_get(json_array_get(rows, 0), "commit")), "c2");
  json_decref(rows);
}

static void bad_options_are_refused(void **state) {
  ap_judge_options o = ap_judge_defaults();
  ap_report *r = NULL;
  (void)state;
  o.level = 0;
  assert_int_equal(ap_history_judge(h, MACHINE, "a", "b", &o, &r, &failure), AP_ERR_ARG);
  o = ap_judge_defaults();
  o.repetitions = 1;
  assert_int_equal(ap_history_judge(h, MACHINE, "a", "b", &o, &r, &failure), AP_ERR_ARG);
  assert_null(r);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(timings, fresh, done),
      cmocka_unit_test_setup_teardown(modelled_metrics_are_exact, fresh, done),
      cmocka_unit_test_setup_teardown(what_comes_and_goes, fresh, done),
      cmocka_unit_test_setup_teardown(a_changed_configuration_is_named, fresh, done),
      cmocka_unit_test_setup_teardown(many_rows_make_no_alarms, fresh, done),
      cmocka_unit_test_setup_teardown(trends_have_bands_and_verdicts, fresh, done),
      cmocka_unit_test_setup_teardown(bad_options_are_refused, fresh, done)};
  return cmocka_run_group_tests(tests, history_setup, history_teardown);
}
