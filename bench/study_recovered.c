#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "bench/study_recovered_impl.h"
#include "nn/model_file.h"
#include "pruners/recover.h"

#define PLUGIN_LEVELS 64 /* a plug-in's own list of levels is read with room for as many */

static const char *const names[AP_RECOVERIES] = {"dense",
                                                 "one-shot",
                                                 "recalibrated",
                                                 "repaired",
                                                 "repaired+recalibrated",
                                                 "repaired-in-sequence",
                                                 "fine-tuned"};

const char *ap_recovery_name(ap_recovery how) { return names[how]; }

bool ap_recovery_applies(ap_recovery how, const ap_network *trained) {
  if (how != AP_RECOVERY_RECALIBRATED && how != AP_RECOVERY_REPAIRED_RECALIBRATED) return true;
  return ap_network_has_statistics(trained);
}

void ap_recovered_release(ap_recovered *r) {
  ap_level_db_destroy(r->plain);
  ap_level_db_destroy(r->repaired);
  ap_network_destroy(r->in_sequence);
  r->plain = r->repaired = NULL;
  r->in_sequence = NULL;
}

/* The database of one sparsity, whose lowest level is wanted (or, of a plug-in with a list of its own,
 * the lowest that keeps as much). */
static ap_status levels_of(ap_recovered *r, double sparsity, bool repair, const ap_level_db **db,
                           uint32_t **levels, ap_error *err) {
  const ap_pruner *pruner = &r->study->options->pruner;
  const ap_level_db_options options = {
      .pruner = *pruner,
      .snap = AP_SNAP_NONE,
      .max_levels = pruner->plugin.kind == AP_PLUGIN_NONE ? 2 : PLUGIN_LEVELS,
      .keep_min = 1 - sparsity,
      .floats = true};
  ap_level_db **mine = repair ? &r->repaired : &r->plain;
  size_t n;
  ap_status st = AP_OK;
  if (r->sparsity < sparsity || r->sparsity > sparsity) ap_recovered_release(r);
  r->sparsity = sparsity;
  if (!*mine) st = ap_workbench_levels(r->bench, &options, repair, mine, err);
  if (st) return st;
  *db = *mine;
  *levels = ap_calloc(ap_level_db_layers(*db), sizeof **levels);
  if (!*levels) return ap_fail(err, AP_ERR_MEMORY, "levels of %s", r->study->label);
  n = ap_level_db_layers(*db);
  for (size_t i = 0; i < n; i++) {
    bool whole = !r->study->options->prune_ends && n > 2 && (i == 0 || i + 1 == n);
    (*levels)[i] =
        (uint32_t)(whole ? ap_level_db_levels(*db, i) - 1 : ap_level_db_find(*db, i, 1 - sparsity));
  }
  return AP_OK;
}

/* A fine-tuned network of this very configuration; else NULL. */
static ap_network *kept_network(const char *path, const json_t *config) {
  ap_network *net = NULL;
  json_t *metadata = NULL;
  if (!ap_file_exists(path) || ap_model_load(path, &net, &metadata, NULL)) return NULL;
  if (!json_equal(json_object_get(metadata, "config"), config)) {
    ap_network_destroy(net);
    net = NULL;
  }
  json_decref(metadata);
  return net;
}

static ap_status keep_network(const char *path, const ap_network *net, const json_t *config,
                              ap_error *err) {
  json_t *metadata = json_pack("{s:O}", "config", config);
  ap_status st = metadata ? ap_model_save(path, net, metadata, AP_STORE_FLOAT32, true, err)
                          : ap_fail(err, AP_ERR_MEMORY, "metadata of %s", path);
  json_decref(metadata);
  return st;
}

/* Made once a sparsity: a point of its own, and where fine-tuning starts. levels: levels_of(r, ...). */
static ap_status repair_in_sequence(ap_recovered *r, const ap_level_db *db, const uint32_t *levels,
                                    ap_error *err) {
  if (r->in_sequence) return AP_OK;
  return ap_workbench_repair_sequence(r->bench, db, levels, &r->in_sequence, err);
}

static ap_status in_sequence(ap_recovered *r, double sparsity, ap_network **out, ap_error *err) {
  const ap_level_db *db = NULL;
  uint32_t *levels = NULL;
  ap_status st = levels_of(r, sparsity, false, &db, &levels, err);
  if (!st) st = repair_in_sequence(r, db, levels, err);
  if (!st) st = ap_network_copy(r->in_sequence, out, err);
  ap_free(levels);
  return st;
}

static ap_status fine_tuned(ap_recovered *r, double sparsity, const json_t *config,
                            ap_network **out, ap_error *err) {
  char *path = ap_study_point_path(r->study, config, ".apm");
  char *checkpoint = ap_study_point_path(r->study, config, ".checkpoint");
  const ap_level_db *db = NULL;
  uint32_t *levels = NULL;
  ap_status st =
      path && checkpoint ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "paths of a fine-tuned network");
  if (!st) *out = kept_network(path, config);
  if (st || *out) goto done;
  st = levels_of(r, sparsity, false, &db, &levels, err);
  if (!st) st = repair_in_sequence(r, db, levels, err);
  if (!st) {
    st = ap_recover(ap_workbench_backend(r->bench), r->study->trained, r->study->options->data, db,
                    levels, r->in_sequence, 0, &r->recipe, checkpoint, r->observer, r->context, out,
                    err);
  }
  if (!st) st = keep_network(path, *out, config, err);
done:
  ap_free(levels);
  ap_free(path);
  ap_free(checkpoint);
  return st;
}

/* Without training: the levels' weights as they are, or with batch normalisation measured anew. */
static ap_status untrained(ap_recovered *r, double sparsity, bool repair, bool recalibrate,
                           ap_network **out, ap_error *err) {
  ap_train_options none = r->recipe;
  const ap_level_db *db = NULL;
  uint32_t *levels = NULL;
  ap_status st = levels_of(r, sparsity, repair, &db, &levels, err);
  none.epochs = 0;
  if (!st && recalibrate) {
    st = ap_recover(ap_workbench_backend(r->bench), r->study->trained, r->study->options->data, db,
                    levels, NULL, 0, &none, NULL, NULL, NULL, out, err);
  } else if (!st) {
    st = ap_deploy_levels(r->study->net, db, levels, out, err);
  }
  ap_free(levels);
  return st;
}

ap_status ap_recovered_network(ap_recovered *r, ap_recovery how, double sparsity,
                               const json_t *config, ap_network **out, ap_error *err) {
  *out = NULL;
  switch (how) {
    case AP_RECOVERY_DENSE:
      return ap_network_copy(r->study->net, out, err);
    case AP_RECOVERY_IN_SEQUENCE:
      return in_sequence(r, sparsity, out, err);
    case AP_RECOVERY_FINE_TUNED:
      return fine_tuned(r, sparsity, config, out, err);
    case AP_RECOVERY_ONE_SHOT:
    case AP_RECOVERY_RECALIBRATED:
    case AP_RECOVERY_REPAIRED:
    case AP_RECOVERY_REPAIRED_RECALIBRATED:
    case AP_RECOVERIES:
      break;
  }
  return untrained(
      r, sparsity, how == AP_RECOVERY_REPAIRED || how == AP_RECOVERY_REPAIRED_RECALIBRATED,
      how == AP_RECOVERY_RECALIBRATED || how == AP_RECOVERY_REPAIRED_RECALIBRATED, out, err);
}
