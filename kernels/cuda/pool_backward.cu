/* Gradient of pooling as a gather: every input pixel adds what the windows that hold it send, in the
 * order of the output pixels. */
#include "kernels/cuda/pool_window.cuh"

/* Is (iy, ix) the first maximal pixel of window r, whose maximum is best? best is NaN only when the
 * window's first pixel is. */
static __device__ bool is_first_max(const float *plane, int w, const pool_part &r, float best,
                                    int iy, int ix) {
  if (best != best) return iy == r.y0 && ix == r.x0;
  if (plane[(size_t)iy * (size_t)w + (size_t)ix] != best) return false;
  for (int y = r.y0; y <= iy; y++) {
    const float *row = plane + (size_t)y * (size_t)w;
    const int end = y == iy ? ix : r.x1;
    for (int x = r.x0; x < end; x++) {
      if (row[x] == best) return false;
    }
  }
  return true;
}

/* The first window along one axis that reaches position p of the padded map. */
static __device__ int first_window(int p, int k, int stride) {
  return p < k ? 0 : (p - k) / stride + 1;
}

static __global__ void pool_backward_f32_k(bool maximum, size_t planes, ap_cuda_window g,
                                           bool count_padding, const float *__restrict__ x,
                                           const float *__restrict__ y,
                                           const float *__restrict__ dy, float *__restrict__ dx,
                                           bool accumulate) {
  const unsigned pixels = (unsigned)(g.h * g.w);
  const size_t out_pixels = (size_t)g.oh * (size_t)g.ow;
  for (unsigned q = PIXEL_BEGIN; q < pixels; q += PIXEL_STEP) {
    const int iy = (int)(q / (unsigned)g.w), ix = (int)(q % (unsigned)g.w);
    const int py = iy + g.pad_top, px = ix + g.pad_left;
    const int oy0 = first_window(py, g.kh, g.stride_h), ox0 = first_window(px, g.kw, g.stride_w);
    const int oy1 = min(py / g.stride_h, g.oh - 1), ox1 = min(px / g.stride_w, g.ow - 1);
    for (size_t plane = PLANE_BEGIN; plane < planes; plane += PLANE_STEP) {
      float sum = 0;
      for (int oy = oy0; oy <= oy1; oy++) {
        for (int ox = ox0; ox <= ox1; ox++) {
          const size_t at = plane * out_pixels + (size_t)oy * (size_t)g.ow + (size_t)ox;
          const pool_part r = pool_part_of(g, oy, ox);
          if (!maximum) {
            sum += dy[at] / pool_divisor(g, r, count_padding);
          } else if (is_first_max(x + plane * pixels, g.w, r, y[at], iy, ix)) {
            sum += dy[at];
          }
        }
      }
      float *to = dx + plane * pixels + q;
      *to = accumulate ? *to + sum : sum;
    }
  }
}

extern "C" cudaError_t ap_cuda_launch_pool_backward_f32(cudaStream_t stream, ap_pool_kind kind,
                                                        size_t planes, const ap_cuda_window *window,
                                                        bool count_padding, const float *x,
                                                        const float *y, const float *dy, float *dx,
                                                        bool accumulate) {
  const size_t pixels = (size_t)window->h * (size_t)window->w;
  if (planes == 0 || pixels == 0) return cudaSuccess;
  const launch_size s = plane_size(planes, pixels);
  pool_backward_f32_k<<<s.grid, s.block, 0, stream>>>(kind == AP_POOL_MAX, planes, *window,
                                                      count_padding, x, y, dy, dx, accumulate);
  return cudaGetLastError();
}
