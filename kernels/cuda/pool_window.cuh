/* kernels/cuda/pool_window.cuh - the part of a pooling window that lies inside the map. */
#ifndef AP_KERNELS_CUDA_POOL_WINDOW_CUH
#define AP_KERNELS_CUDA_POOL_WINDOW_CUH
#include "kernels/cuda/grid.cuh"

typedef struct {
  int y0, y1, x0, x1;
} pool_part;

static __device__ inline pool_part pool_part_of(const ap_cuda_window &g, int oy, int ox) {
  const int y = oy * g.stride_h - g.pad_top, x = ox * g.stride_w - g.pad_left;
  return {max(y, 0), min(y + g.kh, g.h), max(x, 0), min(x + g.kw, g.w)};
}

/* What an average divides by. */
static __device__ inline float pool_divisor(const ap_cuda_window &g, const pool_part &r,
                                            bool count_padding) {
  return count_padding ? (float)g.kh * (float)g.kw : (float)(r.y1 - r.y0) * (float)(r.x1 - r.x0);
}

#endif
