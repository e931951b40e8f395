/* bench/micro/repair.c - least-squares repair of one layer: all columns together by conjugate gradients
 * against each column's own system by LAPACK (dposv), both on all threads. */
#include "pruners/repair.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "base/threads.h"
#include "bench/benchmark.h"
#include "bench/micro/micro_impl.h"

void dposv_(const char *uplo, const int *n, const int *nrhs, double *a, const int *lda, double *b,
            const int *ldb, int *info);

enum { HEIGHT = 9, SOURCES_SHARE = 8, COLUMNS = 128 };

typedef struct {
  size_t k, n;
  double *moments; /* (k + 1) x (k + 1) */
  float *dense, *bias;
  uint8_t *kept;
  float *exact, *exact_bias, *fast, *fast_bias;
  double damping;
  double **systems; /* per worker: (k + 1) x (k + 1), then k + 1 */
  size_t **lists;   /* per worker: 2 (k + 1) */
  ap_repair_options options;
  ap_repair *repair;
  ap_pool *pool;
} repair_problem;

static void teardown(void *problem) {
  repair_problem *p = problem;
  for (size_t i = 0; p->systems && i < ap_pool_threads(p->pool); i++) ap_free(p->systems[i]);
  for (size_t i = 0; p->lists && i < ap_pool_threads(p->pool); i++) ap_free(p->lists[i]);
  ap_free(p->systems);
  ap_free(p->lists);
  ap_repair_destroy(p->repair);
  ap_pool_destroy(p->pool);
  ap_free(p->moments);
  ap_free(p->dense);
  ap_free(p->bias);
  ap_free(p->kept);
  ap_free(p->exact);
  ap_free(p->exact_bias);
  ap_free(p->fast);
  ap_free(p->fast_bias);
  ap_free(p);
}

/* Moments as of activations behind ReLU: a mean, some shared directions, own noise. */
static ap_status draw(repair_problem *p, ap_error *err) {
  const size_t d = p->k + 1, sources = p->k / SOURCES_SHARE + 1;
  double *mix = ap_calloc(d * sources, sizeof *mix);
  ap_rng rng;
  if (!mix) return ap_fail(err, AP_ERR_MEMORY, "moments");
  ap_rng_seed(&rng, 9, p->k);
  for (size_t i = 0; i < p->k * sources; i++) mix[i] = ap_rng_normal(&rng) / sqrt((double)sources);
  for (size_t i = 0; i < d; i++) {
    for (size_t j = i; j < d; j++) {
      double mean = (i < p->k ? 0.5 : 1.0) * (j < p->k ? 0.5 : 1.0), sum = mean;
      for (size_t s = 0; s < sources; s++) sum += mix[i * sources + s] * mix[j * sources + s];
      if (i == j && i < p->k) sum += 0.1;
      p->moments[i * d + j] = p->moments[j * d + i] = sum;
    }
  }
  ap_free(mix);
  for (size_t i = 0; i < p->k; i++) {
    p->damping += p->options.damping * p->moments[i * d + i] / (double)p->k;
  }
  for (size_t i = 0; i < p->k * p->n; i++) p->dense[i] = (float)ap_rng_normal(&rng);
  for (size_t c = 0; c < p->k / HEIGHT; c++) {
    for (size_t j = 0; j < p->n; j++) {
      const bool kept = ap_rng_below(&rng, 5) < 2;
      for (size_t r = 0; r < HEIGHT; r++) p->kept[(c * HEIGHT + r) * p->n + j] = kept;
    }
  }
  return AP_OK;
}

static ap_status setup(const void *context, const int64_t *point, void **problem, ap_error *err) {
  repair_problem *p = ap_calloc(1, sizeof *p);
  ap_status st = AP_OK;
  size_t d;
  (void)context;
  *problem = NULL;
  if (!p) return ap_fail(err, AP_ERR_MEMORY, "problem");
  p->k = (size_t)point[0];
  p->n = COLUMNS;
  d = p->k + 1;
  p->options = ap_repair_defaults();
  openblas_set_num_threads(1); /* the pool's threads are the parallelism */
  p->moments = ap_calloc(d * d, sizeof *p->moments);
  p->dense = ap_calloc(p->k * p->n, sizeof *p->dense);
  p->bias = ap_calloc(p->n, sizeof *p->bias);
  p->kept = ap_calloc(p->k * p->n, 1);
  p->exact = ap_calloc(p->k * p->n, sizeof *p->exact);
  p->exact_bias = ap_calloc(p->n, sizeof *p->exact_bias);
  p->fast = ap_calloc(p->k * p->n, sizeof *p->fast);
  p->fast_bias = ap_calloc(p->n, sizeof *p->fast_bias);
  st = ap_pool_create(0, &p->pool, err);
  if (!st) {
    p->systems = ap_calloc(ap_pool_threads(p->pool), sizeof *p->systems);
    p->lists = ap_calloc(ap_pool_threads(p->pool), sizeof *p->lists);
  }
  for (size_t i = 0; !st && p->systems && p->lists && i < ap_pool_threads(p->pool); i++) {
    p->systems[i] = ap_calloc(d * d + d, sizeof **p->systems);
    p->lists[i] = ap_calloc(2 * d, sizeof **p->lists);
    if (!p->systems[i] || !p->lists[i]) st = ap_fail(err, AP_ERR_MEMORY, "systems");
  }
  if (!st && (!p->moments || !p->dense || !p->bias || !p->kept || !p->exact || !p->exact_bias ||
              !p->fast || !p->fast_bias || !p->systems || !p->lists)) {
    st = ap_fail(err, AP_ERR_MEMORY, "problem");
  }
  if (!st) st = draw(p, err);
  if (!st) st = ap_repair_create(p->moments, p->k, &p->options, &p->repair, err);
  if (st) {
    teardown(p);
    return st;
  }
  *problem = p;
  return AP_OK;
}

