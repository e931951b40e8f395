/* kernels/cuda/cuda_impl.h - the record of backend "cuda" and what its C files share.
 *
 * One device, one stream, one cuBLAS handle: everything is queued in order, so results do not depend
 * on timing. Products are plain float32 (no TF32, no emulation: CUBLAS_PEDANTIC_MATH), in backend
 * "cuda-tf32" TF32, and cuBLAS may not use atomics. */
#ifndef AP_KERNELS_CUDA_CUDA_IMPL_H
#define AP_KERNELS_CUDA_CUDA_IMPL_H
#include <cublas_v2.h>

#include "kernels/backend_impl.h"
#include "kernels/cuda/launch.h"

/* Small writes go through a ring of pinned slots and need not wait for the device. */
#define AP_CUDA_SLOTS 8
#define AP_CUDA_SLOT_BYTES ((size_t)256 << 10)

typedef struct {
  unsigned char *host; /* AP_CUDA_SLOTS * AP_CUDA_SLOT_BYTES, pinned */
  cudaEvent_t done[AP_CUDA_SLOTS];
  size_t n_events, next;
} ap_cuda_staging;

typedef struct {
  ap_backend base; /* first: backend_impl.h */
  cudaStream_t stream;
  cublasHandle_t blas;
  ap_cuda_staging *staging;
  void *workspace; /* grown on demand, see ap_cuda_reserve */
  size_t workspace_bytes;
  size_t device_bytes; /* all memory of the device */
  bool wait_each;      /* AP_CUDA_SYNC=1: wait after every call, so that a fault names its cause */
} ap_cuda;

static inline ap_cuda *ap_cuda_of(ap_backend *be) { return (void *)be; }

/* The end of every operation: reports the launch's fault (DEVICE; MEMORY when memory is out), with
 * wait_each also those of the work itself. `what` names the operation. */
ap_status ap_cuda_end(ap_cuda *cu, const char *what, cudaError_t error, ap_error *err);
/* Is there a device that this build can use? All "no" are UNSUPPORTED. */
ap_status ap_cuda_find_device(struct cudaDeviceProp *properties, ap_error *err);
/* Like ap_cuda_end without waiting, for calls in the middle. */
ap_status ap_cuda_check(const char *what, cudaError_t error, ap_error *err);

/* At least `bytes` of device memory for the operation being queued; what is there before is lost and
 * the next operation may use it again (one stream: it runs later). Never shrinks. Error: MEMORY. */
ap_status ap_cuda_reserve(ap_cuda *cu, size_t bytes, void **out, ap_error *err);

/* A sliding window as ints. UNSUPPORTED when a coordinate in the padded map exceeds INT32_MAX. */
ap_status ap_cuda_window_of_conv(const ap_conv_shape *s, ap_cuda_window *out, ap_error *err);
ap_status ap_cuda_window_of_pool(const ap_pool_shape *s, ap_cuda_window *out, ap_error *err);

/* cuda_memory.c */
ap_status ap_cuda_staging_create(ap_cuda_staging **out, ap_error *err);
void ap_cuda_staging_destroy(ap_cuda_staging *staging); /* NULL is allowed */
ap_status ap_cuda_sync(ap_backend *be, ap_error *err);
ap_status ap_cuda_alloc(ap_backend *be, size_t bytes, void **out, ap_error *err);
void ap_cuda_release(ap_backend *be, void *data);
ap_status ap_cuda_write(ap_backend *be, void *to, const void *from, size_t bytes, ap_error *err);
ap_status ap_cuda_read(ap_backend *be, const void *from, void *to, size_t bytes, ap_error *err);
ap_status ap_cuda_copy(ap_backend *be, void *to, const void *from, size_t bytes, ap_error *err);
ap_status ap_cuda_fill(ap_backend *be, float *to, float value, size_t count, ap_error *err);

/* cuda_conv.c */
ap_status ap_cuda_conv_forward(ap_backend *be, const ap_conv_shape *s, const float *x,
                               const float *w, const float *bias, float *y, ap_error *err);
ap_status ap_cuda_conv_backward_data(ap_backend *be, const ap_conv_shape *s, const float *dy,
                                     const float *w, float *dx, bool accumulate, ap_error *err);
