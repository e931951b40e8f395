/* bench/sweep.h - one setting of the hardware or the loss limit moved, methods compared anew at equal
 * accuracy loss in each: what `autoprune compare --sweep` does. */
#ifndef AP_BENCH_SWEEP_H
#define AP_BENCH_SWEEP_H
#include <jansson.h>
#include <stddef.h>

#include "base/status.h"
#include "bench/compare.h"
AP_EXTERN_C_BEGIN

/* axes: n_axes of "max-loss" (0.005 to 0.05), "crossbar" (64 x 64 to 256 x 256), "ou" (4 x 4 to 32 x 32).
 * Networks: options->networks, or the suite's first. Methods: options->methods, or dense, pim-prune, column-vector,
 * auto-prune; and the extra pruners. Writes sensitivity.csv into options->out, one row an axis, value, network and
 * method with the columns of summary.csv, anew after each setting, and its figure; cells are shared with a
 * comparison in the same folder. *rows (may be NULL): the rows, a new reference.
 * Errors: ARG (an unknown axis, none), and those of ap_compare_run. */
AP_NODISCARD ap_status ap_sweep_run(const ap_compare_options *options, const char *const *axes,
                                    size_t n_axes, const json_t *provenance, json_t **rows,
                                    ap_error *err);

AP_EXTERN_C_END
#endif
