/* tests/nn/evaluator_testing.h - networks for the evaluator's tests, their levels, and the network that
 * a candidate stands for. */
#ifndef AP_TESTS_NN_EVALUATOR_TESTING_H
#define AP_TESTS_NN_EVALUATOR_TESTING_H
#include "nn/evaluator.h"
#include "tests/nn/train_testing.h"

/* Of the evaluators here; NULL: the processor's, in its only precision. */
static const char *backend, *precision;

/* ---- networks -------------------------------------------------------------------------------- */
static inline ap_network *builtin(const char *name, ap_shape3 input) {
  ap_network *net = NULL, *folded = NULL;
  must(ap_network_builtin(name, input, 10, 11, &net, &failure));
  randomise(net, 12);
  for (size_t i = 0; i < input.c; ++i) {
    net->mean[i] = 0.4F;
    net->std[i] = 0.3F;
  }
  must(ap_network_fold(net, &folded, &failure));
  ap_network_destroy(net);
  return folded;
}

/* Every kind of node, in the places that fusion must tell apart: a batch normalisation that stays,
 * one inside an addition, a tensor that is read twice, additions of two layers, of a tensor with
 * itself and of two shortcuts, groups, uneven padding and strides, a clipped ReLU behind a pool,
 * concatenation, a flattened tensor that is read by a ReLU, another that is not. */
static inline ap_network *odd_network(void) {
  ap_network *net = NULL;
  must(ap_network_create("odd", (ap_shape3){1, SIDE, SIDE}, &net, &failure));
  const ap_node relu3 = {.kind = AP_NODE_RELU, .ceiling = 3};
  const ap_node add = {.kind = AP_NODE_ADD}, concat = {.kind = AP_NODE_CONCAT};
  const size_t stem = put_plain(net, AP_NODE_RELU, put_conv(net, 5, 3, 1, 1, true, 0));
  const size_t norm = put_plain(net, AP_NODE_RELU, put_plain(net, AP_NODE_BATCHNORM, stem));
  const size_t deep = put_conv(net, 10, 3, 1, 5, true, norm); /* 2 filters per channel */
  const size_t wide = put_conv(net, 10, 1, 1, 1, false, stem);
  const size_t both = put(net, relu3, put(net, add, deep, wide), 0);
  const size_t twice = put(net, add, both, both);
  const size_t pooled = put(net, relu3,
                            put(net,
                                (ap_node){.kind = AP_NODE_AVGPOOL,
                                          .kh = 3,
                                          .kw = 2,
                                          .stride_h = 2,
                                          .stride_w = 2,
                                          .pad_top = 1,
                                          .pad_bottom = 1},
                                twice, 0),
                            0);
  const ap_node down = {.kind = AP_NODE_SHORTCUT,
                        .stride_h = 2,
                        .stride_w = 2,
                        .channels_before = 2,
                        .channels_after = 3};
  const size_t a = put(net, down, norm, 0), b = put(net, down, stem, 0);
  const size_t sum = put_plain(net, AP_NODE_RELU, put(net, add, a, b));
  const size_t joined = put(net, concat, pooled, sum);
  const size_t uneven = put(net,
                            (ap_node){.kind = AP_NODE_CONV,
                                      .shape.c = 9,
                                      .kh = 2,
                                      .kw = 3,
                                      .stride_h = 1,
                                      .stride_w = 2,
                                      .pad_left = 2,
                                      .pad_bottom = 1,
                                      .groups = 1},
                            joined, 0);
  const size_t shape_norm = put(net, add, put_plain(net, AP_NODE_BATCHNORM, uneven),
                                put_plain(net, AP_NODE_RELU, uneven));
  const size_t flat = put_plain(net, AP_NODE_FLATTEN, shape_norm);
  const size_t left = put_linear(net, 7, true, put_plain(net, AP_NODE_RELU, flat));
  const size_t right = put_linear(net, 6, false, put_plain(net, AP_NODE_FLATTEN, joined));
  (void)put_linear(net, 10, true, put(net, concat, left, right));
  net->classes = 10;
  net->mean[0] = 0.3F;
  net->std[0] = 0.25F;
  randomise(net, 5);
  return net;
}

