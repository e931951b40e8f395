/* kernels/grouped/conv_kernel.h - blocks of a layer: gathered input rows times a level's lists.
 *
 * A block of threads works on one part of the layer after the other. A few warps do nothing but bring input
 * planes, chunk by chunk, to shared memory (conv_fill.h); the others multiply. A warp keeps 16 tiles of
 * 16 images x 8 output channels: `rows` positions x `width` channels. Every list entry is an input row
 * (channel, kernel row, kernel column) at any place of the planes; 16 of them are the depth of one
 * step. Where another layer is joined (grouped_conv) its chunks and its list follow, to the same sums. Warps
 * wait for one another at counters alone: for the copies of a chunk, and who fills a slot for those who still
 * read it (conv_ring.h). */
#ifndef AP_KERNELS_GROUPED_CONV_KERNEL_H
#define AP_KERNELS_GROUPED_CONV_KERNEL_H
#include "kernels/grouped/conv_fill.h"
#include "kernels/grouped/conv_ring.h"
#include "kernels/grouped/conv_store.h"
#include "kernels/grouped/grouped_impl.h"
#include "kernels/grouped/simt.h"

enum { CONV_AHEAD = 4 }; /* input rows x positions on their way to the matrix units */

/* A warp's sums and its list. On their way: weights and rows of the next steps, across chunks, and until the
 * sums begin with it the channels' bias. */
typedef struct {
  simt_sums sum[GROUPED_WARP_TILES];
  simt_rights right[GROUPED_AHEAD][GROUPED_MOST_TILES];
  simt_sums bias[GROUPED_MOST_TILES]; /* bfloat16: of a lane's two channels; float32: of its four */
  simt_ints offset[GROUPED_AHEAD];
  const uint32_t *steps;   /* the first of every chunk, then the end; NULL: there is no such list */
  const uint16_t *offsets; /* of step 0; and the weights */
  const unsigned char *weights;
  SIMT_VARIABLE_IN(const uint16_t *,
                   next_offset); /* bfloat16: the lane's, of the next step to be read */
  SIMT_VARIABLE_IN(const simt_right *, next_right);
  uint32_t step, end;           /* the next one, and the one after the present chunk's last */
  const uint32_t *joined_steps; /* tile.joins: of the list that comes next */
  uint32_t joined_step, joined_end;
} conv_warp;

/* ---- a warp's share of a part ------------------------------------------------------------------ */
/* What warp w works on: `rows` positions from first_row, the list of `width` channels at `column` of all;
 * list: its number, beyond the level's where there are no such channels. Lists go to warps by length (of the
 * layer's, whatever is joined), the longest to the first one and in every other part to the last one: a warp
 * that falls behind in one part catches up in the next, as far as the slots let it (conv_ring.h). */
typedef struct {
  int first_row, column;
  uint32_t list;
} conv_share;
SIMT_FN int conv_first_row(const grouped_tile *t, const int width, const int rows, int w) {
  return w / (t->columns / width) * rows;
}
SIMT_FN conv_share conv_share_of(const grouped_tile *t, const int width, const int rows,
                                 const conv_place *place, uint32_t part, int w) {
  const int across = t->columns / width; /* warps side by side along the channels */
  const int rank = part & 1 ? across - 1 - w % across : w % across;
  conv_share s;
  s.first_row = conv_first_row(t, width, rows, w);
  s.column = place->column + (int)(place->ranks >> 4 * rank & 15) * width;
  s.list = (uint32_t)(s.column / width);
  return s;
}

/* Where a level is. */
SIMT_FN const unsigned char *conv_blob(const grouped_level *level) {
  return (const unsigned char *)level;
}

/* bfloat16: reads the next step that was not read, as number i of those on their way. */
SIMT_FN void conv_read_step(const int tiles, int i, int lane, conv_warp *warp) {
  SIMT_AT(warp->offset[i], lane) = simt_read_u16(SIMT_AT(warp->next_offset, lane));
  SIMT_UNROLL
  for (int j = 0; j < tiles; j++)
    SIMT_AT(warp->right[i][j], lane) =
        simt_read_right(SIMT_AT(warp->next_right, lane) + j * SIMT_WARP);
  SIMT_AT(warp->next_offset, lane) += GROUPED_DEPTH;
  SIMT_AT(warp->next_right, lane) += tiles * SIMT_WARP;
}

