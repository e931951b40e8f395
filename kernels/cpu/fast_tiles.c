/* The inner loops of the direct convolution (fast_tiles_body.h), compiled for three instruction sets. Sizes
 * of tiles follow the number of vector registers: 32 of 16 floats, or 16 of 8 (4). */
#include <string.h>

#include "kernels/cpu/direct_impl.h"

#define INLINE static inline __attribute__((always_inline))

typedef float quarter __attribute__((vector_size(16))); /* of a vector of 16 floats */

#define PART 16
#define TILE(name) name##_16
#include "kernels/cpu/fast_tiles_body.h"
#undef PART
#undef TILE

static void panel_plain(const ap_direct_panel *t) {
  for (size_t r = 0; r < t->n_rows; r += 2) panel_rows_16(t, r, 2, 1);
}

static void filter_plain(const ap_direct_filter_tile *t, float *sums) {
  for (int r = 0; r < 4; r += 2) {
    for (int k = 0; k < 6; k++) filter_tile_16(t, sums, r, 2, k, 1);
  }
}

#if defined(__x86_64__)
#define PART 32
#define TILE(name) name##_32
#include "kernels/cpu/fast_tiles_body.h"
#undef PART
#undef TILE
#define PART 64
#define TILE(name) name##_64
#include "kernels/cpu/fast_tiles_body.h"
#undef PART
#undef TILE

__attribute__((target("avx512f"))) static void panel_avx512(const ap_direct_panel *t) {
  if (t->n_rows > 4) {
    panel_rows_64(t, 0, 8, 3);
  } else {
    panel_rows_64(t, 0, 4, 3);
  }
}

__attribute__((target("avx512f"))) static void filter_avx512(const ap_direct_filter_tile *t,
                                                             float *sums) {
  filter_tile_64(t, sums, 0, 4, 0, 6);
}

__attribute__((target("avx2,fma"))) static void panel_avx2(const ap_direct_panel *t) {
  panel_rows_32(t, 0, 4, 1);
  if (t->n_rows > 4) panel_rows_32(t, 4, 4, 1);
}

__attribute__((target("avx2,fma"))) static void filter_avx2(const ap_direct_filter_tile *t,
                                                            float *sums) {
  for (int r = 0; r < 4; r += 2) {
    for (int k = 0; k < 6; k += 3) filter_tile_32(t, sums, r, 2, k, 3);
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
