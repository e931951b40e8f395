/* history/u_test.h - are two sets of timings different? Rank statistics: no assumption about how
 * noise is distributed. Plain functions; safe from any thread. */
#ifndef AP_HISTORY_U_TEST_H
#define AP_HISTORY_U_TEST_H
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
AP_EXTERN_C_BEGIN

typedef struct {
  double u;   /* pairs in which a is larger, ties count a half */
  double p;   /* two-sided */
  bool exact; /* from U's own distribution (no ties, both at most 50), else the normal one with
                 corrections for ties and continuity */
} ap_u_result;

/* Mann and Whitney 1947. na, nb >= 1, all finite. Errors: ARG, MEMORY. */
AP_NODISCARD ap_status ap_u_test(const double *a, size_t na, const double *b, size_t nb,
                                 ap_u_result *out, ap_error *err);

/* p-values of n tests at once, made comparable with one level (Holm 1979): adjusted[i] >= p[i], at
 * most 1. MEMORY. */
AP_NODISCARD ap_status ap_holm(const double *p, size_t n, double *adjusted, ap_error *err);

/* Of n >= 1 values; MEMORY. */
AP_NODISCARD ap_status ap_median(const double *values, size_t n, double *out, ap_error *err);

AP_EXTERN_C_END
#endif
