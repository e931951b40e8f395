/* tests/nn/train_testing.h - small networks and data sets for the tests of the executor. */
#ifndef AP_TESTS_NN_TRAIN_TESTING_H
#define AP_TESTS_NN_TRAIN_TESTING_H
#include <math.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "nn/dataset.h"
#include "nn/executor_walk.h"
#include "nn/network.h"
#include "tests/base/testing.h"

#define SIDE 8 /* of the images */

static ap_error failure;

/* The text shows in the log when a call that should succeed does not. */
static inline void must(ap_status st) {
  if (st) print_error("%s: %s\n", ap_status_name(st), failure.text);
  assert_int_equal(st, AP_OK);
}

/* What node's weights are multiplied with, [n, c, h, w], in one run of the network as it is now. */
static inline void node_input(ap_backend *be, const ap_network *net, const ap_dataset *data,
                              ap_split split, size_t n, size_t node, float *out) {
  ap_walk *walk = NULL;
  must(ap_walk_create(be, net, data, split, n, 0, &walk, &failure));
  must(ap_walk_input(walk, node, n, out, &failure));
  ap_walk_destroy(walk);
}

/* Appends `node` behind one or two inputs; returns its number. */
static inline size_t put(ap_network *net, ap_node node, size_t a, size_t b) {
  char name[16];
  size_t inputs[2] = {a, b}, index;
  (void)snprintf(name, sizeof name, "n%zu", net->n_nodes);
  node.name = name;
  node.inputs = inputs;
  const bool pair =
      node.kind == AP_NODE_ADD || node.kind == AP_NODE_CONCAT || node.kind == AP_NODE_MULTIPLY;
  node.n_inputs = pair ? 2 : 1;
  must(ap_network_append(net, &node, &index, &failure));
  return index;
}

/* Biases of layers of so many channels at most. */
enum { MOST_BIASES = 64 };
static float no_bias[MOST_BIASES];

/* A k x k CONV, padded by half of that; bias: zeros. */
static inline ap_node square_conv(size_t c, size_t k, size_t stride, size_t groups, bool bias) {
  assert_true(c <= MOST_BIASES);
  return (ap_node){.kind = AP_NODE_CONV,
                   .shape.c = c,
                   .kh = k,
                   .kw = k,
                   .stride_h = stride,
                   .stride_w = stride,
                   .pad_top = k / 2,
                   .pad_left = k / 2,
                   .pad_bottom = k / 2,
                   .pad_right = k / 2,
                   .groups = groups,
                   .bias = bias ? no_bias : NULL};
}

static inline size_t put_conv(ap_network *net, size_t c, size_t k, size_t stride, size_t groups,
                              bool bias, size_t from) {
  return put(net, square_conv(c, k, stride, groups, bias), from, 0);
}

static inline size_t put_linear(ap_network *net, size_t c, bool bias, size_t from) {
  assert_true(c <= MOST_BIASES);
  return put(net, (ap_node){.kind = AP_NODE_LINEAR, .shape.c = c, .bias = bias ? no_bias : NULL},
             from, 0);
}

static inline size_t put_plain(ap_network *net, ap_node_kind kind, size_t from) {
  return put(net, (ap_node){.kind = kind, .ceiling = INFINITY, .epsilon = 1e-5F}, from, 0);
}

static inline size_t put_curve(ap_network *net, ap_curve curve, size_t from) {
  return put(net, (ap_node){.kind = AP_NODE_CURVE, .curve = curve}, from, 0);
}

/* A scale and a shift, as the ONNX reader makes them. */
static inline size_t put_affine(ap_network *net, size_t from) {
  const size_t at = put(net, (ap_node){.kind = AP_NODE_BATCHNORM, .epsilon = 0x1p-20F}, from, 0);
  for (size_t c = 0; c < net->nodes[at].shape.c; c++) net->nodes[at].var[c] = 1 - 0x1p-20F;
  assert_true(ap_node_is_affine(&net->nodes[at]));
  return at;
}

