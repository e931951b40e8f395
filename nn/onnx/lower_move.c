/* nn/onnx/lower_move.c - operators that move values: other views of a node, padding, and images joined along
 * their channels. Channels by number and slices are in lower_channels.c. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "nn/onnx/lower.h"

/* The batch must stay in front, and apart from the image. */
static ap_status set_moved(ap_onnx_lowering *low, const ap_onnx_node *node, ap_onnx_view view,
                           ap_error *err) {
  if (view.n_dims < 2 || ap_onnx_view_size(&view, 0) != view.batch ||
      !ap_onnx_view_is_axis(&view, 0, AP_AXIS_N))
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                             "it moves images of the batch; dimension 0 must stay as it is");
  ap_onnx_set_alias(low, node, view);
  return AP_OK;
}

static ap_status new_dims(const ap_onnx_lowering *low, const ap_onnx_node *node,
                          const ap_onnx_view *view, ap_onnx_dims *to, ap_error *err) {
  ap_onnx_dims from = ap_onnx_view_dims(view);
  size_t map[AP_ONNX_MAX_DIMS];
  if (strcmp(node->op, "Reshape") == 0)
    return ap_onnx_shape_reshape(low->graph, node, &from, to, err);
  if (strcmp(node->op, "Flatten") == 0) return ap_onnx_shape_flatten(node, &from, to, err);
  if (strcmp(node->op, "Squeeze") == 0)
    return ap_onnx_shape_squeeze(low->graph, node, &from, true, to, map, err);
  return ap_onnx_shape_unsqueeze(low->graph, node, &from, to, map, err);
}

/* Reshape, Flatten, Squeeze, Unsqueeze. */
ap_status ap_onnx_lower_reshape(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  ap_onnx_view view;
  ap_onnx_dims to = {0};
  ap_status st = ap_onnx_input_moved(low, node, 0, &view, err);
  if (!st) st = new_dims(low, node, &view, &to, err);
  /* FLATTEN nodes of files of ours are kept, also where there is nothing to flatten. */
  if (!st && low->own && strcmp(node->op, "Flatten") == 0 && ap_onnx_view_is_image(&view)) {
    const ap_node like = {.kind = AP_NODE_FLATTEN};
    size_t index;
    st = ap_onnx_settle(low, node, &view, err);
    if (!st) st = ap_onnx_emit(low, node, node->name, like, &view.node, 1, &index, err);
    if (!st) ap_onnx_set_view(low, node, ap_onnx_view_of(low->net, index, low->batch, 2), index);
    return st;
  }
  /* Regrouped, the place of pending slices could not be told. */
  if (!st && (ap_onnx_view_is_strided(&view) || ap_onnx_view_is_padded(&view)))
    st = ap_onnx_settle(low, node, &view, err);
  if (!st && ap_onnx_view_is_swapped(&view)) st = ap_onnx_order_parts(low, node, &view, err);
  if (st) return st;
  if (!ap_onnx_view_regroup(&view, &to))
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                             "it cuts height, width or the batch, or channels in more than two "
                             "parts; joining whole ones is supported");
  if (to.n == 2) view.flat_name = node->name;
  return set_moved(low, node, view, err);
}

ap_status ap_onnx_lower_transpose(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  ap_onnx_view view;
  ap_onnx_dims from, to;
  size_t map[AP_ONNX_MAX_DIMS];
  ap_status st = ap_onnx_input_moved(low, node, 0, &view, err);
  if (st) return st;
  from = ap_onnx_view_dims(&view);
  st = ap_onnx_shape_transpose(node, &from, &to, map, err);
  if (st) return st;
  ap_onnx_view_rearrange(&view, map, to.n);
  return set_moved(low, node, view, err);
}

