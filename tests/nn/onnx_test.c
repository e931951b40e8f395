/* Networks written as ONNX and read again: the same identity where the format has all of it, the same
 * bytes for the same network; what is read from files made by hand; memory that runs out. */
#include <math.h>

#include "tests/nn/model_testing.h"
#include "tests/nn/onnx_writer.h"

static ap_error failure;

static void must(ap_status st) {
  if (st) fail_msg("%s: %s", ap_status_name(st), failure.text);
}

static void hash_of(const ap_network *net, char text[65]) {
  must(ap_network_hash(net, text, &failure));
}

/* The network after a round trip through the file `name`. */
static ap_network *round_trip(const ap_network *net, const char *name, json_t **metadata) {
  ap_network *again = NULL;
  must(ap_onnx_export(scratch_path(name), net, NULL, true, &failure));
  must(ap_onnx_import(scratch_path(name), &again, metadata, &failure));
  return again;
}

static void same_after_round_trip(const ap_network *net) {
  char left[65], right[65];
  ap_network *again = round_trip(net, "round.onnx", NULL);
  hash_of(net, left);
  hash_of(again, right);
  if (strcmp(left, right) != 0)
    fail_msg("%s: %zu nodes, %zu read", net->name, net->n_nodes, again->n_nodes);
  ap_network_destroy(again);
}

static void test_round_trips(void **state) {
  static const char *const names[] = {"lenet5",        "resnet8",     "resnet20",
                                      "resnet18:0.25", "vgg16:0.125", "resnet56:0.25"};
  (void)state;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    ap_network *net = NULL, *folded = NULL;
    must(ap_network_builtin(names[i], (ap_shape3){3, 32, 32}, 7, i, &net, &failure));
    net->mean[1] = 0.1f;
    net->std[2] = 1.0f / 3.0f;
    same_after_round_trip(net);
    must(ap_network_fold(net, &folded, &failure));
    same_after_round_trip(folded);
    ap_network_destroy(folded);
    ap_network_destroy(net);
  }
  ap_network *every = every_kind();
  same_after_round_trip(every);
  ap_network_destroy(every);
}

/* Scores of [c, 1, 1] images, flat and not, added and joined; flattening what is flat; names that are
 * those of parts of other nodes. */
static void test_ranks(void **state) {
  ap_network *net = NULL;
  (void)state;
  must(ap_network_create("ranks", (ap_shape3){3, 4, 4}, &net, &failure));
  add_node(net, (ap_node){.kind = AP_NODE_AVGPOOL, .kh = 4, .kw = 4}, "pool", 0, 0);
  add_node(net, (ap_node){.kind = AP_NODE_LINEAR, .shape.c = 3}, "fc", 1, 0);
  add_node(net, (ap_node){.kind = AP_NODE_ADD}, "fc.weight", 2, 1);
  add_node(net, (ap_node){.kind = AP_NODE_CONCAT}, "fc.weight_", 3, 2);
  add_node(net, (ap_node){.kind = AP_NODE_FLATTEN}, "flat", 4, 0);
  add_node(net, (ap_node){.kind = AP_NODE_BATCHNORM, .epsilon = 0.5f}, "bn", 5, 0);
  add_node(net, (ap_node){.kind = AP_NODE_LINEAR, .shape.c = 4}, "fc2", 6, 0);
  add_node(net, (ap_node){.kind = AP_NODE_CONV, .shape.c = 5, .kh = 1, .kw = 1}, "conv", 7, 0);
  add_node(net, (ap_node){.kind = AP_NODE_LINEAR, .shape.c = 5}, "fc3", 8, 0);
  add_node(net, (ap_node){.kind = AP_NODE_CURVE}, "sigmoid", 9, 0);
  add_node(net, (ap_node){.kind = AP_NODE_MULTIPLY}, "product", 10, 8);
  add_node(net, (ap_node){.kind = AP_NODE_MULTIPLY}, "square", 10, 10);
  size_t same[] = {0, 1, 2, 3, 4}, some[] = {4, 2, 2};
  add_node(net, (ap_node){.kind = AP_NODE_GATHER, .shape.c = 5, .picks = same}, "same", 12, 0);
  add_node(net, (ap_node){.kind = AP_NODE_GATHER, .shape.c = 3, .picks = some}, "some", 13, 0);
  add_node(net, (ap_node){.kind = AP_NODE_GATHER, .shape.c = 3, .picks = some}, "image", 11, 0);
  add_node(net, (ap_node){.kind = AP_NODE_MULTIPLY}, "last", 14, 15);
  same_after_round_trip(net);
  ap_network_destroy(net);
}

