/* kernels/grouped/conv_kernel.h - blocks of a layer: gathered input rows times a level's lists.
 *
 * A block of threads works on one part of the layer after the other. Input planes of a chunk of
 * channels go to shared memory, the next chunk's (or the next part's first) while this one is
 * multiplied. A warp keeps 16 tiles of 16 images x 8 output channels: `rows` positions x `width`
 * channels. Every list entry is an input row (channel, kernel row, kernel column) at any place of the
 * planes; 16 of them are the depth of one step. */
#ifndef AP_KERNELS_GROUPED_CONV_KERNEL_H
#define AP_KERNELS_GROUPED_CONV_KERNEL_H
#include "kernels/grouped/conv_store.h"
#include "kernels/grouped/grouped_impl.h"
#include "kernels/grouped/simt.h"

enum { CONV_AHEAD = 4 }; /* input rows x positions on their way to the matrix units */

typedef struct {
  simt_sums sum[GROUPED_WARP_TILES];
} conv_warp;

/* ---- shared memory ---------------------------------------------------------------------------- */
/* bfloat16: 16 bytes a position, the first 8 images of all positions and then, half_bytes further,
 * the others: 8 positions that differ modulo 8 lie in different banks. */

/* One thread's share of the planes of channels chunk * tile.chunk ..: the same 16 bytes of every
 * channel, or of every so many. */
SIMT_FN void conv_fill(const grouped_conv *g, const int wide, const conv_place place, int chunk,
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
    const int in_y = place.y * g->stride_h - g->pad_top + y;
    const int in_x = place.x * g->stride_w - g->pad_left + x, block = place.block + b;
    const int present =
        in_y >= 0 && in_y < g->in.h && in_x >= 0 && in_x < g->in.w && block < g->batch.n_blocks;
    const int at = lane_channel * t->pitch + position;
    const int pitch = across * t->pitch * (wide ? 64 : 16);
    const uint64_t step = present ? channel_bytes * (uint64_t)across : 0;
    unsigned char *to =
        shared + (wide ? at * 64 + piece * 16 : at * 16 + piece * (int)t->half_bytes);
    const unsigned char *from = g->in.data + (uint64_t)g->batch.nodes[place.node].in * g->in.slot;
    if (present) {
      from += (uint64_t)block * g->in.block + (uint64_t)(first + lane_channel) * channel_bytes +
              ((uint64_t)in_y * (uint64_t)g->in.w + (uint64_t)in_x) * (wide ? 64 : 32) +
              (uint64_t)piece * 16;
    }
    SIMT_UNROLL_BY(4)
    for (int c = lane_channel; c < channels; c += across) {
      simt_copy16(to, from, present);
      from += step;
      to += pitch;
    }
  }
}

/* ---- products --------------------------------------------------------------------------------- */
SIMT_FN simt_right conv_weights(const unsigned char *weight, uint32_t step, const int tiles, int j,
                                int lane) {
  const uint64_t at = ((uint64_t)step * (uint64_t)tiles + (uint64_t)j) * SIMT_WARP + (uint64_t)lane;
  return simt_read_right((const simt_right *)(const void *)weight + at);
}

/* Steps begin .. end - 1 of a list into sum[row * tiles + j]; the next step's weights are on their
 * way while this one is multiplied. base: of the warp's first position in the planes; the others'
 * bytes from it are tile.row_bytes, the same for all threads. */
SIMT_FN void conv_steps_bf16(const grouped_tile *t, const int tiles, const int rows, uint32_t begin,
                             uint32_t end, const uint16_t *offset, const unsigned char *weight,
                             const unsigned char *shared, int base, simt_sums *sum) {
  simt_rights next[8];
  simt_ints next_offset;
  if (begin >= end) return;
  SIMT_EACH_LANE(l) {
    SIMT_AT(next_offset, l) = simt_read_u16(offset + begin * GROUPED_DEPTH + simt_row(l));
    SIMT_UNROLL
    for (int j = 0; j < tiles; j++) SIMT_AT(next[j], l) = conv_weights(weight, begin, tiles, j, l);
  }
  for (uint32_t step = begin; step < end; step++) {
    simt_rights right[8];
    simt_ints at;
    SIMT_EACH_LANE(l) {
      const uint32_t after = step + 1 < end ? step + 1 : step;
      SIMT_AT(at, l) = (base + SIMT_AT(next_offset, l)) * 16 + simt_half(l) * (int)t->half_bytes;
      SIMT_UNROLL
      for (int j = 0; j < tiles; j++) SIMT_AT(right[j], l) = SIMT_AT(next[j], l);
      SIMT_AT(next_offset, l) = simt_read_u16(offset + after * GROUPED_DEPTH + simt_row(l));
      SIMT_UNROLL
      for (int j = 0; j < tiles; j++)
        SIMT_AT(next[j], l) = conv_weights(weight, after, tiles, j, l);
    }
    simt_lefts left[CONV_AHEAD];
    SIMT_UNROLL
    for (int r = 0; r < CONV_AHEAD && r < rows; r++)
      simt_load_left(SIMT_LANES(left[r]), shared + t->row_bytes[r], SIMT_LANES(at));
    SIMT_UNROLL
    for (int r = 0; r < rows; r++) {
      SIMT_UNROLL
      for (int j = 0; j < tiles; j++)
        simt_multiply(SIMT_LANES(sum[r * tiles + j]), SIMT_LANES(left[r % CONV_AHEAD]),
                      SIMT_LANES(right[j]));
      if (r + CONV_AHEAD < rows)
        simt_load_left(SIMT_LANES(left[r % CONV_AHEAD]), shared + t->row_bytes[r + CONV_AHEAD],
                       SIMT_LANES(at));
    }
  }
}

