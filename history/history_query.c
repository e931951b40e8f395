/* What comes out of a history. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/text.h"
#include "history/history_impl.h"

static const char *column(sqlite3_stmt *statement, int i) {
  const char *text = (const char *)sqlite3_column_text(statement, i);
  return text ? text : "";
}

/* A text that is not UTF-8 was not written by us. */
static ap_status check_texts(const ap_history *h, sqlite3_stmt *statement, ap_error *err) {
  for (int i = 0; i < sqlite3_column_count(statement); i++) {
    int type = sqlite3_column_type(statement, i);
    if ((type == SQLITE_TEXT || type == SQLITE_BLOB) && !ap_text_is_utf8(column(statement, i))) {
      return ap_fail(err, AP_ERR_FORMAT, "%s: damaged: \"%.60s\" of %s is not UTF-8", h->path,
                     column(statement, i), sqlite3_column_name(statement, i));
    }
  }
  return AP_OK;
}

/* Calls take(context, statement) for each row. */
typedef int taker(json_t *rows, sqlite3_stmt *statement);

static ap_status collect(ap_history *h, const char *sql, int n, const char *const *texts,
                         taker *take, json_t **rows, ap_error *err) {
  sqlite3_stmt *statement = NULL;
  bool row = true;
  ap_status st = ap_history_prepare(h, sql, n, texts, &statement, err);
  *rows = json_array();
  if (!st && !*rows) st = ap_fail(err, AP_ERR_MEMORY, "%s", h->path);
  while (!st && row) {
    st = ap_history_step(h, statement, &row, err);
    if (!st && row) st = check_texts(h, statement, err);
    if (!st && row && take(*rows, statement)) st = ap_fail(err, AP_ERR_MEMORY, "%s", h->path);
  }
  (void)sqlite3_finalize(statement);
  if (st) {
    json_decref(*rows);
    *rows = NULL;
  }
  return st;
}

static int take_run(json_t *rows, sqlite3_stmt *s) {
  return json_array_append_new(
      rows,
      json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "run",
                (json_int_t)sqlite3_column_int64(s, 0), "recorded", column(s, 1), "kind",
                column(s, 2), "commit", column(s, 3), "machine", column(s, 4), "date", column(s, 5),
                "command", column(s, 6), "series", (json_int_t)sqlite3_column_int64(s, 7)));
}

ap_status ap_history_runs(ap_history *h, size_t limit, json_t **rows, ap_error *err) {
  char text[32];
  const char *texts[] = {text};
  (void)snprintf(text, sizeof text, "%zu", limit < 1000000000 ? limit : 1000000000);
  return collect(h,
                 "SELECT id, recorded, kind, commit_id, machine, date, command, (SELECT "
                 "count(DISTINCT series) FROM sample WHERE run = run.id) FROM run ORDER BY id DESC "
                 "LIMIT CAST(?1 AS INTEGER)",
                 1, texts, take_run, rows, err);
}

/* Rows come by series, metric, run and repetition. */
static int take_value(json_t *rows, sqlite3_stmt *s) {
  json_t *last = json_array_get(rows, json_array_size(rows) - 1);
  json_int_t run = (json_int_t)sqlite3_column_int64(s, 5);
  json_t *values;
  bool same = last &&
              strcmp(json_string_value(json_object_get(last, "series")), column(s, 0)) == 0 &&
              strcmp(json_string_value(json_object_get(last, "metric")), column(s, 1)) == 0;
  bool pooled =
      same && strcmp(column(s, 2), "time") == 0 &&
      strcmp(json_string_value(json_object_get(last, "kind")), "time") == 0 &&
      strcmp(json_string_value(json_object_get(last, "configuration")), column(s, 4)) == 0;
  if (same && !pooled && run != json_integer_value(json_object_get(last, "run"))) {
    if (json_array_remove(rows, json_array_size(rows) - 1)) return -1;
    same = false;
  }
  if (!same) {
    last = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:[]}", "series", column(s, 0), "metric",
                     column(s, 1), "kind", column(s, 2), "unit", column(s, 3), "configuration",
                     column(s, 4), "run", run, "values");
    if (!last || json_array_append_new(rows, last)) return -1;
  }
  values = json_object_get(last, "values");
  return json_object_set_new(last, "run", json_integer(run)) ||
         json_array_append_new(values, json_real(sqlite3_column_double(s, 6)));
}

ap_status ap_history_values(ap_history *h, const char *commit, const char *machine, json_t **rows,
                            ap_error *err) {
  const char *texts[] = {commit, machine};
  return collect(h,
                 "SELECT series.name, metric, sample.kind, unit, configuration, run, value FROM "
                 "sample JOIN run ON run.id = run JOIN series ON series.id = series WHERE "
                 "commit_id = ?1 AND machine = ?2 ORDER BY series.name, metric, run, repetition",
                 2, texts, take_value, rows, err);
}

static int take_note(json_t *rows, sqlite3_stmt *s) {
  return json_array_append_new(
      rows, json_pack("{s:s, s:s, s:s, s:s}", "commit", column(s, 0), "series", column(s, 1),
                      "metric", column(s, 2), "text", column(s, 3)));
}

