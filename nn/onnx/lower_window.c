/* nn/onnx/lower_window.c - operators with a window: Conv, pools, means over the image. */
#include <string.h>

#include "nn/onnx/lower.h"

typedef struct {
  size_t k[2], stride[2], dilation[2], begin[2], end[2]; /* height, width; begin and end: padding */
  bool ceil_mode;
} window;

/* Two positive numbers of an attribute, `absent` where it is left out. */
static ap_status two_sizes(const ap_onnx_node *node, const char *name, size_t absent, size_t out[2],
                           ap_error *err) {
  const int64_t *ints;
  size_t n;
  ap_status st = ap_onnx_attr_ints(node, name, &ints, &n, err);
  if (st) return st;
  for (size_t i = 0; i < 2; i++) {
    if (ints && (n != 2 || ints[i] < 1 || ints[i] > INT32_MAX))
      return ap_onnx_node_fail(node, err, n == 2 ? AP_ERR_FORMAT : AP_ERR_UNSUPPORTED,
                               "%s of %zu numbers, or below 1; two sizes are supported", name, n);
    out[i] = ints ? (size_t)ints[i] : absent;
  }
  return AP_OK;
}

static size_t times_up(size_t n, size_t by) { return n / by + (n % by != 0); }

/* The padding of auto_pad, so that there are ceil(size / stride) positions. */
static void same_padding(const size_t in[2], bool upper, window *w) {
  for (size_t i = 0; i < 2; i++) {
    size_t reach = (w->k[i] - 1) * w->dilation[i] + 1;
    size_t need = (times_up(in[i], w->stride[i]) - 1) * w->stride[i] + reach;
    size_t total = need > in[i] ? need - in[i] : 0;
    w->begin[i] = upper ? total / 2 : total - total / 2;
    w->end[i] = total - w->begin[i];
  }
}

static ap_status read_pads(const ap_onnx_node *node, const size_t in[2], window *w, ap_error *err) {
  const char *mode;
  const int64_t *pads;
  size_t n;
  ap_status st = ap_onnx_attr_text(node, "auto_pad", "NOTSET", &mode, err);
  if (!st) st = ap_onnx_attr_ints(node, "pads", &pads, &n, err);
  if (st) return st;
  if (strcmp(mode, "VALID") == 0) return AP_OK;
  if (strcmp(mode, "SAME_UPPER") == 0 || strcmp(mode, "SAME_LOWER") == 0) {
    same_padding(in, strcmp(mode, "SAME_UPPER") == 0, w);
    return AP_OK;
  }
  if (*mode && strcmp(mode, "NOTSET") != 0)
    return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "auto_pad is \"%.40s\"", mode);
  for (size_t i = 0; pads && i < 4; i++) {
    if (n != 4 || pads[i] < 0 || pads[i] > INT32_MAX)
      return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                               "pads of %zu numbers, or negative; 4 sizes are supported", n);
    *(i < 2 ? &w->begin[i] : &w->end[i - 2]) = (size_t)pads[i];
  }
  return AP_OK;
}

/* The window's attributes, over an image of size `in`. k is set already where kernel_shape may be left
 * out, and is compared with it. */
static ap_status read_window(const ap_onnx_node *node, const size_t in[2], bool may_dilate,
                             window *w, ap_error *err) {
  size_t k[2] = {0};
  int64_t ceil_mode;
  ap_status st = two_sizes(node, "dilations", 1, w->dilation, err);
  if (!st) st = two_sizes(node, "strides", 1, w->stride, err);
  if (!st) st = two_sizes(node, "kernel_shape", 0, k, err);
  if (!st) st = ap_onnx_attr_int(node, "ceil_mode", 0, 0, 1, &ceil_mode, err);
  if (st) return st;
  for (size_t i = 0; i < 2; i++) {
    if (!w->k[i]) w->k[i] = k[i];
    if (!w->k[i] || (k[i] && w->k[i] != k[i]))
      return ap_onnx_node_fail(node, err, AP_ERR_FORMAT,
                               "kernel_shape is missing or differs from the weights");
    if (w->k[i] == 1) w->dilation[i] = 1; /* one weight cannot be spread */
    if (w->dilation[i] != 1 && !may_dilate)
      return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                               "dilations %zu, %zu; 1 is supported, others in Conv", w->dilation[0],
                               w->dilation[1]);
    if (w->k[i] > INT32_MAX / w->dilation[i])
      return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "a kernel of %zu in steps of %zu", w->k[i],
                               w->dilation[i]);
  }
  w->ceil_mode = ceil_mode == 1;
  return read_pads(node, in, w, err);
}

static void put_window(const window *w, ap_node *like) {
  like->kh = w->k[0];
  like->kw = w->k[1];
  like->dilation_h = w->dilation[0];
  like->dilation_w = w->dilation[1];
  like->stride_h = w->stride[0];
  like->stride_w = w->stride[1];
  like->pad_top = w->begin[0];
  like->pad_left = w->begin[1];
  like->pad_bottom = w->end[0];
  like->pad_right = w->end[1];
}

/* The image that a window moves over: settled, with the padding that a Pad put around it apart. Padding with
 * the lowest number is for a MaxPool alone. */
