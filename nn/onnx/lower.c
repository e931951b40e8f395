/* nn/onnx/lower.c - which node goes to which rule, in what order; the image and the logits. */
#include "nn/onnx/lower.h"

#include <string.h>

#include "base/alloc.h"
#include "nn/onnx/fold.h"

static const struct {
  const char *op;
  ap_onnx_rule *rule;
  size_t most;            /* inputs */
  const char *attributes; /* that may be there, between spaces */
} rules[] = {
    {"Abs", ap_onnx_lower_abs, 1, " "},
    {"Add", ap_onnx_lower_arithmetic, 2, " "},
    {"ArgMax", ap_onnx_lower_argmax, 1, " axis keepdims select_last_index "},
    {"AveragePool", ap_onnx_lower_average_pool, 1,
     " auto_pad ceil_mode count_include_pad dilations kernel_shape pads strides "},
    {"BatchNormalization", ap_onnx_lower_batch_norm, 5, " epsilon momentum spatial training_mode "},
    {"Cast", ap_onnx_lower_same, 1, " saturate to "},
    {"CastLike", ap_onnx_lower_same, 2, " saturate round_mode "},
    {"Celu", ap_onnx_lower_elu, 1, " alpha "},
    {"Clip", ap_onnx_lower_clip, 3, " max min "},
    {"Concat", ap_onnx_lower_concat, AP_ONNX_MAX_NODES, " axis "},
    {"Conv", ap_onnx_lower_conv, 3, " auto_pad dilations group kernel_shape pads strides "},
    {"Div", ap_onnx_lower_arithmetic, 2, " "},
    {"Dropout", ap_onnx_lower_same, 3, " ratio seed "},
    {"Elu", ap_onnx_lower_elu, 1, " alpha "},
    {"Erf", ap_onnx_lower_erf, 1, " "},
    {"Exp", ap_onnx_lower_exp, 1, " "},
    {"Expand", ap_onnx_lower_expand, 2, " "},
    {"Flatten", ap_onnx_lower_reshape, 1, " axis "},
    {"Gather", ap_onnx_lower_gather, 2, " axis "},
    {"Gelu", ap_onnx_lower_gelu, 1, " approximate "},
    {"Gemm", ap_onnx_lower_gemm, 3, " alpha beta transA transB "},
    {"GlobalAveragePool", ap_onnx_lower_global_pool, 1, " "},
    {"GlobalMaxPool", ap_onnx_lower_global_pool, 1, " "},
    {"Greater", ap_onnx_lower_greater, 2, " "},
    {"GroupNormalization", ap_onnx_lower_group_norm, 3, " epsilon num_groups stash_type "},
    {"HardSigmoid", ap_onnx_lower_hard_sigmoid, 1, " alpha beta "},
    {"HardSwish", ap_onnx_lower_swish, 1, " "},
    {"Identity", ap_onnx_lower_same, 1, " "},
    {"InstanceNormalization", ap_onnx_lower_instance_norm, 3, " epsilon "},
    {"LRN", ap_onnx_lower_lrn, 1, " alpha beta bias size "},
    {"LayerNormalization", ap_onnx_lower_layer_norm, 3, " axis epsilon stash_type "},
    {"LeakyRelu", ap_onnx_lower_leaky_relu, 1, " alpha "},
    {"LogSoftmax", ap_onnx_lower_softmax, 1, " axis "},
    {"MatMul", ap_onnx_lower_matmul, 2, " "},
    {"Max", ap_onnx_lower_bound, 2, " "},
    {"MaxPool", ap_onnx_lower_max_pool, 1,
     " auto_pad ceil_mode dilations kernel_shape pads storage_order strides "},
    {"Min", ap_onnx_lower_bound, 2, " "},
    {"Mish", ap_onnx_lower_gated, 1, " "},
    {"Mul", ap_onnx_lower_arithmetic, 2, " "},
    {"Neg", ap_onnx_lower_neg, 1, " "},
    {"PRelu", ap_onnx_lower_leaky_relu, 2, " "},
    {"Pad", ap_onnx_lower_pad, 4, " mode pads value "},
    {"Pow", ap_onnx_lower_pow, 2, " "},
    {"Reciprocal", ap_onnx_lower_reciprocal, 1, " "},
    {"ReduceMax", ap_onnx_lower_reduce, 2, " axes keepdims noop_with_empty_axes "},
    {"ReduceMean", ap_onnx_lower_reduce, 2, " axes keepdims noop_with_empty_axes "},
    {"ReduceSum", ap_onnx_lower_reduce, 2, " axes keepdims noop_with_empty_axes "},
    {"Relu", ap_onnx_lower_relu, 1, " "},
    {"Reshape", ap_onnx_lower_reshape, 2, " allowzero shape "},
    {"Selu", ap_onnx_lower_elu, 1, " alpha gamma "},
    {"Sigmoid", ap_onnx_lower_sigmoid, 1, " "},
    {"Slice", ap_onnx_lower_slice, 5, " axes ends starts "},
    {"Softmax", ap_onnx_lower_softmax, 1, " axis "},
    {"Softplus", ap_onnx_lower_softplus, 1, " "},
    {"Softsign", ap_onnx_lower_gated, 1, " "},
    {"Split", ap_onnx_lower_split, 2, " axis num_outputs split "},
    {"Squeeze", ap_onnx_lower_reshape, 2, " axes "},
    {"Sub", ap_onnx_lower_arithmetic, 2, " "},
    {"Sum", ap_onnx_lower_sum, AP_ONNX_MAX_NODES, " "},
    {"Swish", ap_onnx_lower_swish, 1, " alpha "},
    {"Tanh", ap_onnx_lower_tanh, 1, " "},
    {"Transpose", ap_onnx_lower_transpose, 1, " perm "},
    {"Unsqueeze", ap_onnx_lower_reshape, 2, " axes "},
    {"Where", ap_onnx_lower_where, 3, " "},
};
#define N_RULES (sizeof rules / sizeof *rules)

