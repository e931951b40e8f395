/* mapper/pattern_impl.h - inside the room: kernels by their pattern, the set of rows that hold anything.
 * A layer has a dictionary of a few patterns; each kernel (one column of a band of h rows) lies under
 * the smallest pattern that covers it, so that kernels of one pattern share their rows, packed. */
#ifndef AP_MAPPER_PATTERN_IMPL_H
#define AP_MAPPER_PATTERN_IMPL_H
#include <stddef.h>
#include <stdint.h>

#include "mapper/vectors.h"

#define AP_PATTERN_NONE UINT32_MAX

typedef struct {
  size_t n;        /* patterns that some kernel lies under, by falling number of rows */
  uint64_t *masks; /* n: bit i: row i of a band */
  uint32_t *of;    /* bands x N: the kernel's pattern, AP_PATTERN_NONE: it holds nothing */
} ap_patterns;

/* kept: K x N flags of the weights; NULL: all. Rule: docs/MAPPING.md. Cost O(K*N), and a sort of the
 * kernels. End with ap_patterns_release. MEMORY. */
AP_NODISCARD ap_status ap_patterns_find(const ap_partition *partition, const uint8_t *kept,
                                        ap_patterns *out, ap_error *err);
void ap_patterns_release(ap_patterns *patterns);
/* Rows of a band that a pattern has; fewer in a last band that is cut short. */
size_t ap_pattern_rows(const ap_partition *partition, uint64_t mask, size_t band);
#endif
