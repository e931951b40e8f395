#include "base/alloc.h"
#include "base/csv.h"
#include "base/file.h"
#include "bench/cell_impl.h"
#include "bench/cell_read_impl.h"
#include "bench/csv_head.h"
#include "bench/curves_impl.h"
#include "bench/hardware_tables_impl.h"
#include "bench/markdown_impl.h"
#include "bench/summary_impl.h"
#include "bench/table_impl.h"

static int set_number(json_t *row, const char *name, double value) {
  return json_object_set_new(row, name, number_or_null(value));
}

/* Recoveries that took training. */
static double fine_tunings(const json_t *cell) {
  const json_t *log = json_object_get(cell, "tunings");
  size_t n = 0;
  for (size_t i = 0; i < json_array_size(log); i++) {
    n += json_is_number(json_object_get(json_array_get(log, i), "tuned_accuracy_selection"));
  }
  return (double)n;
}

/* Columns of one row. *_vs_pim stay empty when pim-prune was not run. */
static int fill_row(json_t *row, const json_t *cell, const json_t *dense, const json_t *pim) {
  const json_t *config = json_object_get(cell, "config");
  double crossbars = at(cell, "hardware.total.crossbars");
  double area = at(cell, "hardware.total.area_mm2"), energy = at(cell, "hardware.total.energy_uj");
  double selection = at(cell, "accuracy_selection"), reference = at(dense, "accuracy_selection");
  double loss = reference - selection;
  bool failed = text(cell, "failed")[0] != '\0';
  bool feasible = loss <= at(config, "max_loss") + 1e-9;
  const char *searcher = text(config, "searcher");
  const struct {
    const char *name;
    double value;
  } numbers[] = {
      {"dense_accuracy_selection", reference},
      {"accuracy_selection", selection},
      {"accuracy_loss", loss},
      {"oneshot_accuracy_selection", at(cell, "oneshot_accuracy_selection")},
      {"dense_accuracy_test", at(dense, "accuracy_test")},
      {"accuracy_test", at(cell, "accuracy_test")},
      {"weights_compression",
       at(cell, "hardware.total.weights") / at(cell, "hardware.total.weights_kept")},
      {"macs_compression", at(cell, "hardware.total.macs") / at(cell, "hardware.total.macs_kept")},
      {"ous_compression", at(dense, "hardware.total.ous") / at(cell, "hardware.total.ous")},
      {"crossbars_compression", at(cell, "hardware.total.crossbars_dense") / crossbars},
      {"crossbars_dense", at(cell, "hardware.total.crossbars_dense")},
      {"crossbars", crossbars},
      {"index_bits", at(cell, "hardware.total.index_bits")},
      {"area_mm2", area},
      {"energy_uj", energy},
      {"latency_us", at(cell, "hardware.total.latency_us")},
      {"area_efficiency", at(dense, "hardware.total.area_mm2") / area},
      {"energy_efficiency", at(dense, "hardware.total.energy_uj") / energy},
      {"area_efficiency_vs_pim", at(pim, "hardware.total.area_mm2") / area},
      {"energy_efficiency_vs_pim", at(pim, "hardware.total.energy_uj") / energy},
      {"compression_vs_pim", at(pim, "hardware.total.crossbars") / crossbars},
      {"accuracy_test_vs_pim", at(cell, "accuracy_test") - at(pim, "accuracy_test")},
      {"feasible", feasible},
      {"finetunes", fine_tunings(cell)},
      {"seconds", at(cell, "seconds")},
  };
  int bad = json_object_set_new(row, "network", json_string(text(cell, "network"))) ||
            json_object_set_new(row, "data", json_string(text(cell, "data"))) ||
            json_object_set_new(row, "suite", json_string(text(cell, "suite"))) ||
            json_object_set_new(row, "division", json_string(text(cell, "division"))) ||
            json_object_set_new(row, "open_because", json_string(text(cell, "open_because"))) ||
            json_object_set_new(row, "method", json_string(text(cell, "method"))) ||
            set_number(row, "seed", at(cell, "seed")) ||
            json_object_set_new(row, "pruner", json_string(text(config, "pruner"))) ||
            json_object_set_new(row, "searcher", json_string(*searcher ? searcher : "none")) ||
            json_object_set_new(row, "crossbar", json_string(text(cell, "crossbar"))) ||
            json_object_set_new(row, "ou", json_string(text(cell, "ou")));
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0] && !bad; i++) {
    bad = set_number(row, numbers[i].name, failed ? (double)NAN : numbers[i].value);
  }
  if (!bad) bad = json_object_set_new(row, "failed", json_string(text(cell, "failed")));
  return bad;
}

