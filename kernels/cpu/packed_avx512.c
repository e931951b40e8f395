/* kernels/cpu/packed_avx512.c - the packed kernels for AVX-512: one register a block of images. */
#include <immintrin.h>

#define VECTOR 16
#define ACCUMULATORS 24
#define KERNEL_H 4
#define KERNEL_W 4
#define ISA_NAME "avx512"
#define ISA_TABLE ap_packed_avx512
#define VECTOR_MAX(a, b) _mm512_max_ps(a, b)
#define VECTOR_MIN(a, b) _mm512_min_ps(a, b)
#define VECTOR_NONZERO(v) _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_NEQ_UQ)
#define VECTOR_REGISTER "v"
#include "kernels/cpu/packed_kernels.h"
