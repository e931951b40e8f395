/* nn/onnx/lower_affine.c - batch normalisation, and arithmetic with constants: a scale and a shift for
 * each channel. A shift right behind a layer is its bias; what follows a BATCHNORM joins it; the
 * rest becomes a BATCHNORM of its own. Sums of two images are ADD nodes. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "nn/onnx/lower.h"

/* With these a BATCHNORM does gamma * x + beta exactly: the sum is 1 in float32 and in double. */
#define UNIT_EPSILON 0x1p-20f
#define UNIT_VARIANCE (1.0f - UNIT_EPSILON)

ap_status ap_onnx_lower_batch_norm(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  static const char *const names[] = {"scale", "bias", "mean", "variance"};
  const ap_onnx_tensor *values[4];
  ap_onnx_view view;
  int64_t spatial, training;
  float epsilon;
  size_t index;
  ap_status st = ap_onnx_input_view(low, node, 0, &view, err);
  for (size_t i = 0; !st && i < 4; i++)
    st = ap_onnx_input_constant(low, node, i + 1, names[i], true, &values[i], err);
  if (!st) st = ap_onnx_attr_float(node, "epsilon", 1e-5f, &epsilon, err);
  if (!st) st = ap_onnx_attr_int(node, "spatial", 1, 1, 1, &spatial, err);
  if (!st) st = ap_onnx_attr_int(node, "training_mode", 0, 0, 1, &training, err);
  if (!st && training)
    st = ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                           "its training_mode is on; export the network for inference (in PyTorch "
                           "model.eval() before, and no training=TrainingMode.TRAINING)");
  if (!st) st = ap_onnx_settle(low, node, &view, err);
  if (st) return st;
  if (view.n_dims == 2 && !ap_onnx_view_is_axis(&view, 1, AP_AXIS_C) &&
      ap_onnx_view_is_ordered(&view))
    st = ap_onnx_flatten(low, node, &view, err);
  if (st) return st;
  if (view.n_dims < 2 || !ap_onnx_view_is_axis(&view, 1, AP_AXIS_C))
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                             "dimension 1 of its input is not the channels");
  for (size_t i = 0; i < 4; i++) {
    if (values[i]->count != view.shape.c)
      return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "%s of %zu values for %zu channels",
                               names[i], values[i]->count, view.shape.c);
  }
  const ap_node like = {.kind = AP_NODE_BATCHNORM,
                        .epsilon = epsilon > 0 ? epsilon : 1e-37f,
                        .weight = values[0]->f,
                        .bias = values[1]->f,
                        .mean = values[2]->f,
                        .var = values[3]->f};
  if (!(epsilon >= 0))
    return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "epsilon is %g", (double)epsilon);
  st = ap_onnx_emit(low, node, node->name, like, &view.node, 1, &index, err);
  if (!st) ap_onnx_set_view(low, node, view, index);
  return st;
}

static uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

/* A constant written out over height and width: values[c], or false where they are not the same for all
 * pixels of a channel. */
static bool same_for_all_pixels(const ap_onnx_view *view, const ap_onnx_tensor *constant,
                                float *values) {
  size_t shift = view->n_dims - constant->n_dims, channels = AP_ONNX_NONE, stride = 1;
  size_t at[AP_ONNX_MAX_DIMS] = {0};
  for (size_t d = constant->n_dims; d-- > 0;) {
    if (constant->dims[d] != 1 && constant->dims[d] != ap_onnx_view_size(view, d + shift))
      return false;
    if (constant->dims[d] != 1 && ap_onnx_view_is_axis(view, d + shift, AP_AXIS_C)) channels = d;
    if (channels == AP_ONNX_NONE) stride *= constant->dims[d];
  }
  for (size_t i = 0; i < constant->count; i++) {
    size_t c = channels == AP_ONNX_NONE ? 0 : at[channels];
    float first = constant->f[channels == AP_ONNX_NONE ? 0 : c * stride];
    if (bits_of(constant->f[i]) != bits_of(first)) return false;
    values[c] = first;
    ap_onnx_step(at, constant->dims, constant->n_dims);
  }
  for (size_t c = 1; channels == AP_ONNX_NONE && c < view->shape.c; c++) values[c] = values[0];
  return constant->count > 0;
}

