#include "pruners/quantised_layer.h"

#include "base/alloc.h"
#include "mapper/quantise.h"

ap_status ap_quantise_columns(const float *matrix, size_t k, size_t n, unsigned bits, int32_t *q,
                              float *scale, ap_error *err) {
  ap_status st = AP_OK;
  float *column = ap_calloc(k, sizeof *column);
  int32_t *values = ap_calloc(k, sizeof *values);
  if (!column || !values) {
    st = ap_fail(err, AP_ERR_MEMORY, "a column of %zu weights", k);
    goto done;
  }
  for (size_t j = 0; j < n; j++) {
    for (size_t i = 0; i < k; i++) column[i] = matrix[i * n + j];
    st = ap_quantise_weights(column, k, bits, values, &scale[j], err);
    if (st) {
      st = ap_fail_context(err, st, "column %zu", j);
      goto done;
    }
    for (size_t i = 0; i < k; i++) q[i * n + j] = values[i];
  }
done:
  ap_free(column);
  ap_free(values);
  return st;
}

ap_status ap_quantise_in_place(float *matrix, size_t k, size_t n, unsigned bits, ap_error *err) {
  ap_status st = AP_OK;
  int32_t *q = ap_calloc(k * n, sizeof *q);
  float *scale = ap_calloc(n, sizeof *scale);
  if (!q || !scale) {
    st = ap_fail(err, AP_ERR_MEMORY, "%zu x %zu quantised weights", k, n);
    goto done;
  }
  st = ap_quantise_columns(matrix, k, n, bits, q, scale, err);
  for (size_t i = 0; !st && i < k; i++) {
    for (size_t j = 0; j < n; j++) matrix[i * n + j] = (float)q[i * n + j] * scale[j];
  }
done:
  ap_free(q);
  ap_free(scale);
  return st;
}
