/* Input, pooling, maps and scores of many candidates: one item a thread, distinct beginnings along z. */
#include "kernels/cuda/grid.cuh"
#include "kernels/cuda/grouped_launch.h"
#include "kernels/grouped/item_kernels.h"

#define GROUPED_ITEM_KERNEL(name, record, item)                                       \
  static __global__ void name(const __grid_constant__ record g, uint64_t items) {     \
    if (blockIdx.z >= *g.batch.n_nodes) return;                                       \
    for (uint64_t i = FLAT_BEGIN; i < items; i += FLAT_STEP) item(&g, blockIdx.z, i); \
  }

GROUPED_ITEM_KERNEL(grouped_input_k, grouped_input, grouped_input_item)
GROUPED_ITEM_KERNEL(grouped_pool_k, grouped_pool, grouped_pool_item)
GROUPED_ITEM_KERNEL(grouped_map_k, grouped_map, grouped_map_item)
GROUPED_ITEM_KERNEL(grouped_gate_k, grouped_map, grouped_gate_item)
GROUPED_ITEM_KERNEL(grouped_flatten_k, grouped_map, grouped_flatten_item)
GROUPED_ITEM_KERNEL(grouped_norm_k, grouped_norm, grouped_norm_item)
GROUPED_ITEM_KERNEL(grouped_score_k, grouped_score, grouped_score_item)

static __global__ void grouped_total_k(const __grid_constant__ grouped_total g) {
  __shared__ grouped_shares shares;
  if (blockIdx.x >= *g.n_candidates) return;
  grouped_total_block(&g, blockIdx.x, &shares);
}

extern "C" cudaError_t ap_cuda_grouped_items_prepare(void) {
  cudaFuncAttributes unused;
  cudaError_t error = cudaFuncGetAttributes(&unused, grouped_input_k);
  if (error == cudaSuccess) error = cudaFuncGetAttributes(&unused, grouped_pool_k);
  if (error == cudaSuccess) error = cudaFuncGetAttributes(&unused, grouped_map_k);
  if (error == cudaSuccess) error = cudaFuncGetAttributes(&unused, grouped_gate_k);
  if (error == cudaSuccess) error = cudaFuncGetAttributes(&unused, grouped_flatten_k);
  if (error == cudaSuccess) error = cudaFuncGetAttributes(&unused, grouped_norm_k);
  if (error == cudaSuccess) error = cudaFuncGetAttributes(&unused, grouped_score_k);
  if (error == cudaSuccess) error = cudaFuncGetAttributes(&unused, grouped_total_k);
  return error;
}

extern "C" cudaError_t ap_cuda_launch_grouped_items(cudaStream_t stream, const grouped_launch *l) {
  launch_size s = flat_size((size_t)l->items);
  if (l->items == 0 || l->n_nodes == 0) return cudaSuccess;
  s.grid.z = l->n_nodes;
  switch (l->kernel) {
    case GROUPED_INPUT:
      grouped_input_k<<<s.grid, s.block, 0, stream>>>(l->with.input, l->items);
      break;
    case GROUPED_POOL:
      grouped_pool_k<<<s.grid, s.block, 0, stream>>>(l->with.pool, l->items);
      break;
    case GROUPED_MAP:
      grouped_map_k<<<s.grid, s.block, 0, stream>>>(l->with.map, l->items);
      break;
    case GROUPED_FLATTEN:
      grouped_flatten_k<<<s.grid, s.block, 0, stream>>>(l->with.map, l->items);
      break;
    case GROUPED_GATE:
      grouped_gate_k<<<s.grid, s.block, 0, stream>>>(l->with.map, l->items);
      break;
    case GROUPED_NORM:
      grouped_norm_k<<<s.grid, s.block, 0, stream>>>(l->with.norm, l->items);
      break;
    case GROUPED_SCORE:
      grouped_score_k<<<s.grid, s.block, 0, stream>>>(l->with.score, l->items);
      break;
    default:
      return cudaErrorInvalidValue;
  }
  return cudaGetLastError();
}

extern "C" cudaError_t ap_cuda_launch_grouped_total(cudaStream_t stream, const grouped_total *g,
                                                    uint32_t n) {
  const dim3 block(SIMT_THREADS), grid(n);
  if (n == 0) return cudaSuccess;
  grouped_total_k<<<grid, block, 0, stream>>>(*g);
  return cudaGetLastError();
}
