/* Gradient of batch normalisation through the batch's statistics; dx may be dy. */
#include "kernels/cuda/channels.cuh"

struct gradient_term {
  const float *x, *dy;
  double mean;
  __device__ double2 operator()(size_t at) const {
    const double d = (double)dy[at];
    return make_double2(d, d * ((double)x[at] - mean));
  }
};

static __global__ void bn_gradient_chunks_k(size_t n, size_t hw, const float *x, const float *dy,
                                            const float *mean, double2 *chunks) {
  sum_chunk(n, hw, chunks, gradient_term{x, dy, (double)mean[blockIdx.x]});
}

static __global__ void bn_gradient_sums_k(unsigned n_chunks, const double2 *chunks,
                                          const float *inv_std, float *dgamma, float *dbeta) {
  const size_t c = blockIdx.x;
  const double2 sum = sum_chunks(chunks, n_chunks, c);
  if (threadIdx.x != 0) return;
  dbeta[c] = (float)sum.x;
  dgamma[c] = (float)(sum.y * (double)inv_std[c]);
}

static __global__ void bn_dx_k(size_t planes, size_t channels, size_t hw, float per_element,
                               const float *x, const float *dy, const float *gamma,
                               const float *mean, const float *inv_std, const float *dgamma,
                               const float *dbeta, float *dx) {
  for (size_t plane = PLANE_BEGIN; plane < planes; plane += PLANE_STEP) {
    const size_t c = plane % channels, base = plane * hw;
    const float centre = mean[c], inv = inv_std[c], scale = gamma[c] * inv;
    const float mean_dy = dbeta[c] * per_element, mean_product = dgamma[c] * per_element;
    for (unsigned q = PIXEL_BEGIN; q < hw; q += PIXEL_STEP) {
      const float normal = (x[base + q] - centre) * inv;
      dx[base + q] = scale * (dy[base + q] - mean_dy - normal * mean_product);
    }
  }
}

extern "C" cudaError_t ap_cuda_launch_bn_backward_f32(cudaStream_t stream, const ap_bn_shape *s,
                                                      const float *x, const float *dy,
                                                      const float *gamma, const float *save_mean,
                                                      const float *save_inv_std, float *dx,
                                                      float *dgamma, float *dbeta, void *scratch) {
  const dim3 grid = chunk_grid(s->n, s->c, s->hw), block(block_threads);
  const dim3 channels((unsigned)s->c), warp(warp_threads);
  const launch_size all = plane_size(s->n * s->c, s->hw);
  const float per_element = (float)(1 / ((double)s->n * (double)s->hw));
  double2 *chunks = (double2 *)scratch;
  bn_gradient_chunks_k<<<grid, block, 0, stream>>>(s->n, s->hw, x, dy, save_mean, chunks);
  bn_gradient_sums_k<<<channels, warp, 0, stream>>>(grid.y, chunks, save_inv_std, dgamma, dbeta);
  bn_dx_k<<<all.grid, all.block, 0, stream>>>(s->n * s->c, s->c, s->hw, per_element, x, dy, gamma,
                                              save_mean, save_inv_std, dgamma, dbeta, dx);
  return cudaGetLastError();
}
