/* kernels/grouped/conv_store.h - a layer's sums from a warp's registers to the output: shortcut,
 * clipping, one rounding. */
#ifndef AP_KERNELS_GROUPED_CONV_STORE_H
#define AP_KERNELS_GROUPED_CONV_STORE_H
#include "kernels/grouped/grouped_impl.h"
#include "kernels/grouped/item_kernels.h"
#include "kernels/grouped/simt.h"
#include "kernels/grouped/tile_index.h"

/* A part of a layer that a block works on. In shared memory: registers are scarce. */
typedef struct {
  const grouped_level *level;
  grouped_level head;                 /* *level */
  const uint32_t *order;              /* of input channels, for these output channels */
  uint64_t ranks;                     /* of lists, for these output channels */
  const unsigned char *in, *residual; /* slots */
  unsigned char *out;
  int column;      /* first output channel */
  int block, y, x; /* first image block, output row and column */
  int whole;       /* every sum of the part has a place in the output */
} conv_place;

/* What a part has of the layer that is joined. */
typedef struct {
  grouped_level head;
  const grouped_level *level;
  const uint32_t *order;
  const unsigned char *in; /* slot */
} conv_joined;

/* Where position `index` of a part lies, or with tile.pooled window `index`: bytes in the output and in the
 * shortcut (bfloat16) from the part's first; row, and column + 2^16 * block from it; row CONV_NOWHERE
 * where a part has no such position. */
typedef struct SIMT_ALIGN(16) {
  uint32_t out, more;
  int32_t y, x_block;
} conv_spot;
enum { CONV_SPOTS = 128, CONV_NOWHERE = 1 << 30 };

/* n / d for n below 2^16, by = 2^32 / d rounded up, or 0 for d = 1 (n * d < 2^32: exact). */
SIMT_FN int grouped_quotient(int n, uint32_t by) {
  return by ? (int)simt_multiply_high((uint32_t)n, by) : n;
}

/* Where the window of the part's position `index` begins in a plane; grouped_tile.row_bytes can be added
 * to it. */
SIMT_FN int conv_plane_position(const grouped_tile *t, int index) {
  const grouped_index at = grouped_index_of(t, index);
  const int b = at.b & ((1 << t->log_b) - 1);
  return (b * t->plane_h + at.y * t->step_h) * t->plane_w + at.x * t->step_w;
}

SIMT_FN conv_spot conv_spot_of(const grouped_conv *g, int index) {
  const grouped_tile *t = &g->feed.tile;
  const grouped_source *source = &g->epilogue.residual;
  const grouped_index at = grouped_index_of(t, t->pooled ? 4 * index : index);
  const uint32_t b = (uint32_t)at.b, y = (uint32_t)at.y >> t->pooled,
                 x = (uint32_t)at.x >> t->pooled;
  conv_spot s;
  s.out = b * (uint32_t)g->out.block + (y * (uint32_t)g->out.w + x) * 128;
  s.more =
      b * (uint32_t)source->tensor.block +
      (y * (uint32_t)(source->stride_h * source->tensor.w) + x * (uint32_t)source->stride_w) * 128;
  s.y = b >> t->log_b == 0 ? (int)y : CONV_NOWHERE;
  s.x_block = (int)(x | b << 16);
  return s;
}
SIMT_FN int conv_inside(const grouped_conv *g, const conv_place *place, const conv_spot *s) {
  const int pooled = g->feed.tile.pooled;
  return s->y < g->out.h - (place->y >> pooled) &&
         (s->x_block & 0xffff) < g->out.w - (place->x >> pooled) &&
         (s->x_block >> 16) < g->batch.n_blocks - place->block;
}

/* ---- four tiles at a time ---------------------------------------------------------------------- */
/* The warp's 16 tiles go out four at a time, of four positions and the same 8 channels: two lines each. So
 * they are read and written a line by 8 neighbouring lanes, 16 bytes (8 images) each. In between, tiles and
 * pieces of 16 bytes change over in shared memory, a line of a tensor in a line there: line 2 k + upper for
 * position k and the lower or upper four channels, channel c % 4 and images from 8 * half on in slot
 * (2 * (c % 4) + half) ^ upper. So the eight channels of a matrix have eight banks, and asynchronous copies
 * fill whole lines, which they need to be fast. */

