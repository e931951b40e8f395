#include "bench/leaderboard.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/csv_read.h"
#include "base/json.h"
#include "bench/markdown_impl.h"
#include "bench/summary_impl.h"

typedef struct {
  const json_t *row;
  json_t *folders; /* where it stands: an array of their names */
  const char *commit;
  double compression; /* NAN: all its seeds failed */
  bool within;        /* the limit, all seeds */
  size_t number;      /* in the order of reading */
} entry;

typedef struct {
  const char *const *folders; /* all that were given */
  size_t n_folders;
  json_t *kept; /* array of what the entries point into */
  entry *entries;
  size_t n;
} board;

static const char *field(const entry *e, const char *column) {
  return ap_csv_field_text(e->row, column);
}

static const char *last_part(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash && slash[1] ? slash + 1 : path;
}

/* What a folder is called in the tables: the last part of its path, or the path where another one of them
 * ends alike. */
static const char *folder_name(const board *b, const char *path) {
  const char *name = last_part(path);
  for (size_t i = 0; i < b->n_folders; i++) {
    if (strcmp(b->folders[i], path) != 0 && strcmp(last_part(b->folders[i]), name) == 0) {
      return path;
    }
  }
  return name;
}

/* The same program's row again, kept in two folders: columns but the time it took are equal. */
static bool same_row(const entry *a, json_t *row, const char *commit) {
  const char *column;
  json_t *value;
  if (strcmp(a->commit, commit) != 0) return false;
  json_object_foreach(row, column, value) {
    if (strncmp(column, "seconds", strlen("seconds")) == 0) continue;
    if (!json_equal(value, json_object_get(a->row, column))) return false;
  }
  return true;
}

static entry *kept_row(board *b, json_t *row, const char *commit) {
  for (size_t i = 0; i < b->n; i++) {
    if (same_row(&b->entries[i], row, commit)) return &b->entries[i];
  }
  return NULL;
}

/* b has room for it. */
static ap_status add_row(board *b, const char *folder, json_t *row, const char *commit,
                         ap_error *err) {
  double compression = ap_csv_field_number(row, "crossbars_compression");
  entry *e;
  e = kept_row(b, row, commit);
  if (!e) {
    e = &b->entries[b->n];
    *e = (entry){.row = row,
                 .folders = json_array(),
                 .commit = commit,
                 .compression = compression,
                 .within = ap_csv_field_number(row, "within_limit") >= 1,
                 .number = b->n++};
    if (json_array_append_new(b->kept, e->folders)) return ap_fail(err, AP_ERR_MEMORY, "a row");
  }
  return json_array_append_new(e->folders, ap_json_text(folder_name(b, folder)))
             ? ap_fail(err, AP_ERR_MEMORY, "a row")
             : AP_OK;
}

static ap_status add_rows(board *b, const char *folder, json_t *rows, const json_t *head,
                          ap_error *err) {
  size_t n = json_array_size(rows);
  entry *larger = ap_calloc(b->n + n, sizeof *larger);
  ap_status st = AP_OK;
  if (!larger && n > 0) return ap_fail(err, AP_ERR_MEMORY, "leaderboard");
  if (b->n) memcpy(larger, b->entries, b->n * sizeof *larger);
  ap_free(b->entries);
  b->entries = larger;
  for (size_t i = 0; i < n && !st; i++) {
    st = add_row(b, folder, json_array_get(rows, i), ap_csv_field_text(head, "commit"), err);
  }
  return st;
}

static ap_status read_folder(board *b, const char *folder, ap_error *err) {
  static const char *const needed[] = {"network",     "data",     "suite", "division",
                                       "method",      "crossbar", "ou",    "crossbars_compression",
                                       "within_limit"};
  json_t *rows = NULL, *head = NULL;
  ap_status st =
      ap_summary_load(folder, needed, sizeof needed / sizeof needed[0], &rows, &head, err);
  if (!st && (json_array_append(b->kept, rows) || json_array_append(b->kept, head))) {
    st = ap_fail(err, AP_ERR_MEMORY, "leaderboard");
  }
  if (!st) st = add_rows(b, folder, rows, head, err);
  json_decref(rows);
  json_decref(head);
  return st;
}

/* Closed before open ("closed" < "open"), then what a heading names; ranked within. */
static int by_table(const entry *a, const entry *b) {
  int order = strcmp(field(a, "division"), field(b, "division"));
  if (!order) order = strcmp(field(a, "suite"), field(b, "suite"));
  if (!order) order = strcmp(field(a, "network"), field(b, "network"));
  if (!order) order = strcmp(field(a, "data"), field(b, "data"));
  if (!order) order = strcmp(field(a, "crossbar"), field(b, "crossbar"));
  if (!order) order = strcmp(field(a, "ou"), field(b, "ou"));
  return order;
}

static int by_rank(const void *x, const void *y) {
  const entry *a = x, *b = y;
  int order = by_table(a, b);
  if (order) return order;
  if (isnan(a->compression) != isnan(b->compression)) return isnan(a->compression) ? 1 : -1;
  if (a->within != b->within) return a->within ? -1 : 1;
  if (a->compression > b->compression) return -1;
  if (a->compression < b->compression) return 1;
  return a->number < b->number ? -1 : 1;
}

