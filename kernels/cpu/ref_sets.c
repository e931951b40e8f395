/* Normalisation of an image by itself of "cpu-ref". */
#include <math.h>

#include "kernels/cpu/ref_impl.h"

/* Mean, and 1 / sqrt(variance + epsilon), of the set that begins at x. */
static void statistics(const ap_norm_shape *s, const float *x, double *mean, double *inverse) {
  double squares = 0;
  *mean = 0;
  for (size_t k = 0; k < s->count; k++) *mean += (double)x[k * s->inner];
  *mean /= (double)s->count;
  for (size_t k = 0; k < s->count; k++) {
    const double d = (double)x[k * s->inner] - *mean;
    squares += d * d;
  }
  *inverse = 1 / sqrt(squares / (double)s->count + (double)s->epsilon);
}

static size_t first_of(const ap_norm_shape *s, size_t set) {
  return set / s->inner * s->count * s->inner + set % s->inner;
}

ap_status ap_ref_norm_forward(ap_backend *be, const ap_norm_shape *s, const float *x, float *y,
                              ap_error *err) {
  (void)be;
  (void)err;
  for (size_t set = 0; set < s->outer * s->inner; set++) {
    const size_t first = first_of(s, set);
    double mean, inverse;
    statistics(s, x + first, &mean, &inverse);
    for (size_t k = 0; k < s->count; k++) {
      const size_t i = first + k * s->inner;
      y[i] = (float)(((double)x[i] - mean) * inverse);
    }
  }
  return AP_OK;
}

/* With z = (x - mean) * inverse: dx = inverse * (dy - mean of dy - z * mean of (dy * z)). */
ap_status ap_ref_norm_backward(ap_backend *be, const ap_norm_shape *s, const float *x,
                               const float *dy, float *dx, bool accumulate, ap_error *err) {
  (void)be;
  (void)err;
  for (size_t set = 0; set < s->outer * s->inner; set++) {
    const size_t first = first_of(s, set);
    double mean, inverse, sum = 0, product = 0;
    statistics(s, x + first, &mean, &inverse);
    for (size_t k = 0; k < s->count; k++) {
      const size_t i = first + k * s->inner;
      sum += (double)dy[i];
      product += (double)dy[i] * ((double)x[i] - mean) * inverse;
    }
    sum /= (double)s->count;
    product /= (double)s->count;
    for (size_t k = 0; k < s->count; k++) {
      const size_t i = first + k * s->inner;
      const double z = ((double)x[i] - mean) * inverse;
      const double d = inverse * ((double)dy[i] - sum - z * product);
      dx[i] = (float)(d + (accumulate ? (double)dx[i] : 0));
    }
  }
  return AP_OK;
}