/* The amounts before and behind each dimension: those of the node's axes, or of all. */
static ap_status pad_amounts(const ap_onnx_lowering *low, const ap_onnx_node *node, size_t n_dims,
                             size_t before[AP_ONNX_MAX_DIMS], size_t after[AP_ONNX_MAX_DIMS],
                             ap_error *err) {
  const char *mode;
  const int64_t *pads, *axes;
  size_t n, n_axes, d;
  bool any = false;
  ap_status st = ap_onnx_attr_text(node, "mode", "constant", &mode, err);
  if (!st) st = ap_onnx_node_ints(low->graph, node, "pads", 1, &pads, &n, err);
  if (!st) st = ap_onnx_node_ints(low->graph, node, "axes", 3, &axes, &n_axes, err);
  if (st) return st;
  if (!axes) n_axes = n_dims;
  if (!pads || n != 2 * n_axes)
    return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "pads of %zu numbers for %zu dimensions", n,
                             n_axes);
  for (size_t i = 0; i < n; i++) {
    any = any || pads[i] != 0;
    if (pads[i] < 0 || pads[i] > INT32_MAX)
      return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED, "%lld values of padding",
                               (long long)pads[i]);
    st = ap_onnx_node_axis(node, axes ? axes[i % n_axes] : (int64_t)(i % n_axes), n_dims, &d, err);
    if (st) return st;
    (i < n_axes ? before : after)[d] = (size_t)pads[i];
  }
  if (any && strcmp(mode, "constant") != 0)
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED, "mode %.40s; constant is supported",
                             mode);
  return AP_OK;
}

/* *lowest: a number below all others, else it is 0. */
static ap_status pad_value(const ap_onnx_lowering *low, const ap_onnx_node *node, bool *lowest,
                           ap_error *err) {
  const float far = -3e38f; /* the lowest float, and minus infinity */
  float value;
  const ap_onnx_tensor *constant;
  ap_status st = ap_onnx_attr_float(node, "value", 0, &value, err);
  if (!st) st = ap_onnx_input_constant(low, node, 2, "value", false, &constant, err);
  if (st) return st;
  if (constant && constant->count == 1) value = constant->f[0];
  *lowest = value < far;
  if ((fabsf(value) > 0 && !*lowest) || isnan(value) || (constant && constant->count != 1))
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                             "a value of %g; 0 is supported, and minus infinity before MaxPool",
                             (double)value);
  return AP_OK;
}

ap_status ap_onnx_lower_pad(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  ap_onnx_view view;
  size_t before[AP_ONNX_MAX_DIMS] = {0}, after[AP_ONNX_MAX_DIMS] = {0};
  bool lowest = false;
  ap_status st = ap_onnx_input_view(low, node, 0, &view, err);
  if (!st) st = pad_amounts(low, node, view.n_dims, before, after, err);
  if (!st) st = pad_value(low, node, &lowest, err);
  if (!st && ap_onnx_view_is_padded(&view) && view.pad_lowest != lowest)
    st = ap_onnx_settle(low, node, &view, err); /* says what may follow a Pad */
  if (st) return st;
  for (size_t d = 0; d < view.n_dims; d++) {
    if (!before[d] && !after[d]) continue;
    view.pending_name = node->name;
    if (!lowest && ap_onnx_view_is_axis(&view, d, AP_AXIS_C) && view.dims[d].n == 1 &&
        view.dims[d].axes[0] == AP_AXIS_C) {
      view.before += before[d];
      view.after += after[d];
      view.shape.c += before[d] + after[d];
    } else if (view.dims[d].n == 1 && view.dims[d].axes[0] == AP_AXIS_H) {
      view.pad_top += before[d];
      view.pad_bottom += after[d];
      view.shape.h += before[d] + after[d];
      view.pad_lowest = lowest;
    } else if (view.dims[d].n == 1 && view.dims[d].axes[0] == AP_AXIS_W) {
      view.pad_left += before[d];
      view.pad_right += after[d];
      view.shape.w += before[d] + after[d];
      view.pad_lowest = lowest;
    } else {
      return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                               "dimension %zu is neither channels nor height nor width", d);
    }
    if (view.shape.c > INT32_MAX || view.shape.h > INT32_MAX || view.shape.w > INT32_MAX)
      return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "an image of %zu x %zu x %zu",
                               view.shape.c, view.shape.h, view.shape.w);
  }
  ap_onnx_set_alias(low, node, view);
  return AP_OK;
}

