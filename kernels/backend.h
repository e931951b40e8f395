/* kernels/backend.h - the tensor operations of training and dense evaluation behind one interface.
 *
 * Tensors are float32 in NCHW order (images, channels, rows, columns; the last index innermost)
 * unless a parameter says otherwise; they live in buffers of one backend. Calls check their
 * arguments (sizes against the buffers' sizes: ARG), then queue; ap_buffer_read and ap_backend_sync
 * wait and report late faults (DEVICE). Sizes of 0 are fine and do nothing. Outputs are overwritten
 * unless a parameter named `accumulate` is true: then the result is added to what is there. Input
 * and output buffers must not overlap unless the operation says "in place allowed". Results do not
 * depend on the number of threads. A backend is confined to one thread. Backends: "cpu" (blocked,
 * threaded, dense algebra by OpenBLAS), "cpu-ref" (plain loops in double precision: the oracle),
 * "cuda" (where built and a device exists), "cuda-tf32" (the same, the products of convolutions and
 * linear layers with inputs rounded to 10 bits of mantissa on the matrix units: for training). */
#ifndef AP_KERNELS_BACKEND_H
#define AP_KERNELS_BACKEND_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "kernels/curve.h"
AP_EXTERN_C_BEGIN

typedef struct ap_backend ap_backend;
typedef struct ap_buffer ap_buffer;

/* n_threads 0: all processors. Errors: ARG for an unknown name (the text lists the known ones);
 * UNSUPPORTED for the CUDA backends in a build or on a machine without it, saying how to get it;
 * MEMORY. */
AP_NODISCARD ap_status ap_backend_open(const char *name, size_t n_threads, ap_backend **out,
                                       ap_error *err);
/* ARG as above, without opening anything: for commands that may not need it. */
AP_NODISCARD ap_status ap_backend_check(const char *name, ap_error *err);
void ap_backend_close(ap_backend *be); /* after all its buffers; NULL is allowed */
const char *ap_backend_name(const ap_backend *be);
/* One line for provenance: library, version, vector extension or device, threads. */
const char *ap_backend_describe(const ap_backend *be);
AP_NODISCARD ap_status ap_backend_sync(ap_backend *be, ap_error *err);

/* ---- buffers ------------------------------------------------------------------------------- */
AP_NODISCARD ap_status ap_buffer_create(ap_backend *be, size_t bytes, ap_buffer **out,
                                        ap_error *err); /* zeroed */
/* A part of `parent` (offset a multiple of 64 bytes), valid while the parent is. */
AP_NODISCARD ap_status ap_buffer_view(ap_buffer *parent, size_t offset, size_t bytes,
                                      ap_buffer **out, ap_error *err);
void ap_buffer_destroy(ap_buffer *buffer); /* NULL is allowed */
size_t ap_buffer_bytes(const ap_buffer *buffer);
AP_NODISCARD ap_status ap_buffer_write(ap_buffer *buffer, size_t offset, const void *data,
                                       size_t bytes, ap_error *err);
AP_NODISCARD ap_status ap_buffer_read(ap_buffer *buffer, size_t offset, void *data, size_t bytes,
                                      ap_error *err);
AP_NODISCARD ap_status ap_buffer_copy(ap_buffer *to, size_t to_offset, ap_buffer *from,
                                      size_t from_offset, size_t bytes, ap_error *err);
AP_NODISCARD ap_status ap_buffer_fill(ap_buffer *buffer, float value, size_t count, ap_error *err);

/* ---- convolution (cross-correlation) ----------------------------------------------------------
 */
typedef struct {
  size_t n;                                        /* images */
  size_t c_in, h, w;                               /* input */
  size_t c_out, kh, kw;                            /* filters [c_out, c_in / groups, kh, kw] */
  size_t stride_h, stride_w;                       /* > 0 */
  size_t pad_top, pad_left, pad_bottom, pad_right; /* zeros around the input */
  size_t groups;                                   /* > 0; divides c_in and c_out */
  size_t dilation_h, dilation_w; /* rows (columns) of a filter stand so far apart; 0 counts as 1 */
} ap_conv_shape;

