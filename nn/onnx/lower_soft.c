/* nn/onnx/lower_soft.c - Softplus, and |x|, which its curve and that of Softsign are written with where ONNX has no
 * operator for them: kernels/curve.h. */
#include <math.h>

#include "nn/onnx/lower.h"

static bool is_relu(const ap_network *net, size_t node) {
  return net->nodes[node].kind == AP_NODE_RELU && isinf(net->nodes[node].ceiling);
}

/* Is the node |x| as Abs is lowered? *x: a node. */
static bool is_absolute(const ap_network *net, size_t node, size_t *x) {
  const ap_node *sum = &net->nodes[node];
  if (sum->kind != AP_NODE_ADD || sum->n_inputs != 2 || !is_relu(net, sum->inputs[0]) ||
      !is_relu(net, sum->inputs[1]))
    return false;
  *x = net->nodes[sum->inputs[0]].inputs[0];
  const size_t other = net->nodes[sum->inputs[1]].inputs[0];
  return ap_onnx_is_negation(net, other) && net->nodes[other].inputs[0] == *x;
}

/* Is the node 1 + |x|? *x: a node. */
static bool is_raised(const ap_network *net, size_t node, size_t *x) {
  float scale, shift;
  return ap_onnx_is_affine(net, node, &scale, &shift) && !(fabsf(scale - 1) > 0) &&
         !(fabsf(shift - 1) > 0) && is_absolute(net, net->nodes[node].inputs[0], x);
}

ap_status ap_onnx_put_raised(ap_onnx_lowering *low, const ap_onnx_node *node, ap_curve curve,
                             ap_onnx_view *view, bool *done, ap_error *err) {
  *done = is_raised(low->net, view->node, &view->node);
  if (!*done) return AP_OK;
  view->sole = false; /* x is read by the sum, too */
  return ap_onnx_put_curve(low, node, curve, view, err);
}

/* max(x, 0) + max(-x, 0) */
ap_status ap_onnx_lower_abs(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  const ap_node relu = {.kind = AP_NODE_RELU};
  ap_onnx_view view, negative;
  ap_status st = ap_onnx_input_settled(low, node, 0, &view, err);
  if (st) return st;
  view.sole = false; /* both parts read it */
  negative = view;
  st = ap_onnx_affine_number(low, node, &negative, -1, 0, err);
  if (!st) st = ap_onnx_append(low, node, relu, &negative, err);
  if (!st) st = ap_onnx_append(low, node, relu, &view, err);
  if (!st) st = ap_onnx_combine(low, node, AP_NODE_ADD, &view, negative.node, err);
  if (!st) ap_onnx_set_view(low, node, view, view.node);
  return st;
}

/* 1 / (1 + |x|) */
ap_status ap_onnx_lower_reciprocal(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  ap_onnx_view view;
  bool raised;
  ap_status st = ap_onnx_input_settled(low, node, 0, &view, err);
  if (!st) st = ap_onnx_put_raised(low, node, AP_CURVE_NEAR, &view, &raised, err);
  if (st) return st;
  if (!raised)
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                             "of numbers that may be 0; of 1 + Abs it is supported");
  ap_onnx_set_view(low, node, view, view.node);
  return AP_OK;
}

/* Nothing yet: it may be the first half of Mish. Of -|x| it is a curve. */
ap_status ap_onnx_lower_softplus(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  ap_onnx_view view;
  size_t x;
  ap_status st = ap_onnx_input_settled(low, node, 0, &view, err);
  if (st) return st;
  if (ap_onnx_is_negation(low->net, view.node) &&
      is_absolute(low->net, low->net->nodes[view.node].inputs[0], &x)) {
    view.node = x;
    view.sole = false;
    st = ap_onnx_put_curve(low, node, AP_CURVE_BEND, &view, err);
    if (!st) ap_onnx_set_view(low, node, view, view.node);
    return st;
  }
  view.softplus = true;
  view.pending_name = node->name;
  view.sole = false; /* x is read where this value is multiplied with it */
  ap_onnx_set_alias(low, node, view);
  return AP_OK;
}

/* x / (1 + |x|) */
ap_status ap_onnx_lower_quotient(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  ap_onnx_view a, b;
  ap_status st = ap_onnx_input_settled(low, node, 0, &a, err);
  if (!st) st = ap_onnx_input_settled(low, node, 1, &b, err);
  bool raised = !st && ap_onnx_view_equal(&a, &b);
  if (raised) st = ap_onnx_put_raised(low, node, AP_CURVE_NEAR, &b, &raised, err);
  if (st) return st;
  if (!raised)
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                             "of two inputs that depend on the image; one constant, or a second of "
                             "1 + Abs is supported");
  st = ap_onnx_combine(low, node, AP_NODE_MULTIPLY, &a, b.node, err);
  if (!st) ap_onnx_set_view(low, node, a, a.node);
  return st;
}

/* Nothing yet: PyTorch writes Softplus as Where(x > 20, x, Softplus(x)). */
ap_status ap_onnx_lower_greater(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  const ap_onnx_tensor *constant;
  ap_onnx_view view;
  ap_status st = ap_onnx_input_settled(low, node, 0, &view, err);
  if (!st) st = ap_onnx_input_constant(low, node, 1, "second input", true, &constant, err);
  if (!st && constant->count != 1)
    st = ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                           "a constant of %zu values; one number is supported", constant->count);
  if (st) return st;
  view.compared = true;
  view.above = constant->f[0];
  view.pending_name = node->name;
  view.sole = false;
  ap_onnx_set_alias(low, node, view);
  return AP_OK;
}

#define SAME_ABOVE 17.0f /* from there on log(1 + exp(x)) and x are one float */
ap_status ap_onnx_lower_where(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  const ap_onnx_view *v[3] = {NULL, NULL, NULL};
  for (size_t i = 0; i < 3 && i < node->n_inputs; i++)
    if (node->inputs[i] != AP_ONNX_NONE) v[i] = &low->views[node->inputs[i]];
  if (!v[0] || !v[1] || !v[2])
    return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "three inputs are expected");
  if (!v[0]->live || !v[0]->compared || !(v[0]->above >= SAME_ABOVE) || !v[1]->live ||
      v[1]->softplus || v[1]->compared || !v[2]->live || !v[2]->softplus ||
      v[0]->node != v[1]->node || v[2]->node != v[1]->node || !ap_onnx_view_equal(v[0], v[1]) ||
      !ap_onnx_view_equal(v[2], v[1]))
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                             "Where(x > a, x, Softplus(x)) with a from %g is supported",
                             (double)SAME_ABOVE);
  ap_onnx_set_alias(low, node, *v[2]);
  return AP_OK;
}

/* max(x, 0) + log(1 + exp(-|x|)) */
ap_status ap_onnx_settle_softplus(ap_onnx_lowering *low, const ap_onnx_node *node,
                                  ap_onnx_view *view, ap_error *err) {
  const ap_node relu = {.kind = AP_NODE_RELU},
                bend = {.kind = AP_NODE_CURVE, .curve = AP_CURVE_BEND}, sum = {.kind = AP_NODE_ADD};
  size_t parts[2], *x = &view->node;
  if (!view->softplus) return AP_OK;
  ap_status st = ap_onnx_emit(low, node, view->pending_name, relu, x, 1, &parts[0], err);
  if (!st) st = ap_onnx_emit(low, node, view->pending_name, bend, x, 1, &parts[1], err);
  if (!st) st = ap_onnx_emit(low, node, view->pending_name, sum, parts, 2, &view->node, err);
  view->softplus = false;
  return st;
}
