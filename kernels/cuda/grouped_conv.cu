/* Layers of many candidates: as many blocks of threads as run at the same time, each of which takes one
 * part of the layer after the other. */
#include "kernels/cuda/grouped_launch.h"
#include "kernels/grouped/conv_kernel.h"

/* A warp's sums take 64 registers of a thread; one block has all of a multiprocessor's. */
#define GROUPED_BOUNDS __launch_bounds__(SIMT_BLOCK_THREADS, 1)

static __global__ void GROUPED_BOUNDS grouped_conv_bf16_k(const __grid_constant__ grouped_conv g) {
  extern __shared__ __align__(128) unsigned char shared[];
  conv_warp warp;
  conv_block(&g, 0, blockIdx.x, gridDim.x, shared, &warp);
}

static __global__ void GROUPED_BOUNDS grouped_conv_f32_k(const __grid_constant__ grouped_conv g) {
  extern __shared__ __align__(128) unsigned char shared[];
  conv_warp warp;
  conv_block(&g, 1, blockIdx.x, gridDim.x, shared, &warp);
}

extern "C" cudaError_t ap_cuda_grouped_prepare(size_t bytes) {
  const cudaFuncAttribute most = cudaFuncAttributeMaxDynamicSharedMemorySize;
  const cudaError_t error = cudaFuncSetAttribute(grouped_conv_bf16_k, most, (int)bytes);
  return error != cudaSuccess ? error : cudaFuncSetAttribute(grouped_conv_f32_k, most, (int)bytes);
}

extern "C" cudaError_t ap_cuda_launch_grouped_conv(cudaStream_t stream, const grouped_conv *g,
                                                   bool wide, uint32_t n_nodes, size_t shared_bytes,
                                                   unsigned most_blocks) {
  const grouped_tile *t = &g->tile;
  const size_t parts = (size_t)t->tiles_b * (size_t)t->tiles_h * (size_t)t->tiles_w *
                       (size_t)((g->out.c + t->columns - 1) / t->columns) * n_nodes;
  const dim3 block(SIMT_BLOCK_THREADS), grid(parts < most_blocks ? (unsigned)parts : most_blocks);
  if (parts == 0) return cudaSuccess;
  if (wide)
    grouped_conv_f32_k<<<grid, block, shared_bytes, stream>>>(*g);
  else
    grouped_conv_bf16_k<<<grid, block, shared_bytes, stream>>>(*g);
  return cudaGetLastError();
}
