#include <math.h>

#include "kernels/cpu/ref_impl.h"

/* Element i (of n * hw) of channel c. */
static size_t at(const ap_bn_shape *s, size_t c, size_t i) {
  return (i / s->hw * s->c + c) * s->hw + i % s->hw;
}

ap_status ap_ref_bn_forward_train(ap_backend *be, const ap_bn_shape *s, const float *x,
                                  const float *gamma, const float *beta, float *y, float *save_mean,
                                  float *save_inv_std, float *running_mean, float *running_var,
                                  ap_error *err) {
  const size_t m = s->n * s->hw;
  (void)be;
  (void)err;
  for (size_t c = 0; c < s->c; c++) {
    const double momentum = (double)s->momentum;
    double mean = 0, var = 0, inv_std, unbiased;
    for (size_t i = 0; i < m; i++) mean += (double)x[at(s, c, i)];
    mean /= (double)m;
    for (size_t i = 0; i < m; i++) {
      const double d = (double)x[at(s, c, i)] - mean;
      var += d * d;
    }
    unbiased = m > 1 ? var / (double)(m - 1) : 0;
    var /= (double)m;
    inv_std = 1 / sqrt(var + (double)s->epsilon);
    for (size_t i = 0; i < m; i++) {
      const double normal = ((double)x[at(s, c, i)] - mean) * inv_std;
      y[at(s, c, i)] = (float)(normal * (double)gamma[c] + (double)beta[c]);
    }
    save_mean[c] = (float)mean;
    save_inv_std[c] = (float)inv_std;
    running_mean[c] = (float)((1 - momentum) * (double)running_mean[c] + momentum * mean);
    running_var[c] = (float)((1 - momentum) * (double)running_var[c] + momentum * unbiased);
  }
  return AP_OK;
}

ap_status ap_ref_bn_forward_infer(ap_backend *be, const ap_bn_shape *s, const float *x,
                                  const float *gamma, const float *beta, const float *running_mean,
                                  const float *running_var, float *y, ap_error *err) {
  (void)be;
  (void)err;
  for (size_t c = 0; c < s->c; c++) {
    const double inv_std = 1 / sqrt((double)running_var[c] + (double)s->epsilon);
    for (size_t i = 0; i < s->n * s->hw; i++) {
      const double normal = ((double)x[at(s, c, i)] - (double)running_mean[c]) * inv_std;
      y[at(s, c, i)] = (float)(normal * (double)gamma[c] + (double)beta[c]);
    }
  }
  return AP_OK;
}

ap_status ap_ref_bn_backward(ap_backend *be, const ap_bn_shape *s, const float *x, const float *dy,
                             const float *gamma, const float *save_mean, const float *save_inv_std,
                             float *dx, float *dgamma, float *dbeta, ap_error *err) {
  const size_t m = s->n * s->hw;
  (void)be;
  (void)err;
  for (size_t c = 0; c < s->c; c++) {
    const double mean = (double)save_mean[c], inv_std = (double)save_inv_std[c];
    double sum = 0, product = 0;
    for (size_t i = 0; i < m; i++) {
      const double d = (double)dy[at(s, c, i)];
      sum += d;
      product += d * ((double)x[at(s, c, i)] - mean) * inv_std;
    }
    for (size_t i = 0; i < m; i++) {
      const double normal = ((double)x[at(s, c, i)] - mean) * inv_std;
      const double centred = (double)dy[at(s, c, i)] - (sum + normal * product) / (double)m;
      dx[at(s, c, i)] = (float)((double)gamma[c] * inv_std * centred);
    }
    dgamma[c] = (float)product;
    dbeta[c] = (float)sum;
  }
  return AP_OK;
}
