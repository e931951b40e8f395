/* Backends "cuda" and "cuda-tf32": opening, the table, closing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "kernels/cuda/cuda_impl.h"

static void close_cuda(ap_backend *be) {
  ap_cuda *cu = ap_cuda_of(be);
  if (cu->stream) (void)cudaStreamSynchronize(cu->stream);
  if (cu->blas) (void)cublasDestroy(cu->blas);
  ap_cuda_staging_destroy(cu->staging);
  if (cu->workspace) (void)cudaFree(cu->workspace);
  if (cu->stream) (void)cudaStreamDestroy(cu->stream);
  ap_free(cu);
}

static const ap_backend_ops cuda_ops = {
    .close = close_cuda,
    .sync = ap_cuda_sync,
    .alloc = ap_cuda_alloc,
    .release = ap_cuda_release,
    .write = ap_cuda_write,
    .read = ap_cuda_read,
    .copy = ap_cuda_copy,
    .fill = ap_cuda_fill,
    .conv_forward = ap_cuda_conv_forward,
    .conv_backward_data = ap_cuda_conv_backward_data,
    .conv_backward_filter = ap_cuda_conv_backward_filter,
    .bn_forward_train = ap_cuda_bn_forward_train,
    .bn_forward_infer = ap_cuda_bn_forward_infer,
    .bn_backward = ap_cuda_bn_backward,
    .relu_forward = ap_cuda_relu_forward,
    .relu_backward = ap_cuda_relu_backward,
    .add = ap_cuda_add,
    .scale = ap_cuda_scale,
    .curve_forward = ap_cuda_curve_forward,
    .curve_backward = ap_cuda_curve_backward,
    .norm_forward = ap_cuda_norm_forward,
    .norm_backward = ap_cuda_norm_backward,
    .multiply = ap_cuda_multiply_images,
    .multiply_sum = ap_cuda_multiply_sum,
    .pool_forward = ap_cuda_pool_forward,
    .pool_backward = ap_cuda_pool_backward,
    .move_forward = ap_cuda_move_forward,
    .move_backward = ap_cuda_move_backward,
    .gather_forward = ap_cuda_gather_forward,
    .gather_backward = ap_cuda_gather_backward,
    .image_gather = ap_cuda_image_gather,
    .softmax_loss = ap_cuda_softmax_loss,
    .sgd_step = ap_cuda_sgd_step,
};

ap_status ap_cuda_check(const char *what, cudaError_t error, ap_error *err) {
  if (error == cudaSuccess) return AP_OK;
  (void)cudaGetLastError(); /* a fault that does not stick is reported once */
  return ap_fail(err, error == cudaErrorMemoryAllocation ? AP_ERR_MEMORY : AP_ERR_DEVICE,
                 "cuda: %s: %s", what, cudaGetErrorString(error));
}

ap_status ap_cuda_end(ap_cuda *cu, const char *what, cudaError_t error, ap_error *err) {
  if (error == cudaSuccess && cu->wait_each) error = cudaStreamSynchronize(cu->stream);
  return ap_cuda_check(what, error, err);
}

static ap_status check_blas(const char *what, cublasStatus_t status, ap_error *err) {
  if (status == CUBLAS_STATUS_SUCCESS) return AP_OK;
  return ap_fail(err, status == CUBLAS_STATUS_ALLOC_FAILED ? AP_ERR_MEMORY : AP_ERR_DEVICE,
                 "cuda: %s: %s", what, cublasGetStatusString(status));
}

