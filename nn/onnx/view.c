#include "nn/onnx/view.h"

static const ap_onnx_axis image_axes[AP_IMAGE_DIMS] = {AP_AXIS_N, AP_AXIS_C, AP_AXIS_H, AP_AXIS_W};

ap_onnx_view ap_onnx_view_of(const ap_network *net, size_t node, size_t batch, size_t rank) {
  ap_onnx_view v = {.live = true,
                    .node = node,
                    .batch = batch,
                    .shape = net->nodes[node].shape,
                    .inner = 1,
                    .n_dims = rank,
                    .stride_h = 1,
                    .stride_w = 1};
  for (size_t d = 0; d < rank && d < AP_IMAGE_DIMS; d++)
    v.dims[d] = (ap_onnx_dim){.n = 1, .axes = {image_axes[d]}};
  return v;
}

size_t ap_onnx_view_axis(const ap_onnx_view *v, ap_onnx_axis axis) {
  const size_t sizes[AP_AXES] = {
      [AP_AXIS_N] = v->batch,     [AP_AXIS_C] = v->shape.c / v->inner,
      [AP_AXIS_INNER] = v->inner, [AP_AXIS_H] = v->shape.h,
      [AP_AXIS_W] = v->shape.w,
  };
  return sizes[axis];
}

size_t ap_onnx_view_size(const ap_onnx_view *v, size_t dim) {
  size_t size = 1; /* at most batch * 2^31 */
  for (size_t i = 0; i < v->dims[dim].n; i++) size *= ap_onnx_view_axis(v, v->dims[dim].axes[i]);
  return size;
}

ap_onnx_dims ap_onnx_view_dims(const ap_onnx_view *v) {
  ap_onnx_dims dims = {.n = v->n_dims};
  if (v->spread.n) return v->spread;
  for (size_t d = 0; d < v->n_dims; d++) dims.d[d] = ap_onnx_view_size(v, d);
  return dims;
}

bool ap_onnx_view_is_axis(const ap_onnx_view *v, size_t dim, ap_onnx_axis axis) {
  bool found = false;
  if (axis == AP_AXIS_C && v->inner != 1) return false;
  for (size_t i = 0; i < v->dims[dim].n; i++) {
    if (v->dims[dim].axes[i] == axis) {
      found = true;
    } else if (ap_onnx_view_axis(v, v->dims[dim].axes[i]) != 1) {
      return false;
    }
  }
  return found || ap_onnx_view_axis(v, axis) == 1;
}

bool ap_onnx_view_is_channels(const ap_onnx_view *v, size_t dim, ap_onnx_axis *axis) {
  bool found = false;
  for (size_t i = 0; i < v->dims[dim].n; i++) {
    ap_onnx_axis at = v->dims[dim].axes[i];
    bool wide = ap_onnx_view_axis(v, at) != 1, channels = at == AP_AXIS_C || at == AP_AXIS_INNER;
    if (wide && (!channels || (found && ap_onnx_view_axis(v, *axis) != 1))) return false;
    if (!channels || (found && !wide)) continue;
    *axis = at;
    found = true;
  }
  return found;
}

bool ap_onnx_view_is_image(const ap_onnx_view *v) {
  if (v->n_dims != AP_IMAGE_DIMS) return false;
  for (size_t d = 0; d < AP_IMAGE_DIMS; d++) {
    if (!ap_onnx_view_is_axis(v, d, image_axes[d])) return false;
  }
  return true;
}

/* The axes of sizes above 1 in the order of the view. */
static size_t order_of(const ap_onnx_view *v, ap_onnx_axis order[AP_AXES]) {
  size_t n = 0;
  for (size_t d = 0; d < v->n_dims; d++) {
    for (size_t i = 0; i < v->dims[d].n; i++) {
      ap_onnx_axis axis = v->dims[d].axes[i];
      if (ap_onnx_view_axis(v, axis) != 1 && n < AP_AXES) order[n++] = axis;
    }
  }
  return n;
}

bool ap_onnx_view_is_ordered(const ap_onnx_view *v) {
  ap_onnx_axis order[AP_AXES];
  size_t n = order_of(v, order);
  for (size_t i = 1; i < n; i++) {
    if (order[i] < order[i - 1]) return false;
  }
  return true;
}

bool ap_onnx_view_is_swapped(const ap_onnx_view *v) {
  ap_onnx_axis order[AP_AXES];
  size_t n = order_of(v, order);
  for (size_t i = 1; i < n; i++) {
    if (order[i - 1] == AP_AXIS_INNER && order[i] == AP_AXIS_C) return true;
  }
  return false;
}

