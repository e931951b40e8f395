/* nn/builtin.c - the built-in networks, in their CIFAR forms.
 *
 * Sources: LeNet-5 in the 20-50-500-10 form of Caffe's example (LeCun et al. 1998 for the name),
 * with a ReLU after each convolution added; ResNet 6n+2 with option A shortcuts (He et al. 2016,
 * section 4.2; resnet8 is n = 1); ResNet-18 with projection shortcuts and a 3x3 first layer for
 * small images; VGG-16 (Simonyan and Zisserman 2015, configuration D) with batch normalisation and
 * one linear layer. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "nn/network.h"

typedef struct {
  ap_network *net;
  double factor; /* of hidden channels */
  size_t last;   /* the node that the next one follows */
  ap_status st;  /* of the first failure: later calls do nothing */
  ap_error *err;
} builder;

typedef struct {
  const char *name;
  size_t stages, blocks, first; /* stages 0: not a ResNet */
  bool projection;
} structure;

static size_t scaled(const builder *b, size_t channels) {
  double wanted = floor((double)channels * b->factor + 0.5);
  return wanted < 1.0 ? 1 : (size_t)wanted;
}

/* Appends `node`, named prefix + suffix, behind input (and input2 for ADD); it becomes b->last. */
static void put(builder *b, const char *prefix, const char *suffix, ap_node node, size_t input,
                size_t input2) {
  char name[96];
  size_t inputs[2] = {input, input2};
  if (b->st) return;
  (void)snprintf(name, sizeof name, "%s%s", prefix, suffix);
  node.name = name;
  node.inputs = inputs;
  node.n_inputs = node.kind == AP_NODE_ADD ? 2 : 1;
  b->st = ap_network_append(b->net, &node, &b->last, b->err);
}

static void put_simple(builder *b, const char *prefix, const char *suffix, ap_node_kind kind) {
  put(b, prefix, suffix, (ap_node){.kind = kind}, b->last, 0);
}

/* Convolution without bias, "same" padding, then batch normalisation. */
static void conv_norm(builder *b, const char *prefix, const char *conv, const char *norm, size_t c,
                      size_t kernel, size_t stride) {
  ap_node node = {.kind = AP_NODE_CONV,
                  .shape.c = c,
                  .kh = kernel,
                  .kw = kernel,
                  .stride_h = stride,
                  .stride_w = stride};
  node.pad_top = node.pad_left = node.pad_bottom = node.pad_right = kernel / 2;
  put(b, prefix, conv, node, b->last, 0);
  put_simple(b, prefix, norm, AP_NODE_BATCHNORM);
}

static void pool(builder *b, const char *name, ap_node_kind kind, size_t h, size_t w,
                 size_t stride) {
  ap_node node = {.kind = kind, .kh = h, .kw = w, .stride_h = stride, .stride_w = stride};
  put(b, name, "", node, b->last, 0);
}

/* A node with a bias, which starts as zeros. */
static void put_biased(builder *b, const char *name, ap_node node) {
  if (b->st) return;
  node.bias = ap_calloc(node.shape.c, sizeof *node.bias);
  if (!node.bias) {
    b->st = ap_fail(b->err, AP_ERR_MEMORY, "%s: bias", name);
    return;
  }
  put(b, name, "", node, b->last, 0);
  ap_free(node.bias);
}

static void linear(builder *b, const char *name, size_t c) {
  put_biased(b, name, (ap_node){.kind = AP_NODE_LINEAR, .shape.c = c});
}

static void global_average(builder *b) {
  if (b->st) return;
  ap_shape3 shape = b->net->nodes[b->last].shape;
  pool(b, "pool", AP_NODE_AVGPOOL, shape.h, shape.w, 1);
}

static void build_lenet5(builder *b, size_t classes) {
  static const size_t channels[2] = {20, 50};
  static const char *const convs[2] = {"conv1", "conv2"}, *const pools[2] = {"pool1", "pool2"};
  for (size_t i = 0; i < 2; i++) {
    ap_node node = {.kind = AP_NODE_CONV, .shape.c = scaled(b, channels[i]), .kh = 5, .kw = 5};
    put_biased(b, convs[i], node);
    put_simple(b, convs[i], ".relu", AP_NODE_RELU);
    pool(b, pools[i], AP_NODE_MAXPOOL, 2, 2, 2);
  }
  put_simple(b, "flatten", "", AP_NODE_FLATTEN);
  linear(b, "fc1", scaled(b, 500));
  put_simple(b, "fc1", ".relu", AP_NODE_RELU);
  linear(b, "fc2", classes);
}

static void basic_block(builder *b, const char *prefix, size_t c, size_t stride, bool projection) {
  size_t from = b->last, main_path;
  conv_norm(b, prefix, ".conv1", ".bn1", c, 3, stride);
  put_simple(b, prefix, ".relu1", AP_NODE_RELU);
  conv_norm(b, prefix, ".conv2", ".bn2", c, 3, 1);
  if (b->st) return;
  main_path = b->last;
  b->last = from;
  size_t have = b->net->nodes[from].shape.c;
  if (stride != 1 || have != c) {
    if (projection) {
      conv_norm(b, prefix, ".project", ".project_bn", c, 1, stride);
    } else {
      ap_node node = {.kind = AP_NODE_SHORTCUT,
                      .stride_h = stride,
                      .stride_w = stride,
                      .channels_before = (c - have) / 2,
                      .channels_after = c - have - (c - have) / 2};
      put(b, prefix, ".shortcut", node, b->last, 0);
    }
  }
  put(b, prefix, ".add", (ap_node){.kind = AP_NODE_ADD}, main_path, b->last);
  put_simple(b, prefix, ".relu2", AP_NODE_RELU);
}

