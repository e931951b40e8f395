/* kernels/cpu/packed_weights.c - from a weight matrix with zeros to lists of what is kept. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "kernels/cpu/packed_impl.h"

/* Work of an entry in multiply-adds per pixel, besides its own: reading the input. From timings of
 * single layers (docs/EVALUATOR.md): lists of 8, 4, 2, 1 ran at 98, 97, 85, 77 % of the peak;
 * whole kernels at 98 % of what is left after padding, with stride 2 somewhat above lists of 1. */
static const double list_read_cost = 0.3, kernel_cost = 1.02, strided_kernel_cost = 1.2;
/* WINOGRAD, per pixel: of a kernel's row; of an input and of an output channel. */
static const double winograd_cost = 1.65, winograd_input_cost = 6, winograd_output_cost = 3;

typedef struct {
  size_t k, n, words; /* matrix; 64-bit words per row of bits */
  size_t taps;        /* kh * kw */
  const float *matrix;
  uint64_t *bits;                  /* [k][words]: which weights are kept */
  size_t entries[AP_PACKED_FORMS]; /* of every possible form */
} scan;

const char *ap_packed_form_name(ap_packed_form form) {
  static const char *const names[AP_PACKED_FORMS] = {"auto",  "list1",   "list2",   "list4",
                                                     "list8", "kernel3", "winograd"};
  return (unsigned)form < AP_PACKED_FORMS ? names[form] : "?";
}

size_t packed_form_width(ap_packed_form form) {
  switch (form) {
    case AP_PACKED_LIST2:
      return 2;
    case AP_PACKED_LIST4:
      return 4;
    case AP_PACKED_LIST8:
      return 8;
    default:
      return 1;
  }
}

ap_status packed_check_geometry(const ap_packed_conv *g, ap_error *err) {
  if (g->kh == 0 || g->kw == 0 || g->stride_h == 0 || g->stride_w == 0 || g->groups == 0)
    return ap_fail(err, AP_ERR_ARG, "kernel %zux%zu, stride %zux%zu, %zu groups", g->kh, g->kw,
                   g->stride_h, g->stride_w, g->groups);
  if (g->in.c % g->groups || g->out.c % g->groups)
    return ap_fail(err, AP_ERR_ARG, "%zu and %zu channels in %zu groups", g->in.c, g->out.c,
                   g->groups);
  if (g->pad_top > g->in.top || g->pad_left > g->in.left)
    return ap_fail(err, AP_ERR_ARG, "padding %zu, %zu with a border of %zu, %zu", g->pad_top,
                   g->pad_left, g->in.top, g->in.left);
  const size_t rows = (g->out.h - 1) * g->stride_h + g->kh;
  const size_t columns = (g->out.w - 1) * g->stride_w + g->kw;
  if (rows > g->pad_top + g->in.h + g->in.bottom || columns > g->pad_left + g->in.w + g->in.right)
    return ap_fail(err, AP_ERR_ARG, "%zux%zu outputs need %zux%zu inputs with padding", g->out.h,
                   g->out.w, rows, columns);
  return AP_OK;
}

bool packed_whole_kernels(ap_packed_form form) {
  return form == AP_PACKED_KERNEL3 || form == AP_PACKED_WINOGRAD;
}

bool packed_form_possible(const ap_packed_conv *g, ap_packed_form form) {
  if (packed_whole_kernels(form)) {
    const size_t most = form == AP_PACKED_KERNEL3 ? 2 : 1;
    return g->kh == 3 && g->kw == 3 && g->stride_h == g->stride_w && g->stride_h <= most;
  }
  return g->groups == 1 || g->out.c / g->groups % packed_form_width(form) == 0;
}

/* Word `word` of entry row r of a form: kept entries as bits. r: a matrix row, or an input channel
 * for whole kernels. */
static uint64_t entry_bits(const scan *s, const ap_packed_weights *w, size_t r, size_t word) {
  if (!packed_whole_kernels(w->form)) return packed_fold(s->bits[r * s->words + word], w->width);
  uint64_t any = 0;
  for (size_t tap = 0; tap < PACKED_TAPS; ++tap)
    any |= s->bits[(r * PACKED_TAPS + tap) * s->words + word];
  return any;
}
static size_t entry_rows(const scan *s, ap_packed_form form) {
  return packed_whole_kernels(form) ? s->k / PACKED_TAPS : s->k;
}

static void count_entries(scan *s, const ap_packed_isa *isa, const ap_packed_conv *g) {
  isa->count_units(s->bits, s->k * s->words, s->entries + AP_PACKED_LIST1);
  if (packed_form_possible(g, AP_PACKED_KERNEL3))
    s->entries[AP_PACKED_KERNEL3] = s->entries[AP_PACKED_WINOGRAD] =
        isa->count_kernels(s->bits, s->k / PACKED_TAPS, s->words);
}

