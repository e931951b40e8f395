/* kernels/cuda/cuda_gemm_impl.h - batches of row-major float32 matrix products by cuBLAS. */
#ifndef AP_KERNELS_CUDA_CUDA_GEMM_IMPL_H
#define AP_KERNELS_CUDA_CUDA_GEMM_IMPL_H
#include "kernels/cuda/cuda_impl.h"

/* How many products, and the elements from one to the next; 0 where an operand is shared. */
typedef struct {
  size_t count, a, b, c;
} ap_cuda_batch;

/* C[m, n] = op(A)[m, k] op(B)[k, n] (+ C), for every pair of the two batch indices. ld*: elements
 * from one stored row to the next; a transposed operand is stored [k, m] or [n, k]. */
typedef struct {
  bool trans_a, trans_b;
  size_t m, n, k;
  const float *a, *b;
  float *c;
  size_t lda, ldb, ldc;
  ap_cuda_batch batch[2];
  bool accumulate;
} ap_cuda_product;

/* m, n, k > 0. Errors: UNSUPPORTED above INT32_MAX, MEMORY, DEVICE. */
AP_NODISCARD ap_status ap_cuda_multiply(ap_cuda *cu, const ap_cuda_product *p, ap_error *err);

#endif
