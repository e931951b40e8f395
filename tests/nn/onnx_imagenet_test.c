/* Networks for 224 x 224 images: written, read, and counted against what is published. Convolution and
 * linear weights and their MACs are those of torchvision's tables (resnet18 11.69 M parameters and
 * 1.81 G, resnet50 25.56 M and 4.09 G) and of Howard et al. 2017, table 4 (MobileNet 4.2 M, 569 M):
 *   resnet18  11,689,512 parameters, 1,814,073,344 MACs
 *   resnet50  25,557,032 parameters, 4,089,184,256 MACs
 *   mobilenet  4,231,976 parameters,   568,740,352 MACs */
#include "base/rng.h"
#include "tests/nn/onnx_writer.h"

typedef struct {
  ap_network *net;
  size_t last;
} builder;

static size_t put(builder *b, ap_node node, const char *name, size_t a, size_t c) {
  size_t inputs[2] = {a, c};
  ap_error err;
  char text[64];
  (void)snprintf(text, sizeof text, "%s.%zu", name, b->net->n_nodes);
  node.name = text;
  node.inputs = inputs;
  node.n_inputs = node.kind == AP_NODE_ADD ? 2 : 1;
  if (ap_network_append(b->net, &node, &b->last, &err)) fail_msg("%s", err.text);
  return b->last;
}

/* Convolution without bias, its normalisation, ReLU if wanted (6: clipped). */
static void conv(builder *b, size_t c, size_t k, size_t stride, size_t groups, float relu) {
  size_t pad = k / 2;
  put(b,
      (ap_node){.kind = AP_NODE_CONV,
                .shape.c = c,
                .kh = k,
                .kw = k,
                .stride_h = stride,
                .stride_w = stride,
                .pad_top = pad,
                .pad_left = pad,
                .pad_bottom = pad,
                .pad_right = pad,
                .groups = groups},
      "conv", b->last, 0);
  put(b, (ap_node){.kind = AP_NODE_BATCHNORM}, "bn", b->last, 0);
  if (relu > 0)
    put(b, (ap_node){.kind = AP_NODE_RELU, .ceiling = relu < 6 ? 0 : relu}, "relu", b->last, 0);
}

static void block(builder *b, size_t c, size_t stride, size_t expansion) {
  size_t from = b->last, main_path;
  bool bottleneck = expansion > 1;
  if (bottleneck) conv(b, c, 1, 1, 1, 1);
  conv(b, c, 3, stride, 1, 1);
  conv(b, c * expansion, bottleneck ? 1 : 3, 1, 1, 0);
  main_path = b->last;
  b->last = from;
  if (stride != 1 || b->net->nodes[from].shape.c != c * expansion)
    conv(b, c * expansion, 1, stride, 1, 0);
  put(b, (ap_node){.kind = AP_NODE_ADD}, "add", main_path, b->last);
  put(b, (ap_node){.kind = AP_NODE_RELU}, "relu", b->last, 0);
}

static void head(builder *b) {
  float *bias = calloc(1000, sizeof *bias);
  assert_non_null(bias);
  put(b, (ap_node){.kind = AP_NODE_AVGPOOL, .kh = 7, .kw = 7}, "pool", b->last, 0);
  put(b, (ap_node){.kind = AP_NODE_FLATTEN}, "flatten", b->last, 0);
  put(b, (ap_node){.kind = AP_NODE_LINEAR, .shape.c = 1000, .bias = bias}, "fc", b->last, 0);
  free(bias);
}

static void resnet(builder *b, const size_t counts[4], size_t expansion) {
  conv(b, 64, 7, 2, 1, 1);
  put(b,
      (ap_node){.kind = AP_NODE_MAXPOOL,
                .kh = 3,
                .kw = 3,
                .stride_h = 2,
                .stride_w = 2,
                .pad_top = 1,
                .pad_left = 1,
                .pad_bottom = 1,
                .pad_right = 1},
      "pool", b->last, 0);
  for (size_t stage = 0; stage < 4; stage++) {
    for (size_t i = 0; i < counts[stage]; i++)
      block(b, (size_t)64 << stage, stage > 0 && i == 0 ? 2 : 1, expansion);
  }
  head(b);
}

