/* Folding: a 1x1 case by hand, and which nodes may be folded. The whole network's outputs are
 * compared in the tests of inference. */
#include <math.h>

#include "base/alloc.h"
#include "nn/network.h"
#include "tests/base/testing.h"

static void add(ap_network *net, ap_node node, const char *name, size_t a, size_t b) {
  ap_error err;
  char text[32];
  size_t inputs[2] = {a, b};
  (void)snprintf(text, sizeof text, "%s", name);
  node.name = text;
  node.inputs = inputs;
  node.n_inputs = node.kind == AP_NODE_ADD ? 2 : 1;
  if (ap_network_append(net, &node, NULL, &err)) fail_msg("%s", err.text);
}

static ap_network *make(size_t c) {
  ap_network *net = NULL;
  assert_int_equal(ap_network_create("net", (ap_shape3){c, 1, 1}, &net, NULL), AP_OK);
  net->mean[0] = 0.25f;
  net->std[0] = 0.5f;
  return net;
}

/* s = gamma / sqrt(var + eps): 3 / sqrt(3 + 1) = 1.5 and -2 / sqrt(15 + 1) = -0.5.
 * weights [[2, 4], [6, 8]] -> [[3, 6], [-3, -4]];
 * bias s * (b - mean) + beta = 1.5 * (1 - 5) + 10 = 4 and -0.5 * (2 - 6) + 20 = 22. */
static void test_by_hand(void **state) {
  float weight[4] = {2, 4, 6, 8}, bias[2] = {1, 2}, gamma[2] = {3, -2}, beta[2] = {10, 20},
        mean[2] = {5, 6}, var[2] = {3, 15};
  ap_network *net = make(2), *folded = NULL;
  (void)state;
  add(net,
      (ap_node){
          .kind = AP_NODE_CONV, .shape.c = 2, .kh = 1, .kw = 1, .weight = weight, .bias = bias},
      "conv", 0, 0);
  ap_node norm = {.kind = AP_NODE_BATCHNORM,
                  .epsilon = 1.0f,
                  .weight = gamma,
                  .bias = beta,
                  .mean = mean,
                  .var = var};
  add(net, norm, "bn", 1, 0);
  add(net, (ap_node){.kind = AP_NODE_RELU}, "relu", 2, 0);
  assert_int_equal(ap_network_fold(net, &folded, NULL), AP_OK);
  assert_int_equal(folded->n_nodes, 3);
  assert_string_equal(folded->name, "net");
  assert_true(folded->mean[0] == 0.25f && folded->std[0] == 0.5f);
  assert_string_equal(folded->nodes[1].name, "conv");
  assert_int_equal(folded->nodes[2].kind, AP_NODE_RELU);
  assert_int_equal(folded->nodes[2].inputs[0], 1);
  const float w[4] = {3, 6, -3, -4}, b[2] = {4, 22};
  for (int i = 0; i < 4; i++) assert_true(folded->nodes[1].weight[i] == w[i]);
  for (int i = 0; i < 2; i++) assert_true(folded->nodes[1].bias[i] == b[i]);
  assert_true(net->nodes[1].weight[0] == 2.0f && net->n_nodes == 4); /* the original is unchanged */
  ap_network_destroy(folded);
  ap_network_destroy(net);
}

/* Without a bias, on a linear layer that is the last but one, and twice in a row. */
static void test_chain(void **state) {
  float weight[1] = {3}, gamma[1] = {2}, beta[1] = {1}, var[1] = {3};
  ap_network *net = make(1), *folded = NULL;
  (void)state;
  add(net, (ap_node){.kind = AP_NODE_LINEAR, .shape.c = 1, .weight = weight}, "fc", 0, 0);
  ap_node norm = {
      .kind = AP_NODE_BATCHNORM, .epsilon = 1.0f, .weight = gamma, .bias = beta, .var = var};
  add(net, norm, "bn1", 1, 0);
  add(net, norm, "bn2", 2, 0);
  assert_int_equal(ap_network_fold(net, &folded, NULL), AP_OK);
  assert_int_equal(folded->n_nodes, 2);
  assert_true(folded->nodes[1].weight[0] == 3.0f); /* s = 2 / sqrt(4) = 1 */
  assert_true(folded->nodes[1].bias[0] == 2.0f);
  assert_int_equal(folded->classes, 1);
  ap_network_destroy(folded);
  ap_network_destroy(net);
}

/* What stays: a normalisation behind a layer with another user, and one behind another node. */
static void test_kept(void **state) {
  ap_network *net = make(1), *folded = NULL;
  (void)state;
  add(net, (ap_node){.kind = AP_NODE_BATCHNORM}, "bn0", 0, 0);
  add(net, (ap_node){.kind = AP_NODE_CONV, .shape.c = 1, .kh = 1, .kw = 1}, "conv", 1, 0);
  add(net, (ap_node){.kind = AP_NODE_BATCHNORM}, "bn1", 2, 0);
  add(net, (ap_node){.kind = AP_NODE_ADD}, "add", 3, 2);
  add(net, (ap_node){.kind = AP_NODE_BATCHNORM}, "bn2", 4, 0);
  char before[65], after[65];
  assert_int_equal(ap_network_fold(net, &folded, NULL), AP_OK);
  assert_int_equal(ap_network_hash(net, before, NULL), AP_OK);
  assert_int_equal(ap_network_hash(folded, after, NULL), AP_OK);
  assert_string_equal(before, after);
  ap_network_destroy(folded);
  ap_network_destroy(net);
}

static void test_overflow(void **state) {
  float weight[1] = {1e30f}, gamma[1] = {1e30f};
  ap_network *net = make(1), *folded = NULL;
  ap_error err;
  (void)state;
  add(net, (ap_node){.kind = AP_NODE_LINEAR, .shape.c = 1, .weight = weight}, "fc", 0, 0);
  add(net, (ap_node){.kind = AP_NODE_BATCHNORM, .weight = gamma}, "bn", 1, 0);
  assert_int_equal(ap_network_fold(net, &folded, &err), AP_ERR_ARG);
  assert_non_null(strstr(err.text, "fc: channel 0 of bn"));
  assert_null(folded);
  ap_network_destroy(net);
}

static void test_builtin(void **state) {
  ap_network *net = NULL, *folded = NULL;
  ap_error err;
  (void)state;
  assert_int_equal(ap_network_builtin("resnet8", (ap_shape3){1, 8, 8}, 10, 3, &net, &err), AP_OK);
  for (size_t n = 0;; n++) {
    ap_alloc_fail_after(n);
    ap_status st = ap_network_fold(net, &folded, &err);
    ap_alloc_fail_after(SIZE_MAX);
    if (!st) break;
    assert_int_equal(st, AP_ERR_MEMORY);
    assert_null(folded);
  }
  assert_int_equal(ap_network_layers(folded, NULL, 0), 8);
  assert_int_equal(ap_network_macs(folded), ap_network_macs(net));
  for (size_t i = 0; i < folded->n_nodes; i++)
    assert_int_not_equal(folded->nodes[i].kind, AP_NODE_BATCHNORM);
  ap_network_destroy(folded);
  ap_network_destroy(net);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_by_hand),  cmocka_unit_test(test_chain),   cmocka_unit_test(test_kept),
      cmocka_unit_test(test_overflow), cmocka_unit_test(test_builtin),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
