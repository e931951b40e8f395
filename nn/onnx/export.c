/* nn/onnx/export.c - a network as an ONNX model: one node each, named as ours, and what joins ranks.
 *
 * Images are rank 4; LINEAR and FLATTEN give rank 2. Where a node wants the other, a Reshape stands
 * between, which reading takes for what it is: another view. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "nn/onnx.h"
#include "nn/onnx/proto_build.h"

#define OPSET 13
#define LAYERNORM_OPSET 17            /* where a node needs LayerNormalization */
#define MAX_FILE ((size_t)2147483647) /* what protobuf readers accept */

bool ap_onnx_available(void) { return true; }

typedef struct {
  const ap_network *net;
  ap_proto b;
  char **value; /* per node: the name of its output */
  int *rank;
} writer;

static bool is_named(const ap_network *net, const char *name) {
  for (size_t i = 0; i < net->n_nodes; i++) {
    if (strcmp(net->nodes[i].name, name) == 0) return true;
  }
  return false;
}

/* "NODE.PART" for what belongs to a node, with "_" behind it while a node has that name. */
static char *part(writer *w, const char *node, const char *what) {
  char *name = ap_proto_text(&w->b, "%s.%s", node, what);
  while (name && is_named(w->net, name)) name = ap_proto_text(&w->b, "%s_", name);
  return name;
}

static void reshape(writer *w, char *name, char *input, const int64_t *shape, size_t n) {
  char *inputs[2] = {input, ap_proto_text(&w->b, "%s.shape", name ? name : "")};
  ap_proto_indices(&w->b, inputs[1], shape, n);
  (void)ap_proto_node(&w->b, "Reshape", name, inputs, 2);
}

/* The k-th input of a node as a tensor of that rank. */
static char *input_of(writer *w, size_t node, size_t k, int rank) {
  size_t from = w->net->nodes[node].inputs[k];
  char what[40];
  if (w->rank[from] == rank) return w->value[from];
  const int64_t flat[] = {0, -1}, image[] = {0, -1, 1, 1};
  (void)snprintf(what, sizeof what, "input%zu", k);
  char *name = part(w, w->net->nodes[node].name, what);
  if (name) reshape(w, name, w->value[from], rank == 2 ? flat : image, rank == 2 ? 2 : 4);
  return name;
}

static void put_window(writer *w, Onnx__NodeProto *proto, const ap_node *node) {
  const size_t kernel[] = {node->kh, node->kw}, strides[] = {node->stride_h, node->stride_w};
  const size_t pads[] = {node->pad_top, node->pad_left, node->pad_bottom, node->pad_right};
  const size_t dilations[] = {node->dilation_h, node->dilation_w};
  ap_proto_ints(&w->b, proto, "kernel_shape", kernel, 2);
  if (node->dilation_h > 1 || node->dilation_w > 1)
    ap_proto_ints(&w->b, proto, "dilations", dilations, 2);
  ap_proto_ints(&w->b, proto, "pads", pads, 4);
  ap_proto_ints(&w->b, proto, "strides", strides, 2);
}

static void put_conv(writer *w, size_t i) {
  const ap_node *node = &w->net->nodes[i];
  size_t c_in = w->net->nodes[node->inputs[0]].shape.c;
  const size_t dims[] = {node->shape.c, c_in / node->groups, node->kh, node->kw};
  char *inputs[3] = {input_of(w, i, 0, 4), part(w, node->name, "weight"), NULL};
  ap_proto_floats(&w->b, inputs[1], dims, 4, node->weight);
  if (node->bias) {
    inputs[2] = part(w, node->name, "bias");
    ap_proto_floats(&w->b, inputs[2], dims, 1, node->bias);
  }
  Onnx__NodeProto *proto = ap_proto_node(&w->b, "Conv", node->name, inputs, node->bias ? 3 : 2);
  ap_proto_int(&w->b, proto, "group", (int64_t)node->groups);
  put_window(w, proto, node);
}

