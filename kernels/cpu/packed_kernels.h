/* kernels/cpu/packed_kernels.h - the vector kernels; included once per instruction set by
 * packed_avx512.c, packed_avx2.c and packed_plain.c, each compiled with its own flags.
 * Before inclusion: VECTOR (floats in a vector register, a divisor of 16), ACCUMULATORS (how many
 * of them a tile may use), KERNEL_H, KERNEL_W (tile of KERNEL3), ISA_NAME, ISA_TABLE; optionally
 * VECTOR_MAX(a, b), VECTOR_MIN(a, b), VECTOR_NONZERO(v) (a bit mask of the lanes that are not 0),
 * VECTOR_REGISTER (the compiler's letter for a vector register), LIST_WORK (work per entry and pixel of LIST1, 2, 4, 8, in
 * multiply-adds).
 *
 * Loops over constants are unrolled completely, so that accumulators live in registers; each body
 * is instantiated with its constants by the macros at the end. */
#include <math.h>
#include <stddef.h>

#include "kernels/cpu/packed_count.h"
#include "kernels/cpu/packed_impl.h"

#if !defined(POINTWISE_WORK)
#define POINTWISE_WORK NULL
#endif
#if !defined(LIST_WORK)
#define LIST_WORK 1.3, 2.3, 4.3, 8.3
#endif
typedef float vec __attribute__((vector_size(4 * VECTOR), may_alias));
typedef int32_t vec_mask __attribute__((vector_size(4 * VECTOR), may_alias));
typedef uint32_t vec_bits __attribute__((vector_size(4 * VECTOR), may_alias));
#define INLINE static inline __attribute__((always_inline))
#define LANES AP_PACKED_LANES

INLINE vec load(const float *p) { return *(const vec *)(const void *)p; }
INLINE void store(float *p, vec v) { *(vec *)(void *)p = v; }
/* Keeps the compiler from adding the constant offsets that follow into hoisted sums of their own (it
 * runs out of registers for them): they stay displacements of this one pointer. */
INLINE const float *pin(const float *p) {
  __asm__("" : "+r"(p));
  return p;
}
/* Keeps a value in a register that the compiler would rather read from memory at every use. */
INLINE vec keep(vec v) {
#if defined(VECTOR_REGISTER)
  __asm__("" : "+" VECTOR_REGISTER(v));
#endif
  return v;
}
INLINE vec splat(float x) { return x - (vec){0}; }

#if defined(VECTOR_MAX)
INLINE vec larger(vec a, vec b) { return VECTOR_MAX(a, b); }
INLINE vec smaller(vec a, vec b) { return VECTOR_MIN(a, b); }
#else
INLINE vec larger(vec a, vec b) {
  const vec_mask m = a > b;
  return (vec)(((vec_mask)a & m) | ((vec_mask)b & ~m));
}
INLINE vec smaller(vec a, vec b) {
  const vec_mask m = a < b;
  return (vec)(((vec_mask)a & m) | ((vec_mask)b & ~m));
}
#endif
INLINE vec clip(vec v, vec low, vec high) { return smaller(larger(v, low), high); }

/* A tile and its weights, copied: stores of vectors could change anything whose address the compiler has
 * seen, but not these. */
typedef struct {
  packed_tile tile;
  ap_packed_weights weights;
  vec low, high;
} tile_state;
INLINE tile_state state_of(const packed_tile *t) {
  return (tile_state){*t, *t->weights, splat(t->low), splat(t->high)};
}

/* Where the next channel's outputs go, and its residual, fetched ahead: both lie scattered over
 * tensors larger than the nearest caches. */
INLINE void ahead_of_stores(const packed_tile *t, const float *out, const float *residual,
                            const int rows, const int columns) {
#pragma GCC unroll 4
  for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 4
    for (int c = 0; c < columns; ++c) {
      __builtin_prefetch(out + t->out_channel + (size_t)r * t->out_row + (size_t)c * LANES, 1);
      if (residual)
        __builtin_prefetch(residual + t->residual_channel + (size_t)r * t->residual_row +
                           (size_t)c * t->residual_column);
    }
  }
}

