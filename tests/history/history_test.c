/* The file itself: what goes in comes out, all or nothing; locked, damaged and foreign files. */
#include "history/history.h"

#include <signal.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/file.h"
#include "tests/history/history_testing.h"

static ap_history *opened(void) {
  ap_history *h = NULL;
  must(ap_history_open(file, true, &h, &failure));
  return h;
}

static size_t n_runs(ap_history *h) {
  json_t *rows = NULL;
  size_t n;
  must(ap_history_runs(h, 1000, &rows, &failure));
  n = json_array_size(rows);
  json_decref(rows);
  return n;
}

static void goes_in_and_comes_out(void **state) {
  ap_history *h = opened();
  json_t *record = record_of("c1"), *rows = NULL, *row;
  char *machine = NULL;
  int64_t run = 0;
  (void)state;
  put_model(record, "s", "area_mm2", 0.1);
  put_times(record, "t", 2, 0.1, 3, 1);
  must(ap_history_add(h, record, "r", &run, &failure));
  json_decref(record);
  assert_int_equal(run, 1);
  record = record_of("c1");
  put_model(record, "s", "area_mm2", 0.25); /* measured again: the newest counts */
  put_times(record, "t", 2, 0.1, 4, 2);     /* timings add up */
  add_record(h, record);
  ap_history_close(h);

  must(ap_history_open(file, false, &h, &failure));
  must(ap_history_values(h, "c1", MACHINE, &rows, &failure));
  assert_int_equal(json_array_size(rows), 2);
  row = json_array_get(rows, 0);
  assert_string_equal(json_string_value(json_object_get(row, "series")), "s");
  assert_int_equal(json_array_size(json_object_get(row, "values")), 1);
  assert_true(json_number_value(json_array_get(json_object_get(row, "values"), 0)) == 0.25);
  assert_int_equal(json_array_size(json_object_get(json_array_get(rows, 1), "values")), 7);
  json_decref(rows);
  must(ap_history_values(h, "c1", "another machine", &rows, &failure));
  assert_int_equal(json_array_size(rows), 0);
  json_decref(rows);
  must(ap_history_newest_machine(h, &machine, &failure));
  assert_string_equal(machine, MACHINE);
  ap_free(machine);
  assert_int_equal(n_runs(h), 2);
  ap_history_close(h);
}

static void commits_are_found_by_their_beginning(void **state) {
  static const char *const commits[] = {"aa11", "ab22", "ab22+dirty", "aa11"};
  char commit[AP_HISTORY_COMMIT];
  bool found;
  ap_history *h = opened();
  (void)state;
  for (size_t i = 0; i < 4; i++) {
    json_t *record = record_of(commits[i]);
    put_model(record, "s", "m", 1);
    add_record(h, record);
  }
  must(ap_history_find_commit(h, "last", MACHINE, NULL, commit, &found, &failure));
  assert_true(found);
  assert_string_equal(commit, "aa11");
  must(ap_history_find_commit(h, "last", MACHINE, "aa11", commit, &found, &failure));
  assert_string_equal(commit, "ab22+dirty");
  must(ap_history_find_commit(h, "aa", MACHINE, NULL, commit, &found, &failure));
  assert_string_equal(commit, "aa11");
  must(ap_history_find_commit(h, "ab22", MACHINE, NULL, commit, &found, &failure));
  assert_string_equal(commit, "ab22");
  assert_int_equal(ap_history_find_commit(h, "ab2", MACHINE, NULL, commit, &found, &failure),
                   AP_ERR_ARG);
  must(ap_history_find_commit(h, "zz", MACHINE, NULL, commit, &found, &failure));
  assert_false(found);
  must(ap_history_find_commit(h, "last", "elsewhere", NULL, commit, &found, &failure));
  assert_false(found);
  ap_history_close(h);
}

