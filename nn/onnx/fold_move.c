/* nn/onnx/fold_move.c - constants regrouped, transposed, cut, joined, picked from. */
#include <string.h>

#include "nn/onnx/fold.h"

/* Reshape, Flatten, Squeeze, Unsqueeze: the same values under other dimensions. */
ap_status ap_onnx_fold_reshape(const ap_onnx_graph *graph, const ap_onnx_node *node,
                               ap_onnx_tensor **out, ap_error *err) {
  const ap_onnx_tensor *x = ap_onnx_fold_input(graph, node, 0);
  ap_onnx_dims from = ap_onnx_dims_of(x), to = {0};
  size_t map[AP_ONNX_MAX_DIMS];
  ap_status st;
  if (strcmp(node->op, "Reshape") == 0) {
    st = ap_onnx_shape_reshape(graph, node, &from, &to, err);
  } else if (strcmp(node->op, "Flatten") == 0) {
    st = ap_onnx_shape_flatten(node, &from, &to, err);
  } else if (strcmp(node->op, "Squeeze") == 0) {
    st = ap_onnx_shape_squeeze(graph, node, &from, false, &to, map, err);
  } else {
    st = ap_onnx_shape_unsqueeze(graph, node, &from, &to, map, err);
  }
  return st ? st : ap_onnx_tensor_reshape(x, to.d, to.n, out, err);
}

/* Elements from one step along dimension d to the next. */
static void strides_of(const ap_onnx_tensor *x, size_t stride[AP_ONNX_MAX_DIMS]) {
  size_t step = 1;
  for (size_t d = x->n_dims; d-- > 0;) {
    stride[d] = step;
    step *= x->dims[d];
  }
}

ap_status ap_onnx_fold_transpose(const ap_onnx_graph *graph, const ap_onnx_node *node,
                                 ap_onnx_tensor **out, ap_error *err) {
  const ap_onnx_tensor *x = ap_onnx_fold_input(graph, node, 0);
  ap_onnx_dims from = ap_onnx_dims_of(x), to;
  size_t map[AP_ONNX_MAX_DIMS], stride[AP_ONNX_MAX_DIMS], at[AP_ONNX_MAX_DIMS] = {0};
  ap_status st = ap_onnx_shape_transpose(node, &from, &to, map, err);
  if (!st) st = ap_onnx_tensor_create(x->is_int, to.d, to.n, out, err);
  if (st) return st;
  strides_of(x, stride);
  for (size_t i = 0; i < x->count; i++, ap_onnx_step(at, to.d, to.n)) {
    size_t source = 0;
    for (size_t d = 0; d < to.n; d++) source += at[d] * stride[map[d]];
    ap_onnx_tensor_move(*out, i, x, source);
  }
  return AP_OK;
}

ap_status ap_onnx_fold_slice(const ap_onnx_graph *graph, const ap_onnx_node *node,
                             ap_onnx_tensor **out, ap_error *err) {
  const ap_onnx_tensor *x = ap_onnx_fold_input(graph, node, 0);
  ap_onnx_dims from = ap_onnx_dims_of(x), to = {.n = x->n_dims};
  ap_onnx_range range[AP_ONNX_MAX_DIMS];
  size_t stride[AP_ONNX_MAX_DIMS], at[AP_ONNX_MAX_DIMS] = {0};
  ap_status st = ap_onnx_shape_slice(graph, node, &from, range, err);
  if (st) return st;
  for (size_t d = 0; d < to.n; d++) to.d[d] = range[d].count;
  st = ap_onnx_tensor_create(x->is_int, to.d, to.n, out, err);
  if (st) return st;
  strides_of(x, stride);
  for (size_t i = 0; i < (*out)->count; i++, ap_onnx_step(at, to.d, to.n)) {
    size_t source = 0;
    for (size_t d = 0; d < to.n; d++)
      source += (size_t)(range[d].start + (int64_t)at[d] * range[d].step) * stride[d];
    ap_onnx_tensor_move(*out, i, x, source);
  }
  return AP_OK;
}

