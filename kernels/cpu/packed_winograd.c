/* kernels/cpu/packed_winograd.c - form WINOGRAD: 3x3 kernels with stride 1, four outputs of a row with
 * six products instead of twelve (S. Winograd's F(4, 3) along the row; down the columns the three taps
 * are summed as they are).
 *
 * Six neighbouring pixels d are turned into six values B d, a row of three weights g into six values
 * G g (once, in the list); their products, summed over input channels and kernel rows, become four
 * outputs by A. B, G and A are those of Toom-Cook's scheme at six points (packed_winograd_kernels.h).
 *
 * A band of rows, four columns wide, of all input channels is transformed into scratch memory, which
 * stays in the second-level cache while all output channels read it. What the kernels read is
 * contiguous there (what a register holds of the 16 images in a part of its own: a pass over these images
 * reads whole cache lines; channels in the order of packed_slots), and waiting for the third-level cache is left
 * to the transform, which knows what it will read. */
#include "kernels/cpu/packed_impl.h"

enum { WARM_BYTES = 320 << 10 }; /* scratch, where a band of one tile is smaller */

static size_t min_size(size_t a, size_t b) { return a < b ? a : b; }

size_t packed_winograd_rows(const ap_packed_conv *g, size_t tile) {
  const size_t line = g->in.c * PACKED_WINOGRAD * AP_PACKED_LANES * sizeof(float);
  const size_t fit = WARM_BYTES / line, rows = fit > tile + 2 ? (fit - 2) / tile * tile : tile;
  return min_size(rows, g->out.h);
}
size_t packed_winograd_channel(size_t rows, size_t vector) {
  return (rows + 2) * PACKED_WINOGRAD * vector;
}

typedef struct {
  size_t block, y, rows, x; /* of the output */
} band;

/* Rows of the padding stay as they are: edge kernels leave them out. */
static void transform(const packed_job *j, const band *k) {
  const ap_packed_conv *g = j->g;
  const int skipped = packed_edges(k->y, k->rows, g->pad_top, g->in.h);
  const ap_packed_isa *isa = j->weights->isa;
  const size_t channel = packed_winograd_channel(j->weights->band_rows, isa->vector);
  const size_t left = g->in.left - g->pad_left + k->x;
  const size_t columns = min_size(PACKED_WINOGRAD, g->in.left + g->in.w + g->in.right - left);
  const size_t first = skipped & EDGE_FIRST ? 1 : 0;
  const size_t rows = k->rows + 2 - first - (skipped & EDGE_LAST ? 1 : 0);
  const float *in = j->in + k->block * g->in.block + left * AP_PACKED_LANES +
                    (g->in.top - g->pad_top + k->y + first) * g->in.row;
  float *out = j->scratch + first * PACKED_WINOGRAD * isa->vector;
  const size_t each = g->in.c / g->groups;
  for (size_t c = 0; c < g->in.c; out += each * channel) {
    packed_slots slots = packed_slots_of(each);
    for (const size_t end = c + each; c < end; ++c, in += g->in.channel) {
      const float *next = c + PACKED_AHEAD < g->in.c ? in + PACKED_AHEAD * g->in.channel : in;
      isa->winograd_input(in, next, g->in.row, rows, columns, g->in.c * channel,
                          out + packed_next_slot(&slots) * channel);
    }
  }
}

static void run_band(const packed_job *j, const band *k) {
  const ap_packed_conv *g = j->g;
  const ap_packed_isa *isa = j->weights->isa;
  const size_t tiles = (k->rows + isa->winograd_h - 1) / isa->winograd_h;
  transform(j, k);
  for (size_t i = 0; i < tiles; ++i) {
    const packed_part y = packed_part_of(k->rows, tiles, i);
    packed_tile t = packed_tile_at(j, k->block, k->y + y.first, k->x);
    t.in = j->scratch + y.first * PACKED_WINOGRAD * isa->vector;
    t.in_row = g->in.c * packed_winograd_channel(j->weights->band_rows, isa->vector);
    t.columns = min_size(PACKED_KERNEL_TILE, g->out.w - k->x);
    isa->winograd[y.count - 1][packed_edges(k->y + y.first, y.count, g->pad_top, g->in.h)](&t);
  }
}

void packed_run_winograd(const packed_job *j, size_t n_blocks) {
  const ap_packed_conv *g = j->g;
  const size_t parts = (g->out.h + j->weights->band_rows - 1) / j->weights->band_rows;
  for (size_t b = 0; b < n_blocks; ++b)
    for (size_t i = 0; i < parts; ++i) {
      const packed_part y = packed_part_of(g->out.h, parts, i);
      for (size_t x = 0; x < g->out.w; x += PACKED_KERNEL_TILE) {
        const band k = {b, y.first, y.count, x};
        run_band(j, &k);
      }
    }
}