/* (h + pads - (kh - 1) * dilation_h - 1) / stride_h + 1, or 0 where the filter does not fit; same for w. */
size_t ap_conv_out_h(const ap_conv_shape *shape);
size_t ap_conv_out_w(const ap_conv_shape *shape);

/* y[n, c_out, oh, ow] = x * w + bias (NULL: none). A fully connected layer is the case where the
 * filter covers the input, or h = w = kh = kw = 1; it runs as one matrix product over all images.
 */
AP_NODISCARD ap_status ap_conv_forward(ap_backend *be, const ap_conv_shape *shape, ap_buffer *x,
                                       ap_buffer *w, ap_buffer *bias, ap_buffer *y, ap_error *err);
/* dx (+)= gradient with respect to the input. */
AP_NODISCARD ap_status ap_conv_backward_data(ap_backend *be, const ap_conv_shape *shape,
                                             ap_buffer *dy, ap_buffer *w, ap_buffer *dx,
                                             bool accumulate, ap_error *err);
/* dw, dbias (NULL: not wanted) = gradients summed over images, in an order fixed by the shape. */
AP_NODISCARD ap_status ap_conv_backward_filter(ap_backend *be, const ap_conv_shape *shape,
                                               ap_buffer *x, ap_buffer *dy, ap_buffer *dw,
                                               ap_buffer *dbias, ap_error *err);

/* ---- batch normalisation over n and hw, per channel -------------------------------------------
 */
typedef struct {
  size_t n, c, hw;
  float epsilon;
  float momentum; /* running = (1 - momentum) * running + momentum * batch (unbiased variance) */
} ap_bn_shape;

/* Training: batch statistics; saves mean[c] and inv_std[c] for the backward call and updates the
 * running ones. */
AP_NODISCARD ap_status ap_bn_forward_train(ap_backend *be, const ap_bn_shape *shape, ap_buffer *x,
                                           ap_buffer *gamma, ap_buffer *beta, ap_buffer *y,
                                           ap_buffer *save_mean, ap_buffer *save_inv_std,
                                           ap_buffer *running_mean, ap_buffer *running_var,
                                           ap_error *err);
/* Inference: running statistics. In place allowed. */
AP_NODISCARD ap_status ap_bn_forward_infer(ap_backend *be, const ap_bn_shape *shape, ap_buffer *x,
                                           ap_buffer *gamma, ap_buffer *beta,
                                           ap_buffer *running_mean, ap_buffer *running_var,
                                           ap_buffer *y, ap_error *err);
/* dx is overwritten; dgamma[c], dbeta[c] overwritten. dx == dy allowed. */
AP_NODISCARD ap_status ap_bn_backward(ap_backend *be, const ap_bn_shape *shape, ap_buffer *x,
                                      ap_buffer *dy, ap_buffer *gamma, ap_buffer *save_mean,
                                      ap_buffer *save_inv_std, ap_buffer *dx, ap_buffer *dgamma,
                                      ap_buffer *dbeta, ap_error *err);

/* ---- normalisation of an image by itself: group, instance, layer normalisation ------------------ */
/* x: [outer][count][inner]; a set is the `count` values of one (outer, inner). Of [n, c, h, w] and g groups of
 * channels: n * g, c / g * h * w, 1; of each pixel's channels: n, c, h * w. */
typedef struct {
  size_t outer, count, inner;
  float epsilon; /* > 0 */
} ap_norm_shape;
/* y = (x - mean) / sqrt(variance + epsilon), mean and variance (divided by count) those of x's set. In place
 * allowed. */
AP_NODISCARD ap_status ap_norm_forward(ap_backend *be, const ap_norm_shape *shape, ap_buffer *x,
                                       ap_buffer *y, ap_error *err);
/* dx (+)= gradient. dx == dy allowed without accumulate. */
AP_NODISCARD ap_status ap_norm_backward(ap_backend *be, const ap_norm_shape *shape, ap_buffer *x,
                                        ap_buffer *dy, ap_buffer *dx, bool accumulate,
                                        ap_error *err);

/* ---- elementwise -------------------------------------------------------------------------------
 */
/* y = min(max(x, 0), ceiling); ceiling INFINITY is plain ReLU, 6 is ReLU6. In place allowed. */
AP_NODISCARD ap_status ap_relu_forward(ap_backend *be, size_t count, float ceiling, ap_buffer *x,
                                       ap_buffer *y, ap_error *err);