/* (H_SS + damping) delta = H_SP w_P, the constant among S. */
static void exact_column(void *context, size_t j, size_t worker) {
  repair_problem *p = context;
  const size_t d = p->k + 1;
  double *system = p->systems[worker], *rhs = system + d * d;
  size_t *kept = p->lists[worker], *pruned = kept + d, n_kept = 0, n_pruned = 0;
  int size, one = 1, info = 0;
  for (size_t i = 0; i < p->k; i++) {
    if (p->kept[i * p->n + j]) {
      kept[n_kept++] = i;
    } else {
      pruned[n_pruned++] = i;
    }
  }
  kept[n_kept++] = p->k;
  for (size_t a = 0; a < n_kept; a++) {
    const double *row = p->moments + kept[a] * d;
    rhs[a] = 0;
    for (size_t t = 0; t < n_pruned; t++) {
      rhs[a] += row[pruned[t]] * (double)p->dense[pruned[t] * p->n + j];
    }
    for (size_t b = 0; b < n_kept; b++) system[a * n_kept + b] = row[kept[b]];
    system[a * n_kept + a] += kept[a] < p->k ? p->damping : 1e-9;
  }
  size = (int)n_kept;
  dposv_("U", &size, &one, system, &size, rhs, &size, &info);
  for (size_t t = 0; t < n_pruned; t++) p->exact[pruned[t] * p->n + j] = 0;
  for (size_t a = 0; a + 1 < n_kept; a++) {
    const size_t at = kept[a] * p->n + j;
    p->exact[at] = (float)((double)p->dense[at] + rhs[a]);
  }
  p->exact_bias[j] = (float)((double)p->bias[j] + rhs[n_kept - 1]);
}

static ap_status lapack(void *problem, ap_error *err) {
  repair_problem *p = problem;
  (void)err;
  ap_pool_run(p->pool, p->n, exact_column, p);
  return AP_OK;
}

static ap_status gradients(void *problem, ap_error *err) {
  repair_problem *p = problem;
  return ap_repair_columns(p->repair, p->pool, p->n, p->n, p->dense, p->kept, p->bias, p->fast,
                           p->fast_bias, err);
}

/* What is minimised, of one column. */
static double error_of(const repair_problem *p, const float *w, const float *bias, size_t j) {
  const size_t d = p->k + 1;
  double sum = 0;
  for (size_t i = 0; i < d; i++) {
    const double a = i < p->k ? (double)w[i * p->n + j] - (double)p->dense[i * p->n + j]
                              : (double)bias[j] - (double)p->bias[j];
    double row = i < p->k ? p->damping * a : 0;
    for (size_t t = 0; t < d; t++) {
      row += p->moments[i * d + t] * (t < p->k
                                          ? (double)w[t * p->n + j] - (double)p->dense[t * p->n + j]
                                          : (double)bias[j] - (double)p->bias[j]);
    }
    sum += a * row;
  }
  return sum;
}

/* The error of the kept weights as they were falls to LAPACK's, but for a hundredth of what it wins. */
static ap_status verify(void *problem, ap_error *err) {
  repair_problem *p = problem;
  float *plain = ap_calloc(p->k * p->n, sizeof *plain);
  ap_status st = plain ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "verification");
  if (!st) st = lapack(p, err);
  if (!st) st = gradients(p, err);
  for (size_t i = 0; !st && i < p->k * p->n; i++) plain[i] = p->kept[i] ? p->dense[i] : 0.0f;
  for (size_t j = 0; j < p->n && !st; j += 16) {
    const double before = error_of(p, plain, p->bias, j);
    const double best = error_of(p, p->exact, p->exact_bias, j);
    const double got = error_of(p, p->fast, p->fast_bias, j);
    if (!(best < before) || !(got - best <= 0.01 * (before - best))) {
      st = ap_fail(err, AP_ERR_INTERNAL, "column %zu: error %g as pruned, %g by LAPACK, %g here", j,
                   before, best, got);
    }
  }
  ap_free(plain);
  return st;
}

static void report(void *problem, size_t way, ap_bench_meter *meter) {
  const repair_problem *p = problem;
  (void)way;
  ap_bench_counter(meter, "columns", (double)p->n, AP_BENCH_RATE);
}

ap_status ap_micro_repair(ap_error *err) {
  static const char *const axes[] = {"inputs"};
  static const int64_t points[] = {576, 1152, 2304};
  static const ap_bench_way ways[] = {{"lapack", lapack}, {"gradients", gradients}};
  return ap_bench_register(&(ap_bench_case){.name = "repair/column-vector60",
                                            .n_axes = 1,
                                            .axes = axes,
                                            .n_points = 3,
                                            .points = points,
                                            .n_ways = 2,
                                            .ways = ways,
                                            .setup = setup,
                                            .verify = verify,
                                            .report = report,
                                            .teardown = teardown},
                           err);
}