/* Position of tile k of four `group`, and which 8 channels they have. */
SIMT_FN int conv_group_row(const int tiles, int group, int k) { return group / tiles * 4 + k; }
SIMT_FN int conv_group_tile(const int tiles, int group) { return group % tiles; }

/* A lane's pieces: half l % 2 of channels l / 2 % 4 and four more, of tile l / 8. */
SIMT_FN int conv_piece_tile(int lane) { return lane >> 3; }
SIMT_FN int conv_piece_channel(int lane) { return lane >> 1 & 3; }
/* Where a lane's piece lies in the warp's shared memory. */
SIMT_FN uint32_t conv_piece_at(int lane, int upper) {
  return (uint32_t)((conv_piece_tile(lane) * 2 + upper) * 128 + ((lane & 7) ^ upper) * 16);
}
/* Where the lane's row (channel l % 8) of matrix 4 * pair + l / 8 lies: matrices 2 k + half. */
SIMT_FN uint32_t conv_matrix_at(int lane, int pair) {
  const int matrix = pair * 4 + (lane >> 3), channel = lane & 7, upper = channel >> 2;
  return (uint32_t)((matrix & ~1) * 128 + upper * 128 +
                    (((channel & 3) * 2 + (matrix & 1)) ^ upper) * 16);
}

/* One side's pieces in a tensor: a pointer a lane, and 32 bits more for a position (tile.c). */
typedef struct {
  simt_places lane;
  uint32_t plane; /* bytes of four channels */
} conv_pieces;
/* From the position at row y and column x, the lane's piece of the four channels from `channel` on; the next
 * four are a plane further. */
SIMT_FN void conv_pieces_of(const grouped_tensor *t, const unsigned char *data, int block, int y,
                            int x, int channel, conv_pieces *out) {
  out->plane = (uint32_t)(t->h * t->w) * 128;
  SIMT_EACH_LANE(l) { /* may point before the tensor: then it is not read */
    const int c = channel + conv_piece_channel(l), four = (c - (c & 3)) / 4;
    SIMT_AT(out->lane, l) = (unsigned char *)(uintptr_t)data +
                            (int64_t)((uint64_t)block * t->block) + (int64_t)(y * t->w + x) * 128 +
                            (int64_t)four * out->plane + (c & 3) * 32 + (l & 1) * 16;
    SIMT_KEEP(SIMT_AT(out->lane, l));
  }
}

/* ---- in: the shortcut -------------------------------------------------------------------------- */
/* Where there is room for all of a warp's shortcut it comes when a part begins, a group behind the other,
 * else group by group on the way out. */
SIMT_FN int conv_fetches_early(const grouped_tile *t) { return t->way_bytes > GROUPED_SHARED_WAY; }
SIMT_FN void conv_shortcut_of(const grouped_conv *g, const conv_place *place, int column,
                              conv_pieces *out) {
  const grouped_source *source = &g->epilogue.residual;
  conv_pieces_of(&source->tensor, place->residual, place->block, place->y * source->stride_h,
                 place->x * source->stride_w, column - source->first, out);
}

/* A group's pieces of the shortcut, 0 where there is none, are on their way to `way`. */
SIMT_FN void conv_fetch_group(const grouped_conv *g, const int tiles, const conv_place *place,
                              const conv_spot *spots, const conv_pieces *more, int first_row,
                              int column, int group, unsigned char *shared, uint32_t way) {
  const grouped_source *source = &g->epilogue.residual;
  const grouped_tensor *t = &source->tensor;
  SIMT_EACH_LANE(l) {
    const int k = conv_piece_tile(l), j = conv_group_tile(tiles, group) * GROUPED_COLUMNS;
    const conv_spot s = spots[first_row + conv_group_row(tiles, group, k)];
    const int inside = place->whole || conv_inside(g, place, &s);
    const uint32_t at = s.more + (uint32_t)(j / GROUPED_BESIDE) * more->plane;
    SIMT_UNROLL
    for (int i = 0; i < 2; i++) {
      const int channel = column - source->first + j + conv_piece_channel(l) + i * GROUPED_BESIDE;
      const int present = inside && channel >= 0 && channel < t->c;
      const unsigned char *from = SIMT_AT(more->lane, l) + (at + (uint32_t)i * more->plane);
      simt_copy16(shared + (way + conv_piece_at(l, i)), present ? from : t->data, present);
    }
  }
}
SIMT_FN void conv_fetch_shortcut(const grouped_conv *g, const int tiles, const conv_place *place,
                                 const conv_spot *spots, int first_row, int column,
                                 unsigned char *shared, uint32_t way) {
  conv_pieces more;
  conv_shortcut_of(g, place, column, &more);
  SIMT_UNROLL
  for (int group = 0; group < GROUPED_WARP_TILES / 4; group++)
    conv_fetch_group(g, tiles, place, spots, &more, first_row, column, group, shared,
                     way + (uint32_t)group * GROUPED_SHARED_WAY);
}

