/* nn/executor_backward.c - the backward pass; ap_plan says where each gradient lies and whether it
 * is taken over, written or added to. */
#include "nn/executor_impl.h"

static ap_buffer *grad(ap_executor *ex, size_t node) { return ex->slots[ex->plan.grad[node]]; }

static ap_edge edge(const ap_executor *ex, size_t node, size_t k) {
  return ex->plan.edges[ex->plan.first_edge[node] + k];
}

/* Hands dy, unchanged, to input k. */
static ap_status pass_on(ap_executor *ex, size_t i, size_t k, size_t n, ap_error *err) {
  const ap_node *node = &ex->net->nodes[i];
  ap_edge action = edge(ex, i, k);
  if (action == AP_EDGE_SKIP || action == AP_EDGE_TAKE) return AP_OK;
  return ap_scale(ex->be, n * ap_shape_floats(node->shape), 1, grad(ex, i),
                  grad(ex, node->inputs[k]), action == AP_EDGE_ACCUMULATE, err);
}

static ap_status backward_layer(ap_executor *ex, size_t i, size_t n, ap_error *err) {
  const ap_node *node = &ex->net->nodes[i];
  ap_node_buffers *b = &ex->nodes[i];
  ap_conv_shape shape = ap_executor_conv_shape(ex->net, i, n);
  ap_buffer *x = ap_executor_value(ex, node->inputs[0]);
  ap_status st =
      ap_conv_backward_filter(ex->be, &shape, x, grad(ex, i), b->d_weight, b->d_bias, err);
  if (st || edge(ex, i, 0) == AP_EDGE_SKIP) return st;
  return ap_conv_backward_data(ex->be, &shape, grad(ex, i), b->weight, grad(ex, node->inputs[0]),
                               edge(ex, i, 0) == AP_EDGE_ACCUMULATE, err);
}

static ap_status backward_batchnorm(ap_executor *ex, size_t i, size_t n, ap_error *err) {
  const ap_node *node = &ex->net->nodes[i];
  ap_node_buffers *b = &ex->nodes[i];
  ap_bn_shape shape = {
      .n = n, .c = node->shape.c, .hw = node->shape.h * node->shape.w, .epsilon = node->epsilon};
  ap_buffer *dy = grad(ex, i), *zeros = b->mean;
  ap_status st =
      b->affine
          ? ap_bn_forward_infer(ex->be, &shape, dy, b->weight, zeros, zeros, b->var, dy, err)
          : ap_bn_backward(ex->be, &shape, ap_executor_value(ex, node->inputs[0]), dy, b->weight,
                           b->save_mean, b->save_inv_std, dy, b->d_weight, b->d_bias, err);
  return st ? st : pass_on(ex, i, 0, n, err);
}

static ap_status backward_concat(ap_executor *ex, size_t i, size_t n, ap_error *err) {
  const ap_node *node = &ex->net->nodes[i];
  ap_status st = AP_OK;
  size_t c0 = 0;
  for (size_t k = 0; !st && k < node->n_inputs; k++) {
    ap_move_shape shape = ap_executor_concat_shape(ex->net, i, k, c0, n);
    c0 += shape.c;
    if (edge(ex, i, k) == AP_EDGE_SKIP) continue;
    st = ap_move_backward(ex->be, &shape, grad(ex, i), grad(ex, node->inputs[k]),
                          edge(ex, i, k) == AP_EDGE_ACCUMULATE, err);
  }
  return st;
}

/* Factors that count for a channel get the sum over its pixels. */
static ap_status backward_multiply(ap_executor *ex, size_t i, size_t n, ap_error *err) {
  const ap_node *node = &ex->net->nodes[i];
  ap_gate_shape shape = ap_executor_gate_shape(ex->net, i, n);
  for (size_t k = 0; k < 2; k++) {
    size_t other = node->inputs[1 - k];
    bool accumulate = edge(ex, i, k) == AP_EDGE_ACCUMULATE;
    ap_status st = AP_OK;
    if (edge(ex, i, k) == AP_EDGE_SKIP) continue;
    ap_buffer *dy = grad(ex, i), *dx = grad(ex, node->inputs[k]);
    if (k == 1 && shape.per_plane) {
      st = ap_multiply_sum(ex->be, &shape, dy, ap_executor_value(ex, other), dx, accumulate, err);
    } else {
      st = ap_multiply(ex->be, &shape, dy, ap_executor_value(ex, other), dx, accumulate, err);
    }
    if (st) return st;
  }
  return AP_OK;
}

