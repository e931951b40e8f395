/* pruners/masked_solve_impl.h - many symmetric positive definite systems that differ in which unknowns are 0. */
#ifndef AP_PRUNERS_MASKED_SOLVE_IMPL_H
#define AP_PRUNERS_MASKED_SOLVE_IMPL_H
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/threads.h"
AP_EXTERN_C_BEGIN

/* For every column j, with S its kept rows: finds w_S with system_SS w_S = wanted_S; the others are 0. */
typedef struct {
  size_t k, n, stride;
  const float *system; /* k x k, symmetric, positive definite */
  const float *start;  /* k x n, row stride `stride`: where the search begins */
  const float *
      wanted; /* k x n, row stride n; NULL: system * start, so that a column that keeps all is its start */
  const uint8_t *kept; /* k x n, row stride `stride` */
  float *weights;      /* k x n, row stride `stride`: the result; may be start */
} ap_masked_problem;

typedef struct {
  double tolerance; /* of the residual over that of w = 0, both in the preconditioner's norm */
  size_t max_steps;
} ap_masked_options;

/* Conjugate gradients, blocks of columns in parallel; the result does not depend on the thread count. A column that
 * has not converged after max_steps is what it is then. Errors: MEMORY. */
AP_NODISCARD ap_status ap_masked_solve(ap_pool *pool, const ap_masked_problem *problem,
                                       const ap_masked_options *options, ap_error *err);

AP_EXTERN_C_END
#endif
