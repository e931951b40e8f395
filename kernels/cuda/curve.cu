/* Curves (kernels/curve.h) and their gradients. NaN passes through. */
#include "kernels/cuda/grid.cuh"
#include "kernels/grouped/curve_value.h"

static __global__ void curve_f32_k(int curve, size_t count, const float *x, float *y) {
  for (size_t i = FLAT_BEGIN; i < count; i += FLAT_STEP) y[i] = grouped_curve(curve, x[i]);
}

static __global__ void curve_backward_f32_k(int curve, size_t count, const float *kept,
                                            const float *dy, float *dx, bool accumulate) {
  for (size_t i = FLAT_BEGIN; i < count; i += FLAT_STEP) {
    const float d = dy[i] * grouped_curve_slope(curve, kept[i]);
    dx[i] = accumulate ? dx[i] + d : d;
  }
}

extern "C" cudaError_t ap_cuda_launch_curve_f32(cudaStream_t stream, ap_curve curve, size_t count,
                                                const float *x, float *y) {
  if (count == 0) return cudaSuccess;
  const launch_size s = flat_size(count);
  curve_f32_k<<<s.grid, s.block, 0, stream>>>((int)curve, count, x, y);
  return cudaGetLastError();
}

extern "C" cudaError_t ap_cuda_launch_curve_backward_f32(cudaStream_t stream, ap_curve curve,
                                                         size_t count, const float *kept,
                                                         const float *dy, float *dx,
                                                         bool accumulate) {
  if (count == 0) return cudaSuccess;
  const launch_size s = flat_size(count);
  curve_backward_f32_k<<<s.grid, s.block, 0, stream>>>((int)curve, count, kept, dy, dx, accumulate);
  return cudaGetLastError();
}