static ap_status unknown_operator(const ap_onnx_node *node, ap_error *err) {
  char list[1000] = "";
  size_t used = 0;
  for (size_t i = 0; i < N_RULES; i++)
    used += (size_t)snprintf(list + used, sizeof list - used, " %s", rules[i].op);
  return ap_fail(err, AP_ERR_UNSUPPORTED,
                 "node %.80s: operator %.40s is not supported on the image; supported are%s",
                 node->name, node->op, list);
}

static ap_status check_attributes(const ap_onnx_node *node, const char *known, ap_error *err) {
  for (size_t i = 0; i < node->n_attrs; i++) {
    char word[64];
    (void)snprintf(word, sizeof word, " %.60s ", node->attrs[i].name);
    if (!strstr(known, word))
      return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                               "attribute %.60s is not supported; supported are:%s",
                               node->attrs[i].name, known);
  }
  return AP_OK;
}

static ap_status apply_rule(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  for (size_t i = 0; i < N_RULES; i++) {
    if (strcmp(rules[i].op, node->op) != 0) continue;
    ap_status st = check_attributes(node, rules[i].attributes, err);
    if (!st && node->n_inputs > rules[i].most)
      st = ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "%zu inputs, it takes %zu", node->n_inputs,
                             rules[i].most);
    if (!st && (node->n_outputs < 1 || node->outputs[0] == AP_ONNX_NONE))
      st = ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "it has no output");
    return st ? st : rules[i].rule(low, node, err);
  }
  return unknown_operator(node, err);
}

/* Does the node depend on the image? *known false: on a value that nothing computes. */
static bool depends(const ap_onnx_lowering *low, const ap_onnx_node *node, size_t *missing) {
  bool found = false;
  /* the second input of CastLike tells a type, which is float for all of the image */
  const size_t n = strcmp(node->op, "CastLike") == 0 && node->n_inputs > 1 ? 1 : node->n_inputs;
  *missing = AP_ONNX_NONE;
  for (size_t i = 0; i < n; i++) {
    size_t value = node->inputs[i];
    if (value == AP_ONNX_NONE) continue;
    if (low->views[value].live) {
      found = true;
    } else if (!low->graph->values[value].constant) {
      *missing = value;
    }
  }
  return found;
}

