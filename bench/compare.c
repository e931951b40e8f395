#include "bench/compare.h"

#include <stdio.h>
#include <string.h>

#include "agent/searcher.h"
#include "base/alloc.h"
#include "base/file.h"
#include "bench/cell_impl.h"
#include "bench/cell_read_impl.h"
#include "bench/methods_impl.h"
#include "bench/suite_impl.h"
#include "bench/table_impl.h"
#include "bench/trained_impl.h"
#include "bench/workbench.h"

ap_compare_options ap_compare_defaults(void) {
  return (ap_compare_options){.suite = "quick",
                              .out = "out/quick",
                              .max_loss = 0.01,
                              .seed = 1,
                              .backend = "cpu",
                              .plugin_time_limit = AP_PLUGIN_TIME_LIMIT,
                              .draw = true};
}

/* A pruner that was asked for beside the suite's. */
typedef struct {
  ap_pruner pruner;
  char name[AP_PRUNER_NAME]; /* of its row */
  char failed[512];          /* why it can make no row at all; else empty */
} extra_pruner;

/* What all cells of one run share. */
typedef struct {
  const ap_compare_options *options;
  const ap_suite *suite;
  ap_suite chosen; /* what suite points to */
  const json_t *provenance;
  extra_pruner *extras; /* options->n_pruners of them */
  char *folder;         /* of the cells */
  json_t *cells;        /* results so far */
} run;

/* How much one-shot accuracy a searcher may give away: what the uniform method of the same pruner
 * gave away at the policy whose recovery met the limit. The limit itself where that is not known. */
static double search_limit(const run *r, const ap_suite_network *network,
                           const ap_suite_method *method) {
  double limit = r->options->max_loss;
  for (size_t i = 0; i < json_array_size(r->cells); i++) {
    const json_t *cell = json_array_get(r->cells, i), *config = json_object_get(cell, "config");
    const json_t *loss = json_object_get(cell, "oneshot_loss_search");
    if (strcmp(text(cell, "network"), network->network) != 0) continue;
    if (strcmp(text(config, "searcher"), "uniform") != 0) continue;
    if (strcmp(text(config, "pruner"), method->pruner) != 0) continue;
    if (json_is_number(loss) && json_number_value(loss) > limit) limit = json_number_value(loss);
  }
  return limit;
}

/* A row that says why there are no numbers. */
static json_t *failed_cell(const run *r, const ap_suite_network *network,
                           const ap_suite_method *method, const char *reason) {
  return json_pack("{s:s, s:s, s:s, s:s, s:{s:s, s:s, s:f, s:I}}", "network", network->network,
                   "data", network->data, "method", method->name, "failed", reason, "config",
                   "pruner", method->pruner, "searcher",
                   method->searcher ? method->searcher : "none", "max_loss", r->options->max_loss,
                   "seed", (json_int_t)r->options->seed);
}

static ap_status one_cell(run *r, const ap_suite_network *network, const ap_suite_method *method,
                          const ap_pruner *pruner, const char *failed, ap_workbench *bench,
                          ap_cell_tools *tools, ap_error *err) {
  const ap_array_spec *array = ap_tech_array(ap_workbench_tech(bench));
  ap_cell cell = {.suite = r->suite,
                  .network = network,
                  .method = method,
                  .pruner = pruner,
                  .bench = bench,
                  .max_loss = r->options->max_loss,
                  .search_limit = search_limit(r, network, method),
                  .seed = r->options->seed,
                  .dense = ap_cell_find(r->cells, network->network, "dense"),
                  .folder = r->folder,
                  .quiet = r->options->quiet};
  json_t *result = NULL;
  char crossbar[48], ou[48];
  ap_error why = {0};
  ap_status st = AP_ERR_PLUGIN;
  if (!failed[0]) st = ap_cell_get(&cell, tools, r->provenance, &result, &why);
  if (st == AP_ERR_PLUGIN) { /* the others go on without it */
    result = failed_cell(r, network, method, failed[0] ? failed : why.text);
    st = result ? AP_OK : ap_fail(&why, AP_ERR_MEMORY, "results");
  }
  if (st && err) *err = why;
  if (st) return st;
  (void)snprintf(crossbar, sizeof crossbar, "%zux%zu", array->rows, array->cols);
  (void)snprintf(ou, sizeof ou, "%zux%zu", array->ou_rows, array->ou_cols);
  if (json_object_set_new(result, "crossbar", json_string(crossbar)) ||
      json_object_set_new(result, "ou", json_string(ou)) || json_array_append(r->cells, result)) {
    st = ap_fail(err, AP_ERR_MEMORY, "results");
  }
  json_decref(result);
  return st;
}

