/* mapper/bit_columns_impl.h - inside the room: bit-columns, one bitline of a band of h rows each. A line
 * is a bitline's number within its band, 0..N*s-1: slices side by side, column*s + slice, or, where slices
 * stand apart, slice*N + column. A bit-column is trivial when all its cells hold what a weight of 0 has
 * there, so that it is not stored. */
#ifndef AP_MAPPER_BIT_COLUMNS_IMPL_H
#define AP_MAPPER_BIT_COLUMNS_IMPL_H
#include <stddef.h>
#include <stdint.h>

#include "mapper/vectors.h"

static inline void ap_bit_line(const ap_partition *p, size_t line, size_t *column, size_t *slice) {
  if (p->spec.slices == AP_SLICES_SEPARATE) {
    *column = line % p->n;
    *slice = line / p->n;
  } else {
    *column = line / p->slices;
    *slice = line % p->slices;
  }
}
static inline size_t ap_bit_line_of(const ap_partition *p, size_t column, size_t slice) {
  return p->spec.slices == AP_SLICES_SEPARATE ? slice * p->n + column : column * p->slices + slice;
}

/* What vectors.h says, for this kind. */
void ap_bit_columns_kept(const ap_partition *partition, const int32_t *w, uint8_t *kept);
void ap_bit_columns_kept_f32(const ap_partition *partition, const float *w, uint8_t *kept);
void ap_bit_columns_mask_i32(const ap_partition *partition, const uint8_t *kept, int32_t *w);
void ap_bit_columns_mask_f32(const ap_partition *partition, const uint8_t *kept, float *w);
uint64_t ap_bit_columns_weights_kept(const ap_partition *partition, const uint8_t *kept);
/* Columns of a band with any bit-column; flags: the band's N*s, NULL: all. */
size_t ap_bit_columns_columns(const ap_partition *partition, const uint8_t *flags);
#endif
