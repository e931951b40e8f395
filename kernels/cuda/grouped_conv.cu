/* Layers of many candidates: as many blocks of threads as run at the same time, each of which takes one
 * part of the layer after the other. */
#include "kernels/cuda/grouped_launch.h"
#include "kernels/grouped/conv_kernel.h"

/* A warp's sums take 64 registers of a thread; one block has all of a multiprocessor's. */
#define GROUPED_BOUNDS __launch_bounds__(SIMT_BLOCK_THREADS, 1)

#define GROUPED_CONV_KERNEL(name, wide, joins)                                         \
  static __global__ void GROUPED_BOUNDS name(const __grid_constant__ grouped_conv g) { \
    extern __shared__ __align__(128) unsigned char shared[];                           \
    conv_warp warp;                                                                    \
    conv_block(&g, wide, joins, blockIdx.x, gridDim.x, shared, &warp);                 \
  }
GROUPED_CONV_KERNEL(grouped_conv_bf16_k, 0, 0)
GROUPED_CONV_KERNEL(grouped_conv_f32_k, 1, 0)
GROUPED_CONV_KERNEL(grouped_joined_bf16_k, 0, 1)
GROUPED_CONV_KERNEL(grouped_joined_f32_k, 1, 1)

typedef void conv_kernel(const grouped_conv g);
static conv_kernel *const kernels[2][2] = {{grouped_conv_bf16_k, grouped_joined_bf16_k},
                                           {grouped_conv_f32_k, grouped_joined_f32_k}};

extern "C" cudaError_t ap_cuda_grouped_prepare(size_t bytes) {
  cudaError_t error = cudaSuccess;
  for (int i = 0; i < 4 && error == cudaSuccess; i++)
    error = cudaFuncSetAttribute((const void *)kernels[i / 2][i % 2],
                                 cudaFuncAttributeMaxDynamicSharedMemorySize, (int)bytes);
  return error;
}

extern "C" cudaError_t ap_cuda_launch_grouped_conv(cudaStream_t stream, const grouped_conv *g,
                                                   bool wide, uint32_t n_nodes, size_t shared_bytes,
                                                   unsigned most_blocks) {
  const grouped_tile *t = &g->feed.tile;
  const size_t parts = (size_t)t->tiles_b * (size_t)t->tiles_h * (size_t)t->tiles_w *
                       (size_t)((g->out.c + t->columns - 1) / t->columns) * n_nodes;
  const dim3 block(SIMT_BLOCK_THREADS), grid(parts < most_blocks ? (unsigned)parts : most_blocks);
  if (parts == 0) return cudaSuccess;
  kernels[wide][t->joins]<<<grid, block, shared_bytes, stream>>>(*g);
  return cudaGetLastError();
}
