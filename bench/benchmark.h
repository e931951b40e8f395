/* bench/benchmark.h - timed cases in C: problems, ways to solve them, one baseline, through Google
 * Benchmark. docs/BENCHMARKS.md has an example.
 *
 * A case has points (values on named axes). For each point one problem is set up and verified, then
 * all ways are timed on that same problem: the first is the baseline, the others report
 * speedup = baseline's time / own time, and speedup_cpu by processor time of the whole process. What
 * does not verify reports its error and no time. Names: CASE/AXIS:VALUE/.../WAY. Not thread-safe. */
#ifndef AP_BENCH_BENCHMARK_H
#define AP_BENCH_BENCHMARK_H
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
AP_EXTERN_C_BEGIN

typedef struct ap_bench_meter ap_bench_meter; /* where a way's counters go */

typedef enum {
  AP_BENCH_VALUE, /* as it is */
  AP_BENCH_RATE   /* things done by one run: shown per second of real time */
} ap_bench_unit;
/* "speedup" and "speedup_cpu" are taken. name is copied. A value of 0 has no relative deviation: with
 * repetitions Google Benchmark then writes NaN, which strict readers of JSON refuse. */
void ap_bench_counter(ap_bench_meter *meter, const char *name, double value, ap_bench_unit unit);

typedef struct {
  const char *name; /* "dense"; without '/' */
  /* One iteration. Must do all its work at every call. */
  ap_status (*run)(void *problem, ap_error *err);
} ap_bench_way;

typedef struct {
  const char *name; /* "evaluator/resnet20" */
  size_t n_axes;    /* 0: no axes, one point */
  const char *const *axes;
  size_t n_points;
  const int64_t *points; /* n_points x n_axes */
  size_t n_ways;         /* >= 1 */
  const ap_bench_way *ways;
  const void *context; /* handed to setup */
  size_t iterations;   /* of each way; 0: as many as take --benchmark_min_time */

  /* *problem belongs to teardown. UNSUPPORTED for what this machine or build cannot do: the point
   * is then reported as skipped with the reason. On error *problem is NULL. */
  ap_status (*setup)(const void *context, const int64_t *point, void **problem, ap_error *err);
  /* Runs every way once and compares what it gives with a truth; called once before the timing. */
  ap_status (*verify)(void *problem, ap_error *err);
  void (*report)(void *problem, size_t way, ap_bench_meter *meter); /* NULL: no counters */
  /* What the way's last run took by a clock of its own (a device's); NULL: the wall clock's time. */
  double (*seconds)(void *problem, size_t way);
  void (*teardown)(void *problem); /* never with NULL */
} ap_bench_case;

/* The record and its name are copied; what else it points to is kept until the program ends. Errors: ARG for a missing
 * name, way or function, or a name that another case has; MEMORY. */
AP_NODISCARD ap_status ap_bench_register(const ap_bench_case *c, ap_error *err);

/* Reads Google Benchmark's options (--benchmark_filter, --benchmark_format, ...), runs what is
 * registered, prints. 0: all that was asked for verified and was timed (or UNSUPPORTED); 1: something
 * failed or nothing matched; 2: unknown option. */
int ap_bench_main(int argc, char **argv);

AP_EXTERN_C_END
#endif
