/* kernels/grouped/tile.c - cuts a layer into blocks. */
#include "kernels/grouped/pack_impl.h"
#include "kernels/grouped/simt.h"
#include "kernels/grouped/tile_index.h"

enum {
  SUMS = SIMT_WARPS * GROUPED_WARP_TILES * GROUPED_COLUMNS, /* positions x channels of a block */
  MOST_COLUMNS = SIMT_WARPS * GROUPED_COLUMNS, /* every warp a list of the narrowest form */
  LEAST_COLUMNS = 16,
  SHARED_STEP = 256, /* slots are multiples of this: a line of float32 */
  /* What the products of a block cost, in positions filled per channel: 57 cycles at 90 % sparsity
   * against 1.3 a position (docs/NUMBERS.md, reasoned, not measured). */
  PRODUCT_COST = 3 * SIMT_WARPS
};

static size_t log_above(size_t n) { /* smallest l with 2^l >= n */
  size_t l = 0;
  while ((size_t)1 << l < n) l++;
  return l;
}
static size_t parts_of(size_t n, size_t log) { return (n + ((size_t)1 << log) - 1) >> log; }
static size_t line_bytes(const grouped_geometry *g) { return GROUPED_LINE_BYTES(g->wide); }
static size_t fours(size_t channels) { return (channels + GROUPED_BESIDE - 1) / GROUPED_BESIDE; }
static size_t up(size_t bytes) { return (bytes + SHARED_STEP - 1) / SHARED_STEP * SHARED_STEP; }

enum { WAY_EARLY = GROUPED_SHARED_WAY * (GROUPED_WARP_TILES / 4) }; /* a warp's whole shortcut */
/* What stands beside the slots. */
static size_t rest_bytes(size_t way, bool joins) {
  return GROUPED_SHARED_STATE + SIMT_WARPS * way + (joins ? GROUPED_SHARED_JOINED : 0);
}

/* For grouped_quotient. */
static uint32_t reciprocal(size_t n) {
  return n > 1 ? (uint32_t)((((uint64_t)1 << 32) + n - 1) / n) : 0;
}

/* Plane rows (columns) first .. first + n - 1 of `plane` hold inputs: `size` of them begin behind `pad`,
 * and there are `skip` from one row to the next. Of a window beside the image none: one stands for it. */
static void inner(size_t plane, size_t skip, size_t pad, size_t size, int32_t *first, int32_t *n) {
  const size_t from = (pad + skip - 1) / skip, end = (pad + size + skip - 1) / skip;
  *first = (int32_t)(from < plane ? from : 0);
  *n = (int32_t)(end < plane ? end : plane) - *first;
  if (from >= plane || *n < 1) *n = 1;
}
static void choose_fill(const grouped_geometry *g, size_t plane_w, grouped_tile *t) {
  t->lone = t->tiles_h == 1 && t->tiles_w == 1;
  t->fill_y = t->fill_x = 0;
  t->fill_h = t->plane_h;
  t->fill_w = (int32_t)plane_w;
  if (!t->lone) return;
  inner((size_t)t->plane_h, (size_t)t->skip_h, g->pad_top, g->h, &t->fill_y, &t->fill_h);
  inner(plane_w, (size_t)t->skip_w, g->pad_left, g->w, &t->fill_x, &t->fill_w);
}

/* From one row of a plane to the next. Where nothing but padding, which is never written, lies to the right
 * and to the left, the same zeros stand for both. */
static size_t row_of(size_t plane_w, const grouped_tile *t) {
  const size_t left = (size_t)t->fill_x, filled = left + (size_t)t->fill_w;
  if (!t->lone) return plane_w;
  return plane_w - left > filled ? plane_w - left : filled;
}

/* What is filled, and where positions are in the planes. */
static void index_planes(const grouped_geometry *g, grouped_tile *t) {
  t->filled = t->fill_h * t->fill_w << t->log_b;
  t->by_fill_w = reciprocal((size_t)t->fill_w);
  t->by_fill_h = reciprocal((size_t)t->fill_h);
  for (int r = 0; r < GROUPED_MOST_ROWS; r++) {
    const grouped_index at = grouped_index_of(t, r);
    const int b = at.b & ((1 << t->log_b) - 1);
    const int line = (b * t->plane_h + at.y * t->step_h) * t->plane_w + at.x * t->step_w;
    t->row_bytes[r] = line * (int32_t)line_bytes(g);
  }
}