static bool all_zero(const ap_onnx_tensor *t) {
  for (size_t i = 0; i < t->count; i++) {
    if (ap_onnx_tensor_get(t, i) < 0 || ap_onnx_tensor_get(t, i) > 0) return false;
  }
  return true;
}

/* Zeros joined to the channels of one image: channel padding. `at`: the input that is the image. */
static ap_status concat_zeros(ap_onnx_lowering *low, const ap_onnx_node *node, size_t at,
                              size_t axis, ap_error *err) {
  ap_onnx_view view;
  ap_status st = ap_onnx_input_view(low, node, at, &view, err);
  if (st) return st;
  ap_onnx_dims dims = ap_onnx_view_dims(&view);
  for (size_t k = 0; k < node->n_inputs; k++) {
    const ap_onnx_tensor *t = ap_onnx_node_constant(low->graph, node, k);
    if (k == at) continue;
    bool fits = t && t->n_dims == dims.n && all_zero(t);
    for (size_t d = 0; fits && d < dims.n; d++) fits = d == axis || t->dims[d] == dims.d[d];
    if (!fits)
      return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                               "input %zu is a constant; zeros of the image's size are supported",
                               k);
    *(k < at ? &view.before : &view.after) += t->dims[axis];
    view.shape.c += t->dims[axis];
  }
  view.pending_name = node->name;
  ap_onnx_set_alias(low, node, view);
  return AP_OK;
}

/* The settled view of one input, which must look as the first, apart from its channels. */
static ap_status concat_input(ap_onnx_lowering *low, const ap_onnx_node *node, size_t k,
                              size_t axis, ap_onnx_view *view, ap_error *err) {
  ap_status st = ap_onnx_input_settled(low, node, k, view, err);
  if (!st && view->n_dims == 2 && ap_onnx_view_is_ordered(view))
    st = ap_onnx_flatten(low, node, view, err);
  if (!st && (axis >= view->n_dims || !ap_onnx_view_is_axis(view, axis, AP_AXIS_C)))
    st = ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                           "axis %zu is not the channels of input %zu", axis, k);
  return st;
}

static ap_status concat_images(ap_onnx_lowering *low, const ap_onnx_node *node, size_t axis,
                               size_t *inputs, ap_error *err) {
  ap_onnx_view first = {0}, view;
  size_t index;
  const ap_node like = {.kind = AP_NODE_CONCAT};
  for (size_t k = 0; k < node->n_inputs; k++) {
    ap_status st = concat_input(low, node, k, axis, &view, err);
    if (st) return st;
    if (k == 0) first = view;
    inputs[k] = view.node;
    view.shape.c = first.shape.c; /* may differ */
    if (!ap_onnx_view_equal(&first, &view))
      return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                               "input %zu has another shape or layout than the first", k);
  }
  ap_status st = ap_onnx_emit(low, node, node->name, like, inputs, node->n_inputs, &index, err);
  if (!st) ap_onnx_set_view(low, node, first, index);
  return st;
}

ap_status ap_onnx_lower_concat(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  size_t live = 0, at = 0, axis = 0, *inputs;
  int64_t number;
  ap_status st = ap_onnx_concat_axis(node, &number, err);
  for (size_t k = 0; k < node->n_inputs; k++) {
    if (node->inputs[k] == AP_ONNX_NONE || !low->views[node->inputs[k]].live) continue;
    live++;
    at = k;
  }
  if (!st) st = ap_onnx_node_axis(node, number, low->views[node->inputs[at]].n_dims, &axis, err);
  if (st) return st;
  const ap_onnx_view *view = &low->views[node->inputs[at]];
  if (live == 1 && node->n_inputs > 1 && ap_onnx_view_is_axis(view, axis, AP_AXIS_C) &&
      !ap_onnx_view_is_padded(view))
    return concat_zeros(low, node, at, axis, err);
  inputs = ap_calloc(node->n_inputs, sizeof *inputs);
  if (!inputs) return ap_onnx_node_fail(node, err, AP_ERR_MEMORY, "inputs");
  st = concat_images(low, node, axis, inputs, err);
  ap_free(inputs);
  return st;
}