static void put_linear(writer *w, size_t i) {
  const ap_node *node = &w->net->nodes[i];
  const size_t dims[] = {node->shape.c, w->net->nodes[node->inputs[0]].shape.c};
  char *inputs[3] = {input_of(w, i, 0, 2), part(w, node->name, "weight"), NULL};
  ap_proto_floats(&w->b, inputs[1], dims, 2, node->weight);
  if (node->bias) {
    inputs[2] = part(w, node->name, "bias");
    ap_proto_floats(&w->b, inputs[2], dims, 1, node->bias);
  }
  Onnx__NodeProto *proto = ap_proto_node(&w->b, "Gemm", node->name, inputs, node->bias ? 3 : 2);
  ap_proto_int(&w->b, proto, "transB", 1);
}

static void put_norm(writer *w, size_t i) {
  static const char *const names[] = {"gamma", "beta", "mean", "variance"};
  const ap_node *node = &w->net->nodes[i];
  float *const values[] = {node->weight, node->bias, node->mean, node->var};
  char *inputs[5] = {w->value[node->inputs[0]]};
  for (size_t k = 0; k < 4; k++) {
    inputs[k + 1] = part(w, node->name, names[k]);
    ap_proto_floats(&w->b, inputs[k + 1], &node->shape.c, 1, values[k]);
  }
  ap_proto_float(&w->b, ap_proto_node(&w->b, "BatchNormalization", node->name, inputs, 5),
                 "epsilon", node->epsilon);
}

/* "NODE.what" of n equal values. */
static char *put_equal(writer *w, const ap_node *node, const char *what, size_t n, float value) {
  char *name = part(w, node->name, what);
  if (name) ap_proto_equal(&w->b, name, n, value);
  return name;
}

/* A node [N, groups, rest], whose result gets its shape back. */
static void put_groupnorm(writer *w, size_t i) {
  const ap_node *node = &w->net->nodes[i];
  const int64_t groups[] = {0, (int64_t)node->groups, -1};
  const int64_t shape[] = {0, (int64_t)node->shape.c, (int64_t)node->shape.h,
                           (int64_t)node->shape.w};
  char *inputs[3] = {part(w, node->name, "groups"), put_equal(w, node, "ones", node->groups, 1),
                     put_equal(w, node, "zeros", node->groups, 0)};
  if (!inputs[0] || !inputs[1] || !inputs[2]) return;
  reshape(w, inputs[0], w->value[node->inputs[0]], groups, 3);
  ap_proto_float(&w->b, ap_proto_node(&w->b, "InstanceNormalization", node->name, inputs, 3),
                 "epsilon", node->epsilon);
  char *image = part(w, node->name, "image");
  if (image) reshape(w, image, node->name, shape, w->rank[i] == 2 ? 2 : 4);
  w->value[i] = image ? image : node->name; /* NULL: out of memory, which is noted */
}

static char *transpose(writer *w, const ap_node *node, const char *what, char *input,
                       const size_t order[4]) {
  char *name = part(w, node->name, what);
  if (name)
    ap_proto_ints(&w->b, ap_proto_node(&w->b, "Transpose", name, &input, 1), "perm", order, 4);
  return name;
}

/* Over the last dimension: that of the channels, where they are moved there. */
static void put_layernorm(writer *w, size_t i) {
  static const size_t last[] = {0, 2, 3, 1}, first[] = {0, 3, 1, 2};
  const ap_node *node = &w->net->nodes[i];
  const bool image = w->rank[i] == 4;
  char *x = w->value[node->inputs[0]];
  if (image) x = transpose(w, node, "last", x, last);
  char *inputs[2] = {x, put_equal(w, node, "ones", node->shape.c, 1)};
  if (!inputs[0] || !inputs[1]) return;
  Onnx__NodeProto *proto = ap_proto_node(&w->b, "LayerNormalization", node->name, inputs, 2);
  ap_proto_int(&w->b, proto, "axis", -1);
  ap_proto_float(&w->b, proto, "epsilon", node->epsilon);
  char *back = image ? transpose(w, node, "image", node->name, first) : node->name;
  w->value[i] = back ? back : node->name;
}