/* dx (+)= dy where 0 < y < ceiling. dx == dy allowed without accumulate. */
AP_NODISCARD ap_status ap_relu_backward(ap_backend *be, size_t count, float ceiling, ap_buffer *y,
                                        ap_buffer *dy, ap_buffer *dx, bool accumulate,
                                        ap_error *err);
/* y = a + b. In place allowed (y == a or b). */
AP_NODISCARD ap_status ap_add(ap_backend *be, size_t count, ap_buffer *a, ap_buffer *b,
                              ap_buffer *y, ap_error *err);
/* y = alpha * x (+ y when accumulate). */
AP_NODISCARD ap_status ap_scale(ap_backend *be, size_t count, float alpha, ap_buffer *x,
                                ap_buffer *y, bool accumulate, ap_error *err);

/* y = a curve of x (kernels/curve.h), which is not NONE. In place allowed. */
AP_NODISCARD ap_status ap_curve_forward(ap_backend *be, ap_curve curve, size_t count, ap_buffer *x,
                                        ap_buffer *y, ap_error *err);
/* dx (+)= dy * the curve's slope; kept: y or x, as ap_curve_keeps_value says. dx == dy allowed without accumulate. */
AP_NODISCARD ap_status ap_curve_backward(ap_backend *be, ap_curve curve, size_t count,
                                         ap_buffer *kept, ap_buffer *dy, ap_buffer *dx,
                                         bool accumulate, ap_error *err);
typedef struct {
  size_t planes, pixels; /* a, y: planes x pixels */
  bool per_plane;        /* b holds one factor a plane, else as many as a */
} ap_gate_shape;
/* y (+)= a * b. Without accumulate y == a is allowed, and y == b where b is as large. */
AP_NODISCARD ap_status ap_multiply(ap_backend *be, const ap_gate_shape *shape, ap_buffer *a,
                                   ap_buffer *b, ap_buffer *y, bool accumulate, ap_error *err);
/* y[plane] (+)= sum over its pixels of a * b (both planes x pixels; per_plane is not looked at): the
 * gradient of a factor a plane. No pixels: sums are 0. */
AP_NODISCARD ap_status ap_multiply_sum(ap_backend *be, const ap_gate_shape *shape, ap_buffer *a,
                                       ap_buffer *b, ap_buffer *y, bool accumulate, ap_error *err);

/* ---- pooling ------------------------------------------------------------------------------------
 */
typedef enum {
  AP_POOL_MAX,
  AP_POOL_AVERAGE
} ap_pool_kind; /* average divides by kh*kw, or by the
      valid pixels when count_padding is false */
typedef struct {
  ap_pool_kind kind;
  size_t n, c, h, w, kh, kw, stride_h, stride_w;
  size_t pad_top, pad_left, pad_bottom,
      pad_right; /* each below the kernel's size; at most the size where
      padding is counted in an average of one pixel: that is the map with zeros around it */
  bool count_padding;
} ap_pool_shape; /* kh = h, kw = w is global pooling */
size_t ap_pool_out_h(const ap_pool_shape *shape);
size_t ap_pool_out_w(const ap_pool_shape *shape);
AP_NODISCARD ap_status ap_pool_forward(ap_backend *be, const ap_pool_shape *shape, ap_buffer *x,
                                       ap_buffer *y, ap_error *err);
/* Maximum: the gradient goes to the first maximal element of the window in row-major order. */
AP_NODISCARD ap_status ap_pool_backward(ap_backend *be, const ap_pool_shape *shape, ap_buffer *x,
                                        ap_buffer *y, ap_buffer *dy, ap_buffer *dx, bool accumulate,
                                        ap_error *err);

/* ---- channel moves: residual shortcuts without weights, concatenation
 * ---------------------------- */
