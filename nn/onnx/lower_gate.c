/* nn/onnx/lower_gate.c - products of two images: gates of pixels and of channels (squeeze-and-excitation), powers. */
#include <math.h>

#include "nn/onnx/fold.h"
#include "nn/onnx/lower.h"

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

/* The number that a factor is multiplied with before, by a node of its own; else 1. */
static float scale_of(const ap_network *net, const ap_onnx_view *view) {
  float scale, shift;
  const bool found = view->sole && ap_onnx_is_affine(net, view->node, &scale, &shift);
  return found && !(fabsf(shift) > 0) ? scale : 1;
}

/* Leaves it out and returns it: where it multiplies a curve, or always. */
static float take_scale(const ap_network *net, ap_onnx_view *view, bool always) {
  const float scale = scale_of(net, view);
  if (!(fabsf(scale - 1) > 0)) return 1;
  const size_t behind = net->nodes[view->node].inputs[0];
  if (net->nodes[behind].kind != AP_NODE_CURVE && !always) return 1;
  view->node = behind;
  return scale;
}

/* The product of two images of one shape, the first's view becomes its own. */
static ap_status multiply(ap_onnx_lowering *low, const ap_onnx_node *node, ap_onnx_view *a,
                          ap_onnx_view *b, ap_error *err) {
  const bool cancel = !(fabsf(scale_of(low->net, a) * scale_of(low->net, b) - 1) > 0);
  const float scale = take_scale(low->net, a, cancel) * take_scale(low->net, b, cancel);
  ap_status st = ap_onnx_combine(low, node, AP_NODE_MULTIPLY, a, b->node, err);
  a->sole = true; /* the new node */
  if (!st && fabsf(scale - 1) > 0) st = ap_onnx_affine_number(low, node, a, scale, 0, err);
  return st;
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
    st = multiply(low, node, &a, &b, err);
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

/* x^2, x^3; (1 + |x|)^(-3/4) */
ap_status ap_onnx_lower_pow(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  const ap_onnx_tensor *power;
  ap_onnx_view view;
  ap_status st = ap_onnx_input_settled(low, node, 0, &view, err);
  if (st) return st;
  power = node->n_inputs > 1 && node->inputs[1] != AP_ONNX_NONE
              ? ap_onnx_node_constant(low->graph, node, 1)
              : NULL;
  const double p = power && power->count == 1 ? ap_onnx_tensor_get(power, 0) : 0;
  const size_t x = view.node;
  bool raised = !(fabs(p + 0.75) > 0);
  if (raised) st = ap_onnx_put_raised(low, node, AP_CURVE_FADE, &view, &raised, err);
  if (st) return st;
  if (raised) {
    ap_onnx_set_view(low, node, view, view.node);
    return AP_OK;
  }
  if (!(p >= 1 && p <= 3) || fabs(p - rint(p)) > 0)
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                             "exponents that are one number, 1, 2 or 3, are supported");
  for (int i = 1; !st && i < (int)p; i++)
    st = ap_onnx_combine(low, node, AP_NODE_MULTIPLY, &view, x, err);
  if (!st && p > 1) ap_onnx_set_view(low, node, view, view.node);
  if (!st && !(p > 1)) ap_onnx_set_alias(low, node, view);
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
