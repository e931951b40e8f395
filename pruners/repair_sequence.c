#include "pruners/repair_sequence.h"

#include "base/alloc.h"
#include "base/progress.h"
#include "pruners/level_db_impl.h"
#include "pruners/recover.h"
#include "pruners/recover_impl.h"
#include "pruners/repair.h"

/* Fits one layer of `net`, whose layers before are done. */
static ap_status fit_layer(ap_pool *pool, const ap_network *folded, const ap_level_db *db,
                           const uint32_t *levels, size_t layer, const double *moments,
                           const double *cross, ap_network *net, ap_error *err) {
  const ap_repair_options options = ap_repair_defaults();
  const ap_layer_info *info = ap_level_db_layer(db, layer);
  size_t k = info->k, n = info->n, size = k * n;
  const float *given = folded->nodes[info->node].bias;
  float *bias = ap_calloc(n, sizeof *bias), *mask = ap_calloc(size, sizeof *mask);
  float *dense = ap_calloc(size, sizeof *dense);
  uint8_t *kept = ap_calloc(size, 1);
  ap_repair *repair = NULL;
  ap_status st = AP_OK;
  if (!bias || !mask || !dense || !kept) {
    st = ap_fail(err, AP_ERR_MEMORY, "repair of %s", info->name);
    goto done;
  }
  for (size_t j = 0; given && j < n; j++) bias[j] = given[j];
  ap_layer_get_matrix(folded, info->node, dense);
  st = ap_level_db_mask(db, layer, levels[layer], mask, err);
  for (size_t i = 0; i < size && !st; i++) kept[i] = mask[i] != 0;
  if (!st) st = ap_repair_create(moments, k, &options, &repair, err);
  if (!st) st = ap_repair_fit(repair, pool, cross, n, n, dense, kept, bias, dense, bias, err);
  if (!st) {
    ap_level_db_drop_biases(db, k, n, kept, bias);
    ap_layer_set_matrix(net, info->node, dense);
    for (size_t j = 0; j < n; j++) net->nodes[info->node].bias[j] = bias[j];
  }
done:
  ap_repair_destroy(repair);
  ap_free(bias);
  ap_free(mask);
  ap_free(dense);
  ap_free(kept);
  return st;
}

/* Layers in order; both walks follow. */
static ap_status fit_layers(ap_pool *pool, const ap_network *folded, const ap_level_db *db,
                            const uint32_t *levels, const ap_moments_options *options, ap_walk *now,
                            ap_walk *dense, ap_network *net, ap_error *err) {
  ap_status st = AP_OK;
  for (size_t l = 0; l < ap_level_db_layers(db) && !st; l++) {
    const ap_layer_info *info = ap_level_db_layer(db, l);
    double *moments = NULL, *cross = NULL;
    if (info->groups > 1) continue;
    if (ap_interrupted()) return ap_fail(err, AP_ERR_INTERRUPTED, "interrupted during repair");
    st = ap_moments_pair(pool, now, dense, info, options, l, &moments, &cross, err);
    if (!st) st = fit_layer(pool, folded, db, levels, l, moments, cross, net, err);
    if (!st) st = ap_walk_reload(now, err);
    ap_free(moments);
    ap_free(cross);
  }
  return st;
}

static ap_status give_biases(const ap_level_db *db, ap_network *net, ap_error *err) {
  for (size_t l = 0; l < ap_level_db_layers(db); l++) {
    const ap_layer_info *info = ap_level_db_layer(db, l);
    ap_node *node = &net->nodes[info->node];
    if (!node->bias) node->bias = ap_calloc(info->n, sizeof *node->bias);
    if (!node->bias) return ap_fail(err, AP_ERR_MEMORY, "bias of %s", info->name);
  }
  return AP_OK;
}

ap_status ap_repair_sequence(ap_backend *be, ap_pool *pool, const ap_network *folded,
                             const ap_level_db *db, const uint32_t *levels, const ap_dataset *data,
                             const ap_moments_options *options, ap_network **out, ap_error *err) {
  const size_t all = ap_dataset_describe(data, AP_SPLIT_CALIBRATION).n_images;
  const size_t images = options->images && options->images < all ? options->images : all;
  ap_network *net = NULL;
  ap_walk *now = NULL, *dense = NULL;
  ap_status st = ap_network_copy(folded, &net, err);
  *out = NULL;
  if (!st) st = give_biases(db, net, err);
  if (!st) st = ap_walk_create(be, net, data, AP_SPLIT_CALIBRATION, images, 0, &now, err);
  if (!st) st = ap_walk_create(be, folded, data, AP_SPLIT_CALIBRATION, images, 0, &dense, err);
  if (!st) st = fit_layers(pool, folded, db, levels, options, now, dense, net, err);
  ap_walk_destroy(now);
  ap_walk_destroy(dense);
  if (!st) st = ap_follow_channels(ap_level_db_pruner(db).granularity, net, err);
  if (st) {
    ap_network_destroy(net);
    return st;
  }
  *out = net;
  return AP_OK;
}
