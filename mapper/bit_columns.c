#include <stdbool.h>
#include <string.h>

#include "mapper/bit_columns_impl.h"
#include "mapper/encode_impl.h"

static bool any_slice(const ap_partition *p, const uint8_t *flags, size_t column) {
  for (size_t slice = 0; slice < p->slices; slice++) {
    if (flags[ap_bit_line_of(p, column, slice)]) return true;
  }
  return false;
}

size_t ap_bit_columns_columns(const ap_partition *p, const uint8_t *flags) {
  size_t columns = 0;
  if (!flags) return p->n;
  for (size_t j = 0; j < p->n; j++) columns += any_slice(p, flags, j);
  return columns;
}

void ap_bit_columns_kept(const ap_partition *p, const int32_t *w, uint8_t *kept) {
  size_t lines = p->n * p->slices;
  memset(kept, 0, p->count);
  for (size_t k = 0; k < p->k; k++) {
    uint8_t *band = kept + k / p->granularity.h * lines;
    for (size_t j = 0; j < p->n; j++) {
      for (size_t s = 0; s < p->slices; s++) {
        band[ap_bit_line_of(p, j, s)] |= ap_encode_cell(&p->spec, p->slices, w[k * p->n + j], s) !=
                                         ap_encode_cell(&p->spec, p->slices, 0, s);
      }
    }
  }
}

void ap_bit_columns_kept_f32(const ap_partition *p, const float *w, uint8_t *kept) {
  size_t lines = p->n * p->slices;
  memset(kept, 0, p->count);
  for (size_t k = 0; k < p->k; k++) {
    uint8_t *band = kept + k / p->granularity.h * lines;
    for (size_t j = 0; j < p->n; j++) {
      if (w[k * p->n + j] == 0.0F) continue;
      for (size_t s = 0; s < p->slices; s++) band[ap_bit_line_of(p, j, s)] = 1;
    }
  }
}

/* The weight whose cells of kept bit-columns are w's, and those of the others a 0's. */
static int32_t masked(const ap_partition *p, const uint8_t *band, size_t column, int32_t w) {
  int64_t value = -ap_weight_offset(&p->spec);
  for (size_t s = 0; s < p->slices; s++) {
    int32_t from = band[ap_bit_line_of(p, column, s)] ? w : 0;
    value += (int64_t)ap_encode_cell(&p->spec, p->slices, from, s) *
             ap_slice_weight(&p->spec, p->slices, s);
  }
  return (int32_t)value;
}

void ap_bit_columns_mask_i32(const ap_partition *p, const uint8_t *kept, int32_t *w) {
  for (size_t k = 0; k < p->k; k++) {
    const uint8_t *band = kept + k / p->granularity.h * p->n * p->slices;
    for (size_t j = 0; j < p->n; j++) w[k * p->n + j] = masked(p, band, j, w[k * p->n + j]);
  }
}

void ap_bit_columns_mask_f32(const ap_partition *p, const uint8_t *kept, float *w) {
  for (size_t k = 0; k < p->k; k++) {
    const uint8_t *band = kept + k / p->granularity.h * p->n * p->slices;
    for (size_t j = 0; j < p->n; j++) {
      if (!any_slice(p, band, j)) w[k * p->n + j] = 0.0F;
    }
  }
}

uint64_t ap_bit_columns_weights_kept(const ap_partition *p, const uint8_t *kept) {
  size_t h = p->granularity.h;
  uint64_t sum = 0;
  for (size_t band = 0; band < p->lines; band++) {
    size_t rows = p->k - band * h < h ? p->k - band * h : h;
    sum += rows * ap_bit_columns_columns(p, kept + band * p->n * p->slices);
  }
  return sum;
}

size_t ap_partition_bit_column(const ap_partition *p, size_t band, size_t column, size_t slice) {
  return band * p->n * p->slices + ap_bit_line_of(p, column, slice);
}
