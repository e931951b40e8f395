/* tests/nn/evaluator_testing.h - networks for the evaluator's tests, their levels, and the network that
 * a candidate stands for. */
#ifndef AP_TESTS_NN_EVALUATOR_TESTING_H
#define AP_TESTS_NN_EVALUATOR_TESTING_H
#include "nn/evaluator.h"
#include "tests/nn/odd_network.h"

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