/* Nodes without parameters and with one input. */
static ap_status backward_plain(ap_executor *ex, size_t i, size_t n, ap_error *err) {
  const ap_node *node = &ex->net->nodes[i];
  ap_edge action = edge(ex, i, 0);
  bool accumulate = action == AP_EDGE_ACCUMULATE;
  ap_buffer *dx, *dy = grad(ex, i), *x = ap_executor_value(ex, node->inputs[0]);
  ap_buffer *y = ap_executor_value(ex, i);
  ap_move_shape move;
  ap_pool_shape pool;
  if (action == AP_EDGE_SKIP) return AP_OK;
  dx = grad(ex, node->inputs[0]);
  if (node->kind == AP_NODE_RELU) {
    return ap_relu_backward(ex->be, n * ap_shape_floats(node->shape), node->ceiling, y, dy, dx,
                            accumulate, err);
  }
  if (node->kind == AP_NODE_CURVE) {
    return ap_curve_backward(ex->be, node->curve, n * ap_shape_floats(node->shape),
                             ap_curve_keeps_value(node->curve) ? y : x, dy, dx, accumulate, err);
  }
  if (node->kind == AP_NODE_GATHER) {
    ap_gather_shape gather = ap_executor_gather_shape(ex->net, i, n);
    return ap_gather_backward(ex->be, &gather, ex->nodes[i].starts, ex->nodes[i].users, dy, dx,
                              accumulate, err);
  }
  if (ap_node_is_norm(node)) {
    const ap_norm_shape norm = ap_executor_norm_shape(ex->net, i, n);
    return ap_norm_backward(ex->be, &norm, x, dy, dx, accumulate, err);
  }
  if (node->kind == AP_NODE_SHORTCUT) {
    move = ap_executor_shortcut_shape(ex->net, i, n);
    return ap_move_backward(ex->be, &move, dy, dx, accumulate, err);
  }
  pool = ap_executor_pool_shape(ex->net, i, n);
  return ap_pool_backward(ex->be, &pool, x, y, dy, dx, accumulate, err);
}

static ap_status backward_node(ap_executor *ex, size_t i, size_t n, ap_error *err) {
  ap_status st = AP_OK;
  switch (ex->net->nodes[i].kind) {
    case AP_NODE_CONV:
    case AP_NODE_LINEAR:
      return backward_layer(ex, i, n, err);
    case AP_NODE_BATCHNORM:
      return backward_batchnorm(ex, i, n, err);
    case AP_NODE_ADD:
      st = pass_on(ex, i, 0, n, err);
      return st ? st : pass_on(ex, i, 1, n, err);
    case AP_NODE_FLATTEN:
      return pass_on(ex, i, 0, n, err);
    case AP_NODE_MULTIPLY:
      return backward_multiply(ex, i, n, err);
    case AP_NODE_CONCAT:
      return backward_concat(ex, i, n, err);
    case AP_NODE_RELU:
    case AP_NODE_CURVE:
    case AP_NODE_GATHER:
    case AP_NODE_GROUPNORM:
    case AP_NODE_LAYERNORM:
    case AP_NODE_MAXPOOL:
    case AP_NODE_AVGPOOL:
    case AP_NODE_SHORTCUT:
      return backward_plain(ex, i, n, err);
    case AP_NODE_INPUT:
    case AP_NODE_KINDS:
      break;
  }
  return ap_fail(err, AP_ERR_INTERNAL, "node %zu has no gradient", i);
}

ap_status ap_executor_backward(ap_executor *ex, size_t n, ap_error *err) {
  ap_status st = AP_OK;
  if (n > ex->batch || !ex->training) {
    return ap_fail(err, AP_ERR_ARG, "backward of %zu images on an executor of %zu%s", n, ex->batch,
                   ex->training ? "" : " without training");
  }
  for (size_t i = ex->net->n_nodes; !st && i-- > 1;) {
    if (ex->plan.grad[i] != AP_NO_SLOT) st = backward_node(ex, i, n, err);
  }
  return st;
}
