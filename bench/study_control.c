/* The negative control. Single zeros scattered at random save nothing when a whole array is read at
 * once without an index; removed rows and columns do. With operation units the saving follows the
 * vectors that are kept, and scattered zeros save only where a whole vector happens to be zero. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "bench/study_impl.h"

typedef enum { SCATTERED, ROWS_AND_COLUMNS, VECTORS } zeros_kind;

static const struct {
  const char *name;
  zeros_kind zeros;
  bool whole;              /* whole-array reads */
  const char *granularity; /* how the mapper looks for what is not there */
} cases[] = {{"array:scattered", SCATTERED, true, "dense"},
             {"array:rows+columns", ROWS_AND_COLUMNS, true, "filter"},
             {"ou:scattered", SCATTERED, false, "unstructured"},
             {"ou:column-vectors", VECTORS, false, "column-vector"}};

/* Zeroes about `share` of a K x N matrix. Rows and columns: the same share of both, together `share`. */
static void zero(ap_rng *rng, zeros_kind kind, double share, size_t h, size_t k, size_t n,
                 uint8_t *gone, float *w) {
  double side = 1 - sqrt(1 - share);
  size_t bands = (k + h - 1) / h;
  size_t lines = kind == ROWS_AND_COLUMNS ? k + n : kind == VECTORS ? bands * n : k * n;
  double each = kind == ROWS_AND_COLUMNS ? side : share;
  for (size_t i = 0; i < lines; i++) gone[i] = ap_rng_uniform(rng) < each;
  for (size_t i = 0; i < k; i++) {
    for (size_t j = 0; j < n; j++) {
      bool dead = kind == ROWS_AND_COLUMNS ? gone[i] || gone[k + j]
                  : kind == VECTORS        ? gone[i / h * n + j]
                                           : gone[i * n + j];
      if (dead) w[i * n + j] = 0;
    }
  }
}

static ap_status zero_network(const ap_study *study, const ap_tech *tech, zeros_kind kind,
                              double share, ap_network **out, ap_error *err) {
  size_t n_layers = ap_network_layers(study->net, NULL, 0);
  ap_layer_info *layers = ap_calloc(n_layers, sizeof *layers);
  ap_network *copy = NULL;
  ap_status st = layers ? ap_network_copy(study->net, &copy, err)
                        : ap_fail(err, AP_ERR_MEMORY, "%zu layers", n_layers);
  *out = NULL;
  if (!st) (void)ap_network_layers(copy, layers, n_layers);
  for (size_t l = 0; l < n_layers && !st; l++) {
    size_t k = layers[l].k, n = layers[l].n;
    float *matrix = ap_calloc(k * n, sizeof *matrix);
    uint8_t *gone = ap_calloc(k * n + k + n, 1);
    ap_rng rng;
    if (!matrix || !gone) {
      st = ap_fail(err, AP_ERR_MEMORY, "%s", layers[l].name);
    } else {
      ap_rng_seed(&rng, study->options->seed, l);
      for (size_t i = 0; i < k * n; i++) matrix[i] = (float)(1 + ap_rng_below(&rng, 100));
      zero(&rng, kind, share, ap_tech_array(tech)->ou_rows, k, n, gone, matrix);
      ap_layer_set_matrix(copy, layers[l].node, matrix);
    }
    ap_free(matrix);
    ap_free(gone);
  }
  ap_free(layers);
  if (st) {
    ap_network_destroy(copy);
    return st;
  }
  *out = copy;
  return AP_OK;
}

/* What a case is compared with: the same network without zeros. */
typedef struct {
  double area, energy, latency, crossbars;
  uint64_t *layers; /* crossbars of each layer */
} reference;

/* Latency when every layer uses the crossbars that it no longer needs for copies of itself, which share
 * its positions (replication in reram_model/events.h). */