ap_status ap_onnx_per_channel(ap_onnx_lowering *low, const ap_onnx_node *node, ap_onnx_view *view,
                              const ap_onnx_tensor *constant, float **values, ap_error *err) {
  size_t varying = AP_ONNX_NONE, shift = view->n_dims - constant->n_dims;
  ap_status st = AP_OK;
  bool fits = constant->n_dims <= view->n_dims;
  for (size_t d = 0; fits && d < constant->n_dims; d++) {
    if (constant->dims[d] == 1) continue;
    fits = varying == AP_ONNX_NONE && constant->dims[d] == ap_onnx_view_size(view, d + shift);
    varying = d + shift;
  }
  if (fits && varying != AP_ONNX_NONE && !ap_onnx_view_is_axis(view, varying, AP_AXIS_C)) {
    fits = view->n_dims == 2 && varying == 1 && ap_onnx_view_is_ordered(view);
    if (fits) st = ap_onnx_flatten(low, node, view, err);
  }
  if (!st) *values = ap_calloc(view->shape.c, sizeof **values);
  if (st) return st;
  if (!*values) return ap_onnx_node_fail(node, err, AP_ERR_MEMORY, "%zu values", view->shape.c);
  for (size_t c = 0; fits && c < view->shape.c; c++)
    (*values)[c] = constant->f[constant->count == 1 ? 0 : c];
  if (fits || (constant->n_dims <= view->n_dims && same_for_all_pixels(view, constant, *values)))
    return AP_OK;
  ap_free(*values);
  *values = NULL;
  return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                           "a constant of %zu values; one number, or one for each of %zu "
                           "channels is supported",
                           constant->count, view->shape.c);
}

static bool all_finite(const float *values, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (!isfinite(values[i])) return false;
  }
  return true;
}

/* Adds to the bias of a layer; *done where it could be. */
static ap_status join_bias(ap_network *net, size_t index, const float *shift, bool *done,
                           ap_error *err) {
  ap_node *layer = &net->nodes[index];
  *done = false;
  if (layer->kind != AP_NODE_CONV && layer->kind != AP_NODE_LINEAR) return AP_OK;
  if (!layer->bias) layer->bias = ap_calloc(layer->shape.c, sizeof *layer->bias);
  if (!layer->bias) return ap_fail(err, AP_ERR_MEMORY, "bias of %s", layer->name);
  for (size_t c = 0; c < layer->shape.c; c++) layer->bias[c] += shift[c];
  *done = true;
  return AP_OK;
}

/* scale * (gamma * x' + beta) + shift */
static void join_norm(ap_node *norm, const float *scale, const float *shift) {
  for (size_t c = 0; c < norm->shape.c; c++) {
    if (scale) {
      norm->weight[c] *= scale[c];
      norm->bias[c] *= scale[c];
    }
    if (shift) norm->bias[c] += shift[c];
  }
}

bool ap_onnx_is_affine(const ap_network *net, size_t node, float *scale, float *shift) {
  const ap_node *n = &net->nodes[node];
  if (n->kind != AP_NODE_BATCHNORM || n->shape.c == 0 || !n->bias) return false;
  *scale = n->weight[0];
  *shift = n->bias[0];
  for (size_t c = 0; c < n->shape.c; c++) {
    const bool same = !(fabsf(n->weight[c] - *scale) > 0) && !(fabsf(n->bias[c] - *shift) > 0);
    if (!same || fabsf(n->mean[c]) > 0 || fabsf(n->var[c] + n->epsilon - 1) > 0) return false;
  }
  return true;
}