static void test_bytes(void **state) {
  ap_network *net = every_kind();
  json_t *properties = json_pack("{s:s, s:{s:i}}", "note", "a \"text\"", "policy", "b", 2);
  json_t *metadata = NULL;
  size_t n_left, n_right;
  (void)state;
  must(ap_onnx_export(scratch_path("a.onnx"), net, properties, false, &failure));
  must(ap_onnx_export(scratch_path("b.onnx"), net, properties, false, &failure));
  char *left = read_bytes(scratch_path("a.onnx"), &n_left);
  char *right = read_bytes(scratch_path("b.onnx"), &n_right);
  assert_int_equal(n_left, n_right);
  assert_memory_equal(left, right, n_left);
  assert_non_null(memmem(left, n_left, "autoprune.policy", 16));
  assert_non_null(memmem(left, n_left, "{\"b\":2}", 7));
  free(left);
  free(right);
  assert_int_equal(ap_onnx_export(scratch_path("a.onnx"), net, NULL, false, &failure), AP_ERR_ARG);
  assert_non_null(strstr(failure.text, "exists"));
  assert_int_equal(ap_onnx_export(scratch_path("c.onnx"), net, properties, false, NULL), AP_OK);
  assert_int_equal(ap_onnx_export("/nowhere/x.onnx", net, NULL, false, &failure), AP_ERR_IO);
  json_decref(properties);
  properties = json_pack("{s:{s:s}}", "metadata", "trained", "here");
  must(ap_onnx_export(scratch_path("d.onnx"), net, properties, false, &failure));
  ap_network *again = NULL;
  must(ap_model_load(scratch_path("d.onnx"), &again, &metadata, &failure));
  assert_string_equal(json_string_value(json_object_get(metadata, "trained")), "here");
  json_t *file = json_object_get(metadata, "onnx");
  assert_string_equal(json_string_value(json_object_get(file, "file")), "d.onnx");
  assert_int_equal(strlen(json_string_value(json_object_get(file, "sha256"))), 64);
  assert_int_equal(json_integer_value(json_object_get(file, "opset")), 13);
  json_decref(metadata);
  json_decref(properties);
  ap_network_destroy(again);
  ap_network_destroy(net);
}

static ap_network *import(onnx_model *m) {
  ap_network *net = NULL;
  must(model_import(m, &net, &failure));
  return net;
}

/* Flatten behind NHWC: the columns of the weights move. Image 2 x 1 x 3 (c x h x w), seen as
 * [1, 3, 2]: the value of place w, channel c stands at w*2 + c, in the network at c*3 + w. */
static void test_flat_order(void **state) {
  onnx_model m = {0};
  wire a = {0};
  float weight[6];
  (void)state;
  for (size_t i = 0; i < 6; i++) weight[i] = (float)i;
  model_value(&m, 11, "image", INTS(0, 2, 1, 3));
  model_value(&m, 12, "y", INTS(0, 1));
  attr_ints(&a, "perm", INTS(0, 2, 3, 1));
  model_node(&m, "Transpose", "t", "image", "h", &a);
  model_node(&m, "Flatten", "flat", "h", "f", NULL);
  model_floats(&m, "w", INTS(6, 1), weight);
  model_node(&m, "MatMul", "fc", "f w", "y", NULL);
  ap_network *net = import(&m);
  assert_int_equal(net->n_nodes, 3);
  assert_string_equal(net->nodes[1].name, "flat");
  for (size_t c = 0; c < 2; c++) {
    for (size_t w = 0; w < 3; w++)
      assert_true(net->nodes[2].weight[c * 3 + w] == (float)(w * 2 + c));
  }
  ap_network_destroy(net);
}