/* Where the lines of a chunk lie. */
static void place(const grouped_geometry *g, grouped_tile *t) {
  const size_t lines = fours((size_t)t->chunk) * (size_t)t->plane;
  index_planes(g, t);
  t->slot_bytes = (uint32_t)up(lines * line_bytes(g));
  t->slot_lines = (int32_t)(t->slot_bytes / line_bytes(g));
}

/* What k taps cover. */
static size_t reach(size_t k, size_t dilation) { return (k - 1) * dilation + 1; }

/* Its planes and its number of blocks; false when those of four channels have more than `most` lines. */
static bool cut(const grouped_geometry *g, size_t log_b, size_t log_h, size_t log_w, size_t most,
                grouped_tile *t, double *cost) {
  /* A window of one row: the rows between two outputs are read by none. */
  const size_t step_h = g->kh == 1 ? 1 : g->stride_h, step_w = g->kw == 1 ? 1 : g->stride_w;
  const size_t plane_h = (((size_t)1 << log_h) - 1) * step_h + reach(g->kh, g->dilation_h);
  const size_t plane_w = (((size_t)1 << log_w) - 1) * step_w + reach(g->kw, g->dilation_w);
  /* What a block writes, and the shortcut it reads, lie within 32 bits of its first position. */
  if (log_b > 0 && g->block_bytes > UINT32_MAX >> log_b) return false;
  if (plane_h > most || plane_w > most) return false;
  if (g->pooled && (log_h == 0 || log_w == 0)) return false; /* windows are whole */
  const size_t b = parts_of(g->n_blocks, log_b), h = parts_of(g->out_h, log_h),
               w = parts_of(g->out_w, log_w);
  t->pooled = g->pooled;
  t->joins = g->joins;
  t->log_b = (int32_t)log_b;
  t->log_h = (int32_t)log_h;
  t->log_w = (int32_t)log_w;
  t->tiles_b = (int32_t)b;
  t->tiles_h = (int32_t)h;
  t->tiles_w = (int32_t)w;
  t->step_h = (int32_t)step_h;
  t->step_w = (int32_t)step_w;
  t->skip_h = (int32_t)(g->stride_h / step_h);
  t->skip_w = (int32_t)(g->stride_w / step_w);
  t->plane_h = (int32_t)plane_h;
  choose_fill(g, plane_w, t);
  const size_t row = row_of(plane_w, t);
  const size_t plane = ((plane_h * row) << log_b) + (row < plane_w ? plane_w - row : 0);
  if (plane > most) return false;
  t->plane_w = (int32_t)row;
  t->plane = (int32_t)plane;
  *cost = (double)b * (double)h * (double)w *
          ((double)((size_t)(t->fill_h * t->fill_w) << log_b) + PRODUCT_COST);
  return true;
}

/* Most lines of a slot. An offset has 16 bits, counts a line's 8 places and reaches over two slots. */
static size_t most_lines(const grouped_geometry *g, size_t shared_bytes, size_t slots, size_t way) {
  const size_t other = rest_bytes(way, g->joins);
  const size_t rest = shared_bytes > other ? shared_bytes - other : 0;
  const size_t fit = rest / slots / SHARED_STEP * SHARED_STEP / line_bytes(g);
  return fit < UINT16_MAX / 16 ? fit : UINT16_MAX / 16;
}

/* The cut with the least cost of which the planes of four channels fit in a slot of `most` lines; of those that
 * cost the same the widest, whose rows are the longest runs of memory. */
static bool best_cut(const grouped_geometry *g, size_t most, grouped_tile *out) {
  size_t columns = LEAST_COLUMNS;
  double best = 0;
  bool found = false;
  while (columns < g->c_out && columns < MOST_COLUMNS) columns *= 2;
  const size_t log_positions = log_above(SUMS / columns);
  for (size_t w = log_above(g->out_w) + 1; w-- > 0;)
    for (size_t h = log_above(g->out_h) + 1; h-- > 0;)
      for (size_t b = 0; b <= log_above(g->n_blocks) && w + h + b <= log_positions; b++) {
        grouped_tile t = {.columns = (int32_t)columns};
        double cost;
        if (!cut(g, b, h, w, most, &t, &cost) || (found && cost >= best)) continue;
        *out = t;
        best = cost;
        found = true;
      }
  return found;
}

