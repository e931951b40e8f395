#include "pruners/level_db.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/progress.h"
#include "base/provenance.h"
#include "pruners/baselines/baselines_impl.h"
#include "pruners/level_db_impl.h"
#include "pruners/quantised_layer.h"
#include "pruners/repair.h"

#define LEVEL_TOLERANCE 0.01 /* levels are many, and guide a search (docs/RECOVERY.md) */

static const char *const snap_names[] = {"crossbar", "ou", "none"};

const char *ap_snap_name(ap_snap snap) { return snap_names[snap]; }

ap_status ap_snap_parse(const char *text, ap_snap *out, ap_error *err) {
  for (size_t i = 0; i < sizeof snap_names / sizeof snap_names[0]; i++) {
    if (strcmp(text, snap_names[i]) == 0) {
      *out = (ap_snap)i;
      return AP_OK;
    }
  }
  return ap_fail(err, AP_ERR_ARG, "unknown snapping '%.40s': crossbar, ou or none is expected",
                 text);
}

ap_level_db_options ap_level_db_defaults(void) {
  return (ap_level_db_options){
      .pruner = {.name = "column-vector", .granularity = {.kind = AP_GRANULARITY_COLUMN_VECTOR}},
      .snap = AP_SNAP_CROSSBAR,
      .max_levels = 32,
      .keep_min = 0.02};
}

static ap_status add_plugin(const ap_plugin *plugin, ap_hash *hash, ap_error *err) {
  char text[AP_SHA256_TEXT], seed[24];
  json_t *plugin_json;
  ap_status st;
  if (plugin->kind == AP_PLUGIN_NONE) return AP_OK;
  plugin_json = ap_plugin_to_json(plugin);
  st =
      plugin_json ? ap_config_hash(plugin_json, text, err) : ap_fail(err, AP_ERR_MEMORY, "plug-in");
  json_decref(plugin_json);
  if (st) return st;
  ap_hash_add(hash, text, strlen(text));
  (void)snprintf(seed, sizeof seed, "%llu", (unsigned long long)plugin->seed);
  ap_hash_add(hash, seed, strlen(seed));
  return AP_OK;
}

static ap_status hash_of(ap_level_db *db, ap_error *err) {
  ap_hash *hash = NULL;
  char text[AP_SHA256_TEXT], line[256], granularity[96];
  const ap_level_db_options *o = &db->options;
  ap_status st = ap_hash_create(&hash, err);
  if (!st) st = ap_network_hash(db->net, text, err);
  if (!st) ap_hash_add(hash, text, strlen(text));
  if (!st) st = ap_tech_hash(db->tech, text, err);
  if (!st) {
    ap_hash_add(hash, text, strlen(text));
    ap_pruner_print(&o->pruner, granularity);
    (void)snprintf(line, sizeof line, "%s|%s|%zu|%.17g|%d", granularity, ap_snap_name(o->snap),
                   o->max_levels, o->keep_min, db->moments != NULL);
    ap_hash_add(hash, line, strlen(line));
    if (o->floats) ap_hash_add(hash, "|floats", strlen("|floats"));
    st = add_plugin(&o->pruner.plugin, hash, err);
  }
  if (!st) {
    ap_hash_text(hash, db->hash);
  }
  ap_hash_destroy(hash);
  return st;
}

ap_status ap_level_db_create(const ap_network *net, const ap_tech *tech, ap_pool *pool,
                             const ap_moments *moments, const ap_level_db_options *options,
                             ap_level_db **out, ap_error *err) {
  ap_status st = AP_OK;
  ap_level_db *db = NULL;
  ap_layer_info *info = NULL;
  *out = NULL;
  if (options->max_levels < 2 || !(options->keep_min > 0 && options->keep_min <= 1)) {
    return ap_fail(err, AP_ERR_ARG,
                   "levels: at least 2 a layer and a least kept fraction in (0, 1] are expected, "
                   "not %zu and %g",
                   options->max_levels, options->keep_min);
  }
  db = ap_calloc(1, sizeof *db);
  if (!db) return ap_fail(err, AP_ERR_MEMORY, "level database");
  db->tech = tech;
  db->pool = pool;
  db->moments = moments;
  db->options = *options;
  st = ap_network_copy(net, &db->net, err);
  if (st) goto done;
  db->n_layers = ap_network_layers(db->net, NULL, 0);
  if (db->n_layers == 0) {
    st = ap_fail(err, AP_ERR_ARG, "%s has no layer with weights", net->name);
    goto done;
  }
  info = ap_calloc(db->n_layers, sizeof *info);
  db->layers = ap_calloc(db->n_layers, sizeof *db->layers);
  if (!info || !db->layers) {
    st = ap_fail(err, AP_ERR_MEMORY, "levels of %zu layers", db->n_layers);
    goto done;
  }
  (void)ap_network_layers(db->net, info, db->n_layers);
  for (size_t i = 0; i < db->n_layers && !st; i++) {
    db->layers[i].info = info[i];
    st = ap_level_db_build_layer(db, i, err);
  }
  if (!st) st = hash_of(db, err);
  if (st) goto done;
  *out = db;
  db = NULL;
done:
  ap_free(info);
  ap_level_db_destroy(db);
  return st;
}

