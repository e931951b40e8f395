#include "cli/history_print.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "history/u_test.h"

static const char *text_of(const json_t *row, const char *member) {
  const char *text = json_string_value(json_object_get(row, member));
  return text ? text : "";
}

/* Twelve digits, and whether the sources were edited. */
static void short_commit(const char *commit, char out[24]) {
  const char *plus = strchr(commit, '+');
  (void)snprintf(out, 24, "%.12s%s", commit, plus ? "+" : "");
}

void ap_cli_print_runs(const json_t *rows) {
  (void)printf("%6s  %-20s  %-13s  %-10s %7s  %s\n", "run", "recorded", "commit", "kind", "series",
               "machine");
  for (size_t i = 0; i < json_array_size(rows); i++) {
    const json_t *row = json_array_get(rows, i);
    char commit[24];
    short_commit(text_of(row, "commit"), commit);
    (void)printf("%6lld  %-20s  %-13s  %-10s %7lld  %s\n",
                 (long long)json_integer_value(json_object_get(row, "run")),
                 text_of(row, "recorded"), commit, text_of(row, "kind"),
                 (long long)json_integer_value(json_object_get(row, "series")),
                 text_of(row, "machine"));
  }
}

void ap_cli_print_values(const json_t *rows) {
  const char *series = "";
  for (size_t i = 0; i < json_array_size(rows); i++) {
    const json_t *row = json_array_get(rows, i), *values = json_object_get(row, "values");
    size_t n = json_array_size(values);
    double *numbers = ap_calloc(n, sizeof *numbers), middle = NAN;
    for (size_t k = 0; numbers && k < n; k++) {
      numbers[k] = json_number_value(json_array_get(values, k));
    }
    if (numbers && n > 0) (void)!ap_median(numbers, n, &middle, NULL);
    ap_free(numbers);
    if (strcmp(series, text_of(row, "series")) != 0) {
      series = text_of(row, "series");
      (void)printf("%s\n", series);
    }
    (void)printf("  %-28s %.12g%s%s", text_of(row, "metric"), middle,
                 text_of(row, "unit")[0] ? " " : "", text_of(row, "unit"));
    if (strcmp(text_of(row, "kind"), "time") == 0) (void)printf(" (median of %zu)", n);
    (void)printf("\n");
  }
}

static void print_change(const ap_change *c) {
  (void)printf("%-10s %s: %s", ap_verdict_name(c->verdict), c->series, c->metric);
  if (isfinite(c->before) && isfinite(c->after)) {
    (void)printf(" %.*g -> %.*g%s%s", c->time ? 4 : 12, c->before, c->time ? 4 : 12, c->after,
                 c->unit[0] ? " " : "", c->unit);
    if (c->before != 0) (void)printf(" (%+.3g %%)", 100 * (c->after / c->before - 1));
  }
  if (c->time && c->n_before) {
    (void)printf(", %zu and %zu repetitions", c->n_before, c->n_after);
    if (isfinite(c->p)) {
      (void)printf(", p %.2g", c->p);
    } else {
      (void)printf(": too few for a verdict");
    }
  }
  if (c->note[0]) (void)printf("; %s", c->note);
  (void)printf("\n");
}

/* A whole series that came or went is one line. Returns how many changes that were. */
static size_t print_series(const ap_report *report, size_t first) {
  const ap_change *c = &report->changes[first];
  size_t n = 1;
  while (first + n < report->n && c[n].verdict == c->verdict &&
         strcmp(c[n].series, c->series) == 0) {
    n++;
  }
  (void)printf("%-10s %s: %s", ap_verdict_name(c->verdict), c->series, c->metric);
  if (n > 1) (void)printf(" and %zu more", n - 1);
  (void)printf("\n");
  return n;
}

void ap_cli_print_report(const ap_report *report, bool all) {
  static const ap_verdict order[] = {AP_VERDICT_MOVED,     AP_VERDICT_SLOWER, AP_VERDICT_AMBIGUOUS,
                                     AP_VERDICT_EXPLAINED, AP_VERDICT_FASTER, AP_VERDICT_GONE,
                                     AP_VERDICT_NEW,       AP_VERDICT_EQUAL,  AP_VERDICT_SAME};
  char before[24], after[24];
  const char *between = "";
  for (size_t k = 0; k < sizeof order / sizeof order[0]; k++) {
    bool still = order[k] == AP_VERDICT_EQUAL || order[k] == AP_VERDICT_SAME;
    for (size_t i = 0; i < report->n && (all || !still);) {
      if (report->changes[i].verdict != order[k]) {
        i++;
      } else if (order[k] == AP_VERDICT_GONE || order[k] == AP_VERDICT_NEW) {
        i += print_series(report, i);
      } else {
        print_change(&report->changes[i++]);
      }
    }
  }
  short_commit(report->before, before);
  short_commit(report->after, after);
  (void)printf("%s -> %s: ", before, after);
  for (size_t k = 0; k < sizeof order / sizeof order[0]; k++) {
    if (report->counts[order[k]] == 0) continue;
    (void)printf("%s%zu %s", between, report->counts[order[k]], ap_verdict_name(order[k]));
    between = ", ";
  }
  (void)printf("%s\n", report->n ? "" : "nothing measured at both");
}
