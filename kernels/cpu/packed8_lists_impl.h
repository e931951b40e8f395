/* kernels/cpu/packed8_lists_impl.h - the lists of an integer layer, once their form and sizes are known. */
#ifndef AP_KERNELS_CPU_PACKED8_LISTS_IMPL_H
#define AP_KERNELS_CPU_PACKED8_LISTS_IMPL_H
#include "kernels/cpu/packed8_impl.h"
#include "kernels/cpu/packed_gather.h"

/* Fills w->words: everything else of w that says how lists lie is known. matrix: what was gathered from. Errors:
 * MEMORY. */
AP_NODISCARD ap_status packed8_fill_lists(const packed_scan *s, const packed_kept *kept,
                                          const int8_t *matrix, ap_packed8_weights *w,
                                          ap_error *err);

/* The same of lists of four that always keep the same rows of eight columns (kept->pairs, not halves). offsets:
 * [rows], bytes of inputs. */
AP_NODISCARD ap_status packed8_fill_pairs(const packed_scan *s, const packed_kept *kept,
                                          const int32_t *offsets, ap_packed8_weights *w,
                                          ap_error *err);

/* The first entry of a list's segment. */
static inline int32_t *segment_entry(const ap_packed8_weights *w, size_t segment, size_t list) {
  const size_t *first = segment == 0 ? w->start : w->bound + (segment - 1) * w->n_lists;
  return w->words + first[list] * w->entry_words;
}

#endif
