/* kernels/cpu/packed8_plain.c - the integer kernels for any processor: the compiler's vectors of 16
 * bytes. Products as in packed8_avx2.c, by the baseline's instruction on x86-64. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define VECTOR 16
#define LIST_TILE 4
#define KERNEL_W 2
#define QUAD_WORDS 2
#define ISA_NAME "plain"
#define ISA_TABLE ap_packed8_plain
typedef uint8_t v8 __attribute__((vector_size(VECTOR), may_alias));
typedef int16_t v16 __attribute__((vector_size(VECTOR), may_alias));
typedef int32_t v32 __attribute__((vector_size(VECTOR), may_alias));
typedef float vf __attribute__((vector_size(VECTOR), may_alias));
#include "kernels/cpu/packed8_quads.h"
#define FN INLINE

#if defined(__clang__)
#define SHUFFLE8(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE8(a, b, ...) __builtin_shuffle(a, b, (v8){__VA_ARGS__})
#endif
#define UNPACK_LO8(a, b) SHUFFLE8(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define UNPACK_HI8(a, b) \
  SHUFFLE8(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#define UNPACK_LO16(a, b) SHUFFLE8(a, b, 0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23)
#define UNPACK_HI16(a, b) \
  SHUFFLE8(a, b, 8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30, 31)
#define DOT(acc, x, w) dot(acc, x, w)
#define MAX8(a, b) larger8(a, b)
#define MIN8(a, b) smaller8(a, b)
#define MAXF(a, b) larger(a, b)
#define MINF(a, b) smaller(a, b)
#define STORE_HALF(p, v, half) store_half(p, v, half)
#define QUAD_BYTES(v, q) quad_bytes(v, q)
#define FMA(a, b, c) fused_add(a, b, c)

FN v8 larger8(v8 a, v8 b) {
  const v8 m = (v8)(a > b);
  return (a & m) | (b & ~m);
}
FN v8 smaller8(v8 a, v8 b) {
  const v8 m = (v8)(a < b);
  return (a & m) | (b & ~m);
}
FN vf larger(vf a, vf b) {
  const v32 m = a > b;
  return (vf)(((v32)a & m) | ((v32)b & ~m));
}
FN vf smaller(vf a, vf b) {
  const v32 m = a < b;
  return (vf)(((v32)a & m) | ((v32)b & ~m));
}
FN v32 quad_bytes(v8 v, int q) {
  v32 out = {0};
  for (int i = 0; i < 4; ++i) out[i] = v[4 * q + i];
  return out;
}
/* A call: the compiler would unroll four calls of fmaf() wherever a sum ends. */
static __attribute__((noinline)) vf fused_add(vf a, vf b, vf c) {
  vf sum = {0};
  for (int i = 0; i < 4; ++i) sum[i] = fmaf(a[i], b[i], c[i]);
  return sum;
}
FN void store_half(uint8_t *p, v8 v, size_t half) {
  __builtin_memcpy(p + 8 * half, &v, 8); /* both halves of a packed vector are equal */
}

#if defined(__SSE2__)
#define I(x) ((__m128i)(x))
#define PACK32(a, b) ((v16)_mm_packs_epi32(I(a), I(b)))
#define PACK16(a, b) ((v8)_mm_packus_epi16(I(a), I(b)))
#define ROUND(v) ((v32)_mm_cvtps_epi32(v))
#define NONZERO8(v) \
  (0xFFFF & ~(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(I(v), _mm_setzero_si128())))
FN v32 dot(v32 acc, v8 x, v_quad w) {
  const __m128i even = _mm_and_si128(I(x), _mm_set1_epi16(0xff)), odd = _mm_srli_epi16(I(x), 8);
  return acc + ((v32)_mm_madd_epi16(even, I(w.even)) + (v32)_mm_madd_epi16(odd, I(w.odd)));
}
#else
#define PACK32(a, b) pack32(a, b)
#define PACK16(a, b) pack16(a, b)
#define ROUND(v) round_all(v)
#define NONZERO8(v) nonzero8(v)
FN uint32_t nonzero8(v8 v) {
  uint32_t mask = 0;
  for (int i = 0; i < 16; ++i) mask |= (uint32_t)(v[i] != 0) << i;
  return mask;
}
FN int32_t limit(int32_t x, int32_t low, int32_t high) {
  return x < low ? low : x > high ? high : x;
}
FN v16 pack32(v32 a, v32 b) {
  v16 out = {0};
  for (int i = 0; i < 4; ++i) {
    out[i] = (int16_t)limit(a[i], INT16_MIN, INT16_MAX);
    out[4 + i] = (int16_t)limit(b[i], INT16_MIN, INT16_MAX);
  }
  return out;
}
FN v8 pack16(v16 a, v16 b) {
  v8 out = {0};
  for (int i = 0; i < 8; ++i) {
    out[i] = (uint8_t)limit(a[i], 0, UINT8_MAX);
    out[8 + i] = (uint8_t)limit(b[i], 0, UINT8_MAX);
  }
  return out;
}
FN v32 round_all(vf v) {
  v32 out = {0};
  for (int i = 0; i < 4; ++i) out[i] = v[i] < (float)INT32_MIN ? INT32_MIN : (int32_t)rintf(v[i]);
  return out;
}
FN v32 dot(v32 acc, v8 x, v_quad w) {
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 4; ++j) {
      const uint32_t pair = (uint32_t)(j % 2 ? w.odd[i] : w.even[i]);
      acc[i] += (int32_t)x[4 * i + j] * (int16_t)(pair >> 16 * (j / 2) & 0xffffU);
    }
  return acc;
}
#endif
#include "kernels/cpu/packed8_kernels.h"
