#include "pruners/recover.h"

#include "base/alloc.h"
#include "pruners/quantised_layer.h"
#include "pruners/recover_impl.h"
#include "pruners/unfold_impl.h"

#define RECALIBRATION_IMAGES 2000

/* Masks of one recovery: one float array a node, owned here. */
typedef struct {
  size_t n_nodes;
  float **masks;
} mask_set;

static void release_masks(mask_set *set) {
  for (size_t i = 0; set->masks && i < set->n_nodes; i++) ap_free(set->masks[i]);
  ap_free(set->masks);
}

/* mask: K x N of the level -> the node's own order [c_out, K]; and, when whole filters go, their
 * BatchNorm channels with them. */
static ap_status mask_layer(const ap_network *net, const ap_layer_info *info, const float *mask,
                            bool whole_filters, mask_set *set, ap_error *err) {
  size_t k = info->k, n = info->n, bn;
  float *weights = ap_calloc(k * n, sizeof *weights);
  set->masks[info->node] = weights;
  if (!weights) return ap_fail(err, AP_ERR_MEMORY, "mask of %s", info->name);
  for (size_t j = 0; j < n; j++) {
    for (size_t i = 0; i < k; i++) weights[j * k + i] = mask[i * n + j];
  }
  bn = whole_filters ? ap_following_batchnorm(net, info->node) : SIZE_MAX;
  if (bn != SIZE_MAX) {
    float *channels = ap_calloc(n, sizeof *channels);
    set->masks[bn] = channels;
    if (!channels) return ap_fail(err, AP_ERR_MEMORY, "mask of %s", info->name);
    for (size_t j = 0; j < n; j++) {
      for (size_t i = 0; i < k; i++) channels[j] = mask[i * n + j] != 0 ? 1.0f : channels[j];
    }
  }
  return AP_OK;
}

static ap_status make_masks(const ap_network *net, const ap_level_db *db, const uint32_t *levels,
                            mask_set *set, ap_error *err) {
  size_t n_layers = ap_network_layers(net, NULL, 0);
  bool whole = ap_level_db_pruner(db).granularity.kind == AP_GRANULARITY_FILTER;
  ap_layer_info *info = NULL;
  ap_status st = AP_OK;
  if (n_layers != ap_level_db_layers(db)) {
    return ap_fail(err, AP_ERR_ARG, "the network has %zu layers with weights, the levels %zu",
                   n_layers, ap_level_db_layers(db));
  }
  set->n_nodes = net->n_nodes;
  set->masks = ap_calloc(net->n_nodes, sizeof *set->masks);
  info = ap_calloc(n_layers, sizeof *info);
  if (!set->masks || !info) st = ap_fail(err, AP_ERR_MEMORY, "masks of %zu layers", n_layers);
  if (!st) (void)ap_network_layers(net, info, n_layers);
  for (size_t i = 0; i < n_layers && !st; i++) {
    float *mask = ap_calloc(info[i].k * info[i].n, sizeof *mask);
    if (!mask) {
      st = ap_fail(err, AP_ERR_MEMORY, "mask of %s", info[i].name);
      break;
    }
    st = ap_level_db_mask(db, i, levels[i], mask, err);
    if (!st) st = mask_layer(net, &info[i], mask, whole, set, err);
    ap_free(mask);
  }
  ap_free(info);
  return st;
}

static void multiply(float *values, const float *mask, size_t n) {
  for (size_t i = 0; values && i < n; i++) values[i] *= mask[i];
}

/* Applies masks to the weights at hand, so that 0 epochs prune too. */
static void apply_masks(ap_network *net, const mask_set *set) {
  for (size_t i = 0; i < net->n_nodes; i++) {
    const float *mask = set->masks[i];
    size_t n = ap_node_weight_count(net, i), filters = net->nodes[i].shape.c;
    if (!mask) continue;
    multiply(net->nodes[i].weight, mask, n);
    if (net->nodes[i].kind == AP_NODE_BATCHNORM) {
      multiply(net->nodes[i].bias, mask, n);
    } else {
      for (size_t j = 0; net->nodes[i].bias && j < filters; j++) {
        bool any = false;
        for (size_t t = j * (n / filters); t < (j + 1) * (n / filters); t++) {
          any = any || mask[t] != 0.0f;
        }
        if (!any) net->nodes[i].bias[j] = 0.0f;
      }
    }
  }
}

