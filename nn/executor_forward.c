/* nn/executor_forward.c - the forward pass, and the shapes that both passes hand to the kernels. */
#include "nn/executor_impl.h"

ap_conv_shape ap_executor_conv_shape(const ap_network *net, size_t i, size_t n) {
  const ap_node *node = &net->nodes[i];
  ap_shape3 in = net->nodes[node->inputs[0]].shape;
  ap_conv_shape shape = {.n = n,
                         .c_in = in.c,
                         .h = in.h,
                         .w = in.w,
                         .c_out = node->shape.c,
                         .kh = 1,
                         .kw = 1,
                         .stride_h = 1,
                         .stride_w = 1,
                         .groups = 1};
  if (node->kind == AP_NODE_LINEAR) return shape;
  shape.kh = node->kh;
  shape.kw = node->kw;
  shape.stride_h = node->stride_h;
  shape.stride_w = node->stride_w;
  shape.pad_top = node->pad_top;
  shape.pad_left = node->pad_left;
  shape.pad_bottom = node->pad_bottom;
  shape.pad_right = node->pad_right;
  shape.groups = node->groups;
  shape.dilation_h = node->dilation_h;
  shape.dilation_w = node->dilation_w;
  return shape;
}

ap_pool_shape ap_executor_pool_shape(const ap_network *net, size_t i, size_t n) {
  const ap_node *node = &net->nodes[i];
  ap_shape3 in = net->nodes[node->inputs[0]].shape;
  return (ap_pool_shape){.kind = node->kind == AP_NODE_MAXPOOL ? AP_POOL_MAX : AP_POOL_AVERAGE,
                         .n = n,
                         .c = in.c,
                         .h = in.h,
                         .w = in.w,
                         .kh = node->kh,
                         .kw = node->kw,
                         .stride_h = node->stride_h,
                         .stride_w = node->stride_w,
                         .pad_top = node->pad_top,
                         .pad_left = node->pad_left,
                         .pad_bottom = node->pad_bottom,
                         .pad_right = node->pad_right,
                         .count_padding = node->count_padding};
}

ap_move_shape ap_executor_shortcut_shape(const ap_network *net, size_t i, size_t n) {
  const ap_node *node = &net->nodes[i];
  ap_shape3 in = net->nodes[node->inputs[0]].shape, out = node->shape;
  return (ap_move_shape){.n = n,
                         .c_from = in.c,
                         .h_from = in.h,
                         .w_from = in.w,
                         .c_to = out.c,
                         .h_to = out.h,
                         .w_to = out.w,
                         .c0_to = node->channels_before,
                         .c = in.c,
                         .step_h = node->stride_h,
                         .step_w = node->stride_w};
}

ap_move_shape ap_executor_concat_shape(const ap_network *net, size_t i, size_t k, size_t c0,
                                       size_t n) {
  const ap_node *node = &net->nodes[i];
  ap_shape3 in = net->nodes[node->inputs[k]].shape, out = node->shape;
  return (ap_move_shape){.n = n,
                         .c_from = in.c,
                         .h_from = in.h,
                         .w_from = in.w,
                         .c_to = out.c,
                         .h_to = out.h,
                         .w_to = out.w,
                         .c0_to = c0,
                         .c = in.c,
                         .step_h = 1,
                         .step_w = 1};
}

ap_gate_shape ap_executor_gate_shape(const ap_network *net, size_t i, size_t n) {
  const ap_node *node = &net->nodes[i];
  return (ap_gate_shape){.planes = n * node->shape.c,
                         .pixels = node->shape.h * node->shape.w,
                         .per_plane = ap_node_scales_channels(net, node)};
}

ap_norm_shape ap_executor_norm_shape(const ap_network *net, size_t i, size_t n) {
  const ap_node *node = &net->nodes[i];
  const size_t c = node->shape.c, pixels = node->shape.h * node->shape.w;
  if (node->kind == AP_NODE_LAYERNORM) return (ap_norm_shape){n, c, pixels, node->epsilon};
  return (ap_norm_shape){n * node->groups, c / node->groups * pixels, 1, node->epsilon};
}

static ap_status forward_batchnorm(ap_executor *ex, size_t i, size_t n, ap_forward_mode mode,
                                   float bn_momentum, ap_buffer *x, ap_buffer *y, ap_error *err) {
  const ap_node *node = &ex->net->nodes[i];
  ap_node_buffers *b = &ex->nodes[i];
  ap_bn_shape shape = {.n = n,
                       .c = node->shape.c,
                       .hw = node->shape.h * node->shape.w,
                       .epsilon = node->epsilon,
                       .momentum = bn_momentum};
  if (mode == AP_FORWARD_INFER || b->affine) {
    return ap_bn_forward_infer(ex->be, &shape, x, b->weight, b->bias, b->mean, b->var, y, err);
  }
  return ap_bn_forward_train(ex->be, &shape, x, b->weight, b->bias, y, b->save_mean,
                             b->save_inv_std, b->mean, b->var, err);
}

