/* history/google_benchmark.h - Google Benchmark's JSON (--benchmark_format=json) as a record. */
#ifndef AP_HISTORY_GOOGLE_BENCHMARK_H
#define AP_HISTORY_GOOGLE_BENCHMARK_H
#include <jansson.h>
#include <stdbool.h>

#include "base/status.h"
AP_EXTERN_C_BEGIN

/* Is it the JSON of Google Benchmark? By its members "context" and "benchmarks". */
bool ap_google_benchmark_meant(const json_t *document);

/* One series a benchmark ("bench " + run_name), metrics real_time and cpu_time in seconds, one value
 * for each repetition; aggregates and skipped cases are left out. commit, machine: NULL takes them from the
 * context (autoprune_commit; autoprune_cpu and num_cpus, else host_name and num_cpus). *out: a new
 * reference. Errors: FORMAT with `where`; ARG when there is no commit. */
AP_NODISCARD ap_status ap_google_benchmark_record(const json_t *document, const char *where,
                                                  const char *commit, const char *machine,
                                                  json_t **out, ap_error *err);

AP_EXTERN_C_END
#endif
