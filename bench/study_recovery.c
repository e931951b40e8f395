/* Accuracy over sparsity, after each way of getting it back, in floats and in the array's integers.
 * Every layer loses the same share of its vectors, the first and the last only where asked for. */
#include <stdio.h>

#include "base/alloc.h"
#include "base/progress.h"
#include "base/provenance.h"
#include "bench/cell_read_impl.h"
#include "bench/study_recovered_impl.h"
#include "nn/infer.h"
#include "pruners/network_price.h"

#define TUNE_WARMUP 0.05   /* of the run */
#define TRAINING_SHARE 3.0 /* a training step costs about three forward passes */

typedef struct {
  const ap_study *study;
  ap_recovered *made_with;
  ap_recovery how;
  double sparsity; /* 0 for the dense network */
  json_t *found;   /* the point, once it is there */
  bool kept;       /* it was there before */
  json_t *network; /* configuration of the network, without the images it is judged on */
  double *done;    /* image passes so far */
  ap_progress *progress;
} point;

static ap_train_options recipe_of(const ap_study_options *o) {
  ap_train_options recipe = ap_train_defaults(o->data);
  recipe.epochs = o->epochs;
  recipe.lr = o->lr;
  recipe.warmup_epochs = TUNE_WARMUP * o->epochs;
  recipe.seed = o->seed;
  return recipe;
}

/* All that a network depends on. NULL out of memory. */
static json_t *network_config(const ap_study *study, ap_recovery how, double sparsity,
                              ap_error *err) {
  const ap_study_options *o = study->options;
  const ap_train_options r = recipe_of(o);
  char hardware[65];
  json_t *config;
  if (ap_tech_hash(o->tech, hardware, err)) return NULL;
  config = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:f}", "schema", "autoprune-recovered-1",
                     "commit", ap_build_commit(), "model_sha256", study->trained_hash,
                     "data_sha256", ap_dataset_hash(o->data), "hardware_sha256", hardware,
                     "recovery", ap_recovery_name(how), "sparsity", sparsity);
  if (config && how != AP_RECOVERY_DENSE &&
      (json_object_set_new(config, "pruner", json_string(o->pruner.name)) ||
       json_object_set_new(config, "plugin", ap_plugin_to_json(&o->pruner.plugin)) ||
       json_object_set_new(config, "prune_ends", json_boolean(o->prune_ends)))) {
    json_decref(config);
    config = NULL;
  }
  if (config && how == AP_RECOVERY_FINE_TUNED &&
      json_object_set_new(
          config, "recipe",
          json_pack("{s:f, s:f, s:I, s:f, s:f, s:f, s:I, s:b, s:I}", "epochs", r.epochs, "lr", r.lr,
                    "batch", (json_int_t)r.batch, "warmup_epochs", r.warmup_epochs, "momentum",
                    r.momentum, "weight_decay", r.weight_decay, "crop", (json_int_t)r.crop, "flip",
                    (int)r.flip, "seed", (json_int_t)r.seed))) {
    json_decref(config);
    config = NULL;
  }
  if (!config) (void)ap_fail(err, AP_ERR_MEMORY, "configuration of a network");
  return config;
}

/* The network's, and the images that it is judged on. */
static json_t *point_config(const point *p) {
  const ap_study_options *o = p->study->options;
  return json_pack("{s:s, s:O, s:s, s:I, s:I}", "schema", "autoprune-point-1", "network",
                   p->network, "split", ap_split_name(p->study->split), "images",
                   (json_int_t)p->study->images, "calibration", (json_int_t)o->calibration);
}

static double cost_of(const point *p) {
  double passes = 2 * (double)p->study->images + (double)p->study->options->calibration;
  if (p->how == AP_RECOVERY_FINE_TUNED) {
    passes += TRAINING_SHARE * p->study->options->epochs *
              (double)ap_dataset_describe(p->study->options->data, AP_SPLIT_TRAIN).n_images;
  }
  return passes;
}

