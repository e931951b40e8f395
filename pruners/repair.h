/* pruners/repair.h - least-squares repair of one pruned layer: the kept weights and the bias are
 * moved so that the layer's outputs on the calibration inputs stay as near as possible to those of
 * the dense layer (the reconstruction step of channel pruning and AMC; Optimal Brain Surgeon's
 * solution for a given mask, Hassibi and Stork 1993).
 *
 * The bias is taken out exactly, which leaves one system a column in the inputs' covariance plus damping, reduced
 * to the kept weights. All columns are solved together by conjugate gradients (Hestenes and Stiefel
 * 1952) with the diagonal as preconditioner: a step is one matrix product. */
#ifndef AP_PRUNERS_REPAIR_H
#define AP_PRUNERS_REPAIR_H
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/threads.h"
AP_EXTERN_C_BEGIN

typedef struct {
  double damping; /* added to the moments' diagonal, as a share of its mean; > 0 */
  double
      tolerance; /* a column is solved when its residual is that share of the first one of a start at 0 */
  size_t max_steps; /* ... and is left as it is after so many */
} ap_repair_options;
ap_repair_options ap_repair_defaults(void); /* 0.01, 0.001, 500 */

typedef struct ap_repair ap_repair; /* the covariance of one layer's inputs, k x k floats */

/* moments: (k+1) x (k+1) as ap_moments_matrix gives them; not kept. Errors: INTERNAL for moments that no inputs
 * have (a negative variance); MEMORY. */
AP_NODISCARD ap_status ap_repair_create(const double *moments, size_t k,
                                        const ap_repair_options *options, ap_repair **out,
                                        ap_error *err);
void ap_repair_destroy(ap_repair *repair);

/* For every column: given dense weights and bias and the kept mask, minimises
 * E[(x.w + b - x.w0 - b0)^2] + damping * |w - w0|^2 over the kept weights and b.
 *   dense, kept   k x n row-major with row stride `stride`; kept is 0 or 1
 *   bias          n, of the dense layer        weights, new_bias   the result, same shapes
 * weights may be dense. The result does not depend on the thread count. Cost: 2 k^2 n operations a step, some tens of
 * steps; less where blocks of columns share the rows that none of them keeps. Errors: MEMORY. */
AP_NODISCARD ap_status ap_repair_columns(const ap_repair *repair, ap_pool *pool, size_t n,
                                         size_t stride, const float *dense, const uint8_t *kept,
                                         const float *bias, float *weights, float *new_bias,
                                         ap_error *err);
/* The same where the layer's inputs are no longer those that it was trained on: with x its inputs now (the moments
 * of `repair`) and t what the dense layer gave on its own inputs, minimises
 * E[(x.w + b - t)^2] + damping * |w - w0|^2 over the kept weights and b. Columns that keep all are fitted, too.
 *   cross      (k+1) x n, E[x t^T] as ap_moments_pair gives it
 * new_bias may be bias, too. */
AP_NODISCARD ap_status ap_repair_fit(const ap_repair *repair, ap_pool *pool, const double *cross,
                                     size_t n, size_t stride, const float *dense,
                                     const uint8_t *kept, const float *bias, float *weights,
                                     float *new_bias, ap_error *err);

AP_EXTERN_C_END
#endif
