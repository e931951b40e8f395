/* Curves, products of images and channels by number of "cpu-ref". */
#include <math.h>

#include "kernels/cpu/ref_impl.h"

ap_status ap_ref_curve_forward(ap_backend *be, ap_curve curve, size_t count, const float *x,
                               float *y, ap_error *err) {
  (void)be;
  (void)err;
  for (size_t i = 0; i < count; i++) y[i] = (float)ap_curve_exact(curve, (double)x[i]);
  return AP_OK;
}

ap_status ap_ref_curve_backward(ap_backend *be, ap_curve curve, size_t count, const float *kept,
                                const float *dy, float *dx, bool accumulate, ap_error *err) {
  (void)be;
  (void)err;
  for (size_t i = 0; i < count; i++) {
    const double d = (double)dy[i] * ap_curve_exact_slope(curve, (double)kept[i]);
    dx[i] = (float)(d + (accumulate ? (double)dx[i] : 0));
  }
  return AP_OK;
}

ap_status ap_ref_multiply(ap_backend *be, const ap_gate_shape *s, const float *a, const float *b,
                          float *y, bool accumulate, ap_error *err) {
  (void)be;
  (void)err;
  for (size_t i = 0; i < s->planes * s->pixels; i++) {
    const double product = (double)a[i] * (double)b[s->per_plane ? i / s->pixels : i];
    y[i] = (float)(product + (accumulate ? (double)y[i] : 0));
  }
  return AP_OK;
}

ap_status ap_ref_multiply_sum(ap_backend *be, const ap_gate_shape *s, const float *a,
                              const float *b, float *y, bool accumulate, ap_error *err) {
  (void)be;
  (void)err;
  for (size_t p = 0; p < s->planes; p++) {
    double sum = accumulate ? (double)y[p] : 0;
    for (size_t i = p * s->pixels; i < (p + 1) * s->pixels; i++) {
      sum += (double)a[i] * (double)b[i];
    }
    y[p] = (float)sum;
  }
  return AP_OK;
}

ap_status ap_ref_gather_forward(ap_backend *be, const ap_gather_shape *s, const int32_t *picks,
                                const float *x, float *y, ap_error *err) {
  (void)be;
  (void)err;
  for (size_t i = 0; i < s->n; i++) {
    for (size_t c = 0; c < s->c_to; c++) {
      const bool known = picks[c] >= 0 && (size_t)picks[c] < s->c_from;
      for (size_t p = 0; p < s->hw; p++) {
        y[(i * s->c_to + c) * s->hw + p] =
            known ? x[(i * s->c_from + (size_t)picks[c]) * s->hw + p] : NAN;
      }
    }
  }
  return AP_OK;
}

ap_status ap_ref_gather_backward(ap_backend *be, const ap_gather_shape *s, const int32_t *starts,
                                 const int32_t *users, const float *dy, float *dx, bool accumulate,
                                 ap_error *err) {
  (void)be;
  (void)err;
  for (size_t i = 0; i < s->n; i++) {
    for (size_t f = 0; f < s->c_from; f++) {
      for (size_t p = 0; p < s->hw; p++) {
        float *to = &dx[(i * s->c_from + f) * s->hw + p];
        double sum = accumulate ? (double)*to : 0;
        for (int32_t k = starts[f]; k < starts[f + 1]; k++) {
          if (k < 0 || (size_t)k >= s->c_to || users[k] < 0 || (size_t)users[k] >= s->c_to)
            continue;
          sum += (double)dy[(i * s->c_to + (size_t)users[k]) * s->hw + p];
        }
        *to = (float)sum;
      }
    }
  }
  return AP_OK;
}