/* A metric twice in a series is found by the database, in the middle of the transaction. */
static void half_a_record_never_stays(void **state) {
  ap_history *h = opened();
  json_t *record = record_of("c1"), *series;
  (void)state;
  put_model(record, "first", "m", 1);
  series = ap_history_record_series(record, "second", NULL);
  assert_true(ap_history_series_model(series, "m", "", 1));
  assert_true(ap_history_series_model(series, "m", "", 2));
  assert_int_equal(ap_history_add(h, record, "r", NULL, &failure), AP_ERR_FORMAT);
  json_decref(record);
  assert_int_equal(n_runs(h), 0);
  record = record_of("c1"); /* and the file is as good as before */
  put_model(record, "first", "m", 1);
  add_record(h, record);
  assert_int_equal(n_runs(h), 1);
  ap_history_close(h);
}

/* Killed at any moment while it writes: what was recorded before is whole. */
static void killed_writers_leave_whole_runs(void **state) {
  (void)state;
  ap_history_close(opened());
  for (unsigned round = 0; round < 12; round++) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
      ap_history *h = NULL;
      if (ap_history_open(file, true, &h, NULL)) _exit(1);
      for (;;) {
        json_t *record = record_of("c1");
        for (int i = 0; i < 50; i++) {
          char name[16];
          (void)snprintf(name, sizeof name, "s%d", i);
          put_model(record, name, "m", i);
        }
        if (ap_history_add(h, record, "r", NULL, NULL)) _exit(1);
        json_decref(record);
      }
    }
    (void)usleep(3000 + 4000 * round);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    {
      ap_history *h = opened();
      json_t *rows = NULL;
      must(ap_history_runs(h, 100000, &rows, &failure));
      for (size_t i = 0; i < json_array_size(rows); i++) {
        assert_int_equal(json_integer_value(json_object_get(json_array_get(rows, i), "series")),
                         50);
      }
      json_decref(rows);
      ap_history_close(h);
    }
  }
}

