/* The logistic function and its gradient. NaN passes through. */
#include "kernels/cuda/grid.cuh"

/* Of a large -x: 1 / infinity. */
static __global__ void sigmoid_f32_k(size_t count, const float *x, float *y) {
  for (size_t i = FLAT_BEGIN; i < count; i += FLAT_STEP) y[i] = 1.0f / (1.0f + expf(-x[i]));
}

static __global__ void sigmoid_backward_f32_k(size_t count, const float *y, const float *dy,
                                              float *dx, bool accumulate) {
  for (size_t i = FLAT_BEGIN; i < count; i += FLAT_STEP) {
    const float v = y[i], d = dy[i] * (v * (1.0f - v));
    dx[i] = accumulate ? dx[i] + d : d;
  }
}

extern "C" cudaError_t ap_cuda_launch_sigmoid_f32(cudaStream_t stream, size_t count, const float *x,
                                                  float *y) {
  if (count == 0) return cudaSuccess;
  const launch_size s = flat_size(count);
  sigmoid_f32_k<<<s.grid, s.block, 0, stream>>>(count, x, y);
  return cudaGetLastError();
}

extern "C" cudaError_t ap_cuda_launch_sigmoid_backward_f32(cudaStream_t stream, size_t count,
                                                           const float *y, const float *dy,
                                                           float *dx, bool accumulate) {
  if (count == 0) return cudaSuccess;
  const launch_size s = flat_size(count);
  sigmoid_backward_f32_k<<<s.grid, s.block, 0, stream>>>(count, y, dy, dx, accumulate);
  return cudaGetLastError();
}
