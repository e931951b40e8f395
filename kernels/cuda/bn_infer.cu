/* Batch normalisation with the running statistics; y may be x. */
#include "kernels/cuda/grid.cuh"

static __global__ void bn_infer_k(size_t planes, size_t channels, size_t hw, float epsilon,
                                  const float *x, const float *gamma, const float *beta,
                                  const float *mean, const float *var, float *y) {
  for (size_t plane = PLANE_BEGIN; plane < planes; plane += PLANE_STEP) {
    const size_t c = plane % channels;
    const float centre = mean[c], scale = gamma[c] / sqrtf(var[c] + epsilon), shift = beta[c];
    const float *from = x + plane * hw;
    float *to = y + plane * hw;
    for (unsigned q = PIXEL_BEGIN; q < hw; q += PIXEL_STEP) {
      to[q] = (from[q] - centre) * scale + shift;
    }
  }
}

extern "C" cudaError_t ap_cuda_launch_bn_infer_f32(cudaStream_t stream, const ap_bn_shape *s,
                                                   const float *x, const float *gamma,
                                                   const float *beta, const float *running_mean,
                                                   const float *running_var, float *y) {
  const launch_size all = plane_size(s->n * s->c, s->hw);
  bn_infer_k<<<all.grid, all.block, 0, stream>>>(s->n * s->c, s->c, s->hw, s->epsilon, x, gamma,
                                                 beta, running_mean, running_var, y);
  return cudaGetLastError();
}