/* Where a list of a level in n_chunks chunks is: its steps, of chunk 0 from *step to *end - 1. */
SIMT_FN const uint32_t *conv_find_list(const grouped_level *level, const grouped_level *head,
                                       int n_chunks, uint32_t list, uint32_t *step, uint32_t *end) {
  *step = *end = 0;
  if (list >= head->n_lists) return NULL;
  const uint32_t *steps = (const uint32_t *)(const void *)(conv_blob(level) + head->start) +
                          list * (uint32_t)(n_chunks + 1);
  *step = simt_read_u32(steps);
  *end = simt_read_u32(steps + 1);
  return steps;
}

/* What the warp's first steps need is on the way. */
SIMT_FN void conv_begin_steps(const int wide, const int tiles, const grouped_level *level,
                              const grouped_level *head, conv_warp *warp) {
  warp->offsets = (const uint16_t *)(const void *)(conv_blob(level) + head->offset);
  warp->weights = conv_blob(level) + head->weight;
  if (wide) return;
  SIMT_EACH_LANE(l) {
    SIMT_AT(warp->next_offset, l) = warp->offsets + warp->step * GROUPED_DEPTH + simt_row(l);
    SIMT_AT(warp->next_right, l) =
        (const simt_right *)(const void *)warp->weights +
        ((uint64_t)warp->step * (uint64_t)tiles * SIMT_WARP + (uint64_t)l);
    SIMT_UNROLL
    for (int i = 0; i < GROUPED_AHEAD; i++) conv_read_step(tiles, i, l, warp);
  }
}

/* The same of the list that comes after the warp's, in the layer that is joined: announced. */
SIMT_FN void conv_announce_joined(const int tiles, const conv_joined *more, const conv_warp *warp) {
  const unsigned char *blob = conv_blob(more->level);
  const uint32_t row_bytes = GROUPED_DEPTH * 2, step_bytes = (uint32_t)tiles * SIMT_WARP * 8;
  SIMT_EACH_LANE(l) {
    if (l == 0) simt_announce(blob + more->head.offset + warp->joined_step * row_bytes);
    if ((uint32_t)l * 128 < GROUPED_AHEAD * step_bytes)
      simt_announce(blob + more->head.weight + (uint64_t)warp->joined_step * step_bytes + l * 128);
  }
}

/* A level's bias of output channel `column` and those after it is added to the warp's, or becomes it. */
SIMT_FN void conv_read_bias(const int wide, const int tiles, const int add,
                            const grouped_level *level, const grouped_level *head, int column,
                            int known, conv_warp *warp) {
  const float *bias = (const float *)(const void *)(conv_blob(level) + head->bias);
  SIMT_EACH_LANE(l) {
    SIMT_UNROLL
    for (int j = 0; j < tiles; j++) {
      SIMT_UNROLL
      for (int i = 0; i < (wide ? 4 : 2); i++) {
        const int n = j * GROUPED_COLUMNS + (wide ? (l >> 4) * 4 + i : simt_sum_column(l, i));
        const float value = known ? simt_read_f32(bias + column + n) : 0;
        SIMT_AT(warp->bias[j], l).v[i] = add ? SIMT_AT(warp->bias[j], l).v[i] + value : value;
      }
    }
  }
}

/* Begins the list of a share: what its first steps and its sums need is on the way. */
SIMT_FN void conv_begin(const grouped_conv *g, const int wide, const int joins, const int tiles,
                        const int rows, uint32_t part, int w, unsigned char *shared,
                        conv_warp *warp) {
  const grouped_tile *t = &g->feed.tile;
  const conv_place *place = conv_place_of(t, part, shared);
  const conv_joined *more = joins ? conv_joined_of(t, part, shared) : NULL;
  const conv_share share = conv_share_of(t, tiles * GROUPED_COLUMNS, rows, place, part, w);
  const int known = share.list < place->head.n_lists;
  warp->steps =
      conv_find_list(place->level, &place->head, t->n_chunks, share.list, &warp->step, &warp->end);
  if (joins)
    warp->joined_steps = conv_find_list(more->level, &more->head, g->joined.tile.n_chunks,
                                        share.list, &warp->joined_step, &warp->joined_end);
  conv_read_bias(wide, tiles, 0, place->level, &place->head, share.column, known, warp);
  if (joins) conv_read_bias(wide, tiles, 1, more->level, &more->head, share.column, known, warp);
  conv_begin_steps(wide, tiles, place->level, &place->head, warp);
  if (joins && !wide) conv_announce_joined(tiles, more, warp);
}