static void put_relu(writer *w, size_t i) {
  const ap_node *node = &w->net->nodes[i];
  char *inputs[3] = {w->value[node->inputs[0]]};
  if (isinf(node->ceiling)) {
    (void)ap_proto_node(&w->b, "Relu", node->name, inputs, 1);
    return;
  }
  inputs[1] = part(w, node->name, "min");
  inputs[2] = part(w, node->name, "max");
  ap_proto_number(&w->b, inputs[1], 0);
  ap_proto_number(&w->b, inputs[2], node->ceiling);
  (void)ap_proto_node(&w->b, "Clip", node->name, inputs, 3);
}

static void put_padding(writer *w, const ap_node *node, char *from, const int64_t amounts[8]) {
  char *inputs[2] = {from, part(w, node->name, "pads")};
  ap_proto_indices(&w->b, inputs[1], amounts, 8);
  (void)ap_proto_node(&w->b, "Pad", node->name, inputs, 2);
}

static void put_pool(writer *w, size_t i) {
  const ap_node *node = &w->net->nodes[i];
  ap_shape3 in = w->net->nodes[node->inputs[0]].shape;
  char *inputs[1] = {input_of(w, i, 0, 4)};
  if (ap_node_pads(node)) {
    put_padding(w, node, inputs[0],
                (const int64_t[8]){0, 0, (int64_t)node->pad_top, (int64_t)node->pad_left, 0, 0,
                                   (int64_t)node->pad_bottom, (int64_t)node->pad_right});
    return;
  }
  bool average = node->kind == AP_NODE_AVGPOOL;
  bool padded = node->pad_top || node->pad_left || node->pad_bottom || node->pad_right;
  if (average && node->kh == in.h && node->kw == in.w && !padded && !node->count_padding &&
      node->stride_h == 1 && node->stride_w == 1) {
    (void)ap_proto_node(&w->b, "GlobalAveragePool", node->name, inputs, 1);
    return;
  }
  Onnx__NodeProto *proto =
      ap_proto_node(&w->b, average ? "AveragePool" : "MaxPool", node->name, inputs, 1);
  if (average) ap_proto_int(&w->b, proto, "count_include_pad", node->count_padding);
  put_window(w, proto, node);
}

/* Slice for the stride, Pad for the channels; the last of them has the node's name. */
static void put_shortcut(writer *w, size_t i) {
  const ap_node *node = &w->net->nodes[i];
  ap_shape3 in = w->net->nodes[node->inputs[0]].shape;
  bool slices = node->stride_h != 1 || node->stride_w != 1;
  bool pads = node->channels_before || node->channels_after;
  char *at = input_of(w, i, 0, 4);
  const int64_t tables[4][2] = {{0, 0},
                                {(int64_t)in.h, (int64_t)in.w},
                                {2, 3},
                                {(int64_t)node->stride_h, (int64_t)node->stride_w}};
  static const char *const names[] = {"starts", "ends", "axes", "steps"};
  if (slices) {
    char *inputs[5] = {at}, *name = pads ? part(w, node->name, "slice") : node->name;
    for (size_t k = 0; k < 4; k++) {
      inputs[k + 1] = part(w, node->name, names[k]);
      ap_proto_indices(&w->b, inputs[k + 1], tables[k], 2);
    }
    if (name) (void)ap_proto_node(&w->b, "Slice", name, inputs, 5);
    at = name;
  }
  if (pads) {
    put_padding(w, node, at,
                (const int64_t[8]){0, (int64_t)node->channels_before, 0, 0, 0,
                                   (int64_t)node->channels_after, 0, 0});
  }
  if (!slices && !pads) (void)ap_proto_node(&w->b, "Identity", node->name, &at, 1);
}

