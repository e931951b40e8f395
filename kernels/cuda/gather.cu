/* Channels by number, and the gradient: every source channel adds up its users in the order of the
 * list. Picks, starts and users are checked here, so that nothing outside is read. */
#include "kernels/cuda/grid.cuh"

static __global__ void gather_f32_k(ap_gather_shape s, const int32_t *__restrict__ picks,
                                    const float *__restrict__ x, float *__restrict__ y) {
  const size_t planes = s.n * s.c_to;
  for (unsigned q = PIXEL_BEGIN; q < s.hw; q += PIXEL_STEP) {
    for (size_t plane = PLANE_BEGIN; plane < planes; plane += PLANE_STEP) {
      const size_t image = plane / s.c_to;
      const int32_t pick = picks[plane % s.c_to];
      const bool known = pick >= 0 && (size_t)pick < s.c_from;
      y[plane * s.hw + q] = known ? x[(image * s.c_from + (size_t)pick) * s.hw + q] : nanf("");
    }
  }
}

static __global__ void gather_backward_f32_k(ap_gather_shape s, const int32_t *__restrict__ starts,
                                             const int32_t *__restrict__ users,
                                             const float *__restrict__ dy, float *__restrict__ dx,
                                             bool accumulate) {
  const size_t planes = s.n * s.c_from;
  const int32_t c_to = (int32_t)s.c_to;
  for (unsigned q = PIXEL_BEGIN; q < s.hw; q += PIXEL_STEP) {
    for (size_t plane = PLANE_BEGIN; plane < planes; plane += PLANE_STEP) {
      const size_t image = plane / s.c_from, channel = plane % s.c_from;
      const int32_t first = max(starts[channel], 0), end = min(starts[channel + 1], c_to);
      double sum = accumulate ? (double)dx[plane * s.hw + q] : 0.0;
      for (int32_t k = first; k < end; k++) {
        const int32_t user = users[k];
        if (user >= 0 && user < c_to) sum += (double)dy[(image * s.c_to + (size_t)user) * s.hw + q];
      }
      dx[plane * s.hw + q] = (float)sum;
    }
  }
}

extern "C" cudaError_t ap_cuda_launch_gather_f32(cudaStream_t stream, const ap_gather_shape *s,
                                                 const int32_t *picks, const float *x, float *y) {
  const size_t planes = s->n * s->c_to;
  if (planes == 0 || s->hw == 0) return cudaSuccess;
  const launch_size l = plane_size(planes, s->hw);
  gather_f32_k<<<l.grid, l.block, 0, stream>>>(*s, picks, x, y);
  return cudaGetLastError();
}

extern "C" cudaError_t ap_cuda_launch_gather_backward_f32(cudaStream_t stream,
                                                          const ap_gather_shape *s,
                                                          const int32_t *starts,
                                                          const int32_t *users, const float *dy,
                                                          float *dx, bool accumulate) {
  const size_t planes = s->n * s->c_from;
  if (planes == 0 || s->hw == 0) return cudaSuccess;
  const launch_size l = plane_size(planes, s->hw);
  gather_backward_f32_k<<<l.grid, l.block, 0, stream>>>(*s, starts, users, dy, dx, accumulate);
  return cudaGetLastError();
}