/* Shape and Size of what is computed from the image are constants too. */
static ap_status measure(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  ap_onnx_dims dims = ap_onnx_view_dims(&low->views[node->inputs[0]]);
  ap_onnx_tensor *result = NULL;
  if (node->n_outputs < 1 || node->outputs[0] == AP_ONNX_NONE)
    return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "it has no output");
  ap_status st = ap_onnx_fold_sizes(node, &dims, &result, err);
  return st ? st : ap_onnx_graph_set_constant(low->graph, node->outputs[0], result, err);
}

static ap_status lower_node(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  size_t missing;
  bool dynamic = depends(low, node, &missing);
  if (*node->domain)
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                             "domain \"%.60s\"; ONNX's own operators are supported", node->domain);
  if (missing != AP_ONNX_NONE)
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                             "its input %.100s is a second output, which is not supported",
                             low->graph->values[missing].name);
  if (!dynamic) return ap_onnx_fold(low->graph, node, err);
  if (strcmp(node->op, "Shape") == 0 || strcmp(node->op, "Size") == 0)
    return measure(low, node, err);
  return apply_rule(low, node, err);
}

/* needed[i]: the output depends on node i. Also counts the users of every value. */
static void find_needed(ap_onnx_lowering *low, bool *needed) {
  const ap_onnx_graph *graph = low->graph;
  low->users[graph->output]++;
  for (size_t i = graph->n_nodes; i-- > 0;) {
    const ap_onnx_node *node = &graph->nodes[i];
    for (size_t k = 0; k < node->n_outputs && !needed[i]; k++)
      needed[i] = node->outputs[k] != AP_ONNX_NONE && low->users[node->outputs[k]] > 0;
    const bool curve = strcmp(node->op, "Erf") == 0 || strcmp(node->op, "Exp") == 0;
    for (size_t k = 0; k < node->n_inputs && needed[i]; k++) {
      if (node->inputs[k] == AP_ONNX_NONE) continue;
      low->users[node->inputs[k]]++;
      if (curve) low->before_curve[node->inputs[k]] = true;
    }
  }
}

/* Is everything that reads the image a Transpose from NHWC to NCHW? */
static bool begins_with_transpose(const ap_onnx_lowering *low, const bool *needed) {
  static const int64_t perm[] = {0, 3, 1, 2};
  const ap_onnx_graph *graph = low->graph;
  bool found = false;
  for (size_t i = 0; i < graph->n_nodes; i++) {
    const ap_onnx_node *node = &graph->nodes[i];
    for (size_t k = 0; k < node->n_inputs && needed[i]; k++) {
      if (node->inputs[k] != graph->input) continue;
      const ap_onnx_attr *attr = ap_onnx_attr_find(node, "perm");
      if (strcmp(node->op, "Transpose") != 0 || !attr || attr->kind != AP_ONNX_ATTR_INTS ||
          attr->n != 4 || memcmp(attr->ints, perm, sizeof perm) != 0)
        return false;
      found = true;
    }
  }
  return found;
}

static bool is_channels(int64_t size) { return size >= 1 && size <= 4; }

