/* kernels/grouped/conv_fill.h - what the warps that fill do: input planes of one chunk of channels after
 * the other, through all parts of the block, to the slots of shared memory. They run ahead of the warps
 * that multiply as far as there are free slots, and are all that waits for device memory there.
 *
 * A line (four channels of a pixel) is copied by 8 lanes (float32: 16), 16 bytes each: a whole line of the
 * caches to a whole line of the banks, its pieces in another order (grouped_tile). Where the lines of a
 * part come from is the same in every plane: every warp looks up its own once a part, and once more for what is joined. */
#ifndef AP_KERNELS_GROUPED_CONV_FILL_H
#define AP_KERNELS_GROUPED_CONV_FILL_H
#include "kernels/grouped/conv_ring.h"
#include "kernels/grouped/grouped_impl.h"
#include "kernels/grouped/simt.h"

enum { CONV_PLANES = 4 }; /* that a thread fills at a time, as many as are read of an order */

/* A part's inputs: of the layer, or of the one that is joined. */
typedef struct {
  const grouped_feed *feed;
  const unsigned char *in;
  const uint32_t *order;
} conv_inputs;
SIMT_FN conv_inputs conv_inputs_of(const grouped_conv *g, uint32_t part, int joined,
                                   unsigned char *shared) {
  conv_inputs inputs;
  if (joined) {
    const conv_joined *more = conv_joined_of(&g->feed.tile, part, shared);
    inputs.feed = &g->joined;
    inputs.in = more->in;
    inputs.order = more->order;
  } else {
    const conv_place *place = conv_place_of(&g->feed.tile, part, shared);
    inputs.feed = &g->feed;
    inputs.in = place->in;
    inputs.order = place->order;
  }
  return inputs;
}

/* Where line i of a plane's comes from, of the part at `place`, and where it goes. */
SIMT_FN conv_line conv_line_of(const grouped_feed *g, int n_blocks, const int wide,
                               const conv_place *place, int i) {
  const grouped_tile *t = &g->tile;
  const int size = GROUPED_LINE_BYTES(wide);
  const int row = grouped_quotient(i, t->by_fill_w), x = i - row * t->fill_w + t->fill_x;
  const int b = grouped_quotient(row, t->by_fill_h), y = row - b * t->fill_h + t->fill_y;
  const int in_y = place->y * g->stride_h - g->pad_top + y * t->skip_h;
  const int in_x = place->x * g->stride_w - g->pad_left + x * t->skip_w;
  conv_line line;
  line.from = CONV_NOTHING;
  line.to = (uint32_t)(((b * t->plane_h + y) * t->plane_w + x) * size);
  if (in_y >= 0 && in_y < g->in.h && in_x >= 0 && in_x < g->in.w && place->block + b < n_blocks)
    line.from =
        (uint32_t)b * (uint32_t)(g->in.block / (uint64_t)size) + (uint32_t)(in_y * g->in.w + in_x);
  return line;
}

/* Which line of a plane a warp has: in every turn conv_lines_of_warp neighbouring ones, of which this is number
 * `of`. */
SIMT_FN int conv_lines_of_warp(const int wide) { return SIMT_WARP / (wide ? 16 : 8); }
SIMT_FN int conv_line_number(const int wide, int filler, int turn, int of) {
  return (turn * SIMT_FILLERS + filler) * conv_lines_of_warp(wide) + of;
}

/* Before the first chunk of a part's inputs: where a warp's lines lie. The same lanes have read what stood there. */
SIMT_FN void conv_find_lines(const grouped_feed *g, int n_blocks, const int wide,
                             const conv_place *place, conv_line *lines) {
  SIMT_WARP_BARRIER();
  SIMT_EACH_FILLER(thread) {
    const int filler = thread / SIMT_WARP, lane = thread % SIMT_WARP;
    const int beside = conv_lines_of_warp(wide);
    for (int n = lane;; n += SIMT_WARP) {
      const int i = conv_line_number(wide, filler, n / beside, n % beside);
      if (i >= g->tile.filled || i >= CONV_LINES) break;
      lines[i] = conv_line_of(g, n_blocks, wide, place, i);
    }
  }
  SIMT_WARP_BARRIER();
}

/* Where the fillers are: chunk `number` of all, of part `part` chunk `chunk` of the layer or, joined, of the
 * one that is. */
typedef struct {
  uint32_t part, number;
  int chunk, joined;
} conv_filler;

/* A thread's pieces of one line in four planes: where from, and where to, bytes from `shared`. */
typedef struct {
  const unsigned char *from[CONV_PLANES];
  uint32_t to[CONV_PLANES];
  int present;
} conv_pieces_of_line;
/* from, to: of line 0 of each plane. */
SIMT_FN void conv_aim(const int wide, conv_line line, const unsigned char *const *from,
                      const uint32_t *to, conv_pieces_of_line *p) {
  p->present = line.from != CONV_NOTHING;
  const uint32_t skip = p->present ? line.from : 0;
  SIMT_UNROLL
  for (int k = 0; k < CONV_PLANES; k++) {
    p->from[k] = from[k] + (uint64_t)skip * GROUPED_LINE_BYTES(wide);
    p->to[k] = to[k] + line.to;
    SIMT_KEEP(p->from[k]);
  }
}
/* In the first n planes. */
SIMT_FN void conv_copy(const conv_pieces_of_line *p, int n, unsigned char *shared) {
  SIMT_UNROLL
  for (int k = 0; k < CONV_PLANES; k++)
    if (k < n) simt_copy16(shared + p->to[k], p->from[k], p->present);
}

