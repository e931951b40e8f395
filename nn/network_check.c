/* nn/network_check.c - is a node possible behind its inputs, and which shape does it have? */
#include <math.h>
#include <string.h>

#include "nn/network_impl.h"

/* a * b, or 0 where it is above AP_NETWORK_MAX_VALUES. */
static size_t product(size_t a, size_t b) {
  return a && b <= AP_NETWORK_MAX_VALUES / a ? a * b : 0;
}

bool ap_shape_fits(ap_shape3 shape) { return product(product(shape.c, shape.h), shape.w) > 0; }

size_t ap_node_weights(const ap_node *node, const ap_node *from) {
  switch (node->kind) {
    case AP_NODE_CONV:
      return node->shape.c * (from->shape.c / node->groups) * node->kh * node->kw;
    case AP_NODE_LINEAR:
      return node->shape.c * from->shape.c;
    case AP_NODE_BATCHNORM:
      return node->shape.c;
    default:
      return 0;
  }
}

static ap_status check_name(const ap_network *net, const ap_node *node, ap_error *err) {
  const char *name = node->name;
  if (!name || !*name)
    return ap_fail(err, AP_ERR_ARG, "%s: node %zu has no name", net->name, net->n_nodes);
  if (strnlen(name, AP_NETWORK_MAX_NAME + 1) > AP_NETWORK_MAX_NAME)
    return ap_fail(err, AP_ERR_ARG, "%s: the name of node %zu has more than %d bytes", net->name,
                   net->n_nodes, AP_NETWORK_MAX_NAME);
  for (const char *c = name; *c; c++) {
    if (*c <= ' ' || *c > '~')
      return ap_fail(err, AP_ERR_ARG,
                     "%s: the name of node %zu has byte 0x%02x, want printable ASCII", net->name,
                     net->n_nodes, (unsigned)(unsigned char)*c);
  }
  for (size_t i = 0; i < net->n_nodes; i++) {
    if (strcmp(net->nodes[i].name, name) == 0)
      return ap_fail(err, AP_ERR_ARG, "%s: nodes %zu and %zu are both named %s", net->name, i,
                     net->n_nodes, name);
  }
  return AP_OK;
}

static ap_status check_inputs(const ap_network *net, const ap_node *node, ap_error *err) {
  size_t want = node->kind == AP_NODE_ADD || node->kind == AP_NODE_MULTIPLY ? 2 : 1;
  bool right = node->kind == AP_NODE_CONCAT ? node->n_inputs >= 1 : node->n_inputs == want;
  if (!right || !node->inputs)
    return ap_fail(err, AP_ERR_ARG, "%s: %s with %zu inputs, want %s%zu", node->name,
                   ap_node_type(node), node->inputs ? node->n_inputs : (size_t)0,
                   node->kind == AP_NODE_CONCAT ? "at least " : "", want);
  for (size_t i = 0; i < node->n_inputs; i++) {
    if (node->inputs[i] >= net->n_nodes)
      return ap_fail(err, AP_ERR_ARG, "%s: input %zu is node %zu, want one below %zu", node->name,
                     i, node->inputs[i], net->n_nodes);
  }
  return AP_OK;
}

/* Positions of a window of size k that moves by `stride` over n values with padding; 0: none. */
static size_t positions(size_t n, size_t before, size_t after, size_t k, size_t stride) {
  size_t most = AP_NETWORK_MAX_VALUES;
  if (before > most || after > most || k < 1 || k > n + before + after || stride > most) return 0;
  return (n + before + after - k) / stride + 1;
}

bool ap_node_pads(const ap_node *node) {
  return node->kind == AP_NODE_AVGPOOL && node->count_padding && node->kh == 1 && node->kw == 1 &&
         node->stride_h == 1 && node->stride_w == 1 && node->pad_top <= 1 &&
         node->pad_bottom <= 1 && node->pad_left <= 1 && node->pad_right <= 1 &&
         node->pad_top + node->pad_bottom + node->pad_left + node->pad_right > 0;
}

