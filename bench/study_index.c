/* What the index tables cost, over the shape of the vector: finer vectors need more of them. */
#include <stdio.h>

#include "bench/study_impl.h"

/* How many layers chose each format, as "bitmap 5, absolute 2". */
static void formats(const ap_network_price *p, char *text, size_t room) {
  size_t counts[4] = {0}, used = 0;
  for (size_t i = 0; i < p->n_layers; i++) {
    const ap_map_summary *m = &p->layers[i].map;
    counts[m->row_index_bits ? m->row_index : m->column_index]++;
  }
  text[0] = 0;
  for (size_t f = 0; f < 4; f++) {
    if (!counts[f]) continue;
    used += (size_t)snprintf(text + used, room - used, "%s%s %zu", used ? ", " : "",
                             ap_index_format_name((ap_index_format)f), counts[f]);
  }
}

/* Bits of all stored weights. */
static double stored_bits(const ap_network_price *p) {
  double sum = 0;
  for (size_t i = 0; i < p->n_layers; i++) {
    sum += (double)p->layers[i].map.weights_kept * p->layers[i].info.weight_bits;
  }
  return sum;
}

static ap_status one_shape(const ap_study *study, const char *kind, size_t length, json_t *rows,
                           ap_error *err) {
  const ap_tech *tech = study->options->tech;
  char name[64], chosen[120];
  ap_pruner pruner;
  ap_network *pruned = NULL;
  ap_network_price *p = NULL;
  ap_status st;
  (void)snprintf(name, sizeof name, "%s:%zu", kind, length);
  st = ap_pruner_parse(name, &pruner, err);
  if (!st) {
    st = ap_study_prune(study->net, ap_tech_array(tech), &pruner, study->options->keep, &pruned,
                        err);
  }
  if (!st) st = ap_network_price_create(pruned, tech, pruner.granularity, false, &p, err);
  if (!st) {
    const double *area = p->cost.area_mm2, *energy = p->cost.energy_uj;
    double kept = (double)p->map.weights_kept, bits = (double)p->map.index_bits;
    formats(p, chosen, sizeof chosen);
    st = ap_study_row(
        rows,
        json_pack(
            "{s:s, s:s, s:I, s:f, s:I, s:f, s:f, s:f, s:f, s:f, s:s}", "network", study->label,
            "shape", kind, "length", (json_int_t)length, "keep_weights",
            kept / (double)p->map.weights, "index_bits", (json_int_t)p->map.index_bits,
            "index_bits_per_weight", bits / kept, "index_of_stored_bits", bits / stored_bits(p),
            "index_of_area",
            (area[AP_PART_INDEX_BUFFER] + area[AP_PART_INDEX_DECODER]) / p->cost.total_area_mm2,
            "index_of_energy",
            (energy[AP_PART_INDEX_BUFFER] + energy[AP_PART_INDEX_DECODER]) /
                p->cost.total_energy_uj,
            "crossbars_compression", (double)p->map.crossbars_dense / (double)p->map.crossbars,
            "formats", chosen),
        err);
  }
  ap_network_price_destroy(p);
  ap_network_destroy(pruned);
  return st;
}

ap_status ap_study_index(const ap_study *study, json_t *rows, ap_error *err) {
  static const char *const kinds[] = {"column-vector", "row-vector"};
  static const size_t lengths[] = {1, 2, 4, 8, 9, 16, 32, 64};
  ap_status st = AP_OK;
  for (size_t k = 0; k < 2 && !st; k++) {
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0] && !st; i++) {
      st = one_shape(study, kinds[k], lengths[i], rows, err);
    }
  }
  return st;
}