ap_status ap_table_rows(const json_t *cells, json_t **rows, ap_error *err) {
  *rows = json_array();
  if (!*rows) return ap_fail(err, AP_ERR_MEMORY, "table");
  for (size_t i = 0; i < json_array_size(cells); i++) {
    const json_t *cell = json_array_get(cells, i);
    const json_t *dense = ap_cell_find(cells, text(cell, "network"), "dense");
    const json_t *pim =
        ap_cell_find_seed(cells, text(cell, "network"), "pim-prune",
                          (uint64_t)json_integer_value(json_object_get(cell, "seed")));
    json_t *row = json_object();
    if (!row || fill_row(row, cell, dense, pim) || json_array_append_new(*rows, row)) {
      json_decref(*rows);
      *rows = NULL;
      return ap_fail(err, AP_ERR_MEMORY, "table");
    }
  }
  return AP_OK;
}

typedef ap_status writer(ap_csv *csv, const json_t *cells, const json_t *rows, ap_error *err);

static ap_status write_rows(ap_csv *csv, const json_t *cells, const json_t *rows, ap_error *err) {
  (void)cells;
  (void)err;
  ap_csv_rows(csv, rows);
  return AP_OK;
}

/* Whose episodes: the searcher, or the method where another one of the network searches with it, too. */
static const char *series(const json_t *cells, const json_t *cell) {
  const char *searcher = text(json_object_get(cell, "config"), "searcher");
  for (size_t i = 0; i < json_array_size(cells); i++) {
    const json_t *other = json_array_get(cells, i);
    if (strcmp(text(other, "method"), text(cell, "method")) == 0) continue; /* other seeds */
    if (strcmp(text(other, "network"), text(cell, "network")) != 0) continue;
    if (strcmp(text(json_object_get(other, "config"), "searcher"), searcher) == 0) {
      return text(cell, "method");
    }
  }
  return searcher;
}

static ap_status write_episodes(ap_csv *csv, const json_t *cells, const json_t *rows,
                                ap_error *err) {
  static const char *const columns[] = {"network",       "searcher", "seed",          "episode",
                                        "reward",        "accuracy", "accuracy_loss", "compression",
                                        "crossbars",     "feasible", "sigma",         "critic_loss",
                                        "image_forwards"};
  (void)rows;
  (void)err;
  ap_csv_columns(csv, columns, sizeof columns / sizeof columns[0]);
  for (size_t i = 0; i < json_array_size(cells); i++) {
    const json_t *cell = json_array_get(cells, i), *episodes = json_object_get(cell, "episodes");
    for (size_t e = 0; e < json_array_size(episodes); e++) {
      const json_t *row = json_array_get(episodes, e);
      ap_csv_text(csv, text(cell, "network"));
      ap_csv_text(csv, series(cells, cell));
      ap_csv_number(csv, at(cell, "seed"));
      for (size_t c = 0; c < json_array_size(row); c++) ap_csv_value(csv, json_array_get(row, c));
      ap_csv_end_row(csv);
    }
  }
  return AP_OK;
}

static ap_status write_layers(ap_csv *csv, const json_t *cells, const json_t *rows, ap_error *err) {
  static const char *const columns[] = {"network",      "method",    "seed",
                                        "layer_index",  "layer",     "keep_vectors",
                                        "keep_weights", "crossbars", "crossbars_dense"};
  (void)rows;
  (void)err;
  ap_csv_columns(csv, columns, sizeof columns / sizeof columns[0]);
  for (size_t i = 0; i < json_array_size(cells); i++) {
    const json_t *cell = json_array_get(cells, i);
    const json_t *layers = json_object_get(json_object_get(cell, "hardware"), "layers");
    for (size_t l = 0; l < json_array_size(layers); l++) {
      const json_t *layer = json_array_get(layers, l);
      ap_csv_text(csv, text(cell, "network"));
      ap_csv_text(csv, text(cell, "method"));
      ap_csv_number(csv, at(cell, "seed"));
      ap_csv_size(csv, l + 1);
      ap_csv_text(csv, text(layer, "name"));
      ap_csv_number(csv, at(layer, "vectors_kept") / at(layer, "vectors"));
      ap_csv_number(csv, at(layer, "weights_kept") / at(layer, "weights"));
      ap_csv_number(csv, at(layer, "crossbars"));
      ap_csv_number(csv, at(layer, "crossbars_dense"));
      ap_csv_end_row(csv);
    }
  }
  return AP_OK;
}

static ap_status write_breakdown(ap_csv *csv, const json_t *cells, const json_t *rows,
                                 ap_error *err) {
  (void)rows;
  (void)err;
  ap_write_breakdown(csv, cells);
  return AP_OK;
}

