/* kernels/cpu/curve.c - exp() by 2^n times a polynomial, without branches or fused products, and the curves
 * that are made of it. */
#include "kernels/curve.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "kernels/cpu/fast_impl.h"

const char *ap_curve_name(ap_curve curve) {
  static const char *const names[AP_CURVES] = {"none", "sigmoid", "normal", "decay",
                                               "mish", "bend",    "near",   "fade"};
  return (unsigned)curve < AP_CURVES ? names[curve] : "?";
}

/* exp(r) for |r| <= log(2)/2 and somewhat more: Taylor's terms up to r^7; the next is below 6e-9. Terms are summed in pairs
 * (Estrin's scheme): what a processor waits for is the longest chain of operations. */
static inline float exp_small(float r) {
  const float r2 = r * r, r4 = r2 * r2;
  const float low = (1.0f + r) + (0.5f + r * (1.0f / 6)) * r2;
  const float high = (1.0f / 24 + r * (1.0f / 120)) + (1.0f / 720 + r * (1.0f / 5040)) * r2;
  return low + high * r4;
}

/* exp(z + rest) for -87 <= z <= 87 and a rest below 0.1; NaN stays. */
static inline float exp_of(float z, float rest) {
  const float per_log2 = 1.44269504f;
  const float log2_high = 0.693359375f,
              log2_low = -2.12194440e-4f; /* their sum is log(2); n * high is exact */
  const float rounder = 12582912.0f; /* 1.5 * 2^23: what is added to it becomes a whole number */
  const float shifted = z * per_log2 + rounder, n = shifted - rounder;
  float scale;
  int32_t bits;
  memcpy(&bits, &shifted, sizeof bits);
  bits = (int32_t)(((uint32_t)bits + 127U) << 23); /* 2^n: the low bits of `shifted` are n */
  memcpy(&scale, &bits, sizeof scale);
  return exp_small(((z - n * log2_high) - n * log2_low) + rest) * scale;
}

/* NaN stays. */
static inline float within(float x, float least, float most) {
  x = x > most ? most : x;
  return x < least ? least : x;
}

static inline float logistic(float x) { return 1.0f / (1.0f + exp_of(within(-x, -87, 87), 0)); }

static inline float decay(float x) { return exp_of(within(x, -87, 0), 0); }

/* With n = exp(x): (n^2 + 2 n) / (n^2 + 2 n + 2). */
static inline float mish(float x) {
  const float n = exp_of(within(x, -86, 40), 0), m = n * (n + 2.0f);
  return m / (m + 2.0f);
}

/* log(1 + e) = 2 artanh(s) with s = e / (2 + e), at most 1/3: terms up to s^15; the next is below 2e-9 of it. */
static inline float bend(float x) {
  const float e = exp_of(within(x < 0 ? x : -x, -87, 0), 0), s = e / (2.0f + e), z = s * s;
  float p = 1.0f / 15;
  p = p * z + 1.0f / 13;
  p = p * z + 1.0f / 11;
  p = p * z + 1.0f / 9;
  p = p * z + 1.0f / 7;
  p = p * z + 1.0f / 5;
  p = p * z + 1.0f / 3;
  p = p * z + 1.0f;
  return 2.0f * s * p;
}

static inline float near_zero(float x) { return 1.0f / (1.0f + (x < 0 ? -x : x)); }

/* Roots are rounded correctly everywhere. */
static inline float fade(float x) {
  const float root = sqrtf(near_zero(x));
  return root * sqrtf(root);
}

/* Phi(-u) = exp(-u^2 / 2) R(u) for u >= 0, R a polynomial of t = 1 / (1 + 0.26 u) without constant term: least
 * squares of the relative error over 0 <= u <= 13.2, reweighted until it was even (4.9e-8 then). u^2 is taken as h^2 +
 * (u - h)(u + h), where h has 12 bits and its square is exact. */
static inline float normal(float x) {
  const float u = within(x < 0 ? -x : x, 0, 12.5f), t = 1.0f / (1.0f + 0.26f * u);
  float h, r = 0.0309526417f, tail;
  uint32_t bits;
  memcpy(&bits, &u, sizeof bits);
  bits &= 0xfffff000U;
  memcpy(&h, &bits, sizeof h);
  r = r * t - 0.15501751f;
  r = r * t + 0.256045729f;
  r = r * t - 0.156207323f;
  r = r * t + 0.16462414f;
  r = r * t + 0.0494372733f;
  r = r * t + 0.103445232f;
  r = r * t + 0.102957129f;
  r = r * t + 0.103762664f;
  tail = exp_of(-0.5f * (h * h), -0.5f * ((u - h) * (u + h))) * (r * t);
  return x > 0 ? 1.0f - tail : tail;
}

float ap_curve_value(ap_curve curve, float x) {
  float y;
  ap_curve_row(curve, &x, 1, &y);
  return y;
}

/* One loop a curve; none of them branches. Powers of two are made of whole numbers, for which registers of 8 need AVX2;
 * nothing is fused in any of the variants. */
#define ROW(name, of)                                                                    \
  AP_CLONES_OF("avx512f", "avx2") static void name(const float *x, size_t n, float *y) { \
    for (size_t i = 0; i < n; i++) y[i] = of(x[i]);                                      \
  }
