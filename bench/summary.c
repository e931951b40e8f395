#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/csv_read.h"
#include "base/file.h"
#include "base/statistics.h"
#include "bench/cell_read_impl.h"
#include "bench/markdown_impl.h"
#include "bench/result_ranges_impl.h"
#include "bench/summary_impl.h"

static const char *const names[] = {"network", "data",   "suite",    "division", "open_because",
                                    "method",  "pruner", "searcher", "crossbar", "ou"};
static const char *const quantities[] = {"dense_accuracy_selection",
                                         "accuracy_selection",
                                         "accuracy_loss",
                                         "oneshot_accuracy_selection",
                                         "dense_accuracy_test",
                                         "accuracy_test",
                                         "weights_compression",
                                         "macs_compression",
                                         "ous_compression",
                                         "crossbars_compression",
                                         "crossbars_dense",
                                         "crossbars",
                                         "index_bits",
                                         "area_mm2",
                                         "energy_uj",
                                         "latency_us",
                                         "area_efficiency",
                                         "energy_efficiency",
                                         "compression_vs_pim",
                                         "area_efficiency_vs_pim",
                                         "energy_efficiency_vs_pim",
                                         "accuracy_test_vs_pim",
                                         "finetunes",
                                         "seconds"};
#define COUNT(list) (sizeof(list) / sizeof(list)[0])

/* Mean and interval of one column over the seeds of a method; values has room for all of them. */
static int put_quantity(json_t *out, const json_t *rows, const json_t *first, const char *name,
                        double *values) {
  ap_sample_statistics s = {(double)NAN, (double)NAN, (double)NAN};
  char low[64], high[64];
  size_t n = 0;
  for (size_t i = 0; i < json_array_size(rows); i++) {
    const json_t *row = json_array_get(rows, i);
    if (same_method(row, first) && isfinite(at(row, name))) values[n++] = at(row, name);
  }
  if (n > 0) s = ap_sample_statistics_of(values, n);
  if (n < 2) s.half_width = (double)NAN; /* one seed says nothing about others */
  (void)snprintf(low, sizeof low, "%s_low", name);
  (void)snprintf(high, sizeof high, "%s_high", name);
  return json_object_set_new(out, name, number_or_null(s.mean)) ||
         json_object_set_new(out, low, number_or_null(s.mean - s.half_width)) ||
         json_object_set_new(out, high, number_or_null(s.mean + s.half_width));
}

static int fill(json_t *out, const json_t *rows, const json_t *first, double *values) {
  json_int_t n = 0, failed = 0;
  double within = 0;
  int bad = 0;
  for (size_t i = 0; i < json_array_size(rows); i++) {
    const json_t *row = json_array_get(rows, i);
    if (!same_method(row, first)) continue;
    if (text(row, "failed")[0]) {
      failed++;
    } else {
      n++;
      within += at(row, "feasible");
    }
  }
  for (size_t i = 0; i < COUNT(names) && !bad; i++) {
    bad = json_object_set_new(out, names[i], json_string(text(first, names[i])));
  }
  bad = bad || json_object_set_new(out, "n", json_integer(n)) ||
        json_object_set_new(out, "failed", json_integer(failed)) ||
        json_object_set_new(out, "within_limit", number_or_null(within / (double)n));
  for (size_t i = 0; i < COUNT(quantities) && !bad; i++) {
    bad = put_quantity(out, rows, first, quantities[i], values);
  }
  return bad;
}

ap_status ap_summary_rows(const json_t *rows, json_t **summary, ap_error *err) {
  double *values = ap_calloc(json_array_size(rows) + 1, sizeof *values);
  int bad = !values;
  *summary = json_array();
  bad = bad || !*summary;
  for (size_t i = 0; i < json_array_size(rows) && !bad; i++) {
    const json_t *first = json_array_get(rows, i);
    bool seen = false;
    json_t *out;
    for (size_t k = 0; k < i && !seen; k++) seen = same_method(json_array_get(rows, k), first);
    if (seen) continue;
    out = json_object();
    bad = !out || fill(out, rows, first, values) || json_array_append(*summary, out);
    json_decref(out);
  }
  ap_free(values);
  if (!bad) return AP_OK;
  json_decref(*summary);
  *summary = NULL;
  return ap_fail(err, AP_ERR_MEMORY, "summary");
}

/* ---- for people ---- */