/* Multiply-adds of a 3x3 kernel per pixel: with stride 1 the taps in the padding are left out. */
static double kernel_work(const ap_packed_conv *g) {
  if (g->stride_h == 2) return PACKED_TAPS * strided_kernel_cost;
  double rows = 3, columns = 3;
  if (g->pad_top == 1 && g->out.h == g->in.h) rows -= 2 / (double)g->out.h;
  if (g->pad_left == 1 && g->out.w == g->in.w) columns -= 2 / (double)g->out.w;
  return rows * columns * kernel_cost;
}

/* The same of WINOGRAD, and what it takes to transform inputs and outputs. */
static double winograd_work(const ap_packed_conv *g, double kernels) {
  const size_t computed = (g->out.w + 3) / 4 * 4; /* columns */
  const double wide = (double)computed / (double)g->out.w;
  double rows = 3;
  if (g->pad_top == 1 && g->out.h == g->in.h) rows -= 2 / (double)g->out.h;
  return wide * (kernels * rows * winograd_cost + (double)g->in.c * winograd_input_cost +
                 (double)g->out.c * winograd_output_cost);
}

static double work_of(const scan *s, const ap_packed_conv *g, ap_packed_form form) {
  const double entries = (double)s->entries[form];
  if (form == AP_PACKED_WINOGRAD) return winograd_work(g, entries);
  if (form == AP_PACKED_KERNEL3) return entries * kernel_work(g);
  return entries * ((double)packed_form_width(form) + list_read_cost);
}

static ap_packed_form cheapest_form(const scan *s, const ap_packed_conv *g) {
  ap_packed_form best = AP_PACKED_LIST1;
  double least = INFINITY;
  for (int f = AP_PACKED_LIST1; f < AP_PACKED_FORMS; ++f) {
    const ap_packed_form form = (ap_packed_form)f;
    if (!packed_form_possible(g, form)) continue;
    const double work = work_of(s, g, form);
    if (work < least) {
      least = work;
      best = form;
    }
  }
  return best;
}

/* The entry of row r at `column`, at e. offset: of the row's input. */
static void write_entry(const scan *s, const ap_packed_weights *w, size_t r, size_t column,
                        size_t offset, packed_word *e) {
  e[0].offset = (int32_t)offset;
  if (w->form == AP_PACKED_WINOGRAD) {
    w->isa->winograd_weights(s->matrix + r * PACKED_TAPS * s->n + column, s->n, e + 1);
    return;
  }
  if (w->form == AP_PACKED_KERNEL3) {
    const float *from = s->matrix + r * PACKED_TAPS * s->n + column;
    for (size_t i = 0; i < PACKED_TAPS; ++i) e[1 + i].weight = from[i * s->n];
    return;
  }
  const size_t count = s->n - column < w->width ? s->n - column : w->width;
  const float *from = s->matrix + r * s->n + column;
  if (count == 8) { /* a copy of fixed size is no call */
    memcpy(e + 1, from, 8 * sizeof *e);
    return;
  }
  for (size_t i = 0; i < count; ++i) e[1 + i].weight = from[i]; /* the others stay 0 */
}

static void count_lists(const scan *s, ap_packed_weights *w) {
  const int width_log = __builtin_ctzll(w->width);
  for (size_t r = 0; r < entry_rows(s, w->form); ++r)
    for (size_t word = 0; word < s->words; ++word)
      for (uint64_t m = entry_bits(s, w, r, word); m; m &= m - 1)
        ++w->start[((word * 64 + (size_t)__builtin_ctzll(m)) >> width_log) + 1];
}

/* Entries of row r in words first .. last - 1, each at start[list]++. */
static void fill_row(const scan *s, ap_packed_weights *w, size_t r, size_t first, size_t last) {
  const ap_packed_conv *g = &w->geometry;
  const bool whole = packed_whole_kernels(w->form);
  const size_t group_out = g->out.c / g->groups, group_in = g->in.c / g->groups;
  const int width_log = __builtin_ctzll(w->width);
  const size_t c = whole ? r : r / s->taps, tap = whole ? 0 : r % s->taps;
  const size_t channel =
      w->form == AP_PACKED_WINOGRAD ? packed_winograd_channel(w->band_rows) : g->in.channel;
  const size_t offset = c * channel + tap / g->kw * g->in.row + tap % g->kw * AP_PACKED_LANES;
  for (size_t word = first; word < last; ++word)
    for (uint64_t m = entry_bits(s, w, r, word); m; m &= m - 1) {
      const size_t column = word * 64 + (size_t)__builtin_ctzll(m);
      const size_t group = g->groups == 1 ? 0 : column / group_out;
      write_entry(s, w, r, column, offset + group * group_in * channel,
                  w->words + w->start[column >> width_log]++ * w->entry_words);
    }
}

/* Some columns at a time: their lists grow side by side in the cache. */
static void fill_lists(const scan *s, ap_packed_weights *w) {
  const size_t step = PACKED_LISTS_AT_ONCE * w->width / 64;
  for (size_t first = 0; first < s->words; first += step) {
    const size_t last = first + step < s->words ? first + step : s->words;
    for (size_t r = 0; r < entry_rows(s, w->form); ++r) fill_row(s, w, r, first, last);
  }
}

