/* nn/onnx/lower_linear.c - Gemm and MatMul with constant weights: LINEAR nodes, whose columns are put in
 * the order of the node before them, or a 1 x 1 convolution over the channels of an image. */
#include <string.h>

#include "base/alloc.h"
#include "nn/onnx/lower.h"

typedef struct {
  const ap_onnx_tensor *matrix; /* [in, out], or [out, in] */
  bool transposed;              /* [out, in] */
  float scale;
  size_t in, out;
} product;

#define BLOCK 64 /* inputs at a time: a cache line of each of so many rows stays at hand */

/* Weights [out, in] of a node whose inputs lie as the view says. */
static ap_status gather_weights(const ap_onnx_node *node, const product *p,
                                const ap_onnx_view *view, float **weight, ap_error *err) {
  *weight = ap_calloc(p->matrix->count, sizeof **weight);
  if (!*weight) return ap_onnx_node_fail(node, err, AP_ERR_MEMORY, "%zu weights", p->matrix->count);
  for (size_t first = 0; first < p->in; first += BLOCK) {
    size_t place[BLOCK], n_block = p->in - first < BLOCK ? p->in - first : BLOCK;
    for (size_t b = 0; b < n_block; b++) place[b] = ap_onnx_view_place(view, first + b);
    for (size_t n = 0; n < p->out; n++) {
      for (size_t b = 0; b < n_block; b++) {
        size_t i = first + b;
        float w = p->matrix->f[p->transposed ? n * p->in + i : i * p->out + n];
        (*weight)[n * p->in + place[b]] = p->scale == 1.0f ? w : p->scale * w;
      }
    }
  }
  return AP_OK;
}

/* A LINEAR node on all values of the image. The dimension `last` of the result holds the outputs. */
static ap_status emit_linear(ap_onnx_lowering *low, const ap_onnx_node *node, const product *p,
                             ap_onnx_view view, const float *bias, ap_error *err) {
  float *weight = NULL, *shift = NULL;
  size_t index, rank = view.n_dims;
  ap_onnx_view flat;
  ap_status st = gather_weights(node, p, &view, &weight, err);
  if (!st && bias) {
    shift = ap_calloc(p->out, sizeof *shift);
    if (!shift) st = ap_onnx_node_fail(node, err, AP_ERR_MEMORY, "bias");
    if (shift) memcpy(shift, bias, p->out * sizeof *shift);
  }
  if (!st) st = ap_onnx_flatten(low, node, &view, err);
  if (!st) {
    const ap_node like = {
        .kind = AP_NODE_LINEAR, .shape.c = p->out, .weight = weight, .bias = shift};
    st = ap_onnx_emit(low, node, node->name, like, &view.node, 1, &index, err);
  }
  ap_free(weight);
  ap_free(shift);
  if (st) return st;
  flat = ap_onnx_view_of(low->net, index, low->batch, 2);
  if (rank > 2) { /* the dimensions between are of size 1 */
    flat.dims[rank - 1] = flat.dims[1];
    for (size_t d = 1; d + 1 < rank; d++) flat.dims[d].n = 0;
    flat.n_dims = rank;
  }
  ap_onnx_set_view(low, node, flat, index);
  return AP_OK;
}

static ap_status check_sizes(const ap_onnx_node *node, const product *p, size_t have,
                             ap_error *err) {
  if (p->in == have && p->out > 0) return AP_OK;
  return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "weights for %zu inputs, there are %zu", p->in,
                           have);
}

/* beta * C as one value an output, or NULL without C. ap_free it. */
static ap_status gemm_bias(const ap_onnx_node *node, const ap_onnx_tensor *c, float beta,
                           size_t out, float **bias, ap_error *err) {
  *bias = NULL;
  if (!c) return AP_OK;
  bool fits = c->count == 1 || (c->count == out && c->n_dims >= 1 && c->dims[c->n_dims - 1] == out);
  if (!fits)
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                             "a C of %zu values; one for each of %zu outputs is supported",
                             c->count, out);
  *bias = ap_calloc(out, sizeof **bias);
  if (!*bias) return ap_onnx_node_fail(node, err, AP_ERR_MEMORY, "bias");
  for (size_t n = 0; n < out; n++) {
    float value = c->f[c->count == 1 ? 0 : n];
    (*bias)[n] = beta == 1.0f ? value : beta * value;
  }
  return AP_OK;
}