/* The share's list of the layer that is joined, to the same sums. */
SIMT_FN void conv_begin_joined(const grouped_conv *g, const int wide, const int tiles,
                               uint32_t part, unsigned char *shared, conv_warp *warp) {
  const conv_joined *more = conv_joined_of(&g->feed.tile, part, shared);
  warp->steps = warp->joined_steps;
  warp->step = warp->joined_step;
  warp->end = warp->joined_end;
  conv_begin_steps(wide, tiles, more->level, &more->head, warp);
}

/* Every sum begins with its channel's bias. */
SIMT_FN void conv_set_sums(const int wide, const int tiles, conv_warp *warp) {
  SIMT_EACH_LANE(l) {
    SIMT_UNROLL
    for (int j = 0; j < tiles; j++) {
      SIMT_UNROLL
      for (int i = 0; i < 4; i++) {
        SIMT_UNROLL
        for (int r = 0; r < GROUPED_WARP_TILES / tiles; r++)
          SIMT_AT(warp->sum[r * tiles + j], l).v[i] = SIMT_AT(warp->bias[j], l).v[wide ? i : i & 1];
      }
    }
  }
}

/* ---- products --------------------------------------------------------------------------------- */
/* The present chunk's steps into sum[row * tiles + j]; the next steps' weights are on their way while
 * this one is multiplied. from: of the warp's first line in the planes that offsets count from,
 * bytes from `shared`, below two rings; the other positions' bytes from it are tile.row_bytes, the same
 * for all threads. */