static ap_status input_image(ap_onnx_lowering *low, const ap_onnx_node *node, ap_onnx_view *view,
                             size_t pads[4], size_t in[2], ap_error *err) {
  ap_status st = ap_onnx_input_view(low, node, 0, view, err);
  if (st) return st;
  if (!ap_onnx_view_is_image(view))
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                             "its input of %zu dimensions is no image [N, C, H, W]", view->n_dims);
  if (ap_onnx_view_is_padded(view) && view->pad_lowest && strcmp(node->op, "MaxPool") != 0)
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                             "it follows %.80s, which pads with minus infinity; MaxPool may follow",
                             view->pending_name);
  in[0] = view->shape.h;
  in[1] = view->shape.w;
  ap_onnx_view_take_padding(view, pads);
  return ap_onnx_settle(low, node, view, err);
}

static ap_status emit_window(ap_onnx_lowering *low, const ap_onnx_node *node, ap_onnx_view view,
                             ap_node like, ap_error *err) {
  size_t index;
  ap_status st = ap_onnx_emit(low, node, node->name, like, &view.node, 1, &index, err);
  if (!st)
    ap_onnx_set_view(low, node, ap_onnx_view_of(low->net, index, low->batch, AP_IMAGE_DIMS), index);
  return st;
}

ap_status ap_onnx_lower_conv(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  const ap_onnx_tensor *weight, *bias;
  ap_onnx_view view;
  size_t pads[4] = {0}, in[2];
  int64_t groups;
  window w = {0};
  ap_status st = input_image(low, node, &view, pads, in, err);
  if (!st) st = ap_onnx_input_constant(low, node, 1, "weights", true, &weight, err);
  if (!st) st = ap_onnx_input_constant(low, node, 2, "bias", false, &bias, err);
  if (!st) st = ap_onnx_attr_int(node, "group", 1, 1, INT32_MAX, &groups, err);
  if (st) return st;
  if (weight->n_dims == 4 && weight->count == 0)
    return ap_onnx_node_fail(node, err, AP_ERR_FORMAT,
                             "weights of %zu x %zu x %zu x %zu: a dimension of 0", weight->dims[0],
                             weight->dims[1], weight->dims[2], weight->dims[3]);
  if (weight->n_dims != 4)
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                             "weights of %zu dimensions; [out, in, height, width] is supported",
                             weight->n_dims);
  w.k[0] = weight->dims[2];
  w.k[1] = weight->dims[3];
  st = read_window(node, in, true, &w, err);
  if (st) return st;
  if (weight->dims[1] * (size_t)groups != view.shape.c || weight->dims[0] % (size_t)groups != 0 ||
      (bias && bias->count != weight->dims[0]))
    return ap_onnx_node_fail(
        node, err, AP_ERR_FORMAT,
        "weights for %zu groups of %zu channels and %zu outputs, the image has "
        "%zu channels, the bias %zu values",
        (size_t)groups, weight->dims[1], weight->dims[0], view.shape.c,
        bias ? bias->count : weight->dims[0]);
  ap_node like = {.kind = AP_NODE_CONV,
                  .shape.c = weight->dims[0],
                  .groups = (size_t)groups,
                  .weight = weight->f,
                  .bias = bias ? bias->f : NULL};
  for (size_t i = 0; i < 2; i++) {
    w.begin[i] += pads[i];
    w.end[i] += pads[2 + i];
  }
  put_window(&w, &like);
  return emit_window(low, node, view, like, err);
}

/* ceil_mode: the last window may stand over the end, as long as it begins within the image or the
 * padding before it. That is more padding at the end. Returns whether there is any. */
static bool round_up(const size_t in[2], window *w) {
  bool more = false;
  for (size_t i = 0; i < 2 && w->ceil_mode; i++) {
    size_t padded = in[i] + w->begin[i] + w->end[i];
    if (padded < w->k[i]) continue;
    size_t last = times_up(padded - w->k[i], w->stride[i]) * w->stride[i];
    if (last >= in[i] + w->begin[i]) last -= w->stride[i];
    if (last + w->k[i] <= padded) continue;
    w->end[i] += last + w->k[i] - padded;
    more = true;
  }
  return more;
}

static bool any(const size_t pads[4]) { return pads[0] || pads[1] || pads[2] || pads[3]; }

ap_status ap_onnx_lower_max_pool(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  ap_onnx_view view;
  size_t pads[4] = {0}, in[2];
  window w = {0};
  ap_node like = {.kind = AP_NODE_MAXPOOL};
  ap_status st = input_image(low, node, &view, pads, in, err);
  if (!st) st = read_window(node, in, false, &w, err);
  if (st) return st;
  (void)round_up(in, &w);
  /* Zeros around values that are not negative lose to any of them, as padding does. Others may win. */
  if (any(pads) && !view.pad_lowest && !ap_onnx_is_nonnegative(low->net, view.node)) {
    st = ap_onnx_put_zeros(low, node, &view, pads, err);
    if (st) return st;
  }
  for (size_t i = 0; i < 2; i++) {
    w.begin[i] += pads[i];
    w.end[i] += pads[2 + i];
  }
  put_window(&w, &like);
  return emit_window(low, node, view, like, err);
}

