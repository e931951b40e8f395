/* y[i, c, p] += bias[c]. */
#include "kernels/cuda/grid.cuh"

static __global__ void bias_f32_k(size_t planes, size_t channels, size_t pixels,
                                  const float *__restrict__ bias, float *__restrict__ y) {
  for (size_t plane = PLANE_BEGIN; plane < planes; plane += PLANE_STEP) {
    const float b = bias[plane % channels];
    float *to = y + plane * pixels;
    for (unsigned q = PIXEL_BEGIN; q < pixels; q += PIXEL_STEP) to[q] += b;
  }
}

extern "C" cudaError_t ap_cuda_launch_bias_f32(cudaStream_t stream, size_t images, size_t channels,
                                               size_t pixels, const float *bias, float *y) {
  const size_t planes = images * channels;
  if (planes == 0 || pixels == 0) return cudaSuccess;
  const launch_size s = plane_size(planes, pixels);
  bias_f32_k<<<s.grid, s.block, 0, stream>>>(planes, channels, pixels, bias, y);
  return cudaGetLastError();
}