/* Where a block of images takes several registers each pass over a list's inputs uses a part of every cache line. So
 * many entries at a time go through all parts, while their inputs are in the first-level cache: */
#define LIST_ENTRIES 32
#define PARTS (LANES / VECTOR)

/* One entry of a list: rows x columns inputs times `width` weights. */
INLINE void list_entry(const float *in, const packed_word *e, vec *acc, const int width,
                       const int rows, const int columns, size_t in_row, const size_t in_column) {
  const float *x = pin(in + e->offset);
  if (PARTS > 1 && width == 4 &&
      rows * columns == 3) { /* 16 registers: all inputs, a weight at a time */
    vec v[3];
#pragma GCC unroll 3
    for (int p = 0; p < 3; ++p)
      v[p] = keep(load(x + (size_t)(p / columns) * in_row + (size_t)(p % columns) * in_column));
#pragma GCC unroll 4
    for (int k = 0; k < width; ++k) {
      const vec weight = keep(splat(e[1 + k].weight));
#pragma GCC unroll 3
      for (int p = 0; p < 3; ++p) acc[k * 3 + p] += v[p] * weight;
    }
    return;
  }
#pragma GCC unroll 4
  for (int r = 0; r < rows; ++r) {
    const float *row = r == 0 ? x : pin(x + (size_t)r * in_row);
#pragma GCC unroll 8
    for (int c = 0; c < columns; ++c) {
      const vec v = load(row + (size_t)c * in_column);
#pragma GCC unroll 8
      for (int k = 0; k < width; ++k) acc[(k * rows + r) * columns + c] += v * e[1 + k].weight;
    }
  }
}

INLINE void list_start(const ap_packed_weights *w, size_t list, vec *acc, const int width,
                       const int pixels) {
#pragma GCC unroll 8
  for (int k = 0; k < width; ++k) {
    const vec bias = splat(w->bias[list * (size_t)width + (size_t)k]);
#pragma GCC unroll 32
    for (int p = 0; p < pixels; ++p) acc[k * pixels + p] = bias;
  }
}

INLINE void list_store(const tile_state *s, size_t lane, size_t list, const vec *acc,
                       const int width, const int rows, const int columns) {
  const packed_tile *t = &s->tile;
#pragma GCC unroll 8
  for (int k = 0; k < width; ++k) {
    const size_t channel = list * (size_t)width + (size_t)k;
    if (channel >= t->n_out) break;
    const float *residual = packed_residual_channel(t, channel);
    float *out = t->out + channel * t->out_channel + lane;
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 8
      for (int c = 0; c < columns; ++c) {
        vec v = acc[(k * rows + r) * columns + c];
        if (residual)
          v += load(residual + (size_t)r * t->residual_row + (size_t)c * t->residual_column + lane);
        store(out + (size_t)r * t->out_row + (size_t)c * LANES, clip(v, s->low, s->high));
      }
    }
  }
}

/* LISTn: entries e to end of one list, added to acc. */
INLINE void list_run(const float *in, const packed_word *e, const packed_word *end, vec *acc,
                     const int width, const int rows, const int columns, size_t in_row,
                     const size_t in_column, const bool fetch) {
  const size_t words = (size_t)width + 1;
  for (; e != end; e += words) {
    if (width >= 4 && fetch) { /* few inputs an entry, far apart */
      const float *next = in + e[PACKED_LIST_AHEAD * words].offset;
#pragma GCC unroll 4
      for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 8
        for (int c = 0; c < columns; ++c)
          __builtin_prefetch(next + (size_t)r * in_row + (size_t)c * in_column);
      }
    }
    list_entry(in, e, acc, width, rows, columns, in_row, in_column);
  }
}

