/* kernels/cpu/packed_winograd_kernels.h - the vector kernels of form WINOGRAD; part of
 * packed_kernels.h, see packed_winograd.c for the arithmetic.
 *
 * Points 0, +-a, +-b and infinity with a = 1 / sqrt(2), b = sqrt(2): a * b = 1 and a^2 + b^2 = 2.5
 * keep the transforms short, and their error is the smallest of the pairs that were tried. */

#define ROOT_A 0.70710678118654752F
#define ROOT_B 1.41421356237309505F

/* Six neighbouring pixels to the six values that weights meet. */
INLINE void winograd_forward(const vec d[PACKED_WINOGRAD], float *out) {
  const vec even_a = d[4] - d[2] * 2.0F, odd_a = d[3] * ROOT_A - d[1] * ROOT_B;
  const vec even_b = d[4] - d[2] * 0.5F, odd_b = d[3] * ROOT_B - d[1] * ROOT_A;
  store(out, d[0] + (d[4] - d[2] * 2.5F));
  store(out + VECTOR, even_a + odd_a);
  store(out + 2 * VECTOR, even_a - odd_a);
  store(out + 3 * VECTOR, even_b + odd_b);
  store(out + 4 * VECTOR, even_b - odd_b);
  store(out + 5 * VECTOR, d[1] + (d[5] - d[3] * 2.5F));
}

/* `rows` rows of an input channel, of which `columns` pixels are there (the others are 0). next: the
 * same rows of a coming channel, fetched ahead. */
static void winograd_input(const float *in, const float *next, size_t in_row, size_t rows,
                           size_t columns, size_t part, float *out) {
  for (size_t y = 0; y < rows; ++y, in += in_row, next += in_row, out += PACKED_WINOGRAD * VECTOR) {
#pragma GCC unroll 6
    for (size_t i = 0; i < PACKED_WINOGRAD; ++i) __builtin_prefetch(next + i * LANES);
    for (size_t lane = 0; lane < LANES; lane += VECTOR) {
      vec d[PACKED_WINOGRAD];
      if (columns == PACKED_WINOGRAD) {
#pragma GCC unroll 6
        for (size_t i = 0; i < PACKED_WINOGRAD; ++i) d[i] = load(in + i * LANES + lane);
      } else {
#pragma GCC unroll 6
        for (size_t i = 0; i < PACKED_WINOGRAD; ++i)
          d[i] = i < columns ? load(in + i * LANES + lane) : splat(0.0F);
      }
      winograd_forward(d, out + lane / VECTOR * part);
    }
  }
}

/* A 3x3 kernel, its weights `step` floats apart, to 3 x 6 values. */
static void winograd_weights(const float *from, size_t step, packed_word *to) {
  typedef float eight __attribute__((vector_size(32)));
  const float n_a = -1 / 1.5F, n_b = 1 / 6.0F;
  const eight first = {1, n_a, n_a, n_b, n_b, 0};
  const eight second = {0, n_a * ROOT_A, -n_a * ROOT_A, n_b * ROOT_B, -n_b * ROOT_B, 0};
  const eight third = {0, n_a * 0.5F, n_a * 0.5F, n_b * 2, n_b * 2, 1};
  for (size_t ky = 0; ky < 3; ++ky, from += 3 * step, to += PACKED_WINOGRAD) {
    const eight u = first * from[0] + second * from[step] + third * from[2 * step];
    __builtin_memcpy(to, &u, PACKED_WINOGRAD * sizeof *to);
  }
}

/* Six sums to four output pixels. */
INLINE void winograd_backward(const vec m[PACKED_WINOGRAD], vec bias, vec out[4]) {
  const vec sum_a = m[1] + m[2], difference_a = m[1] - m[2];
  const vec sum_b = m[3] + m[4], difference_b = m[3] - m[4];
  out[0] = (m[0] + bias) + (sum_a + sum_b);
  out[1] = (bias + difference_a * ROOT_A) + difference_b * ROOT_B;
  out[2] = (bias + sum_a * 0.5F) + sum_b * 2.0F;
  out[3] = (m[5] + bias) + (difference_a * (0.5F * ROOT_A) + difference_b * (2.0F * ROOT_B));
}

