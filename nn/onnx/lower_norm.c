/* nn/onnx/lower_norm.c - normalisation of an image by itself (GroupNormalization, InstanceNormalization,
 * LayerNormalization): a GROUPNORM or a LAYERNORM, and its scale and shift as a BATCHNORM that is exact. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "nn/onnx/lower.h"

/* Which axes (of sizes above 1) stand in dimensions first .. end - 1. */
typedef struct {
  bool has[AP_AXES];
} axis_set;
static axis_set axes_in(const ap_onnx_view *v, size_t first, size_t end) {
  axis_set s = {{false}};
  for (size_t d = first; d < end; d++) {
    for (size_t i = 0; i < v->dims[d].n; i++) {
      const ap_onnx_axis axis = v->dims[d].axes[i];
      if (ap_onnx_view_axis(v, axis) != 1) s.has[axis] = true;
    }
  }
  return s;
}
/* Are they just these of the image's axes, as far as those are above 1? */
static bool is_set(const ap_onnx_view *v, const axis_set *s, bool c, bool inner, bool pixels) {
  const bool want[AP_AXES] = {
      [AP_AXIS_C] = c, [AP_AXIS_INNER] = inner, [AP_AXIS_H] = pixels, [AP_AXIS_W] = pixels};
  for (int axis = 0; axis < AP_AXES; axis++)
    if (s->has[axis] != (want[axis] && ap_onnx_view_axis(v, (ap_onnx_axis)axis) != 1)) return false;
  return true;
}

/* A value for each channel of one for each of `constant->count` equal runs of channels. */
static ap_status spread(const ap_onnx_node *node, const ap_onnx_tensor *constant, const char *what,
                        size_t channels, size_t groups, float **values, ap_error *err) {
  *values = NULL;
  if (!constant) return AP_OK;
  if (constant->count != channels && constant->count != groups)
    return ap_onnx_node_fail(node, err, AP_ERR_FORMAT,
                             "%s of %zu values for %zu channels in %zu groups", what,
                             constant->count, channels, groups);
  *values = ap_calloc(channels, sizeof **values);
  if (!*values) return ap_onnx_node_fail(node, err, AP_ERR_MEMORY, "%zu values", channels);
  for (size_t c = 0; c < channels; c++)
    (*values)[c] = constant->f[c / (channels / constant->count)];
  return AP_OK;
}

static bool all_are(const float *values, size_t n, float value) {
  for (size_t i = 0; values && i < n; i++) {
    if (fabsf(values[i] - value) > 0) return false;
  }
  return true;
}

/* Frees both. */
static ap_status scale_and_shift(ap_onnx_lowering *low, const ap_onnx_node *node,
                                 ap_onnx_view *view, float *scale, float *shift, ap_error *err) {
  const size_t n = view->shape.c;
  ap_status st = AP_OK;
  if (!all_are(scale, n, 1) || !all_are(shift, n, 0))
    st = ap_onnx_affine(low, node, view, scale, shift, err);
  ap_free(scale);
  ap_free(shift);
  return st;
}

typedef struct {
  ap_onnx_view view;
  const ap_onnx_tensor *scale, *shift; /* NULL: left out */
  float epsilon;
} operands;

static ap_status read_operands(ap_onnx_lowering *low, const ap_onnx_node *node, bool shift_needed,
                               operands *o, ap_error *err) {
  ap_status st = ap_onnx_input_settled(low, node, 0, &o->view, err);
  if (!st) st = ap_onnx_input_constant(low, node, 1, "scale", true, &o->scale, err);
  if (!st) st = ap_onnx_input_constant(low, node, 2, "bias", shift_needed, &o->shift, err);
  if (!st) st = ap_onnx_attr_float(node, "epsilon", 1e-5f, &o->epsilon, err);
  if (st) return st;
  if (!(o->epsilon >= 0))
    return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "epsilon is %g", (double)o->epsilon);
  if (!(o->epsilon > 0)) o->epsilon = 1e-37f;
  for (size_t i = 1; i < node->n_outputs; i++) {
    if (node->outputs[i] != AP_ONNX_NONE && low->users[node->outputs[i]] > 0)
      return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                               "its output %zu is read; the normalised image alone is supported",
                               i);
  }
  return AP_OK;
}

