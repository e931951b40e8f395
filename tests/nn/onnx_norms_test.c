/* Normalisation of an image by itself: what nodes the operators become, what is refused, and the way out and in again. */
#include <math.h>
#include <string.h>

#include "tests/nn/onnx_forms.h"

static const float numbers[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
static const float zeros[12] = {0};

/* A model of "1x1 convolution to 12 channels, OP, head" on 3 x 8 x 8. */
static void begin(onnx_model *m, int64_t opset) {
  static float weight[36];
  model_begin(m);
  m->opset = opset;
  model_floats(m, "weight", INTS(12, 3, 1, 1), weight);
  model_node(m, "Conv", "conv", "image weight", "x", NULL);
  model_floats(m, "twelve", INTS(12), numbers);
  model_floats(m, "none", INTS(12), zeros);
  model_floats(m, "four", INTS(4), numbers);
  model_floats(m, "nothing", INTS(4), zeros);
  model_floats(m, "one", INTS(1), numbers);
  model_floats(m, "null", INTS(1), zeros);
  model_ints(m, "cut", INTS(0, 4, -1));
  model_ints(m, "all", INTS(0, 1, -1));
}

static void expect(onnx_model *m, ap_node_kind kind, size_t groups, const float *scale) {
  model_head(m, "h", 12);
  ap_network *net = import(m);
  const ap_node *n = &net->nodes[2];
  assert_int_equal(n->kind, kind);
  assert_int_equal(n->groups, groups);
  assert_true(fabsf(n->epsilon - 0.25f) < 1e-9f);
  assert_int_equal(net->n_nodes, scale ? 6 : 5); /* image, convolution, norm, scale, pool, linear */
  for (size_t c = 0; scale && c < 12; c++) {
    assert_true(ap_node_is_affine(&net->nodes[3]));
    assert_true(fabsf(net->nodes[3].weight[c] - scale[c]) < 1e-9f);
    assert_true(fabsf(net->nodes[3].bias[c]) < 1e-9f);
  }
  ap_network_destroy(net);
}

static wire attributes(int64_t groups, int64_t axis) {
  wire a = {0};
  attr_float(&a, "epsilon", 0.25f);
  if (groups) attr_int(&a, "num_groups", groups);
  if (axis) attr_int(&a, "axis", axis);
  return a;
}

static void test_instance(void **state) {
  onnx_model m;
  wire a = attributes(0, 0);
  (void)state;
  begin(&m, 13);
  model_node(&m, "InstanceNormalization", "n", "x twelve none", "h", &a);
  expect(&m, AP_NODE_GROUPNORM, 12, numbers);
}

static void test_groups_by_reshape(void **state) {
  float scale[12];
  (void)state;
  for (int kind = 0; kind < 3; kind++) {
    onnx_model m;
    wire a = attributes(0, 0);
    begin(&m, 13);
    model_ints(&m, "back", INTS(0, 12, 8, 8));
    model_node(&m, "Reshape", "r", kind == 2 ? "x all" : "x cut", "g", NULL);
    model_node(&m, "InstanceNormalization", "n",
               kind == 2   ? "g one null"
               : kind == 1 ? "g nothing four"
                           : "g four nothing",
               "v", &a);
    model_node(&m, "Reshape", "b", "v back", "h", NULL);
    for (size_t c = 0; c < 12; c++) scale[c] = numbers[c / 3];
    if (kind == 1) { /* a shift of its own and no scale */
      model_head(&m, "h", 12);
      ap_network *net = import(&m);
      for (size_t c = 0; c < 12; c++) {
        assert_true(fabsf(net->nodes[3].weight[c]) < 1e-9f);
        assert_true(fabsf(net->nodes[3].bias[c] - numbers[c / 3]) < 1e-9f);
      }
      ap_network_destroy(net);
    } else {
      expect(&m, AP_NODE_GROUPNORM, kind == 2 ? 1 : 4, kind == 2 ? NULL : scale);
    }
  }
}

static void test_group(void **state) {
  float scale[12];
  (void)state;
  for (size_t c = 0; c < 12; c++) scale[c] = numbers[c / 3];
  for (int of_channels = 0; of_channels < 2; of_channels++) {
    onnx_model m;
    wire a = attributes(4, 0);
    begin(&m, of_channels ? 21 : 18);
    model_node(&m, "GroupNormalization", "n", of_channels ? "x twelve none" : "x four nothing", "h",
               &a);
    expect(&m, AP_NODE_GROUPNORM, 4, of_channels ? numbers : scale);
  }
}

static void test_layer(void **state) {
  onnx_model m;
  wire a = attributes(0, -1), last = {0}, first = {0};
  (void)state;
  begin(&m, 17);
  attr_ints(&last, "perm", INTS(0, 2, 3, 1));
  attr_ints(&first, "perm", INTS(0, 3, 1, 2));
  model_node(&m, "Transpose", "t", "x", "l", &last);
  model_node(&m, "LayerNormalization", "n", "l twelve", "v", &a);
  model_node(&m, "Transpose", "u", "v", "h", &first);
  expect(&m, AP_NODE_LAYERNORM, 1, numbers);
}

/* Over pixels and over all, with one number in place of the weights. */
static void test_layer_over_pixels(void **state) {
  static float ones[12 * 64];
  (void)state;
  for (size_t i = 0; i < 12 * 64; i++) ones[i] = 1;
  for (int all = 0; all < 2; all++) {
    onnx_model m;
    wire a = attributes(0, all ? 1 : -2);
    begin(&m, 17);
    model_floats(&m, "map", INTS(8, 8), ones);
    model_floats(&m, "image1", INTS(12, 8, 8), ones);
    model_node(&m, "LayerNormalization", "n", all ? "x image1" : "x map", "h", &a);
    expect(&m, AP_NODE_GROUPNORM, all ? 1 : 12, NULL);
  }
}

static void refused(const char *op, int64_t opset, const char *inputs, wire *attrs,
                    const char *says) {
  onnx_model m;
  ap_network *net = NULL;
  ap_error err = {0};
  begin(&m, opset);
  model_ints(&m, "rows", INTS(0, 96, 8));
  model_floats(&m, "eight", INTS(8), numbers);
  model_node(&m, "Reshape", "r", "x rows", "flat", NULL);
  model_node(&m, op, "n", inputs, "h", attrs);
  model_head(&m, "h", 12);
  assert_int_not_equal(model_import(&m, &net, &err), AP_OK);
  if (!strstr(err.text, says)) fail_msg("\"%s\" lacks \"%s\"", err.text, says);
}

static void test_refused(void **state) {
  (void)state;
  wire a = attributes(5, 0);
  refused("GroupNormalization", 21, "x twelve none", &a, "12 channels in 5 groups");
  a = attributes(0, 0);
  refused("GroupNormalization", 21, "x twelve none", &a, "num_groups is missing");
  a = attributes(4, 0);
  refused("GroupNormalization", 21, "x one null", &a,
          "scale of 1 values for 12 channels in 4 groups");
  a = attributes(4, 0);
  refused("GroupNormalization", 21, "x twelve", &a, "bias");
  a = attributes(0, 0);
  refused("InstanceNormalization", 13, "flat twelve none", &a, "dimension 1");
  a = attributes(0, -1);
  refused("LayerNormalization", 17, "x eight", &a, "axis -1");
  a = attributes(0, 7);
  refused("LayerNormalization", 17, "x eight", &a, "7");
  a = attributes(0, -2);
  refused("LayerNormalization", 17, "x eight", &a, "one number, or one for each of 12");
  a = (wire){0};
  attr_float(&a, "epsilon", -1);
  refused("InstanceNormalization", 13, "x twelve none", &a, "epsilon is -1");
}

/* An export read again is the same network, flat or not. */
static void test_out_and_in(void **state) {
  ap_network *net = NULL, *back = NULL;
  char path[PATH_MAX], one[65], two[65];
  (void)state;
  ap_error err = {0};
  assert_int_equal(ap_network_create("norms", (ap_shape3){3, 6, 6}, &net, &err), AP_OK);
  add_node(net, (ap_node){.kind = AP_NODE_CONV, .shape.c = 6, .kh = 3, .kw = 3}, "conv", 0, 0);
  add_node(net, (ap_node){.kind = AP_NODE_GROUPNORM, .groups = 3, .epsilon = 0.5f}, "groups", 1, 0);
  add_node(net, (ap_node){.kind = AP_NODE_LAYERNORM}, "layer", 2, 0);
  add_node(net, (ap_node){.kind = AP_NODE_GROUPNORM, .groups = 6}, "each", 3, 0);
  add_node(net, (ap_node){.kind = AP_NODE_GROUPNORM}, "all", 4, 0);
  add_node(net, (ap_node){.kind = AP_NODE_FLATTEN}, "flat", 5, 0);
  add_node(net, (ap_node){.kind = AP_NODE_LINEAR, .shape.c = 8}, "hidden", 6, 0);
  add_node(net, (ap_node){.kind = AP_NODE_LAYERNORM}, "features", 7, 0);
  add_node(net, (ap_node){.kind = AP_NODE_GROUPNORM, .groups = 2}, "pairs", 8, 0);
  add_node(net, (ap_node){.kind = AP_NODE_LINEAR, .shape.c = 10}, "classes", 9, 0);
  net->classes = 10;
  (void)snprintf(path, sizeof path, "%s", scratch_path("norms.onnx"));
  if (ap_onnx_export(path, net, NULL, true, &err)) fail_msg("%s", err.text);
  if (ap_onnx_import(path, &back, NULL, &err)) fail_msg("%s", err.text);
  assert_int_equal(ap_network_hash(net, one, &err), AP_OK);
  assert_int_equal(ap_network_hash(back, two, &err), AP_OK);
  assert_string_equal(one, two);
  ap_network_destroy(net);
  ap_network_destroy(back);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_instance),
      cmocka_unit_test(test_groups_by_reshape),
      cmocka_unit_test(test_group),
      cmocka_unit_test(test_layer),
      cmocka_unit_test(test_layer_over_pixels),
      cmocka_unit_test(test_refused),
      cmocka_unit_test(test_out_and_in),
  };
  return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
