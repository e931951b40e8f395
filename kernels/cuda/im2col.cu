/* Patches of a map as columns: what every filter tap sees at every output pixel, 0 in the padding.
 * One thread per input plane and output pixel writes all taps: writes of neighbours are adjacent. */
#include "kernels/cuda/grid.cuh"

static __global__ void im2col_f32_k(ap_cuda_patches p, const float *__restrict__ x,
                                    float *__restrict__ patches) {
  const ap_cuda_window g = p.window;
  const unsigned pixels = (unsigned)(g.oh * g.ow), channels = (unsigned)p.channels;
  const size_t planes = p.images * p.channels, size = (size_t)g.h * (size_t)g.w;
  const size_t taps = (size_t)g.kh * (size_t)g.kw;
  for (unsigned q = PIXEL_BEGIN; q < pixels; q += PIXEL_STEP) {
    const int y0 = (int)(q / (unsigned)g.ow) * g.stride_h - g.pad_top;
    const int x0 = (int)(q % (unsigned)g.ow) * g.stride_w - g.pad_left;
    for (size_t plane = PLANE_BEGIN; plane < planes; plane += PLANE_STEP) {
      const unsigned image = (unsigned)plane / channels, channel = (unsigned)plane % channels;
      const float *from = x + plane * size;
      float *to = patches + channel * taps * p.row + image * p.image + q;
      for (int ky = 0; ky < g.kh; ky++) {
        const int iy = y0 + ky * g.dilation_h;
        const bool row_inside = iy >= 0 && iy < g.h;
        for (int kx = 0; kx < g.kw; kx++) {
          const int ix = x0 + kx * g.dilation_w;
          const bool inside = row_inside && ix >= 0 && ix < g.w;
          *to = inside ? from[(size_t)iy * (size_t)g.w + (size_t)ix] : 0.0f;
          to += p.row;
        }
      }
    }
  }
}

extern "C" cudaError_t ap_cuda_launch_im2col_f32(cudaStream_t stream, const ap_cuda_patches *p,
                                                 const float *x, float *patches) {
  const size_t planes = p->images * p->channels;
  const size_t pixels = (size_t)p->window.oh * (size_t)p->window.ow;
  if (planes == 0 || pixels == 0) return cudaSuccess;
  const launch_size s = plane_size(planes, pixels);
  im2col_f32_k<<<s.grid, s.block, 0, stream>>>(*p, x, patches);
  return cudaGetLastError();
}
