/* kernels/cpu/packed8_lines.h - lists on registers that hold a whole line, the common case without branches:
 * a row of pixels, codes limited by 0 and 255 alone (as after a ReLU), with a residual of codes that
 * stand for themselves or none; part of packed8_kernels.h.
 *
 * Lists of up to four channels sum all 64 images in one pass, 16 sums in registers: four for each channel
 * and pixel. Lists of eight do so in two passes of half the images, and keep the first one's words. */

/* What a row reads again and again. */
typedef struct {
  const ap_packed8_weights *w;
  packed_entries entries;
  size_t words; /* of an entry */
  size_t in_column, out_channel, residual_channel, residual_column;
  size_t first_added, end_added; /* lists with a residual */
  vf residual_factor;
  bool far;
} row_state;

/* A list's sums of `pixels` pixels: quads `half` (0, 1) or all (ALL). */
enum { ALL = 2 };
INLINE void sum_list(const row_state *s, size_t list, const uint8_t *in, const int width,
                     const int pixels, const int half, v32 *acc) {
  const int quads = half == ALL ? 4 : 2;
  const int32_t *e = s->w->words + s->entries.from[list] * s->words;
  const int32_t *const end = s->w->words + s->entries.to[list] * s->words;
  const int32_t *base = s->w->base + list * (size_t)width;
#pragma GCC unroll 8
  for (int k = 0; k < width; ++k) {
    const v32 from = splat32(base[k]);
#pragma GCC unroll 16
    for (int i = 0; i < pixels * quads; ++i) acc[k * pixels * quads + i] = from;
  }
  for (; e != end; e += s->words) {
    const uint8_t *r0 = in + e[0], *r1 = in + e[1], *r2 = in + e[2], *r3 = in + e[3];
    if (half != 1) { /* lines lie scattered, in the second or third cache */
      const int32_t *ahead = e + P8_AHEAD * s->words;
#pragma GCC unroll 4
      for (int i = 0; i < P8_QUAD; ++i) __builtin_prefetch(in + ahead[i]);
    }
#pragma GCC unroll 4
    for (int p = 0; p < pixels; ++p) {
      const size_t at = (size_t)p * s->in_column;
      const v8 l0 = load(r0 + at), l1 = load(r1 + at), l2 = load(r2 + at), l3 = load(r3 + at);
      v8 q[4];
      interleave(l0, l1, l2, l3, half == 1, &q[0], &q[1]);
      if (half == ALL) interleave(l0, l1, l2, l3, 1, &q[2], &q[3]);
#pragma GCC unroll 8
      for (int k = 0; k < width; ++k) {
        const v32 weights = splat32(e[P8_LIST_HEAD + k]);
        v32 *a = acc + (k * pixels + p) * quads;
#pragma GCC unroll 4
        for (int i = 0; i < quads; ++i) a[i] = DOT(a[i], q[i], weights);
      }
    }
  }
}

/* Two vectors of sums to words. */
INLINE v16 finish_half(const row_state *s, vf factor, vf shift, const v32 *a, const int half,
                       const uint8_t *residual) {
  vf v0 = FMA(to_float(a[0]), factor, shift), v1 = FMA(to_float(a[1]), factor, shift);
  if (residual) {
    v32 q0, q1;
    residual_quads(residual, (size_t)half, &q0, &q1);
    v0 = FMA(to_float(q0), s->residual_factor, v0);
    v1 = FMA(to_float(q1), s->residual_factor, v1);
  }
  return PACK32(ROUND(v0), ROUND(v1));
}

/* One list, `pixels` pixels from in on; out, residual (NULL: none): of its first channel. */
INLINE void line_list(const row_state *s, size_t list, const uint8_t *in, const int width,
                      const int pixels, const uint8_t *residual, uint8_t *out) {
  const float *factor = s->w->factor + list * (size_t)width;
  const float *shift = s->w->shift + list * (size_t)width;
  v32 acc[16];
  v16 first[8];
  if (width == 8) {
    sum_list(s, list, in, width, 1, 0, acc);
#pragma GCC unroll 8
    for (int k = 0; k < width; ++k)
      first[k] = finish_half(s, splatf(factor[k]), splatf(shift[k]), acc + 2 * k, 0,
                             residual ? residual + (size_t)k * s->residual_channel : NULL);
    sum_list(s, list, in, width, 1, 1, acc);
  } else {
    sum_list(s, list, in, width, pixels, ALL, acc);
  }
#pragma GCC unroll 8
  for (int k = 0; k < width; ++k) {
    const vf by = splatf(factor[k]), plus = splatf(shift[k]);
#pragma GCC unroll 4
    for (int p = 0; p < pixels; ++p) {
      const v32 *a = acc + (width == 8 ? 2 * k : 4 * (k * pixels + p));
      const uint8_t *add = NULL;
      if (residual)
        add = residual + (size_t)k * s->residual_channel + (size_t)p * s->residual_column;
      const v16 low = width == 8 ? first[k] : finish_half(s, by, plus, a, 0, add);
      const v16 high = finish_half(s, by, plus, width == 8 ? a : a + 2, 1, add);
      *(v8 *)(void *)(out + (size_t)k * s->out_channel + (size_t)p * P8_LINE) = PACK16(low, high);
    }
  }
}

