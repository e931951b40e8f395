/* kernels/cpu/packed8_weights.c - from an integer weight matrix with zeros to lists of what is
 * kept, four inputs (a quad) at a time. */
#include <math.h>
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "base/alloc.h"
#include "kernels/cpu/packed8_impl.h"
#include "kernels/cpu/packed_gather.h"

/* Work in cycles of one dot product instruction, per pixel and 64 images. A list's entry: 4 for each
 * output channel, or what it takes to interleave its four lines (8 instructions); and each list has
 * its beginning and end. A kernel: three quads of inputs for each pixel, or one where the image is
 * 2x2; and the end of each output channel. From timings of layers of 16 to 512 channels. */
static const double list_cost[] = {8.5, 9, 16, 32.5}, list_end[] = {7, 22, 50, 98};
static const double half_filled = 0.4; /* quads lost at a list's end */
static const double kernel_cost = 11.5, small_cost = 4.5, kernel_end = 24;
static const double interleave_cost = 7, strided_interleave_cost = 22; /* per input channel */

/* ---- choice of the form ----------------------------------------------------------------------- */
/* Taps in the padding can be left out only where they stand for code 0. */
static bool is_small(const ap_packed_conv *g, uint8_t zero) {
  return zero == 0 && g->kh == 3 && g->kw == 3 && g->stride_h == 1 && g->stride_w == 1 &&
         g->pad_top == 1 && g->pad_left == 1 && g->in.h == 2 && g->in.w == 2 && g->out.h == 2 &&
         g->out.w == 2;
}

static double work_of(const packed_scan *s, const ap_packed_conv *g, uint8_t zero,
                      ap_packed_form form) {
  const double rows = (double)s->entries[form];
  if (form == AP_PACKED_KERNEL3) {
    const double inputs = (double)g->in.c, ends = (double)g->out.c * kernel_end;
    if (is_small(g, zero)) return rows * small_cost + ends;
    if (g->stride_w == 2) return rows * kernel_cost + inputs * strided_interleave_cost + ends;
    const bool skips = zero == 0 && g->pad_left == 1 && g->out.w == g->in.w;
    return rows * kernel_cost * (skips ? 1 - 2.0 / 3 / (double)g->out.w : 1) +
           inputs * interleave_cost + ends;
  }
  const size_t i = (size_t)(form - AP_PACKED_LIST1);
  const double lists = ceil((double)s->n / (double)packed_form_width(form));
  const double parts =
      s->partial ? (double)s->live_rows.count : 1; /* of a list, each with an end */
  const double whole = rows / P8_QUAD + half_filled * lists;
  const double inside = packed_scan_share(s, g) * (rows / P8_QUAD + half_filled * lists * parts);
  return fmin(whole, inside) * list_cost[i] + lists * list_end[i];
}

static ap_packed_form cheapest_form(const void *context, const packed_scan *s) {
  const ap_packed8_weights *w = context;
  const ap_packed_conv *g = &w->geometry;
  ap_packed_form best = AP_PACKED_LIST1;
  double least = INFINITY;
  for (int f = AP_PACKED_LIST1; f <= AP_PACKED_KERNEL3; ++f) {
    const ap_packed_form form = (ap_packed_form)f;
    if (!packed_form_possible(g, form)) continue;
    if (form != AP_PACKED_KERNEL3 && packed_form_width(form) > w->isa->list_tile) continue;
    const double work = work_of(s, g, w->zero, form);
    if (work < least) {
      least = work;
      best = form;
    }
  }
  return best;
}

#define INLINE static inline __attribute__((always_inline))

/* ---- lists ------------------------------------------------------------------------------------ */
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

/* Two weights as 16-bit numbers. */
INLINE int32_t pair_of(uint8_t low, uint8_t high) {
  return (int32_t)(((uint32_t)(int8_t)low & 0xffffU) | (uint32_t)(int8_t)high << 16);
}
/* The quad at *e, which moves behind it. */
INLINE void put_quad(const size_t words, int32_t **e, uint8_t q0, uint8_t q1, uint8_t q2,
                     uint8_t q3) {
  if (words == 1) {
    *(*e)++ = (int32_t)(q0 | (uint32_t)q1 << 8 | (uint32_t)q2 << 16 | (uint32_t)q3 << 24);
    return;
  }
  *(*e)++ = pair_of(q0, q2);
  *(*e)++ = pair_of(q1, q3);
}

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

