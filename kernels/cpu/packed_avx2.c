/* kernels/cpu/packed_avx2.c - the packed kernels for AVX2 with FMA: 16 registers of 8 images. */
#include <immintrin.h>

#define VECTOR 8
#define ACCUMULATORS 12
#define KERNEL_H 2
#define KERNEL_W 4
#define ISA_NAME "avx2"
#define ISA_TABLE ap_packed_avx2
#define VECTOR_MAX(a, b) _mm256_max_ps(a, b)
#define VECTOR_MIN(a, b) _mm256_min_ps(a, b)
#define VECTOR_NONZERO(v) \
  (uint8_t) _mm256_movemask_ps(_mm256_cmp_ps(v, _mm256_setzero_ps(), _CMP_NEQ_UQ))
#define VECTOR_REGISTER "x"
/* Eight weights are read anew for every pixel: nine loads for eight multiply-adds, of which a cycle does two each. Four weights
 * for three pixels take seven for twelve. */
#define LIST_WORK 1.6, 2.6, 4.4, 10.0
#include "kernels/cpu/packed_kernels.h"