ap_status ap_cuda_conv_backward_filter(ap_backend *be, const ap_conv_shape *s, const float *x,
                                       const float *dy, float *dw, float *dbias, ap_error *err);

/* cuda_ops.c */
ap_status ap_cuda_bn_forward_train(ap_backend *be, const ap_bn_shape *s, const float *x,
                                   const float *gamma, const float *beta, float *y,
                                   float *save_mean, float *save_inv_std, float *running_mean,
                                   float *running_var, ap_error *err);
ap_status ap_cuda_bn_forward_infer(ap_backend *be, const ap_bn_shape *s, const float *x,
                                   const float *gamma, const float *beta, const float *running_mean,
                                   const float *running_var, float *y, ap_error *err);
ap_status ap_cuda_bn_backward(ap_backend *be, const ap_bn_shape *s, const float *x, const float *dy,
                              const float *gamma, const float *save_mean, const float *save_inv_std,
                              float *dx, float *dgamma, float *dbeta, ap_error *err);
ap_status ap_cuda_relu_forward(ap_backend *be, size_t count, float ceiling, const float *x,
                               float *y, ap_error *err);
ap_status ap_cuda_relu_backward(ap_backend *be, size_t count, float ceiling, const float *y,
                                const float *dy, float *dx, bool accumulate, ap_error *err);
ap_status ap_cuda_add(ap_backend *be, size_t count, const float *a, const float *b, float *y,
                      ap_error *err);
ap_status ap_cuda_scale(ap_backend *be, size_t count, float alpha, const float *x, float *y,
                        bool accumulate, ap_error *err);
ap_status ap_cuda_curve_forward(ap_backend *be, ap_curve curve, size_t count, const float *x,
                                float *y, ap_error *err);
ap_status ap_cuda_curve_backward(ap_backend *be, ap_curve curve, size_t count, const float *kept,
                                 const float *dy, float *dx, bool accumulate, ap_error *err);
ap_status ap_cuda_norm_forward(ap_backend *be, const ap_norm_shape *s, const float *x, float *y,
                              ap_error *err);
ap_status ap_cuda_norm_backward(ap_backend *be, const ap_norm_shape *s, const float *x,
                               const float *dy, float *dx, bool accumulate, ap_error *err);
ap_status ap_cuda_multiply_images(ap_backend *be, const ap_gate_shape *s, const float *a,
                                  const float *b, float *y, bool accumulate, ap_error *err);
ap_status ap_cuda_multiply_sum(ap_backend *be, const ap_gate_shape *s, const float *a,
                               const float *b, float *y, bool accumulate, ap_error *err);
ap_status ap_cuda_pool_forward(ap_backend *be, const ap_pool_shape *s, const float *x, float *y,
                               ap_error *err);
ap_status ap_cuda_pool_backward(ap_backend *be, const ap_pool_shape *s, const float *x,
                                const float *y, const float *dy, float *dx, bool accumulate,
                                ap_error *err);
ap_status ap_cuda_move_forward(ap_backend *be, const ap_move_shape *s, const float *from, float *to,
                               ap_error *err);
ap_status ap_cuda_move_backward(ap_backend *be, const ap_move_shape *s, const float *dto,
                                float *dfrom, ap_error *err);
ap_status ap_cuda_gather_forward(ap_backend *be, const ap_gather_shape *s, const int32_t *picks,
                                 const float *x, float *y, ap_error *err);
ap_status ap_cuda_gather_backward(ap_backend *be, const ap_gather_shape *s, const int32_t *starts,
                                  const int32_t *users, const float *dy, float *dx, bool accumulate,
                                  ap_error *err);
ap_status ap_cuda_image_gather(ap_backend *be, const ap_image_shape *s, const uint8_t *source,
                               const ap_image_pick *picks, const float *mean, const float *std,
                               float *y, ap_error *err);
ap_status ap_cuda_softmax_loss(ap_backend *be, size_t n, size_t classes, const float *logits,
                               const int32_t *labels, float smoothing, float scale, float *loss,
                               float *correct, float *dlogits, ap_error *err);
ap_status ap_cuda_sgd_step(ap_backend *be, size_t count, const ap_sgd *sgd, float *w, float *v,
                           const float *g, const float *mask, ap_error *err);

#endif