/* One list: the parts from `from` to `to` of the images. */
INLINE void list_single(const tile_state *s, size_t list, size_t from, size_t to, const int width,
                        const int rows, const int columns, const size_t in_column) {
  const packed_tile *t = &s->tile;
  const ap_packed_weights *w = &s->weights;
  const int size = width * rows * columns;
  const size_t words = (size_t)width + 1, chunk = LIST_ENTRIES * words;
  const packed_word *e = w->words + t->entries.from[list] * words;
  const packed_word *const end = w->words + t->entries.to[list] * words;
  vec sums[PARTS][ACCUMULATORS];
  bool first = true, last;
  do {
    last = PARTS == 1 || (size_t)(end - e) <= chunk;
    const packed_word *const stop = last ? end : e + chunk;
#pragma GCC unroll 1
    for (size_t part = from; part < to; ++part) {
      vec acc[ACCUMULATORS];
      if (first) {
        list_start(w, list, acc, width, rows * columns);
      } else {
#pragma GCC unroll 32
        for (int k = 0; k < size; ++k) acc[k] = sums[part][k];
      }
      list_run(t->in + part * VECTOR, e, stop, acc, width, rows, columns, t->in_row, in_column,
               part == 0);
      if (last) {
        list_store(s, part * VECTOR, list, acc, width, rows, columns);
      } else {
#pragma GCC unroll 32
        for (int k = 0; k < size; ++k) sums[part][k] = acc[k];
      }
    }
    e = stop;
    first = false;
  } while (!last);
}

/* A small tile alone would wait for its own sums: four lists take turns. */
INLINE void list_four(const tile_state *s, size_t lane, size_t list, const int width,
                      const int rows, const int columns, const size_t in_column) {
  const packed_tile *t = &s->tile;
  const ap_packed_weights *w = &s->weights;
  const float *in = t->in + lane;
  const size_t words = (size_t)width + 1, in_row = t->in_row;
  const int size = width * rows * columns;
  vec acc[ACCUMULATORS];
  const size_t *from = t->entries.from + list, *to = t->entries.to + list;
  const packed_word *a = w->words + from[0] * words, *b = w->words + from[1] * words;
  const packed_word *c = w->words + from[2] * words, *d = w->words + from[3] * words;
  const packed_word *const a_end = w->words + to[0] * words, *const b_end =
                                                                 w->words + to[1] * words;
  const packed_word *const c_end = w->words + to[2] * words, *const d_end =
                                                                 w->words + to[3] * words;
  list_start(w, list, acc, width, rows * columns);
  list_start(w, list + 1, acc + size, width, rows * columns);
  list_start(w, list + 2, acc + 2 * size, width, rows * columns);
  list_start(w, list + 3, acc + 3 * size, width, rows * columns);
  for (; a != a_end && b != b_end && c != c_end && d != d_end;
       a += words, b += words, c += words, d += words) {
    list_entry(in, a, acc, width, rows, columns, in_row, in_column);
    list_entry(in, b, acc + size, width, rows, columns, in_row, in_column);
    list_entry(in, c, acc + 2 * size, width, rows, columns, in_row, in_column);
    list_entry(in, d, acc + 3 * size, width, rows, columns, in_row, in_column);
  }
  for (; a != a_end; a += words) list_entry(in, a, acc, width, rows, columns, in_row, in_column);
  for (; b != b_end; b += words)
    list_entry(in, b, acc + size, width, rows, columns, in_row, in_column);
  for (; c != c_end; c += words)
    list_entry(in, c, acc + 2 * size, width, rows, columns, in_row, in_column);
  for (; d != d_end; d += words)
    list_entry(in, d, acc + 3 * size, width, rows, columns, in_row, in_column);
  list_store(s, lane, list, acc, width, rows, columns);
  list_store(s, lane, list + 1, acc + size, width, rows, columns);
  list_store(s, lane, list + 2, acc + 2 * size, width, rows, columns);
  list_store(s, lane, list + 3, acc + 3 * size, width, rows, columns);
}

