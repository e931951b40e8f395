/* Networks: shapes worked out by hand, refusals, matrices, copies, identity. */
#include "nn/network.h"

#include <math.h>

#include "base/alloc.h"
#include "tests/base/testing.h"

static ap_network *make(size_t c, size_t h, size_t w) {
  ap_network *net = NULL;
  ap_error err;
  if (ap_network_create("net", (ap_shape3){c, h, w}, &net, &err)) fail_msg("%s", err.text);
  return net;
}

/* Appends with inputs a and b (b only for two), and returns the status. */
static ap_status append(ap_network *net, ap_node node, const char *name, size_t a, size_t b,
                        size_t n_inputs, ap_error *err) {
  char text[32];
  size_t inputs[2] = {a, b}, before = net->n_nodes, index = 99;
  (void)snprintf(text, sizeof text, "%s", name);
  node.name = text;
  node.inputs = inputs;
  node.n_inputs = n_inputs;
  ap_status st = ap_network_append(net, &node, &index, err);
  if (st) {
    assert_int_equal(net->n_nodes, before);
  } else {
    assert_int_equal(index, before);
    assert_string_equal(net->nodes[index].name, name);
  }
  return st;
}

static void good(ap_network *net, ap_node node, const char *name, size_t a, size_t b,
                 size_t n_inputs, size_t c, size_t h, size_t w) {
  ap_error err;
  if (append(net, node, name, a, b, n_inputs, &err)) fail_msg("%s", err.text);
  ap_shape3 shape = net->nodes[net->n_nodes - 1].shape;
  assert_int_equal(shape.c, c);
  assert_int_equal(shape.h, h);
  assert_int_equal(shape.w, w);
  assert_int_equal(net->classes, c);
}

static void bad(ap_network *net, ap_node node, const char *name, size_t a, size_t b,
                size_t n_inputs, const char *text) {
  ap_error err;
  assert_int_equal(append(net, node, name, a, b, n_inputs, &err), AP_ERR_ARG);
  if (!strstr(err.text, text)) fail_msg("\"%s\" lacks \"%s\"", err.text, text);
}

