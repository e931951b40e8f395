/* kernels/cpu/ref_impl.h - the operations of "cpu-ref": plain loops, sums in double, one rounding
 * to float at the end. Contracts: kernels/backend_impl.h. None of them uses `be`. */
#ifndef AP_KERNELS_REF_IMPL_H
#define AP_KERNELS_REF_IMPL_H
#include "kernels/cpu/cpu_impl.h"

ap_status ap_ref_conv_forward(ap_backend *be, const ap_conv_shape *s, const float *x,
                              const float *w, const float *bias, float *y, ap_error *err);
ap_status ap_ref_conv_backward_data(ap_backend *be, const ap_conv_shape *s, const float *dy,
                                    const float *w, float *dx, bool accumulate, ap_error *err);
ap_status ap_ref_conv_backward_filter(ap_backend *be, const ap_conv_shape *s, const float *x,
                                      const float *dy, float *dw, float *dbias, ap_error *err);
ap_status ap_ref_bn_forward_train(ap_backend *be, const ap_bn_shape *s, const float *x,
                                  const float *gamma, const float *beta, float *y, float *save_mean,
                                  float *save_inv_std, float *running_mean, float *running_var,
                                  ap_error *err);
ap_status ap_ref_bn_forward_infer(ap_backend *be, const ap_bn_shape *s, const float *x,
                                  const float *gamma, const float *beta, const float *running_mean,
                                  const float *running_var, float *y, ap_error *err);
ap_status ap_ref_bn_backward(ap_backend *be, const ap_bn_shape *s, const float *x, const float *dy,
                             const float *gamma, const float *save_mean, const float *save_inv_std,
                             float *dx, float *dgamma, float *dbeta, ap_error *err);
ap_status ap_ref_relu_forward(ap_backend *be, size_t count, float ceiling, const float *x, float *y,
                              ap_error *err);
ap_status ap_ref_relu_backward(ap_backend *be, size_t count, float ceiling, const float *y,
                               const float *dy, float *dx, bool accumulate, ap_error *err);
ap_status ap_ref_add(ap_backend *be, size_t count, const float *a, const float *b, float *y,
                     ap_error *err);
ap_status ap_ref_scale(ap_backend *be, size_t count, float alpha, const float *x, float *y,
                       bool accumulate, ap_error *err);
ap_status ap_ref_pool_forward(ap_backend *be, const ap_pool_shape *s, const float *x, float *y,
                              ap_error *err);
ap_status ap_ref_pool_backward(ap_backend *be, const ap_pool_shape *s, const float *x,
                               const float *y, const float *dy, float *dx, bool accumulate,
                               ap_error *err);
ap_status ap_ref_move_forward(ap_backend *be, const ap_move_shape *s, const float *from, float *to,
                              ap_error *err);
ap_status ap_ref_move_backward(ap_backend *be, const ap_move_shape *s, const float *dto,
                               float *dfrom, ap_error *err);
ap_status ap_ref_curve_forward(ap_backend *be, ap_curve curve, size_t count, const float *x,
                               float *y, ap_error *err);
ap_status ap_ref_curve_backward(ap_backend *be, ap_curve curve, size_t count, const float *kept,
                                const float *dy, float *dx, bool accumulate, ap_error *err);
ap_status ap_ref_norm_forward(ap_backend *be, const ap_norm_shape *s, const float *x, float *y,
                              ap_error *err);
ap_status ap_ref_norm_backward(ap_backend *be, const ap_norm_shape *s, const float *x,
                               const float *dy, float *dx, bool accumulate, ap_error *err);
ap_status ap_ref_multiply(ap_backend *be, const ap_gate_shape *s, const float *a, const float *b,
                          float *y, bool accumulate, ap_error *err);
ap_status ap_ref_multiply_sum(ap_backend *be, const ap_gate_shape *s, const float *a,
                              const float *b, float *y, bool accumulate, ap_error *err);
ap_status ap_ref_gather_forward(ap_backend *be, const ap_gather_shape *s, const int32_t *picks,
                                const float *x, float *y, ap_error *err);
ap_status ap_ref_gather_backward(ap_backend *be, const ap_gather_shape *s, const int32_t *starts,
                                 const int32_t *users, const float *dy, float *dx, bool accumulate,
                                 ap_error *err);
ap_status ap_ref_image_gather(ap_backend *be, const ap_image_shape *s, const uint8_t *source,
                              const ap_image_pick *picks, const float *mean, const float *std,
                              float *y, ap_error *err);
ap_status ap_ref_softmax_loss(ap_backend *be, size_t n, size_t classes, const float *logits,
                              const int32_t *labels, float smoothing, float scale, float *loss,
                              float *correct, float *dlogits, ap_error *err);
ap_status ap_ref_sgd_step(ap_backend *be, size_t count, const ap_sgd *sgd, float *w, float *v,
                          const float *g, const float *mask, ap_error *err);

#endif
