/* One step of stochastic gradient descent with momentum, decay and an optional mask. */
#include "kernels/cuda/grid.cuh"

static __global__ void sgd_f32_k(size_t count, ap_sgd sgd, float *__restrict__ w,
                                 float *__restrict__ v, const float *__restrict__ g,
                                 const float *__restrict__ mask) {
  for (size_t i = FLAT_BEGIN; i < count; i += FLAT_STEP) {
    const float weight = w[i];
    const float gradient = fmaf(sgd.weight_decay, weight, g[i]);
    const float velocity = fmaf(sgd.momentum, v[i], gradient);
    const float step = sgd.nesterov ? fmaf(sgd.momentum, velocity, gradient) : velocity;
    const float keep = mask ? mask[i] : 1.0f;
    v[i] = velocity * keep;
    w[i] = fmaf(-sgd.lr, step, weight) * keep;
  }
}

extern "C" cudaError_t ap_cuda_launch_sgd_f32(cudaStream_t stream, size_t count, const ap_sgd *sgd,
                                              float *w, float *v, const float *g,
                                              const float *mask) {
  if (count == 0) return cudaSuccess;
  const launch_size s = flat_size(count);
  sgd_f32_k<<<s.grid, s.block, 0, stream>>>(count, *sgd, w, v, g, mask);
  return cudaGetLastError();
}
