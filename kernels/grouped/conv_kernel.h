/* kernels/grouped/conv_kernel.h - one block of a layer: gathered input rows times a level's lists.
 *
 * Input planes of a chunk of channels go to shared memory, the next chunk's while this one is
 * multiplied. A warp keeps 32 tiles of 16 images x 8 output channels: `rows` positions x `width`
 * channels, twice for width 8. Every list entry is an input row (channel, kernel row, kernel column) at
 * any place of the planes; 16 of them are the depth of one step. */
#ifndef AP_KERNELS_GROUPED_CONV_KERNEL_H
#define AP_KERNELS_GROUPED_CONV_KERNEL_H
#include "kernels/grouped/grouped_impl.h"
#include "kernels/grouped/item_kernels.h"
#include "kernels/grouped/simt.h"

typedef struct {
  simt_sums sum[GROUPED_WARP_TILES];
  int base[GROUPED_MOST_ROWS]; /* where the warp's positions begin in a plane */
} conv_warp;

/* The place of a block, and of its data. */
typedef struct {
  int block, y, x; /* first image block, output row and column */
  int column;      /* first output channel */
  const unsigned char *in;
  const unsigned char *residual;
  unsigned char *out;
  const grouped_level *level;
} conv_place;

/* ---- shared memory ---------------------------------------------------------------------------- */
/* bfloat16: 32 bytes a position. The halves change places in every second group of four positions, so
 * that 8 positions that differ modulo 8 lie in different banks. */
SIMT_FN int conv_shared_bf16(int position, int half) {
  return position * 32 + ((half ^ (position >> 2 & 1)) << 4);
}

/* One thread's share of the planes of channels chunk * tile.chunk ..: the same 16 bytes of every
 * channel, or of every so many. */
SIMT_FN void conv_fill(const grouped_conv *g, const int wide, const conv_place *place, int chunk,
                       unsigned char *shared, int thread) {
  const grouped_tile *t = &g->tile;
  const int pieces = wide ? 4 : 2, units = t->plane * pieces;
  const int across = units < SIMT_THREADS ? SIMT_THREADS / units : 1;
  const int first = chunk * t->chunk;
  const int channels = g->in.c - first < t->chunk ? g->in.c - first : t->chunk;
  const uint64_t channel_bytes = (uint64_t)g->in.h * (uint64_t)g->in.w * (wide ? 64 : 32);
  const int start = units < SIMT_THREADS ? thread % units : thread;
  const int lane_channel = units < SIMT_THREADS ? thread / units : 0;
  if (lane_channel >= across) return;
  for (int u = start; u < units; u += SIMT_THREADS) {
    const int piece = u % pieces, position = u / pieces;
    const int x = position % t->plane_w, row = position / t->plane_w;
    const int y = row % t->plane_h, b = row / t->plane_h;
    const int in_y = place->y * g->stride_h - g->pad_top + y;
    const int in_x = place->x * g->stride_w - g->pad_left + x, block = place->block + b;
    const int present =
        in_y >= 0 && in_y < g->in.h && in_x >= 0 && in_x < g->in.w && block < g->batch.n_blocks;
    const unsigned char *from = place->in;
    if (present) {
      from += (uint64_t)block * g->in.block + (uint64_t)(first + lane_channel) * channel_bytes +
              ((uint64_t)in_y * (uint64_t)g->in.w + (uint64_t)in_x) * (wide ? 64 : 32) +
              (uint64_t)piece * 16;
    }
    for (int c = lane_channel; c < channels; c += across) {
      const int at = c * t->pitch + position;
      simt_copy16(shared + (wide ? at * 64 + piece * 16 : conv_shared_bf16(at, piece)), from,
                  present);
      if (present) from += channel_bytes * (uint64_t)across;
    }
  }
}

/* ---- products --------------------------------------------------------------------------------- */
SIMT_FN simt_right conv_weights(const unsigned char *weight, uint32_t step, const int tiles, int j,
                                int lane) {
  const uint64_t at = ((uint64_t)step * (uint64_t)tiles + (uint64_t)j) * SIMT_WARP + (uint64_t)lane;
  return ((const simt_right *)(const void *)weight)[at];
}

