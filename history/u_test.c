#include "history/u_test.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define EXACT_LIMIT 50 /* values of either set: beyond, the normal distribution is as good */

typedef struct {
  double value;
  size_t from; /* 0: a, 1: b; or an index */
} tagged;

static int by_value(const void *x, const void *y) {
  const tagged *a = x, *b = y;
  if (a->value != b->value) return a->value < b->value ? -1 : 1;
  return a->from < b->from ? -1 : a->from > b->from;
}

/* Rank sum of a and sum of t^3 - t over groups of t equal values. */
static void rank(tagged *all, size_t n, double *rank_sum, double *ties) {
  *rank_sum = *ties = 0;
  qsort(all, n, sizeof *all, by_value);
  for (size_t i = 0; i < n;) {
    size_t end = i + 1;
    double t, middle;
    while (end < n && all[end].value == all[i].value) end++;
    t = (double)(end - i);
    middle = 0.5 * ((double)(i + 1) + (double)end);
    for (; i < end; i++) *rank_sum += all[i].from == 0 ? middle : 0;
    *ties += t * t * t - t;
  }
}

/* P(U <= u) for samples without ties: of the largest value of n + m, n/(n+m) is the chance that it is
 * one of the n, and then it exceeds all m. rows: (m + 1) x (n * m + 1). */
static double exact_below(size_t n, size_t m, size_t u, double *rows) {
  size_t width = n * m + 1;
  double sum = 0;
  for (size_t j = 0; j <= m; j++) rows[j * width] = 1; /* no a: U is 0 */
  for (size_t i = 1; i <= n; i++) {
    /* rows[j] holds P(i - 1, j); j from 0 up, so that rows[j - 1] is P(i, j - 1) already */
    for (size_t j = 1; j <= m; j++) {
      double *now = rows + j * width, *left = rows + (j - 1) * width;
      double a = (double)i / (double)(i + j), b = (double)j / (double)(i + j);
      for (size_t v = width; v-- > 0;) now[v] = (v >= j ? a * now[v - j] : 0) + b * left[v];
    }
  }
  for (size_t v = 0; v <= u && v < width; v++) sum += rows[m * width + v];
  return sum;
}

static ap_status exact_p(size_t n, size_t m, double u, double *p, ap_error *err) {
  double *rows = ap_calloc((m + 1) * (n * m + 1), sizeof *rows);
  double other = (double)(n * m) - u;
  if (!rows) return ap_fail(err, AP_ERR_MEMORY, "U test of %zu and %zu values", n, m);
  *p = 2 * exact_below(n, m, (size_t)(u < other ? u : other), rows);
  if (*p > 1) *p = 1;
  ap_free(rows);
  return AP_OK;
}

ap_status ap_u_test(const double *a, size_t na, const double *b, size_t nb, ap_u_result *out,
                    ap_error *err) {
  size_t n = na + nb;
  double rank_sum, ties, x = (double)na, y = (double)nb, total = (double)n, variance, z;
  tagged *all;
  memset(out, 0, sizeof *out);
  if (na == 0 || nb == 0) {
    return ap_fail(err, AP_ERR_ARG, "U test of %zu and %zu values: at least one each is expected",
                   na, nb);
  }
  all = ap_calloc(n, sizeof *all);
  if (!all) return ap_fail(err, AP_ERR_MEMORY, "U test of %zu and %zu values", na, nb);
  for (size_t i = 0; i < na; i++) all[i] = (tagged){a[i], 0};
  for (size_t i = 0; i < nb; i++) all[na + i] = (tagged){b[i], 1};
  for (size_t i = 0; i < n; i++) {
    if (isfinite(all[i].value)) continue;
    ap_free(all);
    return ap_fail(err, AP_ERR_ARG, "U test: a value is not finite");
  }
  rank(all, n, &rank_sum, &ties);
  ap_free(all);
  out->u = rank_sum - x * (x + 1) / 2;
  out->exact = ties == 0 && na <= EXACT_LIMIT && nb <= EXACT_LIMIT;
  if (out->exact) return exact_p(na, nb, out->u, &out->p, err);
  variance = x * y / 12 * (total + 1 - ties / (total * (total - 1)));
  z = (fabs(out->u - x * y / 2) - 0.5) / sqrt(variance);
  out->p = variance > 0 && z > 0 ? erfc(z / sqrt(2.0)) : 1;
  return AP_OK;
}

ap_status ap_holm(const double *p, size_t n, double *adjusted, ap_error *err) {
  tagged *all = ap_calloc(n, sizeof *all);
  double largest = 0;
  if (!all) return ap_fail(err, AP_ERR_MEMORY, "%zu p-values", n);
  for (size_t i = 0; i < n; i++) all[i] = (tagged){p[i], i};
  qsort(all, n, sizeof *all, by_value);
  for (size_t i = 0; i < n; i++) {
    double value = all[i].value * (double)(n - i);
    if (value > largest) largest = value;
    adjusted[all[i].from] = largest < 1 ? largest : 1;
  }
  ap_free(all);
  return AP_OK;
}

ap_status ap_median(const double *values, size_t n, double *out, ap_error *err) {
  tagged *all = ap_calloc(n, sizeof *all);
  if (!all) return ap_fail(err, AP_ERR_MEMORY, "median of %zu values", n);
  for (size_t i = 0; i < n; i++) all[i].value = values[i];
  qsort(all, n, sizeof *all, by_value);
  *out = 0.5 * (all[(n - 1) / 2].value + all[n / 2].value);
  ap_free(all);
  return AP_OK;
}