/* One more layer's matrix with some units of whole kernels, and some single weights, set to 0. */
static inline void prune(const ap_layer_info *info, float *matrix, ap_rng *rng, double keep) {
  const size_t unit = info->kh * info->kw > 1 ? info->kh * info->kw : 1;
  for (size_t r = 0; r < info->k; r += unit)
    for (size_t c = 0; c < info->n; ++c) {
      const bool drop = ap_rng_uniform(rng) >= keep;
      for (size_t i = r; i < r + unit && i < info->k; ++i)
        if (drop || ap_rng_uniform(rng) < 0.05) matrix[i * info->n + c] = 0;
    }
}

typedef struct {
  ap_network *net; /* owned */
  const ap_dataset *data;
  size_t n_layers;
  ap_layer_info info[32];
} subject;

static inline subject make_subject(ap_network *net, const ap_dataset *data) {
  subject s = {.net = net, .data = data};
  s.n_layers = ap_network_layers(net, s.info, 32);
  assert_in_range(s.n_layers, 1, 32);
  return s;
}

static inline ap_evaluator *evaluator(const subject *s, size_t n_images, size_t threads,
                                      const char *vectors) {
  ap_evaluator *ev = NULL;
  const ap_evaluator_options options = {
      .n_threads = threads, .vectors = vectors, .backend = backend, .precision = precision};
  must(ap_evaluator_create(s->net, s->data, AP_SPLIT_TEST, n_images, &options, &ev, &failure));
  assert_int_equal(ap_evaluator_layers(ev), s->n_layers);
  return ev;
}

/* Adds levels 1..n to all layers: pruned ever more; every second with another bias. */
static inline void add_levels(const subject *s, ap_evaluator *ev, size_t n) {
  const size_t before = ap_evaluator_level_bytes(ev);
  ap_rng rng;
  ap_rng_seed(&rng, 99, 0);
  for (size_t i = 0; i < s->n_layers; ++i) {
    const ap_layer_info *info = &s->info[i];
    float *matrix = ap_calloc(info->k * info->n, sizeof *matrix);
    float *bias = ap_calloc(info->n, sizeof *bias);
    assert_true(matrix && bias);
    for (size_t j = 0; j < info->n; ++j) bias[j] = (float)j * 0.01F;
    for (size_t level = 1; level <= n; ++level) {
      size_t got = 0;
      ap_layer_get_matrix(s->net, info->node, matrix);
      prune(info, matrix, &rng, pow(0.85, (double)level));
      must(ap_evaluator_add_level(ev, i, matrix, level % 2 ? NULL : bias, &got, &failure));
      assert_int_equal(got, level);
    }
    ap_free(matrix);
    ap_free(bias);
  }
  assert_true(ap_evaluator_level_bytes(ev) > before);
}

/* The network that a candidate stands for: the same draws as add_levels. */
static inline ap_network *candidate_network(const subject *s, const uint32_t *levels, size_t n) {
  ap_network *net = NULL;
  ap_rng rng;
  must(ap_network_copy(s->net, &net, &failure));
  ap_rng_seed(&rng, 99, 0);
  for (size_t i = 0; i < s->n_layers; ++i) {
    const ap_layer_info *info = &s->info[i];
    float *matrix = ap_calloc(info->k * info->n, sizeof *matrix);
    assert_non_null(matrix);
    for (size_t level = 1; level <= n; ++level) {
      ap_layer_get_matrix(s->net, info->node, matrix);
      prune(info, matrix, &rng, pow(0.85, (double)level));
      if (levels[i] == level) ap_layer_set_matrix(net, info->node, matrix);
    }
    ap_node *node = &net->nodes[info->node];
    if (levels[i] > 0 && levels[i] % 2 == 0) {
      if (!node->bias) node->bias = ap_calloc(info->n, sizeof *node->bias);
      assert_non_null(node->bias);
      for (size_t j = 0; j < info->n; ++j) node->bias[j] = (float)j * 0.01F;
    }
    ap_free(matrix);
  }
  return net;
}

#endif
