/* kernels/grouped/conv_ring.h - the slots of shared memory that chunks of a layer take in turns, and the
 * counters at which the warps of a block wait for one another.
 *
 * Shared memory of a block: the slots; what is the same in every part, places of parts and two counters for
 * every slot; for every warp its way in and out (conv_store.h); what parts have of a joined layer. A slot's
 * counter `filled` gets an arrival of every thread that fills, when its copies are there, and one more of the
 * first of them; `done` one of every warp that has finished the slot's chunk.
 *
 * With tile.carry a step reads its own chunk and the one before it. So the slot of chunk k is free when
 * all warps have finished chunk k - slots + carry: with four slots a warp may be a whole chunk ahead of
 * another, and two more are on their way.
 *
 * What a warp wrote before it finished a chunk is there for who waits for the chunk that was filled
 * after it: fillers wait for the warp, and their one more arrival hands on what they waited for. */
#ifndef AP_KERNELS_GROUPED_CONV_RING_H
#define AP_KERNELS_GROUPED_CONV_RING_H
#include <assert.h>
#include <stddef.h>

#include "kernels/grouped/conv_store.h"
#include "kernels/grouped/grouped_impl.h"
#include "kernels/grouped/simt.h"

enum {
  CONV_FOUND = 4,  /* parts, from the present one on, whose places are known */
  CONV_PLACES = 16 /* see conv_block */
};
/* A line of a plane: from so many lines behind the part's first block and channel (CONV_NOTHING: zeros), to so
 * many bytes behind the plane's beginning. */
typedef struct SIMT_ALIGN(8) {
  uint32_t from, to;
} conv_line;
#define CONV_NOTHING 0xffffffffU
enum {
  CONV_LINES = 128
}; /* of a plane that are looked up before the first chunk of a part's inputs; any more for every plane */
/* Behind the slots. */
enum { CONV_FILLED, CONV_DONE };
typedef struct {
  conv_spot spots[CONV_SPOTS];
  conv_line lines[CONV_LINES]; /* of the part that is filled */
  conv_place places[CONV_PLACES];
  uint64_t counters[2][GROUPED_MOST_SLOTS]; /* CONV_FILLED, CONV_DONE */
  uint32_t parts;                           /* of this block */
} conv_state;
static_assert(sizeof(uint64_t) == SIMT_COUNTER && sizeof(conv_state) <= GROUPED_SHARED_STATE &&
                  CONV_PLACES * sizeof(conv_joined) <= GROUPED_SHARED_JOINED,
              "counters and state");

SIMT_FN conv_state *conv_state_of(const grouped_tile *t, unsigned char *shared) {
  return (conv_state *)(void *)(shared + t->ring_bytes);
}

SIMT_FN conv_place *conv_place_of(const grouped_tile *t, uint32_t part, unsigned char *shared) {
  return &conv_state_of(t, shared)->places[part % CONV_PLACES];
}
/* A warp's way in and out, bytes from `shared`. */
SIMT_FN uint32_t conv_way(const grouped_tile *t, int w) {
  return t->ring_bytes + GROUPED_SHARED_STATE + (uint32_t)w * t->way_bytes;
}
/* tile.joins; behind the warps' ways. */
SIMT_FN conv_joined *conv_joined_of(const grouped_tile *t, uint32_t part, unsigned char *shared) {
  return (conv_joined *)(void *)(shared + conv_way(t, SIMT_WARPS)) + part % CONV_PLACES;
}

/* Chunks of all parts of a block are numbered from 0, modulo 2^32. */
SIMT_FN uint32_t conv_slot_number(const grouped_tile *t, uint32_t chunk) {
  return chunk & ((1U << t->log_slots) - 1);
}
/* How often, modulo 2, the slot had a chunk before. */
SIMT_FN uint32_t conv_parity(const grouped_tile *t, uint32_t chunk) {
  return chunk >> t->log_slots & 1;
}

/* Bytes from `shared`. */
SIMT_FN uint32_t conv_slot(const grouped_tile *t, uint32_t chunk) {
  return conv_slot_number(t, chunk) * t->slot_bytes;
}
/* at < 2 * ring: the first slot follows the last. */
SIMT_FN uint32_t conv_in_ring(uint32_t at, uint32_t ring) {
  return at < at - ring ? at : at - ring;
}

SIMT_FN uint32_t conv_counter(const grouped_tile *t, int which, uint32_t chunk,
                              unsigned char *shared) {
  const uint32_t number = (uint32_t)which * GROUPED_MOST_SLOTS + conv_slot_number(t, chunk);
  return simt_shared_at(
      shared, t->ring_bytes + (uint32_t)offsetof(conv_state, counters) + number * SIMT_COUNTER);
}
/* By one thread. */
SIMT_FN void conv_set_counters(const grouped_tile *t, unsigned char *shared) {
  SIMT_NO_UNROLL
  for (uint32_t slot = 0; slot < 1U << t->log_slots; slot++) {
    simt_counter_set(shared, conv_counter(t, CONV_FILLED, slot, shared), SIMT_FILL_THREADS + 1);
    simt_counter_set(shared, conv_counter(t, CONV_DONE, slot, shared), SIMT_WARPS);
  }
}

/* A thread has begun all its copies of the chunk. first: of those that fill. */
SIMT_FN void conv_filled(const grouped_tile *t, uint32_t chunk, unsigned char *shared, int first) {
  const uint32_t counter = conv_counter(t, CONV_FILLED, chunk, shared);
  simt_counter_copied(shared, counter);
  if (first) simt_counter_arrive(shared, counter);
}
SIMT_FN void conv_wait_filled(const grouped_tile *t, uint32_t chunk, unsigned char *shared) {
  simt_counter_wait(shared, conv_counter(t, CONV_FILLED, chunk, shared), conv_parity(t, chunk));
}
/* A warp has finished the chunk's steps. */
SIMT_FN void conv_done(const grouped_tile *t, uint32_t chunk, unsigned char *shared) {
  SIMT_WARP_BARRIER();
  SIMT_EACH_LANE(l) {
    if (l == 0) simt_counter_arrive(shared, conv_counter(t, CONV_DONE, chunk, shared));
  }
}
/* Until the chunk's slot is free. Before chunk 0 all count as done. */
SIMT_FN void conv_wait_free(const grouped_tile *t, uint32_t chunk, unsigned char *shared) {
  const uint32_t last = chunk + (uint32_t)t->carry - (1U << t->log_slots);
  simt_counter_wait(shared, conv_counter(t, CONV_DONE, last, shared), conv_parity(t, last));
}

#endif