ap_status ap_onnx_lower_average_pool(ap_onnx_lowering *low, const ap_onnx_node *node,
                                     ap_error *err) {
  ap_onnx_view view;
  size_t pads[4] = {0}, in[2];
  int64_t count_padding;
  window w = {0};
  ap_node like = {.kind = AP_NODE_AVGPOOL};
  ap_status st = input_image(low, node, &view, pads, in, err);
  if (!st) st = read_window(node, in, false, &w, err);
  if (!st) st = ap_onnx_attr_int(node, "count_include_pad", 0, 0, 1, &count_padding, err);
  if (st) return st;
  bool outer = any(pads); /* zeros that count in every case */
  bool own = w.begin[0] || w.begin[1] || w.end[0] || w.end[1];
  if (!own) count_padding = 0; /* what a last window has over the end is never counted */
  bool over = round_up(in, &w);
  if (outer && (over || (own && !count_padding))) { /* beside padding that does not count */
    st = ap_onnx_put_zeros(low, node, &view, pads, err);
    if (st) return st;
    outer = false;
  }
  if (over && count_padding)
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                             "ceil_mode, with a last window over the end and padding that is "
                             "counted");
  for (size_t i = 0; i < 2; i++) {
    w.begin[i] += pads[i];
    w.end[i] += pads[2 + i];
  }
  like.count_padding = count_padding || outer;
  put_window(&w, &like);
  return emit_window(low, node, view, like, err);
}

static ap_node whole_image(const ap_onnx_view *view, ap_node_kind kind) {
  return (ap_node){.kind = kind, .kh = view->shape.h, .kw = view->shape.w};
}

ap_status ap_onnx_lower_global_pool(ap_onnx_lowering *low, const ap_onnx_node *node,
                                    ap_error *err) {
  ap_onnx_view view;
  ap_status st = ap_onnx_input_view(low, node, 0, &view, err);
  if (!st && !ap_onnx_view_is_image(&view))
    st = ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                           "its input of %zu dimensions is no image [N, C, H, W]", view.n_dims);
  if (!st) st = ap_onnx_settle(low, node, &view, err);
  if (st) return st;
  bool average = strcmp(node->op, "GlobalAveragePool") == 0;
  return emit_window(low, node, view,
                     whole_image(&view, average ? AP_NODE_AVGPOOL : AP_NODE_MAXPOOL), err);
}

/* ReduceMean, ReduceSum (as many times the mean) and ReduceMax over all of height, of width or of both, and nothing
 * else: a pool with a window of that size. */
ap_status ap_onnx_lower_reduce(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  const bool sum = strcmp(node->op, "ReduceSum") == 0;
  const bool mean = sum || strcmp(node->op, "ReduceMean") == 0;
  const char *what = mean ? "mean" : "maximum";
  ap_node like = {.kind = mean ? AP_NODE_AVGPOOL : AP_NODE_MAXPOOL, .kh = 1, .kw = 1};
  ap_onnx_view view;
  const int64_t *axes = NULL;
  int64_t keep, none;
  size_t n = 0, map[AP_ONNX_MAX_DIMS], rank = 0;
  bool gone[AP_ONNX_MAX_DIMS] = {false};
  ap_status st = ap_onnx_input_view(low, node, 0, &view, err);
  if (!st) st = ap_onnx_node_ints(low->graph, node, "axes", 1, &axes, &n, err);
  if (!st) st = ap_onnx_attr_int(node, "keepdims", 1, 0, 1, &keep, err);
  if (!st) st = ap_onnx_attr_int(node, "noop_with_empty_axes", 0, 0, 0, &none, err);
  if (!st) st = ap_onnx_settle(low, node, &view, err);
  for (size_t i = 0; !st && i < n; i++) {
    size_t d;
    st = ap_onnx_node_axis(node, axes[i], view.n_dims, &d, err);
    if (!st) gone[d] = true;
  }
  if (st) return st;
  if (n == 0 || gone[0])
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                             "over all of the batch; the %s over height and width is supported",
                             what);
  for (size_t d = 0; d < view.n_dims; d++) {
    for (size_t i = 0; i < view.dims[d].n; i++) {
      ap_onnx_axis axis = view.dims[d].axes[i];
      if (!gone[d] || ap_onnx_view_axis(&view, axis) == 1) continue;
      if (axis != AP_AXIS_H && axis != AP_AXIS_W)
        return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                                 "over axis %zu; the %s over height and width is supported", d,
                                 what);
      *(axis == AP_AXIS_H ? &like.kh : &like.kw) = ap_onnx_view_axis(&view, axis);
    }
    if (!gone[d] || keep) map[rank++] = d;
  }
  st = ap_onnx_append(low, node, like, &view, err);
  if (!st && sum) st = ap_onnx_affine_number(low, node, &view, (float)(like.kh * like.kw), 0, err);
  if (st) return st;
  ap_onnx_view_rearrange(&view, map, rank);
  ap_onnx_set_view(low, node, view, view.node);
  return AP_OK;
}