/* Weights of a size that keeps activations near 1, and statistics as of a trained network. */
static inline void randomise(ap_network *net, uint64_t seed) {
  ap_rng rng;
  ap_rng_seed(&rng, seed, 0);
  for (size_t i = 0; i < net->n_nodes; i++) {
    ap_node *n = &net->nodes[i];
    bool norm = n->kind == AP_NODE_BATCHNORM;
    size_t weights = ap_node_weight_count(net, i), biases = ap_node_bias_count(net, i);
    double scale = norm ? 0.3 : 1.4 / sqrt((double)(weights / n->shape.c + (weights == 0)));
    for (size_t j = 0; j < weights; j++) {
      n->weight[j] = (float)((norm ? 1 : 0) + scale * ap_rng_normal(&rng));
    }
    for (size_t j = 0; j < biases; j++) n->bias[j] = (float)(0.3 * ap_rng_normal(&rng));
    const bool measured = norm && !ap_node_is_affine(n);
    for (size_t j = 0; measured && j < n->shape.c; j++) {
      n->mean[j] = (float)(0.3 * ap_rng_normal(&rng));
      n->var[j] = (float)(0.5 + ap_rng_uniform(&rng));
    }
  }
}

static inline void put_u32(FILE *file, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) (void)fputc((int)(value >> shift & 255), file);
}

/* An IDX pair in the scratch folder. Class k is bright in row k % 8 and, above 7, in column 0;
 * the rest is noise: separable, but not at once. */
static inline void write_images(const char *images, const char *labels, size_t n, uint64_t seed) {
  FILE *pixels = fopen(scratch_path(images), "wb"), *classes = fopen(scratch_path(labels), "wb");
  ap_rng rng;
  assert_non_null(pixels);
  assert_non_null(classes);
  ap_rng_seed(&rng, seed, 0);
  put_u32(pixels, 0x803);
  put_u32(pixels, (uint32_t)n);
  put_u32(pixels, SIDE);
  put_u32(pixels, SIDE);
  put_u32(classes, 0x801);
  put_u32(classes, (uint32_t)n);
  for (size_t i = 0; i < n; i++) {
    size_t k = i % 10;
    (void)fputc((int)k, classes);
    for (size_t p = 0; p < SIDE * SIDE; p++) {
      bool bright = p / SIDE == k % SIDE || (k >= SIDE && p % SIDE == 0);
      (void)fputc((int)ap_rng_below(&rng, 120) + (bright ? 120 : 0), pixels);
    }
  }
  assert_int_equal(fclose(pixels), 0);
  assert_int_equal(fclose(classes), 0);
}

static ap_dataset *images;

/* 240 training images (some of them cut off as other splits) and 40 test images. */
static inline int open_images(void **state) {
  if (scratch_make(state)) return -1;
  write_images("train-images-idx3-ubyte", "train-labels-idx1-ubyte", 240, 1);
  write_images("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", 40, 2);
  return ap_dataset_open(scratch, &images, &failure) ? -1 : 0;
}

static inline int close_images(void **state) {
  ap_dataset_destroy(images);
  return scratch_remove(state);
}

/* convolution, normalisation, ReLU, pooling, linear: 10 classes. */
static inline ap_network *small_network(uint64_t seed) {
  ap_network *net = NULL;
  size_t at;
  must(ap_network_create("small", (ap_shape3){1, SIDE, SIDE}, &net, &failure));
  at = put_conv(net, 6, 3, 1, 1, false, 0);
  at = put_plain(net, AP_NODE_BATCHNORM, at);
  at = put_plain(net, AP_NODE_RELU, at);
  at = put(net, (ap_node){.kind = AP_NODE_MAXPOOL, .kh = 2, .kw = 2, .stride_h = 2, .stride_w = 2},
           at, 0);
  at = put_plain(net, AP_NODE_FLATTEN, at);
  (void)put_linear(net, 10, true, at);
  net->classes = 10;
  net->mean[0] = 0.3F;
  net->std[0] = 0.25F;
  randomise(net, seed);
  return net;
}
#endif
