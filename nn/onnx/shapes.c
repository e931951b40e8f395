#include "nn/onnx/shapes.h"

#include <string.h>

/* Product of n dimensions; false above 2^62. */
static bool product(const size_t *d, size_t n, size_t *out) {
  size_t p = 1;
  for (size_t i = 0; i < n; i++) {
    if (__builtin_mul_overflow(p, d[i], &p) || p > (size_t)1 << 62) return false;
  }
  *out = p;
  return true;
}

ap_status ap_onnx_shape_reshape(const ap_onnx_graph *graph, const ap_onnx_node *node,
                                const ap_onnx_dims *from, ap_onnx_dims *to, ap_error *err) {
  const int64_t *want;
  int64_t allow_zero;
  size_t n, total, rest = 1, open = AP_ONNX_NONE;
  ap_status st = ap_onnx_node_ints(graph, node, "shape", 1, &want, &n, err);
  if (!st) st = ap_onnx_attr_int(node, "allowzero", 0, 0, 1, &allow_zero, err);
  if (st) return st;
  if (!want || n > AP_ONNX_MAX_DIMS)
    return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "a shape of %zu dimensions", n);
  to->n = n;
  for (size_t i = 0; i < n; i++) {
    bool keep = want[i] == 0 && !allow_zero;
    if (want[i] < -1 || (keep && i >= from->n) || (want[i] == -1 && open != AP_ONNX_NONE))
      return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "dimension %zu of its shape is %lld", i,
                               (long long)want[i]);
    if (want[i] == -1) open = i;
    to->d[i] = want[i] == -1 ? 1 : keep ? from->d[i] : (size_t)want[i];
  }
  if (!product(from->d, from->n, &total) || !product(to->d, n, &rest))
    return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "the shape is too large");
  if (open != AP_ONNX_NONE && rest > 0 && total % rest == 0) {
    to->d[open] = total / rest;
    rest = total;
  }
  if (rest != total)
    return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "%zu values cannot be given a shape of %zu",
                             total, rest);
  return AP_OK;
}

ap_status ap_onnx_shape_flatten(const ap_onnx_node *node, const ap_onnx_dims *from,
                                ap_onnx_dims *to, ap_error *err) {
  int64_t axis;
  size_t at = 0;
  ap_status st = ap_onnx_attr_int(node, "axis", 1, -AP_ONNX_MAX_DIMS, AP_ONNX_MAX_DIMS, &axis, err);
  if (st) return st;
  if (axis == (int64_t)from->n) {
    at = from->n;
  } else {
    st = ap_onnx_node_axis(node, axis, from->n, &at, err);
    if (st) return st;
  }
  to->n = 2;
  if (!product(from->d, at, &to->d[0]) || !product(from->d + at, from->n - at, &to->d[1]))
    return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "the shape is too large");
  return AP_OK;
}

/* Sets flags[axis] for each of the node's axes. */
static ap_status mark_axes(const ap_onnx_node *node, const int64_t *axes, size_t n_axes,
                           size_t n_dims, bool flags[AP_ONNX_MAX_DIMS], ap_error *err) {
  memset(flags, 0, AP_ONNX_MAX_DIMS * sizeof *flags);
  for (size_t i = 0; i < n_axes; i++) {
    size_t at;
    ap_status st = ap_onnx_node_axis(node, axes[i], n_dims, &at, err);
    if (st) return st;
    if (flags[at]) return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "axis %zu twice", at);
    flags[at] = true;
  }
  return AP_OK;
}

ap_status ap_onnx_shape_squeeze(const ap_onnx_graph *graph, const ap_onnx_node *node,
                                const ap_onnx_dims *from, bool keep_first, ap_onnx_dims *to,
                                size_t map[AP_ONNX_MAX_DIMS], ap_error *err) {
  const int64_t *axes;
  size_t n_axes;
  bool gone[AP_ONNX_MAX_DIMS];
  ap_status st = ap_onnx_node_ints(graph, node, "axes", 1, &axes, &n_axes, err);
  if (!st) st = mark_axes(node, axes, n_axes, from->n, gone, err);
  if (st) return st;
  if (!axes) {
    for (size_t i = 0; i < from->n; i++) gone[i] = from->d[i] == 1 && !(keep_first && i == 0);
  }
  to->n = 0;
  for (size_t i = 0; i < from->n; i++) {
    if (gone[i] && from->d[i] != 1)
      return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "dimension %zu is %zu, not 1", i,
                               from->d[i]);
    if (gone[i]) continue;
    map[to->n] = i;
    to->d[to->n++] = from->d[i];
  }
  return AP_OK;
}

