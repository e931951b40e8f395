/* The inner loops of the direct convolution, compiled for three instruction sets. Sizes of tiles
 * follow the number of vector registers: 32 of 16 floats, or 16 of 8 (4). */
#include <string.h>

#include "kernels/cpu/direct_impl.h"

typedef float lanes __attribute__((vector_size(64)));
typedef float half __attribute__((vector_size(32)));
typedef float quarter __attribute__((vector_size(16)));
#define INLINE static inline __attribute__((always_inline))

INLINE void panel_tile(const ap_direct_panel *t, size_t v0, const int n_vectors, const size_t r0,
                       const int n_rows) {
  lanes sum[8][3];
  const float *base[3];
#pragma GCC unroll 3
  for (int j = 0; j < n_vectors; j++) base[j] = t->planes + t->in[v0 + (size_t)j];
#pragma GCC unroll 8
  for (int r = 0; r < n_rows; r++) {
#pragma GCC unroll 3
    for (int j = 0; j < n_vectors; j++) sum[r][j] = (lanes){0} + t->bias[r0 + (size_t)r];
  }
  for (size_t k = 0; k < t->k; k++) {
    const size_t distance = t->offset[k];
    const float *w = t->w + k * AP_PANEL + r0;
    lanes x[3];
#pragma GCC unroll 3
    for (int j = 0; j < n_vectors; j++) memcpy(&x[j], base[j] + distance, sizeof x[j]);
#pragma GCC unroll 8
    for (int r = 0; r < n_rows; r++) {
#pragma GCC unroll 3
      for (int j = 0; j < n_vectors; j++) sum[r][j] += x[j] * w[r];
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < n_rows; r++) {
    if (r0 + (size_t)r >= t->n_rows) continue;
#pragma GCC unroll 3
    for (int j = 0; j < n_vectors; j++) {
      float *to = t->out + (r0 + (size_t)r) * t->out_row + t->at[v0 + (size_t)j];
      lanes old = {0};
      if (t->accumulate) memcpy(&old, to, sizeof old);
      old += sum[r][j];
      memcpy(to, &old, sizeof old);
    }
  }
}

INLINE void panel_rows(const ap_direct_panel *t, size_t r0, const int n_rows, const int wide) {
  size_t v = 0;
  if (wide == 3) {
    for (; v + 3 <= t->n_vectors; v += 3) panel_tile(t, v, 3, r0, n_rows);
    if (v + 2 <= t->n_vectors) {
      panel_tile(t, v, 2, r0, n_rows);
      v += 2;
    }
  }
  for (; v < t->n_vectors; v++) panel_tile(t, v, 1, r0, n_rows);
}

INLINE void filter_tile(const ap_direct_filter_tile *t, float *sums, const int r0, const int n_rows,
                        const int k0, const int n_taps) {
  lanes sum[4][6];
  size_t distance[6];
#pragma GCC unroll 6
  for (int j = 0; j < n_taps; j++) distance[j] = t->offset[k0 + j];
#pragma GCC unroll 4
  for (int r = 0; r < n_rows; r++) {
#pragma GCC unroll 6
    for (int j = 0; j < n_taps; j++) sum[r][j] = (lanes){0};
  }
  for (size_t i = 0; i < t->n_images; i++) {
    const float *planes = t->planes + i * t->image;
    const size_t first = i * t->dy_image;
    for (size_t v = 0; v < t->n_vectors; v++) {
      const float *x = planes + t->in[v];
      const size_t at = first + t->at[v];
      lanes d[4];
#pragma GCC unroll 4
      for (int r = 0; r < n_rows; r++) memcpy(&d[r], t->dy[r0 + r] + at, sizeof d[r]);
#pragma GCC unroll 6
      for (int j = 0; j < n_taps; j++) {
        lanes a;
        memcpy(&a, x + distance[j], sizeof a);
#pragma GCC unroll 4
        for (int r = 0; r < n_rows; r++) sum[r][j] += a * d[r];
      }
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < n_rows; r++) {
#pragma GCC unroll 6
    for (int j = 0; j < n_taps; j++) {
      /* Halves are added until one lane is left. */
      float part[16];
      half a, b;
      quarter c, d;
      memcpy(part, &sum[r][j], sizeof part);
      memcpy(&a, part, sizeof a);
      memcpy(&b, part + 8, sizeof b);
      a += b;
      memcpy(part, &a, sizeof a);
      memcpy(&c, part, sizeof c);
      memcpy(&d, part + 4, sizeof d);
      c += d;
      sums[(r0 + r) * (int)AP_TILE_TAPS + k0 + j] = (c[0] + c[2]) + (c[1] + c[3]);
    }
  }
}

static void panel_plain(const ap_direct_panel *t) {
  panel_rows(t, 0, 4, 1);
  if (t->n_rows > 4) panel_rows(t, 4, 4, 1);
}

static void filter_plain(const ap_direct_filter_tile *t, float *sums) {
  for (int r = 0; r < 4; r += 2) {
    for (int k = 0; k < 6; k += 2) filter_tile(t, sums, r, 2, k, 2);
  }
}

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static void panel_avx512(const ap_direct_panel *t) {
  if (t->n_rows > 4) {
    panel_rows(t, 0, 8, 3);
  } else {
    panel_rows(t, 0, 4, 3);
  }
}

__attribute__((target("avx512f"))) static void filter_avx512(const ap_direct_filter_tile *t,
                                                             float *sums) {
  filter_tile(t, sums, 0, 4, 0, 6);
}

__attribute__((target("avx2,fma"))) static void panel_avx2(const ap_direct_panel *t) {
  panel_rows(t, 0, 4, 1);
  if (t->n_rows > 4) panel_rows(t, 4, 4, 1);
}

__attribute__((target("avx2,fma"))) static void filter_avx2(const ap_direct_filter_tile *t,
                                                            float *sums) {
  for (int r = 0; r < 4; r += 2) {
    for (int k = 0; k < 6; k += 3) filter_tile(t, sums, r, 2, k, 3);
  }
}
#endif

const ap_direct_tiles *ap_direct_tiles_get(size_t i) {
  static const ap_direct_tiles plain = {"baseline", panel_plain, filter_plain};
#if defined(__x86_64__)
  static const ap_direct_tiles avx512 = {"avx512", panel_avx512, filter_avx512};
  static const ap_direct_tiles avx2 = {"avx2", panel_avx2, filter_avx2};
  if (__builtin_cpu_supports("avx512f") && i-- == 0) return &avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && i-- == 0) return &avx2;
#endif
  return i == 0 ? &plain : NULL;
}
