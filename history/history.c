#include "history/history.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/provenance.h"
#include "history/history_impl.h"
#include "history/record.h"

#define APPLICATION 0x61707268 /* "aprh": says in the file whose it is */
#define WAIT_MS 5000

static const char SCHEMA[] =
    "CREATE TABLE run(id INTEGER PRIMARY KEY, recorded TEXT NOT NULL, kind TEXT NOT NULL,"
    " commit_id TEXT NOT NULL, machine TEXT NOT NULL, date TEXT NOT NULL, command TEXT NOT NULL);"
    "CREATE TABLE series(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
    "CREATE TABLE configuration(hash TEXT PRIMARY KEY, document TEXT NOT NULL);"
    "CREATE TABLE sample(run INTEGER NOT NULL REFERENCES run(id),"
    " series INTEGER NOT NULL REFERENCES series(id), metric TEXT NOT NULL,"
    " repetition INTEGER NOT NULL, kind TEXT NOT NULL CHECK(kind IN ('model', 'time')),"
    " unit TEXT NOT NULL, configuration TEXT NOT NULL REFERENCES configuration(hash),"
    " value REAL NOT NULL, PRIMARY KEY(run, series, metric, repetition)) WITHOUT ROWID;"
    "CREATE TABLE note(id INTEGER PRIMARY KEY, recorded TEXT NOT NULL, commit_id TEXT NOT NULL,"
    " series TEXT NOT NULL, metric TEXT NOT NULL, text TEXT NOT NULL);"
    "CREATE INDEX run_of_commit ON run(commit_id, machine);";

/* ---- statements ---- */

ap_status ap_history_fail(const ap_history *h, int code, ap_error *err) {
  const char *text = h->db ? sqlite3_errmsg(h->db) : sqlite3_errstr(code);
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return ap_fail(err, AP_ERR_IO, "%s: locked by another program; waited %d s", h->path,
                     WAIT_MS / 1000);
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
      return ap_fail(err, AP_ERR_FORMAT,
                     "%s: %s; an intact SQLite file of autoprune is expected (sqlite3's .recover "
                     "may save what is left)",
                     h->path, text);
    case SQLITE_NOMEM:
      return ap_fail(err, AP_ERR_MEMORY, "%s: %s", h->path, text);
    case SQLITE_CONSTRAINT:
      return ap_fail(err, AP_ERR_FORMAT, "%s: %s", h->path, text);
    default:
      return ap_fail(err, AP_ERR_IO, "%s: %s", h->path, text);
  }
}

ap_status ap_history_prepare(const ap_history *h, const char *sql, int n, const char *const *texts,
                             sqlite3_stmt **out, ap_error *err) {
  int code = sqlite3_prepare_v2(h->db, sql, -1, out, NULL);
  for (int i = 0; code == SQLITE_OK && i < n; i++) {
    code = sqlite3_bind_text(*out, i + 1, texts[i], -1, SQLITE_TRANSIENT);
  }
  return code == SQLITE_OK ? AP_OK : ap_history_fail(h, code, err);
}

ap_status ap_history_step(const ap_history *h, sqlite3_stmt *statement, bool *row, ap_error *err) {
  int code = sqlite3_step(statement);
  *row = code == SQLITE_ROW;
  return code == SQLITE_ROW || code == SQLITE_DONE ? AP_OK : ap_history_fail(h, code, err);
}

static ap_status run_sql(const ap_history *h, const char *sql, ap_error *err) {
  int code = sqlite3_exec(h->db, sql, NULL, NULL, NULL);
  return code == SQLITE_OK ? AP_OK : ap_history_fail(h, code, err);
}

/* The number that a statement's one row holds. */
static ap_status number_of(const ap_history *h, const char *sql, int n, const char *const *texts,
                           int64_t *out, ap_error *err) {
  sqlite3_stmt *statement = NULL;
  bool row = false;
  ap_status st = ap_history_prepare(h, sql, n, texts, &statement, err);
  if (!st) st = ap_history_step(h, statement, &row, err);
  *out = row ? sqlite3_column_int64(statement, 0) : 0;
  (void)sqlite3_finalize(statement);
  return st;
}

/* ---- opening ---- */