SIMT_FN void conv_steps_bf16(const grouped_tile *t, const int tiles, const int rows,
                             const unsigned char *shared, uint32_t from, conv_warp *warp) {
  SIMT_NO_UNROLL
  for (; warp->step < warp->end; warp->step++) {
    simt_rights right[GROUPED_MOST_TILES];
    simt_words at;
    SIMT_EACH_LANE(l) {
      const uint32_t offset = (uint32_t)SIMT_AT(warp->offset[0], l);
      SIMT_AT(at, l) = simt_shared_at(shared, conv_in_ring(from + offset / 8 * 128, t->ring_bytes) +
                                                  (offset % 8 ^ (uint32_t)simt_half(l)) * 16);
      SIMT_KEEP32(SIMT_AT(at, l)); /* one addition a load, of a constant */
      SIMT_UNROLL
      for (int j = 0; j < tiles; j++) SIMT_AT(right[j], l) = SIMT_AT(warp->right[0][j], l);
      SIMT_UNROLL
      for (int i = 0; i + 1 < GROUPED_AHEAD; i++) {
        SIMT_AT(warp->offset[i], l) = SIMT_AT(warp->offset[i + 1], l);
        SIMT_UNROLL
        for (int j = 0; j < tiles; j++)
          SIMT_AT(warp->right[i][j], l) = SIMT_AT(warp->right[i + 1][j], l);
      }
      conv_read_step(tiles, GROUPED_AHEAD - 1, l, warp); /* there is always one */
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
                            const unsigned char *shared, uint32_t from, conv_warp *warp) {
  for (uint32_t k = warp->step * GROUPED_DEPTH; k < warp->end * GROUPED_DEPTH; k++) {
    const uint32_t at = conv_in_ring(from + (uint32_t)warp->offsets[k] * 32, t->ring_bytes);
    SIMT_EACH_LANE(l) {
      const simt_sum *weights = (const simt_sum *)(const void *)warp->weights +
                                (uint64_t)k * (uint64_t)(tiles * 2) + (uint64_t)(l >> 4);
      simt_sum w[GROUPED_MOST_TILES];
      SIMT_UNROLL
      for (int j = 0; j < tiles; j++) w[j] = weights[j * 2];
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
  warp->step = warp->end;
}

/* ---- a part of the layer ---------------------------------------------------------------------- */
/* A level's order of input channels for a block of output channels. */
SIMT_FN const uint32_t *conv_order(const grouped_level *level, const grouped_level *head,
                                   const grouped_tile *t, uint32_t block) {
  return (const uint32_t *)(const void *)(conv_blob(level) + head->order) +
         block * (uint32_t)(t->n_chunks * t->order_pitch);
}

/* Part `number` of a layer, the block's `part`: output channels innermost, then tiles of positions, then distinct
 * beginnings, so that blocks that run at the same time read the same inputs. */
SIMT_FN void conv_find(const grouped_conv *g, const int joins, uint32_t number, uint32_t part,
                       unsigned char *shared) {
  const grouped_tile *t = &g->feed.tile;
  const grouped_tensor *more = &g->epilogue.residual.tensor;
  const uint32_t columns = (uint32_t)((g->out.c + t->columns - 1) / t->columns);
  const uint32_t across = (uint32_t)t->tiles_w, down = (uint32_t)t->tiles_h;
  const uint32_t tiles = across * down * (uint32_t)t->tiles_b;
  const uint32_t rest = number / columns, node = rest / tiles, tile = rest - node * tiles;
  const grouped_node *of = &g->batch.nodes[node];
  const int positions = SIMT_WARPS * GROUPED_WARP_TILES * GROUPED_COLUMNS / t->columns;
  conv_place *place = conv_place_of(t, part, shared);
  place->level = (const grouped_level *)(uintptr_t)of->level;
  place->head = *place->level;
  place->order = conv_order(place->level, &place->head, t, number - rest * columns);
  place->ranks = ((const uint64_t *)(const void *)(conv_blob(place->level) +
                                                   place->head.ranks))[number - rest * columns];
  place->in = g->feed.in.data + (uint64_t)of->in * g->feed.in.slot;
  place->residual = more->data + (uint64_t)of->residual * more->slot;
  place->out = g->out.data + (uint64_t)node * g->out.slot;
  place->column = (int)(number - rest * columns) * t->columns;
  place->block = (int)(tile / across / down) << t->log_b;
  place->y = (int)(tile / across % down) << t->log_h;
  place->x = (int)(tile % across) << t->log_w;
  place->whole = 1 << t->log_b << t->log_h << t->log_w == positions &&
                 place->column + t->columns <= g->out.c &&
                 place->block + (1 << t->log_b) <= g->batch.n_blocks &&
                 place->y + (1 << t->log_h) <= g->out.h << t->pooled &&
                 place->x + (1 << t->log_w) <= g->out.w << t->pooled;
  if (!joins) return;
  conv_joined *joined = conv_joined_of(t, part, shared);
  joined->level = (const grouped_level *)(uintptr_t)of->joined;
  joined->head = *joined->level;
  joined->order =
      conv_order(joined->level, &joined->head, &g->joined.tile, number - rest * columns);
  joined->in = g->joined.in.data + (uint64_t)of->joined_in * g->joined.in.slot;
}

/* The parts of one block: first, first + stride, ... of all. */
typedef struct {
  uint32_t first, stride;
} conv_parts;

/* Finds the place of a part by and by: while part `part` begins that of the part CONV_FOUND after it, by
 * another warp every time. */
SIMT_FN void conv_find_later(const grouped_conv *g, const int joins, conv_parts parts,
                             uint32_t part, unsigned char *shared) {
  const conv_state *state = conv_state_of(&g->feed.tile, shared);
  const uint32_t later = part + CONV_FOUND;
  SIMT_EACH_THREAD(thread) {
    if (thread == (int)(part % SIMT_WARPS) * SIMT_WARP && later < state->parts)
      conv_find(g, joins, parts.first + later * parts.stride, later, shared);
  }
}

/* A warp's sums to the output: value by value, or through shared memory, then with a shortcut that
 * conv_run may have fetched under the same conditions. */
SIMT_FN void conv_store(const grouped_conv *g, const int wide, const int joins, const int tiles,
                        const int rows, const conv_place *place, uint32_t part, int w,
                        unsigned char *shared, conv_warp *warp) {
  const conv_spot *spots = conv_state_of(&g->feed.tile, shared)->spots;
  const conv_share share =
      conv_share_of(&g->feed.tile, tiles * GROUPED_COLUMNS, rows, place, part, w);
  const uint32_t way = conv_way(&g->feed.tile, w);
  if (wide || g->out.wide || g->epilogue.residual.tensor.wide)
    conv_store_each(g, wide, tiles, place, spots, share.first_row, share.column, warp->sum);
  else if (!joins && g->epilogue.residual.present)
    conv_store_packed(g, tiles, 1, 0, place, spots, share.first_row, share.column, shared, way,
                      warp->sum);
  else if (g->feed.tile.pooled)
    conv_store_packed(g, tiles, 0, 1, place, spots, share.first_row, share.column, shared, way,
                      warp->sum);
  else
    conv_store_packed(g, tiles, 0, 0, place, spots, share.first_row, share.column, shared, way,
                      warp->sum);
}

/* Chunks of the present part, `first` the number of the first one: of the layer, or of the one joined, whose tile `t`
 * is. */
SIMT_FN void conv_run_chunks(const grouped_conv *g, const int wide, const int joins,
                             const int tiles, const int rows, const grouped_tile *t, uint32_t first,
                             conv_filler *filler, unsigned char *shared, conv_warp *warps) {
  const int n_chunks = t->n_chunks;
  const conv_state *state = conv_state_of(t, shared);
  for (int chunk = 0; chunk < n_chunks; chunk++) {
    const uint32_t number = first + (uint32_t)chunk;
    if (SIMT_FILLS_TOO() && filler->part < state->parts)
      conv_fill_next(g, wide, joins, filler, shared);
    SIMT_EACH_WARP(w) {
      conv_warp *warp = SIMT_OF_WARP(warps, w);
      const int base = conv_plane_position(t, conv_first_row(t, tiles * GROUPED_COLUMNS, rows, w));
      const uint32_t from =
          conv_slot(t, number - (uint32_t)t->carry) + (uint32_t)(base * GROUPED_LINE_BYTES(wide));
      const int more = chunk + 1 < n_chunks && warp->steps;
      const uint32_t end = more ? simt_read_u32(warp->steps + chunk + 2) : 0;
      conv_wait_filled(t, number, shared);
      if (wide)
        conv_steps_f32(t, tiles, rows, shared, from, warp);
      else
        conv_steps_bf16(t, tiles, rows, shared, from, warp);
      if (more) warp->end = end;
      conv_done(t, number, shared);
    }
  }
}

/* Part `part` and those after it as long as their lists have the same form; returns the first one that
 * is left. tiles: of the list, 1, 2 or 4; rows * tiles = 16. The next part's list begins before this one's
 * sums go out. */
SIMT_FN uint32_t conv_run(const grouped_conv *g, const int wide, const int joins, const int tiles,
                          const int rows, conv_parts parts, uint32_t part, conv_filler *filler,
                          unsigned char *shared, conv_warp *warps) {
  const grouped_tile *t = &g->feed.tile;
  const conv_state *state = conv_state_of(t, shared);
  const int width = tiles * GROUPED_COLUMNS, joined = joins ? g->joined.tile.n_chunks : 0;
  int same;
  SIMT_EACH_WARP(w) {
    conv_begin(g, wide, joins, tiles, rows, part, w, shared, SIMT_OF_WARP(warps, w));
  }
  do {
    const conv_place *place = conv_place_of(t, part, shared);
    const uint32_t first = part * (uint32_t)(t->n_chunks + joined);
    conv_find_later(g, joins, parts, part, shared);
    SIMT_EACH_WARP(w) {
      conv_warp *warp = SIMT_OF_WARP(warps, w);
      if (!wide && !joins && g->epilogue.residual.present && !g->epilogue.residual.tensor.wide &&
          !g->out.wide && conv_fetches_early(t)) {
        const conv_share share = conv_share_of(t, width, rows, place, part, w);
        conv_fetch_shortcut(g, tiles, place, state->spots, share.first_row, share.column, shared,
                            conv_way(t, w));
      }
      conv_set_sums(wide, tiles, warp);
    }
    conv_run_chunks(g, wide, joins, tiles, rows, t, first, filler, shared, warps);
    if (joins) {
      SIMT_EACH_WARP(w) { conv_begin_joined(g, wide, tiles, part, shared, SIMT_OF_WARP(warps, w)); }
      conv_run_chunks(g, wide, joins, tiles, rows, &g->joined.tile, first + (uint32_t)t->n_chunks,
                      filler, shared, warps);
    }
    same = part + 1 < state->parts &&
           conv_place_of(t, part + 1, shared)->head.form == place->head.form;
    SIMT_EACH_WARP(w) {
      conv_warp *warp = SIMT_OF_WARP(warps, w);
      if (same) conv_begin(g, wide, joins, tiles, rows, part + 1, w, shared, warp);
      conv_store(g, wide, joins, tiles, rows, place, part, w, shared, warp);
    }
    part++;
  } while (same);
  return part;
}

/* A thread's share of the ring becomes 0: what stands for padding, where nothing is filled in. */
SIMT_FN void conv_clear(const grouped_tile *t, unsigned char *shared, int thread) {
  const simt_quad nothing = {{0, 0, 0, 0}};
  SIMT_NO_UNROLL
  for (uint32_t at = (uint32_t)thread * 16; at < t->ring_bytes; at += SIMT_THREADS * 16)
    *(simt_quad *)(void *)(shared + at) = nothing;
}

/* Parts first, first + stride, ... of all; shared: grouped_shared_bytes; joins: tile.joins. The places of the first
 * CONV_FOUND parts are found before all else, every other one by a warp that begins the part
 * CONV_FOUND before it. Who reads it has waited for a chunk of the part before it, or fills its first one.
 * As no chunk is filled before all warps have finished the one three before it (conv_ring.h), both come
 * after that warp has finished a chunk of the part in which it found the place. (The order of the chunk after
 * the one that was filled is announced when the one four before it is finished: of that part, at the latest.)
 * Where it is written the place of CONV_PLACES parts before stood, which all have left by the same waits. */
SIMT_FN void conv_block(const grouped_conv *g, const int wide, const int joins, uint32_t first,
                        uint32_t stride, unsigned char *shared, conv_warp *warps) {
  const grouped_tile *t = &g->feed.tile;
  const conv_parts parts = {first, stride};
  conv_state *state = conv_state_of(t, shared);
  conv_filler filler;
  filler.part = filler.number = 0;
  filler.chunk = filler.joined = 0;
  SIMT_EACH_THREAD(thread) {
    const uint32_t columns = (uint32_t)((g->out.c + t->columns - 1) / t->columns);
    const uint32_t total =
        *g->batch.n_nodes * columns *
        (uint32_t)(t->tiles_b * t->tiles_h * t->tiles_w); /* far below 2^32: memory */
    const uint32_t n = first < total ? (total - first - 1) / stride + 1 : 0;
    if (thread == 0) {
      state->parts = n;
      conv_set_counters(t, shared);
    }
    if (thread < CONV_FOUND && (uint32_t)thread < n)
      conv_find(g, joins, first + (uint32_t)thread * stride, (uint32_t)thread, shared);
    if (thread < CONV_SPOTS) state->spots[thread] = conv_spot_of(g, thread);
    if (t->lone && thread < SIMT_THREADS) conv_clear(t, shared, thread);
  }
  SIMT_BARRIER();
  if (SIMT_ONLY_FILLS()) {
    SIMT_FEWER_REGISTERS();
    while (filler.part < state->parts) conv_fill_next(g, wide, joins, &filler, shared);
  } else {
    SIMT_MORE_REGISTERS();
    if (SIMT_FILLS_TOO() && state->parts > 0 && t->log_slots > 0) /* else no slot is free */
      conv_fill_next(g, wide, joins, &filler, shared);
    for (uint32_t part = 0; part < state->parts;) {
      switch (state->places[part % CONV_PLACES].head.form) { /* the same for all warps */
        case 0:
          part = conv_run(g, wide, joins, 1, 16, parts, part, &filler, shared, warps);
          break;
        case 1:
          part = conv_run(g, wide, joins, 2, 8, parts, part, &filler, shared, warps);
          break;
        default:
          part = conv_run(g, wide, joins, 4, 4, parts, part, &filler, shared, warps);
          break;
      }
    }
  }
}

#endif
