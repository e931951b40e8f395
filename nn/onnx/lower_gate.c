/* nn/onnx/lower_gate.c - the logistic function and its relatives, and products of two images: gates of pixels
 * and of channels (squeeze-and-excitation), swish. */
#include <math.h>
#include <string.h>

#include "nn/onnx/fold.h"
#include "nn/onnx/lower.h"

static const ap_node sigmoid = {.kind = AP_NODE_SIGMOID};

ap_status ap_onnx_lower_sigmoid(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  ap_onnx_view view;
  ap_status st = ap_onnx_input_settled(low, node, 0, &view, err);
  if (!st) st = ap_onnx_append(low, node, sigmoid, &view, err);
  if (!st) ap_onnx_set_view(low, node, view, view.node);
  return st;
}

/* alpha * x + beta, between 0 and 1. */
static ap_status hard_sigmoid(ap_onnx_lowering *low, const ap_onnx_node *node, ap_onnx_view *view,
                              float alpha, float beta, ap_error *err) {
  const ap_node relu1 = {.kind = AP_NODE_RELU, .ceiling = 1};
  ap_status st = ap_onnx_affine_number(low, node, view, alpha, beta, err);
  return st ? st : ap_onnx_append(low, node, relu1, view, err);
}

ap_status ap_onnx_lower_hard_sigmoid(ap_onnx_lowering *low, const ap_onnx_node *node,
                                     ap_error *err) {
  ap_onnx_view view;
  float alpha, beta;
  ap_status st = ap_onnx_input_settled(low, node, 0, &view, err);
  if (!st) st = ap_onnx_attr_float(node, "alpha", 0.2f, &alpha, err);
  if (!st) st = ap_onnx_attr_float(node, "beta", 0.5f, &beta, err);
  if (!st && !(isfinite(alpha) && isfinite(beta)))
    st = ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "alpha %g, beta %g: not finite", (double)alpha,
                           (double)beta);
  if (!st) st = hard_sigmoid(low, node, &view, alpha, beta, err);
  if (!st) ap_onnx_set_view(low, node, view, view.node);
  return st;
}

/* Swish: x * sigmoid(alpha * x). HardSwish: x * hard_sigmoid(x / 6 + 1/2). */
ap_status ap_onnx_lower_swish(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  bool hard = strcmp(node->op, "HardSwish") == 0;
  ap_onnx_view view, gate;
  float alpha = 1;
  ap_status st = ap_onnx_input_settled(low, node, 0, &view, err);
  if (!st && !hard) st = ap_onnx_attr_float(node, "alpha", 1, &alpha, err);
  if (!st && !isfinite(alpha))
    st = ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "alpha is %g", (double)alpha);
  if (st) return st;
  gate = view;
  gate.sole = false; /* the product reads it, too */
  if (hard) {
    st = hard_sigmoid(low, node, &gate, 1.0f / 6, 0.5f, err);
  } else {
    if (fabsf(alpha - 1) > 0) st = ap_onnx_affine_number(low, node, &gate, alpha, 0, err);
    if (!st) st = ap_onnx_append(low, node, sigmoid, &gate, err);
  }
  if (!st) st = ap_onnx_combine(low, node, AP_NODE_MULTIPLY, &view, gate.node, err);
  if (!st) ap_onnx_set_view(low, node, view, view.node);
  return st;
}

/* tanh(x) = 2 * sigmoid(2x) - 1 */
ap_status ap_onnx_lower_tanh(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  ap_onnx_view view;
  ap_status st = ap_onnx_input_settled(low, node, 0, &view, err);
  if (!st) st = ap_onnx_affine_number(low, node, &view, 2, 0, err);
  if (!st) st = ap_onnx_append(low, node, sigmoid, &view, err);
  if (!st) st = ap_onnx_affine_number(low, node, &view, 2, -1, err);
  if (!st) ap_onnx_set_view(low, node, view, view.node);
  return st;
}

/* ---- products ---- */

/* A factor: settled, what it is repeated to apart. */
static ap_status factor(ap_onnx_lowering *low, const ap_onnx_node *node, size_t input,
                        ap_onnx_view *view, ap_onnx_dims *spread, ap_error *err) {
  *spread = low->views[node->inputs[input]].spread;
  if (!spread->n) return ap_onnx_input_settled(low, node, input, view, err);
  *view = low->views[node->inputs[input]]; /* Expand has settled it */
  view->spread.n = 0;
  return AP_OK;
}