ROW(logistic_row, logistic)
ROW(normal_row, normal)
ROW(decay_row, decay)
ROW(mish_row, mish)
ROW(bend_row, bend)
ROW(near_row, near_zero)
ROW(fade_row, fade)

static void not_a_number(const float *x, size_t n, float *y) {
  (void)x;
  for (size_t i = 0; i < n; i++) y[i] = NAN;
}

void ap_curve_row(ap_curve curve, const float *x, size_t n, float *y) {
  static void (*const rows[AP_CURVES])(const float *x, size_t n, float *y) = {
      not_a_number, logistic_row, normal_row, decay_row, mish_row, bend_row, near_row, fade_row};
  rows[(unsigned)curve < AP_CURVES ? curve : AP_CURVE_NONE](x, n, y);
}

/* ---- slopes ------------------------------------------------------------------------------------ */
static inline float logistic_slope(float y) { return y * (1 - y); }

static inline float normal_slope(float x) { /* exp(-x^2 / 2) / sqrt(2 pi) */
  const float u = within(x, -13, 13);
  return 0.398942280f * exp_of(-0.5f * (u * u), 0);
}

static inline float decay_slope(float x) {
  const float y = decay(x);
  return x >= 0 ? 0 : y;
}

static inline float mish_slope(float x) { /* with n = exp(x): (2 / (m + 2)) (1 + y) n / (1 + n) */
  const float n = exp_of(within(x, -86, 40), 0), m = n * (n + 2.0f), y = m / (m + 2.0f);
  return 2.0f / (m + 2.0f) * (1.0f + y) * (n / (1.0f + n));
}

/* At 0 that of smaller x: with the slope 0 of max(x, 0) the sum is that of Softplus. */
static inline float bend_slope(float x) {
  const float e = exp_of(within(x < 0 ? x : -x, -87, 0), 0), y = e / (1.0f + e);
  return x > 0 ? -y : y;
}

static inline float near_slope(float x) {
  const float y = near_zero(x);
  return x > 0 ? -(y * y) : y * y;
}

static inline float fade_slope(float x) {
  const float y = 0.75f * (fade(x) * near_zero(x));
  return x > 0 ? -y : y;
}

ROW(logistic_slopes, logistic_slope)
ROW(normal_slopes, normal_slope)
ROW(decay_slopes, decay_slope)
ROW(mish_slopes, mish_slope)
ROW(bend_slopes, bend_slope)
ROW(near_slopes, near_slope)
ROW(fade_slopes, fade_slope)

void ap_curve_slope_row(ap_curve curve, const float *kept, size_t n, float *slope) {
  static void (*const rows[AP_CURVES])(const float *x, size_t n, float *y) = {
      not_a_number, logistic_slopes, normal_slopes, decay_slopes,
      mish_slopes,  bend_slopes,     near_slopes,   fade_slopes};
  rows[(unsigned)curve < AP_CURVES ? curve : AP_CURVE_NONE](kept, n, slope);
}

/* ---- exactly ----------------------------------------------------------------------------------- */

double ap_curve_exact(ap_curve curve, double x) {
  const double n = exp(x < 300 ? x : 300), m = n * (n + 2);
  if (isnan(x)) return x;
  switch (curve) {
    case AP_CURVE_LOGISTIC:
      return 1 / (1 + exp(-x));
    case AP_CURVE_NORMAL:
      return erfc(-x * sqrt(0.5)) / 2;
    case AP_CURVE_DECAY:
      return x < 0 ? exp(x) : 1;
    case AP_CURVE_MISH:
      return m / (m + 2);
    case AP_CURVE_BEND:
      return log1p(exp(-fabs(x)));
    case AP_CURVE_NEAR:
      return 1 / (1 + fabs(x));
    case AP_CURVE_FADE:
      return pow(1 + fabs(x), -0.75);
    case AP_CURVE_NONE:
    case AP_CURVES:
      break;
  }
  return NAN;
}

double ap_curve_exact_slope(ap_curve curve, double kept) {
  const double x = kept, n = exp(x < 300 ? x : 300), m = n * (n + 2);
  if (isnan(kept)) return kept;
  switch (curve) {
    case AP_CURVE_LOGISTIC:
      return kept * (1 - kept);
    case AP_CURVE_NORMAL:
      return exp(-x * x / 2) * 0.398942280401432677939946; /* 1 / sqrt(2 pi) */
    case AP_CURVE_DECAY:
      return x < 0 ? exp(x) : 0;
    case AP_CURVE_MISH:
      return 2 / (m + 2) * (1 + m / (m + 2)) * (n / (1 + n));
    case AP_CURVE_BEND:
      return (x > 0 ? -1 : 1) / (1 + exp(fabs(x)));
    case AP_CURVE_NEAR:
      return (x > 0 ? -1 : 1) / ((1 + fabs(x)) * (1 + fabs(x)));
    case AP_CURVE_FADE:
      return (x > 0 ? -0.75 : 0.75) * pow(1 + fabs(x), -1.75);
    case AP_CURVE_NONE:
    case AP_CURVES:
      break;
  }
  return NAN;
}