static ap_status put_groups(ap_onnx_lowering *low, const ap_onnx_node *node, operands *o,
                            size_t groups, ap_error *err) {
  const ap_node like = {.kind = AP_NODE_GROUPNORM, .groups = groups, .epsilon = o->epsilon};
  const size_t channels = o->view.shape.c;
  float *scale = NULL, *shift = NULL;
  ap_status st = ap_onnx_append(low, node, like, &o->view, err);
  if (!st) st = spread(node, o->scale, "scale", channels, groups, &scale, err);
  if (!st) st = spread(node, o->shift, "bias", channels, groups, &shift, err);
  if (st) {
    ap_free(scale);
    return st;
  }
  st = scale_and_shift(low, node, &o->view, scale, shift, err);
  if (!st) ap_onnx_set_view(low, node, o->view, o->view.node);
  return st;
}

/* Dimension 1 has the channels, or the outer part of them (a Reshape has put groups there), all others the rest. */
ap_status ap_onnx_lower_instance_norm(ap_onnx_lowering *low, const ap_onnx_node *node,
                                      ap_error *err) {
  operands o;
  ap_status st = read_operands(low, node, true, &o, err);
  if (st) return st;
  const ap_onnx_view *v = &o.view;
  const axis_set group = axes_in(v, 1, 2), rest = axes_in(v, 2, v->n_dims);
  if (v->n_dims >= 2 && is_set(v, &group, true, false, false) &&
      is_set(v, &rest, false, true, true))
    return put_groups(low, node, &o, v->shape.c / v->inner, err);
  if (v->n_dims >= 2 && is_set(v, &group, false, false, false) &&
      is_set(v, &rest, true, true, true))
    return put_groups(low, node, &o, 1, err);
  return ap_onnx_node_fail(
      node, err, AP_ERR_UNSUPPORTED,
      "dimension 1 of its input is neither the channels nor equal groups of them");
}

ap_status ap_onnx_lower_group_norm(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  operands o;
  int64_t groups, stash;
  ap_status st = read_operands(low, node, true, &o, err);
  if (!st) st = ap_onnx_attr_int(node, "num_groups", 0, 1, INT32_MAX, &groups, err);
  if (!st) st = ap_onnx_attr_int(node, "stash_type", 1, 0, INT32_MAX, &stash, err);
  if (st) return st;
  if (groups == 0)
    return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "its attribute num_groups is missing");
  if (o.view.n_dims < 2 || !ap_onnx_view_is_axis(&o.view, 1, AP_AXIS_C))
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                             "dimension 1 of its input is not the channels");
  if (o.view.shape.c % (size_t)groups)
    return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "%zu channels in %lld groups",
                             o.view.shape.c, (long long)groups);
  return put_groups(low, node, &o, (size_t)groups, err);
}

/* Over the channels of each pixel; over the pixels of each channel; over all. */
ap_status ap_onnx_lower_layer_norm(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  operands o;
  int64_t number, stash;
  size_t axis;
  float *scale = NULL, *shift = NULL;
  ap_status st = read_operands(low, node, false, &o, err);
  if (!st)
    st = ap_onnx_attr_int(node, "axis", -1, -AP_ONNX_MAX_DIMS, AP_ONNX_MAX_DIMS, &number, err);
  if (!st) st = ap_onnx_attr_int(node, "stash_type", 1, 0, INT32_MAX, &stash, err);
  if (!st) st = ap_onnx_node_axis(node, number, o.view.n_dims, &axis, err);
  if (st) return st;
  const axis_set over = axes_in(&o.view, axis, o.view.n_dims);
  ap_node like = {.kind = AP_NODE_GROUPNORM, .groups = 1, .epsilon = o.epsilon};
  if (is_set(&o.view, &over, true, true, false))
    like.kind = AP_NODE_LAYERNORM;
  else if (is_set(&o.view, &over, false, false, true))
    like.groups = o.view.shape.c;
  else if (!is_set(&o.view, &over, true, true, true))
    return ap_onnx_node_fail(
        node, err, AP_ERR_UNSUPPORTED,
        "axis %lld: over the channels of each pixel, the pixels of each channel, or all of "
        "an image is supported",
        (long long)number);
  st = ap_onnx_append(low, node, like, &o.view, err);
  if (!st) st = ap_onnx_per_channel(low, node, &o.view, o.scale, &scale, err);
  if (!st && o.shift) st = ap_onnx_per_channel(low, node, &o.view, o.shift, &shift, err);
  if (st) {
    ap_free(scale);
    return st;
  }
  st = scale_and_shift(low, node, &o.view, scale, shift, err);
  if (!st) ap_onnx_set_view(low, node, o.view, o.view.node);
  return st;
}
