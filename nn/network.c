/* nn/network.c - building, copying and releasing networks. */
#include "nn/network.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "nn/network_impl.h"

const char *ap_node_type(const ap_node *node) {
  static const char *const names[AP_NODE_KINDS] = {
      [AP_NODE_INPUT] = "input",        [AP_NODE_CONV] = "conv",
      [AP_NODE_LINEAR] = "linear",      [AP_NODE_BATCHNORM] = "batchnorm",
      [AP_NODE_RELU] = "relu",          [AP_NODE_ADD] = "add",
      [AP_NODE_MAXPOOL] = "maxpool",    [AP_NODE_AVGPOOL] = "avgpool",
      [AP_NODE_SHORTCUT] = "shortcut",  [AP_NODE_CONCAT] = "concat",
      [AP_NODE_FLATTEN] = "flatten",    [AP_NODE_GATHER] = "gather",
      [AP_NODE_MULTIPLY] = "multiply",  [AP_NODE_GROUPNORM] = "groupnorm",
      [AP_NODE_LAYERNORM] = "layernorm"};
  if (node->kind == AP_NODE_CURVE) return ap_curve_name(node->curve);
  return (unsigned)node->kind < AP_NODE_KINDS ? names[node->kind] : "?";
}

static void node_release(ap_node *node) {
  ap_free(node->name);
  ap_free(node->inputs);
  ap_free(node->picks);
  ap_free(node->weight);
  ap_free(node->bias);
  ap_free(node->mean);
  ap_free(node->var);
  memset(node, 0, sizeof *node);
}

/* A copy of n floats, or n times `fill` where from is NULL. */
static float *copy_or_fill(const float *from, size_t n, float fill) {
  float *to = ap_calloc(n, sizeof *to);
  if (!to) return NULL;
  if (from) {
    memcpy(to, from, n * sizeof *to);
  } else {
    for (size_t i = 0; i < n; i++) to[i] = fill;
  }
  return to;
}

/* Fills the owned pointers of *to, a plain copy of `from` whose counts are already right. */
static ap_status node_own(ap_node *to, const ap_node *from, size_t n_weights, ap_error *err) {
  size_t c = to->shape.c;
  bool norm = to->kind == AP_NODE_BATCHNORM;
  to->inputs = to->picks = NULL;
  to->weight = to->bias = to->mean = to->var = NULL;
  to->name = ap_strdup(from->name);
  if (!to->name) goto memory;
  if (to->n_inputs) {
    to->inputs = ap_calloc(to->n_inputs, sizeof *to->inputs);
    if (!to->inputs) goto memory;
    memcpy(to->inputs, from->inputs, to->n_inputs * sizeof *to->inputs);
  }
  if (to->kind == AP_NODE_GATHER) {
    to->picks = ap_calloc(c, sizeof *to->picks);
    if (!to->picks) goto memory;
    memcpy(to->picks, from->picks, c * sizeof *to->picks);
  }
  if (n_weights) {
    to->weight = copy_or_fill(from->weight, n_weights, norm ? 1.0f : 0.0f);
    if (!to->weight) goto memory;
    if (norm || from->bias) {
      to->bias = copy_or_fill(from->bias, c, 0.0f);
      if (!to->bias) goto memory;
    }
  }
  if (norm) {
    to->mean = copy_or_fill(from->mean, c, 0.0f);
    to->var = copy_or_fill(from->var, c, 1.0f);
    if (!to->mean || !to->var) goto memory;
  }
  return AP_OK;
memory:
  node_release(to);
  return ap_fail(err, AP_ERR_MEMORY, "node %s: out of memory", from->name ? from->name : "?");
}

static ap_status add_node(ap_network *net, const ap_node *checked, size_t n_weights,
                          ap_error *err) {
  ap_node node = *checked;
  ap_node *grown = ap_realloc(net->nodes, net->n_nodes + 1, sizeof *grown);
  if (!grown) return ap_fail(err, AP_ERR_MEMORY, "node table of %zu", net->n_nodes + 1);
  net->nodes = grown;
  ap_status st = node_own(&node, checked, n_weights, err);
  if (st) return st;
  net->nodes[net->n_nodes++] = node;
  net->classes = node.shape.c;
  return AP_OK;
}

ap_status ap_network_create(const char *name, ap_shape3 input, ap_network **out, ap_error *err) {
  ap_status st = AP_OK;
  ap_network *net = NULL;
  char title[] = "input";
  ap_node node = {.kind = AP_NODE_INPUT, .name = title, .shape = input};
  *out = NULL;
  if (!name || !*name) return ap_fail(err, AP_ERR_ARG, "a network needs a name");
  if (input.c < 1 || input.c > 4)
    return ap_fail(err, AP_ERR_ARG, "%s: input has %zu channels, 1..4 are supported", name,
                   input.c);
  if (!ap_shape_fits(input))
    return ap_fail(err, AP_ERR_ARG, "%s: input of %zu x %zu x %zu is empty or too large", name,
                   input.c, input.h, input.w);
  net = ap_calloc(1, sizeof *net);
  if (!net) return ap_fail(err, AP_ERR_MEMORY, "network record");
  for (int i = 0; i < 4; i++) net->std[i] = 1.0f;
  net->name = ap_strdup(name);
  if (!net->name) {
    st = ap_fail(err, AP_ERR_MEMORY, "network record");
    goto done;
  }
  st = add_node(net, &node, 0, err);
  if (st) goto done;
  *out = net;
  net = NULL;
done:
  ap_network_destroy(net);
  return st;
}

void ap_network_destroy(ap_network *net) {
  if (!net) return;
  for (size_t i = 0; i < net->n_nodes; i++) node_release(&net->nodes[i]);
  ap_free(net->nodes);
  ap_free(net->name);
  ap_free(net);
}

ap_status ap_network_copy(const ap_network *net, ap_network **out, ap_error *err) {
  ap_status st = AP_OK;
  ap_network *copy = NULL;
  *out = NULL;
  copy = ap_calloc(1, sizeof *copy);
  if (!copy) return ap_fail(err, AP_ERR_MEMORY, "network record");
  *copy = *net;
  copy->n_nodes = 0;
  copy->nodes = ap_calloc(net->n_nodes, sizeof *copy->nodes);
  copy->name = ap_strdup(net->name);
  if (!copy->nodes || !copy->name) {
    st = ap_fail(err, AP_ERR_MEMORY, "network record");
    goto done;
  }
  for (size_t i = 0; i < net->n_nodes; i++) {
    ap_node node = net->nodes[i];
    st = node_own(&node, &net->nodes[i], ap_node_weight_count(net, i), err);
    if (st) goto done;
    copy->nodes[copy->n_nodes++] = node;
  }
  *out = copy;
  copy = NULL;
done:
  ap_network_destroy(copy);
  return st;
}

ap_status ap_network_append(ap_network *net, const ap_node *like, size_t *index, ap_error *err) {
  ap_node node = *like;
  ap_status st = ap_node_check(net, &node, err);
  if (st) return st;
  st = add_node(net, &node, ap_node_weights(&node, &net->nodes[node.inputs[0]]), err);
  if (st) return st;
  if (index) *index = net->n_nodes - 1;
  return AP_OK;
}
