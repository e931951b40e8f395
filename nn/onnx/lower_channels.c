/* nn/onnx/lower_channels.c - channels by number: Slice, Gather and Split along the channels, and the shuffle
 * of channels that are cut in two parts. They stay in the view, composed, until a node needs the values; then
 * they are one GATHER. Slices of height and width become a SHORTCUT. */
#include <string.h>

#include "base/alloc.h"
#include "nn/onnx/lower.h"

#define MAX_PICKS ((size_t)1 << 24) /* of a file, each time they are written down */

struct ap_onnx_picks {
  ap_onnx_picks *next;
  size_t numbers[];
};

ap_status ap_onnx_count_picks(ap_onnx_lowering *low, const ap_onnx_node *node, size_t n,
                              ap_error *err) {
  if (n > MAX_PICKS - low->n_picks)
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                             "more than %zu channels are picked by number", MAX_PICKS);
  low->n_picks += n;
  return AP_OK;
}

static ap_status new_picks(ap_onnx_lowering *low, const ap_onnx_node *node, size_t n,
                           size_t **numbers, ap_error *err) {
  ap_status st = ap_onnx_count_picks(low, node, n, err);
  if (st) return st;
  ap_onnx_picks *picks = ap_calloc(1, sizeof *picks + n * sizeof *picks->numbers);
  if (!picks) return ap_onnx_node_fail(node, err, AP_ERR_MEMORY, "%zu channels", n);
  picks->next = low->picks;
  low->picks = picks;
  *numbers = picks->numbers;
  return AP_OK;
}

void ap_onnx_picks_release(ap_onnx_lowering *low) {
  while (low->picks) {
    ap_onnx_picks *next = low->picks->next;
    ap_free(low->picks);
    low->picks = next;
  }
}

/* Which channel of the node a channel of the view is. */
static size_t channel_of(const ap_onnx_view *view, size_t c) {
  return view->picks ? view->picks[c] : c;
}

/* How many channels are picked, before zeros are put beside them. */
static size_t picked(const ap_onnx_view *view) {
  return view->shape.c - view->before - view->after;
}

static ap_status emit_gather(ap_onnx_lowering *low, const ap_onnx_node *node, ap_onnx_view *view,
                             ap_error *err) {
  const ap_node like = {.kind = AP_NODE_GATHER, .shape.c = picked(view), .picks = view->picks};
  size_t input = view->node;
  ap_status st = ap_onnx_count_picks(low, node, like.shape.c, err);
  if (!st) st = ap_onnx_emit(low, node, view->picks_name, like, &input, 1, &view->node, err);
  view->picks = NULL;
  return st;
}

ap_status ap_onnx_put_gather(ap_onnx_lowering *low, const ap_onnx_node *node, ap_onnx_view *view,
                             ap_error *err) {
  bool same = picked(view) == low->net->nodes[view->node].shape.c;
  for (size_t c = 0; same && c < picked(view); c++) same = view->picks[c] == c;
  if (!same) return emit_gather(low, node, view, err);
  view->picks = NULL;
  return AP_OK;
}

ap_status ap_onnx_order_parts(ap_onnx_lowering *low, const ap_onnx_node *node, ap_onnx_view *view,
                              ap_error *err) {
  size_t *numbers = NULL, inner = view->inner, outer = view->shape.c / inner;
  ap_status st = new_picks(low, node, view->shape.c, &numbers, err);
  if (st) return st;
  for (size_t i = 0; i < inner; i++) {
    for (size_t o = 0; o < outer; o++) numbers[i * outer + o] = channel_of(view, o * inner + i);
  }
  ap_onnx_view_swap_parts(view);
  view->picks = numbers;
  view->picks_name = node->name;
  return AP_OK;
}

/* Places along one dimension: those listed, negative ones from the end; or a range. */
typedef struct {
  const int64_t *list;
  ap_onnx_range range;
} selection;

static size_t selected(const selection *s, size_t k, size_t size) {
  int64_t at = s->list ? s->list[k] : s->range.start + (int64_t)k * s->range.step;
  return at < 0 ? (size_t)(at + (int64_t)size) : (size_t)at;
}

/* Of the channels, or of one part of them: those selected. */
static ap_status pick(ap_onnx_lowering *low, const ap_onnx_node *node, ap_onnx_view *view,
                      ap_onnx_axis part, const selection *s, ap_error *err) {
  ap_status st = AP_OK;
  if (view->before || view->after) st = ap_onnx_settle(low, node, view, err);
  if (!st && s->range.count == 0)
    st = ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED, "it takes no channels");
  if (st) return st;
  const bool of_outer = part == AP_AXIS_C;
  const size_t size = ap_onnx_view_axis(view, part), inner = view->inner;
  const size_t n_outer = of_outer ? s->range.count : view->shape.c / inner;
  const size_t n_inner = of_outer ? inner : s->range.count;
  size_t *numbers = NULL, n;
  if (__builtin_mul_overflow(n_outer, n_inner, &n)) n = SIZE_MAX; /* refused as too many */
  st = new_picks(low, node, n, &numbers, err);
  if (st) return st;
  for (size_t i = 0; i < n; i++) {
    size_t o = i / n_inner, within = i % n_inner;
    size_t from =
        of_outer ? selected(s, o, size) * inner + within : o * inner + selected(s, within, size);
    numbers[i] = channel_of(view, from);
  }
  view->picks = numbers;
  view->picks_name = node->name;
  view->sole = false; /* other nodes may pick of the same node */
  view->shape.c = n;
  view->inner = n_inner;
  if (n_outer == 1 && n_inner > 1) ap_onnx_view_swap_parts(view); /* one part: whole channels */
  return AP_OK;
}