void ap_level_db_destroy(ap_level_db *db) {
  if (!db) return;
  for (size_t i = 0; db->layers && i < db->n_layers; i++) {
    ap_free(db->layers[i].dense);
    ap_free(db->layers[i].bias);
    ap_free(db->layers[i].order);
    ap_free(db->layers[i].masks);
    ap_free(db->layers[i].levels);
  }
  ap_free(db->layers);
  ap_network_destroy(db->net);
  ap_free(db);
}

size_t ap_level_db_layers(const ap_level_db *db) { return db->n_layers; }
ap_pruner ap_level_db_pruner(const ap_level_db *db) { return db->options.pruner; }
ap_snap ap_level_db_snap(const ap_level_db *db) { return db->options.snap; }

const ap_layer_info *ap_level_db_layer(const ap_level_db *db, size_t layer) {
  return &db->layers[layer].info;
}

size_t ap_level_db_levels(const ap_level_db *db, size_t layer) {
  return db->layers[layer].n_levels;
}

const ap_keep_level *ap_level_db_level(const ap_level_db *db, size_t layer, size_t level) {
  return &db->layers[layer].levels[level];
}

size_t ap_level_db_find(const ap_level_db *db, size_t layer, double keep) {
  const ap_level_layer *l = &db->layers[layer];
  size_t i = 0;
  while (i + 1 < l->n_levels && l->levels[i].keep < keep - 1e-12) i++;
  return i;
}

ap_status ap_level_db_scores(const ap_level_db *db, size_t layer, double *score, ap_error *err) {
  const ap_level_layer *l = &db->layers[layer];
  if (ap_pruner_gives_masks(&db->options.pruner)) {
    return ap_fail(err, AP_ERR_UNSUPPORTED,
                   "%s: plug-ins and patterns rank the vectors of a layer; what they are worth "
                   "beside those of other layers is not known",
                   l->info.name);
  }
  return ap_pruner_scores(&l->partition, db->options.pruner.criterion, l->dense, score, err);
}

double ap_level_db_dense_crossbars(const ap_level_db *db) {
  double sum = 0;
  for (size_t i = 0; i < db->n_layers; i++) {
    const ap_level_layer *l = &db->layers[i];
    sum += (double)l->levels[l->n_levels - 1].map.crossbars_dense;
  }
  return sum;
}

ap_level_seconds ap_level_db_seconds(const ap_level_db *db) {
  ap_level_seconds sum = {0, 0};
  for (size_t i = 0; i < db->n_layers; i++) {
    sum.mapper += db->layers[i].spent.mapper;
    sum.model += db->layers[i].spent.model;
  }
  return sum;
}

const char *ap_level_db_hash(const ap_level_db *db) { return db->hash; }

/* level: not the last one */
static void kept_vectors(const ap_level_layer *l, size_t level, uint8_t *kept) {
  size_t count = l->partition.count;
  if (l->order) {
    ap_pruner_keep_first(l->order, count, l->levels[level].n_kept, kept);
  } else {
    memcpy(kept, l->masks + level * count, count);
  }
}

size_t ap_level_db_vectors(const ap_level_db *db, size_t layer) {
  return db->layers[layer].partition.count;
}

void ap_level_db_kept(const ap_level_db *db, size_t layer, size_t level, uint8_t *kept) {
  const ap_level_layer *l = &db->layers[layer];
  if (level + 1 == l->n_levels) {
    memset(kept, 1, l->partition.count);
  } else {
    kept_vectors(l, level, kept);
  }
}