typedef struct {
  size_t n;
  size_t c_from, h_from, w_from; /* source tensor */
  size_t c_to, h_to, w_to;       /* destination tensor */
  size_t c0_from, c0_to, c;      /* channels c0_from.. go to c0_to.., c of them */
  size_t step_h, step_w;         /* destination (y, x) takes source (y*step_h, x*step_w) */
} ap_move_shape;                 /* all source positions must exist */
/* Forward: writes the named region of `to`, leaves the rest as it is. */
AP_NODISCARD ap_status ap_move_forward(ap_backend *be, const ap_move_shape *shape, ap_buffer *from,
                                       ap_buffer *to, ap_error *err);
/* dfrom (+)= the gradient of the region; without accumulate the whole of dfrom is zeroed first. */
AP_NODISCARD ap_status ap_move_backward(ap_backend *be, const ap_move_shape *shape, ap_buffer *dto,
                                        ap_buffer *dfrom, bool accumulate, ap_error *err);

/* ---- channels by number: slices, shuffles
 * ------------------------------------------------------- */
typedef struct {
  size_t n, c_from, c_to, hw;
} ap_gather_shape;
/* y[i, c] = x[i, picks[c]]; picks: c_to int32, each below c_from (checked on the host by the caller;
 * what is outside gives NaN). */
AP_NODISCARD ap_status ap_gather_forward(ap_backend *be, const ap_gather_shape *shape,
                                         ap_buffer *picks, ap_buffer *x, ap_buffer *y,
                                         ap_error *err);
/* dx[i, f] (+)= the sum of dy[i, users[k]] for k in starts[f] .. starts[f + 1] - 1, in that order. starts:
 * c_from + 1 int32, users: c_to int32 (the picks turned round, by the caller). */
AP_NODISCARD ap_status ap_gather_backward(ap_backend *be, const ap_gather_shape *shape,
                                          ap_buffer *starts, ap_buffer *users, ap_buffer *dy,
                                          ap_buffer *dx, bool accumulate, ap_error *err);

/* ---- images in, loss out
 * ------------------------------------------------------------------------- */
typedef struct {
  size_t n_source; /* images in the source */
  size_t n;        /* images wanted */
  size_t c, h, w;
} ap_image_shape;
/* One wanted image: source index, shift (dy, dx) of the crop (what falls outside is 0 after
 * normalisation), mirror left-right when flip is 1; then the square of side `cut` whose first corner is
 * row cut_y, column cut_x (it may reach beyond the image) is 0 after normalisation; cut <= 0: none. */
typedef struct {
  int32_t index, dy, dx, flip, cut_y, cut_x, cut;
} ap_image_pick;
/* y[i, ch, r, q] = (pixel / 255 - mean[ch]) / std[ch] with pixel from the uint8 source
 * [n_source, c, h, w]; picks is a buffer of n ap_image_pick (indices checked on the host by the
 * caller); mean and std are buffers of c floats. */
AP_NODISCARD ap_status ap_image_gather(ap_backend *be, const ap_image_shape *shape,
                                       ap_buffer *source_u8, ap_buffer *picks, ap_buffer *mean,
                                       ap_buffer *std, ap_buffer *y, ap_error *err);
/* For image i: loss[i] = -log softmax(logits[i])[label[i]]; correct[i] = 1 or 0 (the first maximal
 * class counts as predicted); dlogits (NULL: not wanted) = gradient of scale * sum of losses, with
 * label smoothing `smoothing` (0: none) in loss and gradient. labels: int32. */
AP_NODISCARD ap_status ap_softmax_loss(ap_backend *be, size_t n, size_t classes, ap_buffer *logits,
                                       ap_buffer *labels, float smoothing, float scale,
                                       ap_buffer *loss, ap_buffer *correct, ap_buffer *dlogits,
                                       ap_error *err);

/* ---- optimiser
 * ------------------------------------------------------------------------------------ */
typedef struct {
  float lr, momentum, weight_decay;
  bool nesterov;
} ap_sgd;
/* g' = g + weight_decay * w; v = momentum * v + g'; w -= lr * (nesterov ? g' + momentum * v : v);
 * then, with mask (count floats, 0 or 1; NULL: none), w and v are multiplied by it. */
AP_NODISCARD ap_status ap_sgd_step(ap_backend *be, size_t count, const ap_sgd *sgd, ap_buffer *w,
                                   ap_buffer *v, ap_buffer *g, ap_buffer *mask, ap_error *err);

AP_EXTERN_C_END
#endif
