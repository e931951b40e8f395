/* to[j] (+)= sum over s of parts[s, j], in double: 8 threads per element take every eighth part each,
 * then their sums are added in order. */
#include "kernels/cuda/grid.cuh"

static constexpr int elements = 32, lanes = 8;

static __global__ void sum_parts_f32_k(size_t parts, size_t count, const float *__restrict__ from,
                                       float *__restrict__ to, bool accumulate) {
  __shared__ double sums[lanes][elements];
  for (size_t base = (size_t)blockIdx.x * elements; base < count;
       base += (size_t)gridDim.x * elements) {
    const size_t j = base + threadIdx.x;
    double sum = 0;
    if (j < count) {
      for (size_t s = threadIdx.y; s < parts; s += lanes) sum += (double)from[s * count + j];
    }
    sums[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y == 0 && j < count) {
      for (int l = 1; l < lanes; l++) sum += sums[l][threadIdx.x];
      if (accumulate) sum += (double)to[j];
      to[j] = (float)sum;
    }
    __syncthreads();
  }
}

extern "C" cudaError_t ap_cuda_launch_sum_parts_f32(cudaStream_t stream, size_t parts, size_t count,
                                                    const float *from, float *to, bool accumulate) {
  if (count == 0) return cudaSuccess;
  const size_t blocks = (count + elements - 1) / elements;
  const dim3 block(elements, lanes);
  const dim3 grid((unsigned)(blocks < max_blocks ? blocks : max_blocks));
  sum_parts_f32_k<<<grid, block, 0, stream>>>(parts, count, from, to, accumulate);
  return cudaGetLastError();
}
