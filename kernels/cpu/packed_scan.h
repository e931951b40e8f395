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
  /* Lists do not have taps that no output reads inside the image, and their rows are in order of kernel
   * rows where some outputs read not all of these inside: an output's row does those alone. */
  size_t kw;                           /* columns of a kernel */
  packed_part live_rows, live_columns; /* of kernels */
  bool partial;                        /* some outputs read fewer rows of kernels than others */
  size_t segments; /* after packed_scan_lists: kernel rows, or 1: as the matrix has them */
} packed_scan;

/* Sizes and room for the bits, which the caller sets row by row. padding_is_zero: what the padding holds adds
 * nothing to a sum. */
AP_NODISCARD ap_status packed_scan_open(const ap_packed_conv *g, bool padding_is_zero,
                                        packed_scan *s, ap_error *err);
/* Does no output read this row of the matrix inside the image? */
bool packed_scan_dead(const packed_scan *s, size_t k);
/* The share of the lists' rows that an output reads, on average. */
double packed_scan_share(const packed_scan *s, const ap_packed_conv *g);
void packed_scan_close(packed_scan *s);
/* Entries of every form that the geometry allows; the two functions are packed_count.h's. */
void packed_scan_count(packed_scan *s, const ap_packed_conv *g,
                       void (*units)(const uint64_t *bits, size_t n, size_t counts[4]),
                       size_t (*kernels)(const uint64_t *bits, size_t kernels, size_t words));
/* From kept weights to lists of one form, in place; what rows, lists and words become; and one row alone:
 * `bits` of a matrix row, or of the nine of an input channel's kernels. */
void packed_scan_lists(packed_scan *s, ap_packed_form form);
void packed_scan_shape(packed_scan *s, ap_packed_form form);
void packed_fold(const packed_scan *s, const uint64_t *bits, ap_packed_form form, uint64_t *out);
/* Sizes, in start + 1 or, where bound is not NULL, in bound[segment][list], become places: of a list's first entry,
 * and behind the last one of a segment. */
void packed_scan_place(const packed_scan *s, size_t *bound, size_t *start);
/* sizes[segment][list] += its entries (of lists: rows). */
void packed_scan_sizes(const packed_scan *s, size_t *sizes);

enum { PACKED_STEP_WORDS = PACKED_LISTS_AT_ONCE / 64 };
static inline size_t packed_scan_steps(const packed_scan *s) {
  return (s->words + PACKED_STEP_WORDS - 1) / PACKED_STEP_WORDS;
}
/* The kernel row of the lists' row r, where they are in segments; else 0. */
static inline size_t packed_scan_segment(const packed_scan *s, size_t r) {
  return s->segments == 1 ? 0 : r / s->kw % s->segments;
}
#endif