static void on_training(void *context, const ap_train_report *report) {
  const point *p = context;
  const ap_train_options *recipe = &p->made_with->recipe;
  char note[80];
  (void)snprintf(note, sizeof note, "%s, %.3g %%, %s: loss %.3f", p->study->label,
                 100 * p->sparsity, ap_recovery_name(p->how), report->loss);
  ap_progress_set(p->progress,
                  (size_t)(*p->done + TRAINING_SHARE * (double)(report->step * recipe->batch)),
                  note);
}

static ap_status price(const point *p, const ap_network *net, json_t *out, ap_error *err) {
  ap_network_price *price = NULL;
  ap_status st = ap_network_price_create(net, p->study->options->tech,
                                         p->study->options->pruner.granularity, false, &price, err);
  if (st) return st;
  if (json_object_set_new(
          out, "keep_weights",
          json_real((double)price->map.weights_kept / (double)price->map.weights)) ||
      json_object_set_new(out, "crossbars", json_integer((json_int_t)price->map.crossbars)) ||
      json_object_set_new(out, "crossbars_dense",
                          json_integer((json_int_t)price->map.crossbars_dense))) {
    st = ap_fail(err, AP_ERR_MEMORY, "point of a study");
  }
  ap_network_price_destroy(price);
  return st;
}

static json_t *score_json(const ap_score *s) {
  return json_pack("{s:f, s:f, s:I}", "accuracy", s->accuracy, "loss", s->loss, "images",
                   (json_int_t)s->images);
}

/* Makes the network, prices it and judges it twice. */
static ap_status measure(void *context, json_t *out, ap_error *err) {
  point *p = context;
  const ap_study *study = p->study;
  const ap_study_options *o = study->options;
  const ap_range_options ranges = {.images = o->calibration, .coverage = 1};
  ap_score in_floats, in_integers;
  ap_network *net = NULL;
  ap_status st = ap_interrupted() ? ap_fail(err, AP_ERR_INTERRUPTED, "interrupted") : AP_OK;
  p->made_with->context = p;
  if (!st) st = ap_recovered_network(p->made_with, p->how, p->sparsity, p->network, &net, err);
  if (!st) st = price(p, net, out, err);
  if (!st) {
    st = ap_infer(ap_workbench_backend(p->made_with->bench), net, o->data, study->split,
                  study->images, &in_floats, NULL, err);
  }
  if (!st) {
    st = ap_workbench_quantised_score(p->made_with->bench, net, &ranges, study->split,
                                      study->images, &in_integers, err);
  }
  if (!st && (json_object_set_new(out, "float", score_json(&in_floats)) ||
              json_object_set_new(out, "quantised", score_json(&in_integers)))) {
    st = ap_fail(err, AP_ERR_MEMORY, "point of a study");
  }
  ap_network_destroy(net);
  return st;
}

static json_t *row_of(const point *p) {
  const json_t *found = p->found;
  const ap_array_spec *array = ap_tech_array(p->study->options->tech);
  return json_pack(
      "{s:s, s:s, s:f, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:s, s:I}", "network",
      p->study->label, "pruner", ap_pruner_label(&p->study->options->pruner), "sparsity",
      p->sparsity, "recovery", ap_recovery_name(p->how), "keep_weights", at(found, "keep_weights"),
      "crossbars_compression", at(found, "crossbars_dense") / at(found, "crossbars"), "accuracy",
      at(found, "float.accuracy"), "loss", at(found, "float.loss"), "quantised_accuracy",
      at(found, "quantised.accuracy"), "quantised_loss", at(found, "quantised.loss"), "weight_bits",
      (json_int_t)array->weight_bits, "activation_bits", (json_int_t)array->activation_bits,
      "split", ap_split_name(p->study->split), "images", (json_int_t)at(found, "float.images"));
}

