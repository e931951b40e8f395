/* Batch normalisation with the batch's own statistics. One pass over x gives sums of x - x0 and of
 * its square, in double, x0 being the channel's first element: a mean far above the deviation costs
 * no accuracy. */
#include "kernels/cuda/channels.cuh"

struct moments_term {
  const float *x;
  double origin;
  __device__ double2 operator()(size_t at) const {
    const double d = (double)x[at] - origin;
    return make_double2(d, d * d);
  }
};

static __global__ void bn_moments_k(size_t n, size_t hw, const float *x, double2 *chunks) {
  sum_chunk(n, hw, chunks, moments_term{x, (double)x[blockIdx.x * hw]});
}

static __global__ void bn_statistics_k(ap_bn_shape s, unsigned n_chunks, const double2 *chunks,
                                       const float *x, float *save_mean, float *save_inv_std,
                                       float *running_mean, float *running_var) {
  const size_t c = blockIdx.x;
  const double2 sum = sum_chunks(chunks, n_chunks, c);
  if (threadIdx.x != 0) return;
  const double m = (double)s.n * (double)s.hw, momentum = (double)s.momentum;
  const double shift = sum.x / m, mean = (double)x[c * s.hw] + shift;
  const double squares = fmax(sum.y - sum.x * shift, 0.0); /* rounding may leave less than 0 */
  const double unbiased = m > 1 ? squares / (m - 1) : 0;
  save_mean[c] = (float)mean;
  save_inv_std[c] = (float)(1 / sqrt(squares / m + (double)s.epsilon));
  running_mean[c] = (float)((1 - momentum) * (double)running_mean[c] + momentum * mean);
  running_var[c] = (float)((1 - momentum) * (double)running_var[c] + momentum * unbiased);
}

static __global__ void bn_normalise_k(size_t planes, size_t channels, size_t hw, const float *x,
                                      const float *gamma, const float *beta, const float *mean,
                                      const float *inv_std, float *y) {
  for (size_t plane = PLANE_BEGIN; plane < planes; plane += PLANE_STEP) {
    const size_t c = plane % channels;
    const float centre = mean[c], scale = gamma[c] * inv_std[c], shift = beta[c];
    const float *from = x + plane * hw;
    float *to = y + plane * hw;
    for (unsigned q = PIXEL_BEGIN; q < hw; q += PIXEL_STEP) {
      to[q] = (from[q] - centre) * scale + shift;
    }
  }
}

extern "C" cudaError_t ap_cuda_launch_bn_train_f32(cudaStream_t stream, const ap_bn_shape *s,
                                                   const float *x, const float *gamma,
                                                   const float *beta, float *y, float *save_mean,
                                                   float *save_inv_std, float *running_mean,
                                                   float *running_var, void *scratch) {
  const dim3 grid = chunk_grid(s->n, s->c, s->hw), block(block_threads);
  const dim3 channels((unsigned)s->c), warp(warp_threads);
  const launch_size all = plane_size(s->n * s->c, s->hw);
  double2 *chunks = (double2 *)scratch;
  bn_moments_k<<<grid, block, 0, stream>>>(s->n, s->hw, x, chunks);
  bn_statistics_k<<<channels, warp, 0, stream>>>(*s, grid.y, chunks, x, save_mean, save_inv_std,
                                                 running_mean, running_var);
  bn_normalise_k<<<all.grid, all.block, 0, stream>>>(s->n * s->c, s->c, s->hw, x, gamma, beta,
                                                     save_mean, save_inv_std, y);
  return cudaGetLastError();
}
