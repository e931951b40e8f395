/* kernels/cpu/packed8_kernels.h - the integer kernels; included once per instruction set by
 * packed8_avx512.c, packed8_avx2.c and packed8_plain.c, each compiled with its own flags.
 * Before inclusion: VECTOR (bytes of a register), LIST_TILE, KERNEL_W (see struct ap_packed8_isa),
 * ISA_NAME, ISA_TABLE, the types v8, v16, v32, vf (vectors of uint8_t, int16_t, int32_t, float) and
 *   UNPACK_LO8/HI8(a, b), UNPACK_LO16/HI16(a, b)  interleave within 128-bit lanes (v8)
 *   PACK32(a, b)       v32 to v16, saturating, within lanes;  PACK16(a, b)  v16 to unsigned v8
 *   QUAD_WORDS, v_quad, WEIGHTS(e)  struct ap_packed8_isa, quad_words; a quad for all lanes, from there
 *   DOT(acc, x, w)     acc + products of 4 unsigned bytes of x and 4 signed of w (v_quad), exact
 *   QUAD_BYTES(v, q)   v32 of the bytes 4 * q .. 4 * q + 3 of every 128-bit lane
 *   FMA(a, b, c)       a * b + c, rounded once
 *   ROUND(v)           vf to v32, halves to even;  MAX8/MIN8(a, b)  unsigned bytes
 *   MAXF/MINF(a, b)    a > b ? a : b, a < b ? a : b
 *   NONZERO8(v)        a bit mask of the bytes that are not 0
 *   STORE_HALF(p, v, half)  bytes 8 * half .. 8 * half + 7 of every 128-bit lane
 * Loops over constants are unrolled completely, so that accumulators live in registers. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "kernels/cpu/packed8_impl.h"
#include "kernels/cpu/packed_count.h"

/* Of QUAD_BYTES as byte shuffles: where the bytes of one 128-bit lane come from (0x80: zero). */
#define QUAD_AT(q)                                                                             \
  (int)(0x80808003U + 4U * (q)), (int)(0x80808002U + 4U * (q)), (int)(0x80808001U + 4U * (q)), \
      (int)(0x80808000U + 4U * (q))

enum {
  VECTORS = P8_LINE / VECTOR,
  KERNEL_WORDS = 1 + P8_KERNEL_QUADS * QUAD_WORDS,
  SMALL_WORDS = 1 + P8_SMALL_QUADS * QUAD_WORDS
};

INLINE v8 load(const uint8_t *p) { return *(const v8 *)(const void *)p; }
INLINE vf splatf(float x) { return x - (vf){0}; }
INLINE vf to_float(v32 v) { return __builtin_convertvector(v, vf); }

/* Two vectors of quads: half 0 or 1 of four lines. */
INLINE void interleave(v8 r0, v8 r1, v8 r2, v8 r3, const int half, v8 *q0, v8 *q1) {
  const v8 a = half ? UNPACK_HI8(r0, r1) : UNPACK_LO8(r0, r1);
  const v8 b = half ? UNPACK_HI8(r2, r3) : UNPACK_LO8(r2, r3);
  *q0 = UNPACK_LO16(a, b);
  *q1 = UNPACK_HI16(a, b);
}

/* ---- places of values ------------------------------------------------------------------------- */
/* Where the sums of quad vector `quad` go in float blocks. */
INLINE vf *floats_of(uint8_t *p, size_t block, size_t vector, size_t quad) {
  return (vf *)(void *)(p + quad * block + vector * VECTOR);
}
INLINE vf load_floats(const uint8_t *p, size_t block, size_t vector, size_t quad) {
  return *(const vf *)(const void *)(p + quad * block + vector * VECTOR);
}

#include "kernels/cpu/packed8_rows.h"

/* ---- from sums to values ---------------------------------------------------------------------- */
/* A residual's codes, the images of one pass. line: of the vector. */
INLINE void residual_quads(const uint8_t *line, const size_t half, v32 *q0, v32 *q1) {
  const v8 codes = load(line);
  *q0 = half ? QUAD_BYTES(codes, 2) : QUAD_BYTES(codes, 0);
  *q1 = half ? QUAD_BYTES(codes, 3) : QUAD_BYTES(codes, 1);
}