/* ADD, MULTIPLY and CONCAT: of one rank, an image's where there is any. */
static void put_join(writer *w, size_t i) {
  const ap_node *node = &w->net->nodes[i];
  char **inputs = ap_calloc(node->n_inputs, sizeof *inputs);
  int rank = 2;
  for (size_t k = 0; k < node->n_inputs; k++) {
    if (w->rank[node->inputs[k]] == 4) rank = 4;
  }
  w->b.failed = w->b.failed || !inputs;
  for (size_t k = 0; inputs && k < node->n_inputs; k++) inputs[k] = input_of(w, i, k, rank);
  const char *op = node->kind == AP_NODE_ADD        ? "Add"
                   : node->kind == AP_NODE_MULTIPLY ? "Mul"
                                                    : "Concat";
  Onnx__NodeProto *proto =
      inputs ? ap_proto_node(&w->b, op, node->name, inputs, node->n_inputs) : NULL;
  if (node->kind == AP_NODE_CONCAT) ap_proto_int(&w->b, proto, "axis", 1);
  w->rank[i] = rank;
  ap_free(inputs);
}

/* y = x * number, x + number */
static char *put_number(writer *w, const char *op, const ap_node *node, const char *name, char *x,
                        float number) {
  char text[64], *inputs[2] = {x, NULL}, *y = part(w, node->name, name);
  (void)snprintf(text, sizeof text, "%s_by", name);
  inputs[1] = part(w, node->name, text);
  ap_proto_number(&w->b, inputs[1], number);
  if (y) (void)ap_proto_node(&w->b, op, y, inputs, 2);
  return y;
}

/* y = op(x) */
static char *put_part(writer *w, const char *op, const ap_node *node, const char *name, char *x) {
  char *y = part(w, node->name, name);
  if (y) (void)ap_proto_node(&w->b, op, y, &x, 1);
  return y;
}

/* Where ONNX has no operator of opset 13 for the curve, one node of several has its name: the one that becomes the
 * curve again. */
static void put_curve(writer *w, size_t i) {
  const ap_node *node = &w->net->nodes[i];
  char *x = w->value[node->inputs[0]], *before = NULL;
  switch (node->curve) {
    case AP_CURVE_NORMAL: /* (1 + erf(x / sqrt(2))) / 2 */
      before = put_number(w, "Mul", node, "scaled", x, 0.70710678f);
      if (before) (void)ap_proto_node(&w->b, "Erf", node->name, &before, 1);
      x = put_number(w, "Add", node, "raised", node->name, 1);
      if (x) x = put_number(w, "Mul", node, "halved", x, 0.5f);
      w->value[i] = x ? x : node->name; /* NULL: out of memory, which is noted */
      break;
    case AP_CURVE_DECAY: { /* exp(min(x, 0)) */
      char *bounds[2] = {x, part(w, node->name, "most")};
      ap_proto_number(&w->b, bounds[1], 0);
      before = part(w, node->name, "lowered");
      if (before) (void)ap_proto_node(&w->b, "Min", before, bounds, 2);
      if (before) (void)ap_proto_node(&w->b, "Exp", node->name, &before, 1);
      break;
    }
    case AP_CURVE_MISH: /* tanh(log(1 + exp(x))) */
      before = part(w, node->name, "softplus");
      if (before) (void)ap_proto_node(&w->b, "Softplus", before, &x, 1);
      if (before) (void)ap_proto_node(&w->b, "Tanh", node->name, &before, 1);
      break;
    case AP_CURVE_BEND: /* log(1 + exp(-|x|)) */
      before = put_part(w, "Abs", node, "absolute", x);
      before = before ? put_part(w, "Neg", node, "negative", before) : NULL;
      if (before) (void)ap_proto_node(&w->b, "Softplus", node->name, &before, 1);
      break;
    case AP_CURVE_NEAR: /* 1 / (1 + |x|) */
      before = put_part(w, "Abs", node, "absolute", x);
      before = before ? put_number(w, "Add", node, "raised", before, 1) : NULL;
      if (before) (void)ap_proto_node(&w->b, "Reciprocal", node->name, &before, 1);
      break;
    case AP_CURVE_FADE: { /* (1 + |x|)^(-3/4) */
      char *base[2] = {put_part(w, "Abs", node, "absolute", x), part(w, node->name, "power")};
      ap_proto_number(&w->b, base[1], -0.75f);
      base[0] = base[0] ? put_number(w, "Add", node, "raised", base[0], 1) : NULL;
      if (base[0]) (void)ap_proto_node(&w->b, "Pow", node->name, base, 2);
      break;
    }
    default:
      (void)ap_proto_node(&w->b, "Sigmoid", node->name, &x, 1);
      break;
  }
}