/* Chunks of nearly one size, of at most `fit` fours of channels. */
static void choose_chunk(size_t channels, size_t fit, grouped_tile *t) {
  const size_t all = fours(channels), chunks = (all - 1) / fit + 1, chunk = (all - 1) / chunks + 1;
  t->chunk = (int32_t)(chunk * GROUPED_BESIDE);
  t->n_chunks = (int32_t)((all - 1) / chunk + 1);
  t->order_pitch = (int32_t)((chunk + 3) / 4 * 4); /* read four at a time */
}

ap_status grouped_tile_choose(const grouped_geometry *g, size_t shared_bytes, grouped_tile *out,
                              ap_error *err) {
  /* Four slots, with room for the whole shortcut where that leaves two thirds of the shared memory; for
   * large windows without, and then two slots or one, of which every step reads one. */
  static const struct {
    size_t slots, way;
  } ways[] = {{GROUPED_MOST_SLOTS, WAY_EARLY},
              {GROUPED_MOST_SLOTS, GROUPED_SHARED_WAY},
              {2, GROUPED_SHARED_WAY},
              {1, GROUPED_SHARED_WAY}};
  const bool early = g->shortcut && !g->wide && 3 * rest_bytes(WAY_EARLY, false) <= shared_bytes;
  size_t slots = 0, way = 0, most = 0;
  bool found = false;
  for (size_t i = !early; i < sizeof ways / sizeof ways[0] && !found; i++) {
    slots = ways[i].slots;
    way = ways[i].way;
    most = most_lines(g, shared_bytes, slots, way);
    found = best_cut(g, most, out);
  }
  if (!found)
    return ap_fail(
        err, AP_ERR_UNSUPPORTED,
        "a window of %zux%zu inputs, stride %zux%zu, of four channels needs more than the %zu "
        "pixels that a block's shared memory (%zu bytes) has room for",
        g->kh, g->kw, g->stride_h, g->stride_w, most, shared_bytes);
  const size_t plane = (size_t)out->plane;
  choose_chunk(g->c_in, plane > 0 && plane <= most ? most / plane : 1, out);
  out->log_slots = (int32_t)log_above(slots);
  out->carry = slots > 2;
  place(g, out);
  out->ring_bytes = out->slot_bytes << out->log_slots;
  out->way_bytes = (uint32_t)way;
  return AP_OK;
}

bool grouped_can_join(const grouped_geometry *g, const grouped_geometry *joined) {
  return joined->kh == 1 && joined->kw == 1 && joined->pad_top == 0 && joined->pad_left == 0 &&
         joined->c_out == g->c_out && joined->out_h == g->out_h && joined->out_w == g->out_w &&
         joined->wide == g->wide && g->stride_h == 1 && g->stride_w == 1 && g->out_h == g->h &&
         g->out_w == g->w && g->pad_top < reach(g->kh, g->dilation_h) &&
         g->pad_left < reach(g->kw, g->dilation_w) && !g->pooled && !joined->pooled;
}

void grouped_tile_join(const grouped_geometry *g, const grouped_tile *tile,
                       const grouped_geometry *joined, grouped_tile *out) {
  const int32_t h = 1 << tile->log_h, w = 1 << tile->log_w;
  *out = *tile;
  out->skip_h = (int32_t)joined->stride_h;
  out->skip_w = (int32_t)joined->stride_w;
  out->fill_h = h;
  out->fill_w = w;
  if (tile->lone) { /* what is 0 in the layer's planes stays so */
    out->fill_y = (int32_t)g->pad_top;
    out->fill_x = (int32_t)g->pad_left;
    if (h > tile->fill_h) out->fill_h = tile->fill_h;
    if (w > tile->fill_w) out->fill_w = tile->fill_w;
    out->first_tap = out->fill_y * tile->plane_w + out->fill_x;
  } else {
    out->plane_h = h;
    out->plane_w = w;
    out->plane = h * w << tile->log_b;
    out->step_h = out->step_w = 1;
  }
  choose_chunk(joined->c_in, (size_t)(tile->slot_lines / out->plane), out);
  index_planes(g, out);
}

size_t grouped_shared_bytes(const grouped_tile *tile) {
  return tile->ring_bytes + rest_bytes(tile->way_bytes, tile->joins);
}