/* From four rows of `width` weights to quads, in place. */
static void weave(const ap_packed8_weights *w, int32_t *quads) {
  uint8_t rows[P8_QUAD * 8];
  const size_t width = w->width;
  memcpy(rows, quads, P8_QUAD * width);
  for (size_t i = 0; i < width; ++i)
    put_quad(w->isa->quad_words, &quads, rows[i], rows[width + i], rows[2 * width + i],
             rows[3 * width + i]);
}
#if defined(__SSE2__)
/* The same of quads that are words: bytes of the first half and of the second in turns, twice. */
static void weave_four(int32_t *quads) {
  __m128i v = _mm_loadu_si128((const __m128i *)(const void *)quads);
  v = _mm_unpacklo_epi8(v, _mm_srli_si128(v, 8));
  v = _mm_unpacklo_epi8(v, _mm_srli_si128(v, 8));
  _mm_storeu_si128((__m128i *)(void *)quads, v);
}
static void weave_eight(int32_t *quads) {
  const __m128i a = _mm_loadu_si128((const __m128i *)(const void *)quads);
  const __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(quads + 4));
  const __m128i low = _mm_unpacklo_epi8(a, b), high = _mm_unpackhi_epi8(a, b);
  _mm_storeu_si128((__m128i *)(void *)quads, _mm_unpacklo_epi8(low, high));
  _mm_storeu_si128((__m128i *)(void *)(quads + 4), _mm_unpackhi_epi8(low, high));
}
/* Was it done so? One weight of each row is a quad already. */
static bool weave_words(const ap_packed8_weights *w, int32_t *quads) {
  if (w->isa->quad_words != 1 || w->width == 2) return false;
  if (w->width == 8) weave_eight(quads);
  if (w->width == 4) weave_four(quads);
  return true;
}
#else
static bool weave_words(const ap_packed8_weights *w, int32_t *quads) {
  (void)w;
  (void)quads;
  return false;
}
#endif

static void weave_all(const ap_packed8_weights *w) {
  int32_t *quads = w->words + P8_LIST_HEAD, *const end = quads + w->n_entries * w->entry_words;
  for (; quads != end; quads += w->entry_words)
    if (!weave_words(w, quads)) weave(w, quads);
}

static size_t quads_of(size_t rows) { return (rows + P8_QUAD - 1) / P8_QUAD; }

/* Are lists in segments less work, with all the quads that they do not fill? rows: [segment][list]. */
static bool segments_pay(const packed_scan *s, const ap_packed_conv *g, const size_t *rows) {
  size_t whole = 0, parts = 0;
  for (size_t list = 0; list < s->lists; ++list) {
    size_t all = 0;
    for (size_t segment = 0; segment < s->segments; ++segment) {
      all += rows[segment * s->lists + list];
      parts += quads_of(rows[segment * s->lists + list]);
    }
    whole += quads_of(all);
  }
  return (double)parts * packed_scan_share(s, g) < (double)whole;
}

/* The first entry of a list's segment. */
static int32_t *segment_entry(const ap_packed8_weights *w, size_t segment, size_t list) {
  const size_t *first = segment == 0 ? w->start : w->bound + (segment - 1) * w->n_lists;
  return w->words + first[list] * w->entry_words;
}

/* ---- two lists of four at once ---------------------------------------------------------------- */
/* Lists that always keep the same rows of eight columns are one list until four rows, a quad, are there. It waits
 * until a few rows' entries were read, which begin the next one: in how many loops a few entries lie, and how many
 * of them complete a quad, no processor foresees. */
