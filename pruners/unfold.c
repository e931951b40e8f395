/* Folded weights back into a network with batch normalisation. */
#include <math.h>

#include "base/alloc.h"
#include "base/threads.h"
#include "pruners/moments.h"
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
 * they are. */
static void unfold_layer(ap_network *net, const ap_layer_info *info, const float *matrix,
                         const float *bias) {
  size_t node = info->node, k = info->k, n = info->n, bn = ap_following_batchnorm(net, node);
  ap_node *layer = &net->nodes[node], *norm = bn == SIZE_MAX ? NULL : &net->nodes[bn];
  float *own_bias = layer->bias, *weight = layer->weight;
  for (size_t j = 0; j < n; j++) {
    double gain =
        norm ? (double)norm->weight[j] / sqrt((double)norm->var[j] + (double)norm->epsilon) : 1.0;
    if (fabs(gain) < LEAST_GAIN) continue;
    for (size_t i = 0; i < k; i++) {
      weight[j * k + i] = (float)((double)matrix[i * n + j] / gain);
    }
    if (norm) {
      double own = own_bias ? (double)own_bias[j] : 0.0;
      norm->mean[j] = (float)(own - ((double)bias[j] - (double)norm->bias[j]) / gain);
    } else if (own_bias) {
      own_bias[j] = bias[j];
    }
  }
}

/* A layer without normalisation and without a bias gets one, if there is something to put into it. */
static ap_status make_room(ap_network *net, const ap_layer_info *info, const float *bias,
                           ap_error *err) {
  ap_node *layer = &net->nodes[info->node];
  bool needed = false;
  if (layer->bias || ap_following_batchnorm(net, info->node) != SIZE_MAX) return AP_OK;
  for (size_t j = 0; j < info->n; j++) needed = needed || bias[j] < 0 || bias[j] > 0;
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

/* The weights of one column that are not 0, the bias as that of the constant input behind all. */
typedef struct {
  size_t n;
  size_t *input; /* [k + 1] */
  double *value; /* [k + 1] */
} column_terms;

static void take_terms(const float *matrix, size_t k, size_t n, size_t column, double bias,
                       column_terms *terms) {
  terms->n = 0;
  for (size_t i = 0; i <= k; i++) {
    const double w = i < k ? (double)matrix[i * n + column] : bias;
    if (!(w < 0) && !(w > 0)) continue;
    terms->input[terms->n] = i;
    terms->value[terms->n++] = w;
  }
}

/* Mean and variance of a column's output, from the moments of its group's inputs and the constant. */
static void output_moments(const double *h, size_t k, const column_terms *terms, double *mean,
                           double *variance) {
  size_t d = k + 1;
  double square = 0;
  *mean = 0;
  for (size_t i = 0; i < terms->n; i++) {
    const double *row = h + terms->input[i] * d;
    double sum = 0;
    for (size_t j = 0; j < terms->n; j++) sum += row[terms->input[j]] * terms->value[j];
    square += terms->value[i] * sum;
    *mean += terms->value[i] * row[k];
  }
  *variance = square > *mean * *mean ? square - *mean * *mean : 0;
}

/* With z the layer's folded output and gain as it was: the running statistics become those that the
 * unfolded output (z - bias) / gain + own has now, beta the mean of z, gamma what keeps the gain. */
static ap_status take_statistics(ap_network *net, const ap_layer_info *info,
                                 const ap_moments *moments, size_t layer, const float *matrix,
                                 const float *bias, ap_error *err) {
  const ap_node *node = &net->nodes[info->node];
  size_t bn = ap_following_batchnorm(net, info->node), width = info->n / info->groups;
  ap_node *norm = bn == SIZE_MAX ? NULL : &net->nodes[bn];
  column_terms terms = {0, ap_calloc(info->k + 1, sizeof *terms.input),
                        ap_calloc(info->k + 1, sizeof *terms.value)};
  ap_status st =
      terms.input && terms.value ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "columns of %s", info->name);
  for (size_t j = 0; norm && j < info->n && !st; j++) {
    double epsilon = (double)norm->epsilon, own = node->bias ? (double)node->bias[j] : 0.0;
    double gain = (double)norm->weight[j] / sqrt((double)norm->var[j] + epsilon);
    double mean, variance;
    if (fabs(gain) < LEAST_GAIN) continue;
    take_terms(matrix, info->k, info->n, j, (double)bias[j], &terms);
    output_moments(ap_moments_matrix(moments, layer, j / width), info->k, &terms, &mean, &variance);
    norm->mean[j] = (float)((mean - (double)bias[j]) / gain + own);
    norm->var[j] = (float)(variance / gain / gain);
    norm->bias[j] = (float)mean;
    norm->weight[j] = (float)(gain * sqrt((double)norm->var[j] + epsilon));
  }
  ap_free(terms.input);
  ap_free(terms.value);
  return st;
}

ap_status ap_unfold_network(ap_backend *be, ap_network *net, const ap_network *folded,
                            const ap_dataset *data, ap_error *err) {
  const ap_moments_options options = ap_moments_defaults();
  ap_layer_info *own = NULL, *other = NULL;
  ap_moments *moments = NULL;
  ap_pool *pool = NULL;
  size_t n = 0;
  ap_status st = layers_of(net, folded, &n, &own, &other, err);
  if (!st) st = ap_pool_create(1, &pool, err);
  if (!st) st = ap_moments_create(be, pool, folded, data, &options, &moments, err);
  for (size_t i = 0; i < n && !st; i++) {
    const float *given = folded->nodes[other[i].node].bias;
    float *matrix = ap_calloc(own[i].k * own[i].n, sizeof *matrix);
    float *bias = ap_calloc(own[i].n, sizeof *bias);
    if (!matrix || !bias) {
      st = ap_fail(err, AP_ERR_MEMORY, "weights of %s", own[i].name);
    } else {
      ap_layer_get_matrix(folded, other[i].node, matrix);
      for (size_t j = 0; given && j < own[i].n; j++) bias[j] = given[j];
      st = make_room(net, &own[i], bias, err);
    }
    if (!st) {
      unfold_layer(net, &own[i], matrix, bias);
      st = take_statistics(net, &own[i], moments, i, matrix, bias, err);
    }
    ap_free(matrix);
    ap_free(bias);
  }
  ap_moments_destroy(moments);
  ap_pool_destroy(pool);
  ap_free(own);
  ap_free(other);
  return st;
}
