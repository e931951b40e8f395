/* Layers of many candidates: one block of threads per (tile of positions, block of output channels,
 * distinct beginning). */
#include "kernels/cuda/grouped_launch.h"
#include "kernels/grouped/conv_kernel.h"

/* A warp's sums take 128 registers of a thread; one block fills half of a multiprocessor's. */
#define GROUPED_BOUNDS __launch_bounds__(SIMT_THREADS, 1)

static __global__ void GROUPED_BOUNDS grouped_conv_bf16_k(const __grid_constant__ grouped_conv g) {
  extern __shared__ __align__(128) unsigned char shared[];
  conv_warp warp;
  if (blockIdx.z >= *g.batch.n_nodes) return;
  conv_block(&g, 0, blockIdx.x, blockIdx.y, blockIdx.z, shared, &warp);
}

static __global__ void GROUPED_BOUNDS grouped_conv_f32_k(const __grid_constant__ grouped_conv g) {
  extern __shared__ __align__(128) unsigned char shared[];
  conv_warp warp;
  if (blockIdx.z >= *g.batch.n_nodes) return;
  conv_block(&g, 1, blockIdx.x, blockIdx.y, blockIdx.z, shared, &warp);
}

extern "C" cudaError_t ap_cuda_grouped_prepare(size_t bytes) {
  const cudaFuncAttribute most = cudaFuncAttributeMaxDynamicSharedMemorySize;
  const cudaError_t error = cudaFuncSetAttribute(grouped_conv_bf16_k, most, (int)bytes);
  return error != cudaSuccess ? error : cudaFuncSetAttribute(grouped_conv_f32_k, most, (int)bytes);
}

extern "C" cudaError_t ap_cuda_launch_grouped_conv(cudaStream_t stream, const grouped_conv *g,
                                                   bool wide, uint32_t n_nodes,
                                                   size_t shared_bytes) {
  const grouped_tile *t = &g->tile;
  const dim3 block(SIMT_THREADS);
  const dim3 grid((unsigned)t->tiles_b * (unsigned)t->tiles_h * (unsigned)t->tiles_w,
                  (unsigned)((g->out.c + t->columns - 1) / t->columns), n_nodes);
  if (wide)
    grouped_conv_f32_k<<<grid, block, shared_bytes, stream>>>(*g);
  else
    grouped_conv_bf16_k<<<grid, block, shared_bytes, stream>>>(*g);
  return cudaGetLastError();
}
