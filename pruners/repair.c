#include "pruners/repair.h"

#include <cblas.h>
#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"

/* LAPACK, as OpenBLAS exports it: solves A x = b for symmetric positive definite A (its upper
 * triangle in column-major order), and inverts through the same factor. */
void dposv_(const char *uplo, const int *n, const int *nrhs, double *a, const int *lda, double *b,
            const int *ldb, int *info);
void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info);
void dpotri_(const char *uplo, const int *n, double *a, const int *lda, int *info);

struct ap_repair {
  size_t d; /* k + 1: the inputs and the constant */
  ap_repair_options options;
  double *damped;  /* moments + damping, d x d */
  double *inverse; /* of damped, d x d */
  double damping;  /* what was added to the diagonal of the inputs ... */
  double constant; /* ... and to that of the constant 1 */
};

#define CONSTANT_DAMPING 1e-9 /* the constant's moment is 1 */

ap_repair_options ap_repair_defaults(void) {
  return (ap_repair_options){.damping = 0.01, .largest_solve = 1536};
}

ap_status ap_repair_create(const double *moments, size_t k, const ap_repair_options *options,
                           ap_repair **out, ap_error *err) {
  ap_status st = AP_OK;
  ap_repair *r = ap_calloc(1, sizeof *r);
  size_t d = k + 1;
  double mean = 0;
  int n = (int)d, info = 0;
  *out = NULL;
  if (!r) return ap_fail(err, AP_ERR_MEMORY, "repair");
  r->d = d;
  r->options = *options;
  r->damped = ap_calloc(d, d * sizeof(double));
  r->inverse = ap_calloc(d, d * sizeof(double));
  if (!r->damped || !r->inverse) {
    st = ap_fail(err, AP_ERR_MEMORY, "repair of %zu inputs", k);
    goto done;
  }
  memcpy(r->damped, moments, d * d * sizeof(double));
  for (size_t i = 0; i < k; i++) mean += moments[i * d + i] / (double)k;
  if (!(mean > 0)) mean = 1; /* a layer that sees only zeros: any damping will do */
  r->damping = options->damping * mean;
  r->constant = CONSTANT_DAMPING;
  for (size_t i = 0; i < k; i++) r->damped[i * d + i] += r->damping;
  r->damped[d * d - 1] += r->constant;
  memcpy(r->inverse, r->damped, d * d * sizeof(double));
  dpotrf_("U", &n, r->inverse, &n, &info);
  if (info == 0) dpotri_("U", &n, r->inverse, &n, &info);
  if (info != 0) {
    st =
        ap_fail(err, AP_ERR_INTERNAL, "repair: moments of %zu inputs are not positive definite", k);
    goto done;
  }
  for (size_t i = 0; i < d; i++) { /* the upper triangle in column-major order, to both halves */
    for (size_t j = i + 1; j < d; j++) r->inverse[i * d + j] = r->inverse[j * d + i];
  }
  *out = r;
  r = NULL;
done:
  ap_repair_destroy(r);
  return st;
}

void ap_repair_destroy(ap_repair *repair) {
  if (!repair) return;
  ap_free(repair->damped);
  ap_free(repair->inverse);
  ap_free(repair);
}

typedef struct {
  double *system, *rhs;
  size_t *kept, *pruned;
} scratch;

typedef struct {
  const ap_repair *r;
  size_t n, stride;
  const float *dense, *bias;
  const uint8_t *mask;
  float *weights, *new_bias;
  scratch *workers;
} job;

/* b = rows x cols part of a (d x d) by index lists; both triangles. */
static void gather(const double *a, size_t d, const size_t *index, size_t n, double *b) {
  for (size_t i = 0; i < n; i++) {
    for (size_t j = 0; j < n; j++) b[i * n + j] = a[index[i] * d + index[j]];
  }
}

static bool solve(double *a, double *b, size_t n) {
  int size = (int)n, one = 1, info = 0;
  if (n == 0) return true;
  dposv_("U", &size, &one, a, &size, b, &size, &info);
  return info == 0;
}

/* Change of the kept weights from their normal equations: (H_SS) delta_S = H_SP w_P. */
static bool by_kept(const job *t, const scratch *w, size_t column, size_t n_kept, size_t n_pruned,
                    double *delta) {
  const double *h = t->r->damped;
  size_t d = t->r->d;
  for (size_t i = 0; i < n_kept; i++) {
    double sum = 0;
    for (size_t j = 0; j < n_pruned; j++) {
      sum += h[w->kept[i] * d + w->pruned[j]] * (double)t->dense[w->pruned[j] * t->stride + column];
    }
    w->rhs[i] = sum;
  }
  gather(h, d, w->kept, n_kept, w->system);
  if (!solve(w->system, w->rhs, n_kept)) return false;
  for (size_t i = 0; i < n_kept; i++) delta[w->kept[i]] = w->rhs[i];
  return true;
}

/* The same from the pruned side: delta = -G_:P (G_PP)^-1 w_P with G the inverse moments. */
static bool by_pruned(const job *t, const scratch *w, size_t column, size_t n_kept, size_t n_pruned,
                      double *delta) {
  const double *g = t->r->inverse;
  size_t d = t->r->d;
  for (size_t j = 0; j < n_pruned; j++) {
    w->rhs[j] = (double)t->dense[w->pruned[j] * t->stride + column];
  }
  gather(g, d, w->pruned, n_pruned, w->system);
  if (!solve(w->system, w->rhs, n_pruned)) return false;
  for (size_t i = 0; i < n_kept; i++) {
    double sum = 0;
    for (size_t j = 0; j < n_pruned; j++) sum += g[w->kept[i] * d + w->pruned[j]] * w->rhs[j];
    delta[w->kept[i]] = -sum;
  }
  return true;
}

