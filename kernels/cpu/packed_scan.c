#include "kernels/cpu/packed_scan.h"

#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "base/alloc.h"

const char *ap_packed_form_name(ap_packed_form form) {
  static const char *const names[AP_PACKED_FORMS] = {"auto",   "list1",   "list2",    "list4",
                                                     "list8",  "kernel3", "winograd", "strip1",
                                                     "strip4", "plane"};
  return (unsigned)form < AP_PACKED_FORMS ? names[form] : "?";
}

size_t packed_form_width(ap_packed_form form) {
  switch (form) {
    case AP_PACKED_LIST2:
      return 2;
    case AP_PACKED_LIST4:
    case AP_PACKED_STRIP4:
      return 4;
    case AP_PACKED_LIST8:
      return 8;
    default:
      return 1;
  }
}

bool packed_whole_kernels(ap_packed_form form) {
  return form == AP_PACKED_KERNEL3 || form == AP_PACKED_WINOGRAD;
}

bool packed_strips(ap_packed_form form) {
  return form == AP_PACKED_STRIP1 || form == AP_PACKED_STRIP4;
}

bool packed_form_possible(const ap_packed_conv *g, ap_packed_form form) {
  if (packed_whole_kernels(form)) {
    const size_t most = form == AP_PACKED_KERNEL3 ? 2 : 1;
    return g->kh == 3 && g->kw == 3 && ap_packed_reach_h(g) == 3 && ap_packed_reach_w(g) == 3 &&
           g->stride_h == g->stride_w && g->stride_h <= most;
  }
  if (packed_strips(form) && g->in.c * g->kh * g->kw > PACKED_STRIP_LINES) return false;
  return g->groups == 1 || g->out.c / g->groups % packed_form_width(form) == 0;
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
  const size_t rows = (g->out.h - 1) * g->stride_h + ap_packed_reach_h(g);
  const size_t columns = (g->out.w - 1) * g->stride_w + ap_packed_reach_w(g);
  if (rows > g->pad_top + g->in.h + g->in.bottom || columns > g->pad_left + g->in.w + g->in.right)
    return ap_fail(err, AP_ERR_ARG, "%zux%zu outputs need %zux%zu inputs with padding", g->out.h,
                   g->out.w, rows, columns);
  return AP_OK;
}

/* Of `taps`, `dilation` apart, those that lie inside the image for output `at`. */
static packed_part live(size_t at, size_t stride, size_t pad, size_t taps, size_t dilation,
                        size_t extent) {
  const size_t begin = at * stride, end = pad + extent; /* with padding before */
  size_t first = begin < pad ? (pad - begin + dilation - 1) / dilation : 0;
  if (first > taps) first = taps;
  size_t last = begin < end ? (end - begin - 1) / dilation + 1 : 0;
  if (last > taps) last = taps;
  return (packed_part){first, last > first ? last - first : 0};
}

packed_part packed_live_rows(const ap_packed_conv *g, size_t y) {
  return live(y, g->stride_h, g->pad_top, g->kh, g->dilation_h ? g->dilation_h : 1, g->in.h);
}
static packed_part live_columns(const ap_packed_conv *g, size_t x) {
  return live(x, g->stride_w, g->pad_left, g->kw, g->dilation_w ? g->dilation_w : 1, g->in.w);
}

/* From the first of the last output's to the last of the first output's. */
static packed_part hull(packed_part first, packed_part last, size_t taps) {
  if (first.count == 0 || last.count == 0) return (packed_part){0, taps};
  return (packed_part){last.first, first.first + first.count - last.first};
}

static void find_live(const ap_packed_conv *g, packed_scan *s) {
  s->live_rows = hull(packed_live_rows(g, 0), packed_live_rows(g, g->out.h - 1), g->kh);
  s->live_columns = hull(live_columns(g, 0), live_columns(g, g->out.w - 1), g->kw);
  for (size_t y = 0; y < g->out.h; ++y)
    s->partial = s->partial || packed_live_rows(g, y).count < s->live_rows.count;
}

