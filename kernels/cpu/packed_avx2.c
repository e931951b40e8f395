/* kernels/cpu/packed_avx2.c - the packed kernels for AVX2 with FMA: 16 registers of 8 images. */
#include <immintrin.h>

#include "kernels/cpu/packed_impl.h"

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
/* Least squares over 34 layers (24 to 2048 inputs, 1x1 to 32x32 pixels), 5 to 100 % of single weights and rows of eight; what
 * decides between lists and strips in large images set right by `autoprune-bench --benchmark_filter=^forms/pointwise`. */
static const packed_pointwise pointwise[] = {
    {1.7, 1.55, 0.8, 13, 0}, {3.3, 0.95, 0.9, 17, 0}, {5.2, 0.5, 1.2, 40, 0},
    {11.6, 0.75, 3, 139, 0}, {2, 1, 0, 5, 3},         {4.8, 0.8, 0.3, 42, 2.5},
};
#define POINTWISE_WORK pointwise
#include "kernels/cpu/packed_kernels.h"