/* v += residual, fused: quads first .. first + n - 1 of a vector. */
INLINE void add_residual(const packed8_tile *t, const uint8_t *p, size_t vector, const size_t first,
                         const int n, vf *v) {
  const packed8_row row = {p, 0, t->residual_block, t->residual_codes, t->residual_zero};
  const vf factor = splatf(t->residual_factor);
  vf r[P8_PARTS];
  row_values(&row, p, vector, r);
  EACH v[i] = FMA(r[first + (size_t)i], factor, v[i]);
}

/* v becomes (v * g) * factor: ap_packed8_activation. */
INLINE void activate(const ap_packed8_activation *a, size_t channel, const int n, vf *v) {
  const vf by = splatf(a->by), per_unit = splatf(a->per_unit), factor = splatf(a->factor);
  vf g[P8_PARTS];
  EACH g[i] = v[i];
  if (a->curve == AP_CURVE_LOGISTIC) {
    gate_all(P8_GATE_LOGISTIC, n, g, by, per_unit);
  } else if (a->curve == AP_CURVE_NORMAL) {
    gate_all(P8_GATE_NORMAL, n, g, by, per_unit);
  } else {
    const vf scale = splatf(a->scale[channel]), shift = splatf(a->shift[channel]);
    const vf low = splatf(a->low), high = splatf(a->high);
    EACH g[i] = MINF(MAXF(FMA(g[i], scale, shift), low), high);
  }
  EACH v[i] = v[i] * g[i] * factor;
}

/* Any output pixel of one channel: quads first .. first + n - 1 of a vector. out, residual: its lines.
 * Floats are stored; codes are left as whole numbers. */
INLINE void finish_any(const packed8_tile *t, size_t channel, vf factor, vf shift, size_t vector,
                       const size_t first, const int n, const uint8_t *residual, uint8_t *out,
                       v32 *a) {
  const vf low = splatf(t->low), high = splatf(t->high);
  const v32 zero = splat32(t->zero);
  vf v[P8_PARTS];
  EACH v[i] = FMA(to_float(a[i]), factor, shift);
  if (t->activation) activate(t->activation, channel, n, v);
  if (residual) add_residual(t, residual, vector, first, n, v);
  EACH v[i] = MINF(MAXF(v[i], low), high);
  if (t->out_codes)
    EACH a[i] = ROUND(v[i]) + zero;
  else
    EACH *floats_of(out, t->out_block, vector, first + (size_t)i) = v[i];
}

static NOINLINE void finish(const packed8_tile *t, size_t channel, vf factor, vf shift, v32 a0,
                            v32 a1, size_t vector, const size_t half, const uint8_t *residual,
                            uint8_t *out) {
  v32 a[2] = {a0, a1};
  if (half)
    finish_any(t, channel, factor, shift, vector, 2, 2, residual, out, a);
  else
    finish_any(t, channel, factor, shift, vector, 0, 2, residual, out, a);
  if (!t->out_codes) return;
  const v16 words = PACK32(a[0], a[1]);
  if (half)
    STORE_HALF(out + vector * VECTOR, PACK16(words, words), (size_t)1);
  else
    STORE_HALF(out + vector * VECTOR, PACK16(words, words), (size_t)0);
}

/* The common cases without branches: codes that are limited by 0 and 255 alone, as after a ReLU, with
 * a residual of codes that stand for themselves or none; and floats without one. */
enum { TO_CODES, ADD_CODES, TO_FLOATS };
INLINE void finish_simply(const packed8_tile *t, const int how, vf factor, vf shift, v32 a0, v32 a1,
                          size_t vector, const size_t half, vf residual_factor, const uint8_t *from,
                          uint8_t *out) {
  vf v0 = FMA(to_float(a0), factor, shift), v1 = FMA(to_float(a1), factor, shift);
  if (how == ADD_CODES) {
    v32 q0, q1;
    residual_quads(from + vector * VECTOR, half, &q0, &q1);
    v0 = FMA(to_float(q0), residual_factor, v0);
    v1 = FMA(to_float(q1), residual_factor, v1);
  }
  if (how == TO_FLOATS) {
    const vf low = splatf(t->low), high = splatf(t->high);
    *floats_of(out, t->out_block, vector, 2 * half) = MINF(MAXF(v0, low), high);
    *floats_of(out, t->out_block, vector, 2 * half + 1) = MINF(MAXF(v1, low), high);
    return;
  }
  const v16 words = PACK32(ROUND(v0), ROUND(v1));
  STORE_HALF(out + vector * VECTOR, PACK16(words, words), half);
}

