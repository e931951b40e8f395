#include "mapper/quantise.h"

#include <math.h>

#define MIN_BITS 2
#define MAX_BITS 16

ap_status ap_quantise_weights(const float *w, size_t n, unsigned bits, int32_t *q, float *scale,
                              ap_error *err) {
  float largest = 0.0F;
  double step = 1.0, top = 0.0;
  *scale = 0.0F;
  if (bits < MIN_BITS || bits > MAX_BITS) {
    return ap_fail(err, AP_ERR_ARG, "weights of %u bits, expected %d to %d", bits, MIN_BITS,
                   MAX_BITS);
  }
  for (size_t i = 0; i < n; i++) {
    if (!isfinite(w[i])) {
      return ap_fail(err, AP_ERR_FORMAT, "weight %zu is %g, expected a finite number", i,
                     (double)w[i]);
    }
    if (fabsf(w[i]) > largest) largest = fabsf(w[i]);
  }
  top = (double)((1 << (bits - 1)) - 1);
  if (largest > 0.0F) step = (double)largest / top;
  /* The scale is a float; levels are taken against that float, so that q*scale is reproducible. A
   * largest weight so small that the scale would be 0 keeps the smallest scale there is. */
  *scale = (float)step;
  if (*scale == 0.0F) *scale = nextafterf(0.0F, 1.0F);
  step = (double)*scale;
  for (size_t i = 0; i < n; i++) {
    double level = round((double)w[i] / step);
    if (level > top) level = top;
    if (level < -top) level = -top;
    q[i] = (int32_t)level;
  }
  return AP_OK;
}
