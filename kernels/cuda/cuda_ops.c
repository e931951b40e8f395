/* Every operation that is one launch: batch normalisation, elementwise, pooling, moves, channels by
 * number, images, loss, optimiser. */
#include "kernels/checks_impl.h"
#include "kernels/cuda/cuda_impl.h"

ap_status ap_cuda_bn_forward_train(ap_backend *be, const ap_bn_shape *s, const float *x,
                                   const float *gamma, const float *beta, float *y,
                                   float *save_mean, float *save_inv_std, float *running_mean,
                                   float *running_var, ap_error *err) {
  ap_cuda *cu = ap_cuda_of(be);
  void *scratch = NULL;
  ap_status st = ap_cuda_reserve(cu, ap_cuda_channel_scratch(s->n, s->c, s->hw), &scratch, err);
  if (st) return st;
  return ap_cuda_end(cu, "bn_forward_train",
                     ap_cuda_launch_bn_train_f32(cu->stream, s, x, gamma, beta, y, save_mean,
                                                 save_inv_std, running_mean, running_var, scratch),
                     err);
}

ap_status ap_cuda_bn_forward_infer(ap_backend *be, const ap_bn_shape *s, const float *x,
                                   const float *gamma, const float *beta, const float *running_mean,
                                   const float *running_var, float *y, ap_error *err) {
  ap_cuda *cu = ap_cuda_of(be);
  return ap_cuda_end(
      cu, "bn_forward_infer",
      ap_cuda_launch_bn_infer_f32(cu->stream, s, x, gamma, beta, running_mean, running_var, y),
      err);
}

ap_status ap_cuda_bn_backward(ap_backend *be, const ap_bn_shape *s, const float *x, const float *dy,
                              const float *gamma, const float *save_mean, const float *save_inv_std,
                              float *dx, float *dgamma, float *dbeta, ap_error *err) {
  ap_cuda *cu = ap_cuda_of(be);
  void *scratch = NULL;
  ap_status st = ap_cuda_reserve(cu, ap_cuda_channel_scratch(s->n, s->c, s->hw), &scratch, err);
  if (st) return st;
  return ap_cuda_end(cu, "bn_backward",
                     ap_cuda_launch_bn_backward_f32(cu->stream, s, x, dy, gamma, save_mean,
                                                    save_inv_std, dx, dgamma, dbeta, scratch),
                     err);
}

ap_status ap_cuda_relu_forward(ap_backend *be, size_t count, float ceiling, const float *x,
                               float *y, ap_error *err) {
  ap_cuda *cu = ap_cuda_of(be);
  return ap_cuda_end(cu, "relu_forward", ap_cuda_launch_relu_f32(cu->stream, count, ceiling, x, y),
                     err);
}

ap_status ap_cuda_relu_backward(ap_backend *be, size_t count, float ceiling, const float *y,
                                const float *dy, float *dx, bool accumulate, ap_error *err) {
  ap_cuda *cu = ap_cuda_of(be);
  return ap_cuda_end(
      cu, "relu_backward",
      ap_cuda_launch_relu_backward_f32(cu->stream, count, ceiling, y, dy, dx, accumulate), err);
}

ap_status ap_cuda_add(ap_backend *be, size_t count, const float *a, const float *b, float *y,
                      ap_error *err) {
  ap_cuda *cu = ap_cuda_of(be);
  return ap_cuda_end(cu, "add", ap_cuda_launch_add_f32(cu->stream, count, a, b, y), err);
}

ap_status ap_cuda_scale(ap_backend *be, size_t count, float alpha, const float *x, float *y,
                        bool accumulate, ap_error *err) {
  ap_cuda *cu = ap_cuda_of(be);
  return ap_cuda_end(cu, "scale",
                     ap_cuda_launch_scale_f32(cu->stream, count, alpha, x, y, accumulate), err);
}

ap_status ap_cuda_curve_forward(ap_backend *be, ap_curve curve, size_t count, const float *x,
                                float *y, ap_error *err) {
  ap_cuda *cu = ap_cuda_of(be);
  return ap_cuda_end(cu, "curve_forward", ap_cuda_launch_curve_f32(cu->stream, curve, count, x, y),
                     err);
}