/* The tile's lists, `pixels` pixels. */
INLINE void line_lists(const row_state *s, const packed8_tile *t, size_t x, const int width,
                       const int pixels, const int adds) {
  const uint8_t *in = t->in + x * s->in_column;
  uint8_t *out = t->out + x * P8_LINE;
  const uint8_t *residual = adds ? t->residual + x * s->residual_column : NULL;
  const size_t step = (size_t)width * s->out_channel;
  out += t->first_list * step;
  if (adds && t->first_list > s->first_added)
    residual += (t->first_list - s->first_added) * (size_t)width * s->residual_channel;
  for (size_t list = t->first_list; list < t->end_list; ++list, out += step) {
    if (s->far) {
#pragma GCC unroll 8
      for (int k = 0; k < width * pixels; ++k)
        __builtin_prefetch(
            out + step + (size_t)(k / pixels) * s->out_channel + (size_t)(k % pixels) * P8_LINE, 1);
    }
    if (adds && list >= s->first_added && list < s->end_added) {
      line_list(s, list, in, width, pixels, residual, out);
      residual += (size_t)width * s->residual_channel;
    } else {
      line_list(s, list, in, width, pixels, NULL, out);
    }
  }
}

/* As an initialiser: gcc keeps less in registers of what a function returns. */
#define ROW_STATE(t, width, adds)                                                               \
  {                                                                                             \
    .w = (t)->weights, .entries = (t)->entries, .words = (size_t)(width) + P8_LIST_HEAD,        \
    .in_column = (t)->in_column, .out_channel = (t)->out_channel,                               \
    .residual_channel = (t)->residual_channel, .residual_column = (t)->residual_column,         \
    .first_added = (adds) ? (t)->residual_first / (size_t)(width) : 0,                          \
    .end_added = (adds) ? ((t)->residual_first + (t)->residual_channels) / (size_t)(width) : 0, \
    .residual_factor = splatf((t)->residual_factor), .far = (t)->far,                           \
  }

INLINE void row_of_lists(const packed8_tile *t, const int width, const int pixels, const int adds) {
  const row_state s = ROW_STATE(t, width, adds);
  size_t x = 0;
  for (; x + (size_t)pixels <= t->columns; x += (size_t)pixels)
    line_lists(&s, t, x, width, pixels, adds);
  for (; x < t->columns; ++x) line_lists(&s, t, x, width, 1, adds);
}

/* ---- tiles of any kind -------------------------------------------------------------------------- */
/* One pixel of one channel, all images. */
static NOINLINE void finish_line(const packed8_tile *t, size_t channel, vf factor, vf shift, v32 a0,
                                 v32 a1, v32 a2, v32 a3, const uint8_t *residual, uint8_t *out) {
  v32 a[P8_PARTS] = {a0, a1, a2, a3};
  finish_any(t, channel, factor, shift, 0, 0, P8_PARTS, residual, out, a);
  if (t->out_codes) *(v8 *)(void *)out = PACK16(PACK32(a[0], a[1]), PACK32(a[2], a[3]));
}

/* Sums of one list: quads `half` of one pixel, or ALL of `pixels`. */
INLINE void finish_list(const row_state *s, const packed8_tile *t, size_t list, const int width,
                        const int pixels, const int half, const v32 *acc) {
#pragma GCC unroll 8
  for (int k = 0; k < width; ++k) {
    const size_t channel = list * (size_t)width + (size_t)k;
    const vf factor = splatf(s->w->factor[channel]), shift = splatf(s->w->shift[channel]);
    const uint8_t *residual = residual_channel(t, channel);
    uint8_t *out = t->out + channel * s->out_channel;
#pragma GCC unroll 4
    for (int p = 0; p < pixels; ++p, out += P8_LINE) {
      const v32 *a = acc + (k * pixels + p) * (half == ALL ? 4 : 2);
      if (half == ALL)
        finish_line(t, channel, factor, shift, a[0], a[1], a[2], a[3], residual, out);
      else
        finish(t, channel, factor, shift, a[0], a[1], 0, (size_t)half, residual, out);
      if (residual) residual += s->residual_column;
    }
  }
}

INLINE void any_lists(const row_state *s, const packed8_tile *t, const int width,
                      const int pixels) {
  for (size_t list = t->first_list; list < t->end_list; ++list) {
    v32 acc[16];
    if (s->far) ahead_of_stores(t, list, s->w->geometry.out.c, width, pixels);
    if (width < 8) {
      sum_list(s, list, t->in, width, pixels, ALL, acc);
      finish_list(s, t, list, width, pixels, ALL, acc);
      continue;
    }
    sum_list(s, list, t->in, width, 1, 0, acc);
    finish_list(s, t, list, width, 1, 0, acc);
    sum_list(s, list, t->in, width, 1, 1, acc);
    finish_list(s, t, list, width, 1, 1, acc);
  }
}

INLINE void any_row(const packed8_tile *row, const int width, const int pixels) {
  const row_state s = ROW_STATE(row, width, 1);
  packed8_tile t = *row;
  size_t n;
  for (size_t x = 0; x < row->columns; x += n) {
    n = x + (size_t)pixels <= row->columns ? (size_t)pixels : 1;
    if (n > 1)
      any_lists(&s, &t, width, pixels);
    else
      any_lists(&s, &t, width, 1);
    t.in += n * s.in_column;
    t.out += n * P8_LINE;
    if (t.residual) t.residual += n * s.residual_column;
  }
}

#define ROW(w, p)                                                              \
  static void row_##w##_0(const packed8_tile *t) { row_of_lists(t, w, p, 0); } \
  static void row_##w##_1(const packed8_tile *t) { row_of_lists(t, w, p, 1); } \
  static void row_##w##_any(const packed8_tile *t) { any_row(t, w, p); }
ROW(1, 4)
ROW(2, 2)
ROW(4, 1)
ROW(8, 1)
/* clang-format off: it breaks lists of lists oddly */
#define ROW_OF(w) \
  { row_##w##_0, row_##w##_1, row_##w##_any }
#define ROW_TABLE \
  { ROW_OF(1), ROW_OF(2), ROW_OF(4), ROW_OF(8) }
/* clang-format on */