static ap_status with_copies(const ap_tech *tech, const ap_network_price *p, const reference *ref,
                             double *latency_us, ap_error *err) {
  ap_status st = AP_OK;
  *latency_us = 0;
  for (size_t i = 0; i < p->n_layers && !st; i++) {
    ap_needs needs = p->layers[i].needs;
    ap_cost cost;
    if (needs.crossbars > 0 && ref->layers[i] > needs.crossbars) {
      needs.replication = (uint32_t)(ref->layers[i] / needs.crossbars);
    }
    st = ap_cost_layer(tech, &p->layers[i].events, &needs, &cost, err);
    *latency_us += cost.total_latency_us;
  }
  return st;
}

static ap_status set_reference(const ap_network_price *p, reference *ref, ap_error *err) {
  ref->area = p->cost.total_area_mm2;
  ref->energy = p->cost.total_energy_uj;
  ref->latency = p->cost.total_latency_us;
  ref->crossbars = (double)p->map.crossbars;
  ref->layers = ap_calloc(p->n_layers, sizeof *ref->layers);
  if (!ref->layers) return ap_fail(err, AP_ERR_MEMORY, "%zu layers", p->n_layers);
  for (size_t i = 0; i < p->n_layers; i++) ref->layers[i] = p->layers[i].map.crossbars;
  return AP_OK;
}

static json_t *row_of(const ap_study *study, size_t c, double zeros, const ap_network_price *p,
                      double copies_us, const reference *ref) {
  const ap_cost *cost = &p->cost;
  return json_pack(
      "{s:s, s:s, s:s, s:f, s:f, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "network",
      study->label, "case", cases[c].name, "reads", cases[c].whole ? "array" : "ou", "zeros", zeros,
      "keep_weights", (double)p->map.weights_kept / (double)p->map.weights, "crossbars",
      (json_int_t)p->map.crossbars, "area_mm2", cost->total_area_mm2, "energy_uj",
      cost->total_energy_uj, "latency_us", cost->total_latency_us, "relative_area",
      cost->total_area_mm2 / ref->area, "relative_energy", cost->total_energy_uj / ref->energy,
      "relative_latency", cost->total_latency_us / ref->latency, "relative_latency_with_copies",
      copies_us / ref->latency, "relative_crossbars", (double)p->map.crossbars / ref->crossbars);
}

static ap_status one_case(const ap_study *study, size_t c, const ap_tech *tech, json_t *rows,
                          ap_error *err) {
  static const double shares[] = {0, 0.25, 0.5, 0.75, 0.9, 0.95}; /* the first is the reference */
  ap_granularity granularity;
  reference ref = {0};
  double copies_us = 0;
  ap_status st = ap_granularity_parse(cases[c].granularity, &granularity, err);
  for (size_t i = 0; i < sizeof shares / sizeof shares[0] && !st; i++) {
    ap_network *net = NULL;
    ap_network_price *p = NULL;
    st = zero_network(study, tech, cases[c].zeros, shares[i], &net, err);
    if (!st) st = ap_network_price_create(net, tech, granularity, false, &p, err);
    if (!st && i == 0) st = set_reference(p, &ref, err);
    if (!st) st = with_copies(tech, p, &ref, &copies_us, err);
    if (!st) st = ap_study_row(rows, row_of(study, c, shares[i], p, copies_us, &ref), err);
    ap_network_price_destroy(p);
    ap_network_destroy(net);
  }
  ap_free(ref.layers);
  return st;
}

/* Whole-array reads need a wide converter: where the technology's law does not cover it, their cases are
 * left out. */
ap_status ap_study_control(const ap_study *study, json_t *rows, ap_error *err) {
  const ap_tech *own = study->options->tech;
  const ap_array_spec *a = ap_tech_array(own);
  ap_tech *whole = NULL;
  ap_status st = ap_study_resize(own, 0, 0, a->rows, a->cols, &whole, err);
  if (st == AP_ERR_ARG) st = AP_OK;
  for (size_t c = 0; c < sizeof cases / sizeof cases[0] && !st; c++) {
    const ap_tech *tech = cases[c].whole ? whole : own;
    if (tech) st = one_case(study, c, tech, rows, err);
  }
  ap_tech_close(whole);
  return st;
}
