/* A program of ap_bench cases, one for each way a case can end; it is run by benchmark_test.c. The
 * case "sum" is the example of docs/BENCHMARKS.md. */
#include "base/alloc.h"
#include "bench/benchmark.h"

typedef struct {
  size_t n;
  double *values, sum;
} sum_problem;

static ap_status setup(const void *context, const int64_t *point, void **problem, ap_error *err) {
  sum_problem *p = NULL;
  *problem = NULL;
  if (point[0] < 0) return ap_fail(err, AP_ERR_UNSUPPORTED, "no device of this kind");
  p = ap_calloc(1, sizeof *p);
  if (!p) return ap_fail(err, AP_ERR_MEMORY, "problem");
  p->n = (size_t)point[0];
  p->values = ap_calloc(p->n, sizeof *p->values);
  for (size_t i = 0; p->values && i < p->n; i++) p->values[i] = (double)i;
  if (context) p->sum = -1; /* for verify to fail */
  *problem = p;
  return AP_OK;
}

static ap_status forwards(void *problem, ap_error *err) {
  sum_problem *p = problem;
  double sum = 0;
  (void)err;
  for (size_t i = 0; i < p->n; i++) sum += p->values[i];
  p->sum = sum;
  return AP_OK;
}

static ap_status in_fours(void *problem, ap_error *err) {
  sum_problem *p = problem;
  double sum[4] = {0};
  (void)err;
  for (size_t i = 0; i < p->n; i++) sum[i % 4] += p->values[i];
  p->sum = sum[0] + sum[1] + sum[2] + sum[3];
  return AP_OK;
}

static ap_status fails(void *problem, ap_error *err) {
  (void)problem;
  return ap_fail(err, AP_ERR_DEVICE, "it broke");
}

static ap_status check(const sum_problem *p, ap_error *err) {
  const double truth = (double)p->n * (double)(p->n - 1) / 2; /* exact below 2^53 */
  if (p->sum < truth || p->sum > truth) {
    return ap_fail(err, AP_ERR_INTERNAL, "sum %g, expected %g", p->sum, truth);
  }
  return AP_OK;
}

static ap_status verify(void *problem, ap_error *err) {
  sum_problem *p = problem;
  ap_status st = AP_OK;
  if (p->sum < 0) return check(p, err);
  st = forwards(p, err);
  if (!st) st = check(p, err);
  if (!st) st = in_fours(p, err);
  return st ? st : check(p, err);
}

static void report(void *problem, size_t way, ap_bench_meter *meter) {
  const sum_problem *p = problem;
  ap_bench_counter(meter, "additions", (double)p->n, AP_BENCH_RATE);
  ap_bench_counter(meter, "way", (double)way + 1, AP_BENCH_VALUE);
}

/* A device's clock: 4 ms, then 2 ms, however long the run took. */
static double own_clock(void *problem, size_t way) {
  (void)problem;
  return way == 0 ? 4e-3 : 2e-3;
}

static void teardown(void *problem) {
  sum_problem *p = problem;
  ap_free(p->values);
  ap_free(p);
}

int main(int argc, char **argv) {
  static const char *const axes[] = {"n"};
  static const int64_t points[] = {1000, 4099}, absent[] = {-1};
  static const ap_bench_way ways[] = {{"forwards", forwards}, {"in_fours", in_fours}};
  static const ap_bench_way broken[] = {{"forwards", forwards}, {"fails", fails}};
  ap_bench_case c = {.name = "sum",
                     .n_axes = 1,
                     .axes = axes,
                     .n_points = 2,
                     .points = points,
                     .n_ways = 2,
                     .ways = ways,
                     .setup = setup,
                     .verify = verify,
                     .report = report,
                     .teardown = teardown};
  ap_error err = {0};
  ap_status st = ap_bench_register(&c, &err);
  c.name = "clocked";
  c.seconds = own_clock;
  if (!st) st = ap_bench_register(&c, &err);
  c.seconds = NULL;
  c.n_points = 1;
  c.name = "wrong";
  c.context = "verification fails";
  if (!st) st = ap_bench_register(&c, &err);
  c.name = "broken";
  c.context = NULL;
  c.ways = broken;
  if (!st) st = ap_bench_register(&c, &err);
  c.name = "absent";
  c.ways = ways;
  c.points = absent;
  if (!st) st = ap_bench_register(&c, &err);
  /* What is incomplete is refused. */
  c.verify = NULL;
  if (!st && ap_bench_register(&c, &err) != AP_ERR_ARG) return 3;
  c.verify = verify;
  c.n_ways = 0;
  if (!st && ap_bench_register(&c, &err) != AP_ERR_ARG) return 3;
  c.n_ways = 2;
  c.n_points = 0;
  if (!st && ap_bench_register(&c, &err) != AP_ERR_ARG) return 3;
  return st ? 4 : ap_bench_main(argc, argv);
}
