/* tests/history/history_testing.h - records made in a line, a history in a folder of its own. */
#ifndef AP_TESTS_HISTORY_HISTORY_TESTING_H
#define AP_TESTS_HISTORY_HISTORY_TESTING_H
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/rng.h"
#include "history/history.h"
#include "history/record.h"
#include "tests/base/testing.h"

#define MACHINE "test machine, 2 threads"

static ap_error failure;
static char scratch[64], file[96];

static inline void must(ap_status st) {
  if (st) print_error("%s: %s\n", ap_status_name(st), failure.text);
  assert_int_equal(st, AP_OK);
}

static inline int history_setup(void **state) {
  (void)state;
  (void)snprintf(scratch, sizeof scratch, "/tmp/autoprune-history-XXXXXX");
  if (!mkdtemp(scratch)) return -1;
  (void)snprintf(file, sizeof file, "%s/h.sqlite", scratch);
  return 0;
}

static inline int history_fresh(void **state) {
  (void)state;
  (void)unlink(file);
  return 0;
}

static inline int history_teardown(void **state) {
  char command[128];
  (void)state;
  (void)snprintf(command, sizeof command, "rm -rf '%s'", scratch);
  return system(command);
}

static inline json_t *record_of(const char *commit) {
  json_t *record = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:[]}", "schema",
                             AP_HISTORY_RECORD_SCHEMA, "kind", "test", "commit", commit, "machine",
                             MACHINE, "date", "2026-01-01T00:00:00Z", "command", "test", "series");
  assert_non_null(record);
  return record;
}

/* One series with one modelled metric. */
static inline void put_model(json_t *record, const char *series, const char *metric, double value) {
  json_t *s = ap_history_record_series(record, series, NULL);
  assert_true(ap_history_series_model(s, metric, "", value));
}

/* One series with n timings, uniform in center * (1 +- noise). */
static inline void put_times(json_t *record, const char *series, double center, double noise,
                             size_t n, uint64_t seed) {
  json_t *s = ap_history_record_series(record, series, NULL), *values = json_array();
  ap_rng rng;
  ap_rng_seed(&rng, seed, 0);
  for (size_t i = 0; i < n; i++) {
    double x = center * (1 + noise * (2 * ap_rng_uniform(&rng) - 1));
    assert_int_equal(json_array_append_new(values, json_real(x)), 0);
  }
  assert_int_equal(json_array_append_new(json_object_get(s, "metrics"),
                                         json_pack("{s:s, s:s, s:s, s:o}", "name", "real_time",
                                                   "kind", "time", "unit", "s", "values", values)),
                   0);
}

/* Adds and releases. */
static inline void add_record(ap_history *h, json_t *record) {
  must(ap_history_add(h, record, "record", NULL, &failure));
  json_decref(record);
}
#endif
