/* base/statistics.h - what a few repeated values say. */
#ifndef AP_BASE_STATISTICS_H
#define AP_BASE_STATISTICS_H
#include <stddef.h>

#include "base/status.h"
AP_EXTERN_C_BEGIN

/* Of n >= 1 values: mean, sample standard deviation (n-1; 0 for one value) and half the width of
 * the 95 % interval of the mean by Student's t (0 for one value). */
typedef struct {
  double mean, deviation, half_width;
} ap_sample_statistics;
ap_sample_statistics ap_sample_statistics_of(const double *values, size_t n);

AP_EXTERN_C_END
#endif
