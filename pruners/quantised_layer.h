/* pruners/quantised_layer.h - a layer's K x N weight matrix as the crossbars hold it: integers, one
 * scale per output column (applied digitally behind the shift-and-add, like a folded BatchNorm). */
#ifndef AP_PRUNERS_QUANTISED_LAYER_H
#define AP_PRUNERS_QUANTISED_LAYER_H
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
AP_EXTERN_C_BEGIN

/* matrix: k x n row-major floats. q: k x n, rounded by mapper/quantise.h column by column;
 * scale: n. Zeros stay zero. Errors: FORMAT naming row and column of a NaN or infinite weight. */
AP_NODISCARD ap_status ap_quantise_columns(const float *matrix, size_t k, size_t n, unsigned bits,
                                           int32_t *q, float *scale, ap_error *err);
/* The same in place: every weight becomes q * scale, what the hardware computes with. */
AP_NODISCARD ap_status ap_quantise_in_place(float *matrix, size_t k, size_t n, unsigned bits,
                                            ap_error *err);

AP_EXTERN_C_END
#endif
