/* bench/summary_impl.h - the rows of table.csv over their seeds. */
#ifndef AP_BENCH_SUMMARY_IMPL_H
#define AP_BENCH_SUMMARY_IMPL_H
#include <jansson.h>

#include "base/status.h"

/* One row a network and method, in the order of the first seeds: names, "n" (seeds with numbers), "failed"
 * (seeds without), "within_limit" (share of the n whose loss on the selection split is within the limit), then
 * for each quantity X of table.csv: X, the mean over the seeds, X_low and X_high, the 95 % interval of
 * the mean by Student's t (null for one seed). Ratios are means of the ratios of equal seeds. */
AP_NODISCARD ap_status ap_summary_rows(const json_t *rows, json_t **summary, ap_error *err);

/* dir/summary.md. */
AP_NODISCARD ap_status ap_summary_markdown(const char *dir, const json_t *summary,
                                           const json_t *provenance, ap_error *err);
/* dir/summary.csv as ap_csv_load_numbers reads it, by ap_result_range. Errors: IO where it is not there; FORMAT;
 * ARG that names a column of `needed` that it lacks. */
AP_NODISCARD ap_status ap_summary_load(const char *dir, const char *const *needed, size_t n_needed,
                                       json_t **rows, json_t **head, ap_error *err);
#endif
