/* A region of channels from one tensor to another, and its gradient. Every source pixel has at most
 * one destination, so the gradient adds without conflicts. */
#include "kernels/cuda/grid.cuh"

/* Calls body(source index, destination index) for every moved element. */
template <typename Body>
static __device__ inline void each_moved(const ap_move_shape &s, const Body &body) {
  const size_t planes = s.n * s.c, pixels = s.h_to * s.w_to;
  const unsigned width = (unsigned)s.w_to;
  for (unsigned q = PIXEL_BEGIN; q < pixels; q += PIXEL_STEP) {
    const size_t inside = q / width * s.step_h * s.w_from + q % width * s.step_w;
    for (size_t plane = PLANE_BEGIN; plane < planes; plane += PLANE_STEP) {
      const size_t i = plane / s.c, c = plane % s.c;
      body((i * s.c_from + s.c0_from + c) * (s.h_from * s.w_from) + inside,
           (i * s.c_to + s.c0_to + c) * pixels + q);
    }
  }
}

static __global__ void move_f32_k(ap_move_shape s, const float *__restrict__ from,
                                  float *__restrict__ to) {
  each_moved(s, [=](size_t f, size_t t) { to[t] = from[f]; });
}

static __global__ void move_backward_f32_k(ap_move_shape s, const float *__restrict__ dto,
                                           float *__restrict__ dfrom) {
  each_moved(s, [=](size_t f, size_t t) { dfrom[f] += dto[t]; });
}

extern "C" cudaError_t ap_cuda_launch_move_f32(cudaStream_t stream, const ap_move_shape *s,
                                               const float *from, float *to) {
  const size_t planes = s->n * s->c, pixels = s->h_to * s->w_to;
  if (planes == 0 || pixels == 0) return cudaSuccess;
  const launch_size l = plane_size(planes, pixels);
  move_f32_k<<<l.grid, l.block, 0, stream>>>(*s, from, to);
  return cudaGetLastError();
}

extern "C" cudaError_t ap_cuda_launch_move_backward_f32(cudaStream_t stream, const ap_move_shape *s,
                                                        const float *dto, float *dfrom) {
  const size_t planes = s->n * s->c, pixels = s->h_to * s->w_to;
  if (planes == 0 || pixels == 0) return cudaSuccess;
  const launch_size l = plane_size(planes, pixels);
  move_backward_f32_k<<<l.grid, l.block, 0, stream>>>(*s, dto, dfrom);
  return cudaGetLastError();
}
