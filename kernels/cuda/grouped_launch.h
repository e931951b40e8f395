/* kernels/cuda/grouped_launch.h - launchers of the engine's kernels (kernels/grouped): each queues on
 * `stream` and returns cudaGetLastError(). All take the records of grouped_impl.h by value. */
#ifndef AP_KERNELS_CUDA_GROUPED_LAUNCH_H
#define AP_KERNELS_CUDA_GROUPED_LAUNCH_H
#include <cuda_runtime_api.h>
#include <stdbool.h>

#include "base/status.h"
#include "kernels/grouped/grouped_impl.h"
AP_EXTERN_C_BEGIN

/* Load the kernels, which a stream that is being captured might not do, and allow blocks of the
 * layers' kernels `bytes` of shared memory on the current device. */
cudaError_t ap_cuda_grouped_prepare(size_t bytes);
cudaError_t ap_cuda_grouped_items_prepare(void);
/* A layer for at most n_nodes distinct beginnings; shared_bytes: grouped_shared_bytes; most_blocks: of
 * threads, as many as run at the same time. */
cudaError_t ap_cuda_launch_grouped_conv(cudaStream_t stream, const grouped_conv *g, bool wide,
                                        uint32_t n_nodes, size_t shared_bytes,
                                        unsigned most_blocks);
/* The kernels that do one item a thread, by l->kernel. */
cudaError_t ap_cuda_launch_grouped_items(cudaStream_t stream, const grouped_launch *l);
cudaError_t ap_cuda_launch_grouped_total(cudaStream_t stream, const grouped_total *g, uint32_t n);

AP_EXTERN_C_END
#endif