/* "2.15 ± 0.21x". */
static void write_value(FILE *out, const json_t *row, const char *column, double scale,
                        const char *unit) {
  double value = ap_csv_field_number(row, column), width;
  char high[64];
  (void)snprintf(high, sizeof high, "%s_high", column);
  width = ap_csv_field_number(row, high) - value;
  if (isnan(value)) {
    (void)fputs(" | -", out);
  } else if (isnan(width)) {
    (void)fprintf(out, " | %.2f%s", scale * value, unit);
  } else {
    (void)fprintf(out, " | %.2f ± %.2f%s", scale * value, scale * width, unit);
  }
}

static void write_head(FILE *out, const entry *e) {
  bool open = strcmp(field(e, "division"), "closed") != 0;
  (void)fprintf(out, "\n### %s on %s, suite %s, crossbars %s, OU %s\n\n", field(e, "network"),
                field(e, "data"), field(e, "suite"), field(e, "crossbar"), field(e, "ou"));
  if (isnan(e->compression)) return; /* nothing to rank */
  (void)fprintf(out,
                "| rank | method | seeds | crossbars | area eff. | energy eff. | accuracy, test "
                "| loss, selection | results | commit |%s\n"
                "|---|---|---|---|---|---|---|---|---|---|%s\n",
                open ? " open because |" : "", open ? "---|" : "");
}

static void write_folders(FILE *out, const char *before, const entry *e) {
  for (size_t i = 0; i < json_array_size(e->folders); i++) {
    (void)fputs(i == 0 ? before : ", ", out);
    ap_markdown_name(out, json_string_value(json_array_get(e->folders, i)));
  }
}

static void write_entry(FILE *out, const entry *e, size_t rank) {
  if (e->within) {
    (void)fprintf(out, "| %zu", rank);
  } else {
    (void)fputs("| limit not met", out);
  }
  (void)fputs(" | ", out);
  ap_markdown_name(out, field(e, "method"));
  (void)fprintf(out, " | %s", field(e, "n"));
  write_value(out, e->row, "crossbars_compression", 1, "x");
  write_value(out, e->row, "area_efficiency", 1, "x");
  write_value(out, e->row, "energy_efficiency", 1, "x");
  write_value(out, e->row, "accuracy_test", 100, " %");
  write_value(out, e->row, "accuracy_loss", 100, "");
  write_folders(out, " | ", e);
  (void)fprintf(out, " | %.12s |", e->commit);
  if (strcmp(field(e, "division"), "closed") != 0) {
    (void)fprintf(out, " %s |", field(e, "open_because"));
  }
  (void)fputc('\n', out);
}

static double failed_seeds(const entry *e) { return ap_csv_field_number(e->row, "failed"); }

/* Below the table of b->entries[from..to-1]: of which methods seeds, or all of them, have no numbers. */
static void write_failed(FILE *out, const board *b, size_t from, size_t to) {
  const char *before = isnan(b->entries[from].compression) ? "" : "\n";
  for (size_t i = from; i < to; i++) {
    const entry *e = &b->entries[i];
    if (!isnan(e->compression) && !(failed_seeds(e) > 0)) continue;
    (void)fprintf(out, "%s- ", before);
    ap_markdown_name(out, field(e, "method"));
    if (isnan(e->compression)) {
      (void)fputs(" failed", out);
    } else {
      (void)fprintf(out, ": %.0f more seed%s failed", failed_seeds(e),
                    failed_seeds(e) > 1 ? "s" : "");
    }
    write_folders(out, ": why is in table.md of ", e);
    (void)fputc('\n', out);
    before = "";
  }
}

/* Equal rates share a rank. */
static bool tie(const entry *a, const entry *b) {
  return !(a->compression < b->compression) && !(a->compression > b->compression);
}

static void write_board(FILE *out, const board *b) {
  const char *division = "";
  size_t place = 0, rank = 0, first = 0;
  for (size_t i = 0; i < b->n; i++) {
    const entry *e = &b->entries[i];
    if (strcmp(field(e, "division"), division) != 0) {
      division = field(e, "division");
      (void)fprintf(out, "\n## %s division\n", strcmp(division, "closed") == 0 ? "Closed" : "Open");
    }
    if (i == 0 || by_table(&b->entries[i - 1], e) != 0) {
      write_head(out, e);
      place = 0;
      first = i;
    }
    place++;
    if (place == 1 || !tie(&b->entries[i - 1], e)) rank = place;
    if (!isnan(e->compression)) write_entry(out, e, rank);
    if (i + 1 == b->n || by_table(e, e + 1) != 0) write_failed(out, b, first, i + 1);
  }
}

ap_status ap_leaderboard_write(const char *const *folders, size_t n_folders, FILE *out,
                               ap_error *err) {
  board b = {.folders = folders, .n_folders = n_folders, .kept = json_array()};
  ap_status st = b.kept ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "leaderboard");
  if (!st && n_folders == 0) st = ap_fail(err, AP_ERR_ARG, "a leaderboard of no results");
  for (size_t i = 0; i < n_folders && !st; i++) st = read_folder(&b, folders[i], err);
  if (!st) {
    if (b.n > 0) qsort(b.entries, b.n, sizeof b.entries[0], by_rank);
    write_board(out, &b);
  }
  ap_free(b.entries);
  json_decref(b.kept);
  return st;
}
