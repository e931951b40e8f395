#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/provenance.h"
#include "bench/cell_read_impl.h"
#include "bench/tuning_impl.h"
#include "nn/model_file.h"

#define SCHEMA "autoprune-tuning-2"

static ap_status configuration(const ap_cell *cell, const ap_level_db *db, const uint32_t *levels,
                               json_t **out, ap_error *err) {
  static const char *const apart[] = {"method",   "searcher",     "episodes", "search_images",
                                      "max_loss", "search_limit", "tunings",  "schema"};
  json_t *list = json_array();
  int bad = !list;
  *out = json_deep_copy(cell->config);
  bad = bad || !*out;
  for (size_t i = 0; i < sizeof apart / sizeof apart[0] && !bad; i++) {
    (void)json_object_del(*out, apart[i]);
  }
  if (!ap_suite_fine_tunes(cell->network)) { /* nothing is drawn at random then */
    (void)json_object_del(*out, "seed");
  }
  for (size_t i = 0; i < ap_level_db_layers(db) && !bad; i++) {
    bad = json_array_append_new(list, json_integer((json_int_t)levels[i]));
  }
  bad = bad || json_object_set_new(*out, "schema", json_string(SCHEMA)) ||
        json_object_set_new(*out, "levels_hash", json_string(ap_level_db_hash(db))) ||
        json_object_set(*out, "levels", list);
  json_decref(list);
  return bad ? ap_fail(err, AP_ERR_MEMORY, "recovery") : AP_OK;
}

ap_status ap_tuning_open(const ap_cell *cell, const ap_level_db *db, const uint32_t *levels,
                         ap_tuning *out, ap_error *err) {
  char hash[AP_SHA256_TEXT];
  ap_status st;
  memset(out, 0, sizeof *out);
  st = configuration(cell, db, levels, &out->config, err);
  if (!st) st = ap_config_hash(out->config, hash, err);
  if (!st) st = ap_dir_create(cell->tunings_folder, err);
  if (!st) {
    out->json_path = ap_sprintf("%s/%.16s.json", cell->tunings_folder, hash);
    out->network_path = ap_sprintf("%s/%.16s.apm", cell->tunings_folder, hash);
    if (!out->json_path || !out->network_path) st = ap_fail(err, AP_ERR_MEMORY, "recovery");
  }
  if (st) ap_tuning_release(out);
  return st;
}

void ap_tuning_release(ap_tuning *tuning) {
  json_decref(tuning->config);
  ap_free(tuning->json_path);
  ap_free(tuning->network_path);
  memset(tuning, 0, sizeof *tuning);
}

double ap_tuning_best(const ap_tuning_accuracy *a) {
  return fmax(fmax(a->oneshot, a->repaired), a->tuned); /* fmax passes over NAN */
}

bool ap_tuning_known(const ap_tuning *tuning, ap_tuning_accuracy *accuracy) {
  json_t *kept = NULL;
  bool known = false;
  if (!ap_file_exists(tuning->json_path)) return false;
  if (ap_json_load(tuning->json_path, &kept, NULL)) return false;
  accuracy->oneshot = at(kept, "accuracy_selection.oneshot");
  accuracy->repaired = at(kept, "accuracy_selection.repaired");
  accuracy->tuned = at(kept, "accuracy_selection.tuned");
  known = !isnan(accuracy->oneshot) && !isnan(accuracy->repaired) &&
          json_equal(json_object_get(kept, "config"), tuning->config);
  json_decref(kept);
  return known;
}

ap_network *ap_tuning_network(const ap_tuning *tuning) {
  ap_network *net = NULL;
  if (!ap_file_exists(tuning->network_path)) return NULL;
  return ap_model_load(tuning->network_path, &net, NULL, NULL) ? NULL : net;
}

ap_status ap_tuning_keep(const ap_tuning *tuning, const ap_network *net,
                         const ap_tuning_accuracy *accuracy, ap_error *err) {
  json_t *kept = json_pack("{s:{s:f, s:f, s:o}, s:O}", "accuracy_selection", "oneshot",
                           accuracy->oneshot, "repaired", accuracy->repaired, "tuned",
                           number_or_null(accuracy->tuned), "config", tuning->config);
  ap_status st = kept ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "recovery");
  if (!st && net) st = ap_model_save(tuning->network_path, net, NULL, AP_STORE_FLOAT32, true, err);
  if (!st) st = ap_json_save(tuning->json_path, kept, true, err);
  json_decref(kept);
  return st;
}

void ap_tuning_forget_network(const ap_tuning *tuning) { (void)remove(tuning->network_path); }
