/* y = alpha * x (+ y), with one rounding. */
#include "kernels/cuda/grid.cuh"

static __global__ void scale_f32_k(size_t count, float alpha, const float *x, float *y,
                                   bool accumulate) {
  for (size_t i = FLAT_BEGIN; i < count; i += FLAT_STEP) {
    y[i] = accumulate ? fmaf(alpha, x[i], y[i]) : alpha * x[i];
  }
}

extern "C" cudaError_t ap_cuda_launch_scale_f32(cudaStream_t stream, size_t count, float alpha,
                                                const float *x, float *y, bool accumulate) {
  if (count == 0) return cudaSuccess;
  const launch_size s = flat_size(count);
  scale_f32_k<<<s.grid, s.block, 0, stream>>>(count, alpha, x, y, accumulate);
  return cudaGetLastError();
}
