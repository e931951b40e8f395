/* kernels/cpu/packed_count.h - how many units a layer keeps, by width; included by the kernels of every
 * instruction set, so that bits are counted by the processor where it can. */
#ifndef AP_KERNELS_CPU_PACKED_COUNT_H
#define AP_KERNELS_CPU_PACKED_COUNT_H
#include <stddef.h>
#include <stdint.h>

#include "kernels/cpu/packed_impl.h"

/* counts[i] += units of 1, 2, 4, 8 neighbouring bits of which any is set. */
static inline void packed_count_units(const uint64_t *bits, size_t n, size_t counts[4]) {
  for (size_t i = 0; i < n; ++i) {
    uint64_t word = bits[i];
    if (!word) continue;
    counts[0] += (size_t)__builtin_popcountll(word);
    word = (word | word >> 1) & 0x5555555555555555U;
    counts[1] += (size_t)__builtin_popcountll(word);
    word = (word | word >> 2) & 0x1111111111111111U;
    counts[2] += (size_t)__builtin_popcountll(word);
    word = (word | word >> 4) & 0x0101010101010101U;
    counts[3] += (size_t)__builtin_popcountll(word);
  }
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