bool packed_scan_dead(const packed_scan *s, size_t k) {
  if (s->live_rows.count * s->live_columns.count == s->taps) return false;
  const size_t row = k % s->taps / s->kw, column = k % s->kw; /* before `first` they wrap */
  return row - s->live_rows.first >= s->live_rows.count ||
         column - s->live_columns.first >= s->live_columns.count;
}

double packed_scan_share(const packed_scan *s, const ap_packed_conv *g) {
  if (!s->partial) return 1;
  size_t live = 0;
  for (size_t y = 0; y < g->out.h; ++y) live += packed_live_rows(g, y).count;
  return (double)live / (double)(g->out.h * s->live_rows.count);
}

ap_status packed_scan_open(const ap_packed_conv *g, bool padding_is_zero, packed_scan *s,
                           ap_error *err) {
  *s = (packed_scan){.n = g->out.c,
                     .taps = g->kh * g->kw,
                     .kw = g->kw,
                     .live_rows = {0, g->kh},
                     .live_columns = {0, g->kw},
                     .segments = 1};
  if (padding_is_zero) find_live(g, s);
  s->k = g->in.c / g->groups * s->taps;
  s->words = (s->n + 63) / 64;
  s->bits = ap_calloc(s->k, s->words * sizeof *s->bits);
  return s->bits ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "a layer of %zu x %zu weights", s->k, s->n);
}

void packed_scan_close(packed_scan *s) { ap_free(s->bits); }

void packed_scan_count(packed_scan *s, const ap_packed_conv *g,
                       void (*units)(const uint64_t *bits, size_t n, size_t counts[4]),
                       size_t (*kernels)(const uint64_t *bits, size_t kernels, size_t words)) {
  units(s->bits, s->k * s->words, s->entries + AP_PACKED_LIST1);
  s->entries[AP_PACKED_STRIP1] = s->entries[AP_PACKED_LIST1];
  s->entries[AP_PACKED_STRIP4] = s->entries[AP_PACKED_LIST4];
  s->entries[AP_PACKED_PLANE] = s->entries[AP_PACKED_LIST1];
  if (packed_form_possible(g, AP_PACKED_KERNEL3))
    s->entries[AP_PACKED_KERNEL3] = s->entries[AP_PACKED_WINOGRAD] =
        kernels(s->bits, s->k / PACKED_TAPS, s->words);
}

/* ---- from weights to lists -------------------------------------------------------------------- */
/* Bit j of the result: any of the bits 2 j and 2 j + 1. */
static uint64_t fold_pairs(uint64_t x) {
  x = (x | x >> 1) & 0x5555555555555555U;
  x = (x | x >> 1) & 0x3333333333333333U;
  x = (x | x >> 2) & 0x0F0F0F0F0F0F0F0FU;
  x = (x | x >> 4) & 0x00FF00FF00FF00FFU;
  x = (x | x >> 8) & 0x0000FFFF0000FFFFU;
  return (x | x >> 16) & 0x00000000FFFFFFFFU;
}

/* Bit j of the result: any of the bits j * width .. j * width + width - 1. */
static uint64_t fold(uint64_t x, size_t width) {
  switch (width) {
    case 2:
      return fold_pairs(x);
    case 4:
      x |= x >> 1;
      x = (x | x >> 2) & 0x1111111111111111U;
      x = (x | x >> 3) & 0x0303030303030303U;
      x = (x | x >> 6) & 0x000F000F000F000FU;
      x = (x | x >> 12) & 0x000000FF000000FFU;
      return (x | x >> 24) & 0x000000000000FFFFU;
    case 8:
      x |= x >> 1;
      x |= x >> 2;
      x = (x | x >> 4) & 0x0101010101010101U;
      return x * 0x0102040810204080U >> 56; /* bit 8 i moves to 56 + i */
    default:
      return x;
  }
}

/* Words of `width` words of bits each; n: words of bits. */
static inline __attribute__((always_inline)) void fold_row(const uint64_t *bits, size_t n,
                                                           size_t width, uint64_t *out) {
  for (size_t i = 0; i < n; i += width) {
    uint64_t any = 0;
    for (size_t j = 0; j < width && i + j < n; ++j)
      any |= fold(bits[i + j], width) << j * (64 / width);
    out[i / width] = any;
  }
}

