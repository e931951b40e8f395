/* pruners/repair.h - least-squares repair of one pruned layer: the kept weights and the bias are
 * moved so that the layer's outputs on the calibration inputs stay as near as possible to those of
 * the dense layer (the reconstruction step of channel pruning and AMC; Optimal Brain Surgeon's
 * solution for a given mask, Hassibi and Stork 1993). */
#ifndef AP_PRUNERS_REPAIR_H
#define AP_PRUNERS_REPAIR_H
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/threads.h"
AP_EXTERN_C_BEGIN

typedef struct {
  double damping;       /* added to the moments' diagonal, as a share of its mean; > 0 */
  size_t largest_solve; /* systems above this size are not solved: that column only gets its bias */
} ap_repair_options;
ap_repair_options ap_repair_defaults(void); /* 0.01, 1,536 */

typedef struct ap_repair ap_repair; /* the inverse moments of one group of one layer */

/* moments: (k+1) x (k+1) as ap_moments_matrix gives them; kept until destroy. */
AP_NODISCARD ap_status ap_repair_create(const double *moments, size_t k,
                                        const ap_repair_options *options, ap_repair **out,
                                        ap_error *err);
void ap_repair_destroy(ap_repair *repair);

/* For every column: given dense weights and bias and the kept mask, minimises
 * E[(x.w + b - x.w0 - b0)^2] + damping * |w - w0|^2 over the kept weights and b.
 *   dense, kept   k x n row-major with row stride `stride`; kept is 0 or 1
 *   bias          n, of the dense layer        weights, new_bias   the result, same shapes
 * Columns are solved in parallel; the result does not depend on the thread count.
 * Cost per column: min(kept, pruned)^3 / 3. Errors: MEMORY. */
AP_NODISCARD ap_status ap_repair_columns(const ap_repair *repair, ap_pool *pool, size_t n,
                                         size_t stride, const float *dense, const uint8_t *kept,
                                         const float *bias, float *weights, float *new_bias,
                                         ap_error *err);
/* What the whole layer's weights should become where its inputs are no longer those that it was trained
 * on: with x its inputs now (the moments of `repair`) and y those of the dense network, the minimum over w and
 * b of E[(x.w + b - y.w0 - b0)^2] + damping * |w - w0|^2. From there, ap_repair_columns takes the pruned
 * weights out (the error is the same quadratic form around this minimum).
 *   cross      (k+1) x (k+1), E[x y^T] as ap_moments_pair gives it
 *   dense, bias, weights, new_bias   as above, row stride `stride`; weights may not overlap dense
 * Errors: MEMORY. */
AP_NODISCARD ap_status ap_repair_target(const ap_repair *repair, const double *cross, size_t n,
                                        size_t stride, const float *dense, const float *bias,
                                        float *weights, float *new_bias, ap_error *err);

AP_EXTERN_C_END
#endif
