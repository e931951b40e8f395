/* Which channels nobody reads, followed backwards through the network. */
#include <string.h>

#include "base/alloc.h"
#include "pruners/recover.h"

/* Adds to read[] of a layer's input the channels that meet a weight. */
static void layer_inputs(const ap_network *net, size_t index, uint8_t *read) {
  const ap_node *node = &net->nodes[index];
  size_t per_filter = ap_node_weight_count(net, index) / node->shape.c;
  size_t groups = node->kind == AP_NODE_CONV ? node->groups : 1;
  size_t taps = node->kind == AP_NODE_CONV ? node->kh * node->kw : 1, c_in = per_filter / taps;
  for (size_t j = 0; j < node->shape.c; j++) {
    size_t first = j / (node->shape.c / groups) * c_in;
    for (size_t i = 0; i < per_filter; i++) {
      if (node->weight[j * per_filter + i] != 0.0f) read[first + i / taps] = 1;
    }
  }
}

/* Filters whose output nobody reads; returns how many weights were not 0. */
static size_t cut_filters(ap_network *net, size_t index, const uint8_t *read) {
  ap_node *node = &net->nodes[index];
  size_t per_filter = ap_node_weight_count(net, index) / node->shape.c, cut = 0;
  for (size_t j = 0; j < node->shape.c; j++) {
    if (read[j]) continue;
    for (size_t i = 0; i < per_filter; i++) {
      cut += node->weight[j * per_filter + i] != 0.0f;
      node->weight[j * per_filter + i] = 0.0f;
    }
    if (node->bias) node->bias[j] = 0.0f;
  }
  return cut;
}

static void merge(uint8_t *into, const uint8_t *from, size_t n) {
  for (size_t i = 0; i < n; i++) into[i] |= from[i];
}

/* Of a run of `each` channels that are normalised together every one is read where any is. */
static void norm_inputs(const uint8_t *out, size_t channels, size_t each, uint8_t *read) {
  for (size_t first = 0; first < channels; first += each) {
    uint8_t any = 0;
    for (size_t c = first; c < first + each; c++) any |= out[c];
    for (size_t c = first; c < first + each; c++) read[c] |= any;
  }
}

/* What a node that is read in these channels reads itself. */
static void node_inputs(const ap_network *net, size_t index, uint8_t **read) {
  const ap_node *node = &net->nodes[index];
  const uint8_t *out = read[index];
  ap_shape3 from = node->n_inputs ? net->nodes[node->inputs[0]].shape : node->shape;
  size_t at = 0;
  switch (node->kind) {
    case AP_NODE_CONV:
    case AP_NODE_LINEAR:
      layer_inputs(net, index, read[node->inputs[0]]);
      break;
    case AP_NODE_BATCHNORM:
    case AP_NODE_RELU:
    case AP_NODE_CURVE:
    case AP_NODE_MAXPOOL:
    case AP_NODE_AVGPOOL:
      merge(read[node->inputs[0]], out, node->shape.c);
      break;
    case AP_NODE_GROUPNORM:
    case AP_NODE_LAYERNORM:
      norm_inputs(out, node->shape.c, node->shape.c / node->groups, read[node->inputs[0]]);
      break;
    case AP_NODE_ADD:
    case AP_NODE_MULTIPLY:
      merge(read[node->inputs[0]], out, node->shape.c);
      merge(read[node->inputs[1]], out, node->shape.c);
      break;
    case AP_NODE_GATHER:
      for (size_t c = 0; c < node->shape.c; c++) read[node->inputs[0]][node->picks[c]] |= out[c];
      break;
    case AP_NODE_SHORTCUT:
      merge(read[node->inputs[0]], out + node->channels_before, from.c);
      break;
    case AP_NODE_CONCAT:
      for (size_t i = 0; i < node->n_inputs; i++) {
        size_t c = net->nodes[node->inputs[i]].shape.c;
        merge(read[node->inputs[i]], out + at, c);
        at += c;
      }
      break;
    case AP_NODE_FLATTEN:
      for (size_t c = 0; c < node->shape.c; c++) {
        read[node->inputs[0]][c / (from.h * from.w)] |= out[c];
      }
      break;
    case AP_NODE_INPUT:
    case AP_NODE_KINDS:
      break;
  }
}

ap_status ap_remove_unread_outputs(ap_network *net, size_t *n_removed, ap_error *err) {
  uint8_t **read = ap_calloc(net->n_nodes, sizeof *read);
  ap_status st = read ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "channels of %zu nodes", net->n_nodes);
  *n_removed = 0;
  for (size_t i = 0; i < net->n_nodes && !st; i++) {
    read[i] = ap_calloc(net->nodes[i].shape.c, 1);
    if (!read[i]) st = ap_fail(err, AP_ERR_MEMORY, "channels of %s", net->nodes[i].name);
  }
  if (!st) memset(read[net->n_nodes - 1], 1, net->nodes[net->n_nodes - 1].shape.c);
  for (size_t i = net->n_nodes; i-- > 0 && !st;) { /* a node's readers stand behind it */
    bool layer = net->nodes[i].kind == AP_NODE_CONV || net->nodes[i].kind == AP_NODE_LINEAR;
    if (layer) *n_removed += cut_filters(net, i, read[i]);
    node_inputs(net, i, read);
  }
  for (size_t i = 0; read && i < net->n_nodes; i++) ap_free(read[i]);
  ap_free(read);
  return st;
}
