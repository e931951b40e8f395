/* agent/gemm_impl.h - the one product that the agent's networks need. Private to agent/. */
#ifndef AP_AGENT_GEMM_IMPL_H
#define AP_AGENT_GEMM_IMPL_H
#include <stddef.h>

#define AP_GEMM_COLUMNS ((size_t)16) /* rows of b and c are padded to a multiple of this */

/* c[m x n] = a[m x k] * b[k x n] (+ bias[n] to every row, if not NULL; it comes first in the sum).
 * a(i,p) = a[i*a_row + p*a_column]; b and c have n floats a row, n a multiple of AP_GEMM_COLUMNS,
 * b, c and bias aligned to 32 bytes. Sums run over p = 0..k-1 in order, multiplied and rounded
 * before they are added: the same bits on every processor. */
void ap_gemm(size_t m, size_t n, size_t k, const float *a, size_t a_row, size_t a_column,
             const float *b, const float *bias, float *c);

#endif
