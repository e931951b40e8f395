#include "bench/compare.h"

#include <math.h>

#include "base/alloc.h"
#include "bench/experiment_impl.h"
#include "bench/table_impl.h"

ap_compare_options ap_compare_defaults(void) {
  return (ap_compare_options){.suite = "quick",
                              .out = "out/quick",
                              .max_loss = 0.01,
                              .tune_epochs = (double)NAN,
                              .seed = 1,
                              .backend = "cpu",
                              .plugin_time_limit = AP_PLUGIN_TIME_LIMIT,
                              .draw = true};
}

/* The tables of what is there so far. */
static ap_status write_tables(const ap_experiment *e, const json_t *cells, json_t **rows,
                              ap_error *err) {
  json_t *head = NULL;
  ap_status st = ap_experiment_head(e, &head, err);
  *rows = NULL;
  if (!st) st = ap_table_rows(cells, rows, err);
  if (!st) st = ap_table_write(e->options->out, cells, *rows, head, err);
  json_decref(head);
  return st;
}

ap_status ap_compare_run(const ap_compare_options *options, const json_t *provenance,
                         json_t **table, ap_error *err) {
  const ap_setting setting = ap_setting_default();
  ap_experiment e;
  json_t *cells = json_array(), *rows = NULL;
  ap_status st = ap_experiment_open(options, provenance, &e, err);
  if (table) *table = NULL;
  if (!st && !cells) st = ap_fail(err, AP_ERR_MEMORY, "comparison");
  if (!st) st = ap_experiment_plan(&e, &setting, 1, err);
  for (size_t i = 0; i < e.n_networks && !st && !options->plan; i++) {
    st = ap_experiment_network(&e, e.networks[i], &setting, cells, err);
    json_decref(rows);
    rows = NULL;
    if (!st) st = write_tables(&e, cells, &rows, err); /* an interruption leaves those */
  }
  if (!st && options->draw && !options->plan)
    st = ap_compare_plot(options->out, options->plots, err);
  if (!st && table) {
    *table = rows;
    rows = NULL;
  }
  json_decref(rows);
  json_decref(cells);
  ap_experiment_close(&e);
  return st;
}