static ap_status create_tables(const ap_history *h, ap_error *err) {
  char *sql = ap_sprintf(
      "BEGIN EXCLUSIVE; %s PRAGMA application_id=%d; PRAGMA user_version=%d; "
      "COMMIT;",
      SCHEMA, APPLICATION, AP_HISTORY_SCHEMA);
  ap_status st = sql ? run_sql(h, sql, err) : ap_fail(err, AP_ERR_MEMORY, "history");
  ap_free(sql);
  return st;
}

static ap_status check_intact(const ap_history *h, ap_error *err) {
  sqlite3_stmt *statement = NULL;
  bool row = false;
  ap_status st = ap_history_prepare(h, "PRAGMA quick_check(1)", 0, NULL, &statement, err);
  if (!st) st = ap_history_step(h, statement, &row, err);
  if (!st && row && strcmp((const char *)sqlite3_column_text(statement, 0), "ok") != 0) {
    st = ap_fail(err, AP_ERR_FORMAT,
                 "%s: damaged: %.200s (sqlite3's .recover may save what is "
                 "left)",
                 h->path, (const char *)sqlite3_column_text(statement, 0));
  }
  (void)sqlite3_finalize(statement);
  return st;
}

static ap_status check_owner(const ap_history *h, ap_error *err) {
  int64_t application = 0, version = 0, tables = 0;
  ap_status st = number_of(h, "PRAGMA application_id", 0, NULL, &application, err);
  if (!st) st = number_of(h, "PRAGMA user_version", 0, NULL, &version, err);
  if (!st) st = number_of(h, "SELECT count(*) FROM sqlite_master", 0, NULL, &tables, err);
  if (st) return st;
  if (tables == 0 && application == 0) return create_tables(h, err);
  if (application != APPLICATION) {
    return ap_fail(err, AP_ERR_FORMAT, "%s: an SQLite file of another program", h->path);
  }
  if (version != AP_HISTORY_SCHEMA) {
    return ap_fail(err, AP_ERR_FORMAT, "%s: schema %lld, made by another version; %d is expected",
                   h->path, (long long)version, AP_HISTORY_SCHEMA);
  }
  return check_intact(h, err);
}

ap_status ap_history_open(const char *path, bool create, ap_history **out, ap_error *err) {
  ap_history *h = NULL;
  ap_status st = AP_OK;
  int flags = SQLITE_OPEN_READWRITE | (create ? SQLITE_OPEN_CREATE : 0), code;
  *out = NULL;
  if (!create && !ap_file_exists(path)) {
    return ap_file_absent(path, "; --record on a command begins a history", err);
  }
  h = ap_calloc(1, sizeof *h);
  if (h) h->path = ap_strdup(path);
  if (!h || !h->path) {
    ap_free(h);
    return ap_fail(err, AP_ERR_MEMORY, "history");
  }
  code = sqlite3_open_v2(path, &h->db, flags, NULL);
  if (code != SQLITE_OK) st = ap_history_fail(h, code, err);
  if (!st) {
    (void)sqlite3_extended_result_codes(h->db, 1);
    (void)sqlite3_busy_timeout(h->db, WAIT_MS);
    st = run_sql(h, "PRAGMA foreign_keys=ON; PRAGMA synchronous=FULL", err);
  }
  if (!st) st = check_owner(h, err);
  if (st) {
    ap_history_close(h);
    return st;
  }
  *out = h;
  return AP_OK;
}

void ap_history_close(ap_history *history) {
  if (!history) return;
  (void)sqlite3_close(history->db);
  ap_free(history->path);
  ap_free(history);
}

const char *ap_history_path(const ap_history *history) { return history->path; }

/* ---- adding ---- */

/* Runs a statement that gives no rows. */
static ap_status change(const ap_history *h, const char *sql, int n, const char *const *texts,
                        ap_error *err) {
  sqlite3_stmt *statement = NULL;
  bool row;
  ap_status st = ap_history_prepare(h, sql, n, texts, &statement, err);
  if (!st) st = ap_history_step(h, statement, &row, err);
  (void)sqlite3_finalize(statement);
  return st;
}

static const char *text_of(const json_t *object, const char *member) {
  return json_string_value(json_object_get(object, member));
}