/* Bytes of bits are lists of eight: the processor compares 16 of them at once. */
static void fold_bytes(const uint64_t *bits, size_t n, uint64_t *out) {
#if defined(__SSE2__)
  const __m128i none = _mm_setzero_si128();
  for (size_t i = 0; i < n; i += 8) {
    uint64_t any = 0;
    size_t j = 0;
    for (; j < 8 && i + j + 2 <= n; j += 2) {
      const __m128i two = _mm_loadu_si128((const __m128i *)(const void *)(bits + i + j));
      const int empty = _mm_movemask_epi8(_mm_cmpeq_epi8(two, none));
      any |= (uint64_t)(0xFFFF & ~(unsigned)empty) << 8 * j;
    }
    if (j < 8 && i + j < n) any |= fold(bits[i + j], 8) << 8 * j;
    out[i / 8] = any;
  }
#else
  fold_row(bits, n, 8, out);
#endif
}

void packed_fold(const packed_scan *s, const uint64_t *bits, ap_packed_form form, uint64_t *out) {
  const size_t n = s->words;
  if (packed_whole_kernels(form)) {
    for (size_t word = 0; word < n; ++word) {
      uint64_t any = 0;
      for (size_t tap = 0; tap < PACKED_TAPS; ++tap) any |= bits[tap * n + word];
      out[word] = any;
    }
    return;
  }
  switch (packed_form_width(form)) {
    case 2:
      fold_row(bits, n, 2, out);
      break;
    case 4:
      fold_row(bits, n, 4, out);
      break;
    case 8:
      fold_bytes(bits, n, out);
      break;
    default:
      memmove(out, bits, n * sizeof *out);
  }
}

void packed_scan_shape(packed_scan *s, ap_packed_form form) {
  const size_t width = packed_form_width(form);
  s->rows = packed_whole_kernels(form) ? s->k / PACKED_TAPS : s->k;
  s->lists = (s->n + width - 1) / width;
  s->words = (s->lists + 63) / 64;
  const bool rows = !packed_whole_kernels(form) && !packed_strips(form);
  s->segments = s->partial && rows ? s->taps / s->kw : 1;
}

/* Each row's words become fewer and move up: never past one that is still to be read. */
void packed_scan_lists(packed_scan *s, ap_packed_form form) {
  const size_t step = packed_whole_kernels(form) ? (size_t)PACKED_TAPS : 1;
  packed_scan to = *s;
  packed_scan_shape(&to, form);
  for (size_t r = 0; r < to.rows; ++r)
    packed_fold(s, s->bits + r * step * s->words, form, s->bits + r * to.words);
  *s = to;
}

void packed_scan_place(const packed_scan *s, size_t *bound, size_t *start) {
  for (size_t i = 0; i < s->lists; ++i) {
    size_t at = start[i];
    if (!bound) at += start[i + 1];
    for (size_t segment = 0; bound && segment < s->segments; ++segment) {
      at += bound[segment * s->lists + i];
      bound[segment * s->lists + i] = at;
    }
    start[i + 1] = at;
  }
}

packed_entries packed_entries_of(const ap_packed_conv *g, const packed_places *w, size_t y,
                                 size_t count) {
  packed_entries e = {w->start, w->start + 1};
  if (!w->bound) return e;
  const packed_part first = packed_live_rows(g, y), last = packed_live_rows(g, y + count - 1);
  const size_t end = first.first + first.count;
  if (last.first > 0) e.from = w->bound + (last.first - 1) * w->n_lists;
  e.to = end > 0 ? w->bound + (end - 1) * w->n_lists : e.from;
  return e;
}

void packed_scan_sizes(const packed_scan *s, size_t *sizes) {
  for (size_t r = 0; r < s->rows; ++r) {
    size_t *of = sizes + packed_scan_segment(s, r) * s->lists;
    for (size_t word = 0; word < s->words; ++word)
      for (uint64_t m = s->bits[r * s->words + word]; m; m &= m - 1)
        ++of[word * 64 + (size_t)__builtin_ctzll(m)];
  }
}
