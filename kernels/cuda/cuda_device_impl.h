/* kernels/cuda/cuda_device_impl.h - the record of the engine's device, and its times
 * (cuda_measure.c). */
#ifndef AP_KERNELS_CUDA_CUDA_DEVICE_IMPL_H
#define AP_KERNELS_CUDA_CUDA_DEVICE_IMPL_H
#include <cublas_v2.h>
#include <cuda_runtime_api.h>

#include "kernels/grouped/device_impl.h"

typedef struct {
  ap_device base;
  cudaStream_t stream;
  cudaEvent_t marks[AP_DEVICE_MARKS];
  size_t n_marks;
  ap_device_graph *recording; /* or NULL */
  /* for times, made when first needed */
  cublasHandle_t blas;
  cudaEvent_t begun, ended;
  void *flushed;
  size_t cache_bytes; /* second-level cache */
  unsigned n_blocks;  /* of threads that a layer keeps busy: one a multiprocessor */
  bool wait_each;     /* AP_CUDA_SYNC=1: launches run one by one, so that a fault names its cause */
} ap_cuda_device;

/* A graph cannot be watched from inside: with wait_each the launches themselves are kept. */
struct ap_device_graph {
  cudaGraphExec_t exec;
  grouped_list list;
};

static inline ap_cuda_device *ap_cuda_device_of(ap_device *device) { return (void *)device; }

/* As ap_device_ops has them. */
ap_status ap_cuda_measure_flush(ap_device *device, ap_error *err);
ap_status ap_cuda_measure_begin(ap_device *device, ap_error *err);
ap_status ap_cuda_measure_end(ap_device *device, double *seconds, ap_error *err);
ap_status ap_cuda_measure_product(ap_device *device, bool wide, size_t m, size_t n, size_t k,
                                  const void *a, const void *b, void *c, ap_error *err);
void ap_cuda_measure_release(ap_cuda_device *d);

#endif