/* Steps begin .. end - 1 of a list into sum[row * tiles + j]; the next step's weights are on their
 * way while this one is multiplied. */
SIMT_FN void conv_steps_bf16(const int tiles, const int rows, uint32_t begin, uint32_t end,
                             const uint16_t *offset, const unsigned char *weight,
                             const unsigned char *shared, const int *base, simt_sums *sum) {
  simt_rights next[8];
  simt_ints next_offset;
  if (begin >= end) return;
  SIMT_EACH_LANE(l) {
    SIMT_AT(next_offset, l) = offset[begin * GROUPED_DEPTH + (uint32_t)simt_row(l)];
    SIMT_UNROLL
    for (int j = 0; j < tiles; j++) SIMT_AT(next[j], l) = conv_weights(weight, begin, tiles, j, l);
  }
  for (uint32_t step = begin; step < end; step++) {
    simt_rights right[8];
    simt_ints row_offset;
    SIMT_EACH_LANE(l) {
      const uint32_t after = step + 1 < end ? step + 1 : step;
      SIMT_AT(row_offset, l) = SIMT_AT(next_offset, l);
      SIMT_UNROLL
      for (int j = 0; j < tiles; j++) SIMT_AT(right[j], l) = SIMT_AT(next[j], l);
      SIMT_AT(next_offset, l) = offset[after * GROUPED_DEPTH + (uint32_t)simt_row(l)];
      SIMT_UNROLL
      for (int j = 0; j < tiles; j++)
        SIMT_AT(next[j], l) = conv_weights(weight, after, tiles, j, l);
    }
    SIMT_UNROLL
    for (int r = 0; r < rows; r++) {
      simt_lefts left;
      simt_ints at;
      SIMT_EACH_LANE(l) {
        SIMT_AT(at, l) = conv_shared_bf16(base[r] + SIMT_AT(row_offset, l), simt_half(l));
      }
      simt_load_left(SIMT_LANES(left), shared, SIMT_LANES(at));
      SIMT_UNROLL
      for (int j = 0; j < tiles; j++)
        simt_multiply(SIMT_LANES(sum[r * tiles + j]), SIMT_LANES(left), SIMT_LANES(right[j]));
    }
  }
}

/* The same in float32: lane l has image l % 16 and output channels 4 * (l / 16) .. of every tile. */
SIMT_FN void conv_steps_f32(const int tiles, const int rows, uint32_t begin, uint32_t end,
                            const uint16_t *offset, const unsigned char *weight,
                            const unsigned char *shared, const int *base, simt_sums *sum) {
  const float *planes = (const float *)(const void *)shared;
  for (uint32_t k = begin * GROUPED_DEPTH; k < end * GROUPED_DEPTH; k++) {
    const int position = offset[k];
    SIMT_EACH_LANE(l) {
      const simt_sum *from = (const simt_sum *)(const void *)weight +
                             (uint64_t)k * (uint64_t)(tiles * 2) + (uint64_t)(l >> 4);
      simt_sum w[8];
      SIMT_UNROLL
      for (int j = 0; j < tiles; j++) w[j] = from[j * 2];
      SIMT_UNROLL
      for (int r = 0; r < rows; r++) {
        const float x = planes[(base[r] + position) * GROUPED_IMAGES + (l & 15)];
        SIMT_UNROLL
        for (int j = 0; j < tiles; j++) {
          SIMT_UNROLL
          for (int i = 0; i < 4; i++) SIMT_AT(sum[r * tiles + j], l).v[i] += x * w[j].v[i];
        }
      }
    }
  }
}

/* ---- sums to the output ----------------------------------------------------------------------- */
/* Sums of row `part` (lists x rows in all), sorted by output channel in the warp's part of shared
 * memory. Registers have no index: every row is compared with the wanted one. */
