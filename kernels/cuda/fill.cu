/* to[i] = value. */
#include "kernels/cuda/grid.cuh"

static __global__ void fill_f32_k(float *to, float value, size_t count) {
  for (size_t i = FLAT_BEGIN; i < count; i += FLAT_STEP) to[i] = value;
}

extern "C" cudaError_t ap_cuda_launch_fill_f32(cudaStream_t stream, float *to, float value,
                                               size_t count) {
  if (count == 0) return cudaSuccess;
  const launch_size s = flat_size(count);
  fill_f32_k<<<s.grid, s.block, 0, stream>>>(to, value, count);
  return cudaGetLastError();
}

extern "C" cudaError_t ap_cuda_kernels_usable(void) {
  cudaFuncAttributes attributes;
  return cudaFuncGetAttributes(&attributes, fill_f32_k);
}