static ap_status forward_shortcut(ap_executor *ex, size_t i, size_t n, ap_buffer *x, ap_buffer *y,
                                  ap_error *err) {
  const ap_node *node = &ex->net->nodes[i];
  ap_move_shape shape = ap_executor_shortcut_shape(ex->net, i, n);
  if (node->channels_before + node->channels_after > 0) {
    ap_status st = ap_buffer_fill(y, 0, n * ap_shape_floats(node->shape), err);
    if (st) return st;
  }
  return ap_move_forward(ex->be, &shape, x, y, err);
}

static ap_status forward_concat(ap_executor *ex, size_t i, size_t n, ap_buffer *y, ap_error *err) {
  const ap_node *node = &ex->net->nodes[i];
  ap_status st = AP_OK;
  size_t c0 = 0;
  for (size_t k = 0; !st && k < node->n_inputs; k++) {
    ap_move_shape shape = ap_executor_concat_shape(ex->net, i, k, c0, n);
    st = ap_move_forward(ex->be, &shape, ap_executor_value(ex, node->inputs[k]), y, err);
    c0 += shape.c;
  }
  return st;
}

static ap_status forward_node(ap_executor *ex, size_t i, size_t n, ap_forward_mode mode,
                              float bn_momentum, ap_error *err) {
  const ap_node *node = &ex->net->nodes[i];
  ap_node_buffers *b = &ex->nodes[i];
  ap_buffer *x = ap_executor_value(ex, node->inputs[0]), *y = ap_executor_value(ex, i);
  size_t count = n * ap_shape_floats(node->shape);
  ap_conv_shape conv;
  ap_pool_shape pool;
  ap_gate_shape gate;
  ap_gather_shape gather;
  ap_norm_shape norm;
  switch (node->kind) {
    case AP_NODE_CONV:
    case AP_NODE_LINEAR:
      conv = ap_executor_conv_shape(ex->net, i, n);
      return ap_conv_forward(ex->be, &conv, x, b->weight, b->bias, y, err);
    case AP_NODE_BATCHNORM:
      return forward_batchnorm(ex, i, n, mode, bn_momentum, x, y, err);
    case AP_NODE_RELU:
      return ap_relu_forward(ex->be, count, node->ceiling, x, y, err);
    case AP_NODE_ADD:
      return ap_add(ex->be, count, x, ap_executor_value(ex, node->inputs[1]), y, err);
    case AP_NODE_MAXPOOL:
    case AP_NODE_AVGPOOL:
      pool = ap_executor_pool_shape(ex->net, i, n);
      return ap_pool_forward(ex->be, &pool, x, y, err);
    case AP_NODE_SHORTCUT:
      return forward_shortcut(ex, i, n, x, y, err);
    case AP_NODE_CONCAT:
      return forward_concat(ex, i, n, y, err);
    case AP_NODE_GATHER:
      gather = ap_executor_gather_shape(ex->net, i, n);
      return ap_gather_forward(ex->be, &gather, b->picks, x, y, err);
    case AP_NODE_MULTIPLY:
      gate = ap_executor_gate_shape(ex->net, i, n);
      return ap_multiply(ex->be, &gate, x, ap_executor_value(ex, node->inputs[1]), y, false, err);
    case AP_NODE_CURVE:
      return ap_curve_forward(ex->be, node->curve, count, x, y, err);
    case AP_NODE_GROUPNORM:
    case AP_NODE_LAYERNORM:
      norm = ap_executor_norm_shape(ex->net, i, n);
      return ap_norm_forward(ex->be, &norm, x, y, err);
    case AP_NODE_FLATTEN: /* the same memory */
      return AP_OK;
    case AP_NODE_INPUT:
    case AP_NODE_KINDS:
      break;
  }
  return ap_fail(err, AP_ERR_INTERNAL, "node %zu (%s) cannot be run", i, node->name);
}

static ap_status run_nodes(ap_executor *ex, size_t n, ap_forward_mode mode, float bn_momentum,
                           size_t first, size_t stop, ap_error *err) {
  ap_status st = AP_OK;
  if (n > ex->batch || first == 0 || stop > ex->net->n_nodes ||
      (mode == AP_FORWARD_TRAIN && !ex->training)) {
    return ap_fail(err, AP_ERR_ARG,
                   "forward of %zu images from node %zu to %zu on an executor of %zu%s", n, first,
                   stop, ex->batch, ex->training ? "" : " without training");
  }
  for (size_t i = first; !st && i < stop; i++) st = forward_node(ex, i, n, mode, bn_momentum, err);
  return st;
}

ap_status ap_executor_forward(ap_executor *ex, size_t n, ap_forward_mode mode, float bn_momentum,
                              size_t stop, ap_error *err) {
  return run_nodes(ex, n, mode, bn_momentum, 1, stop ? stop : ex->net->n_nodes, err);
}

ap_status ap_executor_go_on(ap_executor *ex, size_t n, size_t first, size_t stop, ap_error *err) {
  return run_nodes(ex, n, AP_FORWARD_INFER, 0, first, stop, err);
}
