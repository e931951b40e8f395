/* kernels/cpu/packed8_avx512.c - the integer kernels for AVX-512 with VNNI: one register a line. */
#include <immintrin.h>
#include <stdint.h>

#define VECTOR 64
#define LIST_TILE 8
#define KERNEL_W 4
#define QUAD_WORDS 1
#define ISA_NAME "avx512"
#define ISA_TABLE ap_packed8_avx512
typedef uint8_t v8 __attribute__((vector_size(VECTOR), may_alias));
typedef int16_t v16 __attribute__((vector_size(VECTOR), may_alias));
typedef int32_t v32 __attribute__((vector_size(VECTOR), may_alias));
typedef float vf __attribute__((vector_size(VECTOR), may_alias));
#include "kernels/cpu/packed8_quads.h"
#define I(x) ((__m512i)(x))
#define UNPACK_LO8(a, b) ((v8)_mm512_unpacklo_epi8(I(a), I(b)))
#define UNPACK_HI8(a, b) ((v8)_mm512_unpackhi_epi8(I(a), I(b)))
#define UNPACK_LO16(a, b) ((v8)_mm512_unpacklo_epi16(I(a), I(b)))
#define UNPACK_HI16(a, b) ((v8)_mm512_unpackhi_epi16(I(a), I(b)))
#define PACK32(a, b) ((v16)_mm512_packs_epi32(I(a), I(b)))
#define PACK16(a, b) ((v8)_mm512_packus_epi16(I(a), I(b)))
#define DOT(acc, x, w) ((v32)_mm512_dpbusd_epi32(I(acc), I(x), I(w)))
#define QUAD_BYTES(v, q) ((v32)_mm512_shuffle_epi8(I(v), _mm512_set4_epi32(QUAD_AT(q))))
#define FMA(a, b, c) ((vf)_mm512_fmadd_ps(a, b, c))
#define ROUND(v) ((v32)_mm512_cvtps_epi32(v))
#define NONZERO8(v) _mm512_test_epi8_mask(I(v), I(v))
#define MAX8(a, b) ((v8)_mm512_max_epu8(I(a), I(b)))
#define MIN8(a, b) ((v8)_mm512_min_epu8(I(a), I(b)))
#define MAXF(a, b) ((vf)_mm512_max_ps(a, b))
#define MINF(a, b) ((vf)_mm512_min_ps(a, b))
#define STORE_HALF(p, v, half) \
  _mm512_mask_storeu_epi64(p, (half) ? (__mmask8)0xAA : (__mmask8)0x55, I(v))

/* Eight units or fewer (`there`), those that are kept moved together; returns how many. */
static inline __attribute__((always_inline)) size_t eight(const uint8_t *row, __mmask8 there,
                                                          size_t first, size_t *sizes,
                                                          uint8_t *values, uint16_t *list) {
  const __m512i units = _mm512_maskz_loadu_epi64(there, row);
  const __mmask8 any = _mm512_test_epi64_mask(units, units);
  const __m128i lists =
      _mm_add_epi16(_mm_setr_epi16(0, 1, 2, 3, 4, 5, 6, 7), _mm_set1_epi16((int16_t)first));
  _mm512_storeu_si512(values, _mm512_maskz_compress_epi64(any, units));
  const __m256i kept = _mm256_maskz_compress_epi32(any, _mm256_cvtepu16_epi32(lists));
  _mm_storeu_si128((__m128i *)(void *)list, _mm256_cvtepi32_epi16(kept));
  const __m512i old = _mm512_maskz_loadu_epi64(there, sizes);
  _mm512_mask_storeu_epi64(sizes, there,
                           _mm512_mask_add_epi64(old, any, old, _mm512_set1_epi64(1)));
  return (size_t)__builtin_popcount(any);
}
/* No step depends on how many are kept. */
static size_t eights(const uint8_t *row, size_t n, size_t first, size_t *sizes, uint8_t *values,
                     uint16_t *list) {
  size_t kept = 0, i = 0;
  for (; i + 8 <= n; i += 8)
    kept += eight(row + i * 8, 0xff, first + i, sizes + i, values + kept * 8, list + kept);
  if (i < n)
    kept += eight(row + i * 8, (__mmask8)((1U << (n - i)) - 1), first + i, sizes + i,
                  values + kept * 8, list + kept);
  return kept;
}
#define EIGHTS eights

#include "kernels/cpu/packed8_kernels.h"
