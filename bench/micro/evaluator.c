/* bench/micro/evaluator.c - images per second of the candidate evaluator against the dense path. */
#include <string.h>

#include "base/alloc.h"
#include "bench/micro/micro_impl.h"

enum { IMAGES = 1000 }; /* the first of a search split */

static ap_status open_pair(const ap_micro_setting *setting, void **problem, ap_error *err) {
  ap_micro_pair *pair = ap_calloc(1, sizeof *pair);
  *problem = NULL;
  if (!pair) return ap_fail(err, AP_ERR_MEMORY, "problem");
  ap_status st = ap_micro_pair_open(setting, pair, err);
  if (st) {
    ap_free(pair);
    return st;
  }
  *problem = pair;
  return AP_OK;
}

static ap_micro_setting setting_of(const int64_t *point) {
  return (ap_micro_setting){
      .percent = point[0], .row_vectors = point[1] > 1, .threads = (size_t)point[2]};
}

static ap_status setup(const void *context, const int64_t *point, void **problem, ap_error *err) {
  ap_micro_setting setting = setting_of(point);
  setting.network = context;
  setting.n_images = IMAGES;
  return open_pair(&setting, problem, err);
}

static ap_status setup_file(const void *context, const int64_t *point, void **problem,
                            ap_error *err) {
  ap_micro_setting setting = setting_of(point);
  setting.file = context;
  return open_pair(&setting, problem, err);
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

static ap_bench_case shape(void) {
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
  return (ap_bench_case){.n_axes = 3,
                         .axes = axes,
                         .n_points = sizeof points / sizeof points[0] / 3,
                         .points = points,
                         .n_ways = 3,
                         .ways = ways,
                         .setup = setup,
                         .verify = verify,
                         .report = report,
                         .teardown = teardown};
}

ap_status ap_micro_evaluator(ap_error *err) {
  static const char *const names[] = {"evaluator/lenet5", "evaluator/resnet8", "evaluator/resnet20",
                                      "evaluator/resnet18", "evaluator/vgg16"};
  const ap_bench_case of_built_in = shape();
  return ap_micro_register(&of_built_in, names, sizeof names / sizeof names[0], err);
}

ap_status ap_micro_evaluator_model(const char *path, ap_error *err) {
  const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path;
  const char *dot = strrchr(file, '.');
  const int length = (int)(dot && dot > file ? (size_t)(dot - file) : strlen(file));
  char *name = ap_sprintf("evaluator/%.*s", length, file);
  if (!name) return ap_fail(err, AP_ERR_MEMORY, "%s", path);
  ap_bench_case of_file = shape();
  of_file.name = name;
  of_file.context = path;
  of_file.setup = setup_file;
  ap_status st = ap_bench_register(&of_file, err);
  ap_free(name);
  return st;
}
