/* nn/onnx/lower_curve.c - the logistic function, the error function, exp and the activations that are made of
 * them: kernels/curve.h says how. */
#include <math.h>
#include <string.h>

#include "nn/onnx/lower.h"

ap_status ap_onnx_put_curve(ap_onnx_lowering *low, const ap_onnx_node *node, ap_curve curve,
                            ap_onnx_view *view, ap_error *err) {
  const ap_node like = {.kind = AP_NODE_CURVE, .curve = curve};
  return ap_onnx_append(low, node, like, view, err);
}

/* x times a curve of it, which `gate` becomes. */
static ap_status put_gated(ap_onnx_lowering *low, const ap_onnx_node *node, ap_curve curve,
                           ap_onnx_view *x, ap_onnx_view *gate, ap_error *err) {
  ap_status st = ap_onnx_put_curve(low, node, curve, gate, err);
  return st ? st : ap_onnx_combine(low, node, AP_NODE_MULTIPLY, x, gate->node, err);
}

ap_status ap_onnx_lower_sigmoid(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  ap_onnx_view view;
  ap_status st = ap_onnx_input_settled(low, node, 0, &view, err);
  if (!st) st = ap_onnx_put_curve(low, node, AP_CURVE_LOGISTIC, &view, err);
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
    if (!st) st = ap_onnx_put_curve(low, node, AP_CURVE_LOGISTIC, &gate, err);
  }
  if (!st) st = ap_onnx_combine(low, node, AP_NODE_MULTIPLY, &view, gate.node, err);
  if (!st) ap_onnx_set_view(low, node, view, view.node);
  return st;
}

/* tanh(x) = 2 * sigmoid(2x) - 1; behind a Softplus it is a curve of its own. */
ap_status ap_onnx_lower_tanh(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  const bool given = node->n_inputs > 0 && node->inputs[0] != AP_ONNX_NONE;
  ap_onnx_view view;
  ap_status st;
  if (given && low->views[node->inputs[0]].softplus) { /* Softplus has settled it */
    view = low->views[node->inputs[0]];
    view.softplus = false;
    st = ap_onnx_put_curve(low, node, AP_CURVE_MISH, &view, err);
  } else {
    st = ap_onnx_input_settled(low, node, 0, &view, err);
    if (!st) st = ap_onnx_affine_number(low, node, &view, 2, 0, err);
    if (!st) st = ap_onnx_put_curve(low, node, AP_CURVE_LOGISTIC, &view, err);
    if (!st) st = ap_onnx_affine_number(low, node, &view, 2, -1, err);
  }
  if (!st) ap_onnx_set_view(low, node, view, view.node);
  return st;
}

/* Mish, Softsign: x times a curve of x. */
ap_status ap_onnx_lower_gated(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  const ap_curve curve = strcmp(node->op, "Mish") == 0 ? AP_CURVE_MISH : AP_CURVE_NEAR;
  ap_onnx_view view, gate;
  ap_status st = ap_onnx_input_settled(low, node, 0, &view, err);
  if (st) return st;
  gate = view;
  st = put_gated(low, node, curve, &view, &gate, err);
  if (!st) ap_onnx_set_view(low, node, view, view.node);
  return st;
}

/* erf(x) = 2 Phi(sqrt(2) x) - 1, where Phi is the normal distribution's. An x that is a number's multiple for just
 * that purpose, as in GELU, is taken without it. */
ap_status ap_onnx_lower_erf(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  const float root = 1.41421356f;
  ap_onnx_view view;
  float scale, shift;
  ap_status st = ap_onnx_input_settled(low, node, 0, &view, err);
  if (st) return st;
  if (ap_onnx_is_affine(low->net, view.node, &scale, &shift) && !(fabsf(shift) > 0) &&
      fabsf(scale * root - 1) < 1e-6f)
    view.node = low->net->nodes[view.node].inputs[0];
  else
    st = ap_onnx_affine_number(low, node, &view, root, 0, err);
  if (!st) st = ap_onnx_put_curve(low, node, AP_CURVE_NORMAL, &view, err);
  if (!st) st = ap_onnx_affine_number(low, node, &view, 2, -1, err);
  if (!st) ap_onnx_set_view(low, node, view, view.node);
  return st;
}

