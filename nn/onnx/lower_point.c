/* nn/onnx/lower_point.c - element by element: Relu and its relatives, Clip, Max, Min, and what changes nothing. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "nn/onnx/lower.h"

static ap_status rectify(ap_onnx_lowering *low, const ap_onnx_node *node, size_t input,
                         float ceiling, ap_error *err) {
  ap_onnx_view view;
  size_t index;
  const ap_node like = {.kind = AP_NODE_RELU, .ceiling = ceiling};
  ap_status st = ap_onnx_input_settled(low, node, input, &view, err);
  if (!st) st = ap_onnx_emit(low, node, node->name, like, &view.node, 1, &index, err);
  if (!st) ap_onnx_set_view(low, node, view, index);
  return st;
}

ap_status ap_onnx_lower_relu(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  return rectify(low, node, 0, INFINITY, err);
}

/* Numbers up to this size are added and taken away again: what that rounds is below 1e-6. */
#define MAX_SHIFT 16.0f

/* x for positive values, slope * x for others: slope * x + (1 - slope) * relu(x). */
static ap_status leaky(ap_onnx_lowering *low, const ap_onnx_node *node, ap_onnx_view view,
                       float *slope, ap_error *err) {
  const ap_node relu = {.kind = AP_NODE_RELU};
  ap_onnx_view positive = view;
  size_t c = view.shape.c;
  view.sole = false; /* both read it */
  for (size_t i = 0; i < c; i++) {
    if (!(fabsf(slope[i]) <= MAX_SHIFT))
      return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                               "a slope of %g; sizes up to %g are supported", (double)slope[i],
                               (double)MAX_SHIFT);
  }
  ap_status st = ap_onnx_append(low, node, relu, &positive, err);
  if (!st) st = ap_onnx_affine(low, node, &view, slope, NULL, err);
  for (size_t i = 0; i < c; i++) slope[i] = 1 - slope[i];
  if (!st) st = ap_onnx_affine(low, node, &positive, slope, NULL, err);
  if (!st) st = ap_onnx_combine(low, node, AP_NODE_ADD, &view, positive.node, err);
  if (!st) ap_onnx_set_view(low, node, view, view.node);
  return st;
}

/* LeakyRelu: one slope, an attribute. PRelu: a constant input, one number or one for each channel. */
ap_status ap_onnx_lower_leaky_relu(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  const ap_onnx_tensor *constant;
  ap_onnx_view view;
  float alpha, *slope = NULL;
  ap_status st = ap_onnx_input_settled(low, node, 0, &view, err);
  if (st) return st;
  if (strcmp(node->op, "PRelu") == 0) {
    st = ap_onnx_input_constant(low, node, 1, "slope", true, &constant, err);
    if (!st) st = ap_onnx_per_channel(low, node, &view, constant, &slope, err);
  } else {
    st = ap_onnx_attr_float(node, "alpha", 0.01f, &alpha, err);
    if (!st) slope = ap_calloc(view.shape.c, sizeof *slope);
    if (!st && !slope) st = ap_onnx_node_fail(node, err, AP_ERR_MEMORY, "slopes");
    for (size_t c = 0; !st && c < view.shape.c; c++) slope[c] = alpha;
  }
  if (!st) st = leaky(low, node, view, slope, err);
  ap_free(slope);
  return st;
}

/* A bound: an attribute up to opset 10, an input from 11 on. */
static ap_status bound(const ap_onnx_lowering *low, const ap_onnx_node *node, const char *name,
                       size_t input, float absent, float *out, ap_error *err) {
  const ap_onnx_tensor *constant = NULL;
  ap_status st = ap_onnx_attr_float(node, name, absent, out, err);
  if (!st) st = ap_onnx_input_constant(low, node, input, name, false, &constant, err);
  if (st || !constant) return st;
  if (constant->count != 1 || isnan(constant->f[0]))
    return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "its %s is not one number", name);
  *out = constant->f[0];
  return AP_OK;
}

