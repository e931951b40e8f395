/* kernels/cpu/fast_impl.h - the operations of "cpu": cut into blocks that depend on the shape only,
 * run by the pool, vectorised. Contracts: kernels/backend_impl.h. */
#ifndef AP_KERNELS_FAST_IMPL_H
#define AP_KERNELS_FAST_IMPL_H
#include "base/threads.h"
#include "kernels/cpu/cpu_impl.h"

/* Compiles a function for AVX-512, for AVX with FMA and for the baseline, and picks one when the
 * program is loaded. Not under the thread sanitizer, whose run time does not exist yet by then. */
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
#define AP_CLONES_OF(...) __attribute__((target_clones(__VA_ARGS__, "default")))
#else
#define AP_CLONES_OF(...)
#endif
#define AP_CLONES AP_CLONES_OF("avx512f", "fma")

/* Elements of one block of an elementwise loop: some 10 us of work. */
#define AP_FAST_BLOCK ((size_t)32768)

typedef struct {
  ap_backend base;
  ap_pool *pool;
  size_t n_threads;
  /* Scratch: one area a worker, and one shared by all; grown on demand, so that a repeated step
   * allocates nothing. */
  float **scratch; /* n_threads pointers */
  size_t scratch_count;
  float *shared;
  size_t shared_count;
  uint32_t *table; /* positions, see direct_impl.h */
  size_t table_count;
} ap_fast_backend;

static inline ap_fast_backend *ap_fast(ap_backend *be) { return (ap_fast_backend *)(void *)be; }

/* Room for that many floats a worker, and shared. Contents are undefined. Error: MEMORY. */
AP_NODISCARD ap_status ap_fast_reserve(ap_fast_backend *fast, size_t per_worker, size_t shared,
                                       ap_error *err);

AP_NODISCARD ap_status ap_fast_reserve_table(ap_fast_backend *fast, size_t count, ap_error *err);

static inline size_t ap_ceil_div(size_t a, size_t b) { return a / b + (a % b != 0); }
static inline size_t ap_min_size(size_t a, size_t b) { return a < b ? a : b; }

ap_status ap_fast_fill(ap_backend *be, float *to, float value, size_t count, ap_error *err);
ap_status ap_fast_conv_forward(ap_backend *be, const ap_conv_shape *s, const float *x,
                               const float *w, const float *bias, float *y, ap_error *err);
ap_status ap_fast_conv_backward_data(ap_backend *be, const ap_conv_shape *s, const float *dy,
                                     const float *w, float *dx, bool accumulate, ap_error *err);
ap_status ap_fast_conv_backward_filter(ap_backend *be, const ap_conv_shape *s, const float *x,
                                       const float *dy, float *dw, float *dbias, ap_error *err);
ap_status ap_fast_bn_forward_train(ap_backend *be, const ap_bn_shape *s, const float *x,
                                   const float *gamma, const float *beta, float *y,
                                   float *save_mean, float *save_inv_std, float *running_mean,
                                   float *running_var, ap_error *err);
ap_status ap_fast_bn_forward_infer(ap_backend *be, const ap_bn_shape *s, const float *x,
                                   const float *gamma, const float *beta, const float *running_mean,
                                   const float *running_var, float *y, ap_error *err);
ap_status ap_fast_bn_backward(ap_backend *be, const ap_bn_shape *s, const float *x, const float *dy,
                              const float *gamma, const float *save_mean, const float *save_inv_std,
                              float *dx, float *dgamma, float *dbeta, ap_error *err);
ap_status ap_fast_relu_forward(ap_backend *be, size_t count, float ceiling, const float *x,
                               float *y, ap_error *err);
ap_status ap_fast_relu_backward(ap_backend *be, size_t count, float ceiling, const float *y,
                                const float *dy, float *dx, bool accumulate, ap_error *err);
ap_status ap_fast_add(ap_backend *be, size_t count, const float *a, const float *b, float *y,
                      ap_error *err);
ap_status ap_fast_scale(ap_backend *be, size_t count, float alpha, const float *x, float *y,
                        bool accumulate, ap_error *err);
ap_status ap_fast_pool_forward(ap_backend *be, const ap_pool_shape *s, const float *x, float *y,
                               ap_error *err);
ap_status ap_fast_pool_backward(ap_backend *be, const ap_pool_shape *s, const float *x,
                                const float *y, const float *dy, float *dx, bool accumulate,
                                ap_error *err);
ap_status ap_fast_move_forward(ap_backend *be, const ap_move_shape *s, const float *from, float *to,
                               ap_error *err);
ap_status ap_fast_move_backward(ap_backend *be, const ap_move_shape *s, const float *dto,
                                float *dfrom, ap_error *err);
ap_status ap_fast_curve_forward(ap_backend *be, ap_curve curve, size_t count, const float *x,
                                float *y, ap_error *err);
ap_status ap_fast_curve_backward(ap_backend *be, ap_curve curve, size_t count, const float *kept,
                                 const float *dy, float *dx, bool accumulate, ap_error *err);
ap_status ap_fast_norm_forward(ap_backend *be, const ap_norm_shape *s, const float *x, float *y,
                               ap_error *err);
ap_status ap_fast_norm_backward(ap_backend *be, const ap_norm_shape *s, const float *x,
                                const float *dy, float *dx, bool accumulate, ap_error *err);
ap_status ap_fast_multiply(ap_backend *be, const ap_gate_shape *s, const float *a, const float *b,
                           float *y, bool accumulate, ap_error *err);
ap_status ap_fast_multiply_sum(ap_backend *be, const ap_gate_shape *s, const float *a,
                               const float *b, float *y, bool accumulate, ap_error *err);
ap_status ap_fast_gather_forward(ap_backend *be, const ap_gather_shape *s, const int32_t *picks,
                                 const float *x, float *y, ap_error *err);
ap_status ap_fast_gather_backward(ap_backend *be, const ap_gather_shape *s, const int32_t *starts,
                                  const int32_t *users, const float *dy, float *dx, bool accumulate,
                                  ap_error *err);
ap_status ap_fast_image_gather(ap_backend *be, const ap_image_shape *s, const uint8_t *source,
                               const ap_image_pick *picks, const float *mean, const float *std,
                               float *y, ap_error *err);
ap_status ap_fast_softmax_loss(ap_backend *be, size_t n, size_t classes, const float *logits,
                               const int32_t *labels, float smoothing, float scale, float *loss,
                               float *correct, float *dlogits, ap_error *err);
ap_status ap_fast_sgd_step(ap_backend *be, size_t count, const ap_sgd *sgd, float *w, float *v,
                           const float *g, const float *mask, ap_error *err);

#endif
