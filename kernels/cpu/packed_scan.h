/* kernels/cpu/packed_scan.h - which entries the lists of a layer have: what floats (packed_weights.c) and
 * integers (packed8_weights.c) know of a matrix with zeros before they write their words. */
#ifndef AP_KERNELS_CPU_PACKED_SCAN_H
#define AP_KERNELS_CPU_PACKED_SCAN_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/cpu/packed_impl.h"

typedef struct {
  size_t k, n, taps; /* matrix k x n; taps: of a kernel */
  size_t words;      /* 64-bit words of a row of bits */
  /* [k][words]: which weights are kept. After packed_scan_lists: [rows][words], which lists have an
   * entry of that row (a matrix row, or the input channel of whole kernels). */
  uint64_t *bits;
  size_t entries[AP_PACKED_FORMS]; /* of every possible form */
  size_t rows, lists;
} packed_scan;

/* Sizes and room for the bits, which the caller sets row by row. */
AP_NODISCARD ap_status packed_scan_open(const ap_packed_conv *g, packed_scan *s, ap_error *err);
void packed_scan_close(packed_scan *s);
/* Entries of every form that the geometry allows; the two functions are packed_count.h's. */
void packed_scan_count(packed_scan *s, const ap_packed_conv *g,
                       void (*units)(const uint64_t *bits, size_t n, size_t counts[4]),
                       size_t (*kernels)(const uint64_t *bits, size_t kernels, size_t words));
/* From kept weights to lists of one form, in place. */
void packed_scan_lists(packed_scan *s, ap_packed_form form);
/* sizes[list]: its entries (of lists: rows). */
void packed_scan_sizes(const packed_scan *s, size_t *sizes);

/* row(context, r) before the entries of a row, write(context, list) for each of them; each list's rows in
 * order. Some lists at a time: they grow side by side in the cache. */
static inline __attribute__((always_inline)) void packed_scan_each(
    const packed_scan *s, void (*row)(void *context, size_t r),
    void (*write)(void *context, size_t list), void *context) {
  const size_t step = PACKED_LISTS_AT_ONCE / 64;
  for (size_t first = 0; first < s->words; first += step) {
    const size_t last = first + step < s->words ? first + step : s->words;
    for (size_t r = 0; r < s->rows; ++r) {
      row(context, r);
      for (size_t word = first; word < last; ++word)
        for (uint64_t m = s->bits[r * s->words + word]; m; m &= m - 1)
          write(context, word * 64 + (size_t)__builtin_ctzll(m));
    }
  }
}
#endif