ap_status ap_onnx_fold_concat(const ap_onnx_graph *graph, const ap_onnx_node *node,
                              ap_onnx_tensor **out, ap_error *err) {
  const ap_onnx_tensor *first = ap_onnx_fold_input(graph, node, 0);
  ap_onnx_dims dims = ap_onnx_dims_of(first);
  size_t axis = 0, inner = 1, row = 0;
  int64_t number;
  ap_status st = ap_onnx_concat_axis(node, &number, err);
  if (!st) st = ap_onnx_node_axis(node, number, dims.n, &axis, err);
  if (st) return st;
  for (size_t d = axis + 1; d < dims.n; d++) inner *= dims.d[d];
  dims.d[axis] = 0;
  for (size_t k = 0; k < node->n_inputs; k++) {
    const ap_onnx_tensor *x = ap_onnx_fold_input(graph, node, k);
    bool fits = x && x->is_int == first->is_int && x->n_dims == dims.n;
    for (size_t d = 0; fits && d < dims.n; d++) fits = d == axis || x->dims[d] == dims.d[d];
    if (!fits)
      return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "input %zu does not fit the first", k);
    dims.d[axis] += x->dims[axis];
  }
  st = ap_onnx_fold_grown(node, first->is_int, &dims, first->count, out, err);
  for (size_t k = 0; !st && k < node->n_inputs; k++) {
    const ap_onnx_tensor *x = ap_onnx_fold_input(graph, node, k);
    size_t run = x->dims[axis] * inner, whole = dims.d[axis] * inner;
    for (size_t i = 0; i < x->count; i++)
      ap_onnx_tensor_move(*out, i / run * whole + row + i % run, x, i);
    row += run;
  }
  return st;
}

ap_status ap_onnx_fold_gather(const ap_onnx_graph *graph, const ap_onnx_node *node,
                              ap_onnx_tensor **out, ap_error *err) {
  const ap_onnx_tensor *x = ap_onnx_fold_input(graph, node, 0);
  const ap_onnx_tensor *picks = ap_onnx_fold_input(graph, node, 1);
  ap_onnx_dims dims = {0};
  size_t axis = 0, inner = 1;
  int64_t number;
  ap_status st = ap_onnx_attr_int(node, "axis", 0, INT32_MIN, INT32_MAX, &number, err);
  if (!st) st = ap_onnx_node_axis(node, number, x->n_dims, &axis, err);
  if (st) return st;
  if (!picks->is_int || x->n_dims - 1 + picks->n_dims > AP_ONNX_MAX_DIMS)
    return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "indices of %zu dimensions in %zu",
                             picks->n_dims, x->n_dims);
  for (size_t d = 0; d < axis; d++) dims.d[dims.n++] = x->dims[d];
  for (size_t d = 0; d < picks->n_dims; d++) dims.d[dims.n++] = picks->dims[d];
  for (size_t d = axis + 1; d < x->n_dims; d++) {
    dims.d[dims.n++] = x->dims[d];
    inner *= x->dims[d];
  }
  for (size_t i = 0; i < picks->count; i++) {
    int64_t n = (int64_t)x->dims[axis];
    if (picks->i[i] < -n || picks->i[i] >= n)
      return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "index %lld of %lld",
                               (long long)picks->i[i], (long long)n);
  }
  st = ap_onnx_fold_grown(node, x->is_int, &dims, x->count, out, err);
  for (size_t i = 0; !st && inner && picks->count && i < (*out)->count; i++) {
    size_t within = i % inner, pick = i / inner % picks->count, before = i / inner / picks->count;
    int64_t at = picks->i[pick] < 0 ? picks->i[pick] + (int64_t)x->dims[axis] : picks->i[pick];
    ap_onnx_tensor_move(*out, i, x, (before * x->dims[axis] + (size_t)at) * inner + within);
  }
  return st;
}

ap_status ap_onnx_fold_expand(const ap_onnx_graph *graph, const ap_onnx_node *node,
                              ap_onnx_tensor **out, ap_error *err) {
  const ap_onnx_tensor *x = ap_onnx_fold_input(graph, node, 0);
  const ap_onnx_tensor *shape = ap_onnx_fold_input(graph, node, 1);
  ap_onnx_dims from = ap_onnx_dims_of(x), want = {.n = shape->count}, dims;
  size_t at[AP_ONNX_MAX_DIMS] = {0};
  if (!shape->is_int || shape->n_dims != 1 || shape->count > AP_ONNX_MAX_DIMS)
    return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "its second input is no shape");
  for (size_t d = 0; d < want.n; d++) {
    if (shape->i[d] < 0)
      return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "dimension %lld", (long long)shape->i[d]);
    want.d[d] = (size_t)shape->i[d];
  }
  ap_status st = ap_onnx_fold_broadcast(node, &from, &want, &dims, err);
  if (!st) st = ap_onnx_fold_grown(node, x->is_int, &dims, x->count, out, err);
  for (size_t i = 0; !st && i < (*out)->count; i++, ap_onnx_step(at, dims.d, dims.n))
    ap_onnx_tensor_move(*out, i, x, ap_onnx_broadcast_index(x, at, dims.n));
  return st;
}
