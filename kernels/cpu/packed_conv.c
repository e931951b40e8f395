/* kernels/cpu/packed_conv.c - cuts a layer's output into register tiles and runs them. */
#include <math.h>

#include "kernels/cpu/packed_impl.h"

ap_packed_epilogue ap_packed_epilogue_default(void) {
  return (ap_packed_epilogue){.low = -INFINITY, .high = INFINITY};
}

static size_t min_size(size_t a, size_t b) { return a < b ? a : b; }
static size_t max_size(size_t a, size_t b) { return a > b ? a : b; }

packed_part packed_part_of(size_t total, size_t n, size_t i) {
  const size_t base = total / n, larger = total % n;
  return (packed_part){i * base + min_size(i, larger), base + (i < larger ? 1 : 0)};
}

static packed_tile first_tile(const ap_packed_weights *weights, const float *in, float *out,
                              const ap_packed_epilogue *epilogue) {
  const ap_packed_conv *g = &weights->geometry;
  const ap_packed_source *res = &epilogue->residual;
  packed_tile t = {
      .weights = weights,
      .in =
          in + (g->in.top - g->pad_top) * g->in.row + (g->in.left - g->pad_left) * AP_PACKED_LANES,
      .in_row = g->in.row,
      .in_column = g->stride_w * AP_PACKED_LANES,
      .in_block = g->in.block,
      .out = out + g->out.origin,
      .out_row = g->out.row,
      .out_block = g->out.block,
      .out_channel = g->out.channel,
      .n_out = g->out.c,
      .far = g->out.block * sizeof(float) > PACKED_FAR_BYTES,
      .low = epilogue->low,
      .high = epilogue->high,
  };
  if (res->data) {
    const ap_packed_shape *s = res->shape;
    t.residual = res->data + s->origin;
    t.residual_row = res->stride_h * s->row;
    t.residual_column = res->stride_w * AP_PACKED_LANES;
    t.residual_channel = s->channel;
    t.residual_block = s->block;
    t.residual_first = res->first;
    t.residual_channels = s->c;
  }
  return t;
}

/* ---- LISTn ----------------------------------------------------------------------------------- */
/* Tile rows are rows of the image, or blocks where there are more blocks than rows. */
static void run_lists(const packed_job *j, size_t n_blocks) {
  const ap_packed_conv *g = j->g;
  const ap_packed_isa *isa = j->weights->isa;
  const packed_places places = {j->weights->start, j->weights->bound, j->weights->n_lists};
  const size_t form = (size_t)(j->weights->form - AP_PACKED_LIST1);
  const size_t pixels = isa->accumulators / j->weights->width;
  const size_t step = g->stride_w <= 2 ? g->stride_w : 0;
  const bool rows_are_blocks = g->out.h < n_blocks;
  const size_t n_rows = rows_are_blocks ? n_blocks : g->out.h;
  const size_t n_outer = rows_are_blocks ? g->out.h : n_blocks;
  static const size_t most_columns[] = {1, PACKED_MAX_COLUMNS, PACKED_STRIDED_COLUMNS};
  const size_t max_columns = max_size(min_size(pixels, most_columns[step]), 1);
  const size_t x_parts = (g->out.w + max_columns - 1) / max_columns;
  const size_t columns = (g->out.w + x_parts - 1) / x_parts;
  const size_t max_rows = min_size(max_size(pixels / columns, 1), PACKED_MAX_ROWS);
  const size_t y_parts = (n_rows + max_rows - 1) / max_rows;
  for (size_t outer = 0; outer < n_outer; ++outer) {
    for (size_t yi = 0; yi < y_parts; ++yi) {
      const packed_part y = packed_part_of(n_rows, y_parts, yi);
      const packed_entries entries = rows_are_blocks
                                         ? packed_entries_of(g, &places, outer, 1)
                                         : packed_entries_of(g, &places, y.first, y.count);
      for (size_t xi = 0; xi < x_parts; ++xi) {
        const packed_part x = packed_part_of(g->out.w, x_parts, xi);
        packed_tile t = rows_are_blocks ? packed_tile_at(j, y.first, outer, x.first)
                                        : packed_tile_at(j, outer, y.first, x.first);
        if (rows_are_blocks) {
          t.in_row = t.in_block;
          t.out_row = t.out_block;
          t.residual_row = t.residual_block;
        } else {
          t.in_row *= g->stride_h;
        }
        t.entries = entries;
        isa->list[form][y.count - 1][x.count - 1][step](&t);
      }
    }
  }
}

