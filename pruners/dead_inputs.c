/* Which channels are 0 for every image, followed through the network. */
#include <string.h>

#include "base/alloc.h"
#include "pruners/recover.h"

/* dead[c] of a node's output, from those of its inputs. */
static void conv_outputs(const ap_node *node, size_t per_filter, uint8_t *dead) {
  for (size_t j = 0; j < node->shape.c; j++) {
    dead[j] = !node->bias || node->bias[j] == 0.0f;
    for (size_t i = 0; i < per_filter && dead[j]; i++) {
      dead[j] = node->weight[j * per_filter + i] == 0.0f;
    }
  }
}

static void shortcut_outputs(const ap_node *node, size_t c_in, const uint8_t *in, uint8_t *dead) {
  memset(dead, 1, node->shape.c);
  memcpy(dead + node->channels_before, in, c_in);
}

/* Of a run of `each` channels that are normalised together all are 0, or none is. */
static void norm_outputs(const uint8_t *in, size_t channels, size_t each, uint8_t *dead) {
  for (size_t first = 0; first < channels; first += each) {
    uint8_t all = 1;
    for (size_t c = first; c < first + each; c++) all &= in[c];
    memset(dead + first, all, each);
  }
}

static void node_outputs(const ap_network *net, size_t index, uint8_t **dead) {
  const ap_node *node = &net->nodes[index];
  const uint8_t *in = node->n_inputs ? dead[node->inputs[0]] : NULL;
  ap_shape3 from = node->n_inputs ? net->nodes[node->inputs[0]].shape : node->shape;
  uint8_t *out = dead[index];
  size_t at = 0;
  switch (node->kind) {
    case AP_NODE_CONV:
    case AP_NODE_LINEAR:
      conv_outputs(node, ap_node_weight_count(net, index) / node->shape.c, out);
      break;
    case AP_NODE_BATCHNORM: /* 0 only when it is switched off itself */
      for (size_t c = 0; c < node->shape.c; c++) {
        out[c] = node->weight[c] == 0.0f && node->bias[c] == 0.0f;
      }
      break;
    case AP_NODE_RELU:
    case AP_NODE_MAXPOOL:
    case AP_NODE_AVGPOOL:
      memcpy(out, in, node->shape.c);
      break;
    case AP_NODE_ADD:
      for (size_t c = 0; c < node->shape.c; c++) out[c] = in[c] && dead[node->inputs[1]][c];
      break;
    case AP_NODE_MULTIPLY:
      for (size_t c = 0; c < node->shape.c; c++) out[c] = in[c] || dead[node->inputs[1]][c];
      break;
    case AP_NODE_GROUPNORM:
    case AP_NODE_LAYERNORM:
      norm_outputs(in, node->shape.c, node->shape.c / node->groups, out);
      break;
    case AP_NODE_CURVE: /* never 0 */
      memset(out, 0, node->shape.c);
      break;
    case AP_NODE_GATHER:
      for (size_t c = 0; c < node->shape.c; c++) out[c] = in[node->picks[c]];
      break;
    case AP_NODE_SHORTCUT:
      shortcut_outputs(node, from.c, in, out);
      break;
    case AP_NODE_CONCAT:
      for (size_t i = 0; i < node->n_inputs; i++) {
        size_t c = net->nodes[node->inputs[i]].shape.c;
        memcpy(out + at, dead[node->inputs[i]], c);
        at += c;
      }
      break;
    case AP_NODE_FLATTEN:
      for (size_t c = 0; c < node->shape.c; c++) out[c] = in[c / (from.h * from.w)];
      break;
    case AP_NODE_INPUT:
    case AP_NODE_KINDS:
      break;
  }
}

/* Zeroes the weights of one layer that only meet dead channels; returns how many were not 0. */
static size_t cut_inputs(ap_network *net, size_t index, const uint8_t *dead) {
  ap_node *node = &net->nodes[index];
  size_t per_filter = ap_node_weight_count(net, index) / node->shape.c, cut = 0;
  size_t groups = node->kind == AP_NODE_CONV ? node->groups : 1;
  size_t taps = node->kind == AP_NODE_CONV ? node->kh * node->kw : 1, c_in = per_filter / taps;
  for (size_t j = 0; j < node->shape.c; j++) {
    size_t first = j / (node->shape.c / groups) * c_in;
    for (size_t c = 0; c < c_in; c++) {
      float *w = node->weight + j * per_filter + c * taps;
      for (size_t t = 0; t < taps && dead[first + c]; t++) {
        cut += w[t] != 0.0f;
        w[t] = 0.0f;
      }
    }
  }
  return cut;
}

ap_status ap_remove_dead_inputs(ap_network *net, size_t *n_removed, ap_error *err) {
  uint8_t **dead = ap_calloc(net->n_nodes, sizeof *dead);
  ap_status st = dead ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "channels of %zu nodes", net->n_nodes);
  *n_removed = 0;
  for (size_t i = 0; i < net->n_nodes && !st; i++) {
    ap_node *node = &net->nodes[i];
    dead[i] = ap_calloc(node->shape.c, 1);
    if (!dead[i]) {
      st = ap_fail(err, AP_ERR_MEMORY, "channels of %s", node->name);
      break;
    }
    if (node->kind == AP_NODE_CONV || node->kind == AP_NODE_LINEAR) {
      *n_removed += cut_inputs(net, i, dead[node->inputs[0]]);
    }
    node_outputs(net, i, dead);
  }
  for (size_t i = 0; dead && i < net->n_nodes; i++) ap_free(dead[i]);
  ap_free(dead);
  return st;
}
