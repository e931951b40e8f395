/* Folded weights back into a network with batch normalisation. */
#include <math.h>

#include "base/alloc.h"
#include "nn/executor_walk.h"
#include "pruners/recover.h"
#include "pruners/unfold_impl.h"

#define LEAST_GAIN 1e-6 /* a channel below is switched off by its normalisation */

size_t ap_following_batchnorm(const ap_network *net, size_t node) {
  size_t found = SIZE_MAX, users = 0;
  for (size_t i = 0; i < net->n_nodes; i++) {
    for (size_t j = 0; j < net->nodes[i].n_inputs; j++) {
      if (net->nodes[i].inputs[j] != node) continue;
      users++;
      if (net->nodes[i].kind == AP_NODE_BATCHNORM) found = i;
    }
  }
  return users == 1 ? found : SIZE_MAX;
}

/* Puts a folded layer's weights and bias into the unfolded one: a folded weight is the unfolded one
 * times gain = gamma / sqrt(var + epsilon), a folded bias is (bias - mean) * gain + beta. What repair
 * added to the bias is the mean of what pruning took away, so it belongs to the running mean: beta is
 * what the channel's average should be, and stays it when statistics are measured anew (by
 * recalibration, or by the batches of fine-tuning). Channels that normalisation switches off stay as
 * they are. Behind a normalisation that is a scale and a shift alone the bias is the layer's own. */
static void unfold_layer(ap_network *net, const ap_layer_info *info, const float *matrix,
                         const float *bias) {
  size_t node = info->node, k = info->k, n = info->n, bn = ap_following_batchnorm(net, node);
  ap_node *layer = &net->nodes[node], *norm = bn == SIZE_MAX ? NULL : &net->nodes[bn];
  float *own_bias = layer->bias, *weight = layer->weight;
  const bool affine = norm && ap_node_is_affine(norm);
  for (size_t j = 0; j < n; j++) {
    double gain =
        norm ? (double)norm->weight[j] / sqrt((double)norm->var[j] + (double)norm->epsilon) : 1.0;
    if (fabs(gain) < LEAST_GAIN) continue;
    for (size_t i = 0; i < k; i++) {
      weight[j * k + i] = (float)((double)matrix[i * n + j] / gain);
    }
    if (affine && own_bias) {
      own_bias[j] = (float)(((double)bias[j] - (double)norm->bias[j]) / gain);
    } else if (norm && !affine) {
      double own = own_bias ? (double)own_bias[j] : 0.0;
      norm->mean[j] = (float)(own - ((double)bias[j] - (double)norm->bias[j]) / gain);
    } else if (own_bias) {
      own_bias[j] = bias[j];
    }
  }
}

/* A layer without a bias, and without statistics behind it, gets one if there is something to put into it. */
static ap_status make_room(ap_network *net, const ap_layer_info *info, const float *bias,
                           ap_error *err) {
  ap_node *layer = &net->nodes[info->node];
  const size_t bn = ap_following_batchnorm(net, info->node);
  const ap_node *norm = bn == SIZE_MAX ? NULL : &net->nodes[bn];
  bool needed = false;
  if (layer->bias || (norm && !ap_node_is_affine(norm))) return AP_OK;
  for (size_t j = 0; j < info->n; j++)
    needed = needed || fabsf(bias[j] - (norm ? norm->bias[j] : 0)) > 0;
  if (!needed) return AP_OK;
  layer->bias = ap_calloc(info->n, sizeof *layer->bias);
  return layer->bias ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "bias of %s", info->name);
}

/* Layers of both networks, alike but for their nodes' numbers; ap_free both. */
static ap_status layers_of(const ap_network *net, const ap_network *folded, size_t *n,
                           ap_layer_info **own, ap_layer_info **other, ap_error *err) {
  *n = ap_network_layers(net, NULL, 0);
  *own = ap_calloc(*n, sizeof **own);
  *other = ap_calloc(*n, sizeof **other);
  if (!*own || !*other) return ap_fail(err, AP_ERR_MEMORY, "%zu layers", *n);
  if (ap_network_layers(folded, *other, *n) != *n) {
    return ap_fail(err, AP_ERR_ARG, "networks of %zu and %zu layers with weights", *n,
                   ap_network_layers(folded, NULL, 0));
  }
  (void)ap_network_layers(net, *own, *n);
  for (size_t i = 0; i < *n; i++) {
    if ((*own)[i].k == (*other)[i].k && (*own)[i].n == (*other)[i].n) continue;
    return ap_fail(err, AP_ERR_ARG, "%s is %zu x %zu in one network, %zu x %zu in the other",
                   (*own)[i].name, (*own)[i].k, (*own)[i].n, (*other)[i].k, (*other)[i].n);
  }
  return AP_OK;
}