/* ---- KERNEL3 --------------------------------------------------------------------------------- */
int packed_edges(size_t first, size_t count, size_t pad, size_t extent) {
  const bool before = pad == 1 && first == 0;
  const bool after = first + count + 1 == extent + pad; /* its last tap is just past the image */
  return (before ? EDGE_FIRST : 0) | (after ? EDGE_LAST : 0);
}

static void run_kernel_tile(const packed_job *j, size_t b, packed_part y, packed_part x) {
  const ap_packed_conv *g = j->g;
  const ap_packed_isa *isa = j->weights->isa;
  const packed_tile t = packed_tile_at(j, b, y.first, x.first);
  packed_tile_k *kernel = NULL;
  if (g->stride_h == 1) {
    const int rows = packed_edges(y.first, y.count, g->pad_top, g->in.h);
    const int columns = packed_edges(x.first, x.count, g->pad_left, g->in.w);
    kernel = isa->edge[y.count - 1][x.count - 1][rows][columns];
  }
  if (!kernel) kernel = isa->kernel[g->stride_h - 1][y.count - 1][x.count - 1];
  kernel(&t);
}

static void run_kernels(const packed_job *j, size_t n_blocks) {
  const ap_packed_conv *g = j->g;
  const ap_packed_isa *isa = j->weights->isa;
  if (g->stride_h == 1 && g->pad_top == 1 && g->pad_left == 1 && g->in.h == 2 && g->in.w == 2 &&
      g->out.h == 2 && g->out.w == 2) {
    size_t most = 4;
    while (!isa->small[most - 1]) --most;
    const size_t parts = (n_blocks + most - 1) / most;
    for (size_t i = 0; i < parts; ++i) {
      const packed_part b = packed_part_of(n_blocks, parts, i);
      const packed_tile t = packed_tile_at(j, b.first, 0, 0);
      isa->small[b.count - 1](&t);
    }
    return;
  }
  const size_t y_parts = (g->out.h + isa->kernel_h - 1) / isa->kernel_h;
  const size_t x_parts = (g->out.w + isa->kernel_w - 1) / isa->kernel_w;
  for (size_t b = 0; b < n_blocks; ++b)
    for (size_t yi = 0; yi < y_parts; ++yi)
      for (size_t xi = 0; xi < x_parts; ++xi)
        run_kernel_tile(j, b, packed_part_of(g->out.h, y_parts, yi),
                        packed_part_of(g->out.w, x_parts, xi));
}

size_t ap_packed_scratch_bytes(const ap_packed_isa *isa, const ap_packed_conv *g) {
  size_t bytes = 0;
  if (packed_form_possible(g, AP_PACKED_WINOGRAD)) {
    const size_t rows = packed_winograd_rows(g, isa->winograd_h);
    bytes = g->in.c * packed_winograd_channel(rows, AP_PACKED_LANES) * sizeof(float);
  }
  if (packed_form_possible(g, AP_PACKED_STRIP1))
    bytes = max_size(bytes, packed_strip_scratch_bytes(isa, g));
  return max_size(bytes, packed_plane_scratch_bytes(g));
}

void ap_packed_conv_run(const ap_packed_weights *weights, size_t n_blocks, const float *in,
                        float *out, const ap_packed_epilogue *epilogue, void *scratch) {
  const packed_job j = {
      weights, &weights->geometry, in, epilogue, scratch, first_tile(weights, in, out, epilogue)};
  if (n_blocks == 0) return;
  if (weights->form == AP_PACKED_WINOGRAD)
    packed_run_winograd(&j, n_blocks);
  else if (weights->form == AP_PACKED_KERNEL3)
    run_kernels(&j, n_blocks);
  else if (packed_strips(weights->form))
    packed_run_strips(&j, n_blocks);
  else if (weights->form == AP_PACKED_PLANE)
    packed_run_planes(&j, n_blocks);
  else
    run_lists(&j, n_blocks);
}