SIMT_FN void conv_sort(const int wide, const int tiles, const int parts, int part, simt_sums *sum,
                       float *sorted) {
  SIMT_EACH_LANE(l) {
    SIMT_UNROLL
    for (int r = 0; r < parts; r++) {
      if (r != part) continue;
      SIMT_UNROLL
      for (int j = 0; j < tiles; j++) {
        SIMT_UNROLL
        for (int i = 0; i < 4; i++) {
          const int image = wide ? l & 15 : simt_sum_row(l, i);
          const int n = j * GROUPED_COLUMNS + (wide ? (l >> 4) * 4 + i : simt_sum_column(l, i));
          sorted[n * GROUPED_PITCH + image] = SIMT_AT(sum[r * tiles + j], l).v[i];
        }
      }
    }
  }
  SIMT_WARP_BARRIER();
}

/* 8 images at a time: bias, residual, clipping, store. position: in the block's tile. */
SIMT_FN void conv_store(const grouped_conv *g, const int tiles, const conv_place *place,
                        int position, int column, const float *sorted) {
  const grouped_tile *t = &g->tile;
  const int x = place->x + (position & ((1 << t->log_w) - 1));
  const int y = place->y + (position >> t->log_w & ((1 << t->log_h) - 1));
  const int block = place->block + (position >> t->log_w >> t->log_h);
  const int inside = position >> t->log_w >> t->log_h >> t->log_b == 0 && x < g->out.w &&
                     y < g->out.h && block < g->batch.n_blocks;
  const float *bias =
      (const float *)(const void *)((const unsigned char *)place->level + place->level->bias);
  SIMT_EACH_LANE(l) {
    for (int item = l; item < tiles * GROUPED_COLUMNS * 2; item += SIMT_WARP) {
      const int n = item >> 1, half = item & 1, channel = column + n;
      float v[8];
      if (!inside || channel >= g->out.c) break;
      SIMT_UNROLL
      for (int i = 0; i < 8; i++) v[i] = sorted[n * GROUPED_PITCH + half * 8 + i] + bias[channel];
      grouped_finish(&g->epilogue, place->residual, block, channel, y, x, half, v);
      grouped_store8(&g->out, place->out, block, channel, y, x, half, v);
    }
  }
  SIMT_WARP_BARRIER();
}

/* ---- the block -------------------------------------------------------------------------------- */
/* What warp w works on: `rows` positions from first_row, lists of `width` channels from `column`. */
typedef struct {
  int first_row, column;
} conv_share;
SIMT_FN conv_share conv_share_of(const grouped_tile *t, const int width, const int lists,
                                 const int rows, int w) {
  const int across = t->columns / (width * lists); /* warps side by side along the channels */
  conv_share s;
  s.first_row = w / across * rows;
  s.column = w % across * width * lists;
  return s;
}