static ap_status build_lists(const scan *s, const float *bias, ap_packed_weights *w,
                             ap_error *err) {
  w->width = packed_form_width(w->form);
  w->entry_words = w->form == AP_PACKED_WINOGRAD  ? (size_t)PACKED_WINOGRAD_WORDS
                   : w->form == AP_PACKED_KERNEL3 ? 1 + (size_t)PACKED_TAPS
                                                  : 1 + w->width;
  w->band_rows = packed_winograd_rows(&w->geometry, w->isa->winograd_h);
  w->n_lists = (s->n + w->width - 1) / w->width;
  w->start = ap_calloc(w->n_lists + 1, sizeof *w->start);
  w->bias = ap_calloc(w->n_lists * w->width, sizeof *w->bias);
  if (!w->start || !w->bias)
    return ap_fail(err, AP_ERR_MEMORY, "lists of %zu output channels", s->n);
  count_lists(s, w);
  for (size_t i = 0; i < w->n_lists; ++i) w->start[i + 1] += w->start[i];
  w->n_entries = w->start[w->n_lists];
  w->words = ap_calloc((w->n_entries + PACKED_LIST_AHEAD) * w->entry_words, sizeof *w->words);
  if (!w->words) return ap_fail(err, AP_ERR_MEMORY, "lists of %zu entries", w->n_entries);
  fill_lists(s, w);
  /* every start[i] has advanced to its list's end: shift them back */
  for (size_t i = w->n_lists; i > 0; --i) w->start[i] = w->start[i - 1];
  w->start[0] = 0;
  for (size_t i = 0; i < s->n; ++i) {
    w->bias[i] = bias ? bias[i] : 0.0F;
    if (!isfinite(w->bias[i])) return ap_fail(err, AP_ERR_ARG, "bias %zu is not finite", i);
  }
  return AP_OK;
}

ap_status ap_packed_weights_create(const ap_packed_isa *isa, const ap_packed_conv *geometry,
                                   const float *matrix, const float *bias, ap_packed_form form,
                                   ap_packed_weights **out, ap_error *err) {
  *out = NULL;
  ap_status st = packed_check_geometry(geometry, err);
  if (st) return st;
  if ((unsigned)form >= AP_PACKED_FORMS ||
      (form != AP_PACKED_AUTO && !packed_form_possible(geometry, form)))
    return ap_fail(err, AP_ERR_ARG, "form %s for a %zux%zu kernel, stride %zu, %zu groups",
                   ap_packed_form_name(form), geometry->kh, geometry->kw, geometry->stride_h,
                   geometry->groups);
  scan s = {.n = geometry->out.c, .taps = geometry->kh * geometry->kw, .matrix = matrix};
  s.k = geometry->in.c / geometry->groups * s.taps;
  s.words = (s.n + 63) / 64;
  ap_packed_weights *w = ap_calloc(1, sizeof *w);
  s.bits = ap_calloc(s.k, s.words * sizeof *s.bits);
  if (!w || !s.bits) {
    st = ap_fail(err, AP_ERR_MEMORY, "a layer of %zu x %zu weights", s.k, s.n);
    goto done;
  }
  for (size_t k = 0; k < s.k; ++k) {
    if (!isa->nonzero(matrix + k * s.n, s.n, s.bits + k * s.words)) {
      st = ap_fail(err, AP_ERR_ARG, "a weight in row %zu is not finite", k);
      goto done;
    }
  }
  w->isa = isa;
  w->geometry = *geometry;
  if (form == AP_PACKED_AUTO) count_entries(&s, isa, geometry);
  w->form = form == AP_PACKED_AUTO ? cheapest_form(&s, geometry) : form;
  st = build_lists(&s, bias, w, err);
  if (st) goto done;
  *out = w;
  w = NULL;
done:
  ap_packed_weights_destroy(w);
  ap_free(s.bits);
  return st;
}

void ap_packed_weights_destroy(ap_packed_weights *weights) {
  if (!weights) return;
  ap_free(weights->start);
  ap_free(weights->words);
  ap_free(weights->bias);
  ap_free(weights);
}

ap_packed_form ap_packed_weights_form(const ap_packed_weights *weights) { return weights->form; }

size_t ap_packed_weights_bytes(const ap_packed_weights *w) {
  return sizeof *w + (w->n_lists + 1) * sizeof *w->start + w->n_lists * w->width * sizeof *w->bias +
         (w->n_entries + PACKED_LIST_AHEAD) * w->entry_words * sizeof *w->words;
}

size_t ap_packed_weights_macs(const ap_packed_weights *w) {
  const size_t each = packed_whole_kernels(w->form) ? (size_t)PACKED_TAPS : w->width;
  return w->n_entries * each * w->geometry.out.h * w->geometry.out.w;
}
