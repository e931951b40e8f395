#include "bench/study.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/csv.h"
#include "base/file.h"
#include "bench/compare.h"
#include "bench/csv_head.h"
#include "bench/study_impl.h"
#include "pruners/level_db.h"

#define DATAPATH_IMAGES 500 /* the data path is slow */
#define TUNE_EPOCHS 2       /* docs/RECOVERY.md#fine-tuned */
#define TUNE_LR 0.02

static const struct {
  const char *name;
  ap_study_body *body;
  bool needs_images;
  bool named;     /* done only when asked for by name */
  ap_split split; /* unless another is asked for */
  size_t images;  /* unless others are asked for; 0: all of the split */
} studies[] = {
    {"sizes", ap_study_sizes, false, false, AP_SPLIT_SELECTION, 0},
    {"index", ap_study_index, false, false, AP_SPLIT_SELECTION, 0},
    {"control", ap_study_control, false, false, AP_SPLIT_SELECTION, 0},
    {"converter", ap_study_converter, true, false, AP_SPLIT_SELECTION, DATAPATH_IMAGES},
    {"devices", ap_study_devices, true, false, AP_SPLIT_SELECTION, DATAPATH_IMAGES},
    {"recovery", ap_study_recovery, true, true, AP_SPLIT_SELECTION, 0},
    {"curves", ap_study_curves, true, true, AP_SPLIT_SEARCH, 0},
    {"bits", ap_study_bits, true, true, AP_SPLIT_SELECTION, 0},
};
#define N_STUDIES (sizeof studies / sizeof studies[0])

ap_study_options ap_study_defaults(void) {
  return (ap_study_options){.split = AP_SPLIT_COUNT,
                            .images = AP_STUDY_IMAGES,
                            .calibration = 256,
                            .samples = 5,
                            .keep = 0.2,
                            .pruner = ap_level_db_defaults().pruner,
                            .sparsities = {0.7, 0.8, 0.9, 0.95},
                            .n_sparsities = 4,
                            .epochs = TUNE_EPOCHS,
                            .lr = TUNE_LR,
                            .backend = "cpu",
                            .seed = 1,
                            .draw = true};
}

static bool wanted(const ap_study_options *o, size_t study) {
  if (o->n_only == 0) {
    return !studies[study].named && (o->data || !studies[study].needs_images);
  }
  for (size_t i = 0; i < o->n_only; i++) {
    if (strcmp(o->only[i], studies[study].name) == 0) return true;
  }
  return false;
}

/* Bad requests are refused before anything is computed. */
static ap_status check_names(const ap_study_options *o, ap_error *err) {
  for (size_t i = 0; i < o->n_only; i++) {
    size_t s = 0;
    while (s < N_STUDIES && strcmp(o->only[i], studies[s].name) != 0) s++;
    if (s == N_STUDIES) {
      char names[160];
      size_t used = 0;
      for (s = 0; s < N_STUDIES; s++) {
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", s ? ", " : "",
                                 studies[s].name);
      }
      return ap_fail(err, AP_ERR_ARG, "unknown study \"%s\": one of %s is expected", o->only[i],
                     names);
    }
    if (studies[s].needs_images && !o->data) {
      return ap_fail(err, AP_ERR_ARG, "the study \"%s\" needs images: name them with --data",
                     o->only[i]);
    }
  }
  return AP_OK;
}

static ap_split split_of(const ap_study_options *o, size_t study) {
  return o->split == AP_SPLIT_COUNT ? studies[study].split : o->split;
}

/* At least 1; 0 without images. */
static size_t images_of(const ap_study_options *o, size_t study) {
  size_t all = o->data ? ap_dataset_describe(o->data, split_of(o, study)).n_images : 0;
  size_t own = studies[study].images < all ? studies[study].images : all;
  size_t images = o->images == AP_STUDY_IMAGES ? own : o->images;
  return images ? images : all;
}

