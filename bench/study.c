#include "bench/study.h"

#include <string.h>

#include "base/alloc.h"
#include "base/csv.h"
#include "base/file.h"
#include "bench/compare.h"
#include "bench/csv_head.h"
#include "bench/study_impl.h"

static const struct {
  const char *name;
  ap_study_body *body;
  bool needs_images;
} studies[] = {{"sizes", ap_study_sizes, false},
               {"index", ap_study_index, false},
               {"control", ap_study_control, false},
               {"converter", ap_study_converter, true},
               {"devices", ap_study_devices, true}};
#define N_STUDIES (sizeof studies / sizeof studies[0])

ap_study_options ap_study_defaults(void) {
  return (ap_study_options){.split = AP_SPLIT_SELECTION,
                            .images = 500,
                            .calibration = 256,
                            .samples = 5,
                            .keep = 0.2,
                            .seed = 1,
                            .draw = true};
}

static bool wanted(const ap_study_options *o, size_t study) {
  if (o->n_only == 0) return o->data || !studies[study].needs_images;
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
      return ap_fail(
          err, AP_ERR_ARG,
          "unknown study \"%s\": sizes, index, control, converter or devices is expected",
          o->only[i]);
    }
    if (studies[s].needs_images && !o->data) {
      return ap_fail(err, AP_ERR_ARG, "the study \"%s\" needs images: name them with --data",
                     o->only[i]);
    }
  }
  return AP_OK;
}

static ap_status check(const ap_study_options *o, ap_error *err) {
  ap_status st = check_names(o, err);
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
  if (o->data && o->images > ap_dataset_describe(o->data, o->split).n_images) {
    return ap_fail(err, AP_ERR_ARG, "%zu images: the %s split of %s has %zu", o->images,
                   ap_split_name(o->split), ap_dataset_name(o->data),
                   ap_dataset_describe(o->data, o->split).n_images);
  }
  return AP_OK;
}

static ap_status write_rows(const ap_study_options *o, const char *study, const json_t *rows,
                            const json_t *head, ap_error *err) {
  char *path = ap_sprintf("%s/%s.csv", o->out, study);
  ap_output *output = NULL;
  ap_status st = path ? ap_output_open(path, true, &output, err)
                      : ap_fail(err, AP_ERR_MEMORY, "path of %s.csv", study);
  if (!st) {
    ap_csv csv = {ap_output_stream(output), 0};
    ap_csv_head(&csv, head);
    ap_csv_rows(&csv, rows);
    st = ap_output_commit(output, err);
  }
  ap_free(path);
  return st;
}

/* Provenance with what all studies of this run depend on. */
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
                       o->data ? ap_dataset_hash(o->data) : NULL, "images", (json_int_t)o->images,
                       "calibration", (json_int_t)o->calibration, "samples", (json_int_t)o->samples,
                       "keep", o->keep, "seed", (json_int_t)o->seed);
    bad = json_object_set_new(head, "inputs", inputs) ||
          json_object_set_new(head, "split", json_string(ap_split_name(o->split))) ||
          json_object_set_new(head, "keep", json_real(o->keep));
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
  ap_study study = {.options = o, .label = model->label, .pool = pool, .points = points};
  ap_network *folded = NULL;
  char hash[65];
  ap_status st = ap_network_fold(model->net, &folded, err);
  if (!st) st = ap_network_hash(folded, hash, err);
  study.net = folded;
  study.model_hash = hash;
  for (size_t s = 0; s < N_STUDIES && !st; s++) {
    if (!wanted(o, s)) continue;
    st = studies[s].body(&study, json_object_get(tables, studies[s].name), err);
    if (st) st = ap_fail_context(err, st, "%s of %s", studies[s].name, model->label);
  }
  ap_network_destroy(folded);
  return st;
}

static ap_status run_all(const ap_study_options *o, ap_pool *pool, const char *points,
                         const json_t *head, json_t *tables, ap_error *err) {
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
    if (rows) st = write_rows(o, studies[s].name, rows, head, err);
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