ap_status ap_cuda_curve_backward(ap_backend *be, ap_curve curve, size_t count, const float *kept,
                                 const float *dy, float *dx, bool accumulate, ap_error *err) {
  ap_cuda *cu = ap_cuda_of(be);
  return ap_cuda_end(
      cu, "curve_backward",
      ap_cuda_launch_curve_backward_f32(cu->stream, curve, count, kept, dy, dx, accumulate), err);
}

ap_status ap_cuda_multiply_images(ap_backend *be, const ap_gate_shape *s, const float *a,
                                  const float *b, float *y, bool accumulate, ap_error *err) {
  ap_cuda *cu = ap_cuda_of(be);
  return ap_cuda_end(cu, "multiply",
                     ap_cuda_launch_multiply_f32(cu->stream, s, a, b, y, accumulate), err);
}

ap_status ap_cuda_multiply_sum(ap_backend *be, const ap_gate_shape *s, const float *a,
                               const float *b, float *y, bool accumulate, ap_error *err) {
  ap_cuda *cu = ap_cuda_of(be);
  return ap_cuda_end(cu, "multiply_sum",
                     ap_cuda_launch_multiply_sum_f32(cu->stream, s, a, b, y, accumulate), err);
}

ap_status ap_cuda_norm_forward(ap_backend *be, const ap_norm_shape *s, const float *x, float *y,
                               ap_error *err) {
  ap_cuda *cu = ap_cuda_of(be);
  return ap_cuda_end(cu, "norm_forward", ap_cuda_launch_norm_f32(cu->stream, s, x, y), err);
}

ap_status ap_cuda_norm_backward(ap_backend *be, const ap_norm_shape *s, const float *x,
                                const float *dy, float *dx, bool accumulate, ap_error *err) {
  ap_cuda *cu = ap_cuda_of(be);
  return ap_cuda_end(cu, "norm_backward",
                     ap_cuda_launch_norm_backward_f32(cu->stream, s, x, dy, dx, accumulate), err);
}

/* ---- windows ------------------------------------------------------------------------------- */

typedef struct {
  size_t in, before, after, kernel, dilation, stride, out;
} axis;

/* The padded axis, and a window's end one step beyond the last, must fit an int. */
static bool fits(const axis *a) {
  const size_t reach = ap_saturating_mul(a->kernel, a->dilation);
  return a->before <= INT32_MAX && a->after <= INT32_MAX &&
         a->in + a->before + a->after <= INT32_MAX && reach <= INT32_MAX &&
         a->in + a->before + a->after + reach <= INT32_MAX &&
         ap_saturating_mul(a->out, a->stride) <= INT32_MAX;
}

static ap_status window_of(const axis *y, const axis *x, ap_cuda_window *out, ap_error *err) {
  if (!fits(y) || !fits(x)) {
    return ap_fail(err, AP_ERR_UNSUPPORTED,
                   "cuda: a map of %zu x %zu with its padding is too large for the device kernels",
                   y->in, x->in);
  }
  out->h = (int)y->in;
  out->w = (int)x->in;
  out->kh = (int)y->kernel;
  out->kw = (int)x->kernel;
  out->dilation_h = (int)y->dilation;
  out->dilation_w = (int)x->dilation;
  out->stride_h = (int)y->stride;
  out->stride_w = (int)x->stride;
  out->pad_top = (int)y->before;
  out->pad_left = (int)x->before;
  out->oh = (int)y->out;
  out->ow = (int)x->out;
  return AP_OK;
}

ap_status ap_cuda_window_of_conv(const ap_conv_shape *s, ap_cuda_window *out, ap_error *err) {
  const axis y = {s->h,          s->pad_top,  s->pad_bottom,   s->kh,
                  s->dilation_h, s->stride_h, ap_conv_out_h(s)};
  const axis x = {s->w,          s->pad_left, s->pad_right,    s->kw,
                  s->dilation_w, s->stride_w, ap_conv_out_w(s)};
  return window_of(&y, &x, out, err);
}

ap_status ap_cuda_window_of_pool(const ap_pool_shape *s, ap_cuda_window *out, ap_error *err) {
  const axis y = {s->h, s->pad_top, s->pad_bottom, s->kh, 1, s->stride_h, ap_pool_out_h(s)};
  const axis x = {s->w, s->pad_left, s->pad_right, s->kw, 1, s->stride_w, ap_pool_out_w(s)};
  return window_of(&y, &x, out, err);
}

