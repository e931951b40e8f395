/* kernels/cpu/packed8_lists.c - what is kept of an integer layer goes to its lists, four inputs (a quad) at a
 * time. */
#include <string.h>

#include "base/alloc.h"
#include "kernels/cpu/packed8_lists_impl.h"
#include "kernels/cpu/packed8_weave.h"

#define INLINE static inline __attribute__((always_inline))

/* Where a list's next row goes: input `slot` of an entry. */
typedef struct {
  int32_t *entry;
  size_t slot;
} cursor;

typedef struct {
  ap_packed8_weights *w;
  const uint8_t *matrix;
  size_t n, group_in, group_out, entry_words;
  size_t in_channel;      /* bytes */
  const int32_t *offsets; /* [rows]: of inputs of the first group; NULL: KERNEL3 */
  cursor *cursors;        /* [segment][list] */
  int width_log;
  const packed_scan *s;
  const packed_kept *kept;
  const uint8_t *next; /* the next entry's values; NULL: they are in the matrix */
  size_t r;            /* the row at hand, */
  int32_t offset;      /* its input's place, bytes, */
  cursor *at;          /* and of cursors, those of its segment */
} writer;

INLINE void begin_row(void *context, size_t r, size_t segment, size_t first) {
  writer *to = context;
  to->r = r;
  to->next = packed_kept_at(to->kept, to->s, 1, r, first);
  to->at = to->cursors + segment * to->w->n_lists;
  to->offset = to->offsets ? to->offsets[r] : 0;
}

/* A kernel, its weights `step` apart, into e; words: of a quad. */
INLINE void write_quads(const bool small, const size_t words, const uint8_t *from, size_t step,
                        int32_t *e) {
  uint8_t tap[PACKED_TAPS];
  for (size_t i = 0; i < PACKED_TAPS; ++i) tap[i] = from[i * step];
  if (small) { /* byte of pixel (y, x) for output (oy, ox): tap (y - oy + 1, x - ox + 1) */
    put_quad(words, &e, tap[4], tap[5], tap[7], tap[8]);
    put_quad(words, &e, tap[3], tap[4], tap[6], tap[7]);
    put_quad(words, &e, tap[1], tap[2], tap[4], tap[5]);
    put_quad(words, &e, tap[0], tap[1], tap[3], tap[4]);
    return;
  }
  for (size_t x = 0; x < 3; ++x) put_quad(words, &e, tap[x], tap[3 + x], tap[6 + x], 0);
  for (size_t x = 0; x < 3; ++x) put_quad(words, &e, 0, tap[x], tap[3 + x], tap[6 + x]);
}

INLINE void write_kernel(writer *to, size_t list, const uint8_t *from, size_t step,
                         size_t channel) {
  const ap_packed8_weights *w = to->w;
  int32_t *e = to->at[list].entry;
  *e = (int32_t)channel;
  packed_ahead_of_entry(e);
  to->at[list].entry = e + to->entry_words;
  if (w->isa->quad_words == 1 && !w->small)
    write_quads(false, 1, from, step, e + 1);
  else
    write_quads(w->small, w->isa->quad_words, from, step, e + 1);
}
/* Of one group, copied. */
INLINE void write_nine(void *context, size_t list) {
  writer *to = context;
  write_kernel(to, list, to->next, 1, to->r);
  to->next += PACKED_TAPS;
}

/* Offset and weights of a row as the next input of a list's entry: weights stay as they are, behind those of the
 * other inputs, until all four are there. */
INLINE void write_row(writer *to, size_t list, const size_t width, const size_t count,
                      const uint8_t *from, int32_t offset) {
  cursor *at = to->at + list;
  const size_t slot = at->slot;
  at->entry[slot] = offset;
  memcpy((uint8_t *)(at->entry + P8_LIST_HEAD) + slot * width, from, count);
  packed_ahead_of_entry(at->entry);
  at->entry += slot == P8_QUAD - 1 ? to->entry_words : 0;
  at->slot = (slot + 1) % P8_QUAD;
}

/* Of one group, copied; of fixed width. */
INLINE void write_copied(writer *to, size_t list, const size_t width) {
  write_row(to, list, width, width, to->next, to->offset);
  to->next += width;
}
INLINE void write_four(void *context, size_t list) { write_copied(context, list, 4); }
INLINE void write_eight(void *context, size_t list) { write_copied(context, list, 8); }
/* Halves of an eight, each where it has any weight. */
INLINE void write_halves(void *context, size_t pair) {
  writer *to = context;
  for (size_t half = 0; half < 2; ++half)
    if (packed_has_half(to->next, half))
      write_row(to, 2 * pair + half, 4, 4, to->next + 4 * half, to->offset);
  to->next += 8;
}

