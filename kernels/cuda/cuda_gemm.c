#include "kernels/cuda/cuda_gemm_impl.h"

/* More products than this go out in several calls. */
#define MAX_BATCH ((size_t)32768)

static ap_status one_call(ap_cuda *cu, const ap_cuda_product *p, const float *a, const float *b,
                          float *c, const ap_cuda_batch *inner, size_t count, ap_error *err) {
  const float one = 1, beta = p->accumulate ? 1 : 0;
  /* cuBLAS counts by columns: row-major C = A B is column-major C' = B' A'. */
  const cublasStatus_t status = cublasSgemmStridedBatched(
      cu->blas, p->trans_b ? CUBLAS_OP_T : CUBLAS_OP_N, p->trans_a ? CUBLAS_OP_T : CUBLAS_OP_N,
      (int)p->n, (int)p->m, (int)p->k, &one, b, (int)p->ldb, (long long)inner->b, a, (int)p->lda,
      (long long)inner->a, &beta, c, (int)p->ldc, (long long)inner->c, (int)count);
  if (status == CUBLAS_STATUS_SUCCESS) return AP_OK;
  return ap_fail(err, status == CUBLAS_STATUS_ALLOC_FAILED ? AP_ERR_MEMORY : AP_ERR_DEVICE,
                 "cuda: matrix product %zu x %zu x %zu: %s", p->m, p->n, p->k,
                 cublasGetStatusString(status));
}

ap_status ap_cuda_multiply(ap_cuda *cu, const ap_cuda_product *p, ap_error *err) {
  const size_t sizes[] = {p->m, p->n, p->k, p->lda, p->ldb, p->ldc};
  /* The longer index is the one inside a call. */
  const bool first = p->batch[0].count >= p->batch[1].count;
  const ap_cuda_batch *inner = &p->batch[first ? 0 : 1], *outer = &p->batch[first ? 1 : 0];
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    if (sizes[i] > INT32_MAX) {
      return ap_fail(err, AP_ERR_UNSUPPORTED,
                     "cuda: matrix product %zu x %zu x %zu (rows of %zu, %zu, %zu): cuBLAS takes "
                     "sizes up to %d",
                     p->m, p->n, p->k, p->lda, p->ldb, p->ldc, INT32_MAX);
    }
  }
  for (size_t i = 0; i < outer->count; i++) {
    for (size_t j = 0; j < inner->count; j += MAX_BATCH) {
      const size_t left = inner->count - j, count = left < MAX_BATCH ? left : MAX_BATCH;
      ap_status st =
          one_call(cu, p, p->a + i * outer->a + j * inner->a, p->b + i * outer->b + j * inner->b,
                   p->c + i * outer->c + j * inner->c, inner, count, err);
      if (st) return st;
    }
  }
  return AP_OK;
}
