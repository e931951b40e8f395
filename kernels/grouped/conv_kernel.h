/* kernels/grouped/conv_kernel.h - blocks of a layer: gathered input rows times a level's lists.
 *
 * A block of threads works on one part of the layer after the other. Input planes of a chunk of
 * channels go to a slot of shared memory, the next chunk's (or the next part's first) while this one is
 * multiplied. A warp keeps 16 tiles of 16 images x 8 output channels: `rows` positions x `width`
 * channels. Every list entry is an input row (channel, kernel row, kernel column) at any place of the
 * planes; 16 of them are the depth of one step. Warps wait for one another at counters alone: all for
 * the copies of a chunk, and who fills a slot for those who still read it (conv_ring.h). */
#ifndef AP_KERNELS_GROUPED_CONV_KERNEL_H
#define AP_KERNELS_GROUPED_CONV_KERNEL_H
#include "kernels/grouped/conv_ring.h"
#include "kernels/grouped/conv_store.h"
#include "kernels/grouped/grouped_impl.h"
#include "kernels/grouped/simt.h"

enum { CONV_AHEAD = 4 }; /* input rows x positions on their way to the matrix units */

/* A warp's sums, and where it is in its list: the next step's weights and rows are on their way. */
typedef struct {
  simt_sums sum[GROUPED_WARP_TILES];
  simt_rights right[GROUPED_MOST_TILES];
  simt_ints offset;
  uint32_t step;      /* the next one */
  uint32_t end, last; /* those after the present chunk's last and after the list's */
} conv_warp;

/* ---- shared memory ---------------------------------------------------------------------------- */
/* bfloat16: 16 bytes a position, the first 8 images of all positions and then, half_bytes further,
 * the others: 8 positions that differ modulo 8 lie in different banks. */

enum { CONV_QUAD = 4 }; /* channels that a thread copies one after the other */

/* One thread's share of the planes of a chunk's channels: the same 16 bytes of each of four channels,
 * or of every so many fours. */
SIMT_FN void conv_fill(const grouped_conv *g, const int wide, const conv_place *place, int chunk,
                       unsigned char *shared, int thread) {
  const grouped_tile *t = &g->tile;
  SIMT_KEEP32(thread); /* what follows from it is not to live through the products */
  const int side = t->across > 1 ? grouped_quotient(thread, t->by_units) : 0;
  const int across = CONV_QUAD * t->across;
  const int first = chunk * t->chunk;
  const int channels = g->in.c - first < t->chunk ? g->in.c - first : t->chunk;
  const uint32_t channel_bytes = (uint32_t)(g->in.h * g->in.w) * (wide ? 64 : 32);
  const unsigned char *in = g->in.data + (uint64_t)g->batch.nodes[place->node].in * g->in.slot;
  const uint32_t *order = place->order + chunk * t->order_pitch;
  if (side >= t->across) return;
  for (int u = thread - side * t->units; u < t->units; u += SIMT_THREADS) {
    const int piece = u & (wide ? 3 : 1), position = u >> (wide ? 2 : 1);
    const int row = grouped_quotient(position, t->by_plane_w), x = position - row * t->plane_w;
    const int b = grouped_quotient(row, t->by_plane_h), y = row - b * t->plane_h;
    const int in_y = place->y * g->stride_h - g->pad_top + y * t->skip_h;
    const int in_x = place->x * g->stride_w - g->pad_left + x * t->skip_w, block = place->block + b;
    const int present =
        in_y >= 0 && in_y < g->in.h && in_x >= 0 && in_x < g->in.w && block < g->batch.n_blocks;
    const int at = CONV_QUAD * side * t->pitch + position;
    const int pitch = t->pitch * (wide ? 64 : 16);
    const uint32_t step = present ? channel_bytes : 0; /* of absent ones any place is named */
    int c = CONV_QUAD * side;
    unsigned char *to =
        shared + (wide ? at * 64 + piece * 16 : at * 16 + piece * (int)t->half_bytes);
    const unsigned char *from = in;
    if (present)
      from += (uint64_t)block * g->in.block +
              (uint64_t)((in_y * g->in.w + in_x) * (wide ? 64 : 32) + piece * 16);
    SIMT_NO_UNROLL
    for (; c + CONV_QUAD <= channels; c += across) { /* no branch in between */
      const simt_quad channel = simt_read_quad(order + c, 0);
      SIMT_UNROLL
      for (int i = 0; i < CONV_QUAD; i++)
        simt_copy16(to + i * pitch, from + (uint64_t)channel.v[i] * step, present);
      to += t->across * CONV_QUAD * pitch;
    }
    SIMT_NO_UNROLL
    for (; c < channels; c++, to += pitch) /* the last few, by one side */
      simt_copy16(to, from + (uint64_t)simt_read_u32(order + c) * step, present);
  }
}

