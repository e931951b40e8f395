/* What each layer can do without: one layer alone pruned at a range of levels, the others whole, with
 * its kept weights as they were and repaired. The levels are those of a search, so are the candidates. */

#include "base/alloc.h"
#include "base/progress.h"
#include "base/provenance.h"
#include "bench/cell_read_impl.h"
#include "bench/study_impl.h"
#include "bench/workbench.h"
#include "nn/evaluator.h"

#define LEVELS 20     /* a layer: steps of 5 % of its vectors */
#define KEEP_MIN 0.05 /* the lowest */

/* One network, repaired or not. Database and evaluator are made when the first point is computed. */
typedef struct {
  const ap_study *study;
  ap_workbench *workbench;
  bool repaired;
  size_t n_layers, layer; /* of the point at hand */
  const ap_layer_info *layers;
  ap_level_db *db;
  ap_evaluator *ev;
} bench;

static json_t *configuration(const bench *b, ap_error *err) {
  const ap_study_options *o = b->study->options;
  return ap_study_config_with(ap_study_config(b->study, o->tech, "autoprune-curve-1", err),
                              json_pack("{s:s, s:o, s:s, s:b}", "pruner", o->pruner.name, "plugin",
                                        ap_plugin_to_json(&o->pruner.plugin), "layer",
                                        b->layers[b->layer].name, "repaired", (int)b->repaired),
                              err);
}

static ap_status open_levels(bench *b, ap_error *err) {
  const ap_study_options *o = b->study->options;
  const ap_level_db_options options = {
      .pruner = o->pruner, .snap = AP_SNAP_NONE, .max_levels = LEVELS, .keep_min = KEEP_MIN};
  ap_status st = ap_workbench_levels(b->workbench, &options, b->repaired, &b->db, err);
  if (st) return st;
  return ap_workbench_evaluator(b->workbench, b->db, b->study->split, b->study->images, o->quiet,
                                &b->ev, err);
}

static json_t *level_json(const ap_keep_level *level, const ap_score *score) {
  return json_pack("{s:f, s:f, s:I, s:I, s:I, s:f, s:f}", "keep_vectors", level->keep,
                   "keep_weights", (double)level->map.weights_kept / (double)level->map.weights,
                   "ous", (json_int_t)level->map.ous, "crossbars", (json_int_t)level->map.crossbars,
                   "crossbars_dense", (json_int_t)level->map.crossbars_dense, "accuracy",
                   score->accuracy, "loss", score->loss);
}

/* All levels of one layer: candidates that share everything before it. */
static ap_status measure(void *context, json_t *out, ap_error *err) {
  bench *b = context;
  json_t *list = json_array();
  uint32_t *levels = NULL;
  ap_score *scores = NULL;
  size_t n = 0;
  ap_status st = list ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "point of a study");
  if (!st && ap_interrupted()) st = ap_fail(err, AP_ERR_INTERRUPTED, "interrupted");
  if (!st && !b->ev) st = open_levels(b, err);
  if (!st) {
    n = ap_level_db_levels(b->db, b->layer);
    levels = ap_calloc(n * b->n_layers, sizeof *levels);
    scores = ap_calloc(n, sizeof *scores);
    if (!levels || !scores) st = ap_fail(err, AP_ERR_MEMORY, "%zu levels", n);
  }
  for (size_t i = 0; i < n && !st; i++) { /* the evaluator's level 0 is the network as given */
    for (size_t l = 0; l < b->n_layers; l++) {
      size_t level = l == b->layer ? i : ap_level_db_levels(b->db, l) - 1;
      levels[i * b->n_layers + l] = (uint32_t)level + 1;
    }
  }
  if (!st) st = ap_evaluator_run(b->ev, n, levels, scores, err);
  for (size_t i = 0; i < n && !st; i++) {
    if (json_array_append_new(list,
                              level_json(ap_level_db_level(b->db, b->layer, i), &scores[i]))) {
      st = ap_fail(err, AP_ERR_MEMORY, "point of a study");
    }
  }
  if (!st && json_object_set(out, "levels", list)) {
    st = ap_fail(err, AP_ERR_MEMORY, "point of a study");
  }
  json_decref(list);
  ap_free(levels);
  ap_free(scores);
  return st;
}

static ap_status add_rows(const bench *b, const json_t *point, json_t *rows, ap_error *err) {
  const json_t *levels = json_object_get(point, "levels");
  ap_status st = AP_OK;
  for (size_t i = 0; i < json_array_size(levels) && !st; i++) {
    const json_t *e = json_array_get(levels, i);
    st = ap_study_row(
        rows,
        json_pack("{s:s, s:s, s:s, s:I, s:I, s:f, s:f, s:I, s:I, s:I, s:f, s:f, s:s, s:I}",
                  "network", b->study->label, "pruner", ap_pruner_label(&b->study->options->pruner),
                  "layer", b->layers[b->layer].name, "layer_index", (json_int_t)b->layer + 1,
                  "repaired", (json_int_t)b->repaired, "keep_vectors", at(e, "keep_vectors"),
                  "keep_weights", at(e, "keep_weights"), "ous", (json_int_t)at(e, "ous"),
                  "crossbars", (json_int_t)at(e, "crossbars"), "crossbars_dense",
                  (json_int_t)at(e, "crossbars_dense"), "accuracy", at(e, "accuracy"), "loss",
                  at(e, "loss"), "split", ap_split_name(b->study->split), "images",
                  (json_int_t)b->study->images),
        err);
  }
  return st;
}

static ap_status run_layers(bench *b, ap_progress *progress, size_t done, json_t *rows,
                            ap_error *err) {
  ap_status st = AP_OK;
  for (b->layer = 0; b->layer < b->n_layers && !st; b->layer++) {
    json_t *config = configuration(b, err), *point = NULL;
    st = config ? ap_study_point(b->study, config, measure, b, &point, err) : AP_ERR_MEMORY;
    if (!st) st = add_rows(b, point, rows, err);
    json_decref(point);
    ap_progress_set(progress, done + b->layer + 1, b->layers[b->layer].name);
  }
  ap_evaluator_destroy(b->ev);
  ap_level_db_destroy(b->db);
  b->ev = NULL;
  b->db = NULL;
  return st;
}

ap_status ap_study_curves(const ap_study *study, json_t *rows, ap_error *err) {
  const ap_study_options *o = study->options;
  size_t n = ap_network_layers(study->net, NULL, 0);
  ap_layer_info *layers = ap_calloc(n, sizeof *layers);
  ap_progress *progress = NULL;
  bench b = {.study = study, .n_layers = n, .layers = layers};
  ap_status st = layers ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "%zu layers", n);
  if (!st) (void)ap_network_layers(study->net, layers, n);
  if (!st) {
    st = ap_workbench_open(study->trained, o->data, o->tech, o->backend, o->n_threads, &b.workbench,
                           err);
  }
  if (!st) progress = ap_progress_create("curves", 2 * n, o->quiet);
  for (size_t repaired = 0; repaired < 2 && !st; repaired++) {
    b.repaired = repaired == 1;
    st = run_layers(&b, progress, repaired * n, rows, err);
  }
  ap_progress_end(progress);
  ap_workbench_close(b.workbench);
  ap_free(layers);
  return st;
}