INLINE void finish_all_simply(const packed8_tile *t, const int how, vf factor, vf shift,
                              const v32 *acc, const int rows, const int columns, size_t vector,
                              const size_t half, const uint8_t *residual, uint8_t *out) {
  const vf residual_factor = splatf(t->residual_factor);
#pragma GCC unroll 2
  for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 8
    for (int c = 0; c < columns; ++c) {
      const v32 *a = acc + 2 * (r * columns + c);
      const uint8_t *from = residual;
      if (how == ADD_CODES) from += (size_t)r * t->residual_row + (size_t)c * t->residual_column;
      finish_simply(t, how, factor, shift, a[0], a[1], vector, half, residual_factor, from,
                    out + (size_t)r * t->out_row + (size_t)c * P8_LINE);
    }
  }
}

/* Residual lines of output channel c, or NULL. */
INLINE const uint8_t *residual_channel(const packed8_tile *t, size_t c) {
  const size_t source = c - t->residual_first; /* wraps below `first` */
  if (!t->residual || source >= t->residual_channels) return NULL;
  return t->residual + source * t->residual_channel;
}

/* What a kernel reads again and again, copied: stores of bytes could change anything whose address
 * the compiler has seen, but not these. */
typedef struct {
  packed8_tile t;
  ap_packed8_weights w;
  const packed8_tile *whole; /* for functions that are not inlined */
} state;
INLINE state state_of(const packed8_tile *t) { return (state){*t, *t->weights, t}; }

/* A tile's sums of one channel, the images of one pass. floats: their common cases are worth code of
 * their own. */
INLINE void finish_tile(const state *s, size_t channel, const v32 *acc, const int rows,
                        const int columns, size_t vector, const size_t half, const bool floats) {
  const packed8_tile *t = &s->t;
  const vf factor = splatf(s->w.factor[channel]), shift = splatf(s->w.shift[channel]);
  const uint8_t *residual = residual_channel(t, channel);
  uint8_t *out = t->out + channel * t->out_channel;
#define FINISH(how) \
  finish_all_simply(t, how, factor, shift, acc, rows, columns, vector, half, residual, out)
  if (t->simple && !residual) {
    FINISH(TO_CODES);
    return;
  }
  if (t->simple && t->residual_simple) {
    FINISH(ADD_CODES);
    return;
  }
  if (floats && !t->out_codes && !residual && !t->activation) {
    FINISH(TO_FLOATS);
    return;
  }
#undef FINISH
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < columns; ++c) {
      const v32 *a = acc + 2 * (r * columns + c);
      const uint8_t *from = NULL;
      if (residual) from = residual + (size_t)r * t->residual_row + (size_t)c * t->residual_column;
      finish(s->whole, channel, factor, shift, a[0], a[1], vector, half, from,
             out + (size_t)r * t->out_row + (size_t)c * P8_LINE);
    }
}

