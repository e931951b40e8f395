/* kernels/grouped/conv_store.h - a layer's sums from a warp's registers to the output: shortcut,
 * clipping, one rounding. */
#ifndef AP_KERNELS_GROUPED_CONV_STORE_H
#define AP_KERNELS_GROUPED_CONV_STORE_H
#include <assert.h>

#include "kernels/grouped/grouped_impl.h"
#include "kernels/grouped/item_kernels.h"
#include "kernels/grouped/simt.h"

/* A part of a layer that a block works on. In shared memory: registers are scarce. */
enum { CONV_PLACES = 4 };
typedef struct {
  const grouped_level *level;
  uint32_t node;   /* distinct beginning */
  int column;      /* first output channel */
  int block, y, x; /* first image block, output row and column */
} conv_place;
static_assert(CONV_PLACES * sizeof(conv_place) <= GROUPED_SHARED_REST, "the places of parts");

/* n / d for n below 2^16, by = 2^32 / d rounded up, or 0 for d = 1 (n * d < 2^32: exact). */
SIMT_FN int grouped_quotient(int n, uint32_t by) {
  return by ? (int)simt_multiply_high((uint32_t)n, by) : n;
}

/* Where the window of the part's position `index` begins in a plane. Every bit of the index adds its
 * own amount, so that grouped_tile.row_bytes can be added to it. */
SIMT_FN int conv_plane_position(const grouped_conv *g, int index) {
  const grouped_tile *t = &g->tile;
  const int x = index & ((1 << t->log_w) - 1);
  const int y = index >> t->log_w & ((1 << t->log_h) - 1);
  const int b = index >> t->log_w >> t->log_h & ((1 << t->log_b) - 1);
  return (b * t->plane_h + y * t->step_h) * t->plane_w + x * t->step_w;
}

/* Position `index` of a part in the output; inside: there is one. */
typedef struct {
  int block, y, x, inside;
} conv_pixel;
SIMT_FN conv_pixel conv_pixel_of(const grouped_conv *g, const conv_place *place, int index) {
  const grouped_tile *t = &g->tile;
  conv_pixel p;
  p.x = place->x + (index & ((1 << t->log_w) - 1));
  p.y = place->y + (index >> t->log_w & ((1 << t->log_h) - 1));
  p.block = place->block + (index >> t->log_w >> t->log_h);
  p.inside = index >> t->log_w >> t->log_h >> t->log_b == 0 && p.x < g->out.w && p.y < g->out.h &&
             p.block < g->batch.n_blocks;
  return p;
}

/* What the sums of a part meet on their way out. */
typedef struct {
  const unsigned char *residual;
  unsigned char *out;
} conv_ends;
SIMT_FN conv_ends conv_ends_of(const grouped_conv *g, const conv_place *place) {
  const grouped_tensor *more = &g->epilogue.residual.tensor;
  conv_ends e;
  e.residual = more->data + g->batch.nodes[place->node].residual * more->slot;
  e.out = g->out.data + place->node * g->out.slot;
  return e;
}

/* Where a warp's packed values lie: one pointer a lane, and 32 bits more for a position (tile.c). Lane
 * l has channel l / 4 of every 8 of images 2 (l % 4) and the next, and of those 8 further. */
typedef struct {
  simt_places lane;
  uint32_t plane; /* bytes of a channel */
} conv_packed;
SIMT_FN void conv_packed_of(const grouped_tensor *t, const unsigned char *data, int block,
                            int channel, conv_packed *out) {
  out->plane = (uint32_t)(t->h * t->w) * 32;
  SIMT_EACH_LANE(l) { /* may point before the tensor: then it is not read */
    SIMT_AT(out->lane, l) = (unsigned char *)(uintptr_t)data +
                            (int64_t)((uint64_t)block * t->block) +
                            (int64_t)(channel + (l >> 2)) * out->plane + (l & 3) * 4;
    SIMT_KEEP(SIMT_AT(out->lane, l));
  }
}
SIMT_FN uint32_t conv_packed_at(const grouped_tensor *t, uint32_t block, int y, int x) {
  uint32_t at = block * (uint32_t)t->block + (uint32_t)(y * t->w + x) * 32;
  SIMT_KEEP32(at);
  return at;
}

/* Sums as the matrix units leave them: a lane has two channels of two images. Inputs and outputs are
 * pairs of images of one channel; 8 x 8 values change over in one step. */
