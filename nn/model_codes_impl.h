/* nn/model_codes_impl.h - weights of a layer as whole numbers of few bits, packed: a tensor of type int2 ..
 * int8 in a model file.
 *
 * Its bytes: float32 scale [channels], then one code (int8) a weight, in the weights' order. A weight is
 * scale[its output channel] * code; scale is the channel's largest magnitude / (2^(bits - 1) - 1), codes
 * are rounded to the nearest, ties to even (symmetric quantisation, as the evaluator's integer path
 * has it). The codes are an .xz stream where that is shorter but not below 1/32 of them, else plain: so a
 * file cannot ask for more memory than 32 codes a byte. */
#ifndef AP_NN_MODEL_CODES_IMPL_H
#define AP_NN_MODEL_CODES_IMPL_H
#include <stddef.h>

#include "base/status.h"

/* values [channels][count / channels], finite; bits 2 to 8. *bytes: ap_free it. Errors: ARG (a weight whose
 * channel has a scale that is too large for float32), MEMORY; `where` begins their texts. */
AP_NODISCARD ap_status ap_codes_write(const char *where, const float *values, size_t channels,
                                      size_t count, unsigned bits, unsigned char **bytes,
                                      size_t *n_bytes, ap_error *err);

/* In place: what ap_codes_write and then ap_codes_read would make of the values. Errors: ARG, MEMORY. */
AP_NODISCARD ap_status ap_codes_round(const char *where, float *values, size_t channels,
                                      size_t count, unsigned bits, ap_error *err);

/* The other way; *values: ap_free it. Errors: FORMAT (too few or too many bytes, a damaged stream, a code
 * beyond its bits, a scale that is negative or not finite), MEMORY. */
AP_NODISCARD ap_status ap_codes_read(const char *where, const unsigned char *bytes, size_t n_bytes,
                                     size_t channels, size_t count, unsigned bits, float **values,
                                     ap_error *err);
#endif