/* ---- products --------------------------------------------------------------------------------- */
SIMT_FN simt_right conv_weights(const unsigned char *weight, uint32_t step, const int tiles, int j,
                                int lane) {
  const uint64_t at = ((uint64_t)step * (uint64_t)tiles + (uint64_t)j) * SIMT_WARP + (uint64_t)lane;
  return simt_read_right((const simt_right *)(const void *)weight + at);
}

/* Begins a list. steps: the first of every chunk, then the end; NULL: there is no such list. */
SIMT_FN void conv_begin(const grouped_tile *t, const int wide, const int tiles,
                        const uint32_t *steps, const uint16_t *offset, const unsigned char *weight,
                        conv_warp *warp) {
  warp->step = steps ? steps[0] : 0;
  warp->end = steps ? steps[1] : 0;
  warp->last = steps ? steps[t->n_chunks] : 0;
  SIMT_EACH_LANE(l) {
    const int any = !wide && warp->step < warp->last;
    SIMT_AT(warp->offset, l) =
        any ? simt_read_u16(offset + warp->step * GROUPED_DEPTH + simt_row(l)) : 0;
    SIMT_UNROLL
    for (int j = 0; j < tiles; j++) {
      SIMT_AT(warp->right[j], l).v[0] = SIMT_AT(warp->right[j], l).v[1] = 0;
      if (any) SIMT_AT(warp->right[j], l) = conv_weights(weight, warp->step, tiles, j, l);
    }
  }
}

/* Every sum begins with its channel's bias; bias NULL: there are no such channels. */
SIMT_FN void conv_set_sums(const int wide, const int tiles, const float *bias, conv_warp *warp) {
  SIMT_EACH_LANE(l) {
    SIMT_UNROLL
    for (int j = 0; j < tiles; j++) {
      SIMT_UNROLL
      for (int i = 0; i < 4; i++) {
        const int n = j * GROUPED_COLUMNS + (wide ? (l >> 4) * 4 + i : simt_sum_column(l, i));
        const float begin = bias ? bias[n] : 0;
        SIMT_UNROLL
        for (int r = 0; r < GROUPED_WARP_TILES / tiles; r++)
          SIMT_AT(warp->sum[r * tiles + j], l).v[i] = begin;
      }
    }
  }
}

/* The present chunk's steps into sum[row * tiles + j]; the next step's weights are on their way while
 * this one is multiplied. base: of the warp's first position in the planes; the others' bytes from it
 * are tile.row_bytes, the same for all threads. planes: the slot that offsets count from, bytes from
 * `shared`. */
