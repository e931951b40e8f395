/* The way back of im2col, as a gather: every input pixel adds the taps that saw it, in the order of
 * the filter's rows and columns. */
#include "kernels/cuda/grid.cuh"

static __global__ void col2im_f32_k(ap_cuda_patches p, const float *__restrict__ patches,
                                    float *__restrict__ dx, bool accumulate) {
  const ap_cuda_window g = p.window;
  const unsigned pixels = (unsigned)(g.h * g.w), channels = (unsigned)p.channels;
  const size_t planes = p.images * p.channels, taps = (size_t)g.kh * (size_t)g.kw;
  for (unsigned q = PIXEL_BEGIN; q < pixels; q += PIXEL_STEP) {
    const int py = (int)(q / (unsigned)g.w) + g.pad_top;
    const int px = (int)(q % (unsigned)g.w) + g.pad_left;
    for (size_t plane = PLANE_BEGIN; plane < planes; plane += PLANE_STEP) {
      const unsigned image = (unsigned)plane / channels, channel = (unsigned)plane % channels;
      const float *from = patches + channel * taps * p.row + image * p.image;
      float *to = dx + plane * pixels + q;
      float sum = 0;
      for (int ky = 0; ky < g.kh; ky++) {
        const int dy = py - ky * g.dilation_h, oy = dy / g.stride_h;
        if (dy < 0) break;
        if (oy * g.stride_h != dy || oy >= g.oh) continue;
        for (int kx = 0; kx < g.kw; kx++) {
          const int d = px - kx * g.dilation_w, ox = d / g.stride_w;
          if (d < 0) break;
          if (ox * g.stride_w != d || ox >= g.ow) continue;
          const size_t tap = (size_t)ky * (size_t)g.kw + (size_t)kx;
          sum += from[tap * p.row + (size_t)oy * (size_t)g.ow + (size_t)ox];
        }
      }
      *to = accumulate ? *to + sum : sum;
    }
  }
}

extern "C" cudaError_t ap_cuda_launch_col2im_f32(cudaStream_t stream, const ap_cuda_patches *p,
                                                 const float *patches, float *dx, bool accumulate) {
  const size_t planes = p->images * p->channels;
  const size_t pixels = (size_t)p->window.h * (size_t)p->window.w;
  if (planes == 0 || pixels == 0) return cudaSuccess;
  const launch_size s = plane_size(planes, pixels);
  col2im_f32_k<<<s.grid, s.block, 0, stream>>>(*p, patches, dx, accumulate);
  return cudaGetLastError();
}
