/* Times on the device by events, its cache overwritten, and dense products by cuBLAS as a baseline. */
#include "kernels/cuda/cuda_device_impl.h"
#include "kernels/cuda/cuda_impl.h"

void ap_cuda_measure_release(ap_cuda_device *d) {
  if (d->blas) (void)cublasDestroy(d->blas);
  if (d->begun) (void)cudaEventDestroy(d->begun);
  if (d->ended) (void)cudaEventDestroy(d->ended);
  if (d->flushed) (void)cudaFree(d->flushed);
}

/* Twice the cache: nothing of what was there before stays. */
ap_status ap_cuda_measure_flush(ap_device *device, ap_error *err) {
  ap_cuda_device *d = ap_cuda_device_of(device);
  const size_t bytes = 2 * d->cache_bytes + 1;
  cudaError_t error = d->flushed ? cudaSuccess : cudaMalloc(&d->flushed, bytes);
  if (error == cudaSuccess) error = cudaMemsetAsync(d->flushed, 0x55, bytes, d->stream);
  return ap_cuda_check("flush of the cache", error, err);
}

ap_status ap_cuda_measure_begin(ap_device *device, ap_error *err) {
  ap_cuda_device *d = ap_cuda_device_of(device);
  cudaError_t error = d->begun ? cudaSuccess : cudaEventCreate(&d->begun);
  if (error == cudaSuccess && !d->ended) error = cudaEventCreate(&d->ended);
  if (error == cudaSuccess) error = cudaEventRecord(d->begun, d->stream);
  return ap_cuda_check("begin of a time", error, err);
}

ap_status ap_cuda_measure_end(ap_device *device, double *seconds, ap_error *err) {
  ap_cuda_device *d = ap_cuda_device_of(device);
  float milliseconds = 0;
  cudaError_t error = cudaEventRecord(d->ended, d->stream);
  if (error == cudaSuccess) error = cudaEventSynchronize(d->ended);
  if (error == cudaSuccess) error = cudaEventElapsedTime(&milliseconds, d->begun, d->ended);
  *seconds = (double)milliseconds * 1e-3;
  return ap_cuda_check("end of a time", error, err);
}

ap_status ap_cuda_measure_product(ap_device *device, bool wide, size_t m, size_t n, size_t k,
                                  const void *a, const void *b, void *c, ap_error *err) {
  ap_cuda_device *d = ap_cuda_device_of(device);
  const cudaDataType type = wide ? CUDA_R_32F : CUDA_R_16BF;
  const cublasComputeType_t compute = wide ? CUBLAS_COMPUTE_32F_PEDANTIC : CUBLAS_COMPUTE_32F;
  const float one = 1, zero = 0;
  cublasStatus_t status = d->blas ? CUBLAS_STATUS_SUCCESS : cublasCreate(&d->blas);
  if (m > INT32_MAX || n > INT32_MAX || k > INT32_MAX)
    return ap_fail(err, AP_ERR_UNSUPPORTED, "cuda: product %zu x %zu x %zu", m, n, k);
  if (status == CUBLAS_STATUS_SUCCESS) status = cublasSetStream(d->blas, d->stream);
  /* cuBLAS counts by columns: row-major C = A B is column-major C' = B' A'. */
  if (status == CUBLAS_STATUS_SUCCESS)
    status =
        cublasGemmEx(d->blas, CUBLAS_OP_N, CUBLAS_OP_N, (int)n, (int)m, (int)k, &one, b, type,
                     (int)n, a, type, (int)k, &zero, c, type, (int)n, compute, CUBLAS_GEMM_DEFAULT);
  if (status == CUBLAS_STATUS_SUCCESS) return AP_OK;
  return ap_fail(err, status == CUBLAS_STATUS_ALLOC_FAILED ? AP_ERR_MEMORY : AP_ERR_DEVICE,
                 "cuda: product %zu x %zu x %zu: %s", m, n, k, cublasGetStatusString(status));
}
