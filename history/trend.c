#include "history/trend.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

typedef struct {
  ap_history *history;
  const char *machine;
  const ap_trend_options *options;
  json_t *commits; /* oldest first */
  json_t *rows;
} trend;

static const char *text_of(const json_t *row, const char *member) {
  return json_string_value(json_object_get(row, member));
}

static bool wanted(const trend *t, const json_t *row) {
  const char *series = t->options->series, *metric = t->options->metric;
  return (!series || fnmatch(series, text_of(row, "series"), FNM_EXTMATCH) == 0) &&
         (!metric || fnmatch(metric, text_of(row, "metric"), FNM_EXTMATCH) == 0);
}

static int by_number(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* The value below which a share of the sorted numbers lies, between neighbours in proportion. */
static double quantile(const double *sorted, size_t n, double share) {
  double at = share * (double)(n - 1);
  size_t below = (size_t)at;
  double part = at - (double)below;
  return below + 1 < n ? sorted[below] + part * (sorted[below + 1] - sorted[below]) : sorted[n - 1];
}

static ap_status add_row(trend *t, size_t place, const char *commit, const json_t *row,
                         const char *verdict, ap_error *err) {
  const json_t *values = json_object_get(row, "values");
  size_t n = json_array_size(values);
  double *sorted = ap_calloc(n, sizeof *sorted);
  bool band = n >= 3;
  int bad = !sorted;
  for (size_t i = 0; i < n && !bad; i++) sorted[i] = json_number_value(json_array_get(values, i));
  if (!bad) {
    qsort(sorted, n, sizeof *sorted, by_number);
    bad = json_array_append_new(
        t->rows, json_pack("{s:s, s:s, s:s, s:s, s:I, s:s, s:I, s:f, s:f, s:f, s:s}", "series",
                           text_of(row, "series"), "metric", text_of(row, "metric"), "kind",
                           text_of(row, "kind"), "unit", text_of(row, "unit"), "place",
                           (json_int_t)place, "commit", commit, "n", (json_int_t)n, "value",
                           quantile(sorted, n, 0.5), "low", quantile(sorted, n, band ? 0.25 : 0.5),
                           "high", quantile(sorted, n, band ? 0.75 : 0.5), "verdict", verdict));
  }
  ap_free(sorted);
  return bad ? ap_fail(err, AP_ERR_MEMORY, "trend") : AP_OK;
}

static const char *verdict_of(const ap_report *report, const json_t *row) {
  for (size_t i = 0; report && i < report->n; i++) {
    const ap_change *c = &report->changes[i];
    if (strcmp(c->series, text_of(row, "series")) == 0 &&
        strcmp(c->metric, text_of(row, "metric")) == 0) {
      return c->verdict == AP_VERDICT_NEW ? "" : ap_verdict_name(c->verdict);
    }
  }
  return "";
}

static ap_status add_commit(trend *t, size_t place, ap_error *err) {
  const char *commit = json_string_value(json_array_get(t->commits, place));
  json_t *values = NULL;
  ap_report *report = NULL;
  ap_status st = ap_history_values(t->history, commit, t->machine, &values, err);
  if (!st && place > 0) {
    const char *before = json_string_value(json_array_get(t->commits, place - 1));
    st = ap_history_judge(t->history, t->machine, before, commit, &t->options->judge, &report, err);
  }
  for (size_t i = 0; !st && i < json_array_size(values); i++) {
    const json_t *row = json_array_get(values, i);
    if (wanted(t, row)) st = add_row(t, place, commit, row, verdict_of(report, row), err);
  }
  ap_report_destroy(report);
  json_decref(values);
  return st;
}

static int by_series(const void *a, const void *b) {
  const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
  int order = strcmp(text_of(x, "series"), text_of(y, "series"));
  json_int_t p = json_integer_value(json_object_get(x, "place"));
  json_int_t q = json_integer_value(json_object_get(y, "place"));
  if (!order) order = strcmp(text_of(x, "metric"), text_of(y, "metric"));
  return order ? order : (p > q) - (p < q);
}

static ap_status sort_rows(trend *t, ap_error *err) {
  size_t n = json_array_size(t->rows);
  json_t **list = ap_calloc(n, sizeof(json_t *)), *sorted = json_array();
  ap_status st = list && sorted ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "trend");
  for (size_t i = 0; i < n && !st; i++) list[i] = json_array_get(t->rows, i);
  if (!st && n > 0) qsort(list, n, sizeof(json_t *), by_series);
  for (size_t i = 0; i < n && !st; i++) {
    if (json_array_append(sorted, list[i])) st = ap_fail(err, AP_ERR_MEMORY, "trend");
  }
  ap_free(list);
  if (!st) {
    json_decref(t->rows);
    t->rows = sorted;
    sorted = NULL;
  }
  json_decref(sorted);
  return st;
}

ap_status ap_history_trend(ap_history *history, const char *machine,
                           const ap_trend_options *options, json_t **rows, ap_error *err) {
  trend t = {.history = history, .machine = machine, .options = options, .rows = json_array()};
  ap_status st = t.rows ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "trend");
  *rows = NULL;
  if (!st) st = ap_history_commits(history, machine, options->limit, &t.commits, err);
  for (size_t i = 0; !st && i < json_array_size(t.commits); i++) st = add_commit(&t, i, err);
  if (!st) st = sort_rows(&t, err);
  json_decref(t.commits);
  if (st) {
    json_decref(t.rows);
    return st;
  }
  *rows = t.rows;
  return AP_OK;
}
