#include "history/judge.h"

#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "history/u_test.h"

static const char *const names[] = {"equal",  "moved",     "explained", "same", "faster",
                                    "slower", "ambiguous", "gone",      "new"};

const char *ap_verdict_name(ap_verdict verdict) { return names[verdict]; }

ap_judge_options ap_judge_defaults(void) {
  return (ap_judge_options){.level = 0.01, .effect = 0.05, .repetitions = 9};
}

typedef struct {
  ap_history *history;
  const ap_judge_options *options;
  const char *machine;
  json_t *before, *after, *notes; /* rows of history.h */
  ap_report *report;
} judgement;

static const char *text_of(const json_t *row, const char *member) {
  return json_string_value(json_object_get(row, member));
}

static int by_key(const json_t *a, const json_t *b) {
  int order = strcmp(text_of(a, "series"), text_of(b, "series"));
  return order ? order : strcmp(text_of(a, "metric"), text_of(b, "metric"));
}

static double *numbers(const json_t *row, size_t *n) {
  const json_t *values = json_object_get(row, "values");
  double *out;
  *n = json_array_size(values);
  out = ap_calloc(*n, sizeof *out);
  for (size_t i = 0; out && i < *n; i++) out[i] = json_number_value(json_array_get(values, i));
  return out;
}

/* Texts live as long as the report. */
static const char *keep_text(judgement *j, const char *text) {
  json_t *value = json_string(text);
  if (!value || json_array_append_new(j->report->rows, value)) return "";
  return json_string_value(value);
}

/* ---- modelled metrics ---- */

static bool fits(const json_t *note, const ap_change *c) {
  return fnmatch(text_of(note, "series"), c->series, 0) == 0 &&
         fnmatch(text_of(note, "metric"), c->metric, 0) == 0;
}

/* The value that a metric had at a commit; NAN where it was not measured. */
static ap_status value_at(judgement *j, const char *commit, const ap_change *c, double *out,
                          ap_error *err) {
  json_t *rows = NULL;
  ap_status st = ap_history_values(j->history, commit, j->machine, &rows, err);
  *out = (double)NAN;
  for (size_t i = 0; !st && i < json_array_size(rows); i++) {
    const json_t *row = json_array_get(rows, i);
    if (strcmp(text_of(row, "series"), c->series) == 0 &&
        strcmp(text_of(row, "metric"), c->metric) == 0) {
      *out = json_number_value(json_array_get(json_object_get(row, "values"), 0));
    }
  }
  json_decref(rows);
  return st;
}

/* A note on a commit accepts the value that the metric had there. */
static ap_status explain(judgement *j, ap_change *c, ap_error *err) {
  ap_status st = AP_OK;
  for (size_t i = 0; !st && i < json_array_size(j->notes); i++) {
    const json_t *note = json_array_get(j->notes, i);
    double accepted = c->after;
    if (!fits(note, c)) continue;
    if (strcmp(text_of(note, "commit"), j->report->after) != 0) {
      st = value_at(j, text_of(note, "commit"), c, &accepted, err);
    }
    if (!st && accepted == c->after) {
      c->verdict = AP_VERDICT_EXPLAINED;
      c->note = text_of(note, "text");
      break;
    }
  }
  return st;
}

/* Names of the members in which two configurations differ. */
static ap_status configuration_note(judgement *j, const json_t *before, const json_t *after,
                                    ap_change *c, ap_error *err) {
  const char *old_hash = text_of(before, "configuration"), *hash = text_of(after, "configuration");
  json_t *old_one = NULL, *one = NULL, *value;
  char text[300] = "configuration differs in";
  const char *key;
  ap_status st;
  if (strcmp(old_hash, hash) == 0) return AP_OK;
  st = ap_history_configuration(j->history, old_hash, &old_one, err);
  if (!st) st = ap_history_configuration(j->history, hash, &one, err);
  for (int side = 0; side < 2 && !st; side++) {
    json_t *all = side ? old_one : one, *other = side ? one : old_one;
    json_object_foreach(all, key, value) {
      size_t used = strlen(text);
      json_t *there = json_object_get(other, key);
      if (side ? there != NULL : json_equal(value, there)) continue;
      (void)snprintf(text + used, sizeof text - used, " %.60s", key);
    }
  }
  json_decref(old_one);
  json_decref(one);
  if (!st) c->note = keep_text(j, text);
  return st;
}