ap_status ap_onnx_shape_unsqueeze(const ap_onnx_graph *graph, const ap_onnx_node *node,
                                  const ap_onnx_dims *from, ap_onnx_dims *to,
                                  size_t map[AP_ONNX_MAX_DIMS], ap_error *err) {
  const int64_t *axes;
  size_t n_axes, next = 0;
  bool added[AP_ONNX_MAX_DIMS];
  ap_status st = ap_onnx_node_ints(graph, node, "axes", 1, &axes, &n_axes, err);
  if (st) return st;
  if (!axes || n_axes > AP_ONNX_MAX_DIMS - from->n)
    return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "%zu axes for %zu dimensions", n_axes,
                             from->n);
  to->n = from->n + n_axes;
  st = mark_axes(node, axes, n_axes, to->n, added, err);
  for (size_t i = 0; !st && i < to->n; i++) {
    map[i] = added[i] ? AP_ONNX_NONE : next++;
    to->d[i] = added[i] ? 1 : from->d[map[i]];
  }
  return st;
}

ap_status ap_onnx_shape_transpose(const ap_onnx_node *node, const ap_onnx_dims *from,
                                  ap_onnx_dims *to, size_t map[AP_ONNX_MAX_DIMS], ap_error *err) {
  const int64_t *perm;
  size_t n;
  bool seen[AP_ONNX_MAX_DIMS];
  ap_status st = ap_onnx_attr_ints(node, "perm", &perm, &n, err);
  if (st) return st;
  if (perm && n != from->n)
    return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "perm of %zu for %zu dimensions", n,
                             from->n);
  if (perm) st = mark_axes(node, perm, n, from->n, seen, err);
  if (st) return st;
  to->n = from->n;
  for (size_t i = 0; i < from->n; i++) {
    int64_t at = perm ? perm[i] : (int64_t)(from->n - 1 - i);
    map[i] = (size_t)(at < 0 ? at + (int64_t)n : at);
    to->d[i] = from->d[map[i]];
  }
  return AP_OK;
}

ap_status ap_onnx_concat_axis(const ap_onnx_node *node, int64_t *axis, ap_error *err) {
  if (!ap_onnx_attr_find(node, "axis"))
    return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "attribute axis is missing");
  return ap_onnx_attr_int(node, "axis", 0, INT32_MIN, INT32_MAX, axis, err);
}

static int64_t clamp(int64_t value, int64_t lo, int64_t hi) {
  return value < lo ? lo : value > hi ? hi : value;
}

/* One dimension of n values. */
static ap_onnx_range range_of(int64_t start, int64_t end, int64_t step, int64_t n) {
  ap_onnx_range r = {.step = step};
  int64_t span;
  if (n == 0 || step == 0) return r;
  if (start < 0) start += n;
  if (end < 0) end += n;
  if (step > 0) {
    start = clamp(start, 0, n);
    end = clamp(end, 0, n);
    span = end - start;
  } else {
    start = clamp(start, 0, n - 1);
    end = clamp(end, -1, n - 1);
    span = start - end;
  }
  r.start = start;
  uint64_t stride = step > 0 ? (uint64_t)step : 0 - (uint64_t)step;
  if (span > 0 && stride > 0) {
    r.count = (size_t)(((uint64_t)span - 1) / stride + 1);
  }
  return r;
}

ap_status ap_onnx_shape_slice(const ap_onnx_graph *graph, const ap_onnx_node *node,
                              const ap_onnx_dims *from, ap_onnx_range range[AP_ONNX_MAX_DIMS],
                              ap_error *err) {
  const int64_t *starts, *ends, *axes, *steps;
  size_t n, n_ends, n_axes, n_steps;
  bool seen[AP_ONNX_MAX_DIMS] = {false};
  ap_status st = ap_onnx_node_ints(graph, node, "starts", 1, &starts, &n, err);
  if (!st) st = ap_onnx_node_ints(graph, node, "ends", 2, &ends, &n_ends, err);
  if (!st) st = ap_onnx_node_ints(graph, node, "axes", 3, &axes, &n_axes, err);
  if (!st) st = ap_onnx_node_ints(graph, node, "steps", 4, &steps, &n_steps, err);
  if (st) return st;
  if (!starts || !ends || n_ends != n || (axes && n_axes != n) || (steps && n_steps != n) ||
      n > from->n)
    return ap_onnx_node_fail(node, err, AP_ERR_FORMAT,
                             "starts, ends, axes, steps of %zu, %zu, "
                             "%zu, %zu for %zu dimensions",
                             n, n_ends, n_axes, n_steps, from->n);
  for (size_t d = 0; d < from->n; d++) range[d] = (ap_onnx_range){0, 1, from->d[d]};
  for (size_t i = 0; i < n; i++) {
    size_t d;
    int64_t step = steps ? steps[i] : 1;
    st = ap_onnx_node_axis(node, axes ? axes[i] : (int64_t)i, from->n, &d, err);
    if (st) return st;
    if (seen[d] || step == 0)
      return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "axis %zu: twice, or in steps of 0", d);
    seen[d] = true;
    range[d] = range_of(starts[i], ends[i], step, (int64_t)from->d[d]);
  }
  return AP_OK;
}
