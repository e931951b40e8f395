/* kernels/cpu/packed8_weights.c - from an integer weight matrix with zeros to lists of what is
 * kept, four inputs (a quad) at a time. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "kernels/cpu/packed8_impl.h"
#include "kernels/cpu/packed_impl.h"

/* Work in cycles of one dot product instruction, per pixel and 64 images. A list's entry: 4 for each
 * output channel, or what it takes to interleave its four lines (8 instructions); and each list has
 * its beginning and end. A kernel: three quads of inputs for each pixel, or one where the image is
 * 2x2; and the end of each output channel. From timings of layers of 16 to 512 channels. */
static const double list_cost[] = {8.5, 9, 16, 32.5}, list_end[] = {7, 22, 50, 98};
static const double half_filled = 0.4; /* quads lost at a list's end */
static const double kernel_cost = 11.5, small_cost = 4.5, kernel_end = 24;
static const double interleave_cost = 7, strided_interleave_cost = 22; /* per input channel */

typedef struct {
  size_t k, n, words, taps;
  const int8_t *matrix;
  uint64_t *bits;                     /* [k][words]: which weights are kept */
  size_t rows[AP_PACKED_KERNEL3 + 1]; /* entries' rows of every possible form */
} scan;

static uint64_t entry_bits(const scan *s, const ap_packed8_weights *w, size_t r, size_t word) {
  if (w->form != AP_PACKED_KERNEL3) return packed_fold(s->bits[r * s->words + word], w->width);
  uint64_t any = 0;
  for (size_t tap = 0; tap < PACKED_TAPS; ++tap)
    any |= s->bits[(r * PACKED_TAPS + tap) * s->words + word];
  return any;
}
static size_t entry_rows(const scan *s, ap_packed_form form) {
  return form == AP_PACKED_KERNEL3 ? s->k / PACKED_TAPS : s->k;
}

static void count_rows(scan *s, const ap_packed8_isa *isa, const ap_packed_conv *g) {
  isa->count_units(s->bits, s->k * s->words, s->rows + AP_PACKED_LIST1);
  if (packed_form_possible(g, AP_PACKED_KERNEL3))
    s->rows[AP_PACKED_KERNEL3] = isa->count_kernels(s->bits, s->k / PACKED_TAPS, s->words);
}

/* ---- choice of the form ----------------------------------------------------------------------- */
/* Taps in the padding can be left out only where they stand for code 0. */
static bool is_small(const ap_packed_conv *g, uint8_t zero) {
  return zero == 0 && g->kh == 3 && g->kw == 3 && g->stride_h == 1 && g->stride_w == 1 &&
         g->pad_top == 1 && g->pad_left == 1 && g->in.h == 2 && g->in.w == 2 && g->out.h == 2 &&
         g->out.w == 2;
}

static double work_of(const scan *s, const ap_packed_conv *g, uint8_t zero, ap_packed_form form) {
  const double rows = (double)s->rows[form];
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
  return (rows / P8_QUAD + half_filled * lists) * list_cost[i] + lists * list_end[i];
}

static ap_packed_form cheapest_form(const scan *s, const ap_packed8_isa *isa,
                                    const ap_packed_conv *g, uint8_t zero) {
  ap_packed_form best = AP_PACKED_LIST1;
  double least = INFINITY;
  for (int f = AP_PACKED_LIST1; f <= AP_PACKED_KERNEL3; ++f) {
    const ap_packed_form form = (ap_packed_form)f;
    if (!packed_form_possible(g, form)) continue;
    if (form != AP_PACKED_KERNEL3 && packed_form_width(form) > isa->list_tile) continue;
    const double work = work_of(s, g, zero, form);
    if (work < least) {
      least = work;
      best = form;
    }
  }
  return best;
}

/* ---- lists ------------------------------------------------------------------------------------ */
static int32_t word_of(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  return (int32_t)(a | b << 8 | c << 16 | d << 24);
}

