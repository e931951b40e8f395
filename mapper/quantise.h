/* mapper/quantise.h - float weights to signed integers, symmetric, one scale per layer. */
#ifndef AP_MAPPER_QUANTISE_H
#define AP_MAPPER_QUANTISE_H
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
AP_EXTERN_C_BEGIN

/* q[i] = round(w[i]/scale), halves away from zero, in -(2^(bits-1)-1)..2^(bits-1)-1;
 * scale = max|w| / (2^(bits-1)-1), 1 when all are zero; w ~ q*scale. Zero stays zero, so pruned
 * weights stay pruned; a kept weight below scale/2 becomes zero.
 * bits 2..16. w and q may not overlap. Errors: ARG for bits, FORMAT for a NaN or infinite weight
 * (with its index); then *scale is 0 and q unspecified. */
AP_NODISCARD ap_status ap_quantise_weights(const float *w, size_t n, unsigned bits, int32_t *q,
                                           float *scale, ap_error *err);

AP_EXTERN_C_END
#endif