static ap_status open_hardware(const ap_suite_network *network, ap_tech **out, ap_error *err) {
  ap_status st = ap_tech_open(network->hardware, out, err);
  if (!st) st = ap_tech_override(*out, "array.rows", network->rows, err);
  if (!st) st = ap_tech_override(*out, "array.cols", network->cols, err);
  return st;
}

/* A pruner given on the command line: uniform, and by every searcher asked for. */
static ap_status extra_cells(run *r, const ap_suite_network *network, const extra_pruner *e,
                             ap_workbench *bench, ap_cell_tools *tools, ap_error *err) {
  ap_suite_method extra = {.name = e->name, .pruner = e->pruner.name, .searcher = "uniform"};
  ap_status st = one_cell(r, network, &extra, &e->pruner, e->failed, bench, tools, err);
  for (size_t i = 0; i < r->options->n_searchers && !st; i++) {
    char name[AP_PRUNER_NAME + 64];
    (void)snprintf(name, sizeof name, "%s+%s", e->name, r->options->searchers[i]);
    extra.name = name;
    extra.searcher = r->options->searchers[i];
    st = one_cell(r, network, &extra, &e->pruner, e->failed, bench, tools, err);
  }
  return st;
}

static ap_status one_network(run *r, const ap_suite_network *entry, ap_error *err) {
  const ap_compare_options *o = r->options;
  ap_suite_network own = *entry;
  const ap_suite_network *network = &own;
  ap_dataset *data = NULL;
  ap_network *net = NULL;
  ap_tech *tech = NULL;
  ap_workbench *bench = NULL;
  ap_cell_tools tools = {0};
  ap_status st;
  if (o->data) own.data = o->data;
  st = ap_dataset_open(network->data, &data, err);
  if (!st) {
    st = ap_trained_network(network, data, o->out, o->backend, o->n_threads, o->train, o->quiet,
                            r->provenance, &net, err);
  }
  if (!st) st = open_hardware(network, &tech, err);
  if (!st) st = ap_workbench_open(net, data, tech, o->backend, o->n_threads, &bench, err);
  for (size_t i = 0; i < r->suite->n_methods && !st; i++) {
    ap_pruner pruner;
    st = ap_pruner_parse(r->suite->methods[i].pruner, &pruner, err);
    if (!st) st = one_cell(r, network, &r->suite->methods[i], &pruner, "", bench, &tools, err);
  }
  for (size_t i = 0; i < o->n_pruners && !st; i++) {
    st = extra_cells(r, network, &r->extras[i], bench, &tools, err);
  }
  ap_cell_tools_close(&tools);
  ap_workbench_close(bench);
  ap_tech_close(tech);
  ap_network_destroy(net);
  ap_dataset_destroy(data);
  return st;
}

static bool name_taken(const run *r, size_t n_extras, const char *name) {
  for (size_t i = 0; i < r->suite->n_methods; i++) {
    if (strcmp(r->suite->methods[i].name, name) == 0) return true;
  }
  for (size_t i = 0; i < n_extras; i++) {
    if (strcmp(r->extras[i].name, name) == 0) return true;
  }
  return false;
}

/* A row is named by the pruner's label, with some of a plug-in's hash where that is taken. A plug-in that crashes when
 * it is loaded has failed; one that is none is refused. */
