/* kernels/cpu/packed_count.h - how many units a layer keeps, by width; included by the kernels of every
 * instruction set, so that bits are counted by the processor where it can. */
#ifndef AP_KERNELS_CPU_PACKED_COUNT_H
#define AP_KERNELS_CPU_PACKED_COUNT_H
#include <stddef.h>
#include <stdint.h>

#include "kernels/cpu/packed_impl.h"

typedef uint64_t packed_words
    __attribute__((vector_size(32))); /* as many as all processors handle well */
enum { PACKED_COUNTED = 8, PACKED_COUNTED_WORDS = 4 * PACKED_COUNTED };
static inline size_t packed_popcount(const packed_words *words) {
  const packed_words v = *words;
  return (size_t)(__builtin_popcountll(v[0]) + __builtin_popcountll(v[1]) +
                  __builtin_popcountll(v[2]) + __builtin_popcountll(v[3]));
}

/* counts[i] += units of 1, 2, 4, 8 neighbouring bits of which any is set, of PACKED_COUNTED_WORDS words. Bits that stand for
 * units of eight words are put together, so that few are counted; no step depends on what is kept. */
static inline void packed_count_some(const uint64_t *bits, size_t counts[4]) {
  packed_words two = {0}, four = {0}, eight = {0};
#pragma GCC unroll 8
  for (int i = 0; i < PACKED_COUNTED; ++i) {
    packed_words v;
    __builtin_memcpy(&v, bits + 4 * i, sizeof v);
    counts[0] += packed_popcount(&v);
    v = (v | v >> 1) & 0x5555555555555555U;
    two |= v << i % 2;
    if (i % 2 == 1) {
      counts[1] += packed_popcount(&two);
      two ^= two;
    }
    v = (v | v >> 2) & 0x1111111111111111U;
    four |= v << i % 4;
    if (i % 4 == 3) {
      counts[2] += packed_popcount(&four);
      four ^= four;
    }
    eight |= ((v | v >> 4) & 0x0101010101010101U) << i;
  }
  counts[3] += packed_popcount(&eight);
}

/* The same of n words. */
static inline void packed_count_units(const uint64_t *bits, size_t n, size_t counts[4]) {
  uint64_t rest[PACKED_COUNTED_WORDS] = {0};
  for (; n >= PACKED_COUNTED_WORDS; n -= PACKED_COUNTED_WORDS, bits += PACKED_COUNTED_WORDS)
    packed_count_some(bits, counts);
  for (size_t i = 0; i < n; ++i) rest[i] = bits[i];
  packed_count_some(rest, counts);
}

/* Columns that keep any of PACKED_TAPS successive rows, of `words` words each. */
static inline size_t packed_count_kernels(const uint64_t *bits, size_t kernels, size_t words) {
  size_t count = 0;
  for (size_t k = 0; k < kernels; ++k, bits += PACKED_TAPS * words)
    for (size_t i = 0; i < words; ++i) {
      uint64_t any = 0;
      for (size_t tap = 0; tap < PACKED_TAPS; ++tap) any |= bits[tap * words + i];
      count += (size_t)__builtin_popcountll(any);
    }
  return count;
}

#endif