ap_status ap_onnx_lower_gemm(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  ap_onnx_view view;
  const ap_onnx_tensor *c;
  int64_t trans_a, trans_b;
  float beta, *bias = NULL;
  product p = {0};
  ap_status st = ap_onnx_input_view(low, node, 0, &view, err);
  if (!st) st = ap_onnx_input_constant(low, node, 1, "weights", true, &p.matrix, err);
  if (!st) st = ap_onnx_input_constant(low, node, 2, "C", false, &c, err);
  if (!st) st = ap_onnx_attr_int(node, "transA", 0, 0, 0, &trans_a, err);
  if (!st) st = ap_onnx_attr_int(node, "transB", 0, 0, 1, &trans_b, err);
  if (!st) st = ap_onnx_attr_float(node, "alpha", 1.0f, &p.scale, err);
  if (!st) st = ap_onnx_attr_float(node, "beta", 1.0f, &beta, err);
  if (!st) st = ap_onnx_settle(low, node, &view, err);
  if (st) return st;
  if (view.n_dims != 2 || p.matrix->n_dims != 2)
    return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "matrices of %zu and %zu dimensions",
                             view.n_dims, p.matrix->n_dims);
  p.transposed = trans_b == 1;
  p.in = p.matrix->dims[p.transposed];
  p.out = p.matrix->dims[!p.transposed];
  st = check_sizes(node, &p, ap_onnx_view_size(&view, 1), err);
  if (!st) st = gemm_bias(node, c, beta, p.out, &bias, err);
  if (!st) st = emit_linear(low, node, &p, view, bias, err);
  ap_free(bias);
  return st;
}

/* Channels last, every pixel multiplied with one matrix. */
static ap_status emit_pointwise(ap_onnx_lowering *low, const ap_onnx_node *node, const product *p,
                                ap_onnx_view view, ap_error *err) {
  float *weight = ap_calloc(p->matrix->count, sizeof *weight);
  size_t index;
  if (!weight) return ap_onnx_node_fail(node, err, AP_ERR_MEMORY, "weights");
  for (size_t i = 0; i < p->matrix->count; i++)
    weight[i % p->out * p->in + i / p->out] = p->matrix->f[i];
  const ap_node like = {
      .kind = AP_NODE_CONV, .shape.c = p->out, .kh = 1, .kw = 1, .groups = 1, .weight = weight};
  ap_status st = ap_onnx_emit(low, node, node->name, like, &view.node, 1, &index, err);
  ap_free(weight);
  if (!st) ap_onnx_set_view(low, node, view, index);
  return st;
}

ap_status ap_onnx_lower_matmul(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  ap_onnx_view view;
  product p = {.scale = 1.0f};
  size_t between = 1;
  ap_status st = ap_onnx_input_view(low, node, 0, &view, err);
  if (!st) st = ap_onnx_input_constant(low, node, 1, "weights", true, &p.matrix, err);
  if (!st) st = ap_onnx_settle(low, node, &view, err);
  if (st) return st;
  if (view.n_dims < 2 || p.matrix->n_dims != 2)
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                             "%zu and %zu dimensions; a matrix of weights [in, out] is supported",
                             view.n_dims, p.matrix->n_dims);
  p.in = p.matrix->dims[0];
  p.out = p.matrix->dims[1];
  st = check_sizes(node, &p, ap_onnx_view_size(&view, view.n_dims - 1), err);
  if (st) return st;
  for (size_t d = 1; d + 1 < view.n_dims; d++) between *= ap_onnx_view_size(&view, d);
  if (between == 1) return emit_linear(low, node, &p, view, NULL, err);
  if (ap_onnx_view_is_axis(&view, view.n_dims - 1, AP_AXIS_C))
    return emit_pointwise(low, node, &p, view, err);
  return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                           "over a dimension that is not the channels");
}
