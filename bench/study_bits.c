/* Accuracy over the bits of the weights: all layers at one width, and each layer alone with the others
 * at 8. Activations keep the array's bits. Every width of a layer is a level of the integer evaluator, so
 * a network is one candidate; the hardware's price of each stands beside its accuracy. */
#include <stdio.h>

#include "base/alloc.h"
#include "base/progress.h"
#include "base/provenance.h"
#include "bench/cell_read_impl.h"
#include "bench/study_impl.h"
#include "nn/evaluator.h"
#include "nn/infer.h"
#include "pruners/integer_network.h"
#include "pruners/quantised_layer.h"

#define LEAST 2
#define MOST 8
#define WIDTHS (MOST - LEAST + 1)

typedef struct {
  const ap_study *study;
  ap_network *net; /* the folded network, all layers at MOST bits */
  size_t n_layers;
  ap_layer_info *layers;
  ap_evaluator *ev; /* made when the first point is computed; level 0 is MOST bits */
  ap_score in_floats;
  size_t layer; /* of the point at hand; n_layers: all at once */
} bench;

static const char *name_of(const bench *b) {
  return b->layer < b->n_layers ? b->layers[b->layer].name : "all";
}

/* ---- the evaluator ---- */
static ap_status add_width(const bench *b, size_t layer, unsigned bits, const float *matrix,
                           int32_t *q, int8_t *bytes, float *scale, ap_error *err) {
  const ap_layer_info *info = &b->layers[layer];
  size_t number = 0;
  ap_status st = ap_quantise_columns(matrix, info->k, info->n, bits, q, scale, err);
  if (!st) st = ap_integer_narrow(q, info->k * info->n, bytes, err);
  if (!st) st = ap_evaluator_add_integer_level(b->ev, layer, bytes, scale, NULL, &number, err);
  if (!st && number != bits - LEAST + 1) {
    st = ap_fail(err, AP_ERR_INTERNAL, "%u bits became level %zu", bits, number);
  }
  return st;
}

/* Level bits - LEAST + 1 of every layer, but for MOST bits, which are level 0. */
static ap_status add_widths(const bench *b, ap_error *err) {
  ap_status st = AP_OK;
  for (size_t l = 0; l < b->n_layers && !st; l++) {
    size_t size = b->layers[l].k * b->layers[l].n;
    float *matrix = ap_calloc(size, sizeof *matrix);
    float *scale = ap_calloc(b->layers[l].n, sizeof *scale);
    int32_t *q = ap_calloc(size, sizeof *q);
    int8_t *bytes = ap_calloc(size, 1);
    if (!matrix || !scale || !q || !bytes) {
      st = ap_fail(err, AP_ERR_MEMORY, "integers of %s", b->layers[l].name);
    } else {
      ap_layer_get_matrix(b->net, b->layers[l].node, matrix);
    }
    for (unsigned bits = LEAST; bits < MOST && !st; bits++) {
      st = add_width(b, l, bits, matrix, q, bytes, scale, err);
    }
    ap_free(matrix);
    ap_free(scale);
    ap_free(q);
    ap_free(bytes);
  }
  return st;
}

static ap_status measure_floats(bench *b, ap_error *err) {
  const ap_study_options *o = b->study->options;
  ap_backend *be = NULL;
  ap_status st = ap_backend_open(o->backend, o->n_threads, &be, err);
  if (!st) {
    st = ap_infer(be, b->net, o->data, b->study->split, b->study->images, &b->in_floats, NULL, err);
  }
  ap_backend_close(be);
  return st;
}

static ap_status open_evaluator(bench *b, ap_error *err) {
  const ap_study_options *o = b->study->options;
  const ap_range_options ranges = {.images = o->calibration, .coverage = 1};
  const ap_array_spec *array = ap_tech_array(o->tech);
  ap_integer_network *in = NULL;
  ap_status st =
      ap_integer_network_create(b->net, array, o->data, &ranges, b->study->pool, &in, err);
  if (!st) {
    const ap_evaluator_integers integers = {ap_integer_network_all_layers(in),
                                            array->activation_bits};
    const ap_evaluator_options options = {.n_threads = o->n_threads, .integer = &integers};
    st = ap_evaluator_create(b->net, o->data, b->study->split, b->study->images, &options, &b->ev,
                             err);
  }
  ap_integer_network_destroy(in);
  if (!st) st = add_widths(b, err);
  return st ? st : measure_floats(b, err);
}

/* ---- points: all widths of one layer, or of all layers ---- */
static json_t *configuration(const bench *b, ap_error *err) {
  const ap_study_options *o = b->study->options;
  return ap_study_config_with(
      ap_study_config(b->study, o->tech, "autoprune-bits-1", err),
      json_pack("{s:I, s:s, s:s}", "calibration", (json_int_t)o->calibration, "layer", name_of(b),
                "pruner", o->pruner.name),
      err);
}

/* The whole network on the hardware, with this layer (or all) at `bits`. */
static ap_status price(const bench *b, unsigned bits, ap_network_price **out, ap_error *err) {
  ap_network *copy = NULL;
  ap_status st = ap_network_copy(b->net, &copy, err);
  *out = NULL;
  for (size_t l = 0; l < b->n_layers && !st; l++) {
    if (b->layer == b->n_layers || b->layer == l) {
      copy->nodes[b->layers[l].node].weight_bits = bits;
    }
  }
  if (!st) {
    st = ap_network_price_create(copy, b->study->options->tech,
                                 b->study->options->pruner.granularity, false, out, err);
  }
  ap_network_destroy(copy);
  return st;
}