/* How far k taps reach that stand `dilation` apart; a size that fits nowhere where that is too far. */
static size_t reach(size_t k, size_t dilation) {
  size_t most = AP_NETWORK_MAX_VALUES;
  if (k < 1 || k > most || dilation > most) return SIZE_MAX;
  return (k - 1) * dilation + 1;
}

static ap_status window_shape(ap_node *node, ap_shape3 in, ap_error *err) {
  if (!node->stride_h) node->stride_h = 1;
  if (!node->stride_w) node->stride_w = 1;
  size_t rows = reach(node->kh, node->dilation_h), columns = reach(node->kw, node->dilation_w);
  if (node->kind != AP_NODE_CONV && !ap_node_pads(node) &&
      (node->pad_top >= node->kh || node->pad_bottom >= node->kh || node->pad_left >= node->kw ||
       node->pad_right >= node->kw))
    return ap_fail(err, AP_ERR_ARG,
                   "%s: padding %zu,%zu,%zu,%zu is not smaller than the %zu x %zu window",
                   node->name, node->pad_top, node->pad_left, node->pad_bottom, node->pad_right,
                   node->kh, node->kw);
  node->shape.h = positions(in.h, node->pad_top, node->pad_bottom, rows, node->stride_h);
  node->shape.w = positions(in.w, node->pad_left, node->pad_right, columns, node->stride_w);
  if (!node->shape.h || !node->shape.w)
    return ap_fail(err, AP_ERR_ARG, "%s: a %zu x %zu window does not fit its input of %zu x %zu",
                   node->name, node->kh, node->kw, in.h, in.w);
  return AP_OK;
}

static ap_status conv_shape(ap_node *node, ap_shape3 in, ap_error *err) {
  if (!node->groups) node->groups = 1;
  if (!node->dilation_h || node->kh == 1) node->dilation_h = 1; /* one tap cannot be spread */
  if (!node->dilation_w || node->kw == 1) node->dilation_w = 1;
  if (in.c % node->groups || node->shape.c % node->groups)
    return ap_fail(err, AP_ERR_ARG,
                   "%s: %zu groups do not divide %zu input and %zu output channels", node->name,
                   node->groups, in.c, node->shape.c);
  ap_status st = window_shape(node, in, err);
  if (st) return st;
  size_t k = product(product(in.c / node->groups, node->kh), node->kw);
  if (!product(k, node->shape.c))
    return ap_fail(err, AP_ERR_ARG, "%s: %zu x %zu x %zu x %zu weights: none or too many",
                   node->name, node->shape.c, in.c / node->groups, node->kh, node->kw);
  return AP_OK;
}

static ap_status linear_shape(ap_node *node, ap_shape3 in, ap_error *err) {
  if (in.h != 1 || in.w != 1)
    return ap_fail(err, AP_ERR_ARG, "%s: linear on a map of %zu x %zu, want a flat vector",
                   node->name, in.h, in.w);
  if (!product(node->shape.c, in.c))
    return ap_fail(err, AP_ERR_ARG, "%s: %zu x %zu weights: none or too many", node->name,
                   node->shape.c, in.c);
  node->kh = node->kw = node->stride_h = node->stride_w = node->groups = 1;
  node->shape.h = node->shape.w = 1;
  return AP_OK;
}

static ap_status shortcut_shape(ap_node *node, ap_shape3 in, ap_error *err) {
  size_t most = AP_NETWORK_MAX_VALUES;
  if (!node->stride_h) node->stride_h = 1;
  if (!node->stride_w) node->stride_w = 1;
  if (node->channels_before > most || node->channels_after > most)
    return ap_fail(err, AP_ERR_ARG, "%s: %zu and %zu channels of zeros: too many", node->name,
                   node->channels_before, node->channels_after);
  node->shape.c = node->channels_before + in.c + node->channels_after;
  node->shape.h = (in.h - 1) / node->stride_h + 1;
  node->shape.w = (in.w - 1) / node->stride_w + 1;
  return AP_OK;
}