static void test_shapes(void **state) {
  ap_network *net = make(3, 11, 7);
  (void)state;
  /* (11 + 1 + 2 - 3) / 2 + 1 = 6;  (7 + 0 + 1 - 4) / 3 + 1 = 2 */
  ap_node conv = {.kind = AP_NODE_CONV,
                  .shape.c = 5,
                  .kh = 3,
                  .kw = 4,
                  .stride_h = 2,
                  .stride_w = 3,
                  .pad_top = 1,
                  .pad_bottom = 2,
                  .pad_right = 1};
  good(net, conv, "a", 0, 0, 1, 5, 6, 2);
  good(net, (ap_node){.kind = AP_NODE_BATCHNORM}, "b", 1, 0, 1, 5, 6, 2);
  good(net, (ap_node){.kind = AP_NODE_RELU}, "c", 2, 0, 1, 5, 6, 2);
  assert_true(isinf(net->nodes[3].ceiling));
  good(net, (ap_node){.kind = AP_NODE_ADD}, "d", 3, 1, 2, 5, 6, 2);
  good(net, (ap_node){.kind = AP_NODE_MAXPOOL, .kh = 3, .kw = 2, .stride_h = 2}, "e", 4, 0, 1, 5, 2,
       1);
  good(net, (ap_node){.kind = AP_NODE_AVGPOOL, .kh = 2, .kw = 2, .pad_left = 1}, "f", 4, 0, 1, 5, 5,
       2);
  /* rows 0, 2, 4, 6, 8, 10 and columns 0, 2, 4, 6 */
  good(net,
       (ap_node){.kind = AP_NODE_SHORTCUT,
                 .stride_h = 2,
                 .stride_w = 2,
                 .channels_before = 1,
                 .channels_after = 3},
       "g", 0, 0, 1, 7, 6, 4);
  good(net, (ap_node){.kind = AP_NODE_CONCAT}, "h", 4, 1, 2, 10, 6, 2);
  good(net, (ap_node){.kind = AP_NODE_CONCAT}, "i", 8, 0, 1, 10, 6, 2);
  good(net, (ap_node){.kind = AP_NODE_FLATTEN}, "j", 9, 0, 1, 120, 1, 1);
  good(net, (ap_node){.kind = AP_NODE_LINEAR, .shape.c = 4}, "k", 10, 0, 1, 4, 1, 1);
  /* 5*3*12 + 2*5 + 4*120; the convolution is computed at 12 positions */
  assert_int_equal(ap_network_parameters(net), 180 + 10 + 480);
  assert_int_equal(ap_network_macs(net), 180 * 12 + 480);
  assert_int_equal(ap_node_weight_count(net, 0), 0);
  assert_int_equal(ap_node_bias_count(net, 1), 0);
  assert_int_equal(ap_node_bias_count(net, 2), 5);
  assert_int_equal(ap_node_weight_count(net, 4), 0);
  for (size_t i = 0; i < 5; i++) {
    assert_true(net->nodes[2].weight[i] == 1.0f && net->nodes[2].bias[i] == 0.0f);
    assert_true(net->nodes[2].mean[i] == 0.0f && net->nodes[2].var[i] == 1.0f);
  }
  ap_layer_info layers[2];
  assert_int_equal(ap_network_layers(net, NULL, 0), 2);
  assert_int_equal(ap_network_layers(net, layers, 1), 2);
  assert_int_equal(ap_network_layers(net, layers, 2), 2);
  assert_true(layers[0].node == 1 && layers[0].is_conv && layers[0].k == 36 && layers[0].n == 5);
  assert_true(layers[0].positions == 12 && layers[0].c_in == 3 && layers[0].stride == 2);
  assert_true(layers[0].kh == 3 && layers[0].kw == 4 && layers[0].groups == 1);
  assert_true(layers[1].node == 11 && !layers[1].is_conv && layers[1].k == 120);
  assert_true(layers[1].n == 4 && layers[1].positions == 1 && layers[1].macs == 480);
  ap_network_destroy(net);
}

static void test_groups(void **state) {
  ap_network *net = make(4, 3, 3);
  ap_layer_info layer;
  (void)state;
  good(net, (ap_node){.kind = AP_NODE_CONV, .shape.c = 6, .kh = 3, .kw = 3, .groups = 2}, "a", 0, 0,
       1, 6, 1, 1);
  assert_int_equal(ap_network_layers(net, &layer, 1), 1);
  assert_true(layer.k == 18 && layer.n == 6 && layer.macs == 108);
  bad(net, (ap_node){.kind = AP_NODE_CONV, .shape.c = 6, .kh = 1, .kw = 1, .groups = 4}, "b", 0, 0,
      1, "groups");
  bad(net, (ap_node){.kind = AP_NODE_CONV, .shape.c = 6, .kh = 1, .kw = 1, .groups = 3}, "b", 0, 0,
      1, "groups");
  ap_network_destroy(net);
}

