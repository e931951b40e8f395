/* kernels/cuda/grid.cuh - the two shapes of grid that the kernels use. Both are walked with strides
 * in size_t, so no size is too large and the number of blocks stays moderate. */
#ifndef AP_KERNELS_CUDA_GRID_CUH
#define AP_KERNELS_CUDA_GRID_CUH
#include "kernels/cuda/launch.h"

static constexpr int block_threads = 256;
/* Enough to fill any device several times over; beyond it the threads walk. */
static constexpr size_t max_blocks = 16384;

typedef struct {
  dim3 grid, block;
} launch_size;

/* One thread per element, in strides of the grid. */
static inline launch_size flat_size(size_t count) {
  const size_t blocks = (count + block_threads - 1) / block_threads;
  launch_size s;
  s.block = dim3(block_threads);
  s.grid = dim3((unsigned)(blocks < max_blocks ? blocks : max_blocks));
  return s;
}

/* Threads along the pixels of a plane, as many planes side by side as fill the block: x counts
 * pixels (block x, grid y), y counts planes (block y, grid x). */
static inline launch_size plane_size(size_t planes, size_t pixels) {
  launch_size s;
  unsigned x = 1;
  size_t along, across;
  while (x < pixels && x < block_threads) x *= 2;
  along = (pixels + x - 1) / x;
  if (along > 4096) along = 4096;
  across = (planes + block_threads / x - 1) / (block_threads / x);
  if (across > max_blocks / along) across = max_blocks / along;
  s.block = dim3(x, block_threads / x);
  s.grid = dim3((unsigned)across, (unsigned)along);
  return s;
}

#define FLAT_BEGIN ((size_t)blockIdx.x * blockDim.x + threadIdx.x)
#define FLAT_STEP ((size_t)gridDim.x * blockDim.x)
#define PIXEL_BEGIN (blockIdx.y * blockDim.x + threadIdx.x)
#define PIXEL_STEP (gridDim.y * blockDim.x)
#define PLANE_BEGIN ((size_t)blockIdx.x * blockDim.y + threadIdx.y)
#define PLANE_STEP ((size_t)gridDim.x * blockDim.y)

#endif
