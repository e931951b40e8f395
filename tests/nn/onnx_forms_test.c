/* What exporters write in more than one form: every form becomes the same nodes of a network. */
#include "tests/nn/onnx_forms.h"

#include <math.h>

/* Bounds: Clip, Max, Min. Behind Relu, and what keeps its sign, a lower bound says nothing. */
static void test_bounds(void **state) {
  static const struct {
    const char *op, *inputs;
    float ceiling;
  } cases[] = {{"Max", "image zero", INFINITY},
               {"Max", "zero image", INFINITY},
               {"Min", "r six", 6},
               {"Min", "six r", 6},
               {"Clip", "r - six", 6},
               {"Clip", "r below six", 6},
               {"Clip", "image zero -", INFINITY}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    ap_network *net = one_node(cases[i].op, cases[i].inputs, NULL);
    const ap_node *last = &net->nodes[net->n_nodes - 3];
    assert_int_equal(last->kind, AP_NODE_RELU);
    assert_string_equal(last->name, "n");
    assert_true(last->ceiling >= cases[i].ceiling && last->ceiling <= cases[i].ceiling);
    ap_network_destroy(net);
  }
  onnx_model m;
  model_begin(&m);
  model_floats(&m, "six", INTS(1), (const float[]){6});
  model_node(&m, "Relu", "a", "image", "a", NULL);
  model_node(&m, "Add", "b", "a a", "b", NULL);
  model_node(&m, "GlobalMaxPool", "c", "b", "c", NULL);
  model_node(&m, "Min", "d", "c six", "d", NULL);
  model_head(&m, "d", 3);
  ap_network *net = import(&m);
  const ap_node_kind kinds[] = {AP_NODE_RELU, AP_NODE_ADD, AP_NODE_MAXPOOL, AP_NODE_RELU};
  begins_with(net, kinds, 4);
  ap_network_destroy(net);
}

/* Sums of sums are not followed on all of their 2^60 ways to the Relu. */
static void test_many_ways(void **state) {
  onnx_model m;
  ap_network *net = NULL;
  ap_error err = {0};
  char last[16] = "s0", next[16];
  (void)state;
  model_begin(&m);
  model_floats(&m, "six", INTS(1), (const float[]){6});
  model_node(&m, "Relu", "relu", "image", "s0", NULL);
  for (int i = 1; i <= 60; i++) {
    char both[40];
    (void)snprintf(both, sizeof both, "%s %s", last, last);
    (void)snprintf(next, sizeof next, "s%d", i);
    model_node(&m, "Add", next, both, next, NULL);
    memcpy(last, next, sizeof last);
  }
  model_node(&m, "Min", "n", "s60 six", "h", NULL);
  model_head(&m, "h", 3);
  assert_int_equal(model_import(&m, &net, &err), AP_OK);
  const ap_node *min =
      &net->nodes[net->n_nodes -
                  5]; /* 6 - max(6 - x, 0): x may be negative for all that is known */
  assert_int_equal(min[0].kind, AP_NODE_BATCHNORM);
  assert_true(min[0].weight[0] == -1 && min[0].bias[0] == 6);
  assert_int_equal(min[1].kind, AP_NODE_RELU);
  assert_true(isinf(min[1].ceiling));
  assert_int_equal(min[2].kind, AP_NODE_BATCHNORM);
  ap_network_destroy(net);
}

/* Sum: one ADD less than images. */
static void test_sum(void **state) {
  const ap_node_kind kinds[] = {AP_NODE_RELU, AP_NODE_ADD, AP_NODE_ADD};
  (void)state;
  ap_network *net = one_node("Sum", "r image r", NULL);
  begins_with(net, kinds, 3);
  assert_true(net->nodes[3].inputs[0] == 2 && net->nodes[3].inputs[1] == 1);
  assert_string_equal(net->nodes[2].name, "n");
  ap_network_destroy(net);
  net = one_node("Sum", "r", NULL);
  begins_with(net, kinds, 1);
  ap_network_destroy(net);
}

static void test_reductions(void **state) {
  static const struct {
    const char *inputs;
    size_t kh, kw;
  } cases[] = {{"r rows", 8, 1}, {"r columns", 1, 8}, {"r both", 8, 8}};
  (void)state;
  for (size_t i = 0; i < 6; i++) {
    ap_network *net = one_node(i % 2 ? "ReduceMax" : "ReduceMean", cases[i / 2].inputs, NULL);
    const ap_node *n = &net->nodes[2];
    assert_int_equal(n->kind, i % 2 ? AP_NODE_MAXPOOL : AP_NODE_AVGPOOL);
    assert_true(n->kh == cases[i / 2].kh && n->kw == cases[i / 2].kw);
    assert_true(n->shape.h == 8 / n->kh && n->shape.w == 8 / n->kw);
    ap_network_destroy(net);
  }
}

