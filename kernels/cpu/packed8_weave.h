/* kernels/cpu/packed8_weave.h - four rows of weights become quads: the weights of one output channel for four
 * inputs, in the two ways of ap_packed8_isa.quad_words. */
#ifndef AP_KERNELS_CPU_PACKED8_WEAVE_H
#define AP_KERNELS_CPU_PACKED8_WEAVE_H
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "kernels/cpu/packed8_impl.h"

#define INLINE static inline __attribute__((always_inline))

/* Two weights as 16-bit numbers. */
INLINE int32_t pair_of(uint8_t low, uint8_t high) {
  return (int32_t)(((uint32_t)(int8_t)low & 0xffffU) | (uint32_t)(int8_t)high << 16);
}
/* The quad at *e, which moves behind it. */
INLINE void put_quad(const size_t words, int32_t **e, uint8_t q0, uint8_t q1, uint8_t q2,
                     uint8_t q3) {
  if (words == 1) {
    *(*e)++ = (int32_t)(q0 | (uint32_t)q1 << 8 | (uint32_t)q2 << 16 | (uint32_t)q3 << 24);
    return;
  }
  *(*e)++ = pair_of(q0, q2);
  *(*e)++ = pair_of(q1, q3);
}

/* From four rows of `width` weights to quads, in place. */
static inline void weave(const ap_packed8_weights *w, int32_t *quads) {
  uint8_t rows[P8_QUAD * 8];
  const size_t width = w->width;
  memcpy(rows, quads, P8_QUAD * width);
  for (size_t i = 0; i < width; ++i)
    put_quad(w->isa->quad_words, &quads, rows[i], rows[width + i], rows[2 * width + i],
             rows[3 * width + i]);
}
#if defined(__SSE2__)
/* The same of quads that are words: bytes of the first half and of the second in turns, twice. */
static inline void weave_four(int32_t *quads) {
  __m128i v = _mm_loadu_si128((const __m128i *)(const void *)quads);
  v = _mm_unpacklo_epi8(v, _mm_srli_si128(v, 8));
  v = _mm_unpacklo_epi8(v, _mm_srli_si128(v, 8));
  _mm_storeu_si128((__m128i *)(void *)quads, v);
}
/* Of four rows of eight, to the quads of the first four and of the last four, which may lie where the rows do. */
static inline void weave_eight(const void *rows, int32_t *first, int32_t *second) {
  const __m128i a = _mm_loadu_si128((const __m128i *)rows);
  const __m128i b = _mm_loadu_si128((const __m128i *)rows + 1);
  const __m128i low = _mm_unpacklo_epi8(a, b), high = _mm_unpackhi_epi8(a, b);
  _mm_storeu_si128((__m128i *)(void *)first, _mm_unpacklo_epi8(low, high));
  _mm_storeu_si128((__m128i *)(void *)second, _mm_unpackhi_epi8(low, high));
}
/* Was it done so? One weight of each row is a quad already. */
static inline bool weave_words(const ap_packed8_weights *w, int32_t *quads) {
  if (w->isa->quad_words != 1 || w->width == 2) return false;
  if (w->width == 8) weave_eight(quads, quads, quads + 4);
  if (w->width == 4) weave_four(quads);
  return true;
}
#else
static inline bool weave_words(const ap_packed8_weights *w, int32_t *quads) {
  (void)w;
  (void)quads;
  return false;
}
#endif

/* Four rows of eight to the quads of two lists of four. */
static inline void weave_pair(const size_t words, const uint8_t (*rows)[8], int32_t *first,
                              int32_t *second) {
#if defined(__SSE2__)
  if (words == 1) {
    weave_eight(rows, first, second);
    return;
  }
#endif
  for (size_t i = 0; i < 4; ++i)
    put_quad(words, &first, rows[0][i], rows[1][i], rows[2][i], rows[3][i]);
  for (size_t i = 4; i < 8; ++i)
    put_quad(words, &second, rows[0][i], rows[1][i], rows[2][i], rows[3][i]);
}

#undef INLINE
#endif