/* "2.15 ± 0.21x", "2.15x" of one seed, or a dash. */
static void value_text(FILE *f, const json_t *row, const char *name, double scale, int digits,
                       const char *unit) {
  char high[64];
  double mean = at(row, name), width;
  (void)snprintf(high, sizeof high, "%s_high", name);
  width = at(row, high) - mean;
  if (!isfinite(mean)) {
    (void)fputs(" | -", f);
  } else if (isfinite(width)) {
    (void)fprintf(f, " | %.*f ± %.*f%s", digits, scale * mean, digits, scale * width, unit);
  } else {
    (void)fprintf(f, " | %.*f%s", digits, scale * mean, unit);
  }
}

static void write_row(FILE *f, const json_t *row) {
  (void)fputs("| ", f);
  ap_markdown_name(f, text(row, "method"));
  (void)fprintf(f, " | %.0f", at(row, "n"));
  value_text(f, row, "accuracy_test", 100, 2, " %");
  value_text(f, row, "accuracy_loss", 100, 2, "");
  value_text(f, row, "crossbars_compression", 1, 2, "x");
  value_text(f, row, "area_efficiency", 1, 2, "x");
  value_text(f, row, "energy_efficiency", 1, 2, "x");
  value_text(f, row, "compression_vs_pim", 1, 2, "x");
  value_text(f, row, "area_efficiency_vs_pim", 1, 2, "x");
  value_text(f, row, "energy_efficiency_vs_pim", 1, 2, "x");
  (void)fprintf(f, " | %s", text(row, "division"));
  if (at(row, "failed") > 0) {
    (void)fprintf(f, ", %.0f failed", at(row, "failed"));
  } else if (at(row, "within_limit") < 1) {
    (void)fputs(", limit not met", f);
  }
  (void)fputs(" |\n", f);
}

static void write_tables(FILE *f, const json_t *summary) {
  const char *network = "";
  for (size_t i = 0; i < json_array_size(summary); i++) {
    const json_t *row = json_array_get(summary, i);
    if (strcmp(text(row, "network"), network) != 0) {
      network = text(row, "network");
      (void)fprintf(f,
                    "\n## %s on %s, crossbars %s, OU %s\n\n"
                    "| method | seeds | accuracy, test | loss, selection | crossbars | area eff. "
                    "| energy eff. | crossbars vs PIM | area vs PIM | energy vs PIM | division |\n"
                    "|---|---|---|---|---|---|---|---|---|---|---|\n",
                    network, text(row, "data"), text(row, "crossbar"), text(row, "ou"));
    }
    write_row(f, row);
  }
}

static void write_left_out(FILE *f, const json_t *provenance) {
  const json_t *list = json_object_get(provenance, "left_out");
  if (json_array_size(list) > 0) (void)fputs("\n## Not here\n\n", f);
  for (size_t i = 0; i < json_array_size(list); i++) {
    (void)fprintf(f, "- %s\n", json_string_value(json_array_get(list, i)));
  }
}

ap_status ap_summary_markdown(const char *dir, const json_t *summary, const json_t *provenance,
                              ap_error *err) {
  char *path = ap_path_join(dir, "summary.md");
  ap_output *output = NULL;
  ap_status st = path ? ap_output_open(path, true, &output, err)
                      : ap_fail(err, AP_ERR_MEMORY, "path of summary.md");
  if (!st) {
    FILE *f = ap_output_stream(output);
    (void)fprintf(f,
                  "# Methods at equal accuracy loss, over the seeds\n\nFrom `%s`, commit `%s`. "
                  "Means and the 95 %% interval of the mean (Student's t). The first three ratios "
                  "are against the dense network, those vs PIM against the PIM-Prune-like row of "
                  "the same seed; docs/PAPER.md.\n",
                  text(provenance, "command"), text(provenance, "commit"));
    write_tables(f, summary);
    write_left_out(f, provenance);
    st = ap_output_commit(output, err);
  }
  ap_free(path);
  return st;
}

ap_status ap_summary_load(const char *dir, const char *const *needed, size_t n_needed,
                          json_t **rows, json_t **head, ap_error *err) {
  char *path = ap_path_join(dir, "summary.csv");
  ap_status st = path ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "summary");
  if (!st && !ap_file_exists(path)) {
    st = ap_file_absent(path, "; a folder that 'compare' wrote is expected", err);
  }
  if (!st) st = ap_csv_load_numbers(path, NULL, ap_result_range, rows, head, err);
  for (size_t i = 0; i < n_needed && !st && json_array_size(*rows); i++) {
    if (!json_object_get(json_array_get(*rows, 0), needed[i])) {
      st = ap_fail(err, AP_ERR_ARG, "%s: no column %s", path, needed[i]);
    }
  }
  ap_free(path);
  return st;
}
