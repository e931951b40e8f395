#include "bench/sweep.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "bench/csv_head.h"
#include "bench/experiment_impl.h"
#include "bench/summary_impl.h"
#include "bench/table_impl.h"

#define KEEP ((double)NAN)

typedef struct {
  const char *axis, *value;
  ap_setting setting;
} point;

/* Square crossbars up to where lenet5's layers fill little more than one; OUs up to what the preset's
 * converter law covers exactly. */
static const point points[] = {
    {"max-loss", "0.005", {NULL, NULL, NULL, NULL, 0.005}},
    {"max-loss", "0.01", {NULL, NULL, NULL, NULL, 0.01}},
    {"max-loss", "0.02", {NULL, NULL, NULL, NULL, 0.02}},
    {"max-loss", "0.05", {NULL, NULL, NULL, NULL, 0.05}},
    {"crossbar", "64x64", {"64", "64", NULL, NULL, KEEP}},
    {"crossbar", "128x128", {"128", "128", NULL, NULL, KEEP}},
    {"crossbar", "256x256", {"256", "256", NULL, NULL, KEEP}},
    {"ou", "4x4", {NULL, NULL, "4", "4", KEEP}},
    {"ou", "9x8", {NULL, NULL, "9", "8", KEEP}},
    {"ou", "16x16", {NULL, NULL, "16", "16", KEEP}},
    {"ou", "32x32", {NULL, NULL, "32", "32", KEEP}},
};
#define N_POINTS (sizeof points / sizeof points[0])

#define METHODS "dense,pim-prune,column-vector,auto-prune" /* where none are asked for */

static ap_status choose(const char *const *axes, size_t n_axes, bool chosen[N_POINTS],
                        ap_error *err) {
  memset(chosen, 0, N_POINTS * sizeof chosen[0]);
  if (n_axes == 0) return ap_fail(err, AP_ERR_ARG, "nothing to sweep");
  for (size_t a = 0; a < n_axes; a++) {
    bool known = false;
    for (size_t i = 0; i < N_POINTS; i++) {
      if (strcmp(points[i].axis, axes[a]) == 0) known = chosen[i] = true;
    }
    if (!known) {
      return ap_fail(err, AP_ERR_ARG, "unknown sweep '%.40s': max-loss, crossbar or ou is expected",
                     axes[a]);
    }
  }
  return AP_OK;
}

/* The summary of one setting's cells, each row with the axis and value before it. */
static ap_status add_rows(const point *p, double max_loss, const json_t *cells, json_t *rows,
                          ap_error *err) {
  json_t *table = NULL, *summary = NULL;
  ap_status st = ap_table_rows(cells, &table, err);
  if (!st) st = ap_summary_rows(table, &summary, err);
  for (size_t i = 0; i < json_array_size(summary) && !st; i++) {
    json_t *row = json_pack("{s:s, s:s, s:f}", "axis", p->axis, "value", p->value, "max_loss",
                            isnan(p->setting.max_loss) ? max_loss : p->setting.max_loss);
    if (!row || json_object_update(row, json_array_get(summary, i)) ||
        json_array_append(rows, row)) {
      st = ap_fail(err, AP_ERR_MEMORY, "rows of a sweep");
    }
    json_decref(row);
  }
  json_decref(table);
  json_decref(summary);
  return st;
}

static ap_status write_rows(const ap_experiment *e, const json_t *rows, ap_error *err) {
  char *path = ap_path_join(e->options->out, "sensitivity.csv");
  json_t *head = NULL;
  ap_status st = path ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "sensitivity.csv");
  if (!st) st = ap_experiment_head(e, &head, err);
  if (!st) st = ap_csv_save(path, head, rows, err);
  json_decref(head);
  ap_free(path);
  return st;
}

static ap_status run_point(ap_experiment *e, const point *p, json_t *rows, ap_error *err) {
  json_t *cells = json_array();
  ap_status st = cells ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "sweep");
  for (size_t i = 0; i < e->n_networks && !st; i++) {
    st = ap_experiment_network(e, e->networks[i], &p->setting, cells, err);
  }
  if (!st) st = add_rows(p, e->options->max_loss, cells, rows, err);
  if (!st) st = write_rows(e, rows, err);
  if (st) (void)ap_fail_context(err, st, "%s %s", p->axis, p->value);
  json_decref(cells);
  return st;
}

static ap_status run_points(ap_experiment *e, const bool chosen[N_POINTS], json_t *rows,
                            ap_error *err) {
  ap_setting settings[N_POINTS];
  size_t n = 0;
  ap_status st;
  for (size_t i = 0; i < N_POINTS; i++) {
    if (chosen[i]) settings[n++] = points[i].setting;
  }
  st = ap_experiment_plan(e, settings, n, err);
  for (size_t i = 0; i < N_POINTS && !st && !e->options->plan; i++) {
    if (chosen[i]) st = run_point(e, &points[i], rows, err);
  }
  return st;
}

ap_status ap_sweep_run(const ap_compare_options *options, const char *const *axes, size_t n_axes,
                       const json_t *provenance, json_t **rows, ap_error *err) {
  ap_compare_options own = *options;
  ap_experiment e = {.n_networks = 0};
  json_t *found = json_array();
  const ap_suite *suite = NULL;
  bool chosen[N_POINTS];
  ap_status st = choose(axes, n_axes, chosen, err);
  if (rows) *rows = NULL;
  if (!st) st = ap_suite_find(options->suite, &suite, err);
  if (!st && !own.networks && own.n_models == 0) own.networks = suite->networks[0].network;
  if (!st && !found) st = ap_fail(err, AP_ERR_MEMORY, "sweep");
  if (!own.methods) own.methods = METHODS;
  if (!st) st = ap_experiment_open(&own, provenance, &e, err);
  if (!st) st = run_points(&e, chosen, found, err);
  if (!st && options->draw && !options->plan)
    st = ap_compare_plot(options->out, options->plots, err);
  if (!st && rows) *rows = json_incref(found);
  json_decref(found);
  ap_experiment_close(&e);
  return st;
}
