/* kernels/sigmoid.h - the logistic function of all CPU paths: 1 / (1 + exp(-x)).
 *
 * Relative error below 3e-7 for |x| <= 87, where it ends: smaller x give its value at -87 (1.6e-38). NaN
 * gives NaN. Both functions give the same bits on every instruction set (nothing is fused), so that
 * the quantised network (nn/integer.h) is one and the same everywhere. */
#ifndef AP_KERNELS_SIGMOID_H
#define AP_KERNELS_SIGMOID_H
#include <stddef.h>

#include "base/status.h"
AP_EXTERN_C_BEGIN

float ap_sigmoid(float x);
/* y[i] = ap_sigmoid(x[i]); x and y may be the same. */
void ap_sigmoid_row(const float *x, size_t n, float *y);

AP_EXTERN_C_END
#endif
