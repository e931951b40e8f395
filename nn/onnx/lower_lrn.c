/* nn/onnx/lower_lrn.c - LRN (local response normalisation): x / (bias + alpha / size * s)^beta, where s is the sum of the squares
 * of `size` neighbouring channels. With b = alpha / (size bias) that is bias^-beta x (1 + b s)^-beta: a curve
 * (kernels/curve.h) of a sum of shifted channels, and a product. */
#include <math.h>

#include "base/alloc.h"
#include "nn/onnx/lower.h"

enum { MOST = 255 }; /* channels of a window */

/* So many channels of the node `padded`, from number `first` on. */
static ap_status shifted(ap_onnx_lowering *low, const ap_onnx_node *node, size_t padded,
                         size_t first, size_t channels, size_t *index, ap_error *err) {
  size_t *picks = ap_calloc(channels, sizeof *picks);
  if (!picks) return ap_onnx_node_fail(node, err, AP_ERR_MEMORY, "%zu channels", channels);
  for (size_t c = 0; c < channels; c++) picks[c] = first + c;
  const ap_node like = {.kind = AP_NODE_GATHER, .shape.c = channels, .picks = picks};
  ap_status st = ap_onnx_count_picks(low, node, channels, err);
  if (!st) st = ap_onnx_emit(low, node, node->name, like, &padded, 1, index, err);
  ap_free(picks);
  return st;
}

/* Each channel becomes the sum of those from `before` in front of it to `after` behind it. */
static ap_status sum_channels(ap_onnx_lowering *low, const ap_onnx_node *node, size_t before,
                              size_t after, size_t *index, ap_error *err) {
  const size_t channels = low->net->nodes[*index].shape.c;
  const ap_node zeros = {.kind = AP_NODE_SHORTCUT,
                         .stride_h = 1,
                         .stride_w = 1,
                         .channels_before = before,
                         .channels_after = after};
  const ap_node sum = {.kind = AP_NODE_ADD};
  size_t padded, parts[2] = {0};
  if (before + after == 0) return AP_OK;
  ap_status st = ap_onnx_emit(low, node, node->name, zeros, index, 1, &padded, err);
  for (size_t i = 0; !st && i <= before + after; i++) {
    st = shifted(low, node, padded, i, channels, &parts[i > 0], err);
    if (!st && i > 0) st = ap_onnx_emit(low, node, node->name, sum, parts, 2, &parts[0], err);
  }
  if (!st) *index = parts[0];
  return st;
}

ap_status ap_onnx_lower_lrn(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  ap_onnx_view view, squares;
  int64_t size;
  float alpha, beta, bias;
  ap_status st = ap_onnx_input_settled(low, node, 0, &view, err);
  if (!st) st = ap_onnx_attr_int(node, "size", 0, 1, MOST, &size, err);
  if (!st) st = ap_onnx_attr_float(node, "alpha", 1e-4f, &alpha, err);
  if (!st) st = ap_onnx_attr_float(node, "beta", 0.75f, &beta, err);
  if (!st) st = ap_onnx_attr_float(node, "bias", 1, &bias, err);
  if (st) return st;
  if (size == 0)
    return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "its attribute size is missing");
  if (!(bias > 0) || !(alpha >= 0) || (fabsf(beta - 0.75f) > 0 && fabsf(beta - 1) > 0))
    return ap_onnx_node_fail(
        node, err, AP_ERR_UNSUPPORTED,
        "alpha %g, beta %g, bias %g; alpha from 0, beta 0.75 or 1 and bias above 0 "
        "are supported",
        (double)alpha, (double)beta, (double)bias);
  if (view.n_dims < 2 || !ap_onnx_view_is_axis(&view, 1, AP_AXIS_C))
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                             "dimension 1 of its input is not the channels");
  view.sole = false; /* read again behind the curve */
  squares = view;
  st = ap_onnx_combine(low, node, AP_NODE_MULTIPLY, &squares, view.node, err);
  if (!st)
    st = sum_channels(low, node, (size_t)(size - 1) / 2, (size_t)size / 2, &squares.node, err);
  squares.sole = true;
  if (!st) st = ap_onnx_affine_number(low, node, &squares, alpha / ((float)size * bias), 0, err);
  if (!st)
    st = ap_onnx_put_curve(low, node, beta < 1 ? AP_CURVE_FADE : AP_CURVE_NEAR, &squares, err);
  if (!st) st = ap_onnx_combine(low, node, AP_NODE_MULTIPLY, &view, squares.node, err);
  view.sole = true;
  if (!st && fabsf(bias - 1) > 0)
    st = ap_onnx_affine_number(low, node, &view, powf(bias, -beta), 0, err);
  if (!st) ap_onnx_set_view(low, node, view, view.node);
  return st;
}
