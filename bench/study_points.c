/* Points of a study: JSON files under the hash of their configuration, so that nothing is computed
 * twice and an interrupted study goes on where it was. */
#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"
#include "base/provenance.h"
#include "bench/study_impl.h"

json_t *ap_study_config(const ap_study *study, const ap_tech *tech, const char *schema,
                        ap_error *err) {
  char hash[65];
  json_t *config;
  if (ap_tech_hash(tech, hash, err)) return NULL;
  config = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "schema", schema, "commit",
                     ap_build_commit(), "model_sha256", study->model_hash, "data_sha256",
                     ap_dataset_hash(study->options->data), "split", ap_split_name(study->split),
                     "hardware_sha256", hash, "images", (json_int_t)study->images);
  if (!config) (void)ap_fail(err, AP_ERR_MEMORY, "configuration of a point");
  return config;
}

/* Adds a study's own members (a new reference; taken over) to a configuration, which may be NULL. */
json_t *ap_study_config_with(json_t *config, json_t *own, ap_error *err) {
  if (config && (!own || json_object_update(config, own))) {
    (void)ap_fail(err, AP_ERR_MEMORY, "configuration of a point");
    json_decref(config);
    config = NULL;
  }
  json_decref(own);
  return config;
}

char *ap_study_point_path(const ap_study *study, const json_t *config, const char *ending) {
  char hash[65];
  if (!config || ap_config_hash(config, hash, NULL)) return NULL;
  return ap_sprintf("%s/%.16s%s", study->points, hash, ending);
}

/* What the file holds, where it is whole and of this configuration; else NULL. */
static json_t *kept_point(const char *path, const json_t *config) {
  json_t *kept = NULL;
  if (!ap_file_exists(path) || ap_json_load(path, &kept, NULL)) return NULL;
  if (json_equal(json_object_get(kept, "config"), config)) return kept;
  json_decref(kept);
  return NULL;
}

bool ap_study_has_point(const ap_study *study, const json_t *config) {
  char *path = ap_study_point_path(study, config, ".json");
  json_t *kept = path ? kept_point(path, config) : NULL;
  bool has = kept != NULL;
  json_decref(kept);
  ap_free(path);
  return has;
}

ap_status ap_study_point(const ap_study *study, json_t *config, ap_study_measure *measure,
                         void *context, json_t **out, ap_error *err) {
  char *path = ap_study_point_path(study, config, ".json");
  json_t *point = path ? kept_point(path, config) : NULL;
  ap_status st = path ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "path of a point");
  *out = NULL;
  if (!st && !point) {
    point = json_pack("{s:O}", "config", config);
    st = point ? measure(context, point, err) : ap_fail(err, AP_ERR_MEMORY, "point");
    if (!st) st = ap_json_save(path, point, true, err);
  }
  if (st) {
    json_decref(point);
  } else {
    *out = point;
  }
  json_decref(config);
  ap_free(path);
  return st;
}