/* LISTn: `width` output channels x rows x columns of pixels. */
INLINE void list_body(const packed_tile *tile, const int width, const int rows, const int columns,
                      const size_t in_column) {
  const tile_state s = state_of(tile);
  const size_t n_lists = s.weights.n_lists;
  /* where all inputs fit the first-level cache, one part after the other */
  const size_t step = s.weights.n_entries < n_lists * LIST_ENTRIES ? 1 : PARTS;
#pragma GCC unroll 1
  for (size_t part = 0; part < PARTS; part += step) {
    size_t list = 0;
    for (; 4 * width * rows * columns <= ACCUMULATORS && list + 4 <= n_lists; list += 4)
#pragma GCC unroll 1
      for (size_t i = part; i < part + step; ++i)
        list_four(&s, i * VECTOR, list, width, rows, columns, in_column);
    for (; list < n_lists; ++list)
      list_single(&s, list, part, part + step, width, rows, columns, in_column);
  }
}

/* KERNEL3: one output channel x blocks x rows x columns. edge_rows, edge_columns: taps outside the
 * image are not computed (their inputs are the zero border). */
INLINE void kernel_body(const packed_tile *tile, const int blocks, const int rows,
                        const int columns, const int stride, const int edge_rows,
                        const int edge_columns) {
  const tile_state s = state_of(tile);
  const packed_tile *t = &s.tile;
  const ap_packed_weights *weights = &s.weights;
  const size_t n_out = t->n_out, in_row = t->in_row;
  const int in_rows = (rows - 1) * stride + 3, in_columns = (columns - 1) * stride + 3;
  const int y_begin = edge_rows & EDGE_FIRST ? 1 : 0;
  const int y_end = edge_rows & EDGE_LAST ? in_rows - 1 : in_rows;
  const int x_begin = edge_columns & EDGE_FIRST ? 1 : 0;
  const int x_end = edge_columns & EDGE_LAST ? in_columns - 1 : in_columns;
  for (size_t lane = 0; lane < LANES; lane += VECTOR) {
    for (size_t channel = 0; channel < n_out; ++channel) {
      const float *in = t->in + lane;
      const packed_word *e = weights->words + weights->start[channel] * (1 + PACKED_TAPS);
      const packed_word *end = weights->words + weights->start[channel + 1] * (1 + PACKED_TAPS);
      const vec bias = splat(weights->bias[channel]);
      vec acc[4 * PACKED_KERNEL_TILE * PACKED_KERNEL_TILE];
#pragma GCC unroll 64
      for (int p = 0; p < blocks * rows * columns; ++p) acc[p] = bias;
      for (; e != end; e += 1 + PACKED_TAPS) {
        const int32_t ahead = e[PACKED_AHEAD * (1 + PACKED_TAPS)].offset;
#pragma GCC unroll 4
        for (int b = 0; b < blocks; ++b) {
          const float *x = in + e->offset + (size_t)b * t->in_block + (size_t)y_begin * in_row;
          const float *next = in + ahead + (size_t)b * t->in_block + (size_t)y_begin * in_row;
#pragma GCC unroll 9
          for (int y = y_begin; y < y_end; ++y, x += in_row, next += in_row) {
            x = pin(x);
            next = pin(next);
#pragma GCC unroll 9
            for (int i = x_begin; i < x_end; ++i)
              if (lane == 0) __builtin_prefetch(next + (size_t)i * LANES);
#pragma GCC unroll 9
            for (int i = x_begin; i < x_end; ++i) {
              const vec v = load(x + (size_t)i * LANES);
#pragma GCC unroll 3
              for (int ky = 0; ky < 3; ++ky) {
#pragma GCC unroll 3
                for (int kx = 0; kx < 3; ++kx) {
                  const int r = y - ky, c = i - kx;
                  if (r >= 0 && c >= 0 && r % stride == 0 && c % stride == 0 && r / stride < rows &&
                      c / stride < columns)
                    acc[(b * rows + r / stride) * columns + c / stride] +=
                        v * e[1 + ky * 3 + kx].weight;
                }
              }
            }
          }
        }
      }
      const float *residual = packed_residual_channel(t, channel);
      float *out = t->out + channel * t->out_channel + lane;
#pragma GCC unroll 4
      for (int b = 0; b < blocks; ++b) {
#pragma GCC unroll 4
        for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 4
          for (int c = 0; c < columns; ++c) {
            vec v = acc[(b * rows + r) * columns + c];
            if (residual)
              v += load(residual + (size_t)b * t->residual_block + (size_t)r * t->residual_row +
                        (size_t)c * t->residual_column + lane);
            store(out + (size_t)b * t->out_block + (size_t)r * t->out_row + (size_t)c * LANES,
                  clip(v, s.low, s.high));
          }
        }
      }
    }
  }
}