static ap_status write_laws(ap_csv *csv, const json_t *cells, const json_t *rows, ap_error *err) {
  (void)rows;
  (void)err;
  ap_write_laws(csv, cells);
  return AP_OK;
}

static ap_status write_points(ap_csv *csv, const json_t *cells, const json_t *rows, ap_error *err) {
  (void)rows;
  return ap_write_points(csv, cells, err);
}

static ap_status write_convergence(ap_csv *csv, const json_t *cells, const json_t *rows,
                                   ap_error *err) {
  (void)rows;
  (void)err;
  ap_write_convergence(csv, cells);
  return AP_OK;
}

static ap_status write_csv(const char *dir, const char *name, writer *write, const json_t *cells,
                           const json_t *rows, const json_t *provenance, ap_error *err) {
  char *path = ap_path_join(dir, name);
  ap_output *output = NULL;
  ap_status st = path ? ap_output_open(path, true, &output, err)
                      : ap_fail(err, AP_ERR_MEMORY, "path of %s", name);
  if (!st) {
    ap_csv csv = {ap_output_stream(output), 0};
    ap_csv_head(&csv, provenance);
    st = write(&csv, cells, rows, err);
    if (st) {
      ap_output_abandon(output);
    } else {
      st = ap_output_commit(output, err);
    }
  }
  ap_free(path);
  return st;
}

#define N_MARKDOWN_NUMBERS 12 /* columns of a table between method and verdict */

/* Why there are rows without numbers. */
static void markdown_failures(FILE *f, const json_t *rows, const char *network) {
  const char *before = "\n";
  for (size_t i = 0; i < json_array_size(rows); i++) {
    const json_t *r = json_array_get(rows, i);
    if (strcmp(text(r, "network"), network) != 0 || !text(r, "failed")[0]) continue;
    (void)fprintf(f, "%s- %s failed: %s\n", before, text(r, "method"), text(r, "failed"));
    before = "";
  }
}

static void markdown_network(FILE *f, const json_t *rows, const json_t *first) {
  const char *network = text(first, "network");
  bool seeds = false; /* several: each row says its own */
  for (size_t i = 0; i < json_array_size(rows); i++) {
    const json_t *r = json_array_get(rows, i);
    seeds =
        seeds || (strcmp(text(r, "network"), network) == 0 && at(r, "seed") > at(first, "seed"));
  }
  (void)fprintf(f, "\n## %s on %s, crossbars %s, OU %s\n\n", network, text(first, "data"),
                text(first, "crossbar"), text(first, "ou"));
  (void)fputs(
      "| method | accuracy, test | accuracy, selection | loss, selection | one shot, selection "
      "| weights | MACs | OUs | crossbars | area eff. | energy eff. | index kbit "
      "| crossbars vs PIM-Prune-like | within limit |\n"
      "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
      f);
  for (size_t i = 0; i < json_array_size(rows); i++) {
    const json_t *r = json_array_get(rows, i);
    if (strcmp(text(r, "network"), network) != 0) continue;
    (void)fputs("| ", f);
    ap_markdown_name(f, text(r, "method"));
    if (seeds) (void)fprintf(f, ", seed %.0f", at(r, "seed"));
    if (text(r, "failed")[0]) {
      for (int k = 0; k < N_MARKDOWN_NUMBERS; k++) (void)fputs(" | -", f);
      (void)fprintf(f, " | FAILED |\n");
      continue;
    }
    ap_markdown_number(f, " | ", 100 * at(r, "accuracy_test"), 2, " %");
    ap_markdown_number(f, " | ", 100 * at(r, "accuracy_selection"), 2, " %");
    ap_markdown_number(f, " | ", 100 * at(r, "accuracy_loss"), 2, "");
    ap_markdown_number(f, " | ", 100 * at(r, "oneshot_accuracy_selection"), 2, " %");
    ap_markdown_number(f, " | ", at(r, "weights_compression"), 2, "x");
    ap_markdown_number(f, " | ", at(r, "macs_compression"), 2, "x");
    ap_markdown_number(f, " | ", at(r, "ous_compression"), 2, "x");
    ap_markdown_number(f, " | ", at(r, "crossbars_compression"), 2, "x");
    ap_markdown_number(f, " | ", at(r, "area_efficiency"), 2, "x");
    ap_markdown_number(f, " | ", at(r, "energy_efficiency"), 2, "x");
    ap_markdown_number(f, " | ", at(r, "index_bits") / 1000, 1, "");
    ap_markdown_number(f, " | ", at(r, "compression_vs_pim"), 2, "x");
    (void)fprintf(f, " | %s |\n", at(r, "feasible") > 0 ? "yes" : "no");
  }
  markdown_failures(f, rows, network);
}