/* A vector [N, F] is an image of one row. */
static void test_vector(void **state) {
  onnx_model m = {0};
  (void)state;
  model_value(&m, 11, "image", INTS(0, 6));
  model_value(&m, 12, "y", INTS(0, 2));
  model_floats(&m, "w", INTS(6, 2), NULL);
  model_node(&m, "MatMul", "fc", "image w", "y", NULL);
  ap_network *net = import(&m);
  assert_true(net->nodes[0].shape.c == 1 && net->nodes[0].shape.h == 1 &&
              net->nodes[0].shape.w == 6);
  assert_int_equal(net->nodes[1].kind, AP_NODE_FLATTEN);
  assert_int_equal(net->nodes[2].kind, AP_NODE_LINEAR);
  assert_int_equal(net->classes, 2);
  ap_network_destroy(net);
}

/* A shift behind a layer is its bias, scale and shift behind each other one BATCHNORM that is exact;
 * a value with a second user is left alone. */
static void test_affine(void **state) {
  onnx_model m;
  (void)state;
  for (int shared = 0; shared < 2; shared++) {
    model_begin(&m);
    model_floats(&m, "w", INTS(3, 3, 1, 1), NULL);
    model_floats(&m, "s", INTS(1, 3, 1, 1), (const float[]){2, 3, 0.3f});
    model_floats(&m, "b", INTS(3, 1, 1), (const float[]){0.5f, -1, 0.7f});
    model_node(&m, "Conv", "conv", "image w", "h", NULL);
    model_node(&m, "Add", "bias", "h b", "i", NULL);
    model_node(&m, "Mul", "scale", "i s", "j", NULL);
    model_node(&m, "Sub", "shift", "j b", "k", NULL);
    model_node(&m, "Add", "sum", shared ? "k h" : "k image", "x", NULL);
    model_head(&m, "x", 3);
    ap_network *net = import(&m);
    const ap_node *conv = &net->nodes[1], *norm = &net->nodes[2];
    assert_int_equal(conv->kind, AP_NODE_CONV);
    assert_int_equal(norm->kind, AP_NODE_BATCHNORM);
    assert_true(shared == !conv->bias);
    if (conv->bias) assert_true(conv->bias[1] == -1.0f && conv->bias[2] == 0.7f);
    assert_true((double)norm->var[0] + (double)norm->epsilon == 1.0);
    assert_true(norm->var[0] + norm->epsilon == 1.0f);
    assert_string_equal(norm->name, shared ? "bias" : "scale");
    assert_true(norm->weight[0] == 2 && norm->weight[1] == 3 && norm->weight[2] == 0.3f);
    assert_true(norm->bias[0] == (shared ? 0.5f : -0.5f) && norm->bias[1] == (shared ? -2 : 1));
    ap_network_destroy(net);
  }
}

/* Slices and a Pad make one SHORTCUT; a Pad of the image joins the convolution behind it. */
static void test_pending(void **state) {
  onnx_model m;
  wire a = {0};
  (void)state;
  model_begin(&m);
  model_ints(&m, "i0", INTS(0));
  model_ints(&m, "far", INTS(INT64_MAX));
  model_ints(&m, "a2", INTS(2));
  model_ints(&m, "a3", INTS(-1));
  model_ints(&m, "s3", INTS(3));
  model_ints(&m, "c", INTS(0, 1, 0, 0, 0, 2, 0, 0));
  model_ints(&m, "p", INTS(0, 0, 1, 2, 0, 0, 3, 4));
  model_node(&m, "Slice", "h", "image i0 far a2 s3", "h", NULL);
  model_node(&m, "Slice", "v", "h i0 far a3 a2", "v", NULL);
  model_node(&m, "Pad", "channels", "v c", "k", NULL);
  model_node(&m, "Relu", "relu", "k", "r", NULL);
  model_node(&m, "Pad", "around", "r p", "q", NULL);
  model_floats(&m, "w", INTS(3, 6, 3, 3), NULL);
  attr_ints(&a, "pads", INTS(1, 0, 0, 0));
  model_node(&m, "Conv", "conv", "q w", "x", &a);
  model_head(&m, "x", 3);
  ap_network *net = import(&m);
  const ap_node *cut = &net->nodes[1], *conv = &net->nodes[3];
  assert_int_equal(cut->kind, AP_NODE_SHORTCUT);
  assert_string_equal(cut->name, "channels");
  assert_true(cut->stride_h == 3 && cut->stride_w == 2 && cut->channels_before == 1 &&
              cut->channels_after == 2 && cut->shape.h == 3 && cut->shape.w == 4);
  assert_int_equal(conv->kind, AP_NODE_CONV);
  assert_true(conv->pad_top == 2 && conv->pad_left == 2 && conv->pad_bottom == 3 &&
              conv->pad_right == 4);
  ap_network_destroy(net);
}