static ap_status judge_model(judgement *j, const json_t *before, const json_t *after, ap_change *c,
                             ap_error *err) {
  ap_status st;
  c->before = json_number_value(json_array_get(json_object_get(before, "values"), 0));
  c->after = json_number_value(json_array_get(json_object_get(after, "values"), 0));
  c->verdict = AP_VERDICT_EQUAL;
  st = configuration_note(j, before, after, c, err);
  if (st || c->before == c->after) return st;
  c->verdict = AP_VERDICT_MOVED;
  return explain(j, c, err);
}

/* ---- timings ---- */

static ap_status measure(judgement *j, const json_t *before, const json_t *after, ap_change *c,
                         ap_error *err) {
  double *a = numbers(before, &c->n_before), *b = numbers(after, &c->n_after);
  ap_u_result u;
  ap_status st = a && b ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "timings");
  if (!st) st = configuration_note(j, before, after, c, err);
  if (!st) st = ap_median(a, c->n_before, &c->before, err);
  if (!st) st = ap_median(b, c->n_after, &c->after, err);
  if (!st && c->n_before >= j->options->repetitions && c->n_after >= j->options->repetitions) {
    st = ap_u_test(a, c->n_before, b, c->n_after, &u, err);
    if (!st) c->p = u.p;
  }
  ap_free(a);
  ap_free(b);
  return st;
}

/* All p-values of a report are adjusted together, so that many rows do not make false alarms. */
static ap_status decide_timings(judgement *j, ap_error *err) {
  ap_report *r = j->report;
  double *p = ap_calloc(r->n, sizeof *p), *adjusted = ap_calloc(r->n, sizeof *adjusted);
  size_t n = 0, at = 0;
  ap_status st = p && adjusted ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "timings");
  for (size_t i = 0; !st && i < r->n; i++) {
    if (r->changes[i].time && isfinite(r->changes[i].p)) p[n++] = r->changes[i].p;
  }
  if (!st) st = ap_holm(p, n, adjusted, err);
  for (size_t i = 0; !st && i < r->n; i++) {
    ap_change *c = &r->changes[i];
    double effect = c->after / c->before - 1;
    bool tested = c->time && isfinite(c->p);
    if (!c->time || c->verdict >= AP_VERDICT_GONE) continue;
    if (tested) c->p = adjusted[at++];
    c->verdict = AP_VERDICT_SAME;
    if (fabs(effect) < j->options->effect) continue;
    c->verdict = AP_VERDICT_AMBIGUOUS;
    if (tested && c->p < j->options->level) {
      c->verdict = effect > 0 ? AP_VERDICT_SLOWER : AP_VERDICT_FASTER;
    }
  }
  ap_free(p);
  ap_free(adjusted);
  return st;
}

/* ---- the report ---- */

static ap_status judge_pair(judgement *j, const json_t *before, const json_t *after, ap_change *c,
                            ap_error *err) {
  const json_t *row = after ? after : before;
  *c = (ap_change){.series = text_of(row, "series"),
                   .metric = text_of(row, "metric"),
                   .unit = text_of(row, "unit"),
                   .time = strcmp(text_of(row, "kind"), "time") == 0,
                   .before = (double)NAN,
                   .after = (double)NAN,
                   .p = (double)NAN,
                   .note = ""};
  if (!before || !after) {
    c->verdict = before ? AP_VERDICT_GONE : AP_VERDICT_NEW;
    return AP_OK;
  }
  return c->time ? measure(j, before, after, c, err) : judge_model(j, before, after, c, err);
}

