/* tests/nn/model_testing.h - a network with one node of every kind, and model files made by hand. */
#ifndef AP_TESTS_NN_MODEL_TESTING_H
#define AP_TESTS_NN_MODEL_TESTING_H
#include <nettle/sha2.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "nn/model_file.h"
#include "nn/network.h"
#include "tests/base/testing.h"

static inline void add_node(ap_network *net, ap_node node, const char *name, size_t a, size_t b) {
  ap_error err;
  char text[32];
  size_t inputs[2] = {a, b};
  (void)snprintf(text, sizeof text, "%s", name);
  node.name = text;
  node.inputs = inputs;
  bool two =
      node.kind == AP_NODE_ADD || node.kind == AP_NODE_CONCAT || node.kind == AP_NODE_MULTIPLY;
  node.n_inputs = two ? 2 : 1;
  if (ap_network_append(net, &node, NULL, &err)) fail_msg("%s", err.text);
}

/* Every kind, every member different from its default; all weights are random. */
static inline ap_network *every_kind(void) {
  ap_network *net = NULL;
  float bias[2] = {0};
  size_t picks[] = {9, 0, 3, 3, 5, 1};
  ap_rng rng;
  assert_int_equal(ap_network_create("every", (ap_shape3){2, 6, 5}, &net, NULL), AP_OK);
  ap_node conv = {.kind = AP_NODE_CONV,
                  .shape.c = 2,
                  .kh = 3,
                  .kw = 2,
                  .stride_h = 2,
                  .stride_w = 1,
                  .pad_top = 1,
                  .pad_left = 2,
                  .pad_bottom = 5,
                  .pad_right = 6,
                  .groups = 2,
                  .dilation_h = 2,
                  .dilation_w = 3,
                  .weight_bits = 5,
                  .bias = bias};
  add_node(net, conv, "conv", 0, 0); /* 2 x 4 x 10 */
  add_node(net, (ap_node){.kind = AP_NODE_BATCHNORM, .epsilon = 0.1f}, "bn", 1, 0);
  add_node(net, (ap_node){.kind = AP_NODE_RELU, .ceiling = 6.1f}, "relu6", 2, 0);
  add_node(net, (ap_node){.kind = AP_NODE_ADD}, "add", 3, 1);
  add_node(net,
           (ap_node){.kind = AP_NODE_MAXPOOL,
                     .kh = 2,
                     .kw = 3,
                     .stride_h = 1,
                     .stride_w = 2,
                     .pad_bottom = 1,
                     .pad_right = 2},
           "max", 4, 0);
  add_node(
      net,
      (ap_node){.kind = AP_NODE_AVGPOOL, .kh = 2, .kw = 2, .pad_top = 1, .count_padding = true},
      "average", 5, 0);
  add_node(net,
           (ap_node){.kind = AP_NODE_AVGPOOL,
                     .kh = 1,
                     .kw = 1,
                     .pad_top = 1,
                     .pad_bottom = 1,
                     .pad_right = 1,
                     .count_padding = true},
           "zeros", 6, 0);
  add_node(net,
           (ap_node){.kind = AP_NODE_SHORTCUT,
                     .stride_h = 2,
                     .stride_w = 3,
                     .channels_before = 1,
                     .channels_after = 2},
           "shortcut", 7, 0);
  add_node(net, (ap_node){.kind = AP_NODE_CONCAT}, "concat", 8, 8);
  add_node(net, (ap_node){.kind = AP_NODE_RELU}, "relu", 9, 0);
  add_node(net, (ap_node){.kind = AP_NODE_GATHER, .shape.c = 6, .picks = picks}, "gather", 10, 0);
  add_node(net, (ap_node){.kind = AP_NODE_CURVE}, "sigmoid", 11, 0);
  add_node(net, (ap_node){.kind = AP_NODE_MULTIPLY}, "swish", 11, 12);
  const ap_shape3 all = net->nodes[13].shape;
  add_node(net, (ap_node){.kind = AP_NODE_AVGPOOL, .kh = all.h, .kw = all.w}, "squeeze", 13, 0);
  add_node(net, (ap_node){.kind = AP_NODE_MULTIPLY}, "excite", 13, 14); /* a factor a channel */
  add_node(net, (ap_node){.kind = AP_NODE_FLATTEN}, "flatten", 15, 0);
  add_node(net, (ap_node){.kind = AP_NODE_LINEAR, .shape.c = 3}, "fc", 16, 0);
  ap_rng_seed(&rng, 5, 0);
  for (size_t i = 0; i < net->n_nodes; i++) {
    ap_node *node = &net->nodes[i];
    for (size_t j = 0; j < ap_node_weight_count(net, i); j++)
      node->weight[j] = (float)ap_rng_normal(&rng);
    for (size_t j = 0; j < ap_node_bias_count(net, i); j++)
      node->bias[j] = (float)ap_rng_normal(&rng);
    for (size_t j = 0; node->mean && j < node->shape.c; j++) {
      node->mean[j] = (float)ap_rng_normal(&rng);
      node->var[j] = (float)ap_rng_uniform(&rng);
    }
  }
  for (int c = 0; c < 4; c++) {
    net->mean[c] = (float)ap_rng_normal(&rng);
    net->std[c] = (float)ap_rng_uniform(&rng) + 0.1f;
  }
  return net;
}

/* A new file each time: truncating one makes ext4 wait for the disk. */
static inline void write_new(const char *name, const void *bytes, size_t size) {
  (void)unlink(scratch_path(name));
  scratch_write(name, bytes, size);
}

/* Writes magic, header, body and a checksum that is right: only the content can be refused. */
static inline void write_model(const char *name, const char *header, size_t n_header,
                               const void *body, size_t n_body) {
  size_t size = 16 + n_header + n_body;
  unsigned char *bytes = malloc(size + 32);
  struct sha256_ctx hash;
  assert_non_null(bytes);
  memcpy(bytes, "APMODEL1", 8);
  for (int i = 0; i < 8; i++) bytes[8 + i] = (unsigned char)((uint64_t)n_header >> (8 * i));
  memcpy(bytes + 16, header, n_header);
  if (n_body) memcpy(bytes + 16 + n_header, body, n_body);
  sha256_init(&hash);
  sha256_update(&hash, size, bytes);
  sha256_digest(&hash, 32, bytes + size);
  write_new(name, bytes, size + 32);
  free(bytes);
}

static inline char *read_bytes(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  char *bytes = malloc(1 << 20);
  assert_true(file && bytes);
  *size = fread(bytes, 1, 1 << 20, file);
  assert_int_equal(fclose(file), 0);
  return bytes;
}
#endif