/* What does nothing is left out. */
static void skip_identity(const ap_network *net, ap_onnx_view *view) {
  float scale, shift;
  if (!ap_onnx_is_affine(net, view->node, &scale, &shift) || fabsf(scale - 1) > 0 ||
      fabsf(shift) > 0)
    return;
  view->node = net->nodes[view->node].inputs[0];
  view->sole = false;
  view->shared = true;
}

ap_status ap_onnx_affine(ap_onnx_lowering *low, const ap_onnx_node *node, ap_onnx_view *view,
                         float *scale, float *shift, ap_error *err) {
  ap_node *before = &low->net->nodes[view->node];
  size_t c = view->shape.c;
  bool done = false;
  ap_status st = AP_OK;
  if (view->sole && shift && !scale) st = join_bias(low->net, view->node, shift, &done, err);
  if (!st && !done && view->sole && before->kind == AP_NODE_BATCHNORM) {
    join_norm(before, scale, shift);
    done = true;
  }
  if (!st && done &&
      !((!before->bias || all_finite(before->bias, c)) &&
        (before->kind != AP_NODE_BATCHNORM || all_finite(before->weight, c))))
    st = ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "its constants overflow");
  if (!st && done) skip_identity(low->net, view);
  if (st || done) return st;
  float *var = ap_calloc(c, sizeof *var);
  if (!var) return ap_onnx_node_fail(node, err, AP_ERR_MEMORY, "%zu values", c);
  for (size_t i = 0; i < c; i++) var[i] = UNIT_VARIANCE;
  const ap_node like = {.kind = AP_NODE_BATCHNORM,
                        .epsilon = UNIT_EPSILON,
                        .weight = scale,
                        .bias = shift,
                        .var = var};
  st = ap_onnx_append(low, node, like, view, err);
  ap_free(var);
  return st;
}

ap_status ap_onnx_affine_number(ap_onnx_lowering *low, const ap_onnx_node *node, ap_onnx_view *view,
                                float scale, float shift, ap_error *err) {
  size_t c = view->shape.c;
  float *values = ap_calloc(c, 2 * sizeof *values);
  if (!values) return ap_onnx_node_fail(node, err, AP_ERR_MEMORY, "%zu values", c);
  for (size_t i = 0; i < c; i++) {
    values[i] = scale;
    values[c + i] = shift;
  }
  bool scales = fabsf(scale - 1) > 0;
  ap_status st = ap_onnx_affine(low, node, view, scales ? values : NULL, values + c, err);
  ap_free(values);
  return st;
}

ap_status ap_onnx_combine(ap_onnx_lowering *low, const ap_onnx_node *node, ap_node_kind kind,
                          ap_onnx_view *view, size_t other, ap_error *err) {
  size_t inputs[2] = {view->node, other};
  const ap_node like = {.kind = kind};
  view->shared = false;
  return ap_onnx_emit(low, node, node->name, like, inputs, 2, &view->node, err);
}

/* An ADD of the image that `a` is of and `sign` times the one at input `k`, which becomes what `a` is of. */
static ap_status add_image(ap_onnx_lowering *low, const ap_onnx_node *node, size_t k, float sign,
                           ap_onnx_view *a, ap_error *err) {
  ap_onnx_view b;
  ap_status st = ap_onnx_input_settled(low, node, k, &b, err);
  if (st) return st;
  if (!ap_onnx_view_equal(a, &b))
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                             "inputs of different shape or layout (%zu x %zu x %zu and %zu x %zu x "
                             "%zu in %zu and %zu dimensions)",
                             a->shape.c, a->shape.h, a->shape.w, b.shape.c, b.shape.h, b.shape.w,
                             a->n_dims, b.n_dims);
  if (sign < 0) st = ap_onnx_affine_number(low, node, &b, sign, 0, err);
  return st ? st : ap_onnx_combine(low, node, AP_NODE_ADD, a, b.node, err);
}