/* A group's shortcut to the sums. */
SIMT_FN void conv_add_shortcut(const int tiles, int group, const unsigned char *shared,
                               uint32_t way, simt_sums *sum) {
  simt_words at;
  simt_lefts left;
  SIMT_UNROLL
  for (int pair = 0; pair < 2; pair++) {
    SIMT_EACH_LANE(l) { SIMT_AT(at, l) = simt_shared_at(shared, way + conv_matrix_at(l, pair)); }
    simt_load_left(SIMT_LANES(left), shared, SIMT_LANES(at), 0);
    SIMT_UNROLL
    for (int k = 2 * pair; k < 2 * pair + 2; k++) {
      const int tile = conv_group_row(tiles, group, k) * tiles + conv_group_tile(tiles, group);
      SIMT_EACH_LANE(l) {
        SIMT_UNROLL
        for (int i = 0; i < 4; i++)
          SIMT_AT(sum[tile], l).v[i] +=
              simt_half_of(SIMT_AT(left, l).v[(k & 1) * 2 + (i >> 1)], i & 1);
      }
    }
  }
  SIMT_WARP_BARRIER(); /* the sums go out the same way */
}

/* ---- out --------------------------------------------------------------------------------------- */
/* Every group's largest tile, value by value, to its first tile. */
SIMT_FN void conv_pool(const int tiles, simt_sums *sum) {
  SIMT_UNROLL
  for (int group = 0; group < GROUPED_WARP_TILES / 4; group++) {
    const int first = conv_group_row(tiles, group, 0) * tiles + conv_group_tile(tiles, group);
    SIMT_EACH_LANE(l) {
      SIMT_UNROLL
      for (int k = 1; k < 4; k++) {
        SIMT_UNROLL
        for (int i = 0; i < 4; i++)
          SIMT_AT(sum[first], l).v[i] =
              fmaxf(SIMT_AT(sum[first], l).v[i], SIMT_AT(sum[first + k * tiles], l).v[i]);
      }
    }
  }
}

/* A group's sums, rounded and clipped, to the output; pooled: the first tiles of all four groups. */
SIMT_FN void conv_write_group(const grouped_conv *g, const conv_place *place,
                              const conv_spot *spots, const conv_pieces *out, const int tiles,
                              const int pooled, int first_row, int column, int group,
                              unsigned char *shared, uint32_t way, simt_sums *sum) {
  const grouped_tensor *t = &g->out;
  const uint32_t low = simt_to_bf16(g->epilogue.low, g->epilogue.low),
                 high = simt_to_bf16(g->epilogue.high, g->epilogue.high);
  SIMT_UNROLL
  for (int pair = 0; pair < 2; pair++) {
    simt_words at;
    simt_lefts left;
    SIMT_EACH_LANE(l) {
      SIMT_AT(at, l) = simt_shared_at(shared, way + conv_matrix_at(l, pair));
      SIMT_UNROLL
      for (int m = 0; m < 4; m++) {
        const int k = 2 * pair + (m >> 1), of = pooled ? k : group;
        const int tile =
            conv_group_row(tiles, of, pooled ? 0 : k) * tiles + conv_group_tile(tiles, of);
        const simt_sum v = SIMT_AT(sum[tile], l);
        SIMT_AT(left, l).v[m] =
            simt_clip_pair(simt_to_bf16(v.v[(m & 1) * 2], v.v[(m & 1) * 2 + 1]), low, high);
      }
    }
    simt_store_left(SIMT_LANES(left), shared, SIMT_LANES(at));
  }
  SIMT_WARP_BARRIER();
  SIMT_EACH_LANE(l) {
    const int k = conv_piece_tile(l);
    const int j = conv_group_tile(tiles, pooled ? k : group) * GROUPED_COLUMNS;
    const conv_spot s =
        spots[pooled ? first_row / 4 + k / tiles : first_row + conv_group_row(tiles, group, k)];
    const int whole = place->whole, inside = whole || conv_inside(g, place, &s);
    const uint32_t at = s.out + (uint32_t)(j / GROUPED_BESIDE) * out->plane;
    SIMT_UNROLL
    for (int i = 0; i < 2; i++) {
      const int channel = column + j + conv_piece_channel(l) + i * GROUPED_BESIDE;
      const simt_quad piece =
          simt_shared_read(shared, simt_shared_at(shared, way + conv_piece_at(l, i)));
      if (inside && (whole || channel < t->c))
        simt_write_quad(SIMT_AT(out->lane, l) + (at + (uint32_t)i * out->plane), piece);
    }
  }
  SIMT_WARP_BARRIER(); /* the next group writes there */
}

