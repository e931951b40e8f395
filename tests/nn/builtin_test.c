/* Built-in networks: published parameter and operation counts, structure, initial weights.
 *
 * Parameters (weights, biases, gamma, beta) and multiply-accumulates of one image:
 *   lenet5    431,080 on 1x28x28 (Caffe's example); MACs 24^2*500 + 8^2*25,000 + 400,000 + 5,000
 *   resnet20  269,722 and 40.55 M; resnet32 464,154 and 68.86 M; resnet56 853,018 and 125.49 M:
 *             the counts of the option A networks of He et al. 2016, table 6 (0.27, 0.46, 0.85 M)
 *   resnet18  11,173,962 and 555.4 M; vgg16 14,728,266 less 4,224 convolution biases and 313.2 M
 *   resnet8   by hand: 432 + 4,608 + 13,824 + 55,296 + 650 weights and 480 of normalisation */
#include <math.h>

#include "base/alloc.h"
#include "nn/network.h"
#include "tests/base/testing.h"

static ap_network *build(const char *name, size_t c, size_t side, uint64_t seed) {
  ap_network *net = NULL;
  ap_error err;
  if (ap_network_builtin(name, (ap_shape3){c, side, side}, 10, seed, &net, &err))
    fail_msg("%s", err.text);
  return net;
}

static void test_counts(void **state) {
  static const struct {
    const char *name;
    size_t c, side, parameters, macs, layers;
  } cases[] = {
      {"lenet5", 1, 28, 431080, 2293000, 4},
      {"resnet8", 3, 32, 75290, 12239488, 8},
      {"resnet20", 3, 32, 269722, 40551040, 20},
      {"resnet32", 3, 32, 464154, 68862592, 32},
      {"resnet56", 3, 32, 853018, 125485696, 56},
      {"resnet18", 3, 32, 11173962, 555422720, 21},
      {"vgg16", 3, 32, 14724042, 313201664, 14},
      /* a quarter between hidden layers, half at the two ends */
      {"resnet8:0.5", 3, 32, 216 + 1152 + 3456 + 13824 + 330 + 240, 3170624, 8},
      {"lenet5:2", 1, 28, 1040 + 100100 + 1601000 + 10010, 24 * 24 * 1000 + 64 * 100000 + 1610000,
       4},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    ap_network *net = build(cases[i].name, cases[i].c, cases[i].side, 1);
    print_message("%s\n", cases[i].name);
    assert_string_equal(net->name, cases[i].name);
    assert_int_equal(ap_network_parameters(net), cases[i].parameters);
    assert_int_equal(ap_network_macs(net), cases[i].macs);
    assert_int_equal(ap_network_layers(net, NULL, 0), cases[i].layers);
    assert_int_equal(net->classes, 10);
    ap_shape3 last = net->nodes[net->n_nodes - 1].shape;
    assert_true(last.c == 10 && last.h == 1 && last.w == 1);
    ap_network_destroy(net);
  }
}

/* All but lenet5 and vgg16 take any image; vgg16 needs 32 for its five halvings, lenet5 16. */
static void test_input_sizes(void **state) {
  static const struct {
    const char *name;
    size_t smallest;
  } cases[] = {{"lenet5", 16}, {"resnet8", 1}, {"resnet18:0.25", 1}, {"vgg16:0.125", 32}};
  ap_network *net = NULL;
  ap_error err;
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    size_t side = cases[i].smallest;
    ap_network_destroy(build(cases[i].name, 1, side, 1));
    ap_network_destroy(build(cases[i].name, 4, 47, 1));
    ap_network_destroy(build(cases[i].name, 1, 64, 1));
    if (side == 1) continue;
    assert_int_equal(
        ap_network_builtin(cases[i].name, (ap_shape3){1, side - 1, side}, 10, 1, &net, &err),
        AP_ERR_ARG);
    assert_non_null(strstr(err.text, "does not fit"));
    assert_non_null(strstr(err.text, "on images of 1 x "));
    assert_null(net);
  }
}

