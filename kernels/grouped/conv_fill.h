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
  CONV_LINE = 32 /* channels of an order in a line of the cache */
};

/* What a thread copies of every channel of a part: 16 bytes. */
typedef struct {
  const unsigned char *from; /* in channel 0 */
  uint32_t to;               /* in a slot, of its first channel */
  uint32_t step; /* bytes from one channel to the next; 0: there is no input, zeros are written */
} conv_unit;
SIMT_FN conv_unit conv_unit_of(const grouped_conv *g, const int wide, const conv_place *place,
                               int side, int u) {
  const grouped_tile *t = &g->tile;
  const int piece = u & (wide ? 3 : 1), position = u >> (wide ? 2 : 1);
  const int row = grouped_quotient(position, t->by_fill_w),
            x = position - row * t->fill_w + t->fill_x;
  const int b = grouped_quotient(row, t->by_fill_h), y = row - b * t->fill_h + t->fill_y;
  const int in_y = place->y * g->stride_h - g->pad_top + y * t->skip_h;
  const int in_x = place->x * g->stride_w - g->pad_left + x * t->skip_w, block = place->block + b;
  const int at = CONV_QUAD * side * t->pitch + (b * t->plane_h + y) * t->plane_w + x;
  conv_unit unit;
  unit.from = place->in;
  unit.step = 0;
  unit.to = (uint32_t)(wide ? at * 64 + piece * 16 : at * 16 + piece * (int)t->half_bytes);
  if (in_y >= 0 && in_y < g->in.h && in_x >= 0 && in_x < g->in.w && block < g->batch.n_blocks) {
    unit.from += (uint64_t)block * g->in.block +
                 (uint64_t)((in_y * g->in.w + in_x) * (wide ? 64 : 32) + piece * 16);
    unit.step = (uint32_t)(g->in.h * g->in.w) * (wide ? 64 : 32);
  }
  return unit;
}

/* The unit of four channels that lie side by side: all addresses first, so that no copy waits for the
 * registers of another. */
SIMT_FN void conv_copy_quad(const conv_unit *unit, const simt_quad *channel, unsigned char *to,
                            int pitch) {
  const unsigned char *from[CONV_QUAD];
  SIMT_UNROLL
  for (int i = 0; i < CONV_QUAD; i++) {
    from[i] = unit->from + (uint64_t)channel->v[i] * unit->step;
    SIMT_KEEP(from[i]);
  }
  SIMT_UNROLL
  for (int i = 0; i < CONV_QUAD; i++) simt_copy16(to + i * pitch, from[i], unit->step != 0);
}

/* The unit of every so many fours of channels, from the one of this side on. Their order is read two fours
 * ahead, in turns. */
SIMT_FN void conv_copy(const grouped_tile *t, const int wide, const conv_unit *unit,
                       const uint32_t *order, int side, int channels, unsigned char *slot) {
  const int pitch = t->pitch * (wide ? 64 : 16), fours = channels / CONV_QUAD;
  unsigned char *to = slot + unit->to;
  const uint32_t *from = order + side * CONV_QUAD;
  const int across = t->across, last = fours - 1;
  int four = side;
  if (four < fours) {
    simt_quad even = simt_read_quad(from);
    simt_quad odd = simt_read_quad(from + (four + across <= last ? across * CONV_QUAD : 0));
    SIMT_NO_UNROLL
    for (; four < fours; four += 2 * across) {
      conv_copy_quad(unit, &even, to, pitch);
      from += 2 * across * CONV_QUAD;
      even = simt_read_quad(four + 2 * across <= last ? from : order);
      to += across * CONV_QUAD * pitch;
      if (four + across > last) break;
      conv_copy_quad(unit, &odd, to, pitch);
      odd = simt_read_quad(four + 3 * across <= last ? from + across * CONV_QUAD : order);
      to += across * CONV_QUAD * pitch;
    }
  }
  if (channels % CONV_QUAD == 0 || fours % across != side) return;
  to = slot + unit->to + (fours - side) * CONV_QUAD * pitch; /* the last few, by one side */
  SIMT_NO_UNROLL
  for (int c = fours * CONV_QUAD; c < channels; c++, to += pitch)
    simt_copy16(to, unit->from + (uint64_t)simt_read_u32(order + c) * unit->step, unit->step != 0);
}

/* Where the fillers are: chunk `number` of all, of part `part` chunk `chunk`; and every thread's first unit
 * of the part. */
typedef struct {
  uint32_t part, number;
  int chunk;
  SIMT_FILLER_VARIABLE(conv_unit, unit);
} conv_filler;

/* One thread's share of the next chunk: the same 16 bytes of each of four channels, or of every so many
 * fours. */
SIMT_FN void conv_fill(const grouped_conv *g, const int wide, const conv_place *place,
                       conv_filler *f, unsigned char *slot, int thread) {
  const grouped_tile *t = &g->tile;
  const int side = t->across > 1 ? grouped_quotient(thread, t->by_units) : 0;
  const int first = f->chunk * t->chunk;
  const int channels = g->in.c - first < t->chunk ? g->in.c - first : t->chunk;
  const uint32_t *order = place->order + f->chunk * t->order_pitch;
  int u = thread - side * t->units;
  if (side >= t->across || u >= t->units) return;
  conv_unit *unit = &SIMT_OF_FILLER(f->unit, thread);
  if (f->chunk == 0) *unit = conv_unit_of(g, wide, place, side, u);
  conv_copy(t, wide, unit, order, side, channels, slot);
  for (u += SIMT_FILL_THREADS; u < t->units; u += SIMT_FILL_THREADS) {
    const conv_unit more = conv_unit_of(g, wide, place, side, u);
    conv_copy(t, wide, &more, order, side, channels, slot);
  }
}

/* The next chunk, when its slot is free; the order of the one after it is announced. */
SIMT_FN void conv_fill_next(const grouped_conv *g, const int wide, conv_filler *f,
                            unsigned char *shared) {
  const grouped_tile *t = &g->tile;
  const conv_state *state = conv_state_of(t, shared);
  const conv_place *place = &state->places[f->part % CONV_PLACES];
  conv_wait_free(t, f->number, shared);
  SIMT_EACH_FILLER(thread) {
    conv_fill(g, wide, place, f, shared + conv_slot(t, f->number), thread);
    conv_filled(t, f->number, shared, thread == 0);
  }
  f->number++;
  if (++f->chunk == t->n_chunks) {
    f->chunk = 0;
    f->part++;
  }
  if (f->part == state->parts) return;
  const uint32_t *order = state->places[f->part % CONV_PLACES].order + f->chunk * t->order_pitch;
  SIMT_EACH_FILLER(thread) {
    const int at = thread * CONV_LINE;
    if (at < t->order_pitch) simt_announce(order + at);
  }
}

#endif
