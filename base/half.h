/* base/half.h - IEEE 754 binary16 numbers, of compact model files and other people's. Pure functions. */
#ifndef AP_BASE_HALF_H
#define AP_BASE_HALF_H
#include <stdint.h>

#include "base/status.h"
AP_EXTERN_C_BEGIN

/* Rounds to nearest, ties to even, with denormals; magnitudes from 65520 on become infinite. */
uint16_t ap_half_from_float(float value);
float ap_half_to_float(uint16_t half); /* exact */

AP_EXTERN_C_END
#endif