/* ---- LISTn ------------------------------------------------------------------------------------ */
/* `width` output channels x pixels side by side, one pass. */
INLINE void list_pass(const state *s, size_t list, size_t vector, const int half, const int width,
                      const int pixels) {
  const packed8_tile *t = &s->t;
  const ap_packed8_weights *w = &s->w;
  const size_t words = P8_LIST_HEAD + (size_t)width * QUAD_WORDS, first = list * (size_t)width;
  const int32_t *e = w->words + t->entries.from[list] * words;
  const int32_t *const end = w->words + t->entries.to[list] * words;
  const uint8_t *in = t->in + vector * VECTOR;
  v32 acc[2 * P8_LIST_TILE];
#pragma GCC unroll 8
  for (int k = 0; k < width; ++k) {
    const v32 base = splat32(w->base[first + (size_t)k]);
#pragma GCC unroll 16
    for (int p = 0; p < 2 * pixels; ++p) acc[2 * k * pixels + p] = base;
  }
  for (; e != end; e += words) {
    const uint8_t *r0 = in + e[0], *r1 = in + e[1], *r2 = in + e[2], *r3 = in + e[3];
    if (vector == 0 && half == 0) { /* lines lie scattered, in the second or third cache */
      const int32_t *ahead = e + P8_AHEAD * words;
      /* quads of two words are long lists: they come from further away than a processor foresees */
      if (QUAD_WORDS == 2) __builtin_prefetch(e + 8 * P8_AHEAD * words);
#pragma GCC unroll 4
      for (int i = 0; i < P8_QUAD; ++i) __builtin_prefetch(in + ahead[i]);
    }
#pragma GCC unroll 8
    for (int p = 0; p < pixels; ++p) {
      const size_t at = (size_t)p * t->in_column;
      v8 q0, q1;
      interleave(load(r0 + at), load(r1 + at), load(r2 + at), load(r3 + at), half, &q0, &q1);
#pragma GCC unroll 8
      for (int k = 0; k < width; ++k) {
        const v_quad weights = WEIGHTS(e + P8_LIST_HEAD + k * QUAD_WORDS);
        v32 *a = acc + 2 * (k * pixels + p);
        a[0] = DOT(a[0], q0, weights);
        a[1] = DOT(a[1], q1, weights);
      }
    }
  }
#pragma GCC unroll 8
  for (int k = 0; k < width; ++k) {
    const size_t channel = first + (size_t)k;
    if (channel >= w->geometry.out.c) break;
    finish_tile(s, channel, acc + 2 * k * pixels, 1, pixels, vector, (size_t)half, true);
  }
}

/* Where the next list's outputs go, and its residual, fetched ahead. */
INLINE void ahead_of_stores(const packed8_tile *t, size_t list, size_t n_out, const int width,
                            const int pixels) {
  const size_t first = (list + 1) * (size_t)width;
  const size_t parts = t->out_codes ? 1 : P8_PARTS;
  const size_t residual_parts = !t->residual ? 0 : t->residual_codes ? 1 : P8_PARTS;
#pragma GCC unroll 8
  for (int k = 0; k < width; ++k) {
    const size_t channel = first + (size_t)k;
    if (channel >= n_out) break;
    const uint8_t *out = t->out + channel * t->out_channel;
    for (size_t i = 0; i < parts; ++i, out += t->out_block) {
#pragma GCC unroll 8
      for (int p = 0; p < pixels; ++p) __builtin_prefetch(out + p * P8_LINE, 1);
    }
    if (residual_parts == 0) continue;
    const uint8_t *residual = t->residual + (channel - t->residual_first) * t->residual_channel;
    for (size_t i = 0; i < residual_parts; ++i, residual += t->residual_block) {
#pragma GCC unroll 8
      for (int p = 0; p < pixels; ++p)
        __builtin_prefetch(residual + (size_t)p * t->residual_column);
    }
  }
}

/* A list's passes follow each other: its lines are in the nearest cache then. */
INLINE void list_body(const packed8_tile *t, const int width, const int pixels) {
  const state s = state_of(t);
  for (size_t list = s.t.first_list; list < s.t.end_list; ++list) {
    if (s.t.far) ahead_of_stores(&s.t, list, s.w.geometry.out.c, width, pixels);
    for (size_t vector = 0; vector < VECTORS; ++vector) {
      list_pass(&s, list, vector, 0, width, pixels);
      list_pass(&s, list, vector, 1, width, pixels);
    }
  }
}

/* ---- KERNEL3 ---------------------------------------------------------------------------------- */
/* Whole 3x3 kernels: a quad is four rows of a column, enough for two output rows. skip_first,
 * skip_last: the tile's first (last) column of inputs is all zero. */