/* Only the bias: what the removed weights gave on average. */
static void by_bias(const job *t, const scratch *w, size_t column, size_t n_pruned, double *delta) {
  size_t d = t->r->d;
  for (size_t j = 0; j < n_pruned; j++) {
    delta[d - 1] += t->r->damped[w->pruned[j] * d + d - 1] *
                    (double)t->dense[w->pruned[j] * t->stride + column];
  }
}

static void column_body(void *context, size_t column, size_t worker) {
  const job *t = context;
  scratch *w = &t->workers[worker];
  size_t d = t->r->d, k = d - 1, n_kept = 0, n_pruned = 0;
  double *delta = w->rhs + d;
  bool solved = false;
  for (size_t i = 0; i < k; i++) {
    if (t->mask[i * t->stride + column]) {
      w->kept[n_kept++] = i;
    } else {
      w->pruned[n_pruned++] = i;
    }
  }
  w->kept[n_kept++] = k; /* the bias always moves */
  memset(delta, 0, d * sizeof(double));
  if (n_pruned > 0) {
    if (n_kept <= n_pruned && n_kept <= t->r->options.largest_solve) {
      solved = by_kept(t, w, column, n_kept, n_pruned, delta);
    } else if (n_pruned <= t->r->options.largest_solve) {
      solved = by_pruned(t, w, column, n_kept, n_pruned, delta);
    }
    if (!solved) {
      memset(delta, 0, d * sizeof(double));
      by_bias(t, w, column, n_pruned, delta);
    }
  }
  for (size_t i = 0; i < k; i++) {
    size_t at = i * t->stride + column;
    t->weights[at] = t->mask[at] ? (float)((double)t->dense[at] + delta[i]) : 0.0f;
  }
  t->new_bias[column] = (float)((double)t->bias[column] + delta[k]);
}

ap_status ap_repair_columns(const ap_repair *repair, ap_pool *pool, size_t n, size_t stride,
                            const float *dense, const uint8_t *kept, const float *bias,
                            float *weights, float *new_bias, ap_error *err) {
  ap_status st = AP_OK;
  size_t n_workers = ap_pool_threads(pool), d = repair->d;
  size_t largest = d < repair->options.largest_solve ? d : repair->options.largest_solve;
  scratch *workers = ap_calloc(n_workers, sizeof *workers);
  job t = {repair, n, stride, dense, bias, kept, weights, new_bias, workers};
  if (!workers) return ap_fail(err, AP_ERR_MEMORY, "repair of %zu columns", n);
  for (size_t i = 0; i < n_workers && !st; i++) {
    workers[i].system = ap_calloc(largest, largest * sizeof(double));
    workers[i].rhs = ap_calloc(2 * d, sizeof(double));
    workers[i].kept = ap_calloc(d, sizeof(size_t));
    workers[i].pruned = ap_calloc(d, sizeof(size_t));
    if (!workers[i].system || !workers[i].rhs || !workers[i].kept || !workers[i].pruned) {
      st = ap_fail(err, AP_ERR_MEMORY, "repair of %zu inputs", d - 1);
    }
  }
  if (!st) ap_pool_run(pool, n, column_body, &t);
  for (size_t i = 0; i < n_workers; i++) {
    ap_free(workers[i].system);
    ap_free(workers[i].rhs);
    ap_free(workers[i].kept);
    ap_free(workers[i].pruned);
  }
  ap_free(workers);
  return st;
}

ap_status ap_repair_target(const ap_repair *repair, const double *cross, size_t n, size_t stride,
                           const float *dense, const float *bias, float *weights, float *new_bias,
                           ap_error *err) {
  size_t d = repair->d, k = d - 1;
  double *given = ap_calloc(d * n, sizeof *given), *wanted = ap_calloc(d * n, sizeof *wanted);
  ap_status st = AP_OK;
  if (!given || !wanted) {
    st = ap_fail(err, AP_ERR_MEMORY, "target of %zu inputs", k);
    goto done;
  }
  for (size_t j = 0; j < n; j++) {
    for (size_t i = 0; i < k; i++) given[i * n + j] = (double)dense[i * stride + j];
    given[k * n + j] = (double)bias[j];
  }
  for (size_t i = 0; i < d; i++) { /* (moments + damping) w = cross w0 + damping w0 */
    double damping = i < k ? repair->damping : repair->constant;
    for (size_t j = 0; j < n; j++) wanted[i * n + j] = damping * given[i * n + j];
  }
  cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)d, (int)n, (int)d, 1.0, cross, (int)d,
              given, (int)n, 1.0, wanted, (int)n);
  cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)d, (int)n, (int)d, 1.0,
              repair->inverse, (int)d, wanted, (int)n, 0.0, given, (int)n);
  for (size_t j = 0; j < n; j++) {
    for (size_t i = 0; i < k; i++) weights[i * stride + j] = (float)given[i * n + j];
    new_bias[j] = (float)given[k * n + j];
  }
done:
  ap_free(given);
  ap_free(wanted);
  return st;
}