/* Is the dimension channels? Flat features of an image in the plain order become channels. */
static ap_status find_channels(ap_onnx_lowering *low, const ap_onnx_node *node, ap_onnx_view *view,
                               size_t dim, ap_onnx_axis *part, bool *found, ap_error *err) {
  *found = ap_onnx_view_is_channels(view, dim, part);
  if (*found || dim != 1 || view->n_dims != 2 || !ap_onnx_view_is_ordered(view)) return AP_OK;
  ap_status st = ap_onnx_settle(low, node, view, err);
  if (!st) st = ap_onnx_flatten(low, node, view, err);
  *part = AP_AXIS_C;
  *found = true;
  return st;
}

/* Every n-th pixel of all of height or width; false where it is something else. */
static bool is_strided(const ap_onnx_view *view, size_t dim, size_t size, const ap_onnx_range *r) {
  return r->start == 0 && r->step >= 1 && r->count == (size - 1) / (size_t)r->step + 1 &&
         (ap_onnx_view_is_axis(view, dim, AP_AXIS_H) || ap_onnx_view_is_axis(view, dim, AP_AXIS_W));
}

static ap_status slice_pixels(ap_onnx_lowering *low, const ap_onnx_node *node, ap_onnx_view *view,
                              size_t dim, size_t size, const ap_onnx_range *r, ap_error *err) {
  bool high = ap_onnx_view_is_axis(view, dim, AP_AXIS_H);
  size_t step = (size_t)r->step;
  if (ap_onnx_view_is_padded(view)) {
    ap_status st = ap_onnx_settle(low, node, view, err);
    if (st) return st;
  }
  *(high ? &view->stride_h : &view->stride_w) *= step < size ? step : size;
  *(high ? &view->shape.h : &view->shape.w) = r->count;
  view->pending_name = node->name;
  return AP_OK;
}

static ap_status slice_dim(ap_onnx_lowering *low, const ap_onnx_node *node, ap_onnx_view *view,
                           size_t dim, const ap_onnx_range *r, ap_error *err) {
  size_t size = ap_onnx_view_size(view, dim);
  ap_onnx_axis part;
  bool found;
  if (r->count == size && (size == 1 || (r->start == 0 && r->step == 1))) return AP_OK;
  if (is_strided(view, dim, size, r)) return slice_pixels(low, node, view, dim, size, r, err);
  ap_status st = find_channels(low, node, view, dim, &part, &found, err);
  if (st) return st;
  if (!found)
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                             "from %lld in steps of %lld, %zu of %zu of dimension %zu; every n-th "
                             "pixel of all of height or width, and channels are supported",
                             (long long)r->start, (long long)r->step, r->count, size, dim);
  return pick(low, node, view, part, &(selection){.range = *r}, err);
}

ap_status ap_onnx_lower_slice(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  ap_onnx_view view;
  ap_onnx_dims from;
  ap_onnx_range range[AP_ONNX_MAX_DIMS];
  ap_status st = ap_onnx_input_part(low, node, 0, &view, err);
  if (st) return st;
  from = ap_onnx_view_dims(&view);
  st = ap_onnx_shape_slice(low->graph, node, &from, range, err);
  for (size_t d = 0; !st && d < from.n; d++) st = slice_dim(low, node, &view, d, &range[d], err);
  if (!st) ap_onnx_set_alias(low, node, view);
  return st;
}

/* The indices of a Gather: a list, or one number. */
static ap_status read_indices(const ap_onnx_lowering *low, const ap_onnx_node *node, size_t size,
                              const ap_onnx_tensor **indices, ap_error *err) {
  const ap_onnx_tensor *t = ap_onnx_node_constant(low->graph, node, 1);
  if (!t)
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                             "its indices depend on the image, or are missing; constants are "
                             "supported");
  if (!t->is_int || t->n_dims > 1)
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                             "its indices are no list of integers, which is supported");
  for (size_t i = 0; i < t->count; i++) {
    if (t->i[i] < -(int64_t)size || t->i[i] >= (int64_t)size)
      return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "index %lld of %zu", (long long)t->i[i],
                               size);
  }
  *indices = t;
  return AP_OK;
}