static void put_gather(writer *w, size_t i) {
  const ap_node *node = &w->net->nodes[i];
  char *inputs[2] = {w->value[node->inputs[0]], part(w, node->name, "channels")};
  int64_t *channels = ap_calloc(node->shape.c, sizeof *channels);
  w->b.failed = w->b.failed || !channels;
  for (size_t c = 0; channels && c < node->shape.c; c++) channels[c] = (int64_t)node->picks[c];
  if (channels) ap_proto_indices(&w->b, inputs[1], channels, node->shape.c);
  ap_proto_int(&w->b, ap_proto_node(&w->b, "Gather", node->name, inputs, 2), "axis", 1);
  ap_free(channels);
}

static void put_flatten(writer *w, size_t i) {
  const ap_node *node = &w->net->nodes[i];
  char *inputs[1] = {input_of(w, i, 0, 4)};
  ap_proto_int(&w->b, ap_proto_node(&w->b, "Flatten", node->name, inputs, 1), "axis", 1);
}

static void put_node(writer *w, size_t i) {
  const ap_node *node = &w->net->nodes[i];
  bool flat = node->kind == AP_NODE_LINEAR || node->kind == AP_NODE_FLATTEN;
  bool same = node->kind == AP_NODE_RELU || node->kind == AP_NODE_BATCHNORM ||
              node->kind == AP_NODE_CURVE || node->kind == AP_NODE_GATHER || ap_node_is_norm(node);
  w->value[i] = node->name;
  w->rank[i] = flat ? 2 : same ? w->rank[node->inputs[0]] : 4;
  switch (node->kind) {
    case AP_NODE_CONV:
      put_conv(w, i);
      break;
    case AP_NODE_LINEAR:
      put_linear(w, i);
      break;
    case AP_NODE_BATCHNORM:
      put_norm(w, i);
      break;
    case AP_NODE_GROUPNORM:
      put_groupnorm(w, i);
      break;
    case AP_NODE_LAYERNORM:
      put_layernorm(w, i);
      break;
    case AP_NODE_RELU:
      put_relu(w, i);
      break;
    case AP_NODE_MAXPOOL:
    case AP_NODE_AVGPOOL:
      put_pool(w, i);
      break;
    case AP_NODE_SHORTCUT:
      put_shortcut(w, i);
      break;
    case AP_NODE_CURVE:
      put_curve(w, i);
      break;
    case AP_NODE_GATHER:
      put_gather(w, i);
      break;
    case AP_NODE_ADD:
    case AP_NODE_MULTIPLY:
    case AP_NODE_CONCAT:
      put_join(w, i);
      break;
    case AP_NODE_FLATTEN:
      put_flatten(w, i);
      break;
    case AP_NODE_INPUT:
    case AP_NODE_KINDS:
      break;
  }
}

static void put_graph(writer *w) {
  const ap_network *net = w->net;
  size_t last = net->n_nodes - 1;
  const ap_shape3 in = net->nodes[0].shape, out = net->nodes[last].shape;
  const size_t input[] = {in.c, in.h, in.w}, output[] = {out.c, out.h, out.w};
  const int64_t flat[] = {0, -1};
  ap_proto_input(&w->b, net->nodes[0].name, input, 3);
  w->value[0] = net->nodes[0].name;
  w->rank[0] = 4;
  for (size_t i = 1; i < net->n_nodes; i++) put_node(w, i);
  char *name = w->value[last];
  bool scores = out.h == 1 && out.w == 1;
  if (scores && w->rank[last] == 4) {
    name = part(w, name, "scores");
    if (name) reshape(w, name, w->value[last], flat, 2);
  }
  if (name) ap_proto_output(&w->b, name, output, scores ? 1 : 3);
}

/* ---- what the file says of itself ---- */

static ap_status put_json(writer *w, const char *key, const json_t *value, ap_error *err) {
  char name[160];
  char *text = NULL;
  (void)snprintf(name, sizeof name, "autoprune.%.140s", key);
  if (json_is_string(value)) {
    ap_proto_property(&w->b, name, json_string_value(value));
    return AP_OK;
  }
  text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(17)) : NULL;
  if (!text) return ap_fail(err, AP_ERR_MEMORY, "property %s", key);
  ap_proto_property(&w->b, name, text);
  free(text);
  return AP_OK;
}

