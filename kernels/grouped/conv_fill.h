/* kernels/grouped/conv_fill.h - what the warps that fill do: input planes of one chunk of channels after
 * the other, through all parts of the block, to the slots of shared memory. They run ahead of the warps
 * that multiply as far as there are free slots, and are all that waits for device memory there.
 *
 * bfloat16: 16 bytes a position, the first 8 images of all positions and then, half_bytes further,
 * the others: 8 positions that differ modulo 8 lie in different banks. */
#ifndef AP_KERNELS_GROUPED_CONV_FILL_H
#define AP_KERNELS_GROUPED_CONV_FILL_H
#include "kernels/grouped/conv_ring.h"
#include "kernels/grouped/grouped_impl.h"
#include "kernels/grouped/simt.h"

enum {
  CONV_QUAD = 4, /* channels that a thread copies one after the other */
  CONV_LINE = 32 /* of an order, in a line of the cache */
};

/* One thread's share of the planes of a chunk's channels: the same 16 bytes of each of four channels,
 * or of every so many fours. */
SIMT_FN void conv_fill(const grouped_conv *g, const int wide, const conv_place *place, int chunk,
                       unsigned char *slot, int thread) {
  const grouped_tile *t = &g->tile;
  const int side = t->across > 1 ? grouped_quotient(thread, t->by_units) : 0;
  const int across = CONV_QUAD * t->across;
  const int first = chunk * t->chunk;
  const int channels = g->in.c - first < t->chunk ? g->in.c - first : t->chunk;
  const uint32_t channel_bytes = (uint32_t)(g->in.h * g->in.w) * (wide ? 64 : 32);
  const uint32_t *order = place->order + chunk * t->order_pitch;
  if (side >= t->across) return;
  for (int u = thread - side * t->units; u < t->units; u += SIMT_FILL_THREADS) {
    const int piece = u & (wide ? 3 : 1), position = u >> (wide ? 2 : 1);
    const int row = grouped_quotient(position, t->by_fill_w),
              x = position - row * t->fill_w + t->fill_x;
    const int b = grouped_quotient(row, t->by_fill_h), y = row - b * t->fill_h + t->fill_y;
    const int in_y = place->y * g->stride_h - g->pad_top + y * t->skip_h;
    const int in_x = place->x * g->stride_w - g->pad_left + x * t->skip_w, block = place->block + b;
    const int present =
        in_y >= 0 && in_y < g->in.h && in_x >= 0 && in_x < g->in.w && block < g->batch.n_blocks;
    const int at = CONV_QUAD * side * t->pitch + (b * t->plane_h + y) * t->plane_w + x;
    const int pitch = t->pitch * (wide ? 64 : 16);
    const uint32_t step = present ? channel_bytes : 0; /* of absent ones any place is named */
    int c = CONV_QUAD * side;
    unsigned char *to = slot + (wide ? at * 64 + piece * 16 : at * 16 + piece * (int)t->half_bytes);
    const unsigned char *from = place->in;
    if (present)
      from += (uint64_t)block * g->in.block +
              (uint64_t)((in_y * g->in.w + in_x) * (wide ? 64 : 32) + piece * 16);
    simt_quad channel = simt_read_quad(order + (c < channels ? c : 0));
    SIMT_NO_UNROLL
    for (; c + CONV_QUAD <= channels; c += across) { /* the next four's order is read ahead */
      const simt_quad next = simt_read_quad(order + (c + across < channels ? c + across : c));
      SIMT_UNROLL
      for (int i = 0; i < CONV_QUAD; i++)
        simt_copy16(to + i * pitch, from + (uint64_t)channel.v[i] * step, present);
      to += across * pitch;
      channel = next;
    }
    SIMT_UNROLL
    for (int i = 0; i < CONV_QUAD - 1; i++) /* the last few, by one side */
      if (c + i < channels)
        simt_copy16(to + i * pitch, from + (uint64_t)channel.v[i] * step, present);
  }
}

/* Where the fillers are: chunk `number` of all, of part `part` chunk `chunk`. */
typedef struct {
  uint32_t part, number;
  int chunk;
} conv_filler;

/* The next chunk, when its slot is free. */
SIMT_FN void conv_fill_next(const grouped_conv *g, const int wide, conv_filler *f,
                            unsigned char *shared) {
  const grouped_tile *t = &g->tile;
  const conv_state *state = conv_state_of(t, shared);
  const conv_place *place = &state->places[f->part % CONV_PLACES];
  conv_wait_free(t, f->number, shared);
  SIMT_EACH_FILLER(thread) {
    conv_fill(g, wide, place, f->chunk, shared + conv_slot(t, f->number), thread);
    conv_filled(t, f->number, shared, thread == 0);
  }
  f->number++;
  if (++f->chunk == t->n_chunks) {
    f->chunk = 0;
    f->part++;
  }
  if (f->part == state->parts) return;
  const uint32_t *order =
      state->places[f->part % CONV_PLACES].order + f->chunk * t->order_pitch;
  SIMT_EACH_FILLER(thread) {
    const int at = thread * CONV_LINE;
    if (at < t->order_pitch) simt_announce(order + at);
  }
}

#endif
