/* kernels/grouped/curve_value.h - the curves of kernels/curve.h as a thread of a GPU computes them: by its own exp() and
 * erfc(). NaN stays. */
#ifndef AP_KERNELS_GROUPED_CURVE_VALUE_H
#define AP_KERNELS_GROUPED_CURVE_VALUE_H
#include <math.h>

#include "kernels/curve.h"
#include "kernels/grouped/simt.h"

SIMT_FN float grouped_curve(int curve, float x) {
  if (curve == AP_CURVE_LOGISTIC) return 1.0f / (1.0f + expf(-x)); /* a large -x: 1 / infinity */
  if (curve == AP_CURVE_NORMAL) return 0.5f * erfcf(x * -0.70710678f);
  if (curve == AP_CURVE_DECAY) return expf(x > 0.0f ? 0.0f : x);
  if (curve == AP_CURVE_BEND) return log1pf(expf(-fabsf(x)));
  if (curve == AP_CURVE_NEAR) return 1.0f / (1.0f + fabsf(x));
  if (curve == AP_CURVE_FADE) return powf(1.0f + fabsf(x), -0.75f);
  const float n = expf(x > 40.0f ? 40.0f : x), m = n * (n + 2.0f); /* AP_CURVE_MISH */
  return m / (m + 2.0f);
}

/* kept: as ap_curve_keeps_value says. */
SIMT_FN float grouped_curve_slope(int curve, float kept) {
  if (curve == AP_CURVE_LOGISTIC) return kept * (1.0f - kept);
  if (curve == AP_CURVE_NORMAL) return 0.39894228f * expf(-0.5f * kept * kept);
  if (curve == AP_CURVE_DECAY) return kept >= 0.0f ? 0.0f : expf(kept);
  if (curve == AP_CURVE_BEND) return (kept > 0.0f ? -1.0f : 1.0f) / (1.0f + expf(fabsf(kept)));
  if (curve == AP_CURVE_NEAR) {
    const float y = 1.0f / (1.0f + fabsf(kept));
    return kept > 0.0f ? -(y * y) : y * y;
  }
  if (curve == AP_CURVE_FADE)
    return (kept > 0.0f ? -0.75f : 0.75f) * powf(1.0f + fabsf(kept), -1.75f);
  const float n = expf(kept > 40.0f ? 40.0f : kept), m = n * (n + 2.0f);
  return 2.0f / (m + 2.0f) * (1.0f + m / (m + 2.0f)) * (n / (1.0f + n));
}
#endif
