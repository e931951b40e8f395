/* Cross-entropy of softmax: one warp per image; sums over the classes in double, every lane its
 * strided share, then a fixed tree. */
#include "kernels/cuda/grid.cuh"

static constexpr int warp_threads = 32;
static constexpr int rows_per_block = block_threads / warp_threads;

static __device__ double warp_total(double v) {
  for (int step = warp_threads / 2; step > 0; step /= 2) {
    v += __shfl_xor_sync(0xffffffffu, v, step);
  }
  return v;
}

/* The first maximal class; only a greater logit replaces class 0, so NaN elsewhere is passed over. */
static __device__ unsigned first_max(const float *z, size_t classes, unsigned lane) {
  float best = z[0];
  unsigned index = 0;
  for (size_t c = lane; c < classes; c += warp_threads) {
    if (z[c] > best) {
      best = z[c];
      index = (unsigned)c;
    }
  }
  for (int step = warp_threads / 2; step > 0; step /= 2) {
    const float other = __shfl_xor_sync(0xffffffffu, best, step);
    const unsigned other_index = __shfl_xor_sync(0xffffffffu, index, step);
    if (other > best || (other == best && other_index < index)) {
      best = other;
      index = other_index;
    }
  }
  return index;
}

static __global__ void softmax_loss_f32_k(size_t n, size_t classes,
                                          const float *__restrict__ logits,
                                          const int32_t *__restrict__ labels, double smoothing,
                                          double scale, float *__restrict__ loss,
                                          float *__restrict__ correct,
                                          float *__restrict__ dlogits) {
  const unsigned lane = threadIdx.x % warp_threads;
  const size_t first = (size_t)blockIdx.x * rows_per_block + threadIdx.x / warp_threads;
  for (size_t i = first; i < n; i += (size_t)gridDim.x * rows_per_block) {
    const float *z = logits + i * classes;
    const int32_t label = labels[i];
    const bool known = label >= 0 && (size_t)label < classes;
    const unsigned best = first_max(z, classes, lane);
    const double top = (double)z[best], even = smoothing / (double)classes;
    double sum = 0, mean = 0;
    for (size_t c = lane; c < classes; c += warp_threads) {
      sum += exp((double)z[c] - top);
      mean += (double)z[c];
    }
    sum = warp_total(sum);
    mean = warp_total(mean) / (double)classes;
    const double log_sum = top + log(sum);
    if (lane == 0) {
      correct[i] = known && best == (unsigned)label ? 1.0f : 0.0f;
      loss[i] = known ? (float)(log_sum - (1 - smoothing) * (double)z[label] - smoothing * mean)
                      : nanf("");
    }
    for (size_t c = lane; dlogits && c < classes; c += warp_threads) {
      const double target = even + (known && c == (size_t)label ? 1 - smoothing : 0);
      dlogits[i * classes + c] =
          known ? (float)(scale * (exp((double)z[c] - log_sum) - target)) : nanf("");
    }
  }
}

extern "C" cudaError_t ap_cuda_launch_softmax_loss_f32(cudaStream_t stream, size_t n,
                                                       size_t classes, const float *logits,
                                                       const int32_t *labels, float smoothing,
                                                       float scale, float *loss, float *correct,
                                                       float *dlogits) {
  if (n == 0) return cudaSuccess;
  const size_t blocks = (n + rows_per_block - 1) / rows_per_block;
  const dim3 block(block_threads);
  const dim3 grid((unsigned)(blocks < max_blocks ? blocks : max_blocks));
  softmax_loss_f32_k<<<grid, block, 0, stream>>>(n, classes, logits, labels, (double)smoothing,
                                                 (double)scale, loss, correct, dlogits);
  return cudaGetLastError();
}
