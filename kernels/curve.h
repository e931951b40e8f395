/* kernels/curve.h - fixed functions of one number, as CPU paths compute them (but the float evaluator's logistic
 * function, kernels/packed.h): the logistic function and
 * other curves that are bounded by 0 and 1 and that activations are made of.
 *
 *   activation                     by a curve
 *   swish (SiLU)                   x LOGISTIC(x)
 *   tanh                           2 LOGISTIC(2 x) - 1
 *   GELU (exact)                   x NORMAL(x);  erf(x) = 2 NORMAL(sqrt(2) x) - 1
 *   ELU with alpha (SELU, CELU)    max(x, 0) + alpha DECAY(x) - alpha
 *   Mish                           x MISH(x)
 *   Softplus                       max(x, 0) + BEND(x)
 *   Softsign                       x NEAR(x)
 *   local response normalisation   x FADE(s), where s is a sum of squares
 *
 * Relative error of values below 1e-6 (LOGISTIC: 3e-7) down to where a curve ends: its value at -87 (NORMAL: -12.5,
 * MISH: -86) is also that of all smaller x. BEND, NEAR and FADE are the same on both sides of 0; the last two have no end. Slopes: within 6e-7. NaN gives NaN. All but the exact ones give the same bits on every instruction set
 * (nothing is fused), so that the quantised network (nn/integer.h) is one and the same everywhere. */
#ifndef AP_KERNELS_CURVE_H
#define AP_KERNELS_CURVE_H
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
AP_EXTERN_C_BEGIN

typedef enum {
  AP_CURVE_NONE,     /* no curve: no value of these functions */
  AP_CURVE_LOGISTIC, /* 1 / (1 + exp(-x)) */
  AP_CURVE_NORMAL,   /* (1 + erf(x / sqrt(2))) / 2: the normal distribution's */
  AP_CURVE_DECAY,    /* exp(min(x, 0)) */
  AP_CURVE_MISH,     /* tanh(log(1 + exp(x))) */
  AP_CURVE_BEND,     /* log(1 + exp(-|x|)) */
  AP_CURVE_NEAR,     /* 1 / (1 + |x|) */
  AP_CURVE_FADE,     /* (1 + |x|)^(-3/4) */
  AP_CURVES
} ap_curve;

/* "sigmoid", "normal", "decay", "mish", "bend", "near", "fade"; "none"; "?" out of range. */
const char *ap_curve_name(ap_curve curve);
float ap_curve_value(ap_curve curve, float x);
/* y[i] = ap_curve_value(curve, x[i]); x and y may be the same. */
void ap_curve_row(ap_curve curve, const float *x, size_t n, float *y);
/* What a slope is computed from: the value, or the x behind it. */
static inline bool ap_curve_keeps_value(ap_curve curve) { return curve == AP_CURVE_LOGISTIC; }
/* slope[i]: at kept[i], a value of the curve or an x; the two may be the same. */
void ap_curve_slope_row(ap_curve curve, const float *kept, size_t n, float *slope);
/* The same in double, by the C library: what the others are compared with. */
double ap_curve_exact(ap_curve curve, double x);
double ap_curve_exact_slope(ap_curve curve, double kept);

AP_EXTERN_C_END
#endif