SIMT_FN void conv_store_packed(const grouped_conv *g, const int tiles, const int shortcuts,
                               const conv_place *place, int first_row, int column, simt_sums *sum) {
  const grouped_tensor *out = &g->out, *more = &g->epilogue.residual.tensor;
  const grouped_source *residual = &g->epilogue.residual;
  const conv_ends ends = conv_ends_of(g, place);
  const float low = g->epilogue.low, high = g->epilogue.high;
  const int from = column - residual->first;
  conv_packed to, also = {.plane = 0};
  conv_packed_of(out, ends.out, place->block, column, &to);
  if (shortcuts) conv_packed_of(more, ends.residual, place->block, from, &also);
  SIMT_UNROLL
  for (int four = 0; four < GROUPED_WARP_TILES; four += 4) { /* whose shortcuts come together */
    simt_words shortcut[4][2];
    if (shortcuts) {
      SIMT_UNROLL
      for (int k = 0; k < 4; k++) {
        const int r = (four + k) / tiles, j = (four + k) % tiles * GROUPED_COLUMNS;
        const conv_pixel p = conv_pixel_of(g, place, first_row + r);
        const uint32_t at = conv_packed_at(more, (uint32_t)(p.block - place->block),
                                           p.y * residual->stride_h, p.x * residual->stride_w);
        SIMT_EACH_LANE(l) {
          const int channel = from + j + (l >> 2);
          SIMT_AT(shortcut[k][0], l) = SIMT_AT(shortcut[k][1], l) = 0;
          if (p.inside && channel >= 0 && channel < more->c) {
            const unsigned char *pair = SIMT_AT(also.lane, l) + (at + (uint32_t)j * also.plane);
            SIMT_AT(shortcut[k][0], l) = simt_read_word(pair);
            SIMT_AT(shortcut[k][1], l) = simt_read_word(pair + 16);
          }
        }
      }
    }
    SIMT_UNROLL
    for (int k = 0; k < 4; k++) {
      const int r = (four + k) / tiles, j = (four + k) % tiles;
      const conv_pixel p = conv_pixel_of(g, place, first_row + r);
      const uint32_t at = conv_packed_at(out, (uint32_t)(p.block - place->block), p.y, p.x);
      simt_words word[2];
      if (!p.inside) continue;
      if (shortcuts) {
        simt_transpose(SIMT_LANES(shortcut[k][0]));
        simt_transpose(SIMT_LANES(shortcut[k][1]));
        SIMT_EACH_LANE(l) {
          SIMT_UNROLL
          for (int i = 0; i < 4; i++)
            SIMT_AT(sum[four + k], l).v[i] += simt_half_of(SIMT_AT(shortcut[k][i >> 1], l), i & 1);
        }
      }
      SIMT_EACH_LANE(l) {
        SIMT_UNROLL
        for (int half = 0; half < 2; half++)
          SIMT_AT(word[half], l) =
              simt_to_bf16(simt_clip(SIMT_AT(sum[four + k], l).v[2 * half], low, high),
                           simt_clip(SIMT_AT(sum[four + k], l).v[2 * half + 1], low, high));
      }
      simt_transpose(SIMT_LANES(word[0]));
      simt_transpose(SIMT_LANES(word[1]));
      SIMT_EACH_LANE(l) {
        if (column + j * GROUPED_COLUMNS + (l >> 2) < out->c) {
          unsigned char *pair =
              SIMT_AT(to.lane, l) + (at + (uint32_t)(j * GROUPED_COLUMNS) * to.plane);
          simt_write_word(pair, SIMT_AT(word[0], l));
          simt_write_word(pair + 16, SIMT_AT(word[1], l));
        }
      }
    }
  }
}

/* Any kinds of tensors and sums, value by value. wide: the sums are conv_steps_f32's. Registers have no
 * index: every tile is compared with the wanted one. */
SIMT_FN void conv_store_each(const grouped_conv *g, const int wide, const int tiles,
                             const conv_place *place, int first_row, int column, simt_sums *sum) {
  const grouped_source *more = &g->epilogue.residual;
  const conv_ends ends = conv_ends_of(g, place);
  SIMT_NO_UNROLL
  for (int tile = 0; tile < GROUPED_WARP_TILES; tile++) {
    const conv_pixel p = conv_pixel_of(g, place, first_row + tile / tiles);
    const int first = tile % tiles * GROUPED_COLUMNS;
    if (!p.inside) continue;
    SIMT_EACH_LANE(l) {
      simt_sum v = SIMT_AT(sum[0], l);
      SIMT_UNROLL
      for (int k = 1; k < GROUPED_WARP_TILES; k++)
        if (k == tile) v = SIMT_AT(sum[k], l);
      SIMT_UNROLL
      for (int i = 0; i < 4; i++) {
        const int image = wide ? l & 15 : simt_sum_row(l, i);
        const int n = first + (wide ? (l >> 4) * 4 + i : simt_sum_column(l, i));
        const int channel = column + n, from = channel - more->first;
        float value = v.v[i];
        if (channel >= g->out.c) continue;
        if (more->present && from >= 0 && from < more->tensor.c)
          value += grouped_load1(
              &more->tensor,
              ends.residual + grouped_at(&more->tensor, p.block, from, p.y * more->stride_h,
                                         p.x * more->stride_w, 0),
              image);
        grouped_store1(&g->out, ends.out + grouped_at(&g->out, p.block, channel, p.y, p.x, 0),
                       image, simt_clip(value, g->epilogue.low, g->epilogue.high));
      }
    }
  }
}

#endif