static ap_status put_four(writer *w, const char *key, const float values[4], ap_error *err) {
  json_t *array = json_pack("[f, f, f, f]", (double)values[0], (double)values[1], (double)values[2],
                            (double)values[3]);
  ap_status st = put_json(w, key, array, err);
  json_decref(array);
  return st;
}

/* Bits of each layer's weights, 0 for the hardware's; nothing where all are. */
static ap_status put_weight_bits(writer *w, ap_error *err) {
  const ap_network *net = w->net;
  json_t *array = json_array();
  bool own = false, bad = !array;
  for (size_t i = 0; i < net->n_nodes && !bad; i++) {
    const ap_node_kind kind = net->nodes[i].kind;
    if (kind != AP_NODE_CONV && kind != AP_NODE_LINEAR) continue;
    own = own || net->nodes[i].weight_bits > 0;
    bad = json_array_append_new(array, json_integer((json_int_t)net->nodes[i].weight_bits)) != 0;
  }
  ap_status st = bad ? ap_fail(err, AP_ERR_MEMORY, "property weight_bits") : AP_OK;
  if (!st && own) st = put_json(w, "weight_bits", array, err);
  json_decref(array);
  return st;
}

static ap_status put_properties(writer *w, const json_t *properties, ap_error *err) {
  char hash[65];
  const char *key;
  json_t *value, *each = properties ? json_deep_copy(properties) : NULL;
  ap_status st = ap_network_hash(w->net, hash, err);
  if (!st) ap_proto_property(&w->b, "autoprune.sha256", hash);
  if (!st) st = put_four(w, "mean", w->net->mean, err);
  if (!st) st = put_four(w, "std", w->net->std, err);
  if (!st) st = put_weight_bits(w, err);
  json_object_foreach(each, key, value) {
    if (!st) st = put_json(w, key, value, err);
  }
  json_decref(each);
  return st;
}

static ap_status save(writer *w, const char *path, bool force, ap_error *err) {
  size_t size = onnx__model_proto__get_packed_size(w->b.model);
  if (size > MAX_FILE)
    return ap_fail(err, AP_ERR_UNSUPPORTED, "%s: %zu bytes, ONNX files end at %zu", path, size,
                   MAX_FILE);
  uint8_t *bytes = ap_calloc(size, 1);
  if (!bytes) return ap_fail(err, AP_ERR_MEMORY, "%s: %zu bytes", path, size);
  (void)onnx__model_proto__pack(w->b.model, bytes);
  ap_status st = ap_file_write(path, bytes, size, force, err);
  ap_free(bytes);
  return st;
}

ap_status ap_onnx_export(const char *path, const ap_network *net, const json_t *properties,
                         bool force, ap_error *err) {
  writer w = {.net = net};
  ap_status st = AP_OK;
  if (properties && !json_is_object(properties))
    return ap_fail(err, AP_ERR_ARG, "%s: the properties are no JSON object", path);
  int64_t opset = OPSET;
  for (size_t i = 0; i < net->n_nodes; i++)
    if (net->nodes[i].kind == AP_NODE_LAYERNORM) opset = LAYERNORM_OPSET;
  ap_proto_init(&w.b, net->name, opset);
  w.value = ap_calloc(net->n_nodes, sizeof *w.value);
  w.rank = ap_calloc(net->n_nodes, sizeof *w.rank);
  if (w.b.failed || !w.value || !w.rank) {
    st = ap_fail(err, AP_ERR_MEMORY, "%s: model", path);
    goto done;
  }
  st = put_properties(&w, properties, err);
  if (st) goto done;
  put_graph(&w);
  st = w.b.failed ? ap_fail(err, AP_ERR_MEMORY, "%s: model", path) : save(&w, path, force, err);
done:
  ap_proto_release(&w.b);
  ap_free(w.value);
  ap_free(w.rank);
  return st;
}