/* Names: empty, equal, not printable. Nodes that the output does not need are not looked at. */
static void test_names(void **state) {
  onnx_model m;
  (void)state;
  model_begin(&m);
  model_node(&m, "Mystery", "dead", "image", "unused", NULL);
  model_node(&m, "Relu", "", "image", "a", NULL);
  model_node(&m, "Relu", "same", "a", "b", NULL);
  model_node(&m, "Relu", "same", "b", "c", NULL);
  model_node(&m, "Relu", "a b\xc3\xa9\n", "c", "d", NULL);
  model_head(&m, "d", 3);
  ap_network *net = import(&m);
  assert_string_equal(net->name, "case");
  assert_string_equal(net->nodes[1].name, "Relu_1");
  assert_string_equal(net->nodes[2].name, "same");
  assert_string_equal(net->nodes[3].name, "same#3");
  assert_string_equal(net->nodes[4].name, "a_b___");
  for (int c = 0; c < 4; c++) assert_true(net->mean[c] == 0.0f && net->std[c] == 1.0f);
  ap_network_destroy(net);
}

static void model_property(onnx_model *m, const char *key, const char *value) {
  wire entry = {0};
  wire_text(&entry, 1, key);
  wire_text(&entry, 2, value);
  wire_part(&m->props, 14, &entry);
}

static void test_properties(void **state) {
  static const char *const bad[] = {"[0, 1, 1, 1]",     "[1, 1, 1]",       "1",
                                    "[1, 1, 1, \"a\"]", "[1, 1, 1, 1e99]", "[",
                                    "[1, 1, 1, -1]"};
  ap_network *net = NULL;
  onnx_model m;
  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    model_begin(&m);
    model_property(&m, "autoprune.std", bad[i]);
    model_head(&m, "image", 3);
    assert_int_equal(model_import(&m, &net, &failure), AP_ERR_FORMAT);
    assert_non_null(strstr(failure.text, "autoprune.std"));
  }
  model_begin(&m);
  model_property(&m, "autoprune.std", "[1, 0.5, 1, 1]");
  model_property(&m, "autoprune.mean", "[-1, 0.25, 0, 0]");
  model_property(&m, "other", "[");
  model_head(&m, "image", 3);
  net = import(&m);
  assert_true(net->std[1] == 0.5f && net->mean[0] == -1.0f && net->mean[1] == 0.25f);
  ap_network_destroy(net);
}

/* Every allocation in turn fails; what is left is nothing, and the old file. */
static void test_memory(void **state) {
  ap_network *net = every_kind(), *again = NULL;
  json_t *properties = json_pack("{s:s}", "note", "text");
  ap_error err;
  size_t n;
  (void)state;
  for (n = 0;; n++) {
    ap_alloc_fail_after(n);
    ap_status st = ap_onnx_export(scratch_path("m.onnx"), net, properties, false, &err);
    ap_alloc_fail_after(SIZE_MAX);
    if (!st) break;
    assert_int_equal(st, AP_ERR_MEMORY);
    assert_int_not_equal(access(scratch_path("m.onnx"), F_OK), 0);
  }
  assert_true(n > 100);
  for (n = 0;; n++) {
    ap_alloc_fail_after(n);
    ap_status st = ap_onnx_import(scratch_path("m.onnx"), &again, NULL, &err);
    ap_alloc_fail_after(SIZE_MAX);
    if (!st) break;
    /* protobuf-c does not say why it stopped */
    assert_true(st == AP_ERR_MEMORY || st == AP_ERR_FORMAT);
    assert_null(again);
  }
  assert_true(n > 100);
  ap_network_destroy(again);
  json_decref(properties);
  ap_network_destroy(net);
}

int main(void) {
  SKIP_WITHOUT_ONNX();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_round_trips), cmocka_unit_test(test_ranks),
      cmocka_unit_test(test_bytes),       cmocka_unit_test(test_flat_order),
      cmocka_unit_test(test_vector),      cmocka_unit_test(test_affine),
      cmocka_unit_test(test_pending),     cmocka_unit_test(test_names),
      cmocka_unit_test(test_properties),  cmocka_unit_test(test_memory),
  };
  return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
