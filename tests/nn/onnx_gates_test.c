/* Channels by number and gates, in the forms that exporters write: what they become. */
#include <math.h>

#include "tests/nn/onnx_forms.h"

/* The channels that a GATHER picks. */
static void picks(const ap_node *node, const int64_t *channels, size_t n) {
  assert_int_equal(node->kind, AP_NODE_GATHER);
  assert_int_equal(node->shape.c, n);
  for (size_t c = 0; c < n; c++) assert_int_equal(node->picks[c], channels[c]);
}

/* An image of 12 channels, "x", and lists of integers. */
static void twelve_channels(onnx_model *m) {
  wire a = {0};
  model_begin(m);
  model_floats(m, "w", INTS(12, 3, 1, 1), NULL);
  model_ints(m, "groups", INTS(0, 3, 4, 8, 8));
  model_ints(m, "groups4", INTS(0, 3, 4, 64));
  model_ints(m, "whole", INTS(0, 12, 8, 8));
  model_ints(m, "c", INTS(1));
  model_ints(m, "i1", INTS(1));
  model_ints(m, "i5", INTS(5));
  model_ints(m, "far", INTS(INT64_MAX));
  model_ints(m, "near", INTS(INT64_MIN));
  model_ints(m, "back", INTS(-5));
  model_ints(m, "sizes", INTS(5, 7));
  attr_ints(&a, "strides", INTS(1, 1));
  model_node(m, "Conv", "conv", "image w", "x", &a);
}

static void transposed(onnx_model *m, const char *from, const char *to, const int64_t *perm,
                       size_t n) {
  wire a = {0};
  attr_ints(&a, "perm", perm, n);
  model_node(m, "Transpose", to, from, to, &a);
}

/* A shuffle is one GATHER; back again it is none; the parts of one are a GATHER each, of the node before. */
static void test_shuffles(void **state) {
  static const int64_t swapped[] = {0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11};
  (void)state;
  for (int form = 0; form < 4; form++) {
    onnx_model m;
    twelve_channels(&m);
    model_node(&m, "Reshape", "cut", form == 1 ? "x groups4" : "x groups", "a", NULL);
    if (form == 1) {
      transposed(&m, "a", "b", INTS(0, 2, 1, 3));
    } else {
      transposed(&m, "a", "b", INTS(0, 2, 1, 3, 4));
    }
    if (form == 2) { /* cut anew, and swapped */
      model_ints(&m, "four", INTS(0, 4, 3, 8, 8));
      model_node(&m, "Reshape", "again", "b four", "e", NULL);
      transposed(&m, "e", "b2", INTS(0, 2, 1, 3, 4));
    }
    model_node(&m, "Reshape", "join", form == 2 ? "b2 whole" : "b whole", "d", NULL);
    if (form == 3) {
      wire axis = {0};
      attr_int(&axis, "axis", 1);
      model_node(&m, "Split", "split", "d sizes", "left right", &axis);
      model_node(&m, "Slice", "late", "right i1 far c i5", "some", NULL);
      attr_int(&axis, "axis", 1);
      model_node(&m, "Concat", "n", "some left", "y1", &axis);
      model_head(&m, "y1", 7);
    } else {
      model_head(&m, "d", 12);
    }
    ap_network *net = import(&m);
    if (form < 2) {
      begins_with(net, (const ap_node_kind[]){AP_NODE_CONV, AP_NODE_GATHER}, 2);
      picks(&net->nodes[2], swapped, 12);
      assert_string_equal(net->nodes[2].name, "join");
    } else if (form == 2) {
      begins_with(net, (const ap_node_kind[]){AP_NODE_CONV}, 1);
    } else {
      begins_with(
          net, (const ap_node_kind[]){AP_NODE_CONV, AP_NODE_GATHER, AP_NODE_GATHER, AP_NODE_CONCAT},
          4);
      assert_int_equal(net->nodes[2].inputs[0], 1);
      assert_int_equal(net->nodes[3].inputs[0], 1);
      picks(&net->nodes[2], INTS(2, 11)); /* places 6 and 11 of the shuffle */
      picks(&net->nodes[3], INTS(0, 4, 8, 1, 5));
    }
    ap_network_destroy(net);
  }
}

