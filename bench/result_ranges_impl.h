/* bench/result_ranges_impl.h - what the numbers of a result table can be, by the name of the column. */
#ifndef AP_BENCH_RESULT_RANGES_IMPL_H
#define AP_BENCH_RESULT_RANGES_IMPL_H
#include "base/csv_read.h"

/* An ap_csv_ranges (base/csv_read.h) for the tables of 'compare' and 'study': shares and accuracies 0 to 1,
 * ratios above 0, amounts not below it, ends of intervals any number. */
const ap_csv_range *ap_result_range(const char *column);
#endif