void ap_onnx_view_swap_parts(ap_onnx_view *v) {
  for (size_t d = 0; d < v->n_dims; d++) {
    for (size_t i = 0; i < v->dims[d].n; i++) {
      ap_onnx_axis *axis = &v->dims[d].axes[i];
      if (*axis == AP_AXIS_C) {
        *axis = AP_AXIS_INNER;
      } else if (*axis == AP_AXIS_INNER) {
        *axis = AP_AXIS_C;
      }
    }
  }
  v->inner = v->shape.c / v->inner;
}

bool ap_onnx_view_equal(const ap_onnx_view *a, const ap_onnx_view *b) {
  ap_onnx_axis left[AP_AXES], right[AP_AXES];
  size_t n = order_of(a, left);
  if (a->n_dims != b->n_dims || order_of(b, right) != n) return false;
  for (size_t i = 0; i < n; i++) {
    if (left[i] != right[i]) return false;
  }
  for (size_t d = 0; d < a->n_dims; d++) {
    if (ap_onnx_view_size(a, d) != ap_onnx_view_size(b, d)) return false;
  }
  return a->inner == b->inner && a->shape.c == b->shape.c && a->shape.h == b->shape.h &&
         a->shape.w == b->shape.w;
}

bool ap_onnx_view_is_padded(const ap_onnx_view *v) {
  return v->pad_top || v->pad_left || v->pad_bottom || v->pad_right;
}

void ap_onnx_view_take_padding(ap_onnx_view *v, size_t pads[4]) {
  pads[0] = v->pad_top;
  pads[1] = v->pad_left;
  pads[2] = v->pad_bottom;
  pads[3] = v->pad_right;
  v->pad_top = v->pad_left = v->pad_bottom = v->pad_right = 0;
  v->shape.h -= pads[0] + pads[2];
  v->shape.w -= pads[1] + pads[3];
}

bool ap_onnx_view_is_strided(const ap_onnx_view *v) {
  return v->stride_h != 1 || v->stride_w != 1 || v->before || v->after;
}

/* Parts of the channels that stand behind each other are whole again. */
static size_t join_parts(ap_onnx_view *v, ap_onnx_axis order[AP_AXES], size_t n) {
  size_t kept = 0;
  for (size_t i = 0; i < n; i++) {
    if (i > 0 && order[i - 1] == AP_AXIS_C && order[i] == AP_AXIS_INNER) {
      v->inner = 1;
    } else {
      order[kept++] = order[i];
    }
  }
  return kept;
}

/* Cuts the channels, order[at], so that the outer part has that size. */
static bool cut_channels(ap_onnx_view *v, ap_onnx_axis order[AP_AXES], size_t *n, size_t at,
                         size_t size) {
  if (order[at] != AP_AXIS_C || v->inner != 1 || v->shape.c % size != 0) return false;
  v->inner = v->shape.c / size;
  for (size_t i = (*n)++; i > at + 1; i--) order[i] = order[i - 1];
  order[at + 1] = AP_AXIS_INNER;
  return true;
}

bool ap_onnx_view_regroup(ap_onnx_view *v, const ap_onnx_dims *to) {
  ap_onnx_view cut = *v;
  ap_onnx_axis order[AP_AXES];
  size_t n = join_parts(&cut, order, order_of(v, order)), next = 0;
  cut.n_dims = to->n;
  for (size_t d = 0; d < to->n; d++) {
    size_t size = 1;
    ap_onnx_dim *dim = &cut.dims[d];
    *dim = (ap_onnx_dim){0};
    while (size < to->d[d] && next < n) {
      size_t axis = ap_onnx_view_axis(&cut, order[next]), want = to->d[d] / size;
      if (axis > want && !cut_channels(&cut, order, &n, next, want)) return false;
      size *= ap_onnx_view_axis(&cut, order[next]);
      dim->axes[dim->n++] = order[next++];
    }
    if (size != to->d[d]) return false;
  }
  if (next != n) return false;
  *v = cut;
  return true;
}

void ap_onnx_view_rearrange(ap_onnx_view *v, const size_t *map, size_t n) {
  ap_onnx_dim dims[AP_ONNX_MAX_DIMS] = {{0}};
  for (size_t d = 0; d < n; d++) {
    if (map[d] != AP_ONNX_NONE) dims[d] = v->dims[map[d]];
  }
  v->n_dims = n;
  for (size_t d = 0; d < n; d++) v->dims[d] = dims[d];
}

size_t ap_onnx_view_place(const ap_onnx_view *v, size_t index) {
  ap_onnx_axis order[AP_AXES];
  size_t at[AP_AXES] = {0};
  for (size_t i = order_of(v, order); i-- > 0;) {
    if (order[i] == AP_AXIS_N) continue;
    at[order[i]] = index % ap_onnx_view_axis(v, order[i]);
    index /= ap_onnx_view_axis(v, order[i]);
  }
  size_t c = at[AP_AXIS_C] * v->inner + at[AP_AXIS_INNER];
  return (c * v->shape.h + at[AP_AXIS_H]) * v->shape.w + at[AP_AXIS_W];
}