SIMT_FN void conv_steps_bf16(const grouped_tile *t, const int tiles, const int rows,
                             const uint16_t *offset, const unsigned char *weight,
                             const unsigned char *shared, uint32_t planes, int base,
                             conv_warp *warp) {
  for (uint32_t step = warp->step; step < warp->end; step++) {
    simt_rights right[GROUPED_MOST_TILES];
    simt_words at;
    SIMT_EACH_LANE(l) {
      const uint32_t after = step + 1 < warp->last ? step + 1 : warp->last - 1;
      SIMT_AT(at, l) = simt_shared_at(
          shared,
          conv_in_ring(planes + (uint32_t)(base + SIMT_AT(warp->offset, l)) * 16, t->ring_bytes) +
              (uint32_t)simt_half(l) * t->half_bytes);
      SIMT_KEEP32(SIMT_AT(at, l)); /* one addition a load, of a constant */
      SIMT_UNROLL
      for (int j = 0; j < tiles; j++) SIMT_AT(right[j], l) = SIMT_AT(warp->right[j], l);
      SIMT_AT(warp->offset, l) = simt_read_u16(offset + after * GROUPED_DEPTH + simt_row(l));
      SIMT_UNROLL
      for (int j = 0; j < tiles; j++)
        SIMT_AT(warp->right[j], l) = conv_weights(weight, after, tiles, j, l);
    }
    simt_lefts left[CONV_AHEAD];
    SIMT_UNROLL
    for (int r = 0; r < CONV_AHEAD && r < rows; r++)
      simt_load_left(SIMT_LANES(left[r]), shared, SIMT_LANES(at), (uint32_t)t->row_bytes[r]);
    SIMT_UNROLL
    for (int r = 0; r < rows; r++) {
      SIMT_UNROLL
      for (int j = 0; j < tiles; j++)
        simt_multiply(SIMT_LANES(warp->sum[r * tiles + j]), SIMT_LANES(left[r % CONV_AHEAD]),
                      SIMT_LANES(right[j]));
      if (r + CONV_AHEAD < rows)
        simt_load_left(SIMT_LANES(left[r % CONV_AHEAD]), shared, SIMT_LANES(at),
                       (uint32_t)t->row_bytes[r + CONV_AHEAD]);
    }
  }
}

/* The same in float32: lane l has image l % 16 and output channels 4 * (l / 16) .. of every tile. */
SIMT_FN void conv_steps_f32(const grouped_tile *t, const int tiles, const int rows,
                            const uint16_t *offset, const unsigned char *weight,
                            const unsigned char *shared, uint32_t planes, int base,
                            conv_warp *warp) {
  for (uint32_t k = warp->step * GROUPED_DEPTH; k < warp->end * GROUPED_DEPTH; k++) {
    const uint32_t at = conv_in_ring(planes + (uint32_t)(base + offset[k]) * 64, t->ring_bytes);
    SIMT_EACH_LANE(l) {
      const simt_sum *from = (const simt_sum *)(const void *)weight +
                             (uint64_t)k * (uint64_t)(tiles * 2) + (uint64_t)(l >> 4);
      simt_sum w[GROUPED_MOST_TILES];
      SIMT_UNROLL
      for (int j = 0; j < tiles; j++) w[j] = from[j * 2];
      SIMT_UNROLL
      for (int r = 0; r < rows; r++) {
        const float *plane = (const float *)(const void *)(shared + at + t->row_bytes[r]);
        const float x = plane[l & 15];
        SIMT_UNROLL
        for (int j = 0; j < tiles; j++) {
          SIMT_UNROLL
          for (int i = 0; i < 4; i++) SIMT_AT(warp->sum[r * tiles + j], l).v[i] += x * w[j].v[i];
        }
      }
    }
  }
}

/* ---- a part of the layer ---------------------------------------------------------------------- */
/* What warp w works on: `rows` positions from first_row, the list of `width` channels at `column` of the
 * part's; list: its number, beyond the level's where there are no such channels. */
typedef struct {
  int first_row, column;
  uint32_t list;
} conv_share;
SIMT_FN conv_share conv_share_of(const grouped_tile *t, const int width, const int rows,
                                 const conv_place *place, int w) {
  const int across = t->columns / width; /* warps side by side along the channels */
  conv_share s;
  s.first_row = w / across * rows;
  s.column = place->column + w % across * width;
  s.list = (uint32_t)(s.column / width);
  return s;
}