/* The same in float32: lane l has image l % 16 and output channels 4 * (l / 16) .. of every tile. */
SIMT_FN void conv_steps_f32(const grouped_tile *t, const int tiles, const int rows, uint32_t begin,
                            uint32_t end, const uint16_t *offset, const unsigned char *weight,
                            const unsigned char *shared, int base, simt_sums *sum) {
  for (uint32_t k = begin * GROUPED_DEPTH; k < end * GROUPED_DEPTH; k++) {
    const int position = base + offset[k];
    SIMT_EACH_LANE(l) {
      const simt_sum *from = (const simt_sum *)(const void *)weight +
                             (uint64_t)k * (uint64_t)(tiles * 2) + (uint64_t)(l >> 4);
      simt_sum w[8];
      SIMT_UNROLL
      for (int j = 0; j < tiles; j++) w[j] = from[j * 2];
      SIMT_UNROLL
      for (int r = 0; r < rows; r++) {
        const float *plane = (const float *)(const void *)(shared + t->row_bytes[r]);
        const float x = plane[position * GROUPED_IMAGES + (l & 15)];
        SIMT_UNROLL
        for (int j = 0; j < tiles; j++) {
          SIMT_UNROLL
          for (int i = 0; i < 4; i++) SIMT_AT(sum[r * tiles + j], l).v[i] += x * w[j].v[i];
        }
      }
    }
  }
}

/* ---- a part of the layer ---------------------------------------------------------------------- */
/* What warp w works on: `rows` positions from first_row, the list of `width` channels at `column`. */
typedef struct {
  int first_row, column;
} conv_share;
SIMT_FN conv_share conv_share_of(const grouped_tile *t, const int width, const int rows, int w) {
  const int across = t->columns / width; /* warps side by side along the channels */
  conv_share s;
  s.first_row = w / across * rows;
  s.column = w % across * width;
  return s;
}

/* Where a block is in its parts: the next one's first chunk is brought while this one's last is
 * multiplied. */
typedef struct {
  conv_place place, next;
  int more;   /* there is a next one */
  int buffer; /* of the chunk to be multiplied: 0 or 1 */
} conv_state;

SIMT_FN conv_place conv_to_fill(const conv_state *s, int next) {
  conv_place p;
  p.node = next ? s->next.node : s->place.node;
  p.column = next ? s->next.column : s->place.column;
  p.block = next ? s->next.block : s->place.block;
  p.y = next ? s->next.y : s->place.y;
  p.x = next ? s->next.x : s->place.x;
  return p;
}