static void test_refusals(void **state) {
  static const char *const names[] = {
      "",           "resnet",    "resnet21",  "lenet5:", "lenet5:x",   "lenet5:0", "lenet5:9",
      "lenet5:nan", "lenet5:1x", "lenet5:-1", "LENET5",  "lenet5:1:1", "vgg16 ",   "vgg16:1e999"};
  ap_network *net = NULL;
  ap_error err;
  (void)state;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    assert_int_equal(ap_network_builtin(names[i], (ap_shape3){3, 32, 32}, 10, 1, &net, &err),
                     AP_ERR_ARG);
    assert_null(net);
  }
  assert_int_equal(ap_network_builtin("alexnet", (ap_shape3){3, 32, 32}, 10, 1, &net, &err),
                   AP_ERR_ARG);
  assert_non_null(strstr(err.text, "alexnet"));
  assert_non_null(strstr(err.text, "resnet56"));
  assert_int_equal(ap_network_builtin("lenet5", (ap_shape3){3, 32, 32}, 0, 1, &net, &err),
                   AP_ERR_ARG);
  assert_int_equal(ap_network_builtin(NULL, (ap_shape3){3, 32, 32}, 1, 1, &net, &err), AP_ERR_ARG);
}

static void test_structure(void **state) {
  ap_network *net = build("resnet8", 3, 32, 1);
  size_t shortcuts = 0, adds = 0;
  (void)state;
  for (size_t i = 0; i < net->n_nodes; i++) {
    const ap_node *node = &net->nodes[i];
    adds += node->kind == AP_NODE_ADD;
    if (node->kind != AP_NODE_SHORTCUT) continue;
    size_t out = shortcuts++ ? 64 : 32;
    assert_true(node->shape.c == out && node->channels_before == out / 4);
    assert_true(node->channels_after == out / 4 && node->stride_h == 2 &&
                node->shape.h == 512 / out);
  }
  assert_int_equal(shortcuts, 2);
  assert_int_equal(adds, 3);
  ap_network_destroy(net);
}

/* Variance of a layer's weights is 2 / fan-in (1 / fan-in for the last): with n weights the
 * estimate lies within 5 * sqrt(2 / n) of it, relatively, and the mean within 5 sigma / sqrt(n). */
static void test_initial_weights(void **state) {
  ap_network *net = build("resnet20", 3, 32, 7);
  ap_layer_info layers[20];
  size_t n = ap_network_layers(net, layers, 20);
  (void)state;
  assert_int_equal(n, 20);
  for (size_t i = 0; i < n; i++) {
    const float *weight = net->nodes[layers[i].node].weight;
    double count = (double)(layers[i].k * layers[i].n), sum = 0.0, squares = 0.0;
    double expected = (i + 1 == n ? 1.0 : 2.0) / (double)layers[i].k;
    for (size_t j = 0; j < layers[i].k * layers[i].n; j++) {
      sum += (double)weight[j];
      squares += (double)weight[j] * (double)weight[j];
    }
    assert_true(fabs(squares / count / expected - 1.0) < 5.0 * sqrt(2.0 / count));
    assert_true(fabs(sum / count) < 5.0 * sqrt(expected / count));
  }
  ap_network *same = build("resnet20", 3, 32, 7), *other = build("resnet20", 3, 32, 8);
  char a[65], b[65], c[65];
  assert_int_equal(ap_network_hash(net, a, NULL), AP_OK);
  assert_int_equal(ap_network_hash(same, b, NULL), AP_OK);
  assert_int_equal(ap_network_hash(other, c, NULL), AP_OK);
  assert_string_equal(a, b);
  assert_string_not_equal(a, c);
  ap_network_destroy(net);
  ap_network_destroy(same);
  ap_network_destroy(other);
}

static void test_memory(void **state) {
  static const char *const names[] = {"lenet5:0.05", "resnet8:0.25"};
  ap_network *net = NULL;
  ap_error err;
  (void)state;
  for (int i = 0; i < 2; i++) {
    size_t n = 0;
    for (;; n++) {
      ap_alloc_fail_after(n);
      ap_status st = ap_network_builtin(names[i], (ap_shape3){1, 16, 16}, 10, 1, &net, &err);
      ap_alloc_fail_after(SIZE_MAX);
      if (!st) break;
      assert_int_equal(st, AP_ERR_MEMORY);
      assert_null(net);
    }
    assert_true(n > 30);
    ap_network_destroy(net);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_counts),          cmocka_unit_test(test_input_sizes),
      cmocka_unit_test(test_refusals),        cmocka_unit_test(test_structure),
      cmocka_unit_test(test_initial_weights), cmocka_unit_test(test_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
