/* Normalisation of an image by itself. Sets that lie in a row have a block each, those side by side a thread each. One
 * pass gives the sums of d = x - x0 and d * d and, backward, of dy and dy * d, in double, x0 being the set's first
 * value: a mean far above the deviation costs no accuracy. */
#include "kernels/cuda/channels.cuh"

struct norm_sums {
  double2 x, dy; /* of d and d * d; of dy and dy * d */
};

struct norm_rule {
  double mean, inverse, dy, product; /* means of dy, and of dy * (x - mean) * inverse^2 */
};

static __device__ inline void norm_add(norm_sums *s, double d, double dy) {
  s->x.x += d;
  s->x.y += d * d;
  s->dy.x += dy;
  s->dy.y += dy * d;
}

static __device__ inline norm_rule norm_rule_of(const ap_norm_shape &s, const norm_sums &sums,
                                                double origin) {
  const double m = (double)s.count, slip = sums.x.x / m;
  const double squares = sums.x.y - sums.x.x * slip;
  norm_rule r;
  r.mean = origin + slip;
  r.inverse = 1 / sqrt((squares < 0 ? 0 : squares) / m + (double)s.epsilon);
  r.dy = sums.dy.x / m;
  r.product = (sums.dy.y - slip * sums.dy.x) / m * r.inverse * r.inverse;
  return r;
}

/* dy NULL: forward, to is y; else to is dx. */
static __device__ inline void norm_write(const norm_rule &r, float x, const float *dy, size_t i,
                                         bool accumulate, float *to) {
  const double d = (double)x - r.mean;
  if (!dy) {
    to[i] = (float)(d * r.inverse);
    return;
  }
  const double dx = r.inverse * ((double)dy[i] - r.dy - d * r.product);
  to[i] = (float)(dx + (accumulate ? (double)to[i] : 0.0));
}

static __global__ void norm_row_k(ap_norm_shape s, const float *x, const float *dy, bool accumulate,
                                  float *to) {
  __shared__ norm_sums parts[block_threads / warp_threads];
  for (size_t set = blockIdx.x; set < s.outer; set += gridDim.x) {
    const size_t first = set * s.count;
    const double origin = (double)x[first];
    norm_sums sums = {make_double2(0, 0), make_double2(0, 0)};
    for (size_t k = threadIdx.x; k < s.count; k += block_threads)
      norm_add(&sums, (double)x[first + k] - origin, dy ? (double)dy[first + k] : 0.0);
    sums.x = warp_sum(sums.x);
    sums.dy = warp_sum(sums.dy);
    if (threadIdx.x % warp_threads == 0) parts[threadIdx.x / warp_threads] = sums;
    __syncthreads();
    sums = parts[0];
    for (int w = 1; w < block_threads / warp_threads; w++) {
      sums.x.x += parts[w].x.x;
      sums.x.y += parts[w].x.y;
      sums.dy.x += parts[w].dy.x;
      sums.dy.y += parts[w].dy.y;
    }
    const norm_rule r = norm_rule_of(s, sums, origin);
    __syncthreads(); /* all have read x[first] and the parts */
    for (size_t k = threadIdx.x; k < s.count; k += block_threads)
      norm_write(r, x[first + k], dy, first + k, accumulate, to);
    __syncthreads();
  }
}

static __global__ void norm_side_k(ap_norm_shape s, const float *x, const float *dy,
                                   bool accumulate, float *to) {
  for (size_t set = FLAT_BEGIN; set < s.outer * s.inner; set += FLAT_STEP) {
    const size_t first = set / s.inner * s.count * s.inner + set % s.inner;
    const double origin = (double)x[first];
    norm_sums sums = {make_double2(0, 0), make_double2(0, 0)};
    for (size_t k = 0; k < s.count; k++) {
      const size_t i = first + k * s.inner;
      norm_add(&sums, (double)x[i] - origin, dy ? (double)dy[i] : 0.0);
    }
    const norm_rule r = norm_rule_of(s, sums, origin);
    for (size_t k = 0; k < s.count; k++) {
      const size_t i = first + k * s.inner;
      norm_write(r, x[i], dy, i, accumulate, to);
    }
  }
}

static cudaError_t norm_launch(cudaStream_t stream, const ap_norm_shape *s, const float *x,
                               const float *dy, bool accumulate, float *to) {
  if (s->outer == 0 || s->count == 0 || s->inner == 0) return cudaSuccess;
  if (s->inner == 1) {
    const dim3 grid((unsigned)(s->outer < max_blocks ? s->outer : max_blocks));
    norm_row_k<<<grid, block_threads, 0, stream>>>(*s, x, dy, accumulate, to);
  } else {
    const launch_size l = flat_size(s->outer * s->inner);
    norm_side_k<<<l.grid, l.block, 0, stream>>>(*s, x, dy, accumulate, to);
  }
  return cudaGetLastError();
}

extern "C" cudaError_t ap_cuda_launch_norm_f32(cudaStream_t stream, const ap_norm_shape *s,
                                               const float *x, float *y) {
  return norm_launch(stream, s, x, NULL, false, y);
}

extern "C" cudaError_t ap_cuda_launch_norm_backward_f32(cudaStream_t stream, const ap_norm_shape *s,
                                                        const float *x, const float *dy, float *dx,
                                                        bool accumulate) {
  return norm_launch(stream, s, x, dy, accumulate, dx);
}