/* Kernel of input channel r and output channel `column` into e. */
static void write_kernel(const scan *s, const ap_packed8_weights *w, size_t r, size_t column,
                         int32_t channel, int32_t *e) {
  const uint8_t *from = (const uint8_t *)s->matrix + r * PACKED_TAPS * s->n + column;
  uint32_t tap[PACKED_TAPS];
  for (size_t i = 0; i < PACKED_TAPS; ++i) tap[i] = from[i * s->n];
  *e++ = channel;
  if (w->small) { /* byte of pixel (y, x) for output (oy, ox): tap (y - oy + 1, x - ox + 1) */
    e[0] = word_of(tap[4], tap[5], tap[7], tap[8]);
    e[1] = word_of(tap[3], tap[4], tap[6], tap[7]);
    e[2] = word_of(tap[1], tap[2], tap[4], tap[5]);
    e[3] = word_of(tap[0], tap[1], tap[3], tap[4]);
    return;
  }
  for (size_t x = 0; x < 3; ++x) {
    e[x] = word_of(tap[x], tap[3 + x], tap[6 + x], 0);
    e[3 + x] = word_of(0, tap[x], tap[3 + x], tap[6 + x]);
  }
}

enum { LITTLE_ENDIAN_BYTES = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ };

/* Row r as one of the four inputs of a list's entry. */
static void write_row(const scan *s, const ap_packed8_weights *w, size_t r, size_t column,
                      int32_t offset, size_t slot, int32_t *e) {
  const size_t count = s->n - column < w->width ? s->n - column : w->width;
  const int8_t *from = s->matrix + r * s->n + column;
  uint8_t *bytes =
      (uint8_t *)(e + P8_LIST_HEAD) + (LITTLE_ENDIAN_BYTES ? slot : P8_QUAD - 1 - slot);
  if (slot == 0) /* the other three may stay: their weights are 0 */
    for (size_t i = 0; i < P8_QUAD; ++i) e[i] = offset;
  e[slot] = offset;
  for (size_t i = 0; i < count; ++i) bytes[P8_QUAD * i] = (uint8_t)from[i];
}

/* Rows per list, at [list + 1]. */
static void count_lists(const scan *s, const ap_packed8_weights *w, size_t *rows) {
  const int width_log = __builtin_ctzll(w->width);
  for (size_t r = 0; r < entry_rows(s, w->form); ++r)
    for (size_t word = 0; word < s->words; ++word)
      for (uint64_t m = entry_bits(s, w, r, word); m; m &= m - 1)
        ++rows[(word * 64 + (size_t)__builtin_ctzll(m)) >> width_log];
}

/* Row r in words first .. last - 1; done[list]: rows written so far. */
static void fill_row(const scan *s, ap_packed8_weights *w, size_t r, size_t first, size_t last,
                     size_t *done) {
  const ap_packed_conv *g = &w->geometry;
  const size_t group_out = g->out.c / g->groups, group_in = g->in.c / g->groups;
  const bool kernels = w->form == AP_PACKED_KERNEL3;
  const int width_log = __builtin_ctzll(w->width);
  const size_t c = kernels ? r : r / s->taps, tap = kernels ? 0 : r % s->taps;
  const size_t offset = tap / g->kw * g->in.row * sizeof(float) + tap % g->kw * P8_LINE;
  for (size_t word = first; word < last; ++word)
    for (uint64_t m = entry_bits(s, w, r, word); m; m &= m - 1) {
      const size_t column = word * 64 + (size_t)__builtin_ctzll(m), list = column >> width_log;
      const size_t channel = (g->groups == 1 ? 0 : column / group_out * group_in) + c;
      const size_t position = done[list]++;
      if (kernels)
        write_kernel(s, w, r, column, (int32_t)channel,
                     w->words + (w->start[list] + position) * w->entry_words);
      else
        write_row(s, w, r, column, (int32_t)(channel * g->in.channel * sizeof(float) + offset),
                  position % P8_QUAD,
                  w->words + (w->start[list] + position / P8_QUAD) * w->entry_words);
    }
}