/* Pad with axes; with minus infinity; zeros behind what is not negative. */
static void test_pads(void **state) {
  static const char *const inputs[] = {"r pads - both", "image pads lowest both"};
  (void)state;
  for (size_t i = 0; i < 2; i++) {
    onnx_model m;
    wire a = {0};
    model_begin(&m);
    m.opset = 18;
    model_floats(&m, "lowest", INTS(1), (const float[]){-INFINITY});
    model_ints(&m, "both", INTS(-1, 2)); /* left 1, top 2, right 3, bottom 4 */
    model_ints(&m, "pads", INTS(1, 2, 3, 4));
    model_node(&m, "Relu", "first", "image", "q", NULL);
    model_node(&m, "Add", "twice", "q q", "r", NULL);
    model_node(&m, "Pad", "pad", inputs[i], "p", NULL);
    attr_ints(&a, "kernel_shape", INTS(5, 5));
    model_node(&m, "MaxPool", "pool", "p", "h", &a);
    model_head(&m, "h", 3);
    ap_network *net = import(&m);
    const ap_node *pool = &net->nodes[net->n_nodes - 3];
    assert_int_equal(pool->kind, AP_NODE_MAXPOOL);
    assert_true(pool->pad_top == 2 && pool->pad_left == 1 && pool->pad_bottom == 4 &&
                pool->pad_right == 3);
    ap_network_destroy(net);
  }
}

/* Windows over the end are not counted, whatever count_include_pad says of padding that is not there. */
static void test_average(void **state) {
  wire a = {0};
  (void)state;
  attr_ints(&a, "kernel_shape", INTS(3, 3));
  attr_ints(&a, "strides", INTS(2, 2));
  attr_int(&a, "ceil_mode", 1);
  attr_int(&a, "count_include_pad", 1);
  ap_network *net = one_node("AveragePool", "r", &a);
  const ap_node *pool = &net->nodes[2];
  assert_true(pool->shape.h == 4 && pool->pad_bottom == 1 && pool->pad_top == 0);
  assert_false(pool->count_padding);
  ap_network_destroy(net);
}

/* One weight is spread over nothing. */
static void test_dilation(void **state) {
  onnx_model m;
  wire a = {0};
  (void)state;
  model_begin(&m);
  model_floats(&m, "w", INTS(3, 3, 1, 1), NULL);
  attr_ints(&a, "dilations", INTS(2, 3));
  model_node(&m, "Conv", "n", "image w", "h", &a);
  model_head(&m, "h", 3);
  ap_network *net = import(&m);
  assert_true(net->nodes[1].kh == 1 && net->nodes[1].shape.h == 8);
  assert_true(net->nodes[1].dilation_h == 1 && net->nodes[1].dilation_w == 1);
  ap_network_destroy(net);
  /* Nine are, and the padding that keeps the size grows with them. */
  model_begin(&m);
  model_floats(&m, "w", INTS(3, 3, 3, 3), NULL);
  a = (wire){0};
  attr_ints(&a, "dilations", INTS(2, 3));
  attr_text(&a, "auto_pad", "SAME_UPPER");
  model_node(&m, "Conv", "n", "image w", "h", &a);
  model_head(&m, "h", 3);
  net = import(&m);
  assert_true(net->nodes[1].dilation_h == 2 && net->nodes[1].dilation_w == 3);
  assert_true(net->nodes[1].pad_top == 2 && net->nodes[1].pad_right == 3);
  assert_true(net->nodes[1].shape.h == 8 && net->nodes[1].shape.w == 8);
  ap_network_destroy(net);
}

/* A value a channel, written out for all pixels; the same of flat features is a value a feature. */
static void test_written_out(void **state) {
  onnx_model m;
  float full[3 * 64], uneven[3 * 64];
  ap_network *net = NULL;
  ap_error err = {0};
  (void)state;
  for (size_t i = 0; i < 3 * 64; i++) {
    full[i] = (float)(i / 64) + 0.5f;
    uneven[i] = i == 100 ? 0 : full[i];
  }
  for (int whole = 1; whole >= 0; whole--) {
    model_begin(&m);
    model_floats(&m, "c", INTS(1, 3, 8, 8), whole ? full : uneven);
    model_node(&m, "Sub", "n", "image c", "h", NULL);
    model_head(&m, "h", 3);
    if (whole) {
      net = import(&m);
      assert_int_equal(net->nodes[1].kind, AP_NODE_BATCHNORM);
      for (size_t c = 0; c < 3; c++) assert_true(net->nodes[1].bias[c] == -(float)c - 0.5f);
      ap_network_destroy(net);
      net = NULL;
    }
  }
  assert_int_equal(model_import(&m, &net, &err), AP_ERR_UNSUPPORTED);
  assert_non_null(strstr(err.text, "node n (Sub): a constant of 192 values"));
}

