#include "base/statistics.h"

#include <math.h>
#include <stdbool.h>

/* Probability that |t| <= x for Student's t with `dof` degrees of freedom: the finite sums of
 * Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4. */
static double t_within(double x, size_t dof) {
  const double pi = 3.14159265358979323846;
  double theta = atan(x / sqrt((double)dof)), cos2 = cos(theta) * cos(theta);
  bool odd = dof % 2 == 1;
  double term = odd ? cos(theta) : 1, sum = 0;
  for (size_t j = odd ? 1 : 0; j + 2 <= dof; j += 2) { /* powers j of the cosine, up to dof - 2 */
    sum += term;
    term *= cos2 * (double)(j + 1) / (double)(j + 2);
  }
  if (odd) return 2 / pi * (theta + sin(theta) * sum);
  return sin(theta) * sum;
}

static double t_bound(size_t dof) { /* of the central 95 % */
  double lo = 0, hi = 16;           /* 12.706 with one degree of freedom */
  for (int i = 0; i < 60; i++) {
    double middle = (lo + hi) / 2;
    if (t_within(middle, dof) < 0.95) {
      lo = middle;
    } else {
      hi = middle;
    }
  }
  return (lo + hi) / 2;
}

ap_sample_statistics ap_sample_statistics_of(const double *values, size_t n) {
  ap_sample_statistics s = {0, 0, 0};
  double shift = 0, squares = 0; /* from the first value: equal values have no width at all */
  for (size_t i = 0; i < n; i++) shift += values[i] - values[0];
  s.mean = values[0] + shift / (double)n;
  if (n < 2) return s;
  for (size_t i = 0; i < n; i++) squares += (values[i] - s.mean) * (values[i] - s.mean);
  s.deviation = sqrt(squares / (double)(n - 1));
  s.half_width = t_bound(n - 1) * s.deviation / sqrt((double)n);
  return s;
}