static ap_status kept_weights(const ap_level_layer *l, size_t level, uint8_t *weights,
                              ap_error *err) {
  size_t count = l->partition.count, k = l->info.k, n = l->info.n;
  uint8_t *kept;
  float *ones;
  if (level + 1 == l->n_levels) {
    memset(weights, 1, k * n);
    return AP_OK;
  }
  kept = ap_calloc(count, 1);
  ones = ap_calloc(k * n, sizeof *ones);
  if (!kept || !ones) {
    ap_free(kept);
    ap_free(ones);
    return ap_fail(err, AP_ERR_MEMORY, "mask of %s", l->info.name);
  }
  kept_vectors(l, level, kept);
  for (size_t i = 0; i < k * n; i++) ones[i] = 1.0f;
  ap_partition_mask_f32(&l->partition, kept, ones);
  for (size_t i = 0; i < k * n; i++) weights[i] = ones[i] != 0.0f;
  ap_free(kept);
  ap_free(ones);
  return AP_OK;
}

ap_status ap_level_db_mask(const ap_level_db *db, size_t layer, size_t level, float *mask,
                           ap_error *err) {
  const ap_level_layer *l = &db->layers[layer];
  size_t size = l->info.k * l->info.n;
  uint8_t *kept = ap_calloc(size, 1);
  ap_status st;
  if (!kept) return ap_fail(err, AP_ERR_MEMORY, "mask of %s", l->info.name);
  st = kept_weights(l, level, kept, err);
  for (size_t i = 0; i < size && !st; i++) mask[i] = (float)kept[i];
  ap_free(kept);
  return st;
}

static ap_status round_to_bits(const ap_level_layer *l, size_t level, float *matrix,
                               ap_error *err) {
  uint8_t *kept = ap_calloc(l->partition.count, 1);
  ap_status st;
  if (!kept) return ap_fail(err, AP_ERR_MEMORY, "mask of %s", l->info.name);
  kept_vectors(l, level, kept);
  st = ap_bit_columns_round(&l->partition, kept, matrix, err);
  ap_free(kept);
  return st;
}

ap_status ap_level_db_round(const ap_level_db *db, size_t layer, size_t level, float *matrix,
                            ap_error *err) {
  const ap_level_layer *l = &db->layers[layer];
  if (level + 1 == l->n_levels || l->partition.granularity.kind != AP_GRANULARITY_BIT_COLUMN) {
    return AP_OK;
  }
  return round_to_bits(l, level, matrix, err);
}

static unsigned weight_bits(const ap_level_db *db, const ap_level_layer *l) {
  return l->info.weight_bits ? l->info.weight_bits : ap_tech_array(db->tech)->weight_bits;
}

void ap_level_db_drop_biases(const ap_level_db *db, size_t k, size_t n, const uint8_t *kept,
                             float *bias) {
  if (db->options.pruner.granularity.kind != AP_GRANULARITY_FILTER) return;
  for (size_t j = 0; j < n; j++) {
    bool any = false;
    for (size_t i = 0; i < k; i++) any = any || kept[i * n + j];
    if (!any) bias[j] = 0.0f;
  }
}

/* repair: NULL leaves the kept weights as they are. */
static ap_status level_matrix(const ap_level_db *db, const ap_level_layer *l, size_t level,
                              const ap_repair *repair, uint8_t *kept, float *matrix, float *bias,
                              ap_error *err) {
  size_t k = l->info.k, n = l->info.n;
  ap_status st = kept_weights(l, level, kept, err);
  if (st) return st;
  if (repair && level + 1 < l->n_levels) {
    st = ap_repair_columns(repair, db->pool, n, n, l->dense, kept, l->bias, matrix, bias, err);
  } else {
    for (size_t i = 0; i < k * n; i++) matrix[i] = kept[i] ? l->dense[i] : 0.0f;
    memcpy(bias, l->bias, n * sizeof *bias);
  }
  if (!st) ap_level_db_drop_biases(db, k, n, kept, bias);
  if (st || db->options.floats) return st;
  if (level + 1 < l->n_levels && l->partition.granularity.kind == AP_GRANULARITY_BIT_COLUMN) {
    return round_to_bits(l, level, matrix, err);
  }
  return ap_quantise_in_place(matrix, k, n, weight_bits(db, l), err);
}

