/* bench/curves_impl.h - curves of a comparison: accuracy over crossbars, searches over their cost. */
#ifndef AP_BENCH_CURVES_IMPL_H
#define AP_BENCH_CURVES_IMPL_H
#include <jansson.h>

#include "base/csv.h"

/* points.csv: every recovered point of the bisections (judged on the selection split) and every method's
 * one-shot front (search split), each with the dense accuracy on its split. front: no other point of the same
 * network, method and kind, of any seed, is better in one and no worse in the other. */
AP_NODISCARD ap_status ap_write_points(ap_csv *csv, const json_t *cells, ap_error *err);

/* convergence.csv: the largest compression within the search's limit, of the first x image-forwards,
 * mean and 95 % interval over the seeds at equal steps of x; 1 until something is found. Searches that
 * ended earlier keep what they had. */
void ap_write_convergence(ap_csv *csv, const json_t *cells);
#endif
