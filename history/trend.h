/* history/trend.h - metrics over the commits of one machine, with a verdict at every step: what
 * regression plots are drawn from. */
#ifndef AP_HISTORY_TREND_H
#define AP_HISTORY_TREND_H
#include <jansson.h>
#include <stddef.h>

#include "base/status.h"
#include "history/judge.h"
AP_EXTERN_C_BEGIN

typedef struct {
  const char *series, *metric; /* patterns (* ? and @(a|b)); NULL: all */
  size_t limit;                /* newest commits at most, >= 1 */
  ap_judge_options judge;
} ap_trend_options;

/* Rows by series, metric and commit, oldest first: [{"series", "metric", "kind", "unit", "place"
 * (number of the commit), "commit", "n", "value" (median), "low", "high" (quartiles; the value itself
 * for n below 3), "verdict" (against the commit before; "" where it was not measured)}]. */
AP_NODISCARD ap_status ap_history_trend(ap_history *history, const char *machine,
                                        const ap_trend_options *options, json_t **rows,
                                        ap_error *err);

AP_EXTERN_C_END
#endif
