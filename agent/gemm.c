#include <stddef.h>

#include "agent/gemm_impl.h"

/* Two vectors of eight columns; a processor without 256-bit registers uses two of 128 each. */
typedef float v8 __attribute__((vector_size(32), may_alias));
#define ROWS 6 /* 6 x 2 accumulators, 2 of b, 1 of a: 15 of 16 registers of AVX2 */
#define INLINE static inline __attribute__((always_inline))

/* `rows` is a constant at every call, so that the loops vanish. */
INLINE void tile(size_t rows, size_t n, size_t k, const float *restrict a, size_t a_row,
                 size_t a_column, const float *restrict b, const float *restrict bias,
                 float *restrict c) {
  v8 sum[ROWS][2];
#pragma GCC unroll 6
  for (size_t i = 0; i < rows; i++) {
    sum[i][0] = bias ? ((const v8 *)bias)[0] : (v8){0};
    sum[i][1] = bias ? ((const v8 *)bias)[1] : (v8){0};
  }
  for (size_t p = 0; p < k; p++) {
    const v8 *row = (const v8 *)(b + p * n);
    v8 left = row[0], right = row[1];
#pragma GCC unroll 6
    for (size_t i = 0; i < rows; i++) {
      float x = a[i * a_row + p * a_column];
      sum[i][0] += x * left;
      sum[i][1] += x * right;
    }
  }
#pragma GCC unroll 6
  for (size_t i = 0; i < rows; i++) {
    v8 *row = (v8 *)(c + i * n);
    row[0] = sum[i][0];
    row[1] = sum[i][1];
  }
}

INLINE void product(size_t m, size_t n, size_t k, const float *a, size_t a_row, size_t a_column,
                    const float *b, const float *bias, float *c) {
  for (size_t j = 0; j < n; j += AP_GEMM_COLUMNS) {
    const float *bj = b + j, *biasj = bias ? bias + j : NULL;
    size_t i = 0;
    for (; i + ROWS <= m; i += ROWS) {
      tile(ROWS, n, k, a + i * a_row, a_row, a_column, bj, biasj, c + i * n + j);
    }
    for (; i + 2 <= m; i += 2) {
      tile(2, n, k, a + i * a_row, a_row, a_column, bj, biasj, c + i * n + j);
    }
    if (i < m) tile(1, n, k, a + i * a_row, a_row, a_column, bj, biasj, c + i * n + j);
  }
}

#if defined(__x86_64__)
/* No FMA here: it would round differently from processors without it. */
__attribute__((target("avx2"))) static void product_avx2(size_t m, size_t n, size_t k,
                                                         const float *a, size_t a_row,
                                                         size_t a_column, const float *b,
                                                         const float *bias, float *c) {
  product(m, n, k, a, a_row, a_column, b, bias, c);
}
#endif

static void product_plain(size_t m, size_t n, size_t k, const float *a, size_t a_row,
                          size_t a_column, const float *b, const float *bias, float *c) {
  product(m, n, k, a, a_row, a_column, b, bias, c);
}

void ap_gemm(size_t m, size_t n, size_t k, const float *a, size_t a_row, size_t a_column,
             const float *b, const float *bias, float *c) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) {
    product_avx2(m, n, k, a, a_row, a_column, b, bias, c);
    return;
  }
#endif
  product_plain(m, n, k, a, a_row, a_column, b, bias, c);
}