/* Parts of the channels: what the operators pick of 12, of halves and in groups. */
static void test_parts(void **state) {
  static const struct {
    const char *op, *inputs;
    int64_t picks[12];
    size_t n;
  } cases[] = {{"Slice", "x i1 i5 c", {1, 2, 3, 4}, 4},
               {"Slice", "x far near c back", {11, 6, 1}, 3},
               {"Slice", "x back far c i1", {7, 8, 9, 10, 11}, 5},
               {"Gather", "x list", {3, 11, 3}, 3},
               {"Split", "x sizes", {0, 1, 2, 3, 4}, 5},
               {"Split", "x", {0, 1, 2, 3, 4, 5}, 6}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    onnx_model m;
    wire a = {0};
    twelve_channels(&m);
    model_ints(&m, "list", INTS(3, -1, 3));
    if (*cases[i].op != 'S' || cases[i].op[1] == 'p') attr_int(&a, "axis", -3);
    model_node(&m, cases[i].op, "n", cases[i].inputs, cases[i].op[1] == 'p' ? "h rest" : "h", &a);
    model_head(&m, "h", (int64_t)cases[i].n);
    ap_network *net = import(&m);
    begins_with(net, (const ap_node_kind[]){AP_NODE_CONV, AP_NODE_GATHER}, 2);
    picks(&net->nodes[2], cases[i].picks, cases[i].n);
    assert_string_equal(net->nodes[2].name, "n");
    ap_network_destroy(net);
  }
  for (int part = 0; part < 2; part++) { /* one group of four; the second of each group */
    onnx_model m;
    wire axis = {0};
    twelve_channels(&m);
    model_node(&m, "Reshape", "cut", "x groups", "a", NULL);
    attr_int(&axis, "axis", part ? 2 : 1);
    model_node(&m, "Gather", "n", "a one", "h", &axis);
    wire one = tensor_head("one", 7, NULL, 0);
    wire_block(&one, 9, &(int64_t){1}, sizeof(int64_t));
    wire_part(&m.graph, 5, &one);
    model_head(&m, "h", part ? 3 : 4);
    ap_network *net = import(&m);
    if (part) {
      picks(&net->nodes[2], INTS(1, 5, 9));
    } else {
      picks(&net->nodes[2], INTS(4, 5, 6, 7));
    }
    ap_network_destroy(net);
  }
}

/* Products: of one shape, of an image and a factor a channel in either order, repeated or not. */
static void test_products(void **state) {
  static const char *const inputs[] = {"r s", "r g", "g r", "r e", "e r", "flat g2"};
  (void)state;
  for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
    onnx_model m;
    model_begin(&m);
    model_ints(&m, "to", INTS(0, -1));
    model_node(&m, "Relu", "relu", "image", "r", NULL);
    model_node(&m, "Sigmoid", "sigmoid", "r", "s", NULL);
    model_node(&m, "GlobalMaxPool", "pool", "s", "g", NULL);
    model_node(&m, "Shape", "shape", "r", "sizes", NULL);
    model_node(&m, "Expand", "expand", "g sizes", "e", NULL);
    model_node(&m, "GlobalAveragePool", "mean", "r", "f", NULL);
    model_node(&m, "Flatten", "flatten", "f", "flat", NULL);
    model_node(&m, "Reshape", "reshape", "g to", "g2", NULL);
    model_node(&m, "Mul", "n", inputs[i], i == 5 ? "h2" : "h", NULL);
    model_ints(&m, "axes", INTS(2, 3));
    if (i == 5) model_node(&m, "Unsqueeze", "u", "h2 axes", "h", NULL);
    model_head(&m, "h", 3);
    ap_network *net = import(&m);
    const ap_node *n = &net->nodes[net->n_nodes - 3];
    assert_int_equal(n->kind, AP_NODE_MULTIPLY);
    assert_true(n->shape.h == (i == 5 ? 1 : 8) && n->shape.c == 3);
    assert_string_equal(net->nodes[n->inputs[0]].name, i == 5 ? "mean" : "relu");
    assert_string_equal(net->nodes[n->inputs[1]].name, i ? "pool" : "sigmoid");
    ap_network_destroy(net);
  }
}