/* tiles: of the list, 1, 2, 4 or 8; rows * tiles = 16. */
SIMT_FN void conv_run(const grouped_conv *g, const int wide, const int tiles, const int rows,
                      conv_state *state, unsigned char *shared, conv_warp *warps) {
  const grouped_tile *t = &g->tile;
  const int width = tiles * GROUPED_COLUMNS, first = state->place.column;
  const grouped_level *level = conv_level(g, &state->place);
  const unsigned char *blob = (const unsigned char *)level;
  const uint32_t *start = (const uint32_t *)(const void *)(blob + level->start);
  const uint16_t *offset = (const uint16_t *)(const void *)(blob + level->offset);
  const unsigned char *weight = blob + level->weight;
  SIMT_EACH_WARP(w) {
    conv_warp *warp = SIMT_OF_WARP(warps, w);
    SIMT_EACH_LANE(l) {
      SIMT_UNROLL
      for (int i = 0; i < GROUPED_WARP_TILES; i++) {
        SIMT_UNROLL
        for (int j = 0; j < 4; j++) SIMT_AT(warp->sum[i], l).v[j] = 0;
      }
    }
  }
  for (int chunk = 0; chunk < t->n_chunks; chunk++) {
    const unsigned char *planes = shared + (uint32_t)state->buffer * g->buffer_bytes;
    unsigned char *other = shared + (uint32_t)(1 - state->buffer) * g->buffer_bytes;
    const int last = chunk + 1 == t->n_chunks, more = !last || state->more;
    if (more) {
      SIMT_EACH_THREAD(thread) {
        conv_fill(g, wide, conv_to_fill(state, last), last ? 0 : chunk + 1, other, thread);
      }
      simt_copy_end();
    }
    simt_copy_wait(more);
    SIMT_BARRIER();
    SIMT_EACH_WARP(w) {
      conv_warp *warp = SIMT_OF_WARP(warps, w);
      const conv_share share = conv_share_of(t, width, rows, w);
      const uint32_t list = (uint32_t)((first + share.column) / width);
      const int base = conv_plane_position(g, share.first_row);
      if (list < level->n_lists) {
        const uint32_t *steps = start + list * (uint32_t)(t->n_chunks + 1) + chunk;
        if (wide)
          conv_steps_f32(t, tiles, rows, steps[0], steps[1], offset, weight, planes, base,
                         warp->sum);
        else
          conv_steps_bf16(t, tiles, rows, steps[0], steps[1], offset, weight, planes, base,
                          warp->sum);
      }
    }
    SIMT_BARRIER();
    state->buffer = 1 - state->buffer;
  }
  SIMT_EACH_WARP(w) {
    conv_warp *warp = SIMT_OF_WARP(warps, w);
    const conv_share share = conv_share_of(t, width, rows, w);
    if (wide || g->out.wide || g->epilogue.residual.tensor.wide)
      conv_store_each(g, wide, tiles, &state->place, share.first_row, first + share.column,
                      warp->sum);
    else
      conv_store_packed(g, tiles, rows, &state->place, share.first_row, first + share.column,
                        warp->sum);
  }
}

/* Part `number` of a layer: output channels innermost, then tiles of positions, then distinct
 * beginnings, so that blocks that run at the same time read the same inputs. */
SIMT_FN conv_place conv_place_of(const grouped_conv *g, uint64_t number) {
  const grouped_tile *t = &g->tile;
  const uint32_t columns = (uint32_t)((g->out.c + t->columns - 1) / t->columns);
  const uint32_t across = (uint32_t)t->tiles_w, down = (uint32_t)t->tiles_h;
  const uint32_t tiles = across * down * (uint32_t)t->tiles_b;
  const uint32_t column = (uint32_t)(number % columns);
  const uint64_t rest = number / columns;
  const uint32_t tile = (uint32_t)(rest % tiles);
  conv_place place;
  place.node = (uint32_t)(rest / tiles);
  place.column = (int)column * t->columns;
  place.block = (int)(tile / across / down) << t->log_b;
  place.y = (int)(tile / across % down) << t->log_h;
  place.x = (int)(tile % across) << t->log_w;
  return place;
}

/* Parts first, first + stride, ... of all; shared: two buffers. */
SIMT_FN void conv_block(const grouped_conv *g, const int wide, uint32_t first, uint32_t stride,
                        unsigned char *shared, conv_warp *warps) {
  const grouped_tile *t = &g->tile;
  const uint64_t columns = (uint64_t)((g->out.c + t->columns - 1) / t->columns);
  const uint64_t total = (uint64_t)*g->batch.n_nodes * columns * (uint64_t)t->tiles_b *
                         (uint64_t)t->tiles_h * (uint64_t)t->tiles_w;
  conv_state state;
  if (first >= total) return;
  state.next = conv_place_of(g, first);
  state.place = state.next;
  state.buffer = 0;
  SIMT_EACH_THREAD(thread) { conv_fill(g, wide, conv_to_fill(&state, 1), 0, shared, thread); }
  simt_copy_end();
  for (uint64_t number = first; number < total; number += stride) {
    state.place = state.next;
    state.more = number + stride < total;
    if (state.more) state.next = conv_place_of(g, number + stride);
    switch (conv_level(g, &state.place)->form) { /* the same for the whole block */
      case 0:
        conv_run(g, wide, 1, 16, &state, shared, warps);
        break;
      case 1:
        conv_run(g, wide, 2, 8, &state, shared, warps);
        break;
      case 2:
        conv_run(g, wide, 4, 4, &state, shared, warps);
        break;
      default:
        conv_run(g, wide, 8, 2, &state, shared, warps);
        break;
    }
  }
}

#endif