/* Splits that are too small for what is asked. */
static ap_status check_images(const ap_study_options *o, ap_error *err) {
  for (size_t s = 0; s < N_STUDIES && o->data; s++) {
    size_t all = ap_dataset_describe(o->data, split_of(o, s)).n_images, n = images_of(o, s);
    if (!studies[s].needs_images || !wanted(o, s) || (n > 0 && n <= all)) continue;
    return ap_fail(err, AP_ERR_ARG, "%zu images: the %s split of %s has %zu", n,
                   ap_split_name(split_of(o, s)), ap_dataset_name(o->data), all);
  }
  return AP_OK;
}

static ap_status check_recovery(const ap_study_options *o, ap_error *err) {
  if (o->n_sparsities == 0 || o->n_sparsities > AP_STUDY_MAX_SPARSITIES) {
    return ap_fail(err, AP_ERR_ARG, "%zu sparsities: 1 to %d are expected", o->n_sparsities,
                   AP_STUDY_MAX_SPARSITIES);
  }
  for (size_t i = 0; i < o->n_sparsities; i++) {
    if (o->sparsities[i] > 0 && o->sparsities[i] < 1) continue;
    return ap_fail(err, AP_ERR_ARG,
                   "sparsity %g: a share of the vectors between 0 and 1 is expected",
                   o->sparsities[i]);
  }
  if (o->epochs > 0) return AP_OK;
  return ap_fail(err, AP_ERR_ARG, "fine-tuning of %g epochs: more than 0 is expected", o->epochs);
}

static ap_status check(const ap_study_options *o, ap_error *err) {
  ap_status st = check_names(o, err);
  if (!st) st = check_recovery(o, err);
  if (st) return st;
  if (o->n_models == 0) return ap_fail(err, AP_ERR_ARG, "no model to study");
  if (!(o->keep > 0 && o->keep <= 1)) {
    return ap_fail(err, AP_ERR_ARG,
                   "kept share of weights %g: more than 0 and at most 1 is expected", o->keep);
  }
  if (o->samples == 0) return ap_fail(err, AP_ERR_ARG, "0 devices: at least 1 is expected");
  for (size_t i = 0; i < o->n_models; i++) {
    for (size_t j = 0; j < i; j++) {
      if (strcmp(o->models[i].label, o->models[j].label) == 0) {
        return ap_fail(err, AP_ERR_ARG, "two models are called \"%s\"", o->models[i].label);
      }
    }
  }
  return check_images(o, err);
}

static ap_status write_rows(const ap_study_options *o, size_t study, const json_t *rows,
                            json_t *head, ap_error *err) {
  char *path = ap_sprintf("%s/%s.csv", o->out, studies[study].name);
  json_t *inputs = json_object_get(head, "inputs");
  ap_status st = AP_OK;
  if (!path ||
      json_object_set_new(inputs, "images", json_integer((json_int_t)images_of(o, study))) ||
      json_object_set_new(head, "split", json_string(ap_split_name(split_of(o, study))))) {
    st = ap_fail(err, AP_ERR_MEMORY, "head of %s.csv", studies[study].name);
  }
  if (!st) st = ap_csv_save(path, head, rows, err);
  ap_free(path);
  return st;
}

/* What recovery and curves depend on besides. 1: out of memory. */
static int add_recovery(json_t *inputs, const ap_study_options *o) {
  json_t *plugin = ap_plugin_to_json(&o->pruner.plugin);
  return json_object_set_new(inputs, "pruner", json_string(o->pruner.name)) ||
         json_object_set_new(inputs, "plugin", plugin) ||
         json_object_set_new(inputs, "prune_ends", json_boolean(o->prune_ends)) ||
         json_object_set_new(inputs, "epochs", json_real(o->epochs)) ||
         json_object_set_new(inputs, "lr", json_real(o->lr));
}