/* The number of the largest score as the output: the scores are the network's. */
static void test_argmax(void **state) {
  onnx_model m;
  wire linear = {0}, axis = {0};
  (void)state;
  model_begin(&m);
  attr_int(&linear, "transB", 1);
  attr_int(&axis, "axis", 1);
  attr_int(&axis, "keepdims", 0);
  model_floats(&m, "w", INTS(4, 192), NULL);
  model_node(&m, "Flatten", "flat", "image", "f", NULL);
  model_node(&m, "Gemm", "fc", "f w", "scores", &linear);
  model_node(&m, "ArgMax", "best", "scores", "y", &axis);
  ap_network *net = import(&m);
  assert_int_equal(net->nodes[net->n_nodes - 1].kind, AP_NODE_LINEAR);
  assert_int_equal(net->classes, 4);
  ap_network_destroy(net);
}

/* A Softmax at the end, also with operators behind it that change no value. */
static void test_end(void **state) {
  static const char *const ops[] = {"Identity", "Flatten", "Squeeze", "Dropout", "Cast", "Relu"};
  (void)state;
  for (size_t i = 0; i < 6; i++) {
    onnx_model m;
    wire axis = {0}, to = {0};
    ap_network *net = NULL;
    ap_error err = {0};
    model_begin(&m);
    model_floats(&m, "w", INTS(4, 3, 8, 8), NULL);
    model_node(&m, "Conv", "conv", "image w", "s", NULL);
    attr_int(&axis, "axis", 1);
    model_node(&m, "Softmax", "softmax", "s", "p", &axis);
    if (strcmp(ops[i], "Cast") == 0) attr_int(&to, "to", 1);
    model_node(&m, ops[i], "n", "p", "y", to.n ? &to : NULL);
    if (strcmp(ops[i], "Relu") == 0) {
      assert_int_equal(model_import(&m, &net, &err), AP_ERR_UNSUPPORTED);
      assert_non_null(strstr(err.text, "node n (Relu): it follows a Softmax"));
      continue;
    }
    net = import(&m);
    assert_int_equal(net->n_nodes, 2);
    assert_int_equal(net->classes, 4);
    ap_network_destroy(net);
  }
}

/* A branch of which only the shape is used is no part of the network, before the end or at it. */
static void test_side_branch(void **state) {
  (void)state;
  for (int at_end = 0; at_end < 2; at_end++) {
    onnx_model m;
    wire axis = {0};
    model_begin(&m);
    model_floats(&m, "w", INTS(4, 3, 8, 8), NULL);
    model_ints(&m, "i0", INTS(0));
    model_ints(&m, "rest", INTS(-1));
    if (at_end) model_node(&m, "Conv", "conv", "image w", "s", NULL);
    model_node(&m, "GlobalMaxPool", "side", at_end ? "s" : "image", "side", NULL);
    model_node(&m, "Shape", "shape", "side", "sizes", NULL);
    model_node(&m, "Gather", "batch", "sizes i0", "batch", NULL);
    attr_int(&axis, "axis", 0);
    model_node(&m, "Concat", "to", "batch rest", "to", &axis);
    if (!at_end) model_node(&m, "Conv", "conv", "image w", "s", NULL);
    model_node(&m, "Reshape", "flat", "s to", "y", NULL);
    ap_network *net = import(&m);
    assert_int_equal(net->n_nodes, 2);
    assert_string_equal(net->nodes[1].name, "conv");
    assert_int_equal(net->classes, 4);
    ap_network_destroy(net);
  }
}

/* The oldest and the newest sets of operators. */
static void test_opsets(void **state) {
  static const int64_t opsets[] = {7, 8, 28};
  (void)state;
  for (size_t i = 0; i < 3; i++) {
    onnx_model m;
    model_begin(&m);
    m.opset = opsets[i];
    model_head(&m, "image", 3);
    ap_network_destroy(import(&m));
  }
}

int main(void) {
  SKIP_WITHOUT_ONNX();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_bounds),      cmocka_unit_test(test_many_ways),
      cmocka_unit_test(test_sum),         cmocka_unit_test(test_reductions),
      cmocka_unit_test(test_pads),        cmocka_unit_test(test_average),
      cmocka_unit_test(test_dilation),    cmocka_unit_test(test_written_out),
      cmocka_unit_test(test_argmax),      cmocka_unit_test(test_end),
      cmocka_unit_test(test_side_branch), cmocka_unit_test(test_opsets),
  };
  return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