bool ap_node_scales_channels(const ap_network *net, const ap_node *node) {
  if (node->kind != AP_NODE_MULTIPLY) return false;
  ap_shape3 a = net->nodes[node->inputs[0]].shape, b = net->nodes[node->inputs[1]].shape;
  return (a.h != 1 || a.w != 1) && b.h == 1 && b.w == 1;
}

bool ap_node_is_affine(const ap_node *node) {
  if (node->kind != AP_NODE_BATCHNORM) return false;
  for (size_t c = 0; c < node->shape.c; c++) {
    if (fabsf(node->mean[c]) > 0 || fabsf(node->var[c] + node->epsilon - 1) > 0) return false;
  }
  return true;
}

bool ap_network_has_statistics(const ap_network *net) {
  for (size_t i = 0; i < net->n_nodes; i++) {
    if (net->nodes[i].kind == AP_NODE_BATCHNORM && !ap_node_is_affine(&net->nodes[i])) return true;
  }
  return false;
}

static ap_status gather_shape(ap_node *node, ap_shape3 in, ap_error *err) {
  if (!node->picks || node->shape.c == 0)
    return ap_fail(err, AP_ERR_ARG, "%s: gather of no channels", node->name);
  for (size_t i = 0; i < node->shape.c; i++) {
    if (node->picks[i] >= in.c)
      return ap_fail(err, AP_ERR_ARG, "%s: pick %zu is channel %zu of %zu", node->name, i,
                     node->picks[i], in.c);
  }
  node->shape.h = in.h;
  node->shape.w = in.w;
  return AP_OK;
}

/* ADD, MULTIPLY, CONCAT. */
static ap_status join_shape(const ap_network *net, ap_node *node, ap_error *err) {
  ap_shape3 first = net->nodes[node->inputs[0]].shape;
  size_t channels = first.c;
  for (size_t i = 1; i < node->n_inputs; i++) {
    ap_shape3 in = net->nodes[node->inputs[i]].shape;
    bool same = (in.h == first.h && in.w == first.w) || ap_node_scales_channels(net, node);
    if (node->kind != AP_NODE_CONCAT) same = same && in.c == first.c;
    if (!same)
      return ap_fail(err, AP_ERR_ARG, "%s: inputs of %zu x %zu x %zu and %zu x %zu x %zu",
                     node->name, first.c, first.h, first.w, in.c, in.h, in.w);
    if (in.c > AP_NETWORK_MAX_VALUES - channels)
      return ap_fail(err, AP_ERR_ARG, "%s: too many channels", node->name);
    channels += in.c;
  }
  node->shape = first;
  if (node->kind == AP_NODE_CONCAT) node->shape.c = channels;
  return AP_OK;
}