/* Some columns at a time: their lists grow side by side in the cache. */
static void fill_lists(const scan *s, ap_packed8_weights *w, size_t *done) {
  const size_t step = PACKED_LISTS_AT_ONCE * w->width / 64;
  for (size_t first = 0; first < s->words; first += step) {
    const size_t last = first + step < s->words ? first + step : s->words;
    for (size_t r = 0; r < entry_rows(s, w->form); ++r) fill_row(s, w, r, first, last, done);
  }
}

static ap_status build_lists(const scan *s, ap_packed8_weights *w, ap_error *err) {
  const bool kernels = w->form == AP_PACKED_KERNEL3;
  w->width = packed_form_width(w->form);
  w->small = kernels && is_small(&w->geometry, w->zero);
  w->entry_words = !kernels   ? P8_LIST_HEAD + w->width
                   : w->small ? (size_t)P8_SMALL_WORDS
                              : (size_t)P8_KERNEL_WORDS;
  w->n_lists = (s->n + w->width - 1) / w->width;
  size_t *rows = ap_calloc(w->n_lists, sizeof *rows);
  w->start = ap_calloc(w->n_lists + 1, sizeof *w->start);
  if (!rows || !w->start) {
    ap_free(rows);
    return ap_fail(err, AP_ERR_MEMORY, "lists of %zu output channels", s->n);
  }
  count_lists(s, w, rows);
  for (size_t i = 0; i < w->n_lists; ++i)
    w->start[i + 1] = w->start[i] + (kernels ? rows[i] : (rows[i] + P8_QUAD - 1) / P8_QUAD);
  w->n_entries = w->start[w->n_lists];
  w->words = ap_calloc((w->n_entries + P8_AHEAD) * w->entry_words, sizeof *w->words);
  if (w->words) {
    memset(rows, 0, w->n_lists * sizeof *rows);
    fill_lists(s, w, rows);
  }
  ap_free(rows);
  return w->words ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "lists of %zu entries", w->n_entries);
}

/* ---- what a sum starts with, and how far it reaches ------------------------------------------- */
static ap_status build_columns(const scan *s, const float *factor, const float *shift,
                               ap_packed8_weights *w, ap_error *err) {
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
    for (size_t i = 0; i < s->n; ++i) w->base[i] -= w->zero * s->matrix[k * s->n + i];
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
  scan s = {.n = geometry->out.c, .taps = geometry->kh * geometry->kw, .matrix = matrix};
  s.k = geometry->in.c / geometry->groups * s.taps;
  s.words = (s.n + 63) / 64;
  ap_packed8_weights *w = ap_calloc(1, sizeof *w);
  s.bits = ap_calloc(s.k, s.words * sizeof *s.bits);
  if (!w || !s.bits) {
    st = ap_fail(err, AP_ERR_MEMORY, "a layer of %zu x %zu weights", s.k, s.n);
    goto done;
  }
  for (size_t k = 0; k < s.k; ++k) isa->nonzero(matrix + k * s.n, s.n, s.bits + k * s.words);
  w->isa = isa;
  w->geometry = *geometry;
  w->zero = zero;
  if (form == AP_PACKED_AUTO) count_rows(&s, isa, geometry);
  w->form = form == AP_PACKED_AUTO ? cheapest_form(&s, isa, geometry, zero) : form;
  st = build_lists(&s, w, err);
  if (!st) st = build_columns(&s, factor, shift, w, err);
  if (st) goto done;
  *out = w;
  w = NULL;
done:
  ap_packed8_weights_destroy(w);
  ap_free(s.bits);
  return st;
}

void ap_packed8_weights_destroy(ap_packed8_weights *w) {
  if (!w) return;
  ap_free(w->start);
  ap_free(w->words);
  ap_free(w->base);
  ap_free(w->factor);
  ap_free(w->shift);
  ap_free(w);
}

ap_packed_form ap_packed8_weights_form(const ap_packed8_weights *w) { return w->form; }

size_t ap_packed8_weights_bytes(const ap_packed8_weights *w) {
  return sizeof *w + (w->n_lists + 1) * sizeof *w->start +
         w->n_lists * w->width * (sizeof *w->base + sizeof *w->factor + sizeof *w->shift) +
         (w->n_entries + P8_AHEAD) * w->entry_words * sizeof *w->words;
}