ap_status ap_unfold_levels(ap_network *net, const ap_level_db *db, const uint32_t *levels,
                           ap_error *err) {
  size_t n = ap_level_db_layers(db);
  ap_layer_info *info = ap_calloc(n, sizeof *info);
  ap_status st = info ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "layers");
  if (!st) (void)ap_network_layers(net, info, n);
  for (size_t i = 0; i < n && !st; i++) {
    float *matrix = ap_calloc(info[i].k * info[i].n, sizeof *matrix);
    float *bias = ap_calloc(info[i].n, sizeof *bias);
    if (!matrix || !bias) {
      st = ap_fail(err, AP_ERR_MEMORY, "weights of %s", info[i].name);
    } else {
      st = ap_level_db_matrix(db, i, levels[i], matrix, bias, err);
    }
    if (!st) st = make_room(net, &info[i], bias, err);
    if (!st) unfold_layer(net, &info[i], matrix, bias);
    ap_free(matrix);
    ap_free(bias);
  }
  ap_free(info);
  return st;
}

/* Mean and variance of channel j of [images, c, h, w]. */
static void channel_statistics(const float *output, size_t images, ap_shape3 shape, size_t j,
                               double *mean, double *variance) {
  const size_t plane = shape.h * shape.w, image = shape.c * plane;
  const double count = (double)images * (double)plane;
  double sum = 0, squares = 0;
  for (size_t i = 0; i < images; i++) {
    for (size_t p = 0; p < plane; p++) sum += (double)output[i * image + j * plane + p];
  }
  *mean = sum / count;
  for (size_t i = 0; i < images; i++) {
    for (size_t p = 0; p < plane; p++) {
      const double apart = (double)output[i * image + j * plane + p] - *mean;
      squares += apart * apart;
    }
  }
  *variance = squares / count;
}

/* With z the layer's folded output and gain as it was: the running statistics become those that the
 * unfolded output (z - bias) / gain + own has now, beta the mean of z, gamma what keeps the gain. */
static ap_status take_statistics(ap_network *net, const ap_layer_info *info, ap_walk *walk,
                                 size_t node, ap_shape3 shape, const float *bias, ap_error *err) {
  const float *own = net->nodes[info->node].bias;
  const size_t bn = ap_following_batchnorm(net, info->node), size = shape.c * shape.h * shape.w;
  ap_node *norm = bn == SIZE_MAX ? NULL : &net->nodes[bn];
  const size_t images = ap_walk_images_for(walk, size);
  float *output;
  ap_status st;
  if (!norm || ap_node_is_affine(norm)) return AP_OK;
  output = ap_calloc(images * size, sizeof *output);
  if (!output) return ap_fail(err, AP_ERR_MEMORY, "outputs of %s", info->name);
  st = ap_walk_output(walk, node, images, output, err);
  for (size_t j = 0; j < info->n && !st; j++) {
    const double epsilon = (double)norm->epsilon;
    const double gain = (double)norm->weight[j] / sqrt((double)norm->var[j] + epsilon);
    double mean, variance;
    if (fabs(gain) < LEAST_GAIN) continue;
    channel_statistics(output, images, shape, j, &mean, &variance);
    norm->mean[j] = (float)((mean - (double)bias[j]) / gain + (own ? (double)own[j] : 0.0));
    norm->var[j] = (float)(variance / gain / gain);
    norm->bias[j] = (float)mean;
    norm->weight[j] = (float)(gain * sqrt((double)norm->var[j] + epsilon));
  }
  ap_free(output);
  return st;
}

ap_status ap_unfold_network(ap_backend *be, ap_network *net, const ap_network *folded,
                            const ap_dataset *data, ap_error *err) {
  ap_layer_info *own = NULL, *other = NULL;
  ap_walk *walk = NULL;
  size_t n = 0;
  ap_status st = layers_of(net, folded, &n, &own, &other, err);
  if (!st) st = ap_walk_create(be, folded, data, AP_SPLIT_CALIBRATION, 0, 0, &walk, err);
  for (size_t i = 0; i < n && !st; i++) {
    const ap_node *node = &folded->nodes[other[i].node];
    float *matrix = ap_calloc(own[i].k * own[i].n, sizeof *matrix);
    float *bias = ap_calloc(own[i].n, sizeof *bias);
    if (!matrix || !bias) {
      st = ap_fail(err, AP_ERR_MEMORY, "weights of %s", own[i].name);
    } else {
      ap_layer_get_matrix(folded, other[i].node, matrix);
      for (size_t j = 0; node->bias && j < own[i].n; j++) bias[j] = node->bias[j];
      st = make_room(net, &own[i], bias, err);
    }
    if (!st) {
      unfold_layer(net, &own[i], matrix, bias);
      st = take_statistics(net, &own[i], walk, other[i].node, node->shape, bias, err);
    }
    ap_free(matrix);
    ap_free(bias);
  }
  ap_walk_destroy(walk);
  ap_free(own);
  ap_free(other);
  return st;
}
