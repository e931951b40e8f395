/* nn/network_layers.c - the layers that are stored in crossbars, counts, and a network's identity.
 */
#include <string.h>

#include "base/hash.h"
#include "nn/network.h"
#include "nn/network_impl.h"

size_t ap_node_weight_count(const ap_network *net, size_t node) {
  const ap_node *n = &net->nodes[node];
  return n->n_inputs ? ap_node_weights(n, &net->nodes[n->inputs[0]]) : 0;
}

size_t ap_node_bias_count(const ap_network *net, size_t node) {
  return net->nodes[node].bias ? net->nodes[node].shape.c : 0;
}

static bool is_layer(const ap_node *node) {
  return node->kind == AP_NODE_CONV || node->kind == AP_NODE_LINEAR;
}

static ap_layer_info layer_of(const ap_network *net, size_t index) {
  const ap_node *node = &net->nodes[index];
  ap_layer_info layer = {.node = index,
                         .name = node->name,
                         .is_conv = node->kind == AP_NODE_CONV,
                         .n = node->shape.c,
                         .positions = node->shape.h * node->shape.w,
                         .c_in = net->nodes[node->inputs[0]].shape.c,
                         .c_out = node->shape.c,
                         .kh = node->kh,
                         .kw = node->kw,
                         .stride = node->stride_h,
                         .groups = node->groups,
                         .weight_bits = node->weight_bits};
  layer.k = layer.c_in / layer.groups * layer.kh * layer.kw;
  layer.macs = layer.k * layer.n * layer.positions;
  return layer;
}

size_t ap_network_layers(const ap_network *net, ap_layer_info *layers, size_t room) {
  size_t count = 0;
  for (size_t i = 0; i < net->n_nodes; i++) {
    if (!is_layer(&net->nodes[i])) continue;
    if (count < room) layers[count] = layer_of(net, i);
    count++;
  }
  return count;
}

void ap_layer_get_matrix(const ap_network *net, size_t node, float *matrix) {
  ap_layer_info layer = layer_of(net, node);
  const float *weight = net->nodes[node].weight;
  for (size_t n = 0; n < layer.n; n++) {
    for (size_t k = 0; k < layer.k; k++) matrix[k * layer.n + n] = weight[n * layer.k + k];
  }
}

void ap_layer_set_matrix(ap_network *net, size_t node, const float *matrix) {
  ap_layer_info layer = layer_of(net, node);
  float *weight = net->nodes[node].weight;
  for (size_t n = 0; n < layer.n; n++) {
    for (size_t k = 0; k < layer.k; k++) weight[n * layer.k + k] = matrix[k * layer.n + n];
  }
}

size_t ap_network_parameters(const ap_network *net) {
  size_t sum = 0;
  for (size_t i = 0; i < net->n_nodes; i++)
    sum += ap_node_weight_count(net, i) + ap_node_bias_count(net, i);
  return sum;
}

size_t ap_network_macs(const ap_network *net) {
  size_t sum = 0;
  for (size_t i = 0; i < net->n_nodes; i++) {
    if (is_layer(&net->nodes[i])) sum += layer_of(net, i).macs;
  }
  return sum;
}

/* ---- identity: every field in a fixed order and width, then the values ---- */

static void hash_number(ap_hash *hash, uint64_t value) {
  unsigned char bytes[8];
  for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)(value >> (8 * i));
  ap_hash_add(hash, bytes, sizeof bytes);
}

static void hash_text(ap_hash *hash, const char *text) {
  hash_number(hash, strlen(text));
  ap_hash_add(hash, text, strlen(text));
}

static void hash_floats(ap_hash *hash, const float *values, size_t n) {
  hash_number(hash, values ? n : 0);
  if (values) ap_hash_add(hash, values, n * sizeof *values);
}

static void hash_node(ap_hash *hash, const ap_network *net, size_t index) {
  const ap_node *node = &net->nodes[index];
  const float none = 0; /* what a node of another kind was before folding is not its identity */
  const size_t sizes[] = {node->shape.c,
                          node->shape.h,
                          node->shape.w,
                          node->kh,
                          node->kw,
                          node->stride_h,
                          node->stride_w,
                          node->pad_top,
                          node->pad_left,
                          node->pad_bottom,
                          node->pad_right,
                          node->groups,
                          node->channels_before,
                          node->channels_after};
  hash_text(hash, ap_node_type(node));
  hash_text(hash, node->name);
  hash_number(hash, node->n_inputs);
  for (size_t i = 0; i < node->n_inputs; i++) hash_number(hash, node->inputs[i]);
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) hash_number(hash, sizes[i]);
  hash_number(hash, node->count_padding);
  hash_floats(hash, node->kind == AP_NODE_RELU ? &node->ceiling : &none, 1);
  const bool has_epsilon = node->kind == AP_NODE_BATCHNORM || ap_node_is_norm(node);
  hash_floats(hash, has_epsilon ? &node->epsilon : &none, 1);
  hash_floats(hash, node->weight, ap_node_weight_count(net, index));
  hash_floats(hash, node->bias, node->shape.c);
  hash_floats(hash, node->mean, node->shape.c);
  hash_floats(hash, node->var, node->shape.c);
  if (node->weight_bits) hash_number(hash, node->weight_bits);
  if (node->dilation_h > 1 || node->dilation_w > 1) {
    hash_number(hash, node->dilation_h);
    hash_number(hash, node->dilation_w);
  }
  for (size_t i = 0; node->picks && i < node->shape.c; i++) hash_number(hash, node->picks[i]);
}

ap_status ap_network_hash(const ap_network *net, char text[65], ap_error *err) {
  ap_hash *hash = NULL;
  ap_status st = ap_hash_create(&hash, err);
  if (st) return st;
  hash_text(hash, net->name);
  hash_floats(hash, net->mean, 4);
  hash_floats(hash, net->std, 4);
  hash_number(hash, net->n_nodes);
  for (size_t i = 0; i < net->n_nodes; i++) hash_node(hash, net, i);
  ap_hash_text(hash, text);
  ap_hash_destroy(hash);
  return AP_OK;
}
