/* Clipped rectifier and its gradient. The comparisons are written so that NaN passes through. */
#include "kernels/cuda/grid.cuh"

static __global__ void relu_f32_k(size_t count, float ceiling, const float *x, float *y) {
  for (size_t i = FLAT_BEGIN; i < count; i += FLAT_STEP) {
    const float v = x[i];
    y[i] = v < 0 ? 0.0f : v > ceiling ? ceiling : v;
  }
}

static __global__ void relu_backward_f32_k(size_t count, float ceiling, const float *y,
                                           const float *dy, float *dx, bool accumulate) {
  for (size_t i = FLAT_BEGIN; i < count; i += FLAT_STEP) {
    const float v = y[i], d = v > 0 && v < ceiling ? dy[i] : 0.0f;
    dx[i] = accumulate ? dx[i] + d : d;
  }
}

extern "C" cudaError_t ap_cuda_launch_relu_f32(cudaStream_t stream, size_t count, float ceiling,
                                               const float *x, float *y) {
  if (count == 0) return cudaSuccess;
  const launch_size s = flat_size(count);
  relu_f32_k<<<s.grid, s.block, 0, stream>>>(count, ceiling, x, y);
  return cudaGetLastError();
}

extern "C" cudaError_t ap_cuda_launch_relu_backward_f32(cudaStream_t stream, size_t count,
                                                        float ceiling, const float *y,
                                                        const float *dy, float *dx,
                                                        bool accumulate) {
  if (count == 0) return cudaSuccess;
  const launch_size s = flat_size(count);
  relu_backward_f32_k<<<s.grid, s.block, 0, stream>>>(count, ceiling, y, dy, dx, accumulate);
  return cudaGetLastError();
}
