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
#include "kernels/cpu/packed8_kernels.h"