/* Both lists are sorted by series and metric. */
static ap_status merge(judgement *j, ap_error *err) {
  size_t n_before = json_array_size(j->before), n_after = json_array_size(j->after);
  size_t b = 0, a = 0;
  ap_status st = AP_OK;
  j->report->changes = ap_calloc(n_before + n_after, sizeof *j->report->changes);
  if (!j->report->changes) return ap_fail(err, AP_ERR_MEMORY, "report");
  while (!st && (b < n_before || a < n_after)) {
    const json_t *before = json_array_get(j->before, b), *after = json_array_get(j->after, a);
    int order = !before ? 1 : !after ? -1 : by_key(before, after);
    st = judge_pair(j, order <= 0 ? before : NULL, order >= 0 ? after : NULL,
                    &j->report->changes[j->report->n++], err);
    b += order <= 0;
    a += order >= 0;
  }
  return st;
}

static ap_status check_options(const ap_judge_options *o, ap_error *err) {
  if (o->level > 0 && o->level < 1 && o->effect >= 0 && o->effect < 10 && o->repetitions >= 2) {
    return AP_OK;
  }
  return ap_fail(err, AP_ERR_ARG,
                 "level %g, effect %g, repetitions %zu; expected 0..1, 0..10 and at least 2",
                 o->level, o->effect, o->repetitions);
}

ap_status ap_history_judge(ap_history *history, const char *machine, const char *before,
                           const char *after, const ap_judge_options *options, ap_report **out,
                           ap_error *err) {
  judgement j = {.history = history, .options = options, .machine = machine};
  ap_report *r = ap_calloc(1, sizeof *r);
  ap_status st = check_options(options, err);
  *out = NULL;
  j.report = r;
  if (!st && r) r->rows = json_array();
  if (!st && (!r || !r->rows)) st = ap_fail(err, AP_ERR_MEMORY, "report");
  if (!st) st = ap_history_values(history, before, machine, &j.before, err);
  if (!st) st = ap_history_values(history, after, machine, &j.after, err);
  if (!st) st = ap_history_notes(history, machine, before, after, &j.notes, err);
  if (!st) {
    (void)snprintf(r->before, sizeof r->before, "%s", before);
    (void)snprintf(r->after, sizeof r->after, "%s", after);
    if (json_array_append(r->rows, j.before) || json_array_append(r->rows, j.after) ||
        json_array_append(r->rows, j.notes)) {
      st = ap_fail(err, AP_ERR_MEMORY, "report");
    }
  }
  if (!st) st = merge(&j, err);
  if (!st) st = decide_timings(&j, err);
  for (size_t i = 0; !st && i < r->n; i++) r->counts[r->changes[i].verdict]++;
  if (!st) {
    r->regression = r->counts[AP_VERDICT_MOVED] > 0 || r->counts[AP_VERDICT_SLOWER] > 0;
    *out = r;
    r = NULL;
  }
  json_decref(j.before);
  json_decref(j.after);
  json_decref(j.notes);
  ap_report_destroy(r);
  return st;
}

void ap_report_destroy(ap_report *report) {
  if (!report) return;
  json_decref(report->rows);
  ap_free(report->changes);
  ap_free(report);
}

static json_t *number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

json_t *ap_report_to_json(const ap_report *report) {
  json_t *counts = json_object(), *changes = json_array();
  int bad = !counts || !changes;
  for (size_t i = 0; i <= AP_VERDICT_NEW && !bad; i++) {
    bad = json_object_set_new(counts, names[i], json_integer((json_int_t)report->counts[i]));
  }
  for (size_t i = 0; i < report->n && !bad; i++) {
    const ap_change *c = &report->changes[i];
    bad = json_array_append_new(
        changes,
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:I, s:I, s:o, s:s}", "series", c->series,
                  "metric", c->metric, "unit", c->unit, "kind", c->time ? "time" : "model",
                  "verdict", names[c->verdict], "before", number(c->before), "after",
                  number(c->after), "n_before", (json_int_t)c->n_before, "n_after",
                  (json_int_t)c->n_after, "p", number(c->p), "note", c->note));
  }
  if (bad) {
    json_decref(counts);
    json_decref(changes);
    return NULL;
  }
  return json_pack("{s:s, s:s, s:b, s:o, s:o}", "before", report->before, "after", report->after,
                   "regression", (int)report->regression, "counts", counts, "changes", changes);
}