/* Provenance with what all studies of this run depend on; images and split are each study's. */
static json_t *head_of(const ap_study_options *o, const json_t *provenance, ap_error *err) {
  json_t *head = json_deep_copy(provenance), *inputs = NULL, *models = json_object();
  char hash[65];
  int bad = !head || !models || ap_tech_hash(o->tech, hash, err) != AP_OK;
  for (size_t i = 0; i < o->n_models && !bad; i++) {
    char text[65];
    bad = ap_network_hash(o->models[i].net, text, err) != AP_OK ||
          json_object_set_new(models, o->models[i].label, json_string(text));
  }
  if (!bad) {
    inputs = json_pack("{s:O, s:s, s:s, s:s?, s:s?, s:I, s:I, s:I, s:f, s:I}", "model_sha256",
                       models, "hardware", ap_tech_name(o->tech), "hardware_sha256", hash, "data",
                       o->data ? ap_dataset_name(o->data) : NULL, "data_sha256",
                       o->data ? ap_dataset_hash(o->data) : NULL, "images", (json_int_t)0,
                       "calibration", (json_int_t)o->calibration, "samples", (json_int_t)o->samples,
                       "keep", o->keep, "seed", (json_int_t)o->seed);
    bad = json_object_set_new(head, "inputs", inputs) ||
          json_object_set_new(head, "split", json_string("")) ||
          json_object_set_new(head, "keep", json_real(o->keep)) || add_recovery(inputs, o);
  }
  json_decref(models);
  if (bad) {
    json_decref(head);
    (void)ap_fail(err, AP_ERR_MEMORY, "provenance of a study");
    return NULL;
  }
  return head;
}

static ap_status run_model(const ap_study_options *o, const ap_study_model *model, ap_pool *pool,
                           const char *points, json_t *tables, ap_error *err) {
  char hash[65], trained_hash[65];
  ap_network *folded = NULL;
  ap_status st = ap_network_fold(model->net, &folded, err);
  ap_study study = {.options = o,
                    .label = model->label,
                    .trained = model->net,
                    .net = folded,
                    .pool = pool,
                    .points = points,
                    .model_hash = hash,
                    .trained_hash = trained_hash};
  if (!st) st = ap_network_hash(folded, hash, err);
  if (!st) st = ap_network_hash(model->net, trained_hash, err);
  for (size_t s = 0; s < N_STUDIES && !st; s++) {
    if (!wanted(o, s)) continue;
    study.split = split_of(o, s);
    study.images = images_of(o, s);
    st = studies[s].body(&study, json_object_get(tables, studies[s].name), err);
    if (st) st = ap_fail_context(err, st, "%s of %s", studies[s].name, model->label);
  }
  ap_network_destroy(folded);
  return st;
}

static ap_status run_all(const ap_study_options *o, ap_pool *pool, const char *points, json_t *head,
                         json_t *tables, ap_error *err) {
  ap_status st = AP_OK;
  for (size_t s = 0; s < N_STUDIES && !st; s++) {
    if (wanted(o, s) && json_object_set_new(tables, studies[s].name, json_array())) {
      st = ap_fail(err, AP_ERR_MEMORY, "tables");
    }
  }
  for (size_t i = 0; i < o->n_models && !st; i++) {
    st = run_model(o, &o->models[i], pool, points, tables, err);
  }
  for (size_t s = 0; s < N_STUDIES && !st; s++) {
    const json_t *rows = json_object_get(tables, studies[s].name);
    if (rows) st = write_rows(o, s, rows, head, err);
  }
  return st;
}

ap_status ap_study_run(const ap_study_options *o, const json_t *provenance, json_t **tables,
                       ap_error *err) {
  json_t *found = NULL, *head = NULL;
  ap_pool *pool = NULL;
  char *points = NULL;
  ap_status st = check(o, err);
  if (tables) *tables = NULL;
  if (st) return st;
  points = ap_path_join(o->out, "points");
  found = json_object();
  head = head_of(o, provenance, err);
  if (!points || !found) st = ap_fail(err, AP_ERR_MEMORY, "study");
  if (!st && !head) st = AP_ERR_MEMORY;
  if (!st) st = ap_dir_create(o->data ? points : o->out, err);
  if (!st) st = ap_pool_create(o->n_threads, &pool, err);
  if (!st) st = run_all(o, pool, points, head, found, err);
  if (!st && o->draw) st = ap_compare_plot(o->out, o->plots, err);
  if (!st && tables) *tables = json_incref(found);
  ap_pool_destroy(pool);
  json_decref(head);
  json_decref(found);
  ap_free(points);
  return st;
}
