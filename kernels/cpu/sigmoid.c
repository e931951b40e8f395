/* kernels/cpu/sigmoid.c - exp(-x) by 2^n times a polynomial, without branches or fused products. */
#include "kernels/sigmoid.h"

#include <stdint.h>
#include <string.h>

#include "kernels/cpu/fast_impl.h"

/* exp(r) for |r| <= log(2)/2: Taylor's terms up to r^7; the next is below 6e-9. */
static inline float exp_small(float r) {
  float p = 1.0f / 5040;
  p = p * r + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  return p * r + 1.0f;
}

static inline float sigmoid(float x) {
  const float most = 87, per_log2 = 1.44269504f;
  const float log2_high = 0.693359375f,
              log2_low = -2.12194440e-4f; /* their sum is log(2); n * high is exact */
  const float rounder = 12582912.0f; /* 1.5 * 2^23: what is added to it becomes a whole number */
  float z = -x, shifted, n, scale;
  int32_t bits;
  z = z > most ? most : z; /* NaN stays */
  z = z < -most ? -most : z;
  shifted = z * per_log2 + rounder;
  n = shifted - rounder;
  memcpy(&bits, &shifted, sizeof bits);
  bits = (int32_t)(((uint32_t)bits + 127U) << 23); /* 2^n: the low bits of `shifted` are n */
  memcpy(&scale, &bits, sizeof scale);
  return 1.0f / (1.0f + exp_small((z - n * log2_high) - n * log2_low) * scale);
}

float ap_sigmoid(float x) { return sigmoid(x); }

AP_CLONES
void ap_sigmoid_row(const float *x, size_t n, float *y) {
  for (size_t i = 0; i < n; i++) y[i] = sigmoid(x[i]);
}