/* What the relatives of Relu and of the logistic function become: the first letters of the kinds. */
static void test_activations(void **state) {
  static const struct {
    const char *op, *inputs, *attribute;
    float value;
    const char *kinds;
  } cases[] = {{"Sigmoid", "r", NULL, 0, "s"},
               {"HardSigmoid", "r", "alpha", 0.25f, "br"},
               {"HardSwish", "r", NULL, 0, "brm"},
               {"Swish", "r", NULL, 0, "sm"},
               {"Swish", "r", "alpha", 1.5f, "bsm"},
               {"Tanh", "r", NULL, 0, "bsb"},
               {"LeakyRelu", "r", "alpha", 0.25f, "rbba"},
               {"PRelu", "r six", NULL, 0, "rbba"},
               {"Clip", "image below six", NULL, 0, "brb"},
               {"Max", "image below", NULL, 0, "brb"},
               {"Min", "image six", NULL, 0, "brb"},
               {"Neg", "image", NULL, 0, "b"},
               {"Sub", "r image", NULL, 0, "ba"},
               {"Pow", "r three", NULL, 0, "mm"},
               {"Elu", "r", NULL, 0, "dbra"},
               {"Elu", "r", "alpha", 0.5f, "dbra"},
               {"Celu", "r", "alpha", 0.5f, "bdbra"},
               {"Selu", "r", NULL, 0, "dbrab"},
               {"Gelu", "r", NULL, 0, "nm"},
               {"Erf", "r", NULL, 0, "bnb"},
               {"Mish", "r", NULL, 0, "mm"}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    wire a = {0};
    size_t n = strlen(cases[i].kinds);
    if (cases[i].attribute) attr_float(&a, cases[i].attribute, cases[i].value);
    ap_network *net = one_node(cases[i].op, cases[i].inputs, &a);
    const ap_node *first = &net->nodes[net->n_nodes - 2 - n];
    for (size_t k = 0; k < n; k++) {
      assert_int_equal(*ap_node_type(&first[k]), cases[i].kinds[k]);
      if (first[k].kind == AP_NODE_BATCHNORM) /* it is exact */
        assert_true(first[k].epsilon + first[k].var[0] == 1.0f);
    }
    if (strcmp(cases[i].op, "HardSigmoid") == 0) {
      assert_true(first[0].weight[2] == 0.25f && first[0].bias[2] == 0.5f);
      assert_true(first[1].ceiling == 1.0f);
    }
    if (strcmp(cases[i].op, "Clip") == 0) assert_true(first[1].ceiling == 8.0f);
    ap_network_destroy(net);
  }
}

/* What is not negative stays so through gates and picks: ReLU6 behind it. */
static void test_signs(void **state) {
  onnx_model m;
  wire a = {0};
  (void)state;
  model_begin(&m);
  model_floats(&m, "six", INTS(1), (const float[]){6});
  model_ints(&m, "list", INTS(2, 0));
  model_node(&m, "Relu", "a", "image", "a", NULL);
  model_node(&m, "Sigmoid", "b", "image", "b", NULL);
  model_node(&m, "Mul", "c", "a b", "c", NULL);
  attr_int(&a, "axis", 1);
  model_node(&m, "Gather", "d", "c list", "d", &a);
  model_node(&m, "Min", "e", "d six", "e", NULL);
  model_head(&m, "e", 2);
  ap_network *net = import(&m);
  assert_int_equal(net->nodes[5].kind, AP_NODE_RELU);
  ap_network_destroy(net);
}

int main(void) {
  SKIP_WITHOUT_ONNX();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_shuffles), cmocka_unit_test(test_parts),
      cmocka_unit_test(test_products), cmocka_unit_test(test_activations),
      cmocka_unit_test(test_signs),
  };
  return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