/* One output channel x rows x 4 columns. edge_rows: rows of inputs outside the image are left out. */
INLINE void winograd_body(const packed_tile *tile, const int rows, const int edge_rows) {
  const tile_state s = state_of(tile);
  const packed_tile *t = &s.tile;
  const ap_packed_weights *weights = &s.weights;
  const size_t n_out = t->n_out;
  const int y_begin = edge_rows & EDGE_FIRST ? 1 : 0;
  const int y_end = edge_rows & EDGE_LAST ? rows + 1 : rows + 2;
  for (size_t lane = 0; lane < LANES; lane += VECTOR) {
    for (size_t channel = 0; channel < n_out; ++channel) {
      const packed_word *e = weights->words + weights->start[channel] * PACKED_WINOGRAD_WORDS;
      const packed_word *end = weights->words + weights->start[channel + 1] * PACKED_WINOGRAD_WORDS;
      const float *in = t->in + lane / VECTOR * t->in_row;
      float *out = t->out + channel * t->out_channel + lane;
      const float *residual = packed_residual_channel(t, channel);
      vec acc[PACKED_KERNEL_TILE * PACKED_WINOGRAD];
      if (t->far && lane == 0) ahead_of_stores(t, out, residual, rows, 4);
#pragma GCC unroll 24
      for (int i = 0; i < rows * PACKED_WINOGRAD; ++i) acc[i] = splat(0.0F);
      for (; e != end; e += PACKED_WINOGRAD_WORDS) {
        const float *x = pin(in + e->offset);
        __builtin_prefetch(e + PACKED_WORDS_AHEAD);
        __builtin_prefetch(e + PACKED_WORDS_AHEAD + 16);
#pragma GCC unroll 6
        for (int i = 0; i < PACKED_WINOGRAD; ++i) {
          vec w[3];
#pragma GCC unroll 3
          for (int ky = 0; ky < 3; ++ky)
            w[ky] = keep(splat(e[1 + ky * PACKED_WINOGRAD + i].weight));
#pragma GCC unroll 6
          for (int y = y_begin; y < y_end; ++y) {
            const vec v = keep(load(x + (size_t)(y * PACKED_WINOGRAD + i) * VECTOR));
#pragma GCC unroll 3
            for (int ky = 0; ky < 3; ++ky) {
              const int r = y - ky;
              if (r >= 0 && r < rows) acc[r * PACKED_WINOGRAD + i] += v * w[ky];
            }
          }
        }
      }
      const vec bias = splat(weights->bias[channel]);
#pragma GCC unroll 4
      for (int r = 0; r < rows; ++r) {
        vec pixels[4];
        winograd_backward(acc + r * PACKED_WINOGRAD, bias, pixels);
#pragma GCC unroll 4
        for (int c = 0; c < 4; ++c) {
          if ((size_t)c >= t->columns) break;
          vec v = pixels[c];
          if (residual)
            v += load(residual + (size_t)r * t->residual_row + (size_t)c * t->residual_column +
                      lane);
          store(out + (size_t)r * t->out_row + (size_t)c * LANES, clip(v, s.low, s.high));
        }
      }
    }
  }
}

#define WINOGRAD_FITS(r) ((r)*PACKED_WINOGRAD <= ACCUMULATORS)
#define WINOGRAD(r, e)                                   \
  static void winograd_##r##_##e(const packed_tile *t) { \
    if (WINOGRAD_FITS(r)) winograd_body(t, r, e);        \
  }
#define WINOGRAD_EDGES(r) WINOGRAD(r, 0) WINOGRAD(r, 1) WINOGRAD(r, 2) WINOGRAD(r, 3)
WINOGRAD_EDGES(1)
WINOGRAD_EDGES(2)
WINOGRAD_EDGES(3)
WINOGRAD_EDGES(4)
#define WINOGRAD_ENTRY(r, e) (WINOGRAD_FITS(r) ? winograd_##r##_##e : NULL)
#define WINOGRAD_TABLE_ROW(r) \
  { WINOGRAD_ENTRY(r, 0), WINOGRAD_ENTRY(r, 1), WINOGRAD_ENTRY(r, 2), WINOGRAD_ENTRY(r, 3) }
