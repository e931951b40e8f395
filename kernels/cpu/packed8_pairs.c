/* kernels/cpu/packed8_pairs.c - two lists of four output channels at once, from rows of eight. */
#include <string.h>

#include "base/alloc.h"
#include "kernels/cpu/packed8_lists_impl.h"
#include "kernels/cpu/packed8_weave.h"

#define INLINE static inline __attribute__((always_inline))

/* Lists that always keep the same rows of eight columns are one list until four rows, a quad, are there. It waits
 * until a few rows' entries were read, which begin the next one: in how many loops a few entries lie, and how many
 * of them complete a quad, no processor foresees. */
enum { PAIR_ROWS = P8_QUAD };
typedef struct {
  _Alignas(64) int32_t offset[2 * P8_QUAD]; /* two lines of the cache in all */
  uint8_t weight[2 * P8_QUAD][8];
  int32_t *entry; /* the first list's next one */
  size_t slot;    /* of the two quads' inputs, the next one */
} pair_cursor;

typedef struct {
  const ap_packed8_weights *w;
  const packed_kept *kept;
  const int32_t *offsets;
  size_t steps;   /* packed_scan_steps */
  uint16_t *full; /* [PAIR_ROWS * pairs + 1]: pairs with a full quad */
} pair_writer;

/* A quad of a pair, to both lists. */
INLINE void end_quad(const ap_packed8_weights *w, pair_cursor *c, size_t pair, size_t slot) {
  int32_t *first = c->entry;
  int32_t *second = first + (w->start[2 * pair + 1] - w->start[2 * pair]) * w->entry_words;
  memcpy(first, c->offset + slot, P8_QUAD * sizeof *c->offset);
  memcpy(second, c->offset + slot, P8_QUAD * sizeof *c->offset);
  weave_pair(w->isa->quad_words, (const uint8_t(*)[8])c->weight + slot, first + P8_LIST_HEAD,
             second + P8_LIST_HEAD);
  packed_ahead_of_entry(first);
  packed_ahead_of_entry(second);
  c->entry = first + w->entry_words;
}

/* The entries of rows r .. end - 1, at most PAIR_ROWS. */
INLINE void fill_rows(const pair_writer *to, pair_cursor *cursors, size_t r, size_t end) {
  const packed_kept *kept = to->kept;
  const uint8_t *next = kept->values + (size_t)kept->start[r * to->steps] * 8;
  uint32_t ends[PAIR_ROWS];
  size_t n_full = 0;
  for (size_t i = 0; i < PAIR_ROWS; ++i)
    ends[i] = kept->start[(r + i + 1 < end ? r + i + 1 : end) * to->steps];
  for (uint32_t i = kept->start[r * to->steps]; i < ends[PAIR_ROWS - 1]; ++i, next += 8) {
    const size_t row = r + (i >= ends[0]) + (i >= ends[1]) + (i >= ends[2]);
    pair_cursor *c = cursors + kept->list[i];
    const size_t slot = c->slot;
    c->offset[slot] = to->offsets[row];
    memcpy(c->weight[slot], next, 8);
    c->slot = (slot + 1) % ((size_t)2 * P8_QUAD);
    to->full[n_full] = kept->list[i];
    n_full += slot % P8_QUAD == P8_QUAD - 1;
  }
  for (size_t i = 0; i < n_full; ++i) { /* of each pair at most one: before the next input's */
    pair_cursor *c = cursors + to->full[i];
    end_quad(to->w, c, to->full[i], c->slot < P8_QUAD ? P8_QUAD : 0);
  }
}

/* A segment's last quad may have fewer inputs. */
static void end_pair(const ap_packed8_weights *w, pair_cursor *c, size_t pair) {
  const size_t first = c->slot / P8_QUAD * P8_QUAD;
  for (size_t slot = c->slot; slot < first + P8_QUAD; ++slot) {
    c->offset[slot] = c->offset[first];
    memset(c->weight[slot], 0, sizeof c->weight[slot]);
  }
  end_quad(w, c, pair, first);
}

ap_status packed8_fill_pairs(const packed_scan *s, const packed_kept *kept, const int32_t *offsets,
                             ap_packed8_weights *w, ap_error *err) {
  const packed_scan shape = packed_kept_shape(kept, s);
  const size_t pairs = shape.lists, run = s->segments == 1 ? s->rows : s->kw;
  pair_cursor *cursors = ap_calloc(s->segments * pairs, sizeof *cursors);
  uint16_t *full = ap_calloc(PAIR_ROWS * pairs + 1, sizeof *full);
  if (!cursors || !full) {
    ap_free(cursors);
    ap_free(full);
    return ap_fail(err, AP_ERR_MEMORY, "lists of %zu output channels", s->n);
  }
  for (size_t i = 0; i < s->segments * pairs; ++i)
    cursors[i].entry = segment_entry(w, i / pairs, i % pairs * 2);
  const pair_writer to = {w, kept, offsets, packed_scan_steps(&shape), full};
  for (size_t segment = 0; segment < s->segments; ++segment)
    for (size_t begin = segment * run; begin < s->rows; begin += s->segments * run)
      for (size_t r = begin; r < begin + run; r += PAIR_ROWS)
        fill_rows(&to, cursors + segment * pairs, r,
                  begin + run - r < PAIR_ROWS ? begin + run : r + PAIR_ROWS);
  for (size_t i = 0; i < s->segments * pairs; ++i)
    if (cursors[i].slot % P8_QUAD > 0) end_pair(w, &cursors[i], i % pairs);
  ap_free(cursors);
  ap_free(full);
  return AP_OK;
}
