#include "nn/onnx/tensor.h"

#include <string.h>

#include "base/alloc.h"

ap_status ap_onnx_tensor_create(bool is_int, const size_t *dims, size_t n_dims,
                                ap_onnx_tensor **out, ap_error *err) {
  const size_t most = is_int ? AP_ONNX_MAX_INTS : AP_ONNX_MAX_FLOATS;
  size_t count = 1;
  ap_onnx_tensor *tensor;
  *out = NULL;
  if (n_dims > AP_ONNX_MAX_DIMS)
    return ap_fail(err, AP_ERR_UNSUPPORTED, "%zu dimensions, %d are supported", n_dims,
                   AP_ONNX_MAX_DIMS);
  for (size_t d = 0; d < n_dims; d++) {
    if (dims[d] > most || (dims[d] && count > most / dims[d]))
      return ap_fail(err, AP_ERR_UNSUPPORTED, "a tensor of more than %zu elements", most);
    count *= dims[d];
  }
  tensor = ap_calloc(1, sizeof *tensor);
  if (!tensor) return ap_fail(err, AP_ERR_MEMORY, "tensor record");
  tensor->is_int = is_int;
  tensor->n_dims = n_dims;
  for (size_t d = 0; d < n_dims; d++) tensor->dims[d] = dims[d];
  tensor->count = count;
  if (is_int) {
    tensor->i = ap_calloc(count, sizeof *tensor->i);
  } else {
    tensor->f = ap_calloc(count, sizeof *tensor->f);
  }
  if (!tensor->i && !tensor->f) {
    ap_free(tensor);
    return ap_fail(err, AP_ERR_MEMORY, "a tensor of %zu elements", count);
  }
  *out = tensor;
  return AP_OK;
}

ap_status ap_onnx_tensor_reshape(const ap_onnx_tensor *from, const size_t *dims, size_t n_dims,
                                 ap_onnx_tensor **out, ap_error *err) {
  ap_status st = ap_onnx_tensor_create(from->is_int, dims, n_dims, out, err);
  if (st) return st;
  if ((*out)->count != from->count) {
    ap_onnx_tensor_destroy(*out);
    *out = NULL;
    return ap_fail(err, AP_ERR_FORMAT, "%zu elements do not fit another shape", from->count);
  }
  if (from->is_int) {
    memcpy((*out)->i, from->i, from->count * sizeof *from->i);
  } else {
    memcpy((*out)->f, from->f, from->count * sizeof *from->f);
  }
  return AP_OK;
}

void ap_onnx_tensor_destroy(ap_onnx_tensor *tensor) {
  if (!tensor) return;
  ap_free(tensor->f);
  ap_free(tensor->i);
  ap_free(tensor);
}

double ap_onnx_tensor_get(const ap_onnx_tensor *tensor, size_t index) {
  return tensor->is_int ? (double)tensor->i[index] : (double)tensor->f[index];
}

void ap_onnx_tensor_move(ap_onnx_tensor *tensor, size_t to, const ap_onnx_tensor *source,
                         size_t from) {
  if (tensor->is_int) {
    tensor->i[to] = source->i[from];
  } else {
    tensor->f[to] = source->f[from];
  }
}

size_t ap_onnx_broadcast_index(const ap_onnx_tensor *tensor, const size_t *at, size_t n_at) {
  size_t index = 0;
  for (size_t d = 0; d < tensor->n_dims; d++) {
    size_t position = at[n_at - tensor->n_dims + d];
    index = index * tensor->dims[d] + (tensor->dims[d] == 1 ? 0 : position);
  }
  return index;
}

void ap_onnx_step(size_t *at, const size_t *dims, size_t n_dims) {
  for (size_t d = n_dims; d-- > 0;) {
    if (++at[d] < dims[d]) return;
    at[d] = 0;
  }
}
