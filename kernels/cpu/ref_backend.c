#include <stdio.h>

#include "base/alloc.h"
#include "kernels/cpu/ref_impl.h"

static void close_ref(ap_backend *be) { ap_free(be); }

static const ap_backend_ops ref_ops = {
    .close = close_ref,
    .sync = ap_cpu_sync,
    .alloc = ap_cpu_alloc,
    .release = ap_cpu_release,
    .write = ap_cpu_write,
    .read = ap_cpu_read,
    .copy = ap_cpu_copy,
    .fill = ap_cpu_fill,
    .conv_forward = ap_ref_conv_forward,
    .conv_backward_data = ap_ref_conv_backward_data,
    .conv_backward_filter = ap_ref_conv_backward_filter,
    .bn_forward_train = ap_ref_bn_forward_train,
    .bn_forward_infer = ap_ref_bn_forward_infer,
    .bn_backward = ap_ref_bn_backward,
    .relu_forward = ap_ref_relu_forward,
    .relu_backward = ap_ref_relu_backward,
    .add = ap_ref_add,
    .scale = ap_ref_scale,
    .pool_forward = ap_ref_pool_forward,
    .pool_backward = ap_ref_pool_backward,
    .move_forward = ap_ref_move_forward,
    .move_backward = ap_ref_move_backward,
    .curve_forward = ap_ref_curve_forward,
    .curve_backward = ap_ref_curve_backward,
    .norm_forward = ap_ref_norm_forward,
    .norm_backward = ap_ref_norm_backward,
    .multiply = ap_ref_multiply,
    .multiply_sum = ap_ref_multiply_sum,
    .gather_forward = ap_ref_gather_forward,
    .gather_backward = ap_ref_gather_backward,
    .image_gather = ap_ref_image_gather,
    .softmax_loss = ap_ref_softmax_loss,
    .sgd_step = ap_ref_sgd_step,
};

ap_status ap_cpu_ref_backend_open(size_t n_threads, ap_backend **out, ap_error *err) {
  ap_backend *be = ap_calloc(1, sizeof *be);
  (void)n_threads; /* always one */
  *out = be;
  if (!be) return ap_fail(err, AP_ERR_MEMORY, "backend cpu-ref");
  be->ops = &ref_ops;
  be->name = "cpu-ref";
  (void)snprintf(be->description, sizeof be->description,
                 "cpu-ref: plain loops in double precision, 1 thread");
  return AP_OK;
}