#include "kernels/cpu/packed_norm_kernels.h"
#include "kernels/cpu/packed_plane_kernels.h"
#include "kernels/cpu/packed_strip_kernels.h"
#include "kernels/cpu/packed_winograd_kernels.h"

static void window(const float *in, size_t in_row, size_t in_step, size_t n, size_t kh, size_t kw,
                   bool maximum, float factor, float low, float high, float *out) {
  for (size_t i = 0; i < n; ++i, in += in_step, out += LANES) {
    for (size_t lane = 0; lane < LANES; lane += VECTOR) {
      vec best = splat(-INFINITY), sum = splat(0.0F);
      for (size_t y = 0; y < kh; ++y) {
        for (size_t x = 0; x < kw; ++x) {
          const vec v = load(in + y * in_row + x * LANES + lane);
          if (maximum)
            best = larger(v, best);
          else
            sum += v;
        }
      }
      if (!maximum) best = sum * factor;
      store(out + lane, clip(best, splat(low), splat(high)));
    }
  }
}

static void map_row(const float *in, size_t in_column, float scale, float shift,
                    const float *residual, size_t residual_column, size_t n, float low, float high,
                    float *out) {
  for (size_t i = 0; i < n; ++i, in += in_column, out += LANES) {
    for (size_t lane = 0; lane < LANES; lane += VECTOR) {
      vec v = load(in + lane) * scale + splat(shift);
      if (residual) v += load(residual + i * residual_column + lane);
      store(out + lane, clip(v, splat(low), splat(high)));
    }
  }
}

static void gate_row(const float *in, size_t in_column, const float *gate, size_t gate_column,
                     const float *residual, size_t residual_column, size_t n, float low, float high,
                     float *out) {
  for (size_t i = 0; i < n; ++i, in += in_column, gate += gate_column, out += LANES) {
    for (size_t lane = 0; lane < LANES; lane += VECTOR) {
      vec v = load(in + lane) * load(gate + lane);
      if (residual) v += load(residual + i * residual_column + lane);
      store(out + lane, clip(v, splat(low), splat(high)));
    }
  }
}

/* 1/2 + x P(x^2) / Q(x^2), both of that degree, constant terms first; x no further than `far` from 0, where it is 0 or 1 in
 * float32. NaN stays: it is the second operand of what is compared. */
INLINE vec from_0_to_1(vec x, float far, int degree, const float *p, const float *q) {
  const vec z = smaller(splat(far), larger(splat(-far), x)), u = z * z;
  vec above = splat(p[degree]), below = splat(q[degree]);
#pragma GCC unroll 8
  for (int i = degree - 1; i >= 0; --i) {
    above = above * u + splat(p[i]);
    below = below * u + splat(q[i]);
  }
  return (z * above) / below + splat(0.5F);
}

