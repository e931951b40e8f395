/* kernels/backend_impl.h - what a backend provides; seen only inside kernels/.
 *
 * backend.c and backend_ops.c check every argument once (null, size, owner, overlap, ranges) and
 * then call the table with plain addresses: host addresses for the CPU backends, device addresses
 * for CUDA. Entries may rely on: no pointer is NULL unless marked "or NULL"; all operands are large
 * enough; outputs overlap nothing except where the public header allows "in place", and then they
 * are equal; no dimension exceeds INT32_MAX; the output is not empty; a reduction over n images has
 * n > 0 (backend_ops.c fills zeros otherwise). What may still be 0 is said per entry. Every entry
 * is required. Results must not depend on the number of threads or on scheduling. */
#ifndef AP_KERNELS_BACKEND_IMPL_H
#define AP_KERNELS_BACKEND_IMPL_H
#include "kernels/backend.h"
AP_EXTERN_C_BEGIN

/* Are a filter's taps apart? (One tap cannot be.) */
static inline bool ap_is_dilated(const ap_conv_shape *s) {
  return (s->kh > 1 && s->dilation_h > 1) || (s->kw > 1 && s->dilation_w > 1);
}

typedef struct {
  /* Releases everything, `be` itself too. All buffers are gone. */
  void (*close)(ap_backend *be);
  /* Waits for all that was queued and reports late faults (DEVICE). */
  ap_status (*sync)(ap_backend *be, ap_error *err);

  /* Memory: zeroed and aligned to at least 64 bytes; bytes 0 gives any non-NULL address. */
  ap_status (*alloc)(ap_backend *be, size_t bytes, void **out, ap_error *err);
  void (*release)(ap_backend *be, void *data);
  /* Host to backend; `from` may be reused after return. bytes > 0 here and below. */
  ap_status (*write)(ap_backend *be, void *to, const void *from, size_t bytes, ap_error *err);
  /* Backend to host; waits, and reports late faults. */
  ap_status (*read)(ap_backend *be, const void *from, void *to, size_t bytes, ap_error *err);
  /* Inside the backend; the ranges do not overlap. */
  ap_status (*copy)(ap_backend *be, void *to, const void *from, size_t bytes, ap_error *err);
  ap_status (*fill)(ap_backend *be, float *to, float value, size_t count, ap_error *err);

  /* Here and below dilations are at least 1. bias or NULL. c_in, h or w may be 0 (then y is the bias). */
  ap_status (*conv_forward)(ap_backend *be, const ap_conv_shape *s, const float *x, const float *w,
                            const float *bias, float *y, ap_error *err);
  /* The output map is not empty. */
  ap_status (*conv_backward_data)(ap_backend *be, const ap_conv_shape *s, const float *dy,
                                  const float *w, float *dx, bool accumulate, ap_error *err);
  /* dbias or NULL. The output map is not empty; c_in, h or w may be 0 (then dw is 0 or empty). */
  ap_status (*conv_backward_filter)(ap_backend *be, const ap_conv_shape *s, const float *x,
                                    const float *dy, float *dw, float *dbias, ap_error *err);

  /* n, c, hw > 0. With n * hw = 1 the unbiased variance is taken as the biased one (0). */
  ap_status (*bn_forward_train)(ap_backend *be, const ap_bn_shape *s, const float *x,
                                const float *gamma, const float *beta, float *y, float *save_mean,
                                float *save_inv_std, float *running_mean, float *running_var,
                                ap_error *err);
  ap_status (*bn_forward_infer)(ap_backend *be, const ap_bn_shape *s, const float *x,
                                const float *gamma, const float *beta, const float *running_mean,
                                const float *running_var, float *y, ap_error *err);
  ap_status (*bn_backward)(ap_backend *be, const ap_bn_shape *s, const float *x, const float *dy,
                           const float *gamma, const float *save_mean, const float *save_inv_std,
                           float *dx, float *dgamma, float *dbeta, ap_error *err);

  /* outer, count, inner > 0. */
  ap_status (*norm_forward)(ap_backend *be, const ap_norm_shape *s, const float *x, float *y,
                            ap_error *err);
  ap_status (*norm_backward)(ap_backend *be, const ap_norm_shape *s, const float *x,
                             const float *dy, float *dx, bool accumulate, ap_error *err);

  /* count > 0. A NaN input gives a NaN output, so that a diverged training shows. */
  ap_status (*relu_forward)(ap_backend *be, size_t count, float ceiling, const float *x, float *y,
                            ap_error *err);
  ap_status (*relu_backward)(ap_backend *be, size_t count, float ceiling, const float *y,
                             const float *dy, float *dx, bool accumulate, ap_error *err);
  ap_status (*add)(ap_backend *be, size_t count, const float *a, const float *b, float *y,
                   ap_error *err);
  ap_status (*scale)(ap_backend *be, size_t count, float alpha, const float *x, float *y,
                     bool accumulate, ap_error *err);

  /* A NaN input gives a NaN output. */
  ap_status (*curve_forward)(ap_backend *be, ap_curve curve, size_t count, const float *x, float *y,
                             ap_error *err);
  ap_status (*curve_backward)(ap_backend *be, ap_curve curve, size_t count, const float *kept,
                              const float *dy, float *dx, bool accumulate, ap_error *err);
  /* planes, pixels > 0. */
  ap_status (*multiply)(ap_backend *be, const ap_gate_shape *s, const float *a, const float *b,
                        float *y, bool accumulate, ap_error *err);
  ap_status (*multiply_sum)(ap_backend *be, const ap_gate_shape *s, const float *a, const float *b,
                            float *y, bool accumulate, ap_error *err);

  /* h, w > 0, so that every window holds at least one pixel. */
  ap_status (*pool_forward)(ap_backend *be, const ap_pool_shape *s, const float *x, float *y,
                            ap_error *err);
  /* x and y: NULL for AP_POOL_AVERAGE. */
  ap_status (*pool_backward)(ap_backend *be, const ap_pool_shape *s, const float *x, const float *y,
                             const float *dy, float *dx, bool accumulate, ap_error *err);

  ap_status (*move_forward)(ap_backend *be, const ap_move_shape *s, const float *from, float *to,
                            ap_error *err);
  /* Adds only: backend_ops.c has zeroed dfrom where that was asked for. */
  ap_status (*move_backward)(ap_backend *be, const ap_move_shape *s, const float *dto, float *dfrom,
                             ap_error *err);

  /* A pick outside the source gives a plane of NaN; no memory outside is read. */
  ap_status (*gather_forward)(ap_backend *be, const ap_gather_shape *s, const int32_t *picks,
                              const float *x, float *y, ap_error *err);
  /* n, c_from, hw > 0; c_to may be 0. Users outside add nothing, as do starts that do not rise. */
  ap_status (*gather_backward)(ap_backend *be, const ap_gather_shape *s, const int32_t *starts,
                               const int32_t *users, const float *dy, float *dx, bool accumulate,
                               ap_error *err);

  /* An index outside the source gives an image of NaN; no memory outside is read. */
  ap_status (*image_gather)(ap_backend *be, const ap_image_shape *s, const uint8_t *source,
                            const ap_image_pick *picks, const float *mean, const float *std,
                            float *y, ap_error *err);
  /* A label outside 0..classes-1 gives loss NaN, correct 0, dlogits NaN. dlogits or NULL. */
  ap_status (*softmax_loss)(ap_backend *be, size_t n, size_t classes, const float *logits,
                            const int32_t *labels, float smoothing, float scale, float *loss,
                            float *correct, float *dlogits, ap_error *err);
  /* mask or NULL. */
  ap_status (*sgd_step)(ap_backend *be, size_t count, const ap_sgd *sgd, float *w, float *v,
                        const float *g, const float *mask, ap_error *err);
} ap_backend_ops;

/* The first member of every backend's own record. open() fills all three. */
struct ap_backend {
  const ap_backend_ops *ops;
  const char *name;
  char description[256];
};

struct ap_buffer {
  ap_backend *be;
  unsigned char *data; /* address inside the backend; never read by host code of a device backend */
  size_t bytes;
  bool view; /* data belongs to a parent */
};

/* Each kind of backend opens itself; registered by name in backend.c. On success *out is a record
 * that begins with struct ap_backend. */
AP_NODISCARD ap_status ap_cpu_backend_open(size_t n_threads, ap_backend **out, ap_error *err);
AP_NODISCARD ap_status ap_cpu_ref_backend_open(size_t n_threads, ap_backend **out, ap_error *err);
/* cuda_backend.c, or cuda_absent.c in a build without CUDA (always UNSUPPORTED). */
AP_NODISCARD ap_status ap_cuda_backend_open(size_t n_threads, ap_backend **out, ap_error *err);
AP_NODISCARD ap_status ap_cuda_tf32_backend_open(size_t n_threads, ap_backend **out, ap_error *err);

AP_EXTERN_C_END
#endif