static ap_status open_repair(const ap_level_db *db, size_t layer, ap_repair **out, ap_error *err) {
  ap_repair_options options = ap_repair_defaults();
  const ap_level_layer *l = &db->layers[layer];
  options.tolerance = LEVEL_TOLERANCE;
  *out = NULL;
  if (!db->moments || l->info.groups > 1 || l->n_levels < 2) return AP_OK;
  return ap_repair_create(ap_moments_matrix(db->moments, layer, 0), l->info.k, &options, out, err);
}

ap_status ap_level_db_matrix(const ap_level_db *db, size_t layer, size_t level, float *matrix,
                             float *bias, ap_error *err) {
  const ap_level_layer *l = &db->layers[layer];
  ap_repair *repair = NULL;
  uint8_t *kept = ap_calloc(l->info.k * l->info.n, 1);
  ap_status st = kept ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "level of %s", l->info.name);
  if (!st) st = open_repair(db, layer, &repair, err);
  if (!st) st = level_matrix(db, l, level, repair, kept, matrix, bias, err);
  ap_repair_destroy(repair);
  ap_free(kept);
  return st;
}

/* Level i + 1 of ev. The matrix is on the grid of the weights' bits already: its integers are exact. */
static ap_status add_level(const ap_level_db *db, size_t layer, const float *matrix,
                           const float *bias, ap_evaluator *ev, size_t *number, ap_error *err) {
  const ap_layer_info *info = &db->layers[layer].info;
  size_t size = info->k * info->n;
  int32_t *q = NULL;
  int8_t *bytes = NULL;
  float *scale = NULL;
  ap_status st = AP_OK;
  if (!ap_evaluator_is_integer(ev)) {
    return ap_evaluator_add_level(ev, layer, matrix, bias, number, err);
  }
  q = ap_calloc(size, sizeof *q);
  bytes = ap_calloc(size, 1);
  scale = ap_calloc(info->n, sizeof *scale);
  if (!q || !bytes || !scale) {
    st = ap_fail(err, AP_ERR_MEMORY, "integers of %s", info->name);
    goto done;
  }
  st = ap_quantise_columns(matrix, info->k, info->n, weight_bits(db, &db->layers[layer]), q, scale,
                           err);
  if (!st) st = ap_integer_narrow(q, size, bytes, err);
  if (!st) st = ap_evaluator_add_integer_level(ev, layer, bytes, scale, bias, number, err);
done:
  ap_free(q);
  ap_free(bytes);
  ap_free(scale);
  return st;
}

static ap_status register_layer(const ap_level_db *db, size_t layer, ap_evaluator *ev,
                                ap_progress *progress, size_t *done, ap_error *err) {
  const ap_level_layer *l = &db->layers[layer];
  size_t size = l->info.k * l->info.n, number = 0;
  float *matrix = ap_calloc(size, sizeof *matrix), *bias = ap_calloc(l->info.n, sizeof *bias);
  uint8_t *kept = ap_calloc(size, 1);
  ap_repair *repair = NULL;
  ap_status st = AP_OK;
  if (!matrix || !bias || !kept) {
    st = ap_fail(err, AP_ERR_MEMORY, "levels of %s", l->info.name);
    goto out;
  }
  st = open_repair(db, layer, &repair, err);
  for (size_t i = 0; i < l->n_levels && !st; i++) {
    if (ap_interrupted()) {
      st = ap_fail(err, AP_ERR_INTERRUPTED, "interrupted while building the level database");
      break;
    }
    st = level_matrix(db, l, i, repair, kept, matrix, bias, err);
    if (!st) st = add_level(db, layer, matrix, bias, ev, &number, err);
    if (!st && number != i + 1) {
      st =
          ap_fail(err, AP_ERR_INTERNAL, "%s: level %zu became number %zu", l->info.name, i, number);
    }
    ap_progress_set(progress, ++*done, l->info.name);
  }
out:
  ap_repair_destroy(repair);
  ap_free(matrix);
  ap_free(bias);
  ap_free(kept);
  return st;
}

ap_status ap_level_db_register(const ap_level_db *db, ap_evaluator *ev, bool quiet, ap_error *err) {
  ap_status st = AP_OK;
  size_t total = 0, done = 0;
  ap_progress *progress;
  for (size_t i = 0; i < db->n_layers; i++) total += db->layers[i].n_levels;
  progress = ap_progress_create("level database", total, quiet);
  for (size_t i = 0; i < db->n_layers && !st; i++) {
    st = register_layer(db, i, ev, progress, &done, err);
  }
  ap_progress_end(progress);
  return st;
}
