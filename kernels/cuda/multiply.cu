/* Products of images, with one factor an element or one a plane, and the sums of products per plane:
 * the gradient of such a factor. y may be a or b where backend.h allows it. */
#include "kernels/cuda/channels.cuh"

static __global__ void multiply_f32_k(size_t count, const float *a, const float *b, float *y,
                                      bool accumulate) {
  for (size_t i = FLAT_BEGIN; i < count; i += FLAT_STEP)
    y[i] = accumulate ? fmaf(a[i], b[i], y[i]) : a[i] * b[i];
}

static __global__ void multiply_planes_f32_k(size_t planes, size_t pixels, const float *a,
                                             const float *__restrict__ b, float *y,
                                             bool accumulate) {
  for (unsigned q = PIXEL_BEGIN; q < pixels; q += PIXEL_STEP) {
    for (size_t plane = PLANE_BEGIN; plane < planes; plane += PLANE_STEP) {
      const size_t at = plane * pixels + q;
      y[at] = accumulate ? fmaf(a[at], b[plane], y[at]) : a[at] * b[plane];
    }
  }
}

/* A warp a plane, in double: its lanes walk the pixels in strides, each with two sums. */
static __global__ void multiply_sum_f32_k(size_t planes, size_t pixels, const float *__restrict__ a,
                                          const float *__restrict__ b, float *__restrict__ y,
                                          bool accumulate) {
  for (size_t plane = PLANE_BEGIN; plane < planes; plane += PLANE_STEP) {
    const float *from = a + plane * pixels, *by = b + plane * pixels;
    double2 sum = make_double2(0, 0);
    size_t p = threadIdx.x;
    for (; p + warp_threads < pixels; p += 2 * warp_threads) {
      sum.x += (double)from[p] * (double)by[p];
      sum.y += (double)from[p + warp_threads] * (double)by[p + warp_threads];
    }
    if (p < pixels) sum.x += (double)from[p] * (double)by[p];
    sum = warp_sum(sum);
    if (threadIdx.x == 0) y[plane] = (float)(sum.x + sum.y + (accumulate ? (double)y[plane] : 0.0));
  }
}

extern "C" cudaError_t ap_cuda_launch_multiply_f32(cudaStream_t stream, const ap_gate_shape *s,
                                                   const float *a, const float *b, float *y,
                                                   bool accumulate) {
  if (s->planes == 0 || s->pixels == 0) return cudaSuccess;
  if (s->per_plane) {
    const launch_size l = plane_size(s->planes, s->pixels);
    multiply_planes_f32_k<<<l.grid, l.block, 0, stream>>>(s->planes, s->pixels, a, b, y,
                                                          accumulate);
  } else {
    const launch_size l = flat_size(s->planes * s->pixels);
    multiply_f32_k<<<l.grid, l.block, 0, stream>>>(s->planes * s->pixels, a, b, y, accumulate);
  }
  return cudaGetLastError();
}

extern "C" cudaError_t ap_cuda_launch_multiply_sum_f32(cudaStream_t stream, const ap_gate_shape *s,
                                                       const float *a, const float *b, float *y,
                                                       bool accumulate) {
  if (s->planes == 0) return cudaSuccess;
  const dim3 block(warp_threads, block_threads / warp_threads);
  const size_t blocks = (s->planes + block.y - 1) / block.y;
  const dim3 grid((unsigned)(blocks < max_blocks ? blocks : max_blocks));
  multiply_sum_f32_k<<<grid, block, 0, stream>>>(s->planes, s->pixels, a, b, y, accumulate);
  return cudaGetLastError();
}