INLINE void kernel_body(const packed8_tile *tile, const int rows, const int columns,
                        const int stride, const int skip_first, const int skip_last) {
  const state s = state_of(tile);
  const packed8_tile *t = &s.t;
  const ap_packed8_weights *w = &s.w;
  const int n_in = (columns - 1) * stride + 3;
  for (size_t channel = 0; channel < w->geometry.out.c; ++channel) {
    const int32_t *e = w->words + w->start[channel] * KERNEL_WORDS;
    const int32_t *const end = w->words + w->start[channel + 1] * KERNEL_WORDS;
    const v32 base = splat32(w->base[channel]);
    v32 acc[2 * 2 * P8_KERNEL_W];
#pragma GCC unroll 16
    for (int i = 0; i < 2 * rows * columns; ++i) acc[i] = base;
    for (; e != end; e += KERNEL_WORDS) {
      const uint8_t *in = t->in + (size_t)(uint32_t)e[0] * t->in_channel;
#pragma GCC unroll 16
      for (int x = skip_first; x < n_in - skip_last; ++x) {
        const v8 q0 = load(in + x * P8_COLUMN), q1 = load(in + x * P8_COLUMN + VECTOR);
#pragma GCC unroll 3
        for (int kx = 0; kx < 3; ++kx) {
          const int c = x - kx;
          if (c < 0 || c % stride != 0 || c / stride >= columns) continue;
#pragma GCC unroll 2
          for (int r = 0; r < rows; ++r) {
            const v_quad weights = WEIGHTS(e + 1 + (3 * r + kx) * QUAD_WORDS);
            v32 *a = acc + 2 * (r * columns + c / stride);
            a[0] = DOT(a[0], q0, weights);
            a[1] = DOT(a[1], q1, weights);
          }
        }
      }
    }
    if (t->pass % 2)
      finish_tile(&s, channel, acc, rows, columns, t->pass / 2, 1, false);
    else
      finish_tile(&s, channel, acc, rows, columns, t->pass / 2, 0, false);
  }
}

/* 2x2 images: a quad is all four pixels. */
static void small_kernel(const packed8_tile *tile) {
  const state s = state_of(tile);
  const packed8_tile *t = &s.t;
  const ap_packed8_weights *w = &s.w;
  for (size_t channel = 0; channel < w->geometry.out.c; ++channel) {
    const int32_t *e = w->words + w->start[channel] * SMALL_WORDS;
    const int32_t *const end = w->words + w->start[channel + 1] * SMALL_WORDS;
    const v32 base = splat32(w->base[channel]);
    v32 acc[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) acc[i] = base;
    for (; e != end; e += SMALL_WORDS) {
      const uint8_t *in = t->in + (size_t)(uint32_t)e[0] * t->in_channel;
      const v8 q0 = load(in), q1 = load(in + VECTOR);
#pragma GCC unroll 4
      for (int p = 0; p < 4; ++p) {
        const v_quad weights = WEIGHTS(e + 1 + p * QUAD_WORDS);
        acc[2 * p] = DOT(acc[2 * p], q0, weights);
        acc[2 * p + 1] = DOT(acc[2 * p + 1], q1, weights);
      }
    }
    if (t->pass % 2)
      finish_tile(&s, channel, acc, 2, 2, t->pass / 2, 1, false);
    else
      finish_tile(&s, channel, acc, 2, 2, t->pass / 2, 0, false);
  }
}

static void quads(const uint8_t *const rows[P8_QUAD], size_t n, uint8_t *out) {
  for (size_t i = 0; i < n * P8_LINE; i += P8_LINE)
    for (size_t vector = 0; vector < VECTORS; ++vector, out += 4 * VECTOR) {
      const size_t at = i + vector * VECTOR;
      const v8 r0 = load(rows[0] + at), r1 = load(rows[1] + at);
      const v8 r2 = load(rows[2] + at), r3 = load(rows[3] + at);
      v8 *to = (v8 *)(void *)out;
      interleave(r0, r1, r2, r3, 0, &to[0], &to[1]);
      interleave(r0, r1, r2, r3, 1, &to[2], &to[3]);
    }
}

static void largest(const uint8_t *in, size_t in_row, size_t in_step, size_t n, size_t kh,
                    size_t kw, uint8_t low, uint8_t high, uint8_t *out) {
  const v8 least = (v8)(low - (v8){0}), most = (v8)(high - (v8){0});
  for (size_t i = 0; i < n; ++i, in += in_step)
    for (size_t vector = 0; vector < VECTORS; ++vector, out += VECTOR) {
      const uint8_t *from = in + vector * VECTOR;
      v8 best = least;
      for (size_t y = 0; y < kh; ++y)
        for (size_t x = 0; x < kw; ++x) best = MAX8(best, load(from + y * in_row + x * P8_LINE));
      *(v8 *)(void *)out = MIN8(best, most);
    }
}