/* Values from `lo`, which is not 0, to `hi`: those above lo, and lo added again. */
static ap_status clip_shifted(ap_onnx_lowering *low, const ap_onnx_node *node, ap_onnx_view view,
                              float lo, float hi, ap_error *err) {
  const ap_node relu = {.kind = AP_NODE_RELU, .ceiling = hi - lo};
  ap_status st = ap_onnx_settle(low, node, &view, err);
  if (!st) st = ap_onnx_affine_number(low, node, &view, 1, -lo, err);
  if (!st) st = ap_onnx_append(low, node, relu, &view, err);
  if (!st) st = ap_onnx_affine_number(low, node, &view, 1, lo, err);
  if (!st) ap_onnx_set_view(low, node, view, view.node);
  return st;
}

/* Values up to `hi`: hi - max(hi - x, 0). */
static ap_status clip_above(ap_onnx_lowering *low, const ap_onnx_node *node, ap_onnx_view view,
                            float hi, ap_error *err) {
  const ap_node relu = {.kind = AP_NODE_RELU};
  ap_status st = ap_onnx_settle(low, node, &view, err);
  if (low->before_curve[node->outputs[0]])
    view.sole = false; /* a node of its own: Exp leaves it out */
  if (!st) st = ap_onnx_affine_number(low, node, &view, -1, hi, err);
  if (!st) st = ap_onnx_append(low, node, relu, &view, err);
  if (!st) st = ap_onnx_affine_number(low, node, &view, -1, hi, err);
  if (!st) ap_onnx_set_view(low, node, view, view.node);
  return st;
}

/* Values from `lo` to `hi` of the image at `input`. What is not negative has the lower bound 0. */
static ap_status clip(ap_onnx_lowering *low, const ap_onnx_node *node, size_t input, float lo,
                      float hi, ap_error *err) {
  const float far = 3e38f; /* the default bounds of old opsets are the largest floats */
  ap_onnx_view view;
  ap_status st = ap_onnx_input_view(low, node, input, &view, err);
  if (st) return st;
  if (lo < -far && hi > far) {
    ap_onnx_set_alias(low, node, view);
    return AP_OK;
  }
  if (lo < 0 && ap_onnx_is_nonnegative(low->net, view.node)) lo = 0;
  if (hi > far) hi = INFINITY;
  if (lo < -far && fabsf(hi) <= MAX_SHIFT) return clip_above(low, node, view, hi, err);
  if (!(fabsf(lo) <= MAX_SHIFT) || !(hi > lo))
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                             "bounds %g and %g; supported are a lower one of size up to %g and a "
                             "higher one, and either alone",
                             (double)lo, (double)hi, (double)MAX_SHIFT);
  if (fabsf(lo) > 0) return clip_shifted(low, node, view, lo, hi, err);
  return rectify(low, node, input, hi, err);
}

ap_status ap_onnx_lower_clip(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  float lo, hi;
  ap_status st = bound(low, node, "min", 1, -INFINITY, &lo, err);
  if (!st) st = bound(low, node, "max", 2, INFINITY, &hi, err);
  return st ? st : clip(low, node, 0, lo, hi, err);
}

/* Of two images: a + max(b - a, 0), and a - max(a - b, 0) for the smaller ones. */
static ap_status bound_image(ap_onnx_lowering *low, const ap_onnx_node *node, bool larger,
                             ap_error *err) {
  const ap_node relu = {.kind = AP_NODE_RELU};
  ap_onnx_view a, b;
  ap_status st = ap_onnx_input_settled(low, node, 0, &a, err);
  if (!st) st = ap_onnx_input_settled(low, node, 1, &b, err);
  if (st) return st;
  if (!ap_onnx_view_equal(&a, &b))
    return ap_onnx_node_fail(
        node, err, AP_ERR_UNSUPPORTED,
        "images of different shape or layout (%zu x %zu x %zu and %zu x %zu x %zu)", a.shape.c,
        a.shape.h, a.shape.w, b.shape.c, b.shape.h, b.shape.w);
  ap_onnx_view more = larger ? b : a, less = larger ? a : b; /* of the difference */
  less.sole = false;
  st = ap_onnx_affine_number(low, node, &less, -1, 0, err);
  if (!st) st = ap_onnx_combine(low, node, AP_NODE_ADD, &more, less.node, err);
  if (!st) st = ap_onnx_append(low, node, relu, &more, err);
  if (!st && !larger) st = ap_onnx_affine_number(low, node, &more, -1, 0, err);
  if (!st) st = ap_onnx_combine(low, node, AP_NODE_ADD, &a, more.node, err);
  if (!st) ap_onnx_set_view(low, node, a, a.node);
  return st;
}

