/* nn/onnx/fold_reduce.c - constants reduced over some of their axes or over all: the sizes of shapes, the
 * norms that weights are divided by. Integers stay integers; floats are summed in double. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "nn/onnx/fold.h"

typedef enum { SUM, PROD, MEAN, MAX, MIN, L2, NONE } reduction;

static reduction reduction_of(const char *op) {
  static const char *const names[NONE] = {
      [SUM] = "ReduceSum", [PROD] = "ReduceProd", [MEAN] = "ReduceMean",
      [MAX] = "ReduceMax", [MIN] = "ReduceMin",   [L2] = "ReduceL2"};
  int i = 0;
  while (i < NONE && strcmp(names[i], op) != 0) i++;
  return (reduction)i;
}

/* The result's dimensions, all kept (of size 1 where they are reduced), and then as the node wants them. */
static ap_status result_dims(const ap_onnx_graph *graph, const ap_onnx_node *node,
                             const ap_onnx_tensor *x, ap_onnx_dims *kept, ap_onnx_dims *dims,
                             ap_error *err) {
  const int64_t *axes;
  size_t n_axes;
  int64_t keep, none;
  bool gone[AP_ONNX_MAX_DIMS] = {false};
  ap_status st = ap_onnx_node_ints(graph, node, "axes", 1, &axes, &n_axes, err);
  if (!st) st = ap_onnx_attr_int(node, "keepdims", 1, 0, 1, &keep, err);
  if (!st) st = ap_onnx_attr_int(node, "noop_with_empty_axes", 0, 0, 1, &none, err);
  for (size_t i = 0; !st && i < n_axes; i++) {
    size_t d;
    st = ap_onnx_node_axis(node, axes[i], x->n_dims, &d, err);
    if (!st) gone[d] = true;
  }
  if (st) return st;
  *kept = ap_onnx_dims_of(x);
  dims->n = 0;
  for (size_t d = 0; d < x->n_dims; d++) {
    if (n_axes == 0) gone[d] = !none;
    if (gone[d]) kept->d[d] = 1;
    if (!gone[d] || keep) dims->d[dims->n++] = kept->d[d];
  }
  return AP_OK;
}

static ap_status reduce_ints(const ap_onnx_node *node, const ap_onnx_tensor *x, reduction op,
                             ap_onnx_tensor *out, ap_error *err) {
  size_t at[AP_ONNX_MAX_DIMS] = {0};
  for (size_t i = 0; i < out->count; i++)
    out->i[i] = op == PROD ? 1 : op == MAX ? INT64_MIN : op == MIN ? INT64_MAX : 0;
  for (size_t i = 0; i < x->count; i++, ap_onnx_step(at, x->dims, x->n_dims)) {
    int64_t *y = &out->i[ap_onnx_broadcast_index(out, at, x->n_dims)], v = x->i[i];
    bool over = false;
    if (op == SUM) over = __builtin_add_overflow(*y, v, y);
    if (op == PROD) over = __builtin_mul_overflow(*y, v, y);
    if ((op == MAX && v > *y) || (op == MIN && v < *y)) *y = v;
    if (over) return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "overflow");
  }
  return AP_OK;
}

static ap_status reduce_floats(const ap_onnx_node *node, const ap_onnx_tensor *x, reduction op,
                               ap_onnx_tensor *out, ap_error *err) {
  size_t at[AP_ONNX_MAX_DIMS] = {0};
  double *sums = ap_calloc(out->count, sizeof *sums);
  if (!sums) return ap_onnx_node_fail(node, err, AP_ERR_MEMORY, "%zu sums", out->count);
  for (size_t i = 0; i < out->count; i++)
    sums[i] = op == PROD ? 1 : op == MAX ? -INFINITY : op == MIN ? INFINITY : 0;
  for (size_t i = 0; i < x->count; i++, ap_onnx_step(at, x->dims, x->n_dims)) {
    double *y = &sums[ap_onnx_broadcast_index(out, at, x->n_dims)], v = (double)x->f[i];
    if (op == SUM || op == MEAN) *y += v;
    if (op == PROD) *y *= v;
    if (op == L2) *y += v * v;
    if ((op == MAX && v > *y) || (op == MIN && v < *y)) *y = v;
  }
  for (size_t i = 0; i < out->count; i++) {
    double y = sums[i];
    if (op == MEAN) y = y * (double)out->count / (double)x->count;
    out->f[i] = (float)(op == L2 ? sqrt(y) : y);
  }
  ap_free(sums);
  return AP_OK;
}

ap_status ap_onnx_fold_reduce(const ap_onnx_graph *graph, const ap_onnx_node *node,
                              ap_onnx_tensor **out, ap_error *err) {
  const ap_onnx_tensor *x = ap_onnx_fold_input(graph, node, 0);
  reduction op = reduction_of(node->op);
  ap_onnx_dims kept, dims = {0};
  if (x->is_int && (op == MEAN || op == L2))
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED, "not for elements of this type");
  ap_status st = result_dims(graph, node, x, &kept, &dims, err);
  if (!st) st = ap_onnx_tensor_create(x->is_int, kept.d, kept.n, out, err);
  if (st) return st;
  st = x->is_int ? reduce_ints(node, x, op, *out, err) : reduce_floats(node, x, op, *out, err);
  if (st) {
    ap_onnx_tensor_destroy(*out);
    *out = NULL;
    return st;
  }
  (*out)->n_dims = dims.n; /* the same number of values */
  memcpy((*out)->dims, dims.d, sizeof dims.d);
  return AP_OK;
}
