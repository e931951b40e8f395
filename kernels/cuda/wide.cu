/* Images side by side and back: [i, c, p] <-> [c, i, p], so that a product over all images of a
 * small map is one wide matrix product. */
#include "kernels/cuda/grid.cuh"

static __global__ void widen_f32_k(size_t images, size_t channels, size_t pixels,
                                   const float *__restrict__ y, float *__restrict__ wide) {
  const size_t planes = images * channels;
  for (size_t plane = PLANE_BEGIN; plane < planes; plane += PLANE_STEP) {
    const size_t image = plane / channels, channel = plane % channels;
    const float *from = y + plane * pixels;
    float *to = wide + (channel * images + image) * pixels;
    for (unsigned q = PIXEL_BEGIN; q < pixels; q += PIXEL_STEP) to[q] = from[q];
  }
}

static __global__ void narrow_f32_k(size_t images, size_t channels, size_t pixels,
                                    const float *__restrict__ wide, const float *__restrict__ bias,
                                    float *__restrict__ y) {
  const size_t planes = images * channels;
  for (size_t plane = PLANE_BEGIN; plane < planes; plane += PLANE_STEP) {
    const size_t image = plane / channels, channel = plane % channels;
    const float *from = wide + (channel * images + image) * pixels;
    const float b = bias ? bias[channel] : 0.0f;
    float *to = y + plane * pixels;
    for (unsigned q = PIXEL_BEGIN; q < pixels; q += PIXEL_STEP) to[q] = from[q] + b;
  }
}

extern "C" cudaError_t ap_cuda_launch_widen_f32(cudaStream_t stream, size_t images, size_t channels,
                                                size_t pixels, const float *y, float *wide) {
  if (images == 0 || channels == 0 || pixels == 0) return cudaSuccess;
  const launch_size s = plane_size(images * channels, pixels);
  widen_f32_k<<<s.grid, s.block, 0, stream>>>(images, channels, pixels, y, wide);
  return cudaGetLastError();
}

extern "C" cudaError_t ap_cuda_launch_narrow_f32(cudaStream_t stream, size_t images,
                                                 size_t channels, size_t pixels, const float *wide,
                                                 const float *bias, float *y) {
  if (images == 0 || channels == 0 || pixels == 0) return cudaSuccess;
  const launch_size s = plane_size(images * channels, pixels);
  narrow_f32_k<<<s.grid, s.block, 0, stream>>>(images, channels, pixels, wide, bias, y);
  return cudaGetLastError();
}