ap_status ap_cuda_pool_forward(ap_backend *be, const ap_pool_shape *s, const float *x, float *y,
                               ap_error *err) {
  ap_cuda *cu = ap_cuda_of(be);
  ap_cuda_window window;
  ap_status st = ap_cuda_window_of_pool(s, &window, err);
  if (st) return st;
  return ap_cuda_end(
      cu, "pool_forward",
      ap_cuda_launch_pool_f32(cu->stream, s->kind, s->n * s->c, &window, s->count_padding, x, y),
      err);
}

ap_status ap_cuda_pool_backward(ap_backend *be, const ap_pool_shape *s, const float *x,
                                const float *y, const float *dy, float *dx, bool accumulate,
                                ap_error *err) {
  ap_cuda *cu = ap_cuda_of(be);
  ap_cuda_window window;
  ap_status st = ap_cuda_window_of_pool(s, &window, err);
  if (st) return st;
  return ap_cuda_end(cu, "pool_backward",
                     ap_cuda_launch_pool_backward_f32(cu->stream, s->kind, s->n * s->c, &window,
                                                      s->count_padding, x, y, dy, dx, accumulate),
                     err);
}

/* ---- moves, channels by number, images, loss, optimiser ---------------------------------------- */

ap_status ap_cuda_move_forward(ap_backend *be, const ap_move_shape *s, const float *from, float *to,
                               ap_error *err) {
  ap_cuda *cu = ap_cuda_of(be);
  return ap_cuda_end(cu, "move_forward", ap_cuda_launch_move_f32(cu->stream, s, from, to), err);
}

ap_status ap_cuda_move_backward(ap_backend *be, const ap_move_shape *s, const float *dto,
                                float *dfrom, ap_error *err) {
  ap_cuda *cu = ap_cuda_of(be);
  return ap_cuda_end(cu, "move_backward",
                     ap_cuda_launch_move_backward_f32(cu->stream, s, dto, dfrom), err);
}

ap_status ap_cuda_gather_forward(ap_backend *be, const ap_gather_shape *s, const int32_t *picks,
                                 const float *x, float *y, ap_error *err) {
  ap_cuda *cu = ap_cuda_of(be);
  return ap_cuda_end(cu, "gather_forward", ap_cuda_launch_gather_f32(cu->stream, s, picks, x, y),
                     err);
}

ap_status ap_cuda_gather_backward(ap_backend *be, const ap_gather_shape *s, const int32_t *starts,
                                  const int32_t *users, const float *dy, float *dx, bool accumulate,
                                  ap_error *err) {
  ap_cuda *cu = ap_cuda_of(be);
  return ap_cuda_end(
      cu, "gather_backward",
      ap_cuda_launch_gather_backward_f32(cu->stream, s, starts, users, dy, dx, accumulate), err);
}

ap_status ap_cuda_image_gather(ap_backend *be, const ap_image_shape *s, const uint8_t *source,
                               const ap_image_pick *picks, const float *mean, const float *std,
                               float *y, ap_error *err) {
  ap_cuda *cu = ap_cuda_of(be);
  return ap_cuda_end(cu, "image_gather",
                     ap_cuda_launch_image_gather_u8(cu->stream, s, source, picks, mean, std, y),
                     err);
}

ap_status ap_cuda_softmax_loss(ap_backend *be, size_t n, size_t classes, const float *logits,
                               const int32_t *labels, float smoothing, float scale, float *loss,
                               float *correct, float *dlogits, ap_error *err) {
  ap_cuda *cu = ap_cuda_of(be);
  return ap_cuda_end(cu, "softmax_loss",
                     ap_cuda_launch_softmax_loss_f32(cu->stream, n, classes, logits, labels,
                                                     smoothing, scale, loss, correct, dlogits),
                     err);
}

ap_status ap_cuda_sgd_step(ap_backend *be, size_t count, const ap_sgd *sgd, float *w, float *v,
                           const float *g, const float *mask, ap_error *err) {
  ap_cuda *cu = ap_cuda_of(be);
  return ap_cuda_end(cu, "sgd_step", ap_cuda_launch_sgd_f32(cu->stream, count, sgd, w, v, g, mask),
                     err);
}
