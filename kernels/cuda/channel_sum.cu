/* sum[c] over images and pixels: the gradient of a bias. */
#include "kernels/cuda/channels.cuh"

struct value_term {
  const float *x;
  __device__ double2 operator()(size_t at) const { return make_double2((double)x[at], 0); }
};

static __global__ void channel_sum_chunks_k(size_t n, size_t hw, const float *x, double2 *chunks) {
  sum_chunk(n, hw, chunks, value_term{x});
}

static __global__ void channel_sum_k(unsigned n_chunks, const double2 *chunks, float *sum) {
  const double2 s = sum_chunks(chunks, n_chunks, blockIdx.x);
  if (threadIdx.x == 0) sum[blockIdx.x] = (float)s.x;
}

extern "C" size_t ap_cuda_channel_scratch(size_t n, size_t c, size_t hw) {
  return c * chunk_count(n, hw) * sizeof(double2);
}

extern "C" cudaError_t ap_cuda_launch_channel_sum_f32(cudaStream_t stream, size_t n, size_t c,
                                                      size_t hw, const float *x, void *scratch,
                                                      float *sum) {
  if (c == 0 || hw == 0) return cudaSuccess;
  const dim3 grid = chunk_grid(n, c, hw), block(block_threads);
  const dim3 channels((unsigned)c), warp(warp_threads);
  double2 *chunks = (double2 *)scratch;
  channel_sum_chunks_k<<<grid, block, 0, stream>>>(n, hw, x, chunks);
  channel_sum_k<<<channels, warp, 0, stream>>>(grid.y, chunks, sum);
  return cudaGetLastError();
}
