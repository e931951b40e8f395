/* kernels/cuda/launch.h - one launcher per kernel: queues on `stream`, returns cudaGetLastError().
 *
 * All pointers are device addresses; the meaning of the operations and of their sizes is that of
 * kernels/backend.h, the promises about arguments those of kernels/backend_impl.h. Sizes of 0 queue
 * nothing. Sums run in an order fixed by the sizes alone, without atomics. */
#ifndef AP_KERNELS_CUDA_LAUNCH_H
#define AP_KERNELS_CUDA_LAUNCH_H
#include <cuda_runtime_api.h>

#include "kernels/backend.h"
AP_EXTERN_C_BEGIN

/* A window that slides over padded maps. Every coordinate inside the padded map fits an int (the
 * host has checked), so the kernels calculate in int. */
typedef struct {
  int h, w, kh, kw, stride_h, stride_w, pad_top, pad_left, oh, ow;
  int dilation_h, dilation_w; /* taps stand so far apart */
} ap_cuda_window;

/* Element (channel c, tap t, image i, output pixel p) of a matrix of patches is at
 * (c * kh * kw + t) * row + i * image + p; channels and images of one call: below 2^31 together. */
typedef struct {
  ap_cuda_window window;
  size_t images, channels;
  size_t row, image;
} ap_cuda_patches;

/* Succeeds when this build has code for the current device. */
cudaError_t ap_cuda_kernels_usable(void);

cudaError_t ap_cuda_launch_fill_f32(cudaStream_t stream, float *to, float value, size_t count);
cudaError_t ap_cuda_launch_im2col_f32(cudaStream_t stream, const ap_cuda_patches *p, const float *x,
                                      float *patches);
cudaError_t ap_cuda_launch_col2im_f32(cudaStream_t stream, const ap_cuda_patches *p,
                                      const float *patches, float *dx, bool accumulate);
/* Images side by side, wide[c, i, p] = y[i, c, p]; and back, adding bias[c] (or NULL). */
cudaError_t ap_cuda_launch_widen_f32(cudaStream_t stream, size_t images, size_t channels,
                                     size_t pixels, const float *y, float *wide);
cudaError_t ap_cuda_launch_narrow_f32(cudaStream_t stream, size_t images, size_t channels,
                                      size_t pixels, const float *wide, const float *bias,
                                      float *y);
/* y[i, c, p] += bias[c]. */
cudaError_t ap_cuda_launch_bias_f32(cudaStream_t stream, size_t images, size_t channels,
                                    size_t pixels, const float *bias, float *y);
/* to[j] (+)= sum over s of parts[s, j]; double inside. */
cudaError_t ap_cuda_launch_sum_parts_f32(cudaStream_t stream, size_t parts, size_t count,
                                         const float *from, float *to, bool accumulate);

/* Reductions per channel of [n, c, hw]: `scratch` is ap_cuda_channel_scratch(n, c, hw) bytes. */
size_t ap_cuda_channel_scratch(size_t n, size_t c, size_t hw);
cudaError_t ap_cuda_launch_channel_sum_f32(cudaStream_t stream, size_t n, size_t c, size_t hw,
                                           const float *x, void *scratch, float *sum);
cudaError_t ap_cuda_launch_bn_train_f32(cudaStream_t stream, const ap_bn_shape *s, const float *x,
                                        const float *gamma, const float *beta, float *y,
                                        float *save_mean, float *save_inv_std, float *running_mean,
                                        float *running_var, void *scratch);
cudaError_t ap_cuda_launch_bn_infer_f32(cudaStream_t stream, const ap_bn_shape *s, const float *x,
                                        const float *gamma, const float *beta,
                                        const float *running_mean, const float *running_var,
                                        float *y);
cudaError_t ap_cuda_launch_bn_backward_f32(cudaStream_t stream, const ap_bn_shape *s,
                                           const float *x, const float *dy, const float *gamma,
                                           const float *save_mean, const float *save_inv_std,
                                           float *dx, float *dgamma, float *dbeta, void *scratch);

cudaError_t ap_cuda_launch_relu_f32(cudaStream_t stream, size_t count, float ceiling,
                                    const float *x, float *y);
cudaError_t ap_cuda_launch_relu_backward_f32(cudaStream_t stream, size_t count, float ceiling,
                                             const float *y, const float *dy, float *dx,
                                             bool accumulate);
cudaError_t ap_cuda_launch_add_f32(cudaStream_t stream, size_t count, const float *a,
                                   const float *b, float *y);
cudaError_t ap_cuda_launch_scale_f32(cudaStream_t stream, size_t count, float alpha, const float *x,
                                     float *y, bool accumulate);

cudaError_t ap_cuda_launch_curve_f32(cudaStream_t stream, ap_curve curve, size_t count,
                                     const float *x, float *y);
cudaError_t ap_cuda_launch_curve_backward_f32(cudaStream_t stream, ap_curve curve, size_t count,
                                              const float *kept, const float *dy, float *dx,
                                              bool accumulate);
cudaError_t ap_cuda_launch_multiply_f32(cudaStream_t stream, const ap_gate_shape *s, const float *a,
                                        const float *b, float *y, bool accumulate);
cudaError_t ap_cuda_launch_multiply_sum_f32(cudaStream_t stream, const ap_gate_shape *s,
                                            const float *a, const float *b, float *y,
                                            bool accumulate);

cudaError_t ap_cuda_launch_norm_f32(cudaStream_t stream, const ap_norm_shape *s, const float *x,
                                    float *y);
cudaError_t ap_cuda_launch_norm_backward_f32(cudaStream_t stream, const ap_norm_shape *s,
                                             const float *x, const float *dy, float *dx,
                                             bool accumulate);

/* planes = n * c, below 2^31. */
cudaError_t ap_cuda_launch_pool_f32(cudaStream_t stream, ap_pool_kind kind, size_t planes,
                                    const ap_cuda_window *window, bool count_padding,
                                    const float *x, float *y);
cudaError_t ap_cuda_launch_pool_backward_f32(cudaStream_t stream, ap_pool_kind kind, size_t planes,
                                             const ap_cuda_window *window, bool count_padding,
                                             const float *x, const float *y, const float *dy,
                                             float *dx, bool accumulate);

cudaError_t ap_cuda_launch_move_f32(cudaStream_t stream, const ap_move_shape *s, const float *from,
                                    float *to);
/* Adds into dfrom. */
cudaError_t ap_cuda_launch_move_backward_f32(cudaStream_t stream, const ap_move_shape *s,
                                             const float *dto, float *dfrom);
cudaError_t ap_cuda_launch_gather_f32(cudaStream_t stream, const ap_gather_shape *s,
                                      const int32_t *picks, const float *x, float *y);
cudaError_t ap_cuda_launch_gather_backward_f32(cudaStream_t stream, const ap_gather_shape *s,
                                               const int32_t *starts, const int32_t *users,
                                               const float *dy, float *dx, bool accumulate);

cudaError_t ap_cuda_launch_image_gather_u8(cudaStream_t stream, const ap_image_shape *s,
                                           const uint8_t *source, const ap_image_pick *picks,
                                           const float *mean, const float *std, float *y);
cudaError_t ap_cuda_launch_softmax_loss_f32(cudaStream_t stream, size_t n, size_t classes,
                                            const float *logits, const int32_t *labels,
                                            float smoothing, float scale, float *loss,
                                            float *correct, float *dlogits);
cudaError_t ap_cuda_launch_sgd_f32(cudaStream_t stream, size_t count, const ap_sgd *sgd, float *w,
                                   float *v, const float *g, const float *mask);

AP_EXTERN_C_END
#endif
