/* nn/onnx/tensor.h - constant tensors of an ONNX graph, in one of two forms: float32 (also what was
 * float16, bfloat16 or double) and int64 (also what was a narrower integer or a bool). Row-major. */
#ifndef AP_NN_ONNX_TENSOR_H
#define AP_NN_ONNX_TENSOR_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
AP_EXTERN_C_BEGIN

#define AP_ONNX_MAX_DIMS 8
#define AP_ONNX_MAX_FLOATS ((size_t)1 << 28) /* elements of one tensor, and of all of a file */
#define AP_ONNX_MAX_INTS ((size_t)1 << 24)   /* the same for integers: shapes and indices */

typedef struct {
  bool is_int; /* the values are in i, else in f; the other is NULL */
  size_t n_dims, dims[AP_ONNX_MAX_DIMS];
  size_t count; /* product of dims: 1 for a scalar, may be 0 */
  float *f;
  int64_t *i;
} ap_onnx_tensor;

/* A tensor of zeros. Errors: UNSUPPORTED for more dimensions or elements than the limits above,
 * MEMORY; the text does not name the tensor. */
AP_NODISCARD ap_status ap_onnx_tensor_create(bool is_int, const size_t *dims, size_t n_dims,
                                             ap_onnx_tensor **out, ap_error *err);
/* The same values under other dimensions of the same product. */
AP_NODISCARD ap_status ap_onnx_tensor_reshape(const ap_onnx_tensor *from, const size_t *dims,
                                              size_t n_dims, ap_onnx_tensor **out, ap_error *err);
void ap_onnx_tensor_destroy(ap_onnx_tensor *tensor); /* NULL is allowed */

/* Element `index` of a tensor of either form. */
double ap_onnx_tensor_get(const ap_onnx_tensor *tensor, size_t index);
/* Copies element `from` of `source` to element `to`; both are of one form. */
void ap_onnx_tensor_move(ap_onnx_tensor *tensor, size_t to, const ap_onnx_tensor *source,
                         size_t from);

/* Which element of a tensor of shape `dims` a position (n_at indices) stands for, where the tensor
 * is broadcast: its dimensions are aligned with the last ones of the position, and those of size 1
 * ignore it. */
size_t ap_onnx_broadcast_index(const ap_onnx_tensor *tensor, const size_t *at, size_t n_at);
/* The next position in row-major order. */
void ap_onnx_step(size_t *at, const size_t *dims, size_t n_dims);

AP_EXTERN_C_END
#endif
