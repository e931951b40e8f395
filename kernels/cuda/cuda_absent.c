/* Stands in for the CUDA backend in a build without it. */
#include "kernels/backend_impl.h"
#include "kernels/grouped/device_impl.h"

ap_status ap_cuda_backend_open(size_t n_threads, ap_backend **out, ap_error *err) {
  (void)n_threads;
  *out = NULL;
  return ap_fail(err, AP_ERR_UNSUPPORTED,
                 "backend \"cuda\" is not in this build: install the CUDA toolkit (nvcc, cuBLAS) "
                 "and configure with -DAP_CUDA=ON");
}

ap_status ap_cuda_tf32_backend_open(size_t n_threads, ap_backend **out, ap_error *err) {
  return ap_cuda_backend_open(n_threads, out, err);
}

ap_status ap_cuda_device_open(ap_device **out, ap_error *err) {
  *out = NULL;
  return ap_fail(err, AP_ERR_UNSUPPORTED,
                 "engine \"cuda\" is not in this build: install the CUDA toolkit (nvcc, cuBLAS) "
                 "and configure with -DAP_CUDA=ON");
}