static ap_status add_values(const ap_history *h, int64_t run, int64_t series, const char *hash,
                            const json_t *metric, ap_error *err) {
  const char *texts[] = {text_of(metric, "name"), text_of(metric, "kind"), text_of(metric, "unit"),
                         hash};
  const json_t *values = json_object_get(metric, "values");
  sqlite3_stmt *statement = NULL;
  ap_status st = ap_history_prepare(
      h,
      "INSERT INTO sample(metric, kind, unit, configuration, run, series, repetition, value) "
      "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
      4, texts, &statement, err);
  for (size_t i = 0; !st && i < json_array_size(values); i++) {
    bool row;
    (void)sqlite3_reset(statement);
    (void)sqlite3_bind_int64(statement, 5, run);
    (void)sqlite3_bind_int64(statement, 6, series);
    (void)sqlite3_bind_int64(statement, 7, (int64_t)i);
    (void)sqlite3_bind_double(statement, 8, json_number_value(json_array_get(values, i)));
    st = ap_history_step(h, statement, &row, err);
  }
  (void)sqlite3_finalize(statement);
  return st;
}

static ap_status add_series(const ap_history *h, int64_t run, const json_t *series, ap_error *err) {
  const json_t *configuration = json_object_get(series, "configuration");
  const json_t *metrics = json_object_get(series, "metrics");
  char hash[65], *document;
  const char *name = text_of(series, "name");
  int64_t id = 0;
  ap_status st = ap_config_hash(configuration, hash, err);
  if (st) return st;
  document = json_dumps(configuration, JSON_SORT_KEYS | JSON_COMPACT);
  if (!document) return ap_fail(err, AP_ERR_MEMORY, "configuration");
  {
    const char *texts[] = {hash, document};
    st = change(h, "INSERT OR IGNORE INTO configuration(hash, document) VALUES(?1, ?2)", 2, texts,
                err);
  }
  free(document);
  if (!st) st = change(h, "INSERT OR IGNORE INTO series(name) VALUES(?1)", 1, &name, err);
  if (!st) st = number_of(h, "SELECT id FROM series WHERE name = ?1", 1, &name, &id, err);
  for (size_t i = 0; !st && i < json_array_size(metrics); i++) {
    st = add_values(h, run, id, hash, json_array_get(metrics, i), err);
  }
  return st;
}

static ap_status add_all(const ap_history *h, const json_t *record, int64_t *run, ap_error *err) {
  const json_t *series = json_object_get(record, "series");
  const char *texts[] = {text_of(record, "kind"), text_of(record, "commit"),
                         text_of(record, "machine"), text_of(record, "date"),
                         text_of(record, "command")};
  ap_status st = change(h,
                        "INSERT INTO run(recorded, kind, commit_id, machine, date, command) "
                        "VALUES(strftime('%Y-%m-%dT%H:%M:%SZ', 'now'), ?1, ?2, ?3, ?4, ?5)",
                        5, texts, err);
  *run = sqlite3_last_insert_rowid(h->db);
  for (size_t i = 0; !st && i < json_array_size(series); i++) {
    st = add_series(h, *run, json_array_get(series, i), err);
  }
  return st;
}

ap_status ap_history_add(ap_history *h, const json_t *record, const char *where, int64_t *run,
                         ap_error *err) {
  int64_t id = 0;
  ap_status st = ap_history_record_check(record, where, err);
  if (st) return st;
  st = run_sql(h, "BEGIN IMMEDIATE", err);
  if (st) return st;
  st = add_all(h, record, &id, err);
  if (!st) st = run_sql(h, "COMMIT", err);
  if (st) (void)sqlite3_exec(h->db, "ROLLBACK", NULL, NULL, NULL);
  if (run) *run = st ? 0 : id;
  return st;
}

ap_status ap_history_add_note(ap_history *h, const char *commit, const char *series,
                              const char *metric, const char *text, ap_error *err) {
  const char *texts[] = {commit, series, metric, text};
  return change(h,
                "INSERT INTO note(recorded, commit_id, series, metric, text) "
                "VALUES(strftime('%Y-%m-%dT%H:%M:%SZ', 'now'), ?1, ?2, ?3, ?4)",
                4, texts, err);
}
