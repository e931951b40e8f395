#include "base/csv_read.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"

#define MAX_BYTES ((size_t)1 << 28)

typedef struct {
  const char *at, *end;
  const char *name;      /* of the file, for messages */
  size_t line;           /* of `at`, from 1 */
  char *field;           /* as many bytes as the text has: room for any field */
  const char *needed;    /* columns, or NULL */
  ap_csv_ranges *ranges; /* NULL: of no column */
} reader;

static ap_status bad(const reader *r, ap_error *err, const char *what) {
  return ap_fail(err, AP_ERR_FORMAT, "%s, line %zu: %s", r->name, r->line, what);
}

static bool line_ends(const reader *r) {
  return r->at == r->end || *r->at == '\n' ||
         (*r->at == '\r' && r->at + 1 < r->end && r->at[1] == '\n');
}

static void pass_line_end(reader *r) {
  if (r->at < r->end && *r->at == '\r') r->at++;
  if (r->at < r->end) r->at++;
  r->line++;
}

/* The text between two double quotes; `at` is on the first one. */
static ap_status quoted_field(reader *r, ap_error *err) {
  char *to = r->field;
  for (r->at++; r->at < r->end; r->at++) {
    if (*r->at == '\n') r->line++;
    if (*r->at == '"') {
      if (r->at + 1 == r->end || r->at[1] != '"') break;
      r->at++;
    }
    *to++ = *r->at;
  }
  *to = 0;
  if (r->at == r->end) return bad(r, err, "a quote is not closed");
  r->at++;
  if (!line_ends(r) && *r->at != ',') return bad(r, err, "a comma is expected behind a quote");
  return AP_OK;
}

/* The field at `at`, into r->field; `at` ends on the comma or line end behind it. */
static ap_status read_field(reader *r, ap_error *err) {
  char *to = r->field;
  if (r->at < r->end && *r->at == '"') return quoted_field(r, err);
  while (!line_ends(r) && *r->at != ',') {
    if (*r->at == '"') return bad(r, err, "a quote in the middle of a field");
    *to++ = *r->at++;
  }
  *to = 0;
  return AP_OK;
}

/* The fields of one line appended to an array. */
static ap_status read_line(reader *r, json_t *fields, ap_error *err) {
  for (;;) {
    json_t *text;
    ap_status st = read_field(r, err);
    if (st) return st;
    text = json_string(r->field);
    if (!text) return bad(r, err, "text that is not UTF-8");
    if (json_array_append_new(fields, text)) return ap_fail(err, AP_ERR_MEMORY, "%s", r->name);
    if (line_ends(r)) break;
    r->at++;
  }
  pass_line_end(r);
  return AP_OK;
}

/* "# key: text"; other comments are passed over. */
static ap_status read_comment(reader *r, json_t *head, ap_error *err) {
  char *colon, *to = r->field;
  ap_status st = AP_OK;
  r->at++;
  while (r->at < r->end && *r->at == ' ') r->at++;
  while (!line_ends(r)) *to++ = *r->at++;
  *to = 0;
  colon = strstr(r->field, ": ");
  if (colon) {
    json_t *text = json_string(colon + 2);
    *colon = 0;
    if (!text) return bad(r, err, "text that is not UTF-8");
    if (json_object_get(head, r->field)) {
      json_decref(text);
    } else if (json_object_set_new(head, r->field, text)) {
      st = bad(r, err, "text that is not UTF-8");
    }
  }
  pass_line_end(r);
  return st;
}

static ap_status check_names(const reader *r, const json_t *names, ap_error *err) {
  json_t *seen = json_object();
  ap_status st = seen ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "%s", r->name);
  for (size_t i = 0; i < json_array_size(names) && !st; i++) {
    const char *name = json_string_value(json_array_get(names, i));
    if (!name[0] || strchr(name, '\n')) {
      st = ap_fail(err, AP_ERR_FORMAT, "%s, line %zu: column %zu has no name of one line", r->name,
                   r->line - 1, i + 1);
    } else if (json_object_get(seen, name)) {
      st = ap_fail(err, AP_ERR_FORMAT, "%s, line %zu: two columns are called \"%.80s\"", r->name,
                   r->line - 1, name);
    } else if (json_object_set_new(seen, name, json_true())) {
      st = ap_fail(err, AP_ERR_MEMORY, "%s", r->name);
    }
  }
  json_decref(seen);
  return st;
}

/* Are all columns there that stand between the commas of r->needed? */
static ap_status check_needed(const reader *r, const json_t *names, ap_error *err) {
  for (const char *at = r->needed; at && *at;) {
    size_t n = strcspn(at, ","), i = 0;
    while (i < json_array_size(names)) {
      const char *name = json_string_value(json_array_get(names, i));
      if (strlen(name) == n && memcmp(name, at, n) == 0) break;
      i++;
    }
    if (i == json_array_size(names)) {
      return ap_fail(err, AP_ERR_FORMAT, "%s, line %zu: no column \"%.*s\"; expected are %s",
                     r->name, r->line - 1, (int)n, at, r->needed);
    }
    at += n + (at[n] == ',');
  }
  return AP_OK;
}

