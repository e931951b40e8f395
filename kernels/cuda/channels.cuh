/* kernels/cuda/channels.cuh - sums over the n * hw elements of every channel of [n, c, hw].
 *
 * Two stages: the elements of a channel are cut into chunks, one block each, whose threads walk
 * their chunk in strides and add up in a fixed tree; then one warp per channel adds the chunks. Both
 * orders depend on the sizes alone. A term is a pair of doubles. */
#ifndef AP_KERNELS_CUDA_CHANNELS_CUH
#define AP_KERNELS_CUDA_CHANNELS_CUH
#include "kernels/cuda/grid.cuh"

static constexpr int warp_threads = 32;
static constexpr size_t chunk_elements = 2048, max_chunks = 128;

static inline unsigned chunk_count(size_t n, size_t hw) {
  const size_t chunks = (n * hw + chunk_elements - 1) / chunk_elements;
  return (unsigned)(chunks < 1 ? (size_t)1 : chunks > max_chunks ? max_chunks : chunks);
}

static inline dim3 chunk_grid(size_t n, size_t c, size_t hw) {
  return dim3((unsigned)c, chunk_count(n, hw));
}

static __device__ inline double2 warp_sum(double2 v) {
  for (int step = warp_threads / 2; step > 0; step /= 2) {
    v.x += __shfl_down_sync(0xffffffffu, v.x, step);
    v.y += __shfl_down_sync(0xffffffffu, v.y, step);
  }
  return v;
}

/* First stage, grid chunk_grid, block_threads threads: term(index) gives the pair of the element at
 * that index of the tensor; the chunk's sum goes to chunks[channel * gridDim.y + chunk]. */
template <typename Term>
static __device__ inline void sum_chunk(size_t n, size_t hw, double2 *chunks, const Term &term) {
  __shared__ double2 parts[block_threads / warp_threads];
  const size_t count = n * hw, c = gridDim.x, channel = blockIdx.x;
  const size_t size = (count + gridDim.y - 1) / gridDim.y;
  const size_t begin = blockIdx.y * size, end = begin + size < count ? begin + size : count;
  /* Element i lies in image i / hw at pixel i % hw: divided once, then stepped. */
  const size_t step_image = block_threads / hw, step_pixel = block_threads % hw;
  size_t i = begin + threadIdx.x;
  size_t image = i / hw, pixel = i % hw;
  double2 sum = make_double2(0, 0);
  for (; i < end; i += block_threads) {
    const double2 t = term((image * c + channel) * hw + pixel);
    sum.x += t.x;
    sum.y += t.y;
    image += step_image;
    pixel += step_pixel;
    if (pixel >= hw) {
      pixel -= hw;
      image++;
    }
  }
  sum = warp_sum(sum);
  if (threadIdx.x % warp_threads == 0) parts[threadIdx.x / warp_threads] = sum;
  __syncthreads();
  if (threadIdx.x == 0) {
    for (int w = 1; w < block_threads / warp_threads; w++) {
      sum.x += parts[w].x;
      sum.y += parts[w].y;
    }
    chunks[channel * gridDim.y + blockIdx.y] = sum;
  }
}

/* Second stage, one warp per channel; the sum is valid in lane 0. */
static __device__ inline double2 sum_chunks(const double2 *chunks, unsigned n_chunks,
                                            size_t channel) {
  double2 sum = make_double2(0, 0);
  for (unsigned i = threadIdx.x; i < n_chunks; i += warp_threads) {
    const double2 t = chunks[channel * n_chunks + i];
    sum.x += t.x;
    sum.y += t.y;
  }
  return warp_sum(sum);
}

#endif
