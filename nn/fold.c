/* nn/fold.c - batch normalisation folded into the layer before it.
 *
 * With s = gamma / sqrt(var + epsilon):  s * (W x + b - mean) + beta = (s W) x + (s (b - mean) +
 * beta).
 */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "nn/network.h"

static ap_status fold_into(ap_network *net, size_t layer, const ap_node *norm, ap_error *err) {
  ap_node *node = &net->nodes[layer];
  size_t k = ap_node_weight_count(net, layer) / node->shape.c;
  if (!node->bias) {
    node->bias = ap_calloc(node->shape.c, sizeof *node->bias);
    if (!node->bias) return ap_fail(err, AP_ERR_MEMORY, "%s: bias", node->name);
  }
  for (size_t n = 0; n < node->shape.c; n++) {
    double s = (double)norm->weight[n] / sqrt((double)norm->var[n] + (double)norm->epsilon);
    double bias = s * ((double)node->bias[n] - (double)norm->mean[n]) + (double)norm->bias[n];
    bool finite = isfinite((float)bias);
    node->bias[n] = (float)bias;
    for (size_t i = n * k; i < (n + 1) * k; i++) {
      node->weight[i] = (float)(s * (double)node->weight[i]);
      finite = finite && isfinite(node->weight[i]);
    }
    if (!finite)
      return ap_fail(err, AP_ERR_ARG, "%s: channel %zu of %s does not fold into finite weights",
                     node->name, n, norm->name);
  }
  return AP_OK;
}

/* new_of[i]: the number that node i has in the folded network. */
static ap_status fold_nodes(const ap_network *net, ap_network *folded, const size_t *users,
                            size_t *new_of, ap_error *err) {
  for (size_t i = 1; i < net->n_nodes; i++) {
    const ap_node *node = &net->nodes[i];
    size_t before = node->inputs[0];
    ap_node_kind kind = folded->nodes[new_of[before]].kind;
    ap_status st;
    if (node->kind == AP_NODE_BATCHNORM && users[before] == 1 &&
        (kind == AP_NODE_CONV || kind == AP_NODE_LINEAR)) {
      st = fold_into(folded, new_of[before], node, err);
      new_of[i] = new_of[before];
    } else {
      ap_node like = *node;
      like.inputs = ap_calloc(node->n_inputs, sizeof *like.inputs);
      if (!like.inputs) return ap_fail(err, AP_ERR_MEMORY, "%s: inputs", node->name);
      for (size_t j = 0; j < node->n_inputs; j++) like.inputs[j] = new_of[node->inputs[j]];
      st = ap_network_append(folded, &like, &new_of[i], err);
      ap_free(like.inputs);
    }
    if (st) return st;
  }
  return AP_OK;
}

ap_status ap_network_fold(const ap_network *net, ap_network **out, ap_error *err) {
  ap_status st = AP_OK;
  ap_network *folded = NULL;
  size_t *users = NULL, *new_of = NULL;
  *out = NULL;
  users = ap_calloc(net->n_nodes, sizeof *users);
  new_of = ap_calloc(net->n_nodes, sizeof *new_of);
  if (!users || !new_of) {
    st = ap_fail(err, AP_ERR_MEMORY, "%s: node table", net->name);
    goto done;
  }
  for (size_t i = 0; i < net->n_nodes; i++) {
    for (size_t j = 0; j < net->nodes[i].n_inputs; j++) users[net->nodes[i].inputs[j]]++;
  }
  st = ap_network_create(net->name, net->nodes[0].shape, &folded, err);
  if (st) goto done;
  memcpy(folded->mean, net->mean, sizeof folded->mean);
  memcpy(folded->std, net->std, sizeof folded->std);
  st = fold_nodes(net, folded, users, new_of, err);
  if (st) goto done;
  *out = folded;
  folded = NULL;
done:
  ap_network_destroy(folded);
  ap_free(users);
  ap_free(new_of);
  return st;
}
