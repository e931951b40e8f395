#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/progress.h"
#include "bench/division_impl.h"
#include "bench/experiment_impl.h"
#include "bench/time_left_impl.h"
#include "bench/trained_impl.h"

#define DENSE_SHARE 0.1 /* of a uniform cell's time: nothing is recovered */

ap_setting ap_setting_default(void) { return (ap_setting){.max_loss = (double)NAN}; }

static bool is_dense(const ap_suite_method *m) { return m->searcher == NULL; }

/* Nothing in it depends on the seed: no search, no training, no plug-in, which is handed the seed. */
static bool one_for_all_seeds(const ap_suite_network *network, const ap_suite_method *method,
                              const ap_pruner *pruner) {
  return is_dense(method) || (!ap_method_searches(method) && !ap_suite_fine_tunes(network) &&
                              pruner->plugin.kind == AP_PLUGIN_NONE);
}

/* ---- one cell ---- */

/* What a visit to a cell needs beside the cell. */
typedef struct {
  ap_experiment *e;
  const ap_site *site;
  const ap_experiment_method *method;
  json_t *cells; /* results so far, of this setting */
  ap_cell_tools *tools;
} place;
typedef ap_status visit(const place *at, const ap_cell *cell, ap_error *err);

/* One-shot loss, on the search split, of the lightest policy that the bisection of this cell rejected, but at most
 * max_loss more than that of the one that it chose (bisections of few steps end far apart); where it rejected none,
 * of the chosen one. 0 where it is not known. */
static double loss_beyond(const json_t *cell, double max_loss) {
  const json_t *loss = json_object_get(cell, "oneshot_loss_search"), *tuning;
  const double chosen = json_number_value(loss);
  const double whole = json_number_value(json_object_get(cell, "oneshot_accuracy_search")) + chosen;
  double lightest = -1, beyond = chosen;
  size_t i;
  json_array_foreach(json_object_get(cell, "tunings"), i, tuning) {
    const double crossbars = json_number_value(json_object_get(tuning, "crossbars"));
    if (json_is_true(json_object_get(tuning, "accepted")) || crossbars <= lightest) continue;
    lightest = crossbars;
    beyond = whole - json_number_value(json_object_get(tuning, "oneshot_accuracy_search"));
  }
  return fmin(beyond, fmax(chosen, max_loss) + max_loss);
}

/* How much one-shot accuracy a searcher may give away: what the uniform method of the same pruner gave away
 * where its recovery just failed to meet the limit, so that the front reaches over the limit and the bisection has
 * policies on both sides of it. max_loss at least. */
static double search_limit(const place *at, double max_loss, uint64_t seed) {
  double limit = max_loss;
  for (size_t i = 0; i < at->e->n_methods; i++) {
    const ap_suite_method *m = &at->e->methods[i].method;
    double beyond;
    if (!m->searcher || strcmp(m->searcher, "uniform") != 0) continue;
    if (strcmp(m->pruner, at->method->method.pruner) != 0) continue;
    beyond =
        loss_beyond(ap_cell_find_seed(at->cells, at->site->entry.network, m->name, seed), max_loss);
    if (beyond > limit) limit = beyond;
  }
  return limit;
}

/* A result with what is not the cell's own: where it stands in this run. */
static ap_status append(const place *at, const ap_cell *cell, const json_t *found, uint64_t seed,
                        ap_error *err) {
  const ap_array_spec *array = ap_tech_array(ap_workbench_tech(cell->bench));
  json_t *result = json_deep_copy(found);
  char crossbar[48], ou[48], reasons[300];
  int bad = !result;
  (void)snprintf(crossbar, sizeof crossbar, "%zux%zu", array->rows, array->cols);
  (void)snprintf(ou, sizeof ou, "%zux%zu", array->ou_rows, array->ou_cols);
  ap_division_reasons(at->e->suite, at->site->standard, &at->site->entry, cell->max_loss,
                      at->site->shipped, at->site->other_hardware, reasons, sizeof reasons);
  bad = bad || json_object_set_new(result, "suite", json_string(at->e->suite->name)) ||
        json_object_set_new(result, "seed", json_integer((json_int_t)seed)) ||
        json_object_set_new(result, "crossbar", json_string(crossbar)) ||
        json_object_set_new(result, "ou", json_string(ou)) ||
        json_object_set_new(result, "division", json_string(reasons[0] ? "open" : "closed")) ||
        json_object_set_new(result, "open_because", json_string(reasons)) ||
        json_array_append(at->cells, result);
  json_decref(result);
  return bad ? ap_fail(err, AP_ERR_MEMORY, "results") : AP_OK;
}