/* Least squares of the error, reweighted until it was even: 5e-9 for the logistic function, 9e-9 for the normal one; below
 * 2e-7 with the roundings of float32. */
static void logistic(const float *x, size_t n, float *y) {
  static const float p[] = {2.499999864e-01F, 8.378878171e-03F, 5.509091022e-05F, 8.250608844e-08F,
                            1.376878667e-11F};
  static const float q[] = {1, 1.168487911e-01F, 1.624445709e-03F, 5.212013856e-06F,
                            3.153755542e-09F};
  for (size_t i = 0; i < n; i += VECTOR) store(y + i, from_0_to_1(load(x + i), 17.0F, 4, p, q));
}
static void normal(const float *x, size_t n, float *y) {
  static const float p[] = {3.989422216e-01F, 3.437605936e-02F, 4.707256538e-03F,
                            1.738502785e-04F, 6.356531138e-06F, 2.214536378e-08F};
  static const float q[] = {
      1, 2.528337154e-01F, 2.894006059e-02F, 1.912975527e-03F, 7.510179305e-05F, 1.180213438e-06F};
  for (size_t i = 0; i < n; i += VECTOR) store(y + i, from_0_to_1(load(x + i), 5.6F, 5, p, q));
}

static void pixels(const uint8_t *in, size_t n, float scale, float shift, float *out) {
  for (size_t i = 0; i < n * LANES; ++i) out[i] = (float)in[i] * scale + shift;
}

static bool nonzero(const void *data, size_t n, uint64_t *bits) {
  const float *row = data;
  float poison = 0.0F; /* x * 0 is 0 for finite x, else not a number */
  size_t i = 0;
#if defined(VECTOR_NONZERO)
  vec poisons = splat(0.0F);
  for (; i + 64 <= n; i += 64) {
    uint64_t word = 0;
    for (size_t j = 0; j < 64; j += VECTOR) {
      vec v;
      __builtin_memcpy(&v, row + i + j, sizeof v); /* rows are not aligned */
      __builtin_prefetch(row + i + j + PACKED_PAGE_AHEAD / sizeof *row);
      poisons += v * 0.0F;
      word |= (uint64_t)VECTOR_NONZERO(v) << j;
    }
    bits[i / 64] = word;
  }
  for (size_t j = 0; j < VECTOR; ++j) poison += poisons[j];
#endif
  for (; i < n; i += 64) {
    uint64_t word = 0;
    for (size_t j = 0; j < 64 && i + j < n; ++j) {
      poison += row[i + j] * 0.0F;
      word |= (uint64_t)(row[i + j] < 0.0F || row[i + j] > 0.0F) << j;
    }
    bits[i / 64] = word;
  }
  return poison >= 0.0F;
}

/* ---- instances --------------------------------------------------------------------------------
 * A tile that needs more registers than there are gets an empty function and is never in the table.
 */
/* clang-format off */
#define FITS(w, r, c) ((w) * (r) * (c) <= ACCUMULATORS)
#define LIST_NAME(w, r, c, s) list_##w##_##r##_##c##_##s
#define LIST_KERNEL(w, r, c, s, step)                       \
  static void LIST_NAME(w, r, c, s)(const packed_tile *t) { \
    if (FITS(w, r, c)) list_body(t, w, r, c, step);         \
  }
#define LIST_COLUMNS(w, r)                                              \
  LIST_KERNEL(w, r, 1, 0, t->in_column)                                 \
  LIST_KERNEL(w, r, 1, 1, LANES)     LIST_KERNEL(w, r, 2, 1, LANES)     \
  LIST_KERNEL(w, r, 3, 1, LANES)     LIST_KERNEL(w, r, 4, 1, LANES)     \
  LIST_KERNEL(w, r, 5, 1, LANES)     LIST_KERNEL(w, r, 6, 1, LANES)     \
  LIST_KERNEL(w, r, 7, 1, LANES)     LIST_KERNEL(w, r, 8, 1, LANES)     \
  LIST_KERNEL(w, r, 1, 2, 2 * LANES) LIST_KERNEL(w, r, 2, 2, 2 * LANES) \
  LIST_KERNEL(w, r, 3, 2, 2 * LANES) LIST_KERNEL(w, r, 4, 2, 2 * LANES)