/* Where a level is, and its arrays. */
SIMT_FN const unsigned char *conv_blob(const conv_place *place) {
  return (const unsigned char *)place->level;
}
SIMT_FN const uint16_t *conv_offsets(const conv_place *place) {
  return (const uint16_t *)(const void *)(conv_blob(place) + place->head.offset);
}
/* NULL: there is no such list. */
SIMT_FN const uint32_t *conv_steps_of(const grouped_tile *t, const conv_place *place,
                                      uint32_t list) {
  if (list >= place->head.n_lists) return NULL;
  return (const uint32_t *)(const void *)(conv_blob(place) + place->head.start) +
         list * (uint32_t)(t->n_chunks + 1);
}

/* The part at places[part]; the first chunk is on its way. While the last one is multiplied the first of
 * the next part, if there is one, comes. tiles: of the list, 1, 2 or 4; rows * tiles = 16. */
SIMT_FN void conv_run(const grouped_conv *g, const int wide, const int tiles, const int rows,
                      uint32_t part, unsigned char *shared, conv_warp *warps) {
  const grouped_tile *t = &g->tile;
  const conv_state *state = (const conv_state *)(const void *)(shared + t->ring_bytes);
  const conv_place *place = &state->places[part % CONV_PLACES];
  const int width = tiles * GROUPED_COLUMNS;
  SIMT_EACH_WARP(w) {
    conv_warp *warp = SIMT_OF_WARP(warps, w);
    const conv_share share = conv_share_of(t, width, rows, place, w);
    const uint32_t *steps = conv_steps_of(t, place, share.list);
    const float *bias = (const float *)(const void *)(conv_blob(place) + place->head.bias);
    conv_begin(t, wide, tiles, steps, conv_offsets(place), conv_blob(place) + place->head.weight,
               warp);
    conv_set_sums(wide, tiles, steps ? bias + share.column : NULL, warp);
    if (!wide && g->epilogue.residual.present)
      conv_announce_shortcut(g, tiles, rows, place, share.first_row, share.column);
  }
  for (int chunk = 0; chunk < t->n_chunks; chunk++) {
    const uint32_t number = part * (uint32_t)t->n_chunks + (uint32_t)chunk;
    const int last = chunk + 1 == t->n_chunks;
    if (!last || part + 1 < state->parts) {
      const conv_place *following = &state->places[(part + (uint32_t)last) % CONV_PLACES];
      conv_wait_free(t, number, shared);
      SIMT_EACH_THREAD(thread) {
        conv_fill(g, wide, following, last ? 0 : chunk + 1, shared + conv_slot(t, number + 1),
                  thread);
        conv_filled(t, number + 1, shared);
      }
    }
    conv_wait_filled(t, number, shared);
    SIMT_EACH_WARP(w) {
      conv_warp *warp = SIMT_OF_WARP(warps, w);
      const conv_share share = conv_share_of(t, width, rows, place, w);
      const unsigned char *weight = conv_blob(place) + place->head.weight;
      const int base = conv_plane_position(g, share.first_row);
      const uint32_t planes = conv_slot(t, number - (uint32_t)t->carry);
      if (wide)
        conv_steps_f32(t, tiles, rows, conv_offsets(place), weight, shared, planes, base, warp);
      else
        conv_steps_bf16(t, tiles, rows, conv_offsets(place), weight, shared, planes, base, warp);
      warp->step = warp->end;
      const uint32_t *steps = conv_steps_of(t, place, share.list);
      if (!last && steps) warp->end = steps[chunk + 2];
      conv_done(t, number, shared);
    }
  }
  SIMT_EACH_WARP(w) {
    conv_warp *warp = SIMT_OF_WARP(warps, w);
    const conv_share share = conv_share_of(t, width, rows, place, w);
    const uint32_t way = t->ring_bytes + GROUPED_SHARED_STATE + (uint32_t)w * GROUPED_SHARED_WAY;
    if (wide || g->out.wide || g->epilogue.residual.tensor.wide)
      conv_store_each(g, wide, tiles, place, share.first_row, share.column, warp->sum);
    else if (g->epilogue.residual.present)
      conv_store_packed(g, tiles, 1, place, share.first_row, share.column, shared, way, warp->sum);
    else
      conv_store_packed(g, tiles, 0, place, share.first_row, share.column, shared, way, warp->sum);
  }
}

