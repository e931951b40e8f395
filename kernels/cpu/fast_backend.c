#include <cblas.h>
#include <stdio.h>

#include "base/alloc.h"
#include "kernels/cpu/direct_impl.h"

static void close_fast(ap_backend *be) {
  ap_fast_backend *fast = ap_fast(be);
  for (size_t i = 0; fast->scratch && i < fast->n_threads; i++) ap_free(fast->scratch[i]);
  ap_free(fast->scratch);
  ap_free(fast->shared);
  ap_free(fast->table);
  ap_pool_destroy(fast->pool);
  ap_free(fast);
}

ap_status ap_fast_reserve(ap_fast_backend *fast, size_t per_worker, size_t shared, ap_error *err) {
  if (per_worker > fast->scratch_count) {
    fast->scratch_count = 0;
    for (size_t i = 0; i < fast->n_threads; i++) {
      ap_free(fast->scratch[i]);
      fast->scratch[i] = ap_calloc(per_worker, sizeof(float));
      if (!fast->scratch[i]) {
        return ap_fail(err, AP_ERR_MEMORY, "scratch of %zu floats for thread %zu", per_worker, i);
      }
    }
    fast->scratch_count = per_worker;
  }
  if (shared > fast->shared_count) {
    fast->shared_count = 0;
    ap_free(fast->shared);
    fast->shared = ap_calloc(shared, sizeof(float));
    if (!fast->shared) return ap_fail(err, AP_ERR_MEMORY, "scratch of %zu floats", shared);
    fast->shared_count = shared;
  }
  return AP_OK;
}

ap_status ap_fast_reserve_table(ap_fast_backend *fast, size_t count, ap_error *err) {
  if (count <= fast->table_count) return AP_OK;
  fast->table_count = 0;
  ap_free(fast->table);
  fast->table = ap_calloc(count, sizeof *fast->table);
  if (!fast->table) return ap_fail(err, AP_ERR_MEMORY, "table of %zu positions", count);
  fast->table_count = count;
  return AP_OK;
}

static const ap_backend_ops fast_ops = {
    .close = close_fast,
    .sync = ap_cpu_sync,
    .alloc = ap_cpu_alloc,
    .release = ap_cpu_release,
    .write = ap_cpu_write,
    .read = ap_cpu_read,
    .copy = ap_cpu_copy,
    .fill = ap_fast_fill,
    .conv_forward = ap_fast_conv_forward,
    .conv_backward_data = ap_fast_conv_backward_data,
    .conv_backward_filter = ap_fast_conv_backward_filter,
    .bn_forward_train = ap_fast_bn_forward_train,
    .bn_forward_infer = ap_fast_bn_forward_infer,
    .bn_backward = ap_fast_bn_backward,
    .relu_forward = ap_fast_relu_forward,
    .relu_backward = ap_fast_relu_backward,
    .add = ap_fast_add,
    .scale = ap_fast_scale,
    .pool_forward = ap_fast_pool_forward,
    .pool_backward = ap_fast_pool_backward,
    .move_forward = ap_fast_move_forward,
    .move_backward = ap_fast_move_backward,
    .curve_forward = ap_fast_curve_forward,
    .curve_backward = ap_fast_curve_backward,
    .norm_forward = ap_fast_norm_forward,
    .norm_backward = ap_fast_norm_backward,
    .multiply = ap_fast_multiply,
    .multiply_sum = ap_fast_multiply_sum,
    .gather_forward = ap_fast_gather_forward,
    .gather_backward = ap_fast_gather_backward,
    .image_gather = ap_fast_image_gather,
    .softmax_loss = ap_fast_softmax_loss,
    .sgd_step = ap_fast_sgd_step,
};

ap_status ap_cpu_backend_open(size_t n_threads, ap_backend **out, ap_error *err) {
  ap_status st = AP_OK;
  ap_fast_backend *fast = ap_calloc(1, sizeof *fast);
  *out = NULL;
  if (!fast) return ap_fail(err, AP_ERR_MEMORY, "backend cpu");
  st = ap_pool_create(n_threads, &fast->pool, err);
  if (st) goto done;
  fast->n_threads = ap_pool_threads(fast->pool);
  fast->scratch = ap_calloc(fast->n_threads, sizeof *fast->scratch);
  if (!fast->scratch) {
    st = ap_fail(err, AP_ERR_MEMORY, "scratch table of %zu threads", fast->n_threads);
    goto done;
  }
  /* Our pool is the only source of threads: results then cannot depend on OpenBLAS's splitting. */
  openblas_set_num_threads(1);
  fast->base.ops = &fast_ops;
  fast->base.name = "cpu";
  (void)snprintf(fast->base.description, sizeof fast->base.description,
                 "cpu: %s (%s kernels), %s, %zu threads", openblas_get_config(),
                 openblas_get_corename(), ap_direct_tiles_get(0)->name, fast->n_threads);
  *out = &fast->base;
  fast = NULL;
done:
  if (fast) close_fast(&fast->base);
  return st;
}
