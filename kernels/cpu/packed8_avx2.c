/* kernels/cpu/packed8_avx2.c - the integer kernels for AVX2: two registers a line. vpmaddubsw would
 * saturate, so bytes become 16-bit numbers, even and odd ones apart, which weights are from the beginning:
 * products of 8 by 8 bits and their sums by two are exact in 32. */
#include <immintrin.h>
#include <stdint.h>

#define VECTOR 32
#define LIST_TILE 4
#define KERNEL_W 2
#define QUAD_WORDS 2
#define ISA_NAME "avx2"
#define ISA_TABLE ap_packed8_avx2
typedef uint8_t v8 __attribute__((vector_size(VECTOR), may_alias));
typedef int16_t v16 __attribute__((vector_size(VECTOR), may_alias));
typedef int32_t v32 __attribute__((vector_size(VECTOR), may_alias));
typedef float vf __attribute__((vector_size(VECTOR), may_alias));
#include "kernels/cpu/packed8_quads.h"
#define I(x) ((__m256i)(x))
#define UNPACK_LO8(a, b) ((v8)_mm256_unpacklo_epi8(I(a), I(b)))
#define UNPACK_HI8(a, b) ((v8)_mm256_unpackhi_epi8(I(a), I(b)))
#define UNPACK_LO16(a, b) ((v8)_mm256_unpacklo_epi16(I(a), I(b)))
#define UNPACK_HI16(a, b) ((v8)_mm256_unpackhi_epi16(I(a), I(b)))
#define PACK32(a, b) ((v16)_mm256_packs_epi32(I(a), I(b)))
#define PACK16(a, b) ((v8)_mm256_packus_epi16(I(a), I(b)))
#define DOT(acc, x, w) dot(acc, x, w)
#define QUAD_BYTES(v, q) ((v32)_mm256_shuffle_epi8(I(v), _mm256_set_epi32(QUAD_AT(q), QUAD_AT(q))))
#define FMA(a, b, c) ((vf)_mm256_fmadd_ps(a, b, c))
#define ROUND(v) ((v32)_mm256_cvtps_epi32(v))
#define NONZERO8(v) \
  (~(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(I(v), _mm256_setzero_si256())))
#define MAX8(a, b) ((v8)_mm256_max_epu8(I(a), I(b)))
#define MIN8(a, b) ((v8)_mm256_min_epu8(I(a), I(b)))
#define MAXF(a, b) ((vf)_mm256_max_ps(a, b))
#define MINF(a, b) ((vf)_mm256_min_ps(a, b))
#define STORE_HALF(p, v, half) store_half(p, v, half)

INLINE v32 dot(v32 acc, v8 x, v_quad w) {
  const __m256i even = _mm256_and_si256(I(x), _mm256_set1_epi16(0xff));
  const __m256i odd = _mm256_srli_epi16(I(x), 8);
  return acc + ((v32)_mm256_madd_epi16(even, I(w.even)) + (v32)_mm256_madd_epi16(odd, I(w.odd)));
}
INLINE void store_half(uint8_t *p, v8 v, size_t half) {
  const uint64_t *from = (const uint64_t *)(const void *)&v;
  __builtin_memcpy(p + 8 * half, from, 8);
  __builtin_memcpy(p + 16 + 8 * half, from + 2, 8);
}
#include "kernels/cpu/packed8_kernels.h"
