/* Maximum and average over windows; one thread per output pixel. */
#include "kernels/cuda/pool_window.cuh"

/* Only a greater pixel replaces the first: NaN in front stays, NaN elsewhere is passed over. */
static __device__ float window_max(const float *plane, int w, const pool_part &r) {
  float best = plane[(size_t)r.y0 * (size_t)w + (size_t)r.x0];
  for (int y = r.y0; y < r.y1; y++) {
    const float *row = plane + (size_t)y * (size_t)w;
    for (int x = r.x0; x < r.x1; x++) {
      if (row[x] > best) best = row[x];
    }
  }
  return best;
}

static __device__ float window_sum(const float *plane, int w, const pool_part &r) {
  float sum = 0;
  for (int y = r.y0; y < r.y1; y++) {
    const float *row = plane + (size_t)y * (size_t)w;
    float part = 0;
    for (int x = r.x0; x < r.x1; x++) part += row[x];
    sum += part;
  }
  return sum;
}

static __global__ void pool_f32_k(bool maximum, size_t planes, ap_cuda_window g, bool count_padding,
                                  const float *__restrict__ x, float *__restrict__ y) {
  const unsigned pixels = (unsigned)(g.oh * g.ow);
  const size_t size = (size_t)g.h * (size_t)g.w;
  for (unsigned q = PIXEL_BEGIN; q < pixels; q += PIXEL_STEP) {
    const int oy = (int)(q / (unsigned)g.ow), ox = (int)(q % (unsigned)g.ow);
    const pool_part r = pool_part_of(g, oy, ox);
    const float divisor = pool_divisor(g, r, count_padding);
    for (size_t plane = PLANE_BEGIN; plane < planes; plane += PLANE_STEP) {
      const float *from = x + plane * size;
      y[plane * pixels + q] =
          maximum ? window_max(from, g.w, r) : window_sum(from, g.w, r) / divisor;
    }
  }
}

extern "C" cudaError_t ap_cuda_launch_pool_f32(cudaStream_t stream, ap_pool_kind kind,
                                               size_t planes, const ap_cuda_window *window,
                                               bool count_padding, const float *x, float *y) {
  const size_t pixels = (size_t)window->oh * (size_t)window->ow;
  if (planes == 0 || pixels == 0) return cudaSuccess;
  const launch_size s = plane_size(planes, pixels);
  pool_f32_k<<<s.grid, s.block, 0, stream>>>(kind == AP_POOL_MAX, planes, *window, count_padding, x,
                                             y);
  return cudaGetLastError();
}