/* Max and Min of the image and one number: one bound of a Clip. */
ap_status ap_onnx_lower_bound(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  const ap_onnx_tensor *constant;
  bool least = strcmp(node->op, "Max") == 0, second;
  if (node->n_inputs != 2 || node->inputs[0] == AP_ONNX_NONE || node->inputs[1] == AP_ONNX_NONE)
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED, "%zu inputs; two are supported",
                             node->n_inputs);
  if (low->views[node->inputs[0]].live && low->views[node->inputs[1]].live)
    return bound_image(low, node, least, err);
  second = low->views[node->inputs[1]].live;
  ap_status st = ap_onnx_input_constant(low, node, !second, "second input", true, &constant, err);
  if (st) return st;
  if (constant->count != 1 || isnan(constant->f[0]))
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                             "a constant of %zu values; one number is supported", constant->count);
  return clip(low, node, second, least ? constant->f[0] : -INFINITY,
              least ? INFINITY : constant->f[0], err);
}

/* Identity; Dropout, which does nothing in inference; Cast from a float type to another. */
ap_status ap_onnx_lower_same(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  ap_onnx_view view;
  ap_status st = ap_onnx_input_moved(low, node, 0, &view, err);
  if (st) return st;
  if (strcmp(node->op, "Cast") == 0) {
    int64_t to;
    st = ap_onnx_attr_int(node, "to", 0, 0, 32, &to, err);
    if (!st && to != 1 && to != 10 && to != 11 && to != 16)
      st = ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                             "a cast to element type %lld; float types are supported",
                             (long long)to);
  } else if (strcmp(node->op, "Dropout") == 0 && node->n_inputs > 2 &&
             node->inputs[2] != AP_ONNX_NONE) {
    const ap_onnx_tensor *training = ap_onnx_node_constant(low->graph, node, 2);
    if (!training || training->count != 1 || ap_onnx_tensor_get(training, 0) > 0)
      st = ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                             "training_mode is on; export the network for inference");
  }
  if (!st) ap_onnx_set_alias(low, node, view);
  return st;
}

/* The number of the largest class score, at the end: accuracy needs no more than the scores. */
ap_status ap_onnx_lower_argmax(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  ap_onnx_view view;
  int64_t axis, keep, last;
  size_t d;
  ap_status st = ap_onnx_input_moved(low, node, 0, &view, err);
  if (!st) st = ap_onnx_attr_int(node, "axis", 0, INT32_MIN, INT32_MAX, &axis, err);
  if (!st) st = ap_onnx_attr_int(node, "keepdims", 1, 0, 1, &keep, err);
  if (!st) st = ap_onnx_attr_int(node, "select_last_index", 0, 0, 0, &last, err);
  if (!st) st = ap_onnx_node_axis(node, axis, view.n_dims, &d, err);
  if (st) return st;
  if (node->outputs[0] != low->graph->output || d != 1 || view.n_dims != 2)
    return ap_onnx_node_fail(
        node, err, AP_ERR_UNSUPPORTED,
        "over the class scores [N, classes], as the graph's output, it is supported");
  ap_onnx_set_alias(low, node, view);
  return AP_OK;
}

/* Classes keep their order: the logits in front of it are what the network gives. */
ap_status ap_onnx_lower_softmax(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  ap_onnx_view view;
  int64_t number, absent = low->graph->opset < 13 ? 1 : -1;
  size_t axis;
  ap_status st = ap_onnx_input_view(low, node, 0, &view, err);
  if (!st) st = ap_onnx_attr_int(node, "axis", absent, INT32_MIN, INT32_MAX, &number, err);
  if (!st) st = ap_onnx_node_axis(node, number, view.n_dims, &axis, err);
  if (st) return st;
  for (size_t d = 1; d < view.n_dims; d++) {
    if (d != axis && ap_onnx_view_size(&view, d) != 1)
      return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                               "over axis %zu of an image; over the class scores at the end it is "
                               "supported",
                               axis);
  }
  view.probabilities = true;
  ap_onnx_set_alias(low, node, view);
  return AP_OK;
}