/* x (1 + tanh(u)) / 2 = x sigmoid(2 u) with u = sqrt(2 / pi) (x + 0.044715 x^3) */
static ap_status gelu_by_tanh(ap_onnx_lowering *low, const ap_onnx_node *node, ap_onnx_view *view,
                              ap_error *err) {
  const float c = 1.59576912f; /* 2 sqrt(2 / pi) */
  const size_t x = view->node;
  ap_onnx_view gate = *view;
  ap_status st = ap_onnx_combine(low, node, AP_NODE_MULTIPLY, &gate, x, err);
  gate.sole = true;
  if (!st) st = ap_onnx_affine_number(low, node, &gate, 0.044715f * c, c, err);
  if (!st) st = ap_onnx_combine(low, node, AP_NODE_MULTIPLY, &gate, x, err);
  return st ? st : put_gated(low, node, AP_CURVE_LOGISTIC, view, &gate, err);
}

ap_status ap_onnx_lower_gelu(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  const char *form = NULL;
  ap_onnx_view view, gate;
  ap_status st = ap_onnx_input_settled(low, node, 0, &view, err);
  if (!st) st = ap_onnx_attr_text(node, "approximate", "none", &form, err);
  if (st) return st;
  gate = view;
  if (strcmp(form, "tanh") == 0)
    st = gelu_by_tanh(low, node, &view, err);
  else if (strcmp(form, "none") != 0)
    st = ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                           "approximate is \"%.40s\"; \"none\" and \"tanh\" are supported", form);
  else
    st = put_gated(low, node, AP_CURVE_NORMAL, &view, &gate, err);
  if (!st) ap_onnx_set_view(low, node, view, view.node);
  return st;
}

/* gamma (max(x, 0) + alpha exp(min(x, 0) / width) - alpha): Elu (gamma and width 1), Selu (width 1), Celu (width alpha,
 * gamma 1). */
ap_status ap_onnx_lower_elu(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  const bool selu = strcmp(node->op, "Selu") == 0, celu = strcmp(node->op, "Celu") == 0;
  const ap_node relu = {.kind = AP_NODE_RELU};
  ap_onnx_view view, tail;
  float alpha, gamma = 1;
  ap_status st = ap_onnx_input_settled(low, node, 0, &view, err);
  if (!st) st = ap_onnx_attr_float(node, "alpha", selu ? 1.67326319f : 1, &alpha, err);
  if (!st && selu) st = ap_onnx_attr_float(node, "gamma", 1.05070102f, &gamma, err);
  if (st) return st;
  if (!isfinite(alpha) || !isfinite(gamma) || (celu && !(alpha > 0 && isfinite(1 / alpha))))
    return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "alpha %g, gamma %g", (double)alpha,
                             (double)gamma);
  view.sole = false; /* both parts read it */
  tail = view;
  if (celu && fabsf(alpha - 1) > 0) st = ap_onnx_affine_number(low, node, &tail, 1 / alpha, 0, err);
  if (!st) st = ap_onnx_put_curve(low, node, AP_CURVE_DECAY, &tail, err);
  if (!st) st = ap_onnx_affine_number(low, node, &tail, alpha, -alpha, err);
  if (!st) st = ap_onnx_append(low, node, relu, &view, err);
  if (!st) st = ap_onnx_combine(low, node, AP_NODE_ADD, &view, tail.node, err);
  if (!st && fabsf(gamma - 1) > 0) st = ap_onnx_affine_number(low, node, &view, gamma, 0, err);
  if (!st) ap_onnx_set_view(low, node, view, view.node);
  return st;
}

/* exp(min(x, 0)), where the smaller one is -max(-x, 0) as Min and Clip are lowered. */
ap_status ap_onnx_lower_exp(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  const ap_network *net = low->net;
  ap_onnx_view view;
  ap_status st = ap_onnx_input_settled(low, node, 0, &view, err);
  if (st) return st;
  const size_t relu = ap_onnx_is_negation(net, view.node) ? net->nodes[view.node].inputs[0] : 0;
  if (net->nodes[relu].kind != AP_NODE_RELU || !isinf(net->nodes[relu].ceiling))
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                             "of numbers that may be above 0; behind a Min or Clip with 0 it is "
                             "supported");
  view.node = net->nodes[relu].inputs[0]; /* -x */
  view.sole = false;
  if (ap_onnx_is_negation(net, view.node))
    view.node = net->nodes[view.node].inputs[0];
  else
    st = ap_onnx_affine_number(low, node, &view, -1, 0, err);
  if (!st) st = ap_onnx_put_curve(low, node, AP_CURVE_DECAY, &view, err);
  if (!st) ap_onnx_set_view(low, node, view, view.node);
  return st;
}