ap_status ap_cuda_find_device(struct cudaDeviceProp *properties, ap_error *err) {
  int n_devices = 0, device = 0;
  cudaError_t error = cudaGetDeviceCount(&n_devices);
  if (error != cudaSuccess || n_devices == 0) {
    (void)cudaGetLastError();
    return ap_fail(err, AP_ERR_UNSUPPORTED,
                   "cuda: no usable CUDA device here (%s); the backend \"cpu\" needs none",
                   error != cudaSuccess ? cudaGetErrorString(error) : "none found");
  }
  error = cudaGetDevice(&device);
  if (error == cudaSuccess) error = cudaGetDeviceProperties(properties, device);
  if (error != cudaSuccess) return ap_cuda_check("device", error, err);
  error = ap_cuda_kernels_usable();
  if (error == cudaErrorNoKernelImageForDevice || error == cudaErrorInvalidDeviceFunction ||
      error == cudaErrorUnsupportedPtxVersion) {
    (void)cudaGetLastError();
    return ap_fail(err, AP_ERR_UNSUPPORTED,
                   "cuda: this build has no code for %s (%s); configure with "
                   "-DCMAKE_CUDA_ARCHITECTURES=%d%d",
                   properties->name, cudaGetErrorString(error), properties->major,
                   properties->minor);
  }
  return ap_cuda_check("first use of the device", error, err);
}

static ap_status open_blas(ap_cuda *cu, bool tf32, ap_error *err) {
  ap_status st = check_blas("cublasCreate", cublasCreate(&cu->blas), err);
  if (st) {
    cu->blas = NULL;
    return st;
  }
  st = check_blas("cublasSetStream", cublasSetStream(cu->blas, cu->stream), err);
  if (!st) {
    const cublasMath_t mode = tf32 ? CUBLAS_TF32_TENSOR_OP_MATH : CUBLAS_PEDANTIC_MATH;
    st = check_blas("cublasSetMathMode", cublasSetMathMode(cu->blas, mode), err);
  }
  if (!st) {
    st = check_blas("cublasSetAtomicsMode",
                    cublasSetAtomicsMode(cu->blas, CUBLAS_ATOMICS_NOT_ALLOWED), err);
  }
  return st;
}

static void describe(ap_cuda *cu, const struct cudaDeviceProp *p, bool tf32) {
  int driver = 0, runtime = 0, blas = 0;
  (void)cudaDriverGetVersion(&driver);
  (void)cudaRuntimeGetVersion(&runtime);
  (void)cublasGetVersion(cu->blas, &blas);
  (void)snprintf(
      cu->base.description, sizeof cu->base.description,
      "cuda: %.96s, compute capability %d.%d, %d multiprocessors, CUDA %d.%d (driver for "
      "%d.%d), cuBLAS %d, float32, products %s TF32",
      p->name, p->major, p->minor, p->multiProcessorCount, runtime / 1000, runtime % 1000 / 10,
      driver / 1000, driver % 1000 / 10, blas, tf32 ? "in" : "without");
}

static ap_status open_backend(const char *name, bool tf32, ap_backend **out, ap_error *err) {
  struct cudaDeviceProp properties = {0};
  const char *wait_each = getenv("AP_CUDA_SYNC");
  ap_cuda *cu = NULL;
  ap_status st;
  *out = NULL;
  st = ap_cuda_find_device(&properties, err);
  if (st) return st;
  cu = ap_calloc(1, sizeof *cu);
  if (!cu) return ap_fail(err, AP_ERR_MEMORY, "backend cuda");
  cu->base.ops = &cuda_ops;
  cu->base.name = name;
  cu->device_bytes = properties.totalGlobalMem;
  cu->wait_each = wait_each && strcmp(wait_each, "1") == 0;
  st = ap_cuda_check("stream", cudaStreamCreateWithFlags(&cu->stream, cudaStreamNonBlocking), err);
  if (!st) st = open_blas(cu, tf32, err);
  if (!st) st = ap_cuda_staging_create(&cu->staging, err);
  if (st) {
    close_cuda(&cu->base);
    return st;
  }
  describe(cu, &properties, tf32);
  *out = &cu->base;
  return AP_OK;
}

/* Threads count for nothing: the host only queues. */
ap_status ap_cuda_backend_open(size_t n_threads, ap_backend **out, ap_error *err) {
  (void)n_threads;
  return open_backend("cuda", false, out, err);
}

ap_status ap_cuda_tf32_backend_open(size_t n_threads, ap_backend **out, ap_error *err) {
  (void)n_threads;
  return open_backend("cuda-tf32", true, out, err);
}