static ap_status write_markdown(const char *dir, const json_t *cells, const json_t *rows,
                                const json_t *provenance, ap_error *err) {
  char *path = ap_path_join(dir, "table.md");
  ap_output *output = NULL;
  ap_status st = path ? ap_output_open(path, true, &output, err)
                      : ap_fail(err, AP_ERR_MEMORY, "path of table.md");
  if (!st) {
    FILE *f = ap_output_stream(output);
    (void)fprintf(f,
                  "# Methods at equal accuracy loss\n\nFrom `%s`, commit `%s`. Ratios are against "
                  "the dense network on the same hardware; accuracies are of networks with "
                  "quantised weights; the loss is judged on the selection split.\n",
                  text(provenance, "command"), text(provenance, "commit"));
    for (size_t i = 0; i < json_array_size(rows); i++) {
      const json_t *row = json_array_get(rows, i), *before = json_array_get(rows, i ? i - 1 : 0);
      if (strcmp(text(row, "method"), "dense") != 0) continue;
      if (i > 0 && strcmp(text(before, "network"), text(row, "network")) == 0) continue;
      markdown_network(f, rows, row);
      ap_markdown_laws(f, cells, text(row, "network"));
    }
    st = ap_output_commit(output, err);
  }
  ap_free(path);
  return st;
}

/* The provenance of this run, and of every cell: hashes of model, data, hardware and configuration,
 * and the commit that computed it (an earlier run's cells are taken as they are). */
static json_t *whole_provenance(const json_t *cells, const json_t *provenance) {
  json_t *whole = json_deep_copy(provenance), *inputs = json_object(), *list = json_object();
  int bad = !whole || !inputs || !list;
  for (size_t i = 0; i < json_array_size(cells) && !bad; i++) {
    const json_t *cell = json_array_get(cells, i), *config = json_object_get(cell, "config");
    char name[200];
    (void)snprintf(name, sizeof name, "%s/%s/%.0f", text(cell, "network"), text(cell, "method"),
                   at(cell, "seed"));
    bad = json_object_set_new(
        list, name,
        json_pack("{s:s, s:s}", "configuration_sha256", text(cell, "hash"), "commit",
                  text(json_object_get(cell, "provenance"), "commit")));
    if (!bad && !text(cell, "failed")[0]) {
      bad = json_object_set_new(
          inputs, text(cell, "network"),
          json_pack("{s:s, s:s, s:s, s:I, s:f}", "model_sha256", text(config, "model_sha256"),
                    "data_sha256", text(config, "data_sha256"), "hardware_sha256",
                    text(config, "hardware_sha256"), "seed",
                    json_integer_value(json_object_get(config, "seed")), "max_loss",
                    json_number_value(json_object_get(config, "max_loss"))));
    }
  }
  if (!bad) bad = json_object_set(whole, "inputs", inputs);
  if (!bad) bad = json_object_set(whole, "cells", list);
  json_decref(inputs);
  json_decref(list);
  if (bad) {
    json_decref(whole);
    return NULL;
  }
  return whole;
}

ap_status ap_table_write(const char *dir, const json_t *cells, const json_t *rows,
                         const json_t *provenance, ap_error *err) {
  json_t *whole = whole_provenance(cells, provenance), *summary = NULL;
  ap_status st = whole ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "provenance");
  if (!st) st = ap_summary_rows(rows, &summary, err);
  if (!st) st = write_csv(dir, "summary.csv", write_rows, cells, summary, whole, err);
  if (!st) st = write_csv(dir, "points.csv", write_points, cells, rows, whole, err);
  if (!st) st = write_csv(dir, "convergence.csv", write_convergence, cells, rows, whole, err);
  if (!st) st = ap_summary_markdown(dir, summary, provenance, err);
  if (!st) st = write_csv(dir, "table.csv", write_rows, cells, rows, whole, err);
  if (!st) st = write_csv(dir, "episodes.csv", write_episodes, cells, rows, whole, err);
  if (!st) st = write_csv(dir, "layers.csv", write_layers, cells, rows, whole, err);
  if (!st) st = write_csv(dir, "breakdown.csv", write_breakdown, cells, rows, whole, err);
  if (!st) st = write_csv(dir, "laws.csv", write_laws, cells, rows, whole, err);
  if (!st) st = write_markdown(dir, cells, rows, provenance, err);
  json_decref(whole);
  json_decref(summary);
  return st;
}