static ap_status add_width_to(const bench *b, unsigned bits, const ap_score *score, json_t *widths,
                              ap_error *err) {
  ap_network_price *p = NULL;
  json_t *entry;
  ap_status st = price(b, bits, &p, err);
  if (st) return st;
  entry = json_pack("{s:I, s:f, s:f, s:I, s:f, s:f, s:f}", "weight_bits", (json_int_t)bits,
                    "accuracy", score->accuracy, "loss", score->loss, "crossbars",
                    (json_int_t)p->map.crossbars, "area_mm2", p->cost.total_area_mm2, "energy_uj",
                    p->cost.total_energy_uj, "latency_us", p->cost.total_latency_us);
  ap_network_price_destroy(p);
  if (!entry || json_array_append_new(widths, entry)) {
    return ap_fail(err, AP_ERR_MEMORY, "point of a study");
  }
  return AP_OK;
}

static ap_status measure(void *context, json_t *out, ap_error *err) {
  bench *b = context;
  ap_score scores[WIDTHS];
  uint32_t *levels = ap_calloc(WIDTHS * b->n_layers, sizeof *levels);
  json_t *widths = json_array();
  ap_status st = levels && widths ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "point of a study");
  if (!st && ap_interrupted()) st = ap_fail(err, AP_ERR_INTERRUPTED, "interrupted");
  if (!st && !b->ev) st = open_evaluator(b, err);
  for (size_t w = 0; w < WIDTHS && !st; w++) {
    for (size_t l = 0; l < b->n_layers; l++) {
      bool moved = b->layer == b->n_layers || b->layer == l;
      levels[w * b->n_layers + l] = moved && w + 1 < WIDTHS ? (uint32_t)w + 1 : 0;
    }
  }
  if (!st) st = ap_evaluator_run(b->ev, WIDTHS, levels, scores, err);
  for (size_t w = 0; w < WIDTHS && !st; w++) {
    st = add_width_to(b, (unsigned)(LEAST + w), &scores[w], widths, err);
  }
  if (!st && (json_object_set(out, "widths", widths) ||
              json_object_set_new(out, "float_accuracy", json_real(b->in_floats.accuracy)) ||
              json_object_set_new(out, "float_loss", json_real(b->in_floats.loss)))) {
    st = ap_fail(err, AP_ERR_MEMORY, "point of a study");
  }
  json_decref(widths);
  ap_free(levels);
  return st;
}

static ap_status add_rows(const bench *b, const json_t *point, json_t *rows, ap_error *err) {
  const json_t *widths = json_object_get(point, "widths");
  ap_status st = AP_OK;
  for (size_t w = 0; w < json_array_size(widths) && !st; w++) {
    const json_t *e = json_array_get(widths, w);
    st = ap_study_row(
        rows,
        json_pack("{s:s, s:s, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:I, s:f, s:f, s:f, s:s, s:I}",
                  "network", b->study->label, "layer", name_of(b), "layer_index",
                  (json_int_t)(b->layer < b->n_layers ? b->layer + 1 : 0), "weight_bits",
                  (json_int_t)at(e, "weight_bits"), "activation_bits",
                  (json_int_t)ap_tech_array(b->study->options->tech)->activation_bits, "accuracy",
                  at(e, "accuracy"), "loss", at(e, "loss"), "float_accuracy",
                  at(point, "float_accuracy"), "float_loss", at(point, "float_loss"), "crossbars",
                  (json_int_t)at(e, "crossbars"), "area_mm2", at(e, "area_mm2"), "energy_uj",
                  at(e, "energy_uj"), "latency_us", at(e, "latency_us"), "split",
                  ap_split_name(b->study->split), "images", (json_int_t)b->study->images),
        err);
  }
  return st;
}

/* All layers first, then one by one. */
static ap_status run_points(bench *b, json_t *rows, ap_error *err) {
  ap_progress *progress = ap_progress_create("bits", b->n_layers + 1, b->study->options->quiet);
  ap_status st = AP_OK;
  for (size_t i = 0; i <= b->n_layers && !st; i++) {
    json_t *config, *point = NULL;
    b->layer = i == 0 ? b->n_layers : i - 1;
    config = configuration(b, err);
    st = config ? ap_study_point(b->study, config, measure, b, &point, err) : AP_ERR_MEMORY;
    if (!st) st = add_rows(b, point, rows, err);
    json_decref(point);
    ap_progress_set(progress, i + 1, b->study->label);
  }
  ap_progress_end(progress);
  return st;
}

ap_status ap_study_bits(const ap_study *study, json_t *rows, ap_error *err) {
  bench b = {.study = study};
  unsigned activations = ap_tech_array(study->options->tech)->activation_bits;
  ap_status st = AP_OK;
  if (activations > 8) {
    return ap_fail(err, AP_ERR_ARG, "activations of %u bits: at most 8 are expected", activations);
  }
  st = ap_network_copy(study->net, &b.net, err);
  if (!st) st = ap_network_set_weight_bits(b.net, "8", err);
  b.n_layers = ap_network_layers(study->net, NULL, 0);
  b.layers = ap_calloc(b.n_layers, sizeof *b.layers);
  if (!st && !b.layers) st = ap_fail(err, AP_ERR_MEMORY, "%zu layers", b.n_layers);
  if (!st) (void)ap_network_layers(b.net, b.layers, b.n_layers);
  if (!st) st = run_points(&b, rows, err);
  ap_evaluator_destroy(b.ev);
  ap_free(b.layers);
  ap_network_destroy(b.net);
  return st;
}