static ap_status open_extra(run *r, size_t index, ap_error *err) {
  const char *text = r->options->pruners[index];
  extra_pruner *e = &r->extras[index];
  ap_error why = {0};
  ap_status st = ap_pruner_parse(text, &e->pruner, &why);
  const char *label = ap_pruner_label(&e->pruner);
  if (st == AP_ERR_PLUGIN) {
    (void)snprintf(e->failed, sizeof e->failed, "%s", why.text);
  } else if (st) {
    if (err) *err = why;
    return st;
  }
  (void)snprintf(e->name, sizeof e->name, "%s", label);
  if (e->pruner.plugin.kind != AP_PLUGIN_NONE && name_taken(r, index, e->name)) {
    (void)snprintf(e->name, sizeof e->name, "%s-%.8s", label, e->pruner.plugin.sha256);
    if (name_taken(r, index, e->name)) {
      return ap_fail(err, AP_ERR_ARG, "pruner '%.200s' is given twice", text);
    }
  }
  for (char *c = e->name; *c; c++) { /* the figures take names for words */
    if (*c == ' ' || *c == '\t' || *c == '"' || *c == '\'') *c = '_';
  }
  e->pruner.plugin.time_limit = r->options->plugin_time_limit;
  e->pruner.plugin.seed = r->options->seed;
  return AP_OK;
}

/* Bad names are better refused now than after an hour. */
static ap_status check(run *r, ap_error *err) {
  const ap_compare_options *o = r->options;
  ap_search_options known;
  ap_status st = ap_suite_find(o->suite, &r->suite, err);
  if (!st) st = ap_suite_choose(r->suite, o->methods, o->networks, &r->chosen, err);
  r->suite = &r->chosen;
  for (size_t i = 0; i < o->n_searchers && !st; i++) {
    st = ap_search_options_default(o->searchers[i], &known, err);
  }
  if (!st && !(o->max_loss >= 0 && o->max_loss < 1)) {
    st = ap_fail(err, AP_ERR_ARG, "accuracy-loss limit %g: a fraction in 0..1 is expected",
                 o->max_loss);
  }
  if (!st) {
    r->extras = ap_calloc(o->n_pruners, sizeof *r->extras);
    if (!r->extras) st = ap_fail(err, AP_ERR_MEMORY, "pruners");
  }
  for (size_t i = 0; i < o->n_pruners && !st; i++) st = open_extra(r, i, err);
  if (!st && o->draw && o->plots && !ap_dir_exists(o->plots)) {
    st =
        ap_fail(err, AP_ERR_IO, "%s: no such folder; gnuplot scripts are expected there", o->plots);
  }
  return st;
}

ap_status ap_compare_run(const ap_compare_options *options, const json_t *provenance,
                         json_t **table, ap_error *err) {
  run r = {.options = options, .provenance = provenance};
  json_t *rows = NULL;
  ap_status st = check(&r, err);
  if (table) *table = NULL;
  if (st) {
    ap_free(r.extras);
    ap_suite_release(&r.chosen);
    return st;
  }
  r.folder = ap_path_join(options->out, "cells");
  r.cells = json_array();
  if (!r.folder || !r.cells) st = ap_fail(err, AP_ERR_MEMORY, "comparison");
  if (!st) st = ap_dir_create(r.folder, err);
  for (size_t i = 0; i < r.suite->n_networks && !st; i++) {
    st = one_network(&r, &r.suite->networks[i], err);
  }
  if (!st) st = ap_table_rows(r.cells, &rows, err);
  if (!st) st = ap_table_write(options->out, r.cells, rows, provenance, err);
  if (!st && options->draw) st = ap_compare_plot(options->out, options->plots, err);
  if (!st && table) {
    *table = rows;
    rows = NULL;
  }
  json_decref(rows);
  json_decref(r.cells);
  ap_free(r.extras);
  ap_suite_release(&r.chosen);
  ap_free(r.folder);
  return st;
}