static ap_status work_out_shape(const ap_network *net, ap_node *node, ap_error *err) {
  ap_shape3 in = net->nodes[node->inputs[0]].shape;
  if (node->kind != AP_NODE_CONV) node->dilation_h = node->dilation_w = 1;
  if (node->kind != AP_NODE_CURVE) node->curve = AP_CURVE_NONE;
  switch (node->kind) {
    case AP_NODE_CONV:
      return conv_shape(node, in, err);
    case AP_NODE_LINEAR:
      return linear_shape(node, in, err);
    case AP_NODE_MAXPOOL:
    case AP_NODE_AVGPOOL:
      node->shape.c = in.c;
      return window_shape(node, in, err);
    case AP_NODE_SHORTCUT:
      return shortcut_shape(node, in, err);
    case AP_NODE_GATHER:
      return gather_shape(node, in, err);
    case AP_NODE_ADD:
    case AP_NODE_MULTIPLY:
    case AP_NODE_CONCAT:
      return join_shape(net, node, err);
    case AP_NODE_FLATTEN:
      node->shape = (ap_shape3){in.c * in.h * in.w, 1, 1};
      return AP_OK;
    case AP_NODE_RELU:
      if (node->ceiling == 0.0f) node->ceiling = INFINITY;
      if (!(node->ceiling > 0.0f))
        return ap_fail(err, AP_ERR_ARG, "%s: ceiling %g, want a positive one", node->name,
                       (double)node->ceiling);
      node->shape = in;
      return AP_OK;
    case AP_NODE_CURVE:
      if (node->curve == AP_CURVE_NONE) node->curve = AP_CURVE_LOGISTIC;
      if ((unsigned)node->curve >= AP_CURVES)
        return ap_fail(err, AP_ERR_ARG, "%s: curve %d", node->name, (int)node->curve);
      node->shape = in;
      return AP_OK;
    case AP_NODE_GROUPNORM:
    case AP_NODE_LAYERNORM:
      if (node->kind == AP_NODE_LAYERNORM || !node->groups) node->groups = 1;
      if (in.c % node->groups)
        return ap_fail(err, AP_ERR_ARG, "%s: %zu groups do not divide %zu channels", node->name,
                       node->groups, in.c);
      /* fall through */
    case AP_NODE_BATCHNORM:
      if (node->epsilon == 0.0f) node->epsilon = 1e-5f;
      if (!(node->epsilon > 0.0f) || !isfinite(node->epsilon))
        return ap_fail(err, AP_ERR_ARG, "%s: epsilon %g, want a positive one", node->name,
                       (double)node->epsilon);
      node->shape = in;
      return AP_OK;
    default:
      return ap_fail(err, AP_ERR_ARG, "%s: node kind %d cannot be appended", node->name,
                     (int)node->kind);
  }
}

static ap_status check_values(const ap_node *node, const char *what, const float *values, size_t n,
                              float lowest, ap_error *err) {
  if (!values) return AP_OK;
  for (size_t i = 0; i < n; i++) {
    if (!isfinite(values[i]) || values[i] < lowest)
      return ap_fail(err, AP_ERR_ARG, "%s: %s %zu is %g", node->name, what, i, (double)values[i]);
  }
  return AP_OK;
}

static ap_status check_weight_bits(const ap_node *node, ap_error *err) {
  bool layer = node->kind == AP_NODE_CONV || node->kind == AP_NODE_LINEAR;
  unsigned bits = node->weight_bits;
  if (bits == 0) return AP_OK;
  if (!layer) {
    return ap_fail(err, AP_ERR_ARG, "%s: weights of %u bits for a node that is no layer",
                   node->name, bits);
  }
  if (bits >= AP_WEIGHT_BITS_LEAST && bits <= AP_WEIGHT_BITS_MOST) return AP_OK;
  return ap_fail(err, AP_ERR_ARG, "%s: weights of %u bits, want %d to %d", node->name, bits,
                 AP_WEIGHT_BITS_LEAST, AP_WEIGHT_BITS_MOST);
}

ap_status ap_node_check(const ap_network *net, ap_node *node, ap_error *err) {
  ap_status st = check_name(net, node, err);
  if (st) return st;
  if (net->n_nodes >= AP_NETWORK_MAX_NODES)
    return ap_fail(err, AP_ERR_ARG, "%s: more than %d nodes", node->name, AP_NETWORK_MAX_NODES);
  st = check_inputs(net, node, err);
  if (st) return st;
  st = work_out_shape(net, node, err);
  if (st) return st;
  if (!ap_shape_fits(node->shape))
    return ap_fail(err, AP_ERR_ARG, "%s: output of %zu x %zu x %zu is empty or too large",
                   node->name, node->shape.c, node->shape.h, node->shape.w);
  st = check_weight_bits(node, err);
  if (st) return st;
  size_t n_weights = ap_node_weights(node, &net->nodes[node->inputs[0]]);
  st = check_values(node, "weight", node->weight, n_weights, -INFINITY, err);
  if (!st && n_weights) st = check_values(node, "bias", node->bias, node->shape.c, -INFINITY, err);
  if (st || node->kind != AP_NODE_BATCHNORM) return st;
  st = check_values(node, "mean", node->mean, node->shape.c, -INFINITY, err);
  return st ? st : check_values(node, "variance", node->var, node->shape.c, 0.0f, err);
}