/* Part `number` of a layer: output channels innermost, then tiles of positions, then distinct
 * beginnings, so that blocks that run at the same time read the same inputs. */
SIMT_FN void conv_find(const grouped_conv *g, uint32_t number, conv_place *place) {
  const grouped_tile *t = &g->tile;
  const uint32_t columns = (uint32_t)((g->out.c + t->columns - 1) / t->columns);
  const uint32_t across = (uint32_t)t->tiles_w, down = (uint32_t)t->tiles_h;
  const uint32_t tiles = across * down * (uint32_t)t->tiles_b;
  const uint32_t rest = number / columns, node = rest / tiles, tile = rest - node * tiles;
  place->level = (const grouped_level *)(uintptr_t)g->batch.nodes[node].level;
  place->head = *place->level;
  place->order = (const uint32_t *)(const void *)(conv_blob(place) + place->head.order) +
                 (number - rest * columns) * (uint32_t)(t->n_chunks * t->order_pitch);
  place->node = node;
  place->column = (int)(number - rest * columns) * t->columns;
  place->block = (int)(tile / across / down) << t->log_b;
  place->y = (int)(tile / across % down) << t->log_h;
  place->x = (int)(tile % across) << t->log_w;
}

/* Parts first, first + stride, ... of all; shared: grouped_shared_bytes. The places of the first
 * CONV_FOUND parts are found before all else, every other one by a thread that begins the part
 * CONV_FOUND before it, another warp's every time. Nobody looks at it before the last chunk of the part
 * before it, and there only after conv_wait_free: all warps have then finished a chunk that is at most
 * two back, of a part that the finder began later. Where it is written the place of CONV_PLACES
 * parts before stood: by the same waits all have left that long ago. */
SIMT_FN void conv_block(const grouped_conv *g, const int wide, uint32_t first, uint32_t stride,
                        unsigned char *shared, conv_warp *warps) {
  const grouped_tile *t = &g->tile;
  conv_state *state = (conv_state *)(void *)(shared + t->ring_bytes);
  SIMT_EACH_THREAD(thread) {
    const uint32_t columns = (uint32_t)((g->out.c + t->columns - 1) / t->columns);
    const uint32_t total =
        *g->batch.n_nodes * columns *
        (uint32_t)(t->tiles_b * t->tiles_h * t->tiles_w); /* far below 2^32: memory */
    const uint32_t parts = first < total ? (total - first - 1) / stride + 1 : 0;
    if (thread == 0) {
      state->parts = parts;
      conv_set_counters(t, shared);
    }
    if (thread < CONV_FOUND && (uint32_t)thread < parts)
      conv_find(g, first + (uint32_t)thread * stride, &state->places[thread]);
  }
  SIMT_BARRIER();
  if (state->parts == 0) return;
  SIMT_EACH_THREAD(thread) {
    conv_fill(g, wide, &state->places[0], 0, shared, thread);
    conv_filled(t, 0, shared);
  }
  for (uint32_t part = 0; part < state->parts; part++) {
    SIMT_EACH_THREAD(thread) {
      const uint32_t later = part + CONV_FOUND;
      if (thread == (int)(part % SIMT_WARPS) * SIMT_WARP && later < state->parts)
        conv_find(g, first + later * stride, &state->places[later % CONV_PLACES]);
    }
    switch (state->places[part % CONV_PLACES].head.form) { /* the same for the whole block */
      case 0:
        conv_run(g, wide, 1, 16, part, shared, warps);
        break;
      case 1:
        conv_run(g, wide, 2, 8, part, shared, warps);
        break;
      default:
        conv_run(g, wide, 4, 4, part, shared, warps);
        break;
    }
  }
}

#endif