static void build_resnet(builder *b, size_t classes, const structure *form) {
  conv_norm(b, "conv1", "", ".bn", scaled(b, form->first), 3, 1);
  put_simple(b, "conv1", ".relu", AP_NODE_RELU);
  for (size_t s = 0; s < form->stages; s++) {
    for (size_t i = 0; i < form->blocks; i++) {
      char prefix[64];
      (void)snprintf(prefix, sizeof prefix, "stage%zu.block%zu", s + 1, i + 1);
      basic_block(b, prefix, scaled(b, form->first << s), s > 0 && i == 0 ? 2 : 1,
                  form->projection);
    }
  }
  global_average(b);
  linear(b, "fc", classes);
}

static void build_vgg16(builder *b, size_t classes) {
  static const size_t stages[5][3] = {
      {64, 64, 0}, {128, 128, 0}, {256, 256, 256}, {512, 512, 512}, {512, 512, 512}};
  for (size_t s = 0; s < 5; s++) {
    char prefix[64];
    for (size_t i = 0; i < 3 && stages[s][i]; i++) {
      (void)snprintf(prefix, sizeof prefix, "conv%zu_%zu", s + 1, i + 1);
      conv_norm(b, prefix, "", ".bn", scaled(b, stages[s][i]), 3, 1);
      put_simple(b, prefix, ".relu", AP_NODE_RELU);
    }
    (void)snprintf(prefix, sizeof prefix, "pool%zu", s + 1);
    pool(b, prefix, AP_NODE_MAXPOOL, 2, 2, 2);
  }
  if (b->st) return;
  ap_shape3 shape = b->net->nodes[b->last].shape;
  if (shape.h != 1 || shape.w != 1) global_average(b);
  linear(b, "fc", classes);
}

/* Weights normal with variance gain / fan-in, from a stream per node. */
static void initialise(ap_network *net, uint64_t seed) {
  for (size_t i = 0; i < net->n_nodes; i++) {
    ap_node *node = &net->nodes[i];
    if (node->kind != AP_NODE_CONV && node->kind != AP_NODE_LINEAR) continue;
    size_t count = ap_node_weight_count(net, i);
    double gain = i + 1 == net->n_nodes ? 1.0 : 2.0;
    double sigma = sqrt(gain / (double)(count / node->shape.c));
    ap_rng rng;
    ap_rng_seed(&rng, seed, i);
    for (size_t j = 0; j < count; j++) node->weight[j] = (float)(sigma * ap_rng_normal(&rng));
  }
}

static const structure *find_structure(const char *name, size_t length) {
  static const structure known[] = {{"lenet5", 0, 0, 0, false},    {"resnet8", 3, 1, 16, false},
                                    {"resnet20", 3, 3, 16, false}, {"resnet32", 3, 5, 16, false},
                                    {"resnet56", 3, 9, 16, false}, {"resnet18", 4, 2, 64, true},
                                    {"vgg16", 0, 0, 0, false}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (strlen(known[i].name) == length && strncmp(known[i].name, name, length) == 0)
      return &known[i];
  }
  return NULL;
}

/* The factor behind ':' (1 without). */
static ap_status parse_factor(const char *name, size_t *length, double *factor, ap_error *err) {
  const char *colon = strchr(name, ':');
  char *end = NULL;
  *length = colon ? (size_t)(colon - name) : strlen(name);
  *factor = 1.0;
  if (!colon) return AP_OK;
  errno = 0;
  *factor = strtod(colon + 1, &end);
  if (end == colon + 1 || *end || errno || !(*factor >= 1.0 / 64.0 && *factor <= 8.0))
    return ap_fail(err, AP_ERR_ARG, "%s: the factor behind ':' must be a number in 1/64..8", name);
  return AP_OK;
}

ap_status ap_network_builtin(const char *name, ap_shape3 input, size_t classes, uint64_t seed,
                             ap_network **out, ap_error *err) {
  builder b = {.err = err};
  size_t length;
  *out = NULL;
  if (!name) return ap_fail(err, AP_ERR_ARG, "a network needs a name");
  if (classes < 1) return ap_fail(err, AP_ERR_ARG, "%s: 0 classes", name);
  b.st = parse_factor(name, &length, &b.factor, err);
  if (b.st) return b.st;
  const structure *s = find_structure(name, length);
  if (!s)
    return ap_fail(err, AP_ERR_ARG,
                   "%s: no such network; known are lenet5, resnet8, resnet20, resnet32, resnet56, "
                   "resnet18 and vgg16, each also with a factor as in vgg16:0.5",
                   name);
  b.st = ap_network_create(name, input, &b.net, err);
  if (b.st) return b.st;
  if (s->stages) {
    build_resnet(&b, classes, s);
  } else if (strcmp(s->name, "lenet5") == 0) {
    build_lenet5(&b, classes);
  } else {
    build_vgg16(&b, classes);
  }
  if (b.st) {
    ap_network_destroy(b.net);
    return ap_fail_context(err, b.st, "%s on images of %zu x %zu x %zu", name, input.c, input.h,
                           input.w);
  }
  initialise(b.net, seed);
  *out = b.net;
  return AP_OK;
}
