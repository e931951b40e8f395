/* Compression, area and energy over the sizes of crossbars and operation units. Every method keeps the
 * same share of each layer's weights, so what differs is the packing; that finer vectors lose less
 * accuracy at the same share is not in this picture (the comparison has it). */
#include <stdio.h>

#include "bench/study_impl.h"

/* The first one is what the others are compared with. */
static const struct {
  const char *method, *pruner;
} methods[] = {{"dense", "dense"},
               {"pim-prune", "block"},
               {"row-vector", "row-vector"},
               {"column-vector", "column-vector"},
               {"unstructured", "unstructured"}};

/* A pruned network's totals. */
typedef struct {
  ap_map_summary map;
  ap_cost cost;
} totals;

static ap_status price(const ap_study *study, const ap_tech *tech, const char *name, totals *out,
                       ap_error *err) {
  ap_pruner pruner;
  ap_network *pruned = NULL;
  ap_network_price *p = NULL;
  ap_status st = ap_pruner_parse(name, &pruner, err);
  if (!st) {
    st = ap_study_prune(study->net, ap_tech_array(tech), &pruner, study->options->keep, &pruned,
                        err);
  }
  if (!st) st = ap_network_price_create(pruned, tech, pruner.granularity, false, &p, err);
  if (!st) *out = (totals){p->map, p->cost};
  ap_network_price_destroy(p);
  ap_network_destroy(pruned);
  return st;
}

static json_t *row_of(const ap_study *study, const char *axis, const ap_tech *tech,
                      const char *method, const totals *p, const totals *dense) {
  const ap_array_spec *a = ap_tech_array(tech);
  char crossbar[48], ou[48];
  (void)snprintf(crossbar, sizeof crossbar, "%zux%zu", a->rows, a->cols);
  (void)snprintf(ou, sizeof ou, "%zux%zu", a->ou_rows, a->ou_cols);
  return json_pack(
      "{s:s, s:s, s:s, s:s, s:I, s:I, s:s, s:f, s:I, s:I, s:f, s:I, s:f, s:f, s:f, s:f, s:f}",
      "network", study->label, "axis", axis, "crossbar", crossbar, "ou", ou, "crossbar_rows",
      (json_int_t)a->rows, "ou_rows", (json_int_t)a->ou_rows, "method", method, "keep_weights",
      (double)p->map.weights_kept / (double)p->map.weights, "crossbars",
      (json_int_t)p->map.crossbars, "crossbars_dense", (json_int_t)p->map.crossbars_dense,
      "crossbars_compression", (double)p->map.crossbars_dense / (double)p->map.crossbars,
      "index_bits", (json_int_t)p->map.index_bits, "area_mm2", p->cost.total_area_mm2, "energy_uj",
      p->cost.total_energy_uj, "latency_us", p->cost.total_latency_us, "area_efficiency",
      dense->cost.total_area_mm2 / p->cost.total_area_mm2, "energy_efficiency",
      dense->cost.total_energy_uj / p->cost.total_energy_uj);
}

/* Sizes that the technology does not cover (its converter law at their exact width) are left out. */
static ap_status one_size(const ap_study *study, const char *axis, size_t rows, size_t cols,
                          size_t ou_rows, size_t ou_cols, json_t *out, ap_error *err) {
  ap_tech *tech = NULL;
  totals dense;
  ap_status st = ap_study_resize(study->options->tech, rows, cols, ou_rows, ou_cols, &tech, err);
  if (st == AP_ERR_ARG) return AP_OK;
  for (size_t m = 0; m < sizeof methods / sizeof methods[0] && !st; m++) {
    totals t;
    st = price(study, tech, methods[m].pruner, &t, err);
    if (st) break;
    if (m == 0) dense = t;
    st = ap_study_row(out, row_of(study, axis, tech, methods[m].method, &t, &dense), err);
  }
  ap_tech_close(tech);
  return st;
}

ap_status ap_study_sizes(const ap_study *study, json_t *rows, ap_error *err) {
  static const size_t crossbars[] = {32, 64, 128, 256, 512};
  static const size_t units[][2] = {{4, 4},   {8, 8},   {9, 8},    {16, 16},
                                    {32, 32}, {64, 64}, {128, 128}};
  const ap_array_spec *a = ap_tech_array(study->options->tech);
  ap_status st = AP_OK;
  for (size_t i = 0; i < sizeof crossbars / sizeof crossbars[0] && !st; i++) {
    size_t side = crossbars[i];
    if (a->ou_rows > side || a->ou_cols > side) continue;
    st = one_size(study, "crossbar", side, side, 0, 0, rows, err);
  }
  for (size_t i = 0; i < sizeof units / sizeof units[0] && !st; i++) {
    if (units[i][0] > a->rows || units[i][1] > a->cols) continue;
    st = one_size(study, "ou", 0, 0, units[i][0], units[i][1], rows, err);
  }
  return st;
}
