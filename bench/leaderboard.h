/* bench/leaderboard.h - methods of several comparisons, ranked by division, suite and network. What
 * `autoprune leaderboard` does. */
#ifndef AP_BENCH_LEADERBOARD_H
#define AP_BENCH_LEADERBOARD_H
#include <stddef.h>
#include <stdio.h>

#include "base/status.h"
AP_EXTERN_C_BEGIN

/* Reads FOLDER/summary.csv of each folder and writes Markdown: closed division first, a table a suite and
 * network, methods by the compression rate of occupied crossbars (equal ones share a rank), those that missed the limit last and
 * without a rank. The same tables give the same bytes. Errors: IO, FORMAT (file and line), ARG (a file
 * without a summary's columns, no folders), MEMORY. */
AP_NODISCARD ap_status ap_leaderboard_write(const char *const *folders, size_t n_folders, FILE *out,
                                            ap_error *err);

AP_EXTERN_C_END
#endif