static void test_refusals(void **state) {
  ap_network *net = make(2, 5, 5);
  float values[64] = {0};
  (void)state;
  const ap_node conv = {.kind = AP_NODE_CONV, .shape.c = 2, .kh = 3, .kw = 3};
  const ap_node relu = {.kind = AP_NODE_RELU};
  bad(net, relu, "", 0, 0, 1, "no name");
  bad(net, relu, "a b", 0, 0, 1, "0x20");
  bad(net, relu, "a\n", 0, 0, 1, "0x0a");
  bad(net, relu, "input", 0, 0, 1, "both named input");
  bad(net, relu, "a", 1, 0, 1, "want one below 1");
  bad(net, relu, "a", SIZE_MAX, 0, 1, "want one below 1");
  bad(net, relu, "a", 0, 0, 2, "want 1");
  bad(net, relu, "a", 0, 0, 0, "want 1");
  bad(net, (ap_node){.kind = AP_NODE_ADD}, "a", 0, 0, 1, "want 2");
  bad(net, (ap_node){.kind = AP_NODE_CONCAT}, "a", 0, 0, 0, "at least 1");
  bad(net, (ap_node){.kind = AP_NODE_INPUT}, "a", 0, 0, 1, "cannot be appended");
  bad(net, (ap_node){.kind = AP_NODE_KINDS}, "a", 0, 0, 1, "cannot be appended");
  ap_node node = conv;
  node.kh = 6;
  bad(net, node, "a", 0, 0, 1, "does not fit");
  node.kh = 0;
  bad(net, node, "a", 0, 0, 1, "does not fit");
  node = conv;
  node.pad_top = SIZE_MAX;
  bad(net, node, "a", 0, 0, 1, "does not fit");
  node = conv;
  node.shape.c = 0;
  bad(net, node, "a", 0, 0, 1, "none or too many");
  node.shape.c = SIZE_MAX / 2;
  bad(net, node, "a", 0, 0, 1, "none or too many");
  node.shape.c = 1u << 30;
  bad(net, node, "a", 0, 0, 1, "none or too many");
  node = conv;
  node.kh = node.kw = node.pad_top = node.pad_left = (size_t)1 << 30;
  bad(net, node, "a", 0, 0, 1, "none or too many");
  bad(net, (ap_node){.kind = AP_NODE_LINEAR, .shape.c = 3}, "a", 0, 0, 1, "flat");
  bad(net, (ap_node){.kind = AP_NODE_MAXPOOL, .kh = 2, .kw = 2, .pad_top = 2}, "a", 0, 0, 1,
      "padding");
  bad(net, (ap_node){.kind = AP_NODE_SHORTCUT, .channels_before = SIZE_MAX}, "a", 0, 0, 1,
      "too many");
  bad(net, (ap_node){.kind = AP_NODE_SHORTCUT, .channels_before = 1u << 30}, "a", 0, 0, 1,
      "too large");
  bad(net, (ap_node){.kind = AP_NODE_RELU, .ceiling = -1.0f}, "a", 0, 0, 1, "ceiling");
  bad(net, (ap_node){.kind = AP_NODE_RELU, .ceiling = NAN}, "a", 0, 0, 1, "ceiling");
  bad(net, (ap_node){.kind = AP_NODE_BATCHNORM, .epsilon = NAN}, "a", 0, 0, 1, "epsilon");
  node = conv;
  node.weight = values;
  values[35] = NAN;
  bad(net, node, "a", 0, 0, 1, "weight 35 is");
  values[35] = 0.0f;
  values[1] = INFINITY;
  node.weight = NULL;
  node.bias = values;
  bad(net, node, "a", 0, 0, 1, "bias 1 is inf");
  values[1] = -1.0f;
  bad(net, (ap_node){.kind = AP_NODE_BATCHNORM, .var = values}, "a", 0, 0, 1, "variance 1 is -1");
  good(net, conv, "a", 0, 0, 1, 2, 3, 3);
  bad(net, (ap_node){.kind = AP_NODE_ADD}, "b", 0, 1, 2, "2 x 5 x 5 and 2 x 3 x 3");
  bad(net, (ap_node){.kind = AP_NODE_CONCAT}, "b", 0, 1, 2, "2 x 5 x 5 and 2 x 3 x 3");
  ap_network_destroy(net);
}

static void test_create_refusals(void **state) {
  static const ap_shape3 shapes[] = {{0, 1, 1}, {5, 1, 1},        {1, 0, 1},
                                     {1, 1, 0}, {4, SIZE_MAX, 1}, {1, 1u << 16, 1u << 16}};
  ap_network *net = NULL;
  ap_error err;
  (void)state;
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
    assert_int_equal(ap_network_create("net", shapes[i], &net, &err), AP_ERR_ARG);
  assert_int_equal(ap_network_create("", (ap_shape3){1, 1, 1}, &net, &err), AP_ERR_ARG);
  assert_null(net);
  ap_network_destroy(NULL);
}