/* Any other. */
static void write_list(void *context, size_t list) {
  writer *to = context;
  const ap_packed8_weights *w = to->w;
  const bool kernels = w->form == AP_PACKED_KERNEL3;
  const size_t column = list << to->width_log, taps = kernels ? (size_t)PACKED_TAPS : 1;
  const size_t c = w->geometry.groups == 1 ? 0 : column / to->group_out * to->group_in;
  const uint8_t *from = to->next ? to->next : to->matrix + to->r * taps * to->n + column;
  if (kernels) {
    write_kernel(to, list, from, to->next ? 1 : to->n, to->r + c);
  } else {
    const size_t count = to->n - column < w->width ? to->n - column : w->width;
    write_row(to, list, w->width, count, from, to->offset + (int32_t)(c * to->in_channel));
  }
  if (to->next) to->next += to->kept->each;
}

/* Inputs that a segment's last entry lacks are its first one's again: their weights are 0. */
static void fill_quads(const cursor *ends, size_t n) {
  for (size_t i = 0; i < n; ++i)
    for (size_t slot = ends[i].slot; slot > 0 && slot < P8_QUAD; ++slot)
      ends[i].entry[slot] = ends[i].entry[0];
}

static void weave_all(const ap_packed8_weights *w) {
  int32_t *quads = w->words + P8_LIST_HEAD, *const end = quads + w->n_entries * w->entry_words;
  for (; quads != end; quads += w->entry_words)
    if (!weave_words(w, quads)) weave(w, quads);
}

static ap_status fill_each(const packed_scan *s, const packed_kept *kept, const int8_t *matrix,
                           const int32_t *offsets, ap_packed8_weights *w, ap_error *err) {
  const ap_packed_conv *g = &w->geometry;
  const packed_scan shape = packed_kept_shape(kept, s);
  cursor *cursors = ap_calloc(s->segments * w->n_lists, sizeof *cursors);
  if (!cursors) return ap_fail(err, AP_ERR_MEMORY, "lists of %zu output channels", s->n);
  for (size_t i = 0; i < s->segments * w->n_lists; ++i)
    cursors[i].entry = segment_entry(w, i / w->n_lists, i % w->n_lists);
  writer to = {.w = w,
               .s = &shape,
               .kept = kept,
               .matrix = (const uint8_t *)matrix,
               .n = s->n,
               .group_in = g->in.c / g->groups,
               .group_out = g->out.c / g->groups,
               .entry_words = w->entry_words,
               .in_channel = g->in.channel * sizeof(float),
               .offsets = offsets,
               .cursors = cursors,
               .width_log = __builtin_ctzll(w->width)};
  const bool copied = kept->form != AP_PACKED_AUTO && g->groups == 1;
  if (kept->pairs)
    packed_each_entry(kept, &shape, begin_row, write_halves, &to);
  else if (copied && w->form == AP_PACKED_LIST4)
    packed_each_entry(kept, &shape, begin_row, write_four, &to);
  else if (copied && w->form == AP_PACKED_LIST8)
    packed_each_entry(kept, &shape, begin_row, write_eight, &to);
  else if (copied && w->form == AP_PACKED_KERNEL3)
    packed_each_entry(kept, &shape, begin_row, write_nine, &to);
  else
    packed_each_entry(kept, &shape, begin_row, write_list, &to);
  if (w->form != AP_PACKED_KERNEL3) {
    fill_quads(cursors, s->segments * w->n_lists);
    weave_all(w);
  }
  ap_free(cursors);
  return AP_OK;
}

/* Where each row's input lies, of the first group. */
static void find_offsets(const packed_scan *s, const ap_packed_conv *g, int32_t *offsets) {
  for (size_t tap = 0; tap < s->taps; ++tap) {
    size_t at =
        packed_tap_row(g, tap) * g->in.row * sizeof(float) + packed_tap_column(g, tap) * P8_LINE;
    for (size_t r = tap; r < s->rows; r += s->taps, at += g->in.channel * sizeof(float))
      offsets[r] = (int32_t)at;
  }
}

ap_status packed8_fill_lists(const packed_scan *s, const packed_kept *kept, const int8_t *matrix,
                             ap_packed8_weights *w, ap_error *err) {
  if (w->form == AP_PACKED_KERNEL3) return fill_each(s, kept, matrix, NULL, w, err);
  int32_t *offsets = ap_calloc(s->rows, sizeof *offsets);
  if (!offsets) return ap_fail(err, AP_ERR_MEMORY, "a layer of %zu inputs", s->rows);
  find_offsets(s, &w->geometry, offsets);
  const ap_status st = kept->pairs && !kept->halves ? packed8_fill_pairs(s, kept, offsets, w, err)
                                                    : fill_each(s, kept, matrix, offsets, w, err);
  ap_free(offsets);
  return st;
}