static void a_locked_file_is_an_error(void **state) {
  ap_history *h = opened();
  sqlite3 *other = NULL;
  json_t *record = record_of("c1");
  (void)state;
  put_model(record, "s", "m", 1);
  assert_int_equal(sqlite3_open(file, &other), SQLITE_OK);
  assert_int_equal(sqlite3_exec(other, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
  assert_int_equal(ap_history_add(h, record, "r", NULL, &failure), AP_ERR_IO);
  assert_non_null(strstr(failure.text, "locked by another program"));
  assert_non_null(strstr(failure.text, file));
  assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
  (void)sqlite3_close(other);
  add_record(h, record);
  ap_history_close(h);
}

/* Texts that somebody else put in: the file is named, and so is what is wrong. */
static void foreign_texts_name_the_file(void **state) {
  static const char *const changes[] = {"UPDATE run SET machine = CAST(x'41ff42' AS TEXT)",
                                        "UPDATE run SET commit_id = x'ff'"};
  json_t *record = record_of("c1"), *rows = NULL;
  char *machine = NULL;
  ap_history *h = opened();
  (void)state;
  put_model(record, "s", "m", 1);
  add_record(h, record);
  assert_string_equal(ap_history_path(h), file);
  for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
    sqlite3 *other = NULL;
    assert_int_equal(sqlite3_open(file, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, changes[i], NULL, NULL, NULL), SQLITE_OK);
    (void)sqlite3_close(other);
    assert_int_equal(ap_history_runs(h, 10, &rows, &failure), AP_ERR_FORMAT);
    assert_null(rows);
    assert_non_null(strstr(failure.text, file));
    assert_non_null(strstr(failure.text, "is not UTF-8"));
  }
  assert_int_equal(ap_history_newest_machine(h, &machine, &failure), AP_ERR_FORMAT);
  assert_null(machine);
  assert_non_null(strstr(failure.text, "of machine is not UTF-8"));
  ap_history_close(h);
}

static void other_files_are_refused(void **state) {
  ap_history *h = NULL;
  sqlite3 *other = NULL;
  (void)state;
  assert_int_equal(ap_history_open(file, false, &h, &failure), AP_ERR_IO);
  assert_non_null(strstr(failure.text, "no such file"));
  assert_int_equal(ap_history_open("/nowhere/h.sqlite", true, &h, &failure), AP_ERR_IO);
  assert_int_equal(ap_history_open(scratch, true, &h, &failure), AP_ERR_IO);
  must(ap_file_write(file, "this is a text, long enough to be taken for a header of something", 64,
                     true, &failure));
  assert_int_equal(ap_history_open(file, true, &h, &failure), AP_ERR_FORMAT);
  (void)unlink(file);
  assert_int_equal(sqlite3_open(file, &other), SQLITE_OK);
  assert_int_equal(sqlite3_exec(other, "CREATE TABLE t(x)", NULL, NULL, NULL), SQLITE_OK);
  (void)sqlite3_close(other);
  assert_int_equal(ap_history_open(file, true, &h, &failure), AP_ERR_FORMAT);
  assert_non_null(strstr(failure.text, "another program"));
  (void)unlink(file);
  ap_history_close(opened());
  assert_int_equal(sqlite3_open(file, &other), SQLITE_OK);
  assert_int_equal(sqlite3_exec(other, "PRAGMA user_version=2", NULL, NULL, NULL), SQLITE_OK);
  (void)sqlite3_close(other);
  assert_int_equal(ap_history_open(file, true, &h, &failure), AP_ERR_FORMAT);
  assert_non_null(strstr(failure.text, "schema 2"));
  assert_null(h);
}

/* Bytes changed anywhere: an error, or an answer; no crash, and no endless work. */
static void damaged_files_are_survived(void **state) {
  char *bytes = NULL;
  size_t size = 0, errors = 0;
  ap_rng rng;
  ap_history *h = opened();
  (void)state;
  for (int i = 0; i < 8; i++) {
    json_t *record = record_of("c1");
    put_times(record, "t", 1, 0.1, 50, 1);
    add_record(h, record);
  }
  ap_history_close(h);
  must(ap_file_read(file, (size_t)1 << 24, &bytes, &size, &failure));
  ap_rng_seed(&rng, 5, 0);
  for (size_t round = 0; round < 300; round++) {
    char *copy = ap_calloc(size, 1);
    size_t n = round % 5 == 0 ? ap_rng_below(&rng, size) : size;
    json_t *rows = NULL, *record;
    memcpy(copy, bytes, size);
    for (size_t e = 0; e < 20; e++) copy[ap_rng_below(&rng, size)] = (char)ap_rng_below(&rng, 256);
    must(ap_file_write(file, copy, n, true, &failure));
    ap_free(copy);
    failure.text[0] = '\0';
    if (ap_history_open(file, true, &h, &failure)) {
      assert_true(failure.text[0]);
      errors++;
      continue;
    }
    if (ap_history_values(h, "c1", MACHINE, &rows, &failure)) errors++;
    json_decref(rows);
    record = record_of("c2");
    put_model(record, "s", "m", 1);
    if (ap_history_add(h, record, "r", NULL, &failure)) errors++;
    json_decref(record);
    ap_history_close(h);
  }
  assert_true(errors > 30);
  ap_free(bytes);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(goes_in_and_comes_out, history_fresh),
      cmocka_unit_test_setup(commits_are_found_by_their_beginning, history_fresh),
      cmocka_unit_test_setup(half_a_record_never_stays, history_fresh),
      cmocka_unit_test_setup(killed_writers_leave_whole_runs, history_fresh),
      cmocka_unit_test_setup(a_locked_file_is_an_error, history_fresh),
      cmocka_unit_test_setup(foreign_texts_name_the_file, history_fresh),
      cmocka_unit_test_setup(other_files_are_refused, history_fresh),
      cmocka_unit_test_setup(damaged_files_are_survived, history_fresh)};
  return cmocka_run_group_tests(tests, history_setup, history_teardown);
}