static void test_node_limit(void **state) {
  ap_network *net = make(1, 1, 1);
  char name[32];
  ap_error err;
  (void)state;
  for (int i = 1; i < 4096; i++) {
    (void)snprintf(name, sizeof name, "n%d", i);
    assert_int_equal(append(net, (ap_node){.kind = AP_NODE_RELU}, name, 0, 0, 1, &err), AP_OK);
  }
  bad(net, (ap_node){.kind = AP_NODE_RELU}, "last", 0, 0, 1, "4096 nodes");
  ap_network_destroy(net);
}

/* Weight [2, 3]: column n of the matrix is output n. */
static void test_matrix(void **state) {
  ap_network *net = make(3, 1, 1);
  float values[6] = {1, 2, 3, 4, 5, 6}, matrix[6];
  const float expected[6] = {1, 4, 2, 5, 3, 6};
  (void)state;
  good(net, (ap_node){.kind = AP_NODE_LINEAR, .shape.c = 2, .weight = values}, "a", 0, 0, 1, 2, 1,
       1);
  ap_layer_get_matrix(net, 1, matrix);
  assert_memory_equal(matrix, expected, sizeof matrix);
  for (int i = 0; i < 6; i++) matrix[i] = (float)-i;
  ap_layer_set_matrix(net, 1, matrix);
  const float back[6] = {0, -2, -4, -1, -3, -5};
  for (int i = 0; i < 6; i++) assert_true(net->nodes[1].weight[i] == back[i]);
  assert_true(values[0] == 1.0f); /* the caller's values were copied */
  ap_network_destroy(net);
}

static ap_network *sample(void) {
  ap_network *net = make(2, 3, 3);
  float bias[2] = {0.5f, -0.5f};
  good(net, (ap_node){.kind = AP_NODE_CONV, .shape.c = 2, .kh = 3, .kw = 3, .bias = bias}, "a", 0,
       0, 1, 2, 1, 1);
  good(net, (ap_node){.kind = AP_NODE_BATCHNORM}, "b", 1, 0, 1, 2, 1, 1);
  good(net, (ap_node){.kind = AP_NODE_RELU}, "c", 2, 0, 1, 2, 1, 1);
  good(net, (ap_node){.kind = AP_NODE_ADD}, "d", 3, 1, 2, 2, 1, 1);
  good(net, (ap_node){.kind = AP_NODE_AVGPOOL, .kh = 1, .kw = 1}, "e", 4, 0, 1, 2, 1, 1);
  return net;
}

static void hash_of(const ap_network *net, char text[65]) {
  ap_error err;
  if (ap_network_hash(net, text, &err)) fail_msg("%s", err.text);
  assert_int_equal(strlen(text), 64);
}