/* tiles: of a list, 1, 2, 4 or 8; lists: of a warp; rows * tiles * lists = 32. */
SIMT_FN void conv_run(const grouped_conv *g, const int wide, const int tiles, const int lists,
                      const int rows, const conv_place *place, unsigned char *shared,
                      conv_warp *warps) {
  const grouped_tile *t = &g->tile;
  const int width = tiles * GROUPED_COLUMNS;
  const unsigned char *blob = (const unsigned char *)place->level;
  const uint32_t *start = (const uint32_t *)(const void *)(blob + place->level->start);
  const uint16_t *offset = (const uint16_t *)(const void *)(blob + place->level->offset);
  const unsigned char *weight = blob + place->level->weight;
  SIMT_EACH_WARP(w) {
    conv_warp *warp = SIMT_OF_WARP(warps, w);
    const conv_share share = conv_share_of(t, width, lists, rows, w);
    SIMT_UNROLL
    for (int r = 0; r < rows; r++) {
      const int position = share.first_row + r;
      const int x = position & ((1 << t->log_w) - 1);
      const int y = position >> t->log_w & ((1 << t->log_h) - 1);
      const int b = position >> t->log_w >> t->log_h & ((1 << t->log_b) - 1);
      warp->base[r] = (b * t->plane_h + y * g->stride_h) * t->plane_w + x * g->stride_w;
    }
    SIMT_EACH_LANE(l) {
      SIMT_UNROLL
      for (int i = 0; i < GROUPED_WARP_TILES; i++) {
        SIMT_UNROLL
        for (int j = 0; j < 4; j++) SIMT_AT(warp->sum[i], l).v[j] = 0;
      }
    }
  }
  SIMT_EACH_THREAD(thread) { conv_fill(g, wide, place, 0, shared, thread); }
  simt_copy_end();
  for (int chunk = 0; chunk < t->n_chunks; chunk++) {
    const unsigned char *planes = shared + (uint32_t)(chunk & 1) * g->buffer_bytes;
    const int more = chunk + 1 < t->n_chunks;
    if (more) {
      SIMT_EACH_THREAD(thread) {
        conv_fill(g, wide, place, chunk + 1, shared + (uint32_t)(~chunk & 1) * g->buffer_bytes,
                  thread);
      }
      simt_copy_end();
    }
    simt_copy_wait(more);
    SIMT_BARRIER();
    SIMT_EACH_WARP(w) {
      conv_warp *warp = SIMT_OF_WARP(warps, w);
      const conv_share share = conv_share_of(t, width, lists, rows, w);
      SIMT_UNROLL
      for (int i = 0; i < lists; i++) {
        const uint32_t list = (uint32_t)((place->column + share.column) / width + i);
        if (list >= place->level->n_lists) continue;
        const uint32_t *steps = start + list * (uint32_t)(t->n_chunks + 1) + chunk;
        if (wide)
          conv_steps_f32(tiles, rows, steps[0], steps[1], offset, weight, planes, warp->base,
                         warp->sum + i * rows * tiles);
        else
          conv_steps_bf16(tiles, rows, steps[0], steps[1], offset, weight, planes, warp->base,
                          warp->sum + i * rows * tiles);
      }
    }
    SIMT_BARRIER();
  }
  SIMT_EACH_WARP(w) {
    conv_warp *warp = SIMT_OF_WARP(warps, w);
    const conv_share share = conv_share_of(t, width, lists, rows, w);
    float *sorted =
        (float *)(void *)shared + w * (GROUPED_WARP_TILES / 4 * GROUPED_COLUMNS * GROUPED_PITCH);
    SIMT_NO_UNROLL
    for (int part = 0; part < lists * rows; part++) {
      conv_sort(wide, tiles, lists * rows, part, warp->sum, sorted);
      conv_store(g, tiles, place, share.first_row + part % rows,
                 place->column + share.column + part / rows * width, sorted);
    }
  }
}

/* Block (tile, column block) of distinct beginning `node`; shared: two buffers. */
SIMT_FN void conv_block(const grouped_conv *g, const int wide, uint32_t tile, uint32_t column_block,
                        uint32_t node, unsigned char *shared, conv_warp *warps) {
  const grouped_tile *t = &g->tile;
  const grouped_node of = g->batch.nodes[node];
  const uint32_t across = (uint32_t)t->tiles_w, down = (uint32_t)t->tiles_h;
  conv_place place;
  place.x = (int)(tile % across) << t->log_w;
  place.y = (int)(tile / across % down) << t->log_h;
  place.block = (int)(tile / across / down) << t->log_b;
  place.column = (int)column_block * t->columns;
  place.in = g->in.data + of.in * g->in.slot;
  place.residual =
      g->epilogue.residual.tensor.data + of.residual * g->epilogue.residual.tensor.slot;
  place.out = g->out.data + node * g->out.slot;
  place.level = (const grouped_level *)(uintptr_t)of.level;
  if (place.block >= g->batch.n_blocks) return;
  switch (place.level->form) { /* the same for the whole block */
    case 0:
      conv_run(g, wide, 1, 2, 16, &place, shared, warps);
      break;
    case 1:
      conv_run(g, wide, 2, 1, 16, &place, shared, warps);
      break;
    case 2:
      conv_run(g, wide, 4, 1, 8, &place, shared, warps);
      break;
    default:
      conv_run(g, wide, 8, 1, 4, &place, shared, warps);
      break;
  }
}

#endif