#define LIST_ROWS(w) LIST_COLUMNS(w, 1) LIST_COLUMNS(w, 2) LIST_COLUMNS(w, 3) LIST_COLUMNS(w, 4)
LIST_ROWS(1)
LIST_ROWS(2)
LIST_ROWS(4)
LIST_ROWS(8)

#define KERNEL(r, c, s)                                                                   \
  static void kernel_##r##_##c##_##s(const packed_tile *t) {                              \
    if (r <= KERNEL_H && c <= KERNEL_W) kernel_body(t, 1, r, c, s, EDGE_NONE, EDGE_NONE); \
  }
#define KERNEL_COLUMNS(r, s) KERNEL(r, 1, s) KERNEL(r, 2, s) KERNEL(r, 3, s) KERNEL(r, 4, s)
KERNEL_COLUMNS(1, 1) KERNEL_COLUMNS(2, 1) KERNEL_COLUMNS(3, 1) KERNEL_COLUMNS(4, 1)
KERNEL_COLUMNS(1, 2) KERNEL_COLUMNS(2, 2) KERNEL_COLUMNS(3, 2) KERNEL_COLUMNS(4, 2)

#define EDGE(r, c, er, ec)                                                  \
  static void edge_##r##_##c##_##er##_##ec(const packed_tile *t) {          \
    if (r <= KERNEL_H && c <= KERNEL_W) kernel_body(t, 1, r, c, 1, er, ec); \
  }
/* 0 to 3 are EDGE_NONE, _FIRST, _LAST, _BOTH. */
#define EDGE_ALL(r, c)                                                \
  EDGE(r, c, 0, 1) EDGE(r, c, 0, 2) EDGE(r, c, 0, 3) EDGE(r, c, 1, 0) \
  EDGE(r, c, 1, 1) EDGE(r, c, 1, 2) EDGE(r, c, 1, 3) EDGE(r, c, 2, 0) \
  EDGE(r, c, 2, 1) EDGE(r, c, 2, 2) EDGE(r, c, 2, 3) EDGE(r, c, 3, 0) \
  EDGE(r, c, 3, 1) EDGE(r, c, 3, 2) EDGE(r, c, 3, 3)
EDGE_ALL(2, 4) EDGE_ALL(3, 3) EDGE_ALL(3, 4) EDGE_ALL(4, 3) EDGE_ALL(4, 4)

#define SMALL_FITS(n) ((n)*4 <= ACCUMULATORS)
#define SMALL(n)                                                         \
  static void small_##n(const packed_tile *t) {                          \
    if (SMALL_FITS(n)) kernel_body(t, n, 2, 2, 1, EDGE_BOTH, EDGE_BOTH); \
  }
SMALL(1) SMALL(2) SMALL(3) SMALL(4)

#define LIST_ENTRY(w, r, c, s) (FITS(w, r, c) ? LIST_NAME(w, r, c, s) : NULL)
#define LIST_WIDE(w, r, c) {NULL, LIST_ENTRY(w, r, c, 1), NULL}
#define LIST_BOTH(w, r, c) {NULL, LIST_ENTRY(w, r, c, 1), LIST_ENTRY(w, r, c, 2)}
#define LIST_TABLE_ROW(w, r)                                                    \
  {{LIST_ENTRY(w, r, 1, 0), LIST_ENTRY(w, r, 1, 1), LIST_ENTRY(w, r, 1, 2)},    \
   LIST_BOTH(w, r, 2), LIST_BOTH(w, r, 3), LIST_BOTH(w, r, 4),                  \
   LIST_WIDE(w, r, 5), LIST_WIDE(w, r, 6), LIST_WIDE(w, r, 7), LIST_WIDE(w, r, 8)}