/* Every field is changed in a copy of its own; all hashes differ, the untouched copy's does not. */
static void test_hash(void **state) {
  enum { VARIANTS = 22 };
  char hashes[VARIANTS][65];
  ap_network *net = sample();
  (void)state;
  for (int i = 0; i < VARIANTS; i++) {
    ap_network *copy = NULL;
    assert_int_equal(ap_network_copy(net, &copy, NULL), AP_OK);
    ap_node *conv = &copy->nodes[1], *norm = &copy->nodes[2];
    switch (i) {
      case 1:
        conv->weight[17] = nextafterf(conv->weight[17], 1.0f);
        break;
      case 2:
        conv->bias[1] = 0.25f;
        break;
      case 3:
        norm->weight[0] = 2.0f;
        break;
      case 4:
        norm->bias[0] = 2.0f;
        break;
      case 5:
        norm->mean[1] = 2.0f;
        break;
      case 6:
        norm->var[1] = 2.0f;
        break;
      case 7:
        norm->epsilon = 1e-3f;
        break;
      case 8:
        copy->nodes[3].ceiling = 6.0f;
        break;
      case 9:
        copy->nodes[4].inputs[1] = 2;
        break;
      case 10:
        copy->nodes[5].count_padding = true;
        break;
      case 11:
        copy->nodes[5].kind = AP_NODE_MAXPOOL;
        break;
      case 12:
        conv->stride_h = 2;
        break;
      case 13:
        conv->stride_w = 2;
        break;
      case 14:
        conv->pad_left = 1;
        break;
      case 15:
        conv->pad_top = 1;
        break;
      case 16:
        conv->name[0] = 'z';
        break;
      case 17:
        copy->name[0] = 'z';
        break;
      case 18:
        copy->mean[0] = 1.0f;
        break;
      case 19:
        copy->std[3] = 2.0f;
        break;
      case 20:
        ap_free(conv->bias);
        conv->bias = NULL;
        break;
      case 21:
        copy->nodes[4].inputs[0] = 1;
        copy->nodes[4].inputs[1] = 3;
        break;
      default:
        break;
    }
    hash_of(copy, hashes[i]);
    ap_network_destroy(copy);
    for (int j = 0; j < i; j++) assert_string_not_equal(hashes[i], hashes[j]);
  }
  char text[65];
  hash_of(net, text);
  assert_string_equal(text, hashes[0]);
  ap_network_destroy(net);
}

static void test_copy_is_deep(void **state) {
  ap_network *net = sample(), *copy = NULL;
  (void)state;
  net->std[1] = 3.0f;
  assert_int_equal(ap_network_copy(net, &copy, NULL), AP_OK);
  net->nodes[1].weight[0] = 9.0f;
  net->nodes[1].bias[0] = 9.0f;
  net->nodes[2].mean[0] = 9.0f;
  net->nodes[4].inputs[0] = 0;
  net->nodes[1].name[0] = 'q';
  assert_true(copy->nodes[1].weight[0] == 0.0f && copy->nodes[1].bias[0] == 0.5f);
  assert_true(copy->nodes[2].mean[0] == 0.0f && copy->std[1] == 3.0f);
  assert_int_equal(copy->nodes[4].inputs[0], 3);
  assert_string_equal(copy->nodes[1].name, "a");
  assert_int_equal(copy->classes, 2);
  ap_network_destroy(net);
  ap_network_destroy(copy);
}

static void test_memory(void **state) {
  ap_network *net = sample(), *copy = NULL;
  ap_error err;
  size_t failures = 0;
  (void)state;
  for (size_t n = 0; n < 100; n++) {
    ap_alloc_fail_after(n);
    ap_status st = ap_network_copy(net, &copy, &err);
    ap_alloc_fail_after(SIZE_MAX);
    if (!st) break;
    assert_int_equal(st, AP_ERR_MEMORY);
    assert_null(copy);
    failures++;
  }
  assert_true(failures > 10);
  ap_network_destroy(copy);
  for (size_t n = 0; n < 3; n++) {
    ap_alloc_fail_after(n);
    assert_int_equal(ap_network_create("net", (ap_shape3){1, 1, 1}, &copy, &err), AP_ERR_MEMORY);
    ap_alloc_fail_after(SIZE_MAX);
    ap_alloc_fail_after(n);
    assert_int_equal(append(net, (ap_node){.kind = AP_NODE_BATCHNORM}, "new", 5, 0, 1, &err),
                     AP_ERR_MEMORY);
    ap_alloc_fail_after(SIZE_MAX);
  }
  ap_network_destroy(net);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_shapes),     cmocka_unit_test(test_groups),
      cmocka_unit_test(test_refusals),   cmocka_unit_test(test_create_refusals),
      cmocka_unit_test(test_node_limit), cmocka_unit_test(test_matrix),
      cmocka_unit_test(test_hash),       cmocka_unit_test(test_copy_is_deep),
      cmocka_unit_test(test_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