static ap_status quantise_network(ap_network *net, const ap_level_db *db, const uint32_t *levels,
                                  unsigned bits, ap_error *err) {
  size_t n = ap_network_layers(net, NULL, 0);
  ap_layer_info *info = ap_calloc(n, sizeof *info);
  ap_status st = AP_OK;
  if (!info) return ap_fail(err, AP_ERR_MEMORY, "layers");
  (void)ap_network_layers(net, info, n);
  for (size_t i = 0; i < n && !st; i++) {
    float *matrix = ap_calloc(info[i].k * info[i].n, sizeof *matrix);
    if (!matrix) {
      st = ap_fail(err, AP_ERR_MEMORY, "weights of %s", info[i].name);
      break;
    }
    ap_layer_get_matrix(net, info[i].node, matrix);
    st = ap_level_db_round(db, i, levels[i], matrix, err);
    if (!st) {
      st = ap_quantise_in_place(matrix, info[i].k, info[i].n,
                                info[i].weight_bits ? info[i].weight_bits : bits, err);
    }
    if (!st) ap_layer_set_matrix(net, info[i].node, matrix);
    ap_free(matrix);
  }
  ap_free(info);
  return st;
}

ap_status ap_follow_channels(ap_granularity granularity, ap_network *folded, ap_error *err) {
  size_t removed;
  switch (granularity.kind) {
    case AP_GRANULARITY_FILTER:
      return ap_remove_dead_inputs(folded, &removed, err);
    case AP_GRANULARITY_CHANNEL:
      return ap_remove_unread_outputs(folded, &removed, err);
    default:
      return AP_OK;
  }
}

static ap_status finish(ap_network *folded, const ap_level_db *db, const uint32_t *levels,
                        unsigned weight_bits, ap_error *err) {
  ap_status st = ap_follow_channels(ap_level_db_pruner(db).granularity, folded, err);
  if (!st && weight_bits) st = quantise_network(folded, db, levels, weight_bits, err);
  return st;
}

ap_status ap_recover(ap_backend *be, const ap_network *trained, const ap_dataset *data,
                     const ap_level_db *db, const uint32_t *levels, const ap_network *start,
                     unsigned weight_bits, const ap_train_options *recipe, const char *checkpoint,
                     ap_train_observer *observer, void *context, ap_network **out, ap_error *err) {
  mask_set set = {0, NULL};
  ap_network *net = NULL, *folded = NULL;
  ap_status st = ap_network_copy(trained, &net, err);
  *out = NULL;
  if (!st) st = make_masks(net, db, levels, &set, err);
  if (!st) {
    st = start ? ap_unfold_network(be, net, start, data, err)
               : ap_unfold_levels(net, db, levels, err);
  }
  if (st) goto done;
  apply_masks(net, &set);
  if (recipe->epochs > 0) {
    st = ap_train(be, net, data, recipe, (const float *const *)set.masks, checkpoint, observer,
                  context, err);
  } else if (ap_network_has_statistics(net)) {
    size_t images = ap_dataset_describe(data, AP_SPLIT_TRAIN).n_images;
    st = ap_recalibrate(be, net, data,
                        images < RECALIBRATION_IMAGES ? images : RECALIBRATION_IMAGES, err);
  }
  if (!st) st = ap_network_fold(net, &folded, err);
  if (!st) st = finish(folded, db, levels, weight_bits, err);
  if (st) goto done;
  *out = folded;
  folded = NULL;
done:
  release_masks(&set);
  ap_network_destroy(folded);
  ap_network_destroy(net);
  return st;
}

ap_status ap_deploy_levels(const ap_network *folded, const ap_level_db *db, const uint32_t *levels,
                           ap_network **out, ap_error *err) {
  size_t n = ap_level_db_layers(db);
  ap_network *net = NULL;
  ap_status st = ap_network_copy(folded, &net, err);
  *out = NULL;
  for (size_t i = 0; i < n && !st; i++) {
    const ap_layer_info *info = ap_level_db_layer(db, i);
    ap_node *node = &net->nodes[info->node];
    float *matrix = ap_calloc(info->k * info->n, sizeof *matrix);
    if (!node->bias) node->bias = ap_calloc(info->n, sizeof *node->bias);
    if (!matrix || !node->bias) {
      st = ap_fail(err, AP_ERR_MEMORY, "weights of %s", info->name);
    } else {
      st = ap_level_db_matrix(db, i, levels[i], matrix, node->bias, err);
    }
    if (!st) ap_layer_set_matrix(net, info->node, matrix);
    ap_free(matrix);
  }
  if (!st) st = ap_follow_channels(ap_level_db_pruner(db).granularity, net, err);
  if (!st) {
    *out = net;
    net = NULL;
  }
  ap_network_destroy(net);
  return st;
}

ap_status ap_deploy_network(const ap_network *pruned, const ap_level_db *db, const uint32_t *levels,
                            unsigned weight_bits, ap_network **out, ap_error *err) {
  ap_status st = ap_network_copy(pruned, out, err);
  if (!st) st = finish(*out, db, levels, weight_bits, err);
  if (st) {
    ap_network_destroy(*out);
    *out = NULL;
  }
  return st;
}
