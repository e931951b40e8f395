/* bench/claims.h - the published claims against a comparison's own numbers. What `autoprune claims` does.
 * The claims themselves, their sources and how each is computed: bench/claims_table.c. */
#ifndef AP_BENCH_CLAIMS_H
#define AP_BENCH_CLAIMS_H
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

#include "base/status.h"
AP_EXTERN_C_BEGIN

/* Reads results/summary.csv (and laws.csv, where it is there) and judges every claim. *out: a new object
 *   {"results", "suite", "commit", "left_out": [texts],
 *    "claims": [{"id", "text", "source", "rule", "outcome": "reproduced"|"not reproduced"|"not tested",
 *                "method", "published", "unit", "scale", "value", "low", "high", "n", "network", "by",
 *                "networks": [{"network", "value", "low", "high", "n", "holds"}], "reasons": [texts]}],
 *    "reproduced", "not_reproduced", "not_tested"}
 * by: value - published (negative: short of it); low, high: the 95 % interval over n seeds, null for one.
 * Numbers are null where a claim was not tested. Errors: IO, FORMAT naming file and line, ARG where
 * the table has no summary's columns. */
AP_NODISCARD ap_status ap_claims_judge(const char *results, json_t **out, ap_error *err);

/* For people, a paragraph a claim. */
void ap_claims_print(const json_t *judged, FILE *out);

AP_EXTERN_C_END
#endif