static bool nonzero(const void *data, size_t n, uint64_t *bits) {
  const int8_t *row = data;
  size_t i = 0;
  for (; i + 64 <= n; i += 64) {
    uint64_t word = 0;
    __builtin_prefetch(row + i + PACKED_PAGE_AHEAD);
    for (size_t j = 0; j < 64; j += VECTOR) {
      v8 v;
      memcpy(&v, row + i + j, sizeof v); /* rows are not aligned */
      word |= (uint64_t)NONZERO8(v) << j;
    }
    bits[i / 64] = word;
  }
  if (i == n) return true;
  uint64_t word = 0;
  for (size_t j = 0; i + j < n; ++j) word |= (uint64_t)(row[i + j] != 0) << j;
  bits[i / 64] = word;
  return true;
}

#if VECTOR == AP_PACKED8_LANES
#include "kernels/cpu/packed8_lines.h"
#endif

/* ---- instances -------------------------------------------------------------------------------- */
#define LIST(w, p) \
  static void list_##w##_##p(const packed8_tile *t) { list_body(t, w, p); }
LIST(1, 1)
LIST(1, 2)
LIST(1, 4)
LIST(1, 8)
LIST(2, 1)
LIST(2, 2)
LIST(2, 4)
LIST(4, 1)
LIST(4, 2)
LIST(8, 1)
/* clang-format off: it takes uses of these macros for the beginning of a declaration */
#define KERNEL(r, c, f, l) \
  static void kernel_##r##_##c##_##f##_##l(const packed8_tile *t) { kernel_body(t, r, c, 1, f, l); }
#define KERNEL_EDGES(r, c) \
  KERNEL(r, c, 0, 0) KERNEL(r, c, 0, 1) KERNEL(r, c, 1, 0) KERNEL(r, c, 1, 1)
KERNEL_EDGES(1, 1)
KERNEL_EDGES(1, 2)
KERNEL_EDGES(1, 3)
KERNEL_EDGES(1, 4)
KERNEL_EDGES(2, 1)
KERNEL_EDGES(2, 2)
KERNEL_EDGES(2, 3)
KERNEL_EDGES(2, 4)
#define STRIDED(c) \
  static void strided_##c(const packed8_tile *t) { kernel_body(t, 1, c, 2, 0, 0); }
STRIDED(1)
STRIDED(2)
STRIDED(3)
STRIDED(4)
/* clang-format on */

#define KERNEL_ENTRY(r, c)                              \
  {                                                     \
    {kernel_##r##_##c##_0_0, kernel_##r##_##c##_0_1}, { \
      kernel_##r##_##c##_1_0, kernel_##r##_##c##_1_1    \
    }                                                   \
  }
#define KERNEL_ROW(r) \
  { KERNEL_ENTRY(r, 1), KERNEL_ENTRY(r, 2), KERNEL_ENTRY(r, 3), KERNEL_ENTRY(r, 4) }

const ap_packed8_isa ISA_TABLE = {
    .name = ISA_NAME,
    .vector = VECTOR,
    .list_tile = LIST_TILE,
    .kernel_w = KERNEL_W,
    .quad_words = QUAD_WORDS,
    .list = {{list_1_1, list_1_2, list_1_4, list_1_8},
             {list_2_1, list_2_2, list_2_4, NULL},
             {list_4_1, list_4_2, NULL, NULL},
             {list_8_1, NULL, NULL, NULL}},
#if VECTOR == AP_PACKED8_LANES
    .row = ROW_TABLE,
#endif
    .kernel = {KERNEL_ROW(1), KERNEL_ROW(2)},
    .strided = {strided_1, strided_2, strided_3, strided_4},
    .small = small_kernel,
    .quads = quads,
    .nonzero = nonzero,
#if defined(EIGHTS)
    .eights = EIGHTS,
#endif
    .count_units = packed_count_units,
    .count_kernels = packed_count_kernels,
    .largest = largest,
    .map_row = map_row,
    .gate_row = {as_is_gate_row, scaled_gate_row, logistic_gate_row, normal_gate_row},
    .curve_row = {as_is_curve_row, scaled_curve_row, logistic_curve_row, normal_curve_row},
    .window = window,
};