static ap_status subtract(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  ap_onnx_view view;
  ap_status st = ap_onnx_input_settled(low, node, 0, &view, err);
  if (!st) st = add_image(low, node, 1, -1, &view, err);
  if (!st) ap_onnx_set_view(low, node, view, view.node);
  return st;
}

bool ap_onnx_is_negation(const ap_network *net, size_t node) {
  float scale, shift;
  return ap_onnx_is_affine(net, node, &scale, &shift) && !(fabsf(scale + 1) > 0) &&
         !(fabsf(shift) > 0);
}

ap_status ap_onnx_lower_neg(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  ap_onnx_view view;
  ap_status st = ap_onnx_input_settled(low, node, 0, &view, err);
  if (!st) st = ap_onnx_affine_number(low, node, &view, -1, 0, err);
  if (!st) ap_onnx_set_view(low, node, view, view.node);
  return st;
}

/* Sum, of any number of images, and Add of two: one ADD less than images. */
ap_status ap_onnx_lower_sum(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  ap_onnx_view view;
  ap_status st = ap_onnx_input_view(low, node, 0, &view, err);
  if (!st && node->n_inputs == 1) {
    ap_onnx_set_alias(low, node, view);
    return AP_OK;
  }
  if (!st) st = ap_onnx_settle(low, node, &view, err);
  for (size_t k = 1; !st && k < node->n_inputs; k++) st = add_image(low, node, k, 1, &view, err);
  if (!st) ap_onnx_set_view(low, node, view, view.node);
  return st;
}

/* Add, Sub, Mul, Div. */
ap_status ap_onnx_lower_arithmetic(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  ap_onnx_view view;
  const ap_onnx_tensor *constant;
  float *values = NULL, *scale = NULL;
  bool add = strcmp(node->op, "Add") == 0, sub = strcmp(node->op, "Sub") == 0;
  bool divide = strcmp(node->op, "Div") == 0, second;
  if (node->n_inputs != 2 || node->inputs[0] == AP_ONNX_NONE || node->inputs[1] == AP_ONNX_NONE)
    return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "two inputs are expected");
  second = low->views[node->inputs[1]].live;
  if (second && low->views[node->inputs[0]].live) {
    if (add) return ap_onnx_lower_sum(low, node, err);
    if (sub) return subtract(low, node, err);
    if (!divide) return ap_onnx_lower_product(low, node, err);
    return ap_onnx_lower_quotient(low, node, err);
  }
  ap_status st = ap_onnx_input_view(low, node, second, &view, err);
  if (!st) st = ap_onnx_input_constant(low, node, !second, "constant", true, &constant, err);
  if (!st && divide && second)
    st = ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                           "a constant divided by the image; the other way round is supported");
  if (!st) st = ap_onnx_settle(low, node, &view, err);
  if (low->before_curve[node->outputs[0]])
    view.sole = false; /* a node of its own: Erf leaves it out */
  if (!st) st = ap_onnx_per_channel(low, node, &view, constant, &values, err);
  if (st) return st;
  for (size_t c = 0; c < view.shape.c; c++) {
    if (divide) values[c] = 1.0f / values[c];
    if (sub && !second) values[c] = -values[c];
  }
  if (!all_finite(values, view.shape.c)) {
    st = ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "its constant is not finite, or 0");
  } else if (!add && !sub) {
    st = ap_onnx_affine(low, node, &view, values, NULL, err);
  } else if (sub && second) { /* constant - x */
    scale = ap_calloc(view.shape.c, sizeof *scale);
    if (!scale) st = ap_onnx_node_fail(node, err, AP_ERR_MEMORY, "%zu values", view.shape.c);
    for (size_t c = 0; !st && c < view.shape.c; c++) scale[c] = -1.0f;
    if (!st) st = ap_onnx_affine(low, node, &view, scale, values, err);
  } else {
    st = ap_onnx_affine(low, node, &view, NULL, values, err);
  }
  if (!st) ap_onnx_set_view(low, node, view, view.node);
  ap_free(values);
  ap_free(scale);
  return st;
}