static bool fits(const ap_onnx_dims *spread, const ap_onnx_view *view) {
  if (spread->n != view->n_dims) return false;
  for (size_t d = 0; d < spread->n; d++) {
    if (spread->d[d] != ap_onnx_view_size(view, d)) return false;
  }
  return true;
}

/* Is `gate` one value for each channel of `map`, which ONNX repeats over its pixels? */
static bool scales_channels(const ap_onnx_view *map, const ap_onnx_view *gate) {
  if (gate->shape.h != 1 || gate->shape.w != 1 || gate->shape.c != map->shape.c ||
      gate->n_dims != map->n_dims)
    return false;
  for (size_t d = 1; d < map->n_dims; d++) {
    if (ap_onnx_view_size(gate, d) != 1 &&
        !(ap_onnx_view_is_axis(map, d, AP_AXIS_C) && ap_onnx_view_is_axis(gate, d, AP_AXIS_C)))
      return false;
  }
  return true;
}

/* Flat features of images in the plain order, in nodes that are flat. */
static ap_status flatten_both(ap_onnx_lowering *low, const ap_onnx_node *node, ap_onnx_view *a,
                              ap_onnx_view *b, ap_error *err) {
  if (a->n_dims != 2 || b->n_dims != 2 || !ap_onnx_view_is_ordered(a) ||
      !ap_onnx_view_is_ordered(b) || ap_onnx_view_size(a, 1) != ap_onnx_view_size(b, 1))
    return AP_OK;
  ap_status st = ap_onnx_flatten(low, node, a, err);
  return st ? st : ap_onnx_flatten(low, node, b, err);
}

ap_status ap_onnx_lower_product(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  ap_onnx_view a, b;
  ap_onnx_dims spread_a, spread_b;
  ap_status st = factor(low, node, 0, &a, &spread_a, err);
  if (!st) st = factor(low, node, 1, &b, &spread_b, err);
  bool repeats = !st && (spread_a.n || spread_b.n);
  if (!st && !repeats && !ap_onnx_view_equal(&a, &b)) st = flatten_both(low, node, &a, &b, err);
  if (st) return st;
  if (!repeats && ap_onnx_view_equal(&a, &b)) {
    st = ap_onnx_combine(low, node, AP_NODE_MULTIPLY, &a, b.node, err);
  } else if (!spread_a.n && scales_channels(&a, &b) && (!spread_b.n || fits(&spread_b, &a))) {
    st = ap_onnx_combine(low, node, AP_NODE_MULTIPLY, &a, b.node, err);
  } else if (!spread_b.n && scales_channels(&b, &a) && (!spread_a.n || fits(&spread_a, &b))) {
    st = ap_onnx_combine(low, node, AP_NODE_MULTIPLY, &b, a.node, err);
    a = b;
  } else {
    st = ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                           "images of %zu x %zu x %zu and %zu x %zu x %zu in %zu and %zu "
                           "dimensions; one shape and layout, or one value a channel is supported",
                           a.shape.c, a.shape.h, a.shape.w, b.shape.c, b.shape.h, b.shape.w,
                           a.n_dims, b.n_dims);
  }
  if (!st) ap_onnx_set_view(low, node, a, a.node);
  return st;
}

/* Values repeated along dimensions of size 1, as a product does by itself. */
ap_status ap_onnx_lower_expand(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  ap_onnx_view view;
  ap_onnx_dims from, want = {0}, to;
  const int64_t *shape;
  size_t n;
  ap_status st = ap_onnx_input_settled(low, node, 0, &view, err);
  if (!st) st = ap_onnx_node_ints(low->graph, node, "shape", 1, &shape, &n, err);
  if (st) return st;
  if (!shape || n > AP_ONNX_MAX_DIMS)
    return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "a shape of %zu dimensions", n);
  for (want.n = 0; want.n < n; want.n++) {
    if (shape[want.n] < 1)
      return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "dimension %zu of its shape is %lld",
                               want.n, (long long)shape[want.n]);
    want.d[want.n] = (size_t)shape[want.n];
  }
  from = ap_onnx_view_dims(&view);
  st = ap_onnx_fold_broadcast(node, &from, &want, &to, err);
  if (st) return st;
  if (to.n != from.n || to.d[0] != from.d[0])
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                             "it repeats the batch, or adds dimensions; channels, height and width "
                             "are supported");
  if (!fits(&to, &view)) {
    view.spread = to;
    view.pending_name = node->name;
  }
  ap_onnx_set_alias(low, node, view);
  return AP_OK;
}