/* One thread's share of the next chunk: the same piece of many lines, in four planes at a time. */
SIMT_FN void conv_fill(const conv_inputs *inputs, int n_blocks, const int wide,
                       const conv_place *place, const conv_filler *f, const conv_line *lines,
                       unsigned char *shared, int thread) {
  const grouped_feed *g = inputs->feed;
  const grouped_tile *t = &g->tile;
  const int size = GROUPED_LINE_BYTES(wide),
            known = t->filled < CONV_LINES ? t->filled : CONV_LINES;
  const int all = (g->in.c + GROUPED_BESIDE - 1) / GROUPED_BESIDE;
  const int most = t->chunk / GROUPED_BESIDE, first_plane = f->chunk * most;
  const int planes = all - first_plane < most ? all - first_plane : most;
  const int piece = thread % (wide ? 16 : 8), channel = piece / (wide ? 4 : 2);
  const int first =
      conv_line_number(wide, thread / SIMT_WARP, 0, thread % SIMT_WARP / (wide ? 16 : 8));
  const int turn = SIMT_FILLERS * conv_lines_of_warp(wide);
  const uint64_t step = (uint64_t)(uint32_t)(g->in.h * g->in.w) * (uint64_t)size;
  const unsigned char *plane =
      inputs->in + (uint64_t)place->block * g->in.block + (uint64_t)first_plane * step + piece * 16;
  const uint32_t *order = inputs->order + f->chunk * t->order_pitch;
  uint32_t slot = conv_slot(t, f->number);
  simt_quad entries = simt_read_quad(order);
  SIMT_NO_UNROLL
  for (int n = planes; n > 0; n -= CONV_PLANES) {
    const unsigned char *from[CONV_PLANES];
    uint32_t to[CONV_PLANES];
    SIMT_UNROLL
    for (int k = 0; k < CONV_PLANES; k++) {
      const uint32_t spot = entries.v[k] >> 3 * channel & 7;
      from[k] = plane;
      SIMT_KEEP(from[k]);
      to[k] = slot +
              (wide ? spot * 32 + (uint32_t)(piece & 3) * 16 : (spot ^ (uint32_t)(piece & 1)) * 16);
      plane += step;
      slot += (uint32_t)(t->plane * size);
    }
    order += CONV_PLANES;
    if (n > CONV_PLANES) entries = simt_read_quad(order);
    /* The next line's addresses are ready, so that no copy waits for another's registers. */
    conv_pieces_of_line pieces;
    int i = first;
    if (i < known) conv_aim(wide, lines[i], from, to, &pieces);
    SIMT_NO_UNROLL
    for (; i < known; i += turn) {
      conv_copy(&pieces, n, shared);
      conv_aim(wide, lines[i + turn < known ? i + turn : i], from, to, &pieces);
    }
    SIMT_NO_UNROLL
    for (i = known + first; i < t->filled; i += turn) {
      conv_aim(wide, conv_line_of(g, n_blocks, wide, place, i), from, to, &pieces);
      conv_copy(&pieces, n, shared);
    }
  }
}

/* The chunk after the present one. */
SIMT_FN void conv_filler_step(const grouped_conv *g, const int joins, conv_filler *f) {
  const grouped_tile *t = joins && f->joined ? &g->joined.tile : &g->feed.tile;
  f->number++;
  if (++f->chunk < t->n_chunks) return;
  f->chunk = 0;
  if (joins) f->joined = !f->joined;
  if (!f->joined) f->part++;
}

/* The next chunk, when its slot is free; the order of the one after it is announced. */
SIMT_FN void conv_fill_next(const grouped_conv *g, const int wide, const int joins, conv_filler *f,
                            unsigned char *shared) {
  const grouped_tile *t = &g->feed.tile;
  conv_state *state = conv_state_of(t, shared);
  const conv_place *place = conv_place_of(t, f->part, shared);
  const int n_blocks = g->batch.n_blocks;
  conv_wait_free(t, f->number, shared);
  const conv_inputs inputs = conv_inputs_of(g, f->part, joins && f->joined, shared);
  if (f->chunk == 0) conv_find_lines(inputs.feed, n_blocks, wide, place, state->lines);
  SIMT_EACH_FILLER(thread) {
    conv_fill(&inputs, n_blocks, wide, place, f, state->lines, shared, thread);
    conv_filled(t, f->number, shared, thread == 0);
  }
  conv_filler_step(g, joins, f);
  if (f->part == state->parts) return;
  const conv_inputs next = conv_inputs_of(g, f->part, joins && f->joined, shared);
  const uint32_t *order = next.order + f->chunk * next.feed->tile.order_pitch;
  SIMT_EACH_FILLER(thread) {
    const int at = thread * (128 / (int)sizeof *order);
    if (at < next.feed->tile.order_pitch) simt_announce(order + at);
  }
}

#endif