static void drop_dim(ap_onnx_view *view, size_t dim) {
  size_t map[AP_ONNX_MAX_DIMS], n = 0;
  for (size_t d = 0; d < view->n_dims; d++) {
    if (d != dim) map[n++] = d;
  }
  ap_onnx_view_rearrange(view, map, n);
}

ap_status ap_onnx_lower_gather(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  ap_onnx_view view;
  ap_onnx_axis part = AP_AXIS_C;
  const ap_onnx_tensor *indices = NULL;
  int64_t number;
  size_t dim, size = 0;
  bool found = false;
  ap_status st = ap_onnx_input_part(low, node, 0, &view, err);
  if (!st) st = ap_onnx_attr_int(node, "axis", 0, INT32_MIN, INT32_MAX, &number, err);
  if (!st) st = ap_onnx_node_axis(node, number, view.n_dims, &dim, err);
  if (!st) size = ap_onnx_view_size(&view, dim);
  if (!st) st = read_indices(low, node, size, &indices, err);
  if (!st && low->own) st = ap_onnx_settle(low, node, &view, err);
  if (!st) st = find_channels(low, node, &view, dim, &part, &found, err);
  if (st) return st;
  bool one = size == 1 && indices->count == 1, drops = indices->n_dims == 0;
  if (dim == 0 || (!one && !found) || (drops && view.n_dims < 3))
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                             "of dimension %zu; lists of channels are supported", dim);
  const selection s = {.list = indices->i, .range.count = indices->count};
  if (found && (!one || low->own)) st = pick(low, node, &view, part, &s, err);
  /* GATHER nodes of files of ours are kept, also where they change nothing. */
  if (!st && low->own && view.picks) st = emit_gather(low, node, &view, err);
  if (st) return st;
  if (drops) drop_dim(&view, dim);
  ap_onnx_set_alias(low, node, view);
  return AP_OK;
}

/* The sizes of a Split, one for each output: ap_free them. Without any it cuts in equal parts, of which the
 * last may be smaller where their number is given. */
static ap_status split_sizes(const ap_onnx_lowering *low, const ap_onnx_node *node, size_t size,
                             size_t **out, ap_error *err) {
  const int64_t *given;
  int64_t parts;
  size_t n = node->n_outputs, n_given, left = size;
  ap_status st = ap_onnx_node_ints(low->graph, node, "split", 1, &given, &n_given, err);
  if (!st) st = ap_onnx_attr_int(node, "num_outputs", (int64_t)n, 1, INT32_MAX, &parts, err);
  if (st) return st;
  if ((given && n_given != n) || parts != (int64_t)n)
    return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "%zu outputs for %zu parts", n,
                             given ? n_given : (size_t)parts);
  if (!given && !ap_onnx_attr_find(node, "num_outputs") && size % n != 0)
    return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "%zu values in %zu equal parts", size, n);
  size_t *sizes = ap_calloc(n, sizeof *sizes), equal = size / n + (size % n != 0);
  if (!sizes) return ap_onnx_node_fail(node, err, AP_ERR_MEMORY, "%zu sizes", n);
  for (size_t k = 0; k < n && !st; k++) {
    if (given && (given[k] < 0 || given[k] > (int64_t)left)) {
      st = ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "part %zu is of %lld of %zu values", k,
                             (long long)given[k], left);
    } else {
      sizes[k] = given ? (size_t)given[k] : equal < left ? equal : left;
      left -= sizes[k];
    }
  }
  if (!st && left != 0)
    st = ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "%zu of %zu values are left over", left, size);
  if (st) {
    ap_free(sizes);
    sizes = NULL;
  }
  *out = sizes;
  return st;
}

ap_status ap_onnx_lower_split(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err) {
  ap_onnx_view view;
  int64_t number;
  size_t dim, size = 0, *sizes = NULL, start = 0;
  ap_onnx_axis part = AP_AXIS_C;
  bool found = false;
  ap_status st = ap_onnx_input_part(low, node, 0, &view, err);
  if (!st) st = ap_onnx_attr_int(node, "axis", 0, INT32_MIN, INT32_MAX, &number, err);
  if (!st) st = ap_onnx_node_axis(node, number, view.n_dims, &dim, err);
  if (!st) size = ap_onnx_view_size(&view, dim);
  if (!st) st = split_sizes(low, node, size, &sizes, err);
  if (!st) st = find_channels(low, node, &view, dim, &part, &found, err);
  for (size_t k = 0; !st && k < node->n_outputs; k++) {
    const selection s = {.range = {.start = (int64_t)start, .step = 1, .count = sizes[k]}};
    ap_onnx_view of = view;
    start += sizes[k];
    if (node->outputs[k] == AP_ONNX_NONE || low->users[node->outputs[k]] == 0) continue;
    of.sole = false; /* the other outputs are of the same node */
    if (sizes[k] != size) {
      st = found ? pick(low, node, &of, part, &s, err)
                 : ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                                     "of dimension %zu; channels are supported", dim);
    }
    if (!st) ap_onnx_set_output(low, node, k, of);
  }
  ap_free(sizes);
  return st;
}