enum { PAIR_ROWS = P8_QUAD };
typedef struct {
  int32_t offset[2 * P8_QUAD];
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

static void weave_pair(const size_t words, const uint8_t (*rows)[8], int32_t *first,
                       int32_t *second) {
#if defined(__SSE2__)
  if (words == 1) {
    const __m128i a = _mm_loadu_si128((const __m128i *)(const void *)rows[0]);
    const __m128i b = _mm_loadu_si128((const __m128i *)(const void *)rows[2]);
    const __m128i low = _mm_unpacklo_epi8(a, b), high = _mm_unpackhi_epi8(a, b);
    _mm_storeu_si128((__m128i *)(void *)first, _mm_unpacklo_epi8(low, high));
    _mm_storeu_si128((__m128i *)(void *)second, _mm_unpackhi_epi8(low, high));
    return;
  }
#endif
  for (size_t i = 0; i < 4; ++i)
    put_quad(words, &first, rows[0][i], rows[1][i], rows[2][i], rows[3][i]);
  for (size_t i = 4; i < 8; ++i)
    put_quad(words, &second, rows[0][i], rows[1][i], rows[2][i], rows[3][i]);
}

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
    c->slot = (slot + 1) % (2 * P8_QUAD);
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

static ap_status fill_pairs(const packed_scan *s, const packed_kept *kept, const int32_t *offsets,
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

/* ---- all lists -------------------------------------------------------------------------------- */
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
  for (size_t r = 0; r < s->rows; r += s->taps)
    for (size_t tap = 0; tap < s->taps; ++tap)
      offsets[r + tap] = (int32_t)(r / s->taps * g->in.channel * sizeof(float) +
                                   packed_tap_row(g, tap) * g->in.row * sizeof(float) +
                                   packed_tap_column(g, tap) * P8_LINE);
}

static ap_status fill_lists(const packed_scan *s, const packed_kept *kept, const int8_t *matrix,
                            ap_packed8_weights *w, ap_error *err) {
  if (w->form == AP_PACKED_KERNEL3) return fill_each(s, kept, matrix, NULL, w, err);
  int32_t *offsets = ap_calloc(s->rows, sizeof *offsets);
  if (!offsets) return ap_fail(err, AP_ERR_MEMORY, "a layer of %zu inputs", s->rows);
  find_offsets(s, &w->geometry, offsets);
  const ap_status st = kept->pairs && !kept->halves ? fill_pairs(s, kept, offsets, w, err)
                                                    : fill_each(s, kept, matrix, offsets, w, err);
  ap_free(offsets);
  return st;
}

static ap_status build_lists(packed_scan *s, const packed_kept *kept, const int8_t *matrix,
                             ap_packed8_weights *w, ap_error *err) {
  const bool kernels = w->form == AP_PACKED_KERNEL3;
  w->width = packed_form_width(w->form);
  w->small = kernels && is_small(&w->geometry, w->zero);
  const size_t quads = w->small ? P8_SMALL_QUADS : P8_KERNEL_QUADS;
  w->entry_words =
      kernels ? 1 + quads * w->isa->quad_words : P8_LIST_HEAD + w->width * w->isa->quad_words;
  w->n_lists = s->lists;
  size_t *rows = ap_calloc(s->segments * w->n_lists, sizeof *rows);
  w->start = ap_calloc(w->n_lists + 1, sizeof *w->start);
  if (s->segments > 1) w->bound = ap_calloc(s->segments * w->n_lists, sizeof *w->bound);
  if (!rows || !w->start || (s->segments > 1 && !w->bound)) {
    ap_free(rows);
    return ap_fail(err, AP_ERR_MEMORY, "lists of %zu output channels", s->n);
  }
  packed_kept_sizes(kept, s, rows);
  if (s->segments > 1 && !segments_pay(s, &w->geometry, rows)) {
    for (size_t i = w->n_lists; i < s->segments * w->n_lists; ++i) rows[i % w->n_lists] += rows[i];
    s->segments = 1;
    ap_free(w->bound);
    w->bound = NULL;
  }
  size_t *sizes = w->bound ? w->bound : w->start + 1;
  for (size_t i = 0; i < s->segments * w->n_lists; ++i)
    sizes[i] = kernels ? rows[i] : quads_of(rows[i]);
  packed_scan_place(s, w->bound, w->start);
  w->segments = s->segments;
  w->n_entries = w->start[w->n_lists];
  ap_free(rows);
  const size_t words = (w->n_entries + P8_AHEAD) * w->entry_words;
  w->words = ap_arena_calloc(w->room, words, sizeof *w->words);
  if (!w->words) return ap_fail(err, AP_ERR_MEMORY, "lists of %zu entries", w->n_entries);
  return fill_lists(s, kept, matrix, w, err);
}

/* ---- what a sum starts with, and how far it reaches ------------------------------------------- */
static ap_status build_columns(const packed_scan *s, const int8_t *matrix, const float *factor,
                               const float *shift, ap_packed8_weights *w, ap_error *err) {
  const size_t room = w->n_lists * w->width;
  const double most = 127.0 * (UINT8_MAX + (double)w->zero) * (double)s->k;
  w->base = ap_calloc(room, sizeof *w->base);
  w->factor = ap_calloc(room, sizeof *w->factor);
  w->shift = ap_calloc(room, sizeof *w->shift);
  if (!w->base || !w->factor || !w->shift)
    return ap_fail(err, AP_ERR_MEMORY, "%zu output channels", s->n);
  if (most > INT32_MAX)
    return ap_fail(err, AP_ERR_ARG, "%zu inputs of 8 bits: their sums may exceed 31 bits", s->k);
  for (size_t k = 0; w->zero > 0 && k < s->k; ++k)
    for (size_t i = 0; i < s->n; ++i) w->base[i] -= w->zero * matrix[k * s->n + i];
  for (size_t i = 0; i < s->n; ++i) {
    if (!isfinite(factor[i]) || !isfinite(shift[i]))
      return ap_fail(err, AP_ERR_ARG, "factor or shift %zu is not finite", i);
    w->factor[i] = factor[i];
    w->shift[i] = shift[i];
    w->reach = fmax(w->reach, fabs((double)factor[i]) * most + fabs((double)shift[i]));
  }
  return AP_OK;
}

ap_status ap_packed8_weights_create(const ap_packed8_isa *isa, const ap_packed_conv *geometry,
                                    const int8_t *matrix, uint8_t zero, const float *factor,
                                    const float *shift, ap_packed_form form,
                                    ap_packed8_weights **out, ap_error *err) {
  return ap_packed8_weights_create_in(NULL, isa, geometry, matrix, zero, factor, shift, form, out,
                                      err);
}

ap_status ap_packed8_weights_create_in(ap_arena *room, const ap_packed8_isa *isa,
                                       const ap_packed_conv *geometry, const int8_t *matrix,
                                       uint8_t zero, const float *factor, const float *shift,
                                       ap_packed_form form, ap_packed8_weights **out,
                                       ap_error *err) {
  *out = NULL;
  ap_status st = packed_check_geometry(geometry, err);
  if (st) return st;
  if ((unsigned)form > AP_PACKED_KERNEL3 ||
      (form != AP_PACKED_AUTO && !packed_form_possible(geometry, form)))
    return ap_fail(err, AP_ERR_ARG, "form %s for a %zux%zu kernel, stride %zu, %zu groups",
                   ap_packed_form_name(form), geometry->kh, geometry->kw, geometry->stride_h,
                   geometry->groups);
  if (geometry->in.block > INT32_MAX / sizeof(float))
    return ap_fail(err, AP_ERR_ARG, "%zux%zux%zu is too large for lists of 8-bit inputs",
                   geometry->in.c, geometry->in.h, geometry->in.w);
  packed_scan s;
  st = packed_scan_open(geometry, zero == 0, &s, err);
  if (st) return st;
  packed_kept kept = {0};
  ap_packed8_weights *w = ap_calloc(1, sizeof *w);
  if (!w) {
    st = ap_fail(err, AP_ERR_MEMORY, "a layer of %zu x %zu weights", s.k, s.n);
    goto done;
  }
  w->isa = isa;
  w->room = room;
  w->geometry = *geometry;
  w->zero = zero;
  const packed_matrix from = {matrix, sizeof *matrix, isa->nonzero};
  const packed_wish wish = {.geometry = geometry,
                            .form = form,
                            .choose = cheapest_form,
                            .context = w,
                            .pairs = geometry->groups == 1,
                            .units = isa->count_units,
                            .kernels = isa->count_kernels};
  st = packed_gather(&from, &wish, &s, &kept, &w->form, err);
  if (!st) st = build_lists(&s, &kept, matrix, w, err);
  if (!st) st = build_columns(&s, matrix, factor, shift, w, err);
  if (st) goto done;
  *out = w;
  w = NULL;
done:
  ap_packed8_weights_destroy(w);
  packed_kept_close(&kept);
  packed_scan_close(&s);
  return st;
}

void ap_packed8_weights_destroy(ap_packed8_weights *w) {
  if (!w) return;
  ap_free(w->start);
  ap_free(w->bound);
  if (!w->room) ap_free(w->words);
  ap_free(w->base);
  ap_free(w->factor);
  ap_free(w->shift);
  ap_free(w);
}

ap_packed_form ap_packed8_weights_form(const ap_packed8_weights *w) { return w->form; }

size_t ap_packed8_weights_bytes(const ap_packed8_weights *w) {
  return sizeof *w + (w->n_lists + 1) * sizeof *w->start +
         (w->bound ? w->segments * w->n_lists * sizeof *w->bound : 0) +
         w->n_lists * w->width * (sizeof *w->base + sizeof *w->factor + sizeof *w->shift) +
         (w->n_entries + P8_AHEAD) * w->entry_words * sizeof *w->words;
}
