/* mapper/encode_impl.h - inside the room: a signed weight as the cells of its slices, and back. */
#ifndef AP_MAPPER_ENCODE_IMPL_H
#define AP_MAPPER_ENCODE_IMPL_H
#include <stddef.h>
#include <stdint.h>

#include "reram_model/array.h"

/* Content of one cell; slice 0 is the least significant. */
static inline unsigned ap_encode_cell(const ap_array_spec *spec, size_t slices, int32_t w,
                                      size_t slice) {
  unsigned mask = (1U << spec->cell_bits) - 1U, c = spec->cell_bits;
  uint32_t sign = (uint32_t)1 << (spec->weight_bits - 1);
  switch (spec->encoding) {
    case AP_ENCODING_OFFSET:
      return (((uint32_t)w + sign) >> (slice * c)) & mask;
    case AP_ENCODING_TWOS_COMPLEMENT:
      if (slice == slices - 1) return w < 0;
      return (((uint32_t)w & (sign - 1)) >> (slice * c)) & mask;
    case AP_ENCODING_DIFFERENTIAL:
      break;
  }
  if (slice < slices / 2) return w > 0 ? ((uint32_t)w >> (slice * c)) & mask : 0;
  return w < 0 ? ((uint32_t)-w >> ((slice - slices / 2) * c)) & mask : 0;
}

/* What one step of a cell adds to the weight. */
static inline int64_t ap_slice_weight(const ap_array_spec *spec, size_t slices, size_t slice) {
  if (spec->encoding == AP_ENCODING_TWOS_COMPLEMENT && slice == slices - 1) {
    return -((int64_t)1 << (spec->weight_bits - 1));
  }
  if (spec->encoding == AP_ENCODING_DIFFERENTIAL && slice >= slices / 2) {
    return -((int64_t)1 << ((slice - slices / 2) * spec->cell_bits));
  }
  return (int64_t)1 << (slice * spec->cell_bits);
}

/* What is taken off each stored weight after its cells are summed. */
static inline int64_t ap_weight_offset(const ap_array_spec *spec) {
  return spec->encoding == AP_ENCODING_OFFSET ? (int64_t)1 << (spec->weight_bits - 1) : 0;
}

/* The slice that holds all of the offset, and so a 0's only cell that is not empty: what is taken off is
 * taken off with it. */
static inline size_t ap_offset_slice(const ap_array_spec *spec) {
  return (spec->weight_bits - 1) / spec->cell_bits;
}

/* Largest content of a cell: cells are never wider than what the weight has to give. */
static inline unsigned ap_cell_max(const ap_array_spec *spec) {
  unsigned payload =
      spec->encoding == AP_ENCODING_OFFSET ? spec->weight_bits : spec->weight_bits - 1;
  return (1U << (spec->cell_bits < payload ? spec->cell_bits : payload)) - 1U;
}

#endif