/* Sums as the matrix units leave them to a bfloat16 output. way: of the warp's tile.way_bytes from
 * `shared`. */
SIMT_FN void conv_store_packed(const grouped_conv *g, const int tiles, const int shortcuts,
                               const int pooled, const conv_place *place, const conv_spot *spots,
                               int first_row, int column, unsigned char *shared, uint32_t way,
                               simt_sums *sum) {
  const int early = shortcuts && conv_fetches_early(&g->feed.tile);
  conv_pieces out;
  conv_pieces_of(&g->out, place->out, place->block, place->y >> pooled, place->x >> pooled, column,
                 &out);
  if (pooled) { /* never with a shortcut (fuse.c) */
    conv_pool(tiles, sum);
    conv_write_group(g, place, spots, &out, tiles, 1, first_row, column, 0, shared, way, sum);
    return;
  }
  if (early) {
    simt_copies_wait();
    SIMT_WARP_BARRIER();
  }
  SIMT_UNROLL
  for (int group = 0; group < GROUPED_WARP_TILES / 4; group++) {
    const uint32_t at = way + (uint32_t)(early ? group * GROUPED_SHARED_WAY : 0);
    if (shortcuts && !early) {
      conv_pieces more;
      conv_shortcut_of(g, place, column, &more);
      conv_fetch_group(g, tiles, place, spots, &more, first_row, column, group, shared, at);
      simt_copies_wait();
      SIMT_WARP_BARRIER();
    }
    if (shortcuts) conv_add_shortcut(tiles, group, shared, at, sum);
    conv_write_group(g, place, spots, &out, tiles, 0, first_row, column, group, shared, at, sum);
  }
}

/* Any kinds of tensors and sums, value by value. wide: the sums are conv_steps_f32's. Registers have no
 * index: every tile is compared with the wanted one. */
SIMT_FN void conv_store_each(const grouped_conv *g, const int wide, const int tiles,
                             const conv_place *place, const conv_spot *spots, int first_row,
                             int column, simt_sums *sum) {
  const grouped_source *more = &g->epilogue.residual;
  SIMT_NO_UNROLL
  for (int tile = 0; tile < GROUPED_WARP_TILES; tile++) {
    const conv_spot s = spots[first_row + tile / tiles];
    const int first = tile % tiles * GROUPED_COLUMNS;
    const int block = place->block + (s.x_block >> 16), y = place->y + s.y,
              x = place->x + (s.x_block & 0xffff);
    if (!conv_inside(g, place, &s)) continue;
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
          value +=
              grouped_load1(&more->tensor,
                            place->residual + grouped_at(&more->tensor, block, from,
                                                         y * more->stride_h, x * more->stride_w, 0),
                            image);
        grouped_store1(&g->out, place->out + grouped_at(&g->out, block, channel, y, x, 0), image,
                       simt_clip(value, g->epilogue.low, g->epilogue.high));
      }
    }
  }
}

#endif
