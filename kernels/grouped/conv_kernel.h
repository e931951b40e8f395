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

/* A warp's sums, and where it is in its list: the next step's weights and rows are on their way. */
typedef struct {
  simt_sums sum[GROUPED_WARP_TILES];
  simt_rights right[8];
  simt_ints offset;
  const uint32_t *steps; /* the list's: first of every chunk, then the end; NULL: no such list */
  uint32_t step;         /* the next one */
  uint32_t end, last;    /* those after the present chunk's last and after the list's */
} conv_warp;

/* ---- shared memory ---------------------------------------------------------------------------- */
/* bfloat16: 16 bytes a position, the first 8 images of all positions and then, half_bytes further,
 * the others: 8 positions that differ modulo 8 lie in different banks. */

/* One thread's share of the planes of channels chunk * tile.chunk ..: the same 16 bytes of every
 * channel, or of every so many. */
SIMT_FN void conv_fill(const grouped_conv *g, const int wide, const conv_place *place, int chunk,
                       unsigned char *shared, int thread) {
  const grouped_tile *t = &g->tile;
  SIMT_KEEP32(thread); /* what follows from it is not to live through the products */
  const int side = t->across > 1 ? grouped_quotient(thread, t->by_units) : 0;
  const int first = chunk * t->chunk;
  const int channels = g->in.c - first < t->chunk ? g->in.c - first : t->chunk;
  const uint64_t channel_bytes = (uint64_t)g->in.h * (uint64_t)g->in.w * (wide ? 64 : 32);
  const unsigned char *in = g->in.data + (uint64_t)g->batch.nodes[place->node].in * g->in.slot +
                            (uint64_t)(first + side) * channel_bytes;
  if (side >= t->across) return;
  for (int u = thread - side * t->units; u < t->units; u += SIMT_THREADS) {
    const int piece = u & (wide ? 3 : 1), position = u >> (wide ? 2 : 1);
    const int row = grouped_quotient(position, t->by_plane_w), x = position - row * t->plane_w;
    const int b = grouped_quotient(row, t->by_plane_h), y = row - b * t->plane_h;
    const int in_y = place->y * g->stride_h - g->pad_top + y * t->skip_h;
    const int in_x = place->x * g->stride_w - g->pad_left + x * t->skip_w, block = place->block + b;
    const int present =
        in_y >= 0 && in_y < g->in.h && in_x >= 0 && in_x < g->in.w && block < g->batch.n_blocks;
    const int at = side * t->pitch + position;
    const int pitch = t->across * t->pitch * (wide ? 64 : 16);
    const uint64_t step = present ? channel_bytes * (uint64_t)t->across : 0;
    unsigned char *to =
        shared + (wide ? at * 64 + piece * 16 : at * 16 + piece * (int)t->half_bytes);
    const unsigned char *from = in;
    if (present)
      from += (uint64_t)block * g->in.block +
              (uint64_t)((in_y * g->in.w + in_x) * (wide ? 64 : 32) + piece * 16);
    SIMT_UNROLL_BY(4)
    for (int c = side; c < channels; c += t->across) {
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

/* Begins the list warp->steps. */
SIMT_FN void conv_begin(const grouped_tile *t, const int wide, const int tiles,
                        const uint16_t *offset, const unsigned char *weight, conv_warp *warp) {
  warp->step = warp->steps ? warp->steps[0] : 0;
  warp->end = warp->steps ? warp->steps[1] : 0;
  warp->last = warp->steps ? warp->steps[t->n_chunks] : 0;
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
 * are tile.row_bytes, the same for all threads. planes: of the chunk, bytes from `shared`. */
SIMT_FN void conv_steps_bf16(const grouped_tile *t, const int tiles, const int rows,
                             const uint16_t *offset, const unsigned char *weight,
                             const unsigned char *shared, uint32_t planes, int base,
                             conv_warp *warp) {
  for (uint32_t step = warp->step; step < warp->end; step++) {
    simt_rights right[8];
    simt_words at;
    SIMT_EACH_LANE(l) {
      const uint32_t after = step + 1 < warp->last ? step + 1 : warp->last - 1;
      SIMT_AT(at, l) =
          simt_shared_at(shared, planes + (uint32_t)(base + SIMT_AT(warp->offset, l)) * 16 +
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
                            const unsigned char *shared, int base, conv_warp *warp) {
  for (uint32_t k = warp->step * GROUPED_DEPTH; k < warp->end * GROUPED_DEPTH; k++) {
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
          for (int i = 0; i < 4; i++) SIMT_AT(warp->sum[r * tiles + j], l).v[i] += x * w[j].v[i];
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

/* One part: its first chunk is in buffer `buffer`, or on its way there. The chunk after the last is the
 * first of `next` (NULL: there is none), for which the next call finds it in the other buffer. tiles: of
 * the list, 1, 2, 4 or 8; rows * tiles = 16. */
SIMT_FN void conv_run(const grouped_conv *g, const int wide, const int tiles, const int rows,
                      const conv_place *place, const conv_place *next, int buffer,
                      unsigned char *shared, conv_warp *warps) {
  const grouped_tile *t = &g->tile;
  const int width = tiles * GROUPED_COLUMNS, first = place->column;
  const grouped_level *level = place->level;
  const unsigned char *blob = (const unsigned char *)level;
  const uint32_t *start = (const uint32_t *)(const void *)(blob + level->start);
  const uint16_t *offset = (const uint16_t *)(const void *)(blob + level->offset);
  const unsigned char *weight = blob + level->weight;
  const float *bias = (const float *)(const void *)(blob + level->bias);
  SIMT_EACH_WARP(w) {
    conv_warp *warp = SIMT_OF_WARP(warps, w);
    const conv_share share = conv_share_of(t, width, rows, w);
    const uint32_t list = (uint32_t)((first + share.column) / width);
    const int known = list < level->n_lists;
    warp->steps = known ? start + list * (uint32_t)(t->n_chunks + 1) : NULL;
    conv_begin(t, wide, tiles, offset, weight, warp);
    conv_set_sums(wide, tiles, known ? bias + first + share.column : NULL, warp);
    if (!wide && g->epilogue.residual.present)
      conv_announce_shortcut(g, tiles, rows, place, share.first_row, first + share.column);
  }
  for (int chunk = 0; chunk < t->n_chunks; chunk++) {
    const uint32_t planes = (uint32_t)buffer * g->buffer_bytes;
    unsigned char *other = shared + (uint32_t)(1 - buffer) * g->buffer_bytes;
    const int last = chunk + 1 == t->n_chunks;
    const conv_place *following = last ? next : place;
    if (following) {
      SIMT_EACH_THREAD(thread) {
        conv_fill(g, wide, following, last ? 0 : chunk + 1, other, thread);
      }
      simt_copy_end();
    }
    simt_copy_wait(following != NULL);
    SIMT_BARRIER();
    SIMT_EACH_WARP(w) {
      conv_warp *warp = SIMT_OF_WARP(warps, w);
      const conv_share share = conv_share_of(t, width, rows, w);
      const int base = conv_plane_position(g, share.first_row);
      if (wide)
        conv_steps_f32(t, tiles, rows, offset, weight, shared + planes, base, warp);
      else
        conv_steps_bf16(t, tiles, rows, offset, weight, shared, planes, base, warp);
      warp->step = warp->end;
      if (!last && warp->steps) warp->end = warp->steps[chunk + 2];
    }
    SIMT_BARRIER();
    buffer = 1 - buffer;
  }
  SIMT_EACH_WARP(w) {
    conv_warp *warp = SIMT_OF_WARP(warps, w);
    const conv_share share = conv_share_of(t, width, rows, w);
    const int column = place->column + share.column;
    const uint32_t way =
        2 * g->buffer_bytes + GROUPED_SHARED_PLACES + (uint32_t)w * GROUPED_SHARED_WAY;
    if (wide || g->out.wide || g->epilogue.residual.tensor.wide)
      conv_store_each(g, wide, tiles, place, share.first_row, column, warp->sum);
    else if (g->epilogue.residual.present)
      conv_store_packed(g, tiles, 1, place, share.first_row, column, shared, way, warp->sum);
    else
      conv_store_packed(g, tiles, 0, place, share.first_row, column, shared, way, warp->sum);
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
  place->node = node;
  place->column = (int)(number - rest * columns) * t->columns;
  place->block = (int)(tile / across / down) << t->log_b;
  place->y = (int)(tile / across % down) << t->log_h;
  place->x = (int)(tile % across) << t->log_w;
}

/* Parts first, first + stride, ... of all; shared: two buffers and CONV_PLACES places. One thread finds
 * the place of the part after the next one: it writes where the part before the present one was, which
 * all threads have left, and a barrier stands before anyone reads it. */
SIMT_FN void conv_block(const grouped_conv *g, const int wide, uint32_t first, uint32_t stride,
                        unsigned char *shared, conv_warp *warps) {
  const grouped_tile *t = &g->tile;
  const uint32_t columns = (uint32_t)((g->out.c + t->columns - 1) / t->columns);
  const uint32_t total =
      *g->batch.n_nodes * columns *
      (uint32_t)(t->tiles_b * t->tiles_h * t->tiles_w); /* far below 2^32: memory */
  conv_place *places = (conv_place *)(void *)(shared + 2 * g->buffer_bytes);
  int buffer = 0;
  if (first >= total) return;
  SIMT_EACH_THREAD(thread) {
    if (thread == 0) {
      conv_find(g, first, &places[0]);
      if (total - first > stride) conv_find(g, first + stride, &places[1]);
    }
  }
  SIMT_BARRIER();
  SIMT_EACH_THREAD(thread) { conv_fill(g, wide, &places[0], 0, shared, thread); }
  simt_copy_end();
  for (uint32_t part = 0, left = (total - first - 1) / stride + 1; left > 0; part++, left--) {
    const conv_place *place = &places[part % CONV_PLACES];
    const conv_place *next = left > 1 ? &places[(part + 1) % CONV_PLACES] : NULL;
    SIMT_EACH_THREAD(thread) {
      if (thread == 0 && left > 2)
        conv_find(g, first + (part + 2) * stride, &places[(part + 2) % CONV_PLACES]);
    }
    switch (place->level->form) { /* the same for the whole block */
      case 0:
        conv_run(g, wide, 1, 16, place, next, buffer, shared, warps);
        break;
      case 1:
        conv_run(g, wide, 2, 8, place, next, buffer, shared, warps);
        break;
      case 2:
        conv_run(g, wide, 4, 4, place, next, buffer, shared, warps);
        break;
      default:
        conv_run(g, wide, 8, 2, place, next, buffer, shared, warps);
        break;
    }
    buffer ^= t->n_chunks & 1;
  }
}

#endif