static double number(const char *text) {
  char *end = NULL;
  double value = strtod(text, &end);
  return text[0] && !*end && isfinite(value) ? value : (double)NAN;
}

static ap_status check_number(const reader *r, size_t line, const char *column, const char *field,
                              ap_error *err) {
  const ap_csv_range *range = r->ranges ? r->ranges(column) : NULL;
  double value = number(field);
  if (!range || !field[0] || (value >= range->least && value <= range->most)) return AP_OK;
  return ap_fail(err, AP_ERR_FORMAT,
                 "%s, line %zu, column \"%.80s\": '%.40s', a number of %g to %g is expected",
                 r->name, line, column, field, range->least, range->most);
}

static ap_status read_row(reader *r, const json_t *names, json_t *rows, ap_error *err) {
  json_t *fields = json_array(), *row = json_object();
  size_t line = r->line, n = json_array_size(names);
  ap_status st = fields && row ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "%s", r->name);
  if (!st) st = read_line(r, fields, err);
  if (!st && json_array_size(fields) != n) {
    st = ap_fail(err, AP_ERR_FORMAT, "%s, line %zu: %zu fields, %zu are expected", r->name, line,
                 json_array_size(fields), n);
  }
  for (size_t i = 0; i < n && !st; i++) {
    const char *column = json_string_value(json_array_get(names, i));
    st = check_number(r, line, column, json_string_value(json_array_get(fields, i)), err);
    if (!st && json_object_set(row, column, json_array_get(fields, i))) {
      st = ap_fail(err, AP_ERR_MEMORY, "%s", r->name);
    }
  }
  if (!st && json_array_append(rows, row)) st = ap_fail(err, AP_ERR_MEMORY, "%s", r->name);
  json_decref(fields);
  json_decref(row);
  return st;
}

static ap_status read_table(reader *r, json_t *rows, json_t *head, ap_error *err) {
  json_t *names = json_array();
  ap_status st = names ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "%s", r->name);
  while (!st && r->at < r->end && *r->at == '#') st = read_comment(r, head, err);
  if (!st && r->at == r->end) st = bad(r, err, "a line of column names is expected");
  if (!st) st = read_line(r, names, err);
  if (!st) st = check_names(r, names, err);
  if (!st) st = check_needed(r, names, err);
  while (!st && r->at < r->end) st = read_row(r, names, rows, err);
  json_decref(names);
  return st;
}

static ap_status parse(const char *text, size_t size, const char *name, const char *needed,
                       ap_csv_ranges *ranges, json_t **rows, json_t **head, ap_error *err) {
  reader r = {text + ap_text_mark(text, size), text + size, name,  1,
              ap_calloc(size + 1, 1),          needed,      ranges};
  json_t *found = json_array(), *comments = json_object();
  ap_status st = AP_OK;
  *rows = NULL;
  if (head) *head = NULL;
  if (!r.field || !found || !comments) {
    st = ap_fail(err, AP_ERR_MEMORY, "%s", name);
  } else if (size > 0 && memchr(text, 0, size)) {
    st = ap_fail(err, AP_ERR_FORMAT, "%s, line 1: a zero byte: this is no table", name);
  } else {
    st = read_table(&r, found, comments, err);
  }
  if (!st) {
    *rows = json_incref(found);
    if (head) *head = json_incref(comments);
  }
  json_decref(found);
  json_decref(comments);
  ap_free(r.field);
  return st;
}

ap_status ap_csv_parse(const char *text, size_t size, const char *name, json_t **rows,
                       json_t **head, ap_error *err) {
  return parse(text, size, name, NULL, NULL, rows, head, err);
}

ap_status ap_csv_load_numbers(const char *path, const char *needed, ap_csv_ranges *ranges,
                              json_t **rows, json_t **head, ap_error *err) {
  char *text = NULL;
  size_t size = 0;
  ap_status st = ap_file_read(path, MAX_BYTES, &text, &size, err);
  *rows = NULL;
  if (head) *head = NULL;
  if (!st) st = parse(text, size, path, needed, ranges, rows, head, err);
  ap_free(text);
  return st;
}

ap_status ap_csv_load(const char *path, json_t **rows, json_t **head, ap_error *err) {
  return ap_csv_load_numbers(path, NULL, NULL, rows, head, err);
}

const char *ap_csv_field_text(const json_t *row, const char *column) {
  const char *text = json_string_value(json_object_get(row, column));
  return text ? text : "";
}

double ap_csv_field_number(const json_t *row, const char *column) {
  return number(ap_csv_field_text(row, column));
}
