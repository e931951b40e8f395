/* bench/micro/evaluator.c - images per second of the candidate evaluator against the dense path. */
#include "base/alloc.h"
#include "bench/micro/micro_impl.h"

enum { IMAGES = 1000 }; /* the first of a search split */

static ap_status setup(const void *context, const int64_t *point, void **problem, ap_error *err) {
  ap_micro_pair *pair = ap_calloc(1, sizeof *pair);
  ap_status st = AP_OK;
  *problem = NULL;
  if (!pair) return ap_fail(err, AP_ERR_MEMORY, "problem");
  const ap_micro_setting setting = {context, point[0], point[1] > 1, IMAGES, (size_t)point[2]};
  st = ap_micro_pair_open(&setting, pair, err);
  if (st) {
    ap_free(pair);
    return st;
  }
  *problem = pair;
  return AP_OK;
}

static void teardown(void *problem) {
  ap_micro_pair_close(problem);
  ap_free(problem);
}

static ap_status verify(void *problem, ap_error *err) { return ap_micro_pair_verify(problem, err); }
static ap_status dense(void *problem, ap_error *err) { return ap_micro_pair_dense(problem, err); }
static ap_status sparse(void *problem, ap_error *err) { return ap_micro_pair_sparse(problem, err); }
static ap_status integer(void *problem, ap_error *err) {
  return ap_micro_pair_integer(problem, err);
}

static void report(void *problem, size_t way, ap_bench_meter *meter) {
  const ap_micro_pair *pair = problem;
  double n = (double)pair->n_images, macs = n * (double)ap_network_macs(pair->net);
  ap_bench_counter(meter, "images", n, AP_BENCH_RATE);
  ap_bench_counter(meter, "macs_dense_equivalent", macs, AP_BENCH_RATE);
  ap_bench_counter(meter, "macs_nonzero", macs * pair->macs_kept, AP_BENCH_RATE);
  if (way > 0) ap_bench_counter(meter, "kept", pair->macs_kept, AP_BENCH_VALUE);
}

ap_status ap_micro_evaluator(ap_error *err) {
  static const char *const axes[] = {"sparsity_percent", "vector_columns", "threads"};
  static const int64_t points[] = {
      0,  1, 1, /* vectors of 1 column have 9 rows, those of 8 columns 1 row */
      70, 1, 1, /**/
      90, 1, 1, /**/
      90, 8, 1, /**/
      90, 1, 2, /**/
      90, 8, 2,
  };
  static const ap_bench_way ways[] = {
      {"dense", dense}, {"evaluator", sparse}, {"integer", integer}};
  static const char *const names[] = {"evaluator/lenet5", "evaluator/resnet8", "evaluator/resnet20",
                                      "evaluator/resnet18", "evaluator/vgg16"};
  const ap_bench_case shape = {.n_axes = 3,
                               .axes = axes,
                               .n_points = sizeof points / sizeof points[0] / 3,
                               .points = points,
                               .n_ways = 3,
                               .ways = ways,
                               .setup = setup,
                               .verify = verify,
                               .report = report,
                               .teardown = teardown};
  return ap_micro_register(&shape, names, sizeof names / sizeof names[0], err);
}
