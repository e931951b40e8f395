/* kernels/grouped/conv_store.h - a layer's sums from a warp's registers to the output: bias, shortcut,
 * clipping, one rounding. */
#ifndef AP_KERNELS_GROUPED_CONV_STORE_H
#define AP_KERNELS_GROUPED_CONV_STORE_H
#include "kernels/grouped/grouped_impl.h"
#include "kernels/grouped/simt.h"

/* A part of a layer that a block works on. */
typedef struct {
  uint32_t node;   /* distinct beginning */
  int column;      /* first output channel */
  int block, y, x; /* first image block, output row and column */
} conv_place;

SIMT_FN const grouped_level *conv_level(const grouped_conv *g, const conv_place *place) {
  return (const grouped_level *)(uintptr_t)g->batch.nodes[place->node].level;
}

/* Where the window of the part's position `index` begins in a plane. Every bit of the index adds its
 * own amount, so that grouped_tile.row_bytes can be added to it. */
SIMT_FN int conv_plane_position(const grouped_conv *g, int index) {
  const grouped_tile *t = &g->tile;
  const int x = index & ((1 << t->log_w) - 1);
  const int y = index >> t->log_w & ((1 << t->log_h) - 1);
  const int b = index >> t->log_w >> t->log_h & ((1 << t->log_b) - 1);
  return (b * t->plane_h + y * g->stride_h) * t->plane_w + x * g->stride_w;
}

/* Position `index` of a part in the output; 0 when there is none. */
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

SIMT_FN uint64_t conv_offset(const grouped_tensor *t, int block, int channel, int y, int x) {
  const uint64_t position =
      ((uint64_t)channel * (uint64_t)t->h + (uint64_t)y) * (uint64_t)t->w + (uint64_t)x;
  return (uint64_t)block * t->block + position * (t->wide ? 64 : 32);
}

/* What the sums of a part meet on their way out. */
typedef struct {
  const float *bias; /* from the warp's first output channel */
  const unsigned char *residual;
  unsigned char *out;
} conv_ends;
SIMT_FN conv_ends conv_ends_of(const grouped_conv *g, const conv_place *place, int column) {
  const grouped_tensor *more = &g->epilogue.residual.tensor;
  const grouped_level *level = conv_level(g, place);
  conv_ends e;
  e.bias = (const float *)(const void *)((const unsigned char *)level + level->bias) + column;
  e.residual = more->data + g->batch.nodes[place->node].residual * more->slot;
  e.out = g->out.data + place->node * g->out.slot;
  return e;
}

/* Sums as the matrix units leave them: a lane has two channels of two images. Inputs and outputs are
 * pairs of images of one channel; 8 x 8 values change over in one step. */
SIMT_FN void conv_store_packed(const grouped_conv *g, const int tiles, const int rows,
                               const conv_place *place, int first_row, int column, simt_sums *sum) {
  const grouped_source *more = &g->epilogue.residual;
  const conv_ends ends = conv_ends_of(g, place, column);
  const float low = g->epilogue.low, high = g->epilogue.high;
  SIMT_UNROLL
  for (int r = 0; r < rows; r++) {
    const conv_pixel p = conv_pixel_of(g, place, first_row + r);
    if (!p.inside) continue;
    SIMT_UNROLL
    for (int j = 0; j < tiles; j++) {
      const int first = column + j * GROUPED_COLUMNS;
      simt_words word[2];
      simt_sums v;
      if (first >= g->out.c) continue;
      SIMT_EACH_LANE(l) {
        SIMT_UNROLL
        for (int i = 0; i < 4; i++)
          SIMT_AT(v, l).v[i] = SIMT_AT(sum[r * tiles + j], l).v[i] +
                               ends.bias[j * GROUPED_COLUMNS + simt_sum_column(l, i)];
      }
      if (more->present) {
        SIMT_EACH_LANE(l) {
          const int from = first + (l >> 2) - more->first;
          const int there = from >= 0 && from < more->tensor.c;
          const unsigned char *pair =
              ends.residual + (there ? conv_offset(&more->tensor, p.block, from,
                                                   p.y * more->stride_h, p.x * more->stride_w) +
                                           (uint64_t)((l & 3) * 4)
                                     : 0);
          SIMT_UNROLL
          for (int half = 0; half < 2; half++)
            SIMT_AT(word[half], l) =
                there ? *(const uint32_t *)(const void *)(pair + half * 16) : 0;
        }
        simt_transpose(SIMT_LANES(word[0]));
        simt_transpose(SIMT_LANES(word[1]));
        SIMT_EACH_LANE(l) {
          SIMT_UNROLL
          for (int i = 0; i < 4; i++)
            SIMT_AT(v, l).v[i] +=
                simt_from_bf16(SIMT_AT(word[i >> 1], l) >> 16 * (i & 1) & 0xffffU);
        }
      }
      SIMT_EACH_LANE(l) {
        SIMT_UNROLL
        for (int half = 0; half < 2; half++)
          SIMT_AT(word[half], l) =
              simt_to_bf16(simt_clip(SIMT_AT(v, l).v[2 * half], low, high),
                           simt_clip(SIMT_AT(v, l).v[2 * half + 1], low, high));
      }
      simt_transpose(SIMT_LANES(word[0]));
      simt_transpose(SIMT_LANES(word[1]));
      SIMT_EACH_LANE(l) {
        const int channel = first + (l >> 2);
        if (channel < g->out.c) {
          unsigned char *to =
              ends.out + conv_offset(&g->out, p.block, channel, p.y, p.x) + (uint64_t)((l & 3) * 4);
          *(uint32_t *)(void *)to = SIMT_AT(word[0], l);
          *(uint32_t *)(void *)(to + 16) = SIMT_AT(word[1], l);
        }
      }
    }
  }
}

/* One value of a tensor: image `image` of a position. */
SIMT_FN float conv_load_one(const grouped_tensor *t, const unsigned char *position, int image) {
  return t->wide ? ((const float *)(const void *)position)[image]
                 : simt_from_bf16(((const uint16_t *)(const void *)position)[image]);
}
SIMT_FN void conv_store_one(const grouped_tensor *t, unsigned char *position, int image, float v) {
  if (t->wide)
    ((float *)(void *)position)[image] = v;
  else
    ((uint16_t *)(void *)position)[image] = (uint16_t)(simt_to_bf16(v, 0) & 0xffffU);
}

/* Any kinds of tensors and sums, value by value. wide: the sums are conv_steps_f32's. Registers have no
 * index: every tile is compared with the wanted one. */
SIMT_FN void conv_store_each(const grouped_conv *g, const int wide, const int tiles,
                             const conv_place *place, int first_row, int column, simt_sums *sum) {
  const grouped_source *more = &g->epilogue.residual;
  const conv_ends ends = conv_ends_of(g, place, column);
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
        value += ends.bias[n];
        if (more->present && from >= 0 && from < more->tensor.c)
          value +=
              conv_load_one(&more->tensor,
                            ends.residual + conv_offset(&more->tensor, p.block, from,
                                                        p.y * more->stride_h, p.x * more->stride_w),
                            image);
        conv_store_one(&g->out, ends.out + conv_offset(&g->out, p.block, channel, p.y, p.x), image,
                       simt_clip(value, g->epilogue.low, g->epilogue.high));
      }
    }
  }
}

#endif