/* The rows that this result stands for. */
static ap_status append_all(const place *at, const ap_cell *cell, const json_t *found,
                            ap_error *err) {
  size_t n = one_for_all_seeds(cell->network, cell->method, cell->pruner) ? at->e->seeds : 1;
  ap_status st = AP_OK;
  for (size_t i = 0; i < n && !st; i++) st = append(at, cell, found, cell->seed + i, err);
  return st;
}

/* A row that says why there are no numbers. */
static json_t *failed_cell(const ap_cell *cell, const char *reason) {
  const ap_suite_method *m = cell->method;
  return json_pack("{s:s, s:s, s:s, s:s, s:{s:s, s:s, s:f, s:I}}", "network",
                   cell->network->network, "data", cell->network->data, "method", m->name, "failed",
                   reason, "config", "pruner", m->pruner, "searcher",
                   m->searcher ? m->searcher : "none", "max_loss", cell->max_loss, "seed",
                   (json_int_t)cell->seed);
}

/* Expected seconds, for the time that is left. */
static double expected(const ap_cell *cell) {
  if (is_dense(cell->method)) return DENSE_SHARE * cell->network->uniform_seconds;
  return ap_method_searches(cell->method) ? cell->network->search_seconds
                                          : cell->network->uniform_seconds;
}

static ap_status count(const place *at, const ap_cell *cell, ap_error *err) {
  json_t *found = NULL;
  ap_error damage = {0};
  ap_status st = at->method->failed[0] ? AP_OK : ap_cell_peek(cell, &found, &damage, err);
  if (damage.code) ap_time_say_again(at->e, damage.text);
  if (!st && !found && !at->method->failed[0]) {
    at->e->expected_left += expected(cell);
  } else if (!st) {
    at->e->done++;
  }
  at->e->cells++;
  if (!st && found) {
    ap_time_known(at->e, expected(cell), found);
    st = append_all(at, cell, found, err);
  }
  json_decref(found);
  return st;
}

static ap_status compute(const place *at, const ap_cell *cell, ap_error *err) {
  ap_experiment *e = at->e;
  json_t *result = NULL;
  ap_error why = {0};
  double start = ap_seconds();
  bool fresh = false;
  ap_status st = AP_ERR_PLUGIN;
  if (ap_interrupted()) return ap_fail(err, AP_ERR_INTERRUPTED, "interrupted between two cells");
  if (!at->method->failed[0]) st = ap_cell_peek(cell, &result, NULL, &why);
  if (!st && !result) {
    fresh = true;
    st = ap_cell_get(cell, at->tools, e->provenance, &result, &why);
  }
  if (st == AP_ERR_PLUGIN) { /* the others go on without it */
    result = failed_cell(cell, at->method->failed[0] ? at->method->failed : why.text);
    st = result ? AP_OK : ap_fail(&why, AP_ERR_MEMORY, "results");
  }
  if (st && err) *err = why;
  if (!st) st = append_all(at, cell, result, err);
  if (!st && fresh) ap_time_spent(e, cell, expected(cell), ap_seconds() - start);
  json_decref(result);
  return st;
}

/* ---- cells of a network ---- */

static ap_status visit_cell(place *at, const ap_experiment_method *method, uint64_t seed,
                            double max_loss, visit *what, ap_error *err) {
  ap_pruner pruner = method->pruner;
  ap_cell cell = {.suite = at->e->suite,
                  .network = &at->site->entry,
                  .method = &method->method,
                  .pruner = &pruner,
                  .bench = at->site->bench,
                  .max_loss = max_loss,
                  .seed = seed,
                  .dense = ap_cell_find(at->cells, at->site->entry.network, "dense"),
                  .folder = at->e->folder,
                  .tunings_folder = at->e->tunings_folder,
                  .quiet = at->e->options->quiet};
  pruner.plugin.seed = seed;
  at->method = method;
  cell.search_limit = search_limit(at, max_loss, seed);
  return what(at, &cell, err);
}