static void resnet18(builder *b) { resnet(b, (const size_t[4]){2, 2, 2, 2}, 1); }
static void resnet50(builder *b) { resnet(b, (const size_t[4]){3, 4, 6, 3}, 4); }

static void mobilenet(builder *b) {
  static const size_t blocks[13][2] = {{64, 1},  {128, 2},  {128, 1}, {256, 2}, {256, 1},
                                       {512, 2}, {512, 1},  {512, 1}, {512, 1}, {512, 1},
                                       {512, 1}, {1024, 2}, {1024, 1}};
  conv(b, 32, 3, 2, 1, 6);
  for (size_t i = 0; i < 13; i++) {
    size_t c = b->net->nodes[b->last].shape.c;
    conv(b, c, 3, blocks[i][1], c, 6);
    conv(b, blocks[i][0], 1, 1, 1, 6);
  }
  head(b);
}

/* Weights that are all different from 0. */
static void fill(ap_network *net) {
  ap_rng rng;
  ap_rng_seed(&rng, 1, 0);
  for (size_t i = 0; i < net->n_nodes; i++) {
    ap_node *node = &net->nodes[i];
    if (node->kind != AP_NODE_CONV && node->kind != AP_NODE_LINEAR) continue;
    for (size_t j = 0; j < ap_node_weight_count(net, i); j++)
      node->weight[j] = 0.05f * (float)(ap_rng_uniform(&rng) - 0.5) + 0.001f;
  }
}

static const struct {
  const char *name;
  void (*build)(builder *b);
  size_t parameters, macs, layers;
} cases[] = {{"resnet18", resnet18, 11689512, 1814073344, 21},
             {"resnet50", resnet50, 25557032, 4089184256, 54},
             {"mobilenet", mobilenet, 4231976, 568740352, 28}};

static void test_networks(void **state) {
  ap_error err;
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    builder b = {0};
    ap_network *again = NULL;
    char left[65], right[65], file[32];
    print_message("%s\n", cases[i].name);
    (void)snprintf(file, sizeof file, "%s.onnx", cases[i].name);
    assert_int_equal(ap_network_create(cases[i].name, (ap_shape3){3, 224, 224}, &b.net, &err),
                     AP_OK);
    cases[i].build(&b);
    fill(b.net);
    assert_int_equal(ap_onnx_export(scratch_path(file), b.net, NULL, false, &err), AP_OK);
    if (ap_onnx_import(scratch_path(file), &again, NULL, &err)) fail_msg("%s", err.text);
    assert_int_equal(ap_network_parameters(again), cases[i].parameters);
    assert_int_equal(ap_network_macs(again), cases[i].macs);
    assert_int_equal(ap_network_layers(again, NULL, 0), cases[i].layers);
    assert_int_equal(ap_network_hash(b.net, left, NULL), AP_OK);
    assert_int_equal(ap_network_hash(again, right, NULL), AP_OK);
    assert_string_equal(left, right);
    ap_network_destroy(again);
    ap_network_destroy(b.net);
  }
}

/* With a name: writes that network to a file, for the tests of the command. */
static int write_network(const char *name, const char *path) {
  ap_error err;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    builder b = {0};
    if (strcmp(cases[i].name, name) != 0) continue;
    if (ap_network_create(name, (ap_shape3){3, 224, 224}, &b.net, &err)) return 1;
    cases[i].build(&b);
    fill(b.net);
    int failed = ap_onnx_export(path, b.net, NULL, true, &err) != AP_OK;
    ap_network_destroy(b.net);
    return failed;
  }
  return 2;
}

int main(int argc, char **argv) {
  SKIP_WITHOUT_ONNX();
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_networks)};
  if (argc == 3) return write_network(argv[1], argv[2]);
  return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