static ap_status create_network(ap_onnx_lowering *low, const bool *needed, ap_error *err) {
  const ap_onnx_graph *graph = low->graph;
  const int64_t *d = graph->input_dims;
  const char *name = graph->values[graph->input].name;
  size_t rank = graph->n_input_dims;
  static const size_t from_nhwc[] = {0, 2, 3, 1};
  if (rank != 2 && rank != 4)
    return ap_fail(err, AP_ERR_UNSUPPORTED,
                   "input %.100s has %zu dimensions; an image [N, C, H, W] or [N, H, W, C], or a "
                   "vector [N, F], is expected",
                   name, rank);
  for (size_t i = 1; i < rank; i++) {
    if (d[i] < 0)
      return ap_fail(err, AP_ERR_UNSUPPORTED,
                     "input %.100s: dimension %zu is not fixed; only the batch may be open", name,
                     i);
  }
  bool nhwc =
      rank == 4 && is_channels(d[3]) && (!is_channels(d[1]) || begins_with_transpose(low, needed));
  if (rank == 4 && !nhwc && !is_channels(d[1]))
    return ap_fail(err, AP_ERR_UNSUPPORTED,
                   "input %.100s of %lld x %lld x %lld: 1 to 4 channels are supported", name,
                   (long long)d[1], (long long)d[2], (long long)d[3]);
  ap_shape3 shape = {1, 1, (size_t)d[1]};
  if (rank == 4)
    shape = nhwc ? (ap_shape3){(size_t)d[3], (size_t)d[1], (size_t)d[2]}
                 : (ap_shape3){(size_t)d[1], (size_t)d[2], (size_t)d[3]};
  low->batch = d[0] > 0 ? (size_t)d[0] : 1;
  if (low->batch > 1 << 20)
    return ap_fail(err, AP_ERR_UNSUPPORTED, "input %.100s: a batch of %zu", name, low->batch);
  ap_status st = ap_network_create(*graph->name ? graph->name : "onnx", shape, &low->net, err);
  if (st) return st == AP_ERR_ARG ? ap_fail_context(err, AP_ERR_FORMAT, "input %.60s", name) : st;
  ap_onnx_view view = ap_onnx_view_of(low->net, 0, low->batch, AP_IMAGE_DIMS);
  if (nhwc) ap_onnx_view_rearrange(&view, from_nhwc, AP_IMAGE_DIMS);
  if (rank == 2) {
    const ap_onnx_dims flat = {2, {low->batch, shape.w}};
    (void)ap_onnx_view_regroup(&view, &flat); /* H and C are 1: it fits */
  }
  view.sole = low->users[graph->input] == 1;
  low->views[graph->input] = view;
  return AP_OK;
}

/* The output as the last node of the network: [classes, 1, 1], flattened if need be. */
static ap_status finish(ap_onnx_lowering *low, ap_error *err) {
  const ap_onnx_graph *graph = low->graph;
  const ap_onnx_value *value = &graph->values[graph->output];
  ap_onnx_view view = low->views[graph->output];
  const ap_onnx_node *node =
      value->producer == AP_ONNX_NONE ? NULL : &graph->nodes[value->producer];
  if (!view.live || !node || view.spread.n)
    return ap_fail(err, AP_ERR_UNSUPPORTED,
                   "output %.100s is not computed from the image, or repeats it", value->name);
  ap_status st = ap_onnx_settle_softplus(low, node, &view, err);
  if (!st && view.compared)
    st = ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED, "the output is a comparison");
  if (!st) st = ap_onnx_settle(low, node, &view, err);
  if (!st && !ap_onnx_view_is_ordered(&view))
    st = ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                           "the output is an image whose channels come last; class scores are "
                           "expected");
  if (!st) st = ap_onnx_flatten(low, node, &view, err);
  if (!st && view.node == 0)
    st = ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED, "the output is the input");
  if (!st) st = ap_onnx_drop_unused(&low->net, view.node, err);
  return st;
}

ap_status ap_onnx_lower(ap_onnx_graph *graph, ap_network **out, ap_error *err) {
  ap_error own_error;
  ap_onnx_lowering low = {.graph = graph, .own = strcmp(graph->producer, "autoprune") == 0};
  bool *needed = ap_calloc(graph->n_nodes, sizeof *needed);
  ap_status st = AP_OK;
  *out = NULL;
  if (!err) err = &own_error; /* contexts look at the text */
  low.views = ap_calloc(graph->n_values, sizeof *low.views);
  low.users = ap_calloc(graph->n_values, sizeof *low.users);
  low.before_curve = ap_calloc(graph->n_values, sizeof *low.before_curve);
  if (!needed || !low.views || !low.users || !low.before_curve) {
    st = ap_fail(err, AP_ERR_MEMORY, "tables of %zu values", graph->n_values);
    goto done;
  }
  find_needed(&low, needed);
  st = create_network(&low, needed, err);
  for (size_t i = 0; !st && i < graph->n_nodes; i++) {
    if (needed[i]) st = lower_node(&low, &graph->nodes[i], err);
  }
  if (!st) st = finish(&low, err);
  if (st) goto done;
  *out = low.net;
  low.net = NULL;
done:
  ap_network_destroy(low.net);
  ap_onnx_picks_release(&low);
  ap_free(low.views);
  ap_free(low.users);
  ap_free(low.before_curve);
  ap_free(needed);
  return st;
}