/* The dense network, then every way at every sparsity; *n of them, ap_free'd by release. */
static ap_status list_points(const ap_study *study, ap_recovered *made_with, double *done,
                             point **out, size_t *n, ap_error *err) {
  const ap_study_options *o = study->options;
  point *list = ap_calloc(1 + o->n_sparsities * AP_RECOVERIES, sizeof *list);
  *out = list;
  *n = 0;
  if (!list) return ap_fail(err, AP_ERR_MEMORY, "points of a study");
  for (size_t s = 0; s < o->n_sparsities; s++) {
    for (int how = 0; how < AP_RECOVERIES; how++) {
      double sparsity = how == AP_RECOVERY_DENSE ? 0 : o->sparsities[s];
      if (how == AP_RECOVERY_DENSE && s > 0) continue;
      if (!ap_recovery_applies((ap_recovery)how, study->trained)) continue;
      list[*n] = (point){.study = study,
                         .made_with = made_with,
                         .how = (ap_recovery)how,
                         .sparsity = sparsity,
                         .network = network_config(study, (ap_recovery)how, sparsity, err),
                         .done = done};
      if (!list[*n].network) return AP_ERR_MEMORY;
      ++*n;
    }
  }
  return AP_OK;
}

static void release_points(point *list, size_t n) {
  for (size_t i = 0; i < n; i++) {
    json_decref(list[i].network);
    json_decref(list[i].found);
  }
  ap_free(list);
}

/* Time left is told by what is still to be computed: what is kept counts as done before. */
static ap_progress *start_progress(const ap_study *study, point *list, size_t n, double *done) {
  double total = 0;
  ap_progress *progress;
  for (size_t i = 0; i < n; i++) {
    json_t *config = point_config(&list[i]);
    total += cost_of(&list[i]);
    list[i].kept = config && ap_study_has_point(study, config);
    if (list[i].kept) *done += cost_of(&list[i]);
    json_decref(config);
  }
  progress = ap_progress_create("recovery", (size_t)total, study->options->quiet);
  ap_progress_set(progress, (size_t)*done, study->label);
  return progress;
}

static ap_status run_points(const ap_study *study, point *list, size_t n, double *done,
                            ap_error *err) {
  ap_progress *progress = start_progress(study, list, n, done);
  ap_status st = AP_OK;
  for (size_t i = 0; i < n && !st; i++) {
    json_t *config = point_config(&list[i]);
    list[i].progress = progress;
    st = config ? ap_study_point(study, config, measure, &list[i], &list[i].found, err)
                : ap_fail(err, AP_ERR_MEMORY, "configuration of a point");
    if (!st && !list[i].kept) *done += cost_of(&list[i]);
    if (!st) ap_progress_set(progress, (size_t)*done, study->label);
  }
  ap_progress_end(progress);
  return st;
}

/* One way after the other, each over the sparsities: the order of curves. */
static ap_status add_rows(const point *list, size_t n, json_t *rows, ap_error *err) {
  ap_status st = AP_OK;
  for (int how = 0; how < AP_RECOVERIES; how++) {
    for (size_t i = 0; i < n && !st; i++) {
      if ((int)list[i].how == how) st = ap_study_row(rows, row_of(&list[i]), err);
    }
  }
  return st;
}

ap_status ap_study_recovery(const ap_study *study, json_t *rows, ap_error *err) {
  const ap_study_options *o = study->options;
  ap_recovered made_with = {.study = study, .recipe = recipe_of(o), .observer = on_training};
  double done = 0;
  point *list = NULL;
  size_t n = 0;
  ap_status st = ap_workbench_open(study->trained, o->data, o->tech, o->backend, o->n_threads,
                                   &made_with.bench, err);
  if (!st) st = list_points(study, &made_with, &done, &list, &n, err);
  if (!st) st = run_points(study, list, n, &done, err);
  if (!st) st = add_rows(list, n, rows, err);
  release_points(list, n);
  ap_recovered_release(&made_with);
  ap_workbench_close(made_with.bench);
  return st;
}
