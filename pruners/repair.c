#include "pruners/repair.h"

#include <stdbool.h>

#include "base/alloc.h"
#include "pruners/masked_solve_impl.h"

#define CONSTANT_DAMPING 1e-9 /* the constant's moment is 1 */
#define NEGATIVE \
  1e-3 /* a variance below minus that share of the mean square is no rounding error */

struct ap_repair {
  size_t k;
  ap_repair_options options;
  float *system;   /* covariance + damping, k x k */
  double *mean;    /* of the inputs */
  double damping;  /* what was added to the diagonal */
  double constant; /* the constant's moment + CONSTANT_DAMPING */
};

ap_repair_options ap_repair_defaults(void) {
  return (ap_repair_options){.damping = 0.01, .tolerance = 1e-3, .max_steps = 500};
}

ap_status ap_repair_create(const double *moments, size_t k, const ap_repair_options *options,
                           ap_repair **out, ap_error *err) {
  ap_status st = AP_OK;
  ap_repair *r = ap_calloc(1, sizeof *r);
  const size_t d = k + 1;
  double mean = 0;
  *out = NULL;
  if (!r) return ap_fail(err, AP_ERR_MEMORY, "repair");
  r->k = k;
  r->options = *options;
  r->system = ap_calloc(k, k * sizeof(float));
  r->mean = ap_calloc(k, sizeof *r->mean);
  if (!r->system || !r->mean) {
    st = ap_fail(err, AP_ERR_MEMORY, "repair of %zu inputs", k);
    goto done;
  }
  for (size_t i = 0; i < k; i++) mean += moments[i * d + i] / (double)k;
  if (!(mean > 0)) mean = 1; /* a layer that sees only zeros: any damping will do */
  r->damping = options->damping * mean;
  r->constant = moments[d * d - 1] + CONSTANT_DAMPING;
  for (size_t i = 0; i < k; i++) r->mean[i] = moments[i * d + k];
  for (size_t i = 0; i < k; i++) {
    for (size_t j = 0; j < k; j++) {
      double v = moments[i * d + j] - r->mean[i] * r->mean[j] / r->constant;
      if (i == j && !(v >= -NEGATIVE * mean)) {
        st = ap_fail(err, AP_ERR_INTERNAL,
                     "repair: input %zu of %zu has the variance %g in its moments", i, k, v);
        goto done;
      }
      r->system[i * k + j] = (float)(i == j ? (v > 0 ? v : 0) + r->damping : v);
    }
  }
  *out = r;
  r = NULL;
done:
  ap_repair_destroy(r);
  return st;
}

void ap_repair_destroy(ap_repair *repair) {
  if (!repair) return;
  ap_free(repair->system);
  ap_free(repair->mean);
  ap_free(repair);
}

/* Solves for the kept weights of all columns, then sets each bias so that constant * bias + mean . w is
 * bias_target of the column. */
static ap_status solve(const ap_repair *r, ap_pool *pool, const ap_masked_problem *problem,
                       const double *bias_target, float *new_bias, ap_error *err) {
  const ap_masked_options options = {r->options.tolerance, r->options.max_steps};
  ap_status st = ap_masked_solve(pool, problem, &options, err);
  for (size_t j = 0; j < problem->n && !st; j++) {
    double sum = bias_target[j];
    for (size_t i = 0; i < r->k; i++) {
      sum -= r->mean[i] * (double)problem->weights[i * problem->stride + j];
    }
    new_bias[j] = (float)(sum / r->constant);
  }
  return st;
}

static ap_masked_problem problem_of(const ap_repair *r, size_t n, size_t stride, const float *start,
                                    const float *wanted, const uint8_t *kept, float *weights) {
  return (ap_masked_problem){.k = r->k,
                             .n = n,
                             .stride = stride,
                             .system = r->system,
                             .start = start,
                             .wanted = wanted,
                             .kept = kept,
                             .weights = weights};
}

ap_status ap_repair_columns(const ap_repair *repair, ap_pool *pool, size_t n, size_t stride,
                            const float *dense, const uint8_t *kept, const float *bias,
                            float *weights, float *new_bias, ap_error *err) {
  const size_t k = repair->k;
  const ap_masked_problem problem = problem_of(repair, n, stride, dense, NULL, kept, weights);
  double *target = ap_calloc(n, sizeof *target);
  ap_status st = target ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "repair of %zu columns", n);
  for (size_t j = 0; j < n && !st; j++) {
    target[j] = repair->constant * (double)bias[j];
    for (size_t i = 0; i < k; i++) target[j] += repair->mean[i] * (double)dense[i * stride + j];
  }
  if (!st) st = solve(repair, pool, &problem, target, new_bias, err);
  for (size_t j = 0; j < n && !st; j++) { /* nothing pruned, nothing moved: to the bit */
    bool whole = true;
    for (size_t i = 0; i < k; i++) whole = whole && kept[i * stride + j];
    if (whole) new_bias[j] = bias[j];
  }
  ap_free(target);
  return st;
}

ap_status ap_repair_fit(const ap_repair *repair, ap_pool *pool, const double *cross, size_t n,
                        size_t stride, const float *dense, const uint8_t *kept, const float *bias,
                        float *weights, float *new_bias, ap_error *err) {
  const size_t k = repair->k;
  float *wanted = ap_calloc(k * n, sizeof *wanted);
  double *target = ap_calloc(n, sizeof *target);
  const ap_masked_problem problem = problem_of(repair, n, stride, dense, wanted, kept, weights);
  ap_status st = wanted && target ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "repair of %zu columns", n);
  for (size_t j = 0; j < n && !st; j++) {
    target[j] = cross[k * n + j] + CONSTANT_DAMPING * (double)bias[j];
  }
  for (size_t i = 0; i < k && !st; i++) {
    const double share = repair->mean[i] / repair->constant;
    for (size_t j = 0; j < n; j++) {
      wanted[i * n + j] = (float)(cross[i * n + j] - share * target[j] +
                                  repair->damping * (double)dense[i * stride + j]);
    }
  }
  if (!st) st = solve(repair, pool, &problem, target, new_bias, err);
  ap_free(wanted);
  ap_free(target);
  return st;
}