#define LIST_TABLE(w) \
  { LIST_TABLE_ROW(w, 1), LIST_TABLE_ROW(w, 2), LIST_TABLE_ROW(w, 3), LIST_TABLE_ROW(w, 4) }
#define KERNEL_ENTRY(r, c, s) (r <= KERNEL_H && c <= KERNEL_W ? kernel_##r##_##c##_##s : NULL)
#define KERNEL_TABLE_ROW(r, s) \
  { KERNEL_ENTRY(r, 1, s), KERNEL_ENTRY(r, 2, s), KERNEL_ENTRY(r, 3, s), KERNEL_ENTRY(r, 4, s) }
#define KERNEL_TABLE(s) \
  { KERNEL_TABLE_ROW(1, s), KERNEL_TABLE_ROW(2, s), KERNEL_TABLE_ROW(3, s), KERNEL_TABLE_ROW(4, s) }
#define EDGE_ENTRY(r, c, er, ec) \
  (r <= KERNEL_H && c <= KERNEL_W ? edge_##r##_##c##_##er##_##ec : NULL)
#define EDGE_TABLE_ROW(r, c, er)                                               \
  {                                                                            \
    EDGE_ENTRY(r, c, er, 0), EDGE_ENTRY(r, c, er, 1), EDGE_ENTRY(r, c, er, 2), \
        EDGE_ENTRY(r, c, er, 3)                                                \
  }
#define EDGE_TABLE(r, c)                                                            \
  {                                                                                 \
    {NULL, EDGE_ENTRY(r, c, 0, 1), EDGE_ENTRY(r, c, 0, 2), EDGE_ENTRY(r, c, 0, 3)}, \
        EDGE_TABLE_ROW(r, c, 1), EDGE_TABLE_ROW(r, c, 2), EDGE_TABLE_ROW(r, c, 3)   \
  }

    /* clang-format on */
    const ap_packed_isa ISA_TABLE = {
        .name = ISA_NAME,
        .accumulators = ACCUMULATORS,
        .kernel_h = KERNEL_H,
        .kernel_w = KERNEL_W,
        .winograd_h = ACCUMULATORS / PACKED_WINOGRAD,
        .vector = VECTOR,
        .list_work = {LIST_WORK},
        .pointwise = POINTWISE_WORK,
        .list = {LIST_TABLE(1), LIST_TABLE(2), LIST_TABLE(4), LIST_TABLE(8)},
        .kernel = {KERNEL_TABLE(1), KERNEL_TABLE(2)},
        .edge = {[1] = {[3] = EDGE_TABLE(2, 4)},
                 [2] = {[2] = EDGE_TABLE(3, 3), [3] = EDGE_TABLE(3, 4)},
                 [3] = {[2] = EDGE_TABLE(4, 3), [3] = EDGE_TABLE(4, 4)}},
        .small = {SMALL_FITS(1) ? small_1 : NULL, SMALL_FITS(2) ? small_2 : NULL,
                  SMALL_FITS(3) ? small_3 : NULL, SMALL_FITS(4) ? small_4 : NULL},
        .winograd = {WINOGRAD_TABLE_ROW(1), WINOGRAD_TABLE_ROW(2), WINOGRAD_TABLE_ROW(3),
                     WINOGRAD_TABLE_ROW(4)},
        .winograd_input = winograd_input,
        .winograd_weights = winograd_weights,
        .strip = {strip_1, strip_4},
        .plane = plane,
        .window = window,
        .map_row = map_row,
        .moment_row = moment_row,
        .norm_row = norm_row,
        .gate_row = gate_row,
        .logistic = logistic,
        .normal = normal,
        .pixels = pixels,
        .nonzero = nonzero,
        .count_units = packed_count_units,
        .count_kernels = packed_count_kernels,
};