/* Methods of one pruner stand together, all seeds of them, so that its levels are made once. */
static ap_status each_cell(place *at, double max_loss, visit *what, ap_error *err) {
  const ap_experiment *e = at->e;
  ap_status st = AP_OK;
  for (size_t from = 0, to; from < e->n_methods && !st; from = to) {
    to = from + 1;
    while (to < e->n_methods &&
           strcmp(e->methods[to].method.pruner, e->methods[from].method.pruner) == 0) {
      to++;
    }
    for (size_t s = 0; s < e->seeds && !st; s++) {
      for (size_t i = from; i < to && !st; i++) {
        const ap_experiment_method *m = &e->methods[i];
        if (s > 0 && one_for_all_seeds(&at->site->entry, &m->method, &m->pruner)) continue;
        st = visit_cell(at, m, e->options->seed + s, max_loss, what, err);
      }
    }
  }
  return st;
}

static void move(ap_site *site, const char *name, const char *value) {
  if (value) site->sizes[site->n_sizes++] = (ap_tech_change){name, value};
}

static ap_site site_of(const ap_experiment *e, const ap_suite_network *network,
                       const ap_setting *setting) {
  ap_site site = {.standard = network, .entry = *network};
  if (e->options->data) site.entry.data = e->options->data;
  if (!isnan(e->options->tune_epochs)) site.entry.tune_epochs = e->options->tune_epochs;
  if (e->options->episodes) site.entry.episodes = e->options->episodes;
  site.hardware = e->options->hardware;
  site.changes = e->options->changes;
  site.n_changes = e->options->n_changes;
  move(&site, "array.rows", setting->rows);
  move(&site, "array.cols", setting->cols);
  move(&site, "array.ou_rows", setting->ou_rows);
  move(&site, "array.ou_cols", setting->ou_cols);
  return site;
}

static ap_status visit_network(ap_experiment *e, const ap_suite_network *network,
                               const ap_setting *setting, json_t *cells, visit *what,
                               ap_error *err) {
  const ap_compare_options *o = e->options;
  ap_site_how how = {o->out, o->backend, o->n_threads, o->train, o->quiet, e->provenance};
  ap_site site = site_of(e, network, setting);
  ap_cell_tools tools = {.db = NULL};
  place at = {.e = e, .site = &site, .cells = cells, .tools = &tools};
  double max_loss = isnan(setting->max_loss) ? o->max_loss : setting->max_loss;
  ap_status st = ap_site_open(&site, &how, &e->store, err);
  if (!st && what == compute) st = ap_dir_create(e->folder, err); /* what is refused leaves none */
  if (!st) st = each_cell(&at, max_loss, what, err);
  ap_cell_tools_close(&tools);
  ap_site_close(&site);
  return st;
}

ap_status ap_experiment_network(ap_experiment *e, const ap_suite_network *network,
                                const ap_setting *setting, json_t *cells, ap_error *err) {
  return visit_network(e, network, setting, cells, compute, err);
}

/* A network that has to be trained first has no cells yet. */
static void count_untrained(ap_experiment *e, const ap_suite_network *network) {
  for (size_t i = 0; i < e->n_methods; i++) {
    const ap_experiment_method *m = &e->methods[i];
    ap_cell cell = {.network = network, .method = &m->method};
    size_t n = one_for_all_seeds(network, &m->method, &m->pruner) ? 1 : e->seeds;
    e->cells += n;
    if (e->methods[i].failed[0]) {
      e->done += n;
    } else {
      e->expected_left += (double)n * expected(&cell);
    }
  }
}

ap_status ap_experiment_plan(ap_experiment *e, const ap_setting *settings, size_t n_settings,
                             ap_error *err) {
  ap_status st = AP_OK;
  for (size_t s = 0; s < n_settings && !st; s++) {
    for (size_t i = 0; i < e->n_networks && !st; i++) {
      ap_site site = site_of(e, e->networks[i], &settings[s]);
      ap_trained_place where = AP_TRAINED_NOWHERE;
      json_t *cells = json_array();
      st = cells ? ap_trained_find(&site.entry, e->options->out, e->options->train, &where, err)
                 : ap_fail(err, AP_ERR_MEMORY, "plan");
      if (!st && where == AP_TRAINED_NOWHERE) {
        count_untrained(e, &site.entry);
      } else if (!st) {
        st = visit_network(e, e->networks[i], &settings[s], cells, count, err);
      }
      json_decref(cells);
    }
  }
  if (!st) ap_time_say_plan(e);
  return st;
}