ap_status ap_history_notes(ap_history *h, const char *machine, const char *after, const char *upto,
                           json_t **rows, ap_error *err) {
  const char *texts[] = {machine, after, upto};
  return collect(
      h,
      "WITH first(commit_id, run) AS (SELECT commit_id, min(id) FROM run WHERE machine = ?1 GROUP "
      "BY commit_id) SELECT note.commit_id, series, metric, text FROM note JOIN first USING "
      "(commit_id) WHERE first.run > (SELECT run FROM first WHERE commit_id = ?2) AND first.run <= "
      "(SELECT run FROM first WHERE commit_id = ?3) ORDER BY first.run DESC, note.id DESC",
      3, texts, take_note, rows, err);
}

/* The first row's text; *found false without a row. */
static ap_status one_text(ap_history *h, const char *sql, int n, const char *const *texts,
                          char **out, bool *found, ap_error *err) {
  sqlite3_stmt *statement = NULL;
  ap_status st = ap_history_prepare(h, sql, n, texts, &statement, err);
  *found = false;
  *out = NULL;
  if (!st) st = ap_history_step(h, statement, found, err);
  if (!st && *found) st = check_texts(h, statement, err);
  if (!st && *found) {
    *out = ap_strdup(column(statement, 0));
    if (!*out) st = ap_fail(err, AP_ERR_MEMORY, "%s", h->path);
  }
  (void)sqlite3_finalize(statement);
  return st;
}

ap_status ap_history_configuration(ap_history *h, const char *hash, json_t **document,
                                   ap_error *err) {
  char *text = NULL;
  bool found;
  ap_status st = one_text(h, "SELECT document FROM configuration WHERE hash = ?1", 1, &hash, &text,
                          &found, err);
  *document = NULL;
  if (!st && !found) {
    st = ap_fail(err, AP_ERR_FORMAT, "%s: no configuration %.12s", h->path, hash);
  }
  if (!st) st = ap_json_parse(text, strlen(text), h->path, document, err);
  ap_free(text);
  return st;
}

ap_status ap_history_newest_machine(ap_history *h, char **machine, ap_error *err) {
  bool found;
  ap_status st = one_text(h, "SELECT machine FROM run ORDER BY id DESC LIMIT 1", 0, NULL, machine,
                          &found, err);
  if (!st && !found) st = ap_fail(err, AP_ERR_ARG, "%s: nothing is recorded yet", h->path);
  return st;
}

static int take_commit(json_t *rows, sqlite3_stmt *s) {
  return json_array_append_new(rows, json_string(column(s, 0)));
}

ap_status ap_history_commits(ap_history *h, const char *machine, size_t limit, json_t **rows,
                             ap_error *err) {
  char text[32];
  const char *texts[] = {machine, text};
  (void)snprintf(text, sizeof text, "%zu", limit < 1000000000 ? limit : 1000000000);
  return collect(h,
                 "SELECT commit_id FROM (SELECT commit_id, max(id) AS last FROM run WHERE machine "
                 "= ?1 GROUP BY commit_id ORDER BY last DESC LIMIT CAST(?2 AS INTEGER)) ORDER BY "
                 "last",
                 2, texts, take_commit, rows, err);
}

ap_status ap_history_find_commit(ap_history *h, const char *text, const char *machine,
                                 const char *other, char commit[AP_HISTORY_COMMIT], bool *found,
                                 ap_error *err) {
  const char *texts[] = {machine, strcmp(text, "last") == 0 ? "" : text, other ? other : ""};
  json_t *rows = NULL;
  size_t n;
  ap_status st = collect(h,
                         "SELECT commit_id FROM run WHERE machine = ?1 AND substr(commit_id, 1, "
                         "length(?2)) = ?2 AND commit_id != ?3 GROUP BY commit_id HAVING ?2 != '' "
                         "OR ?3 = '' OR max(id) < (SELECT max(id) FROM run WHERE machine = ?1 AND "
                         "commit_id = ?3) ORDER BY max(id) DESC",
                         3, texts, take_commit, &rows, err);
  if (st) return st;
  n = json_array_size(rows);
  *found = n > 0;
  if (n > 1 && texts[1][0]) { /* the whole name beats a longer one ("+dirty") */
    size_t exact = 0;
    for (size_t i = 0; i < n; i++) {
      exact += strcmp(json_string_value(json_array_get(rows, i)), text) == 0;
    }
    if (!exact) {
      st = ap_fail(err, AP_ERR_ARG,
                   "%s: commit %.60s: %zu recorded commits begin so, more of it is "
                   "expected",
                   h->path, text, n);
    } else {
      (void)snprintf(commit, AP_HISTORY_COMMIT, "%s", text);
    }
  } else if (n > 0) {
    (void)snprintf(commit, AP_HISTORY_COMMIT, "%s", json_string_value(json_array_get(rows, 0)));
  }
  json_decref(rows);
  return st;
}
